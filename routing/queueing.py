"""Begin and end stays in a queue: the moves that several commands share."""

from __future__ import annotations

from routing.events import (
    ContactQueued,
    OfferEnded,
    OfferReleased,
    PresenceChanged,
    SegmentClosed,
    StepReached,
    WrapUpStarted,
)
from routing.model import Agent, Contact, Offer, OfferState
from routing.steps import open_step
from routing.turn import Turn


def queue(
    turn: Turn,
    contact: Contact,
    team_id: str,
    *,
    enqueued_at: float,
    preferred_agent_id: str | None = None,
    preferred_s: float = 0.0,
    avoid: Offer | None = None,
    reason: str = "",
) -> None:
    """Begin a queue segment of `contact` for a team; only the preferred agent may take it at first.

    `avoid` is the assignment of an agent who passes the contact on: not offered it again while talking to
    the customer, nor for the team's retry time after that.
    """
    policy = turn.floor.policy
    team = policy.teams[team_id]
    longest_s = team.max_wait_s.get(str(contact.channel), policy.channels[contact.channel].max_wait_s)
    avoid_s = 0.0
    if avoid is not None:
        avoid_s = longest_s if avoid.talk_ended_at is None else team.decline_retry_s
    turn.emit(
        ContactQueued(
            at=turn.now,
            actor=turn.actor,
            reason=reason,
            contact_id=contact.id,
            team_id=team_id,
            segment=contact.segment + 1,
            enqueued_at=enqueued_at,
            expires_at=turn.now + longest_s,
            preferred_agent_id=preferred_agent_id,
            preferred_until=turn.now + preferred_s if preferred_agent_id is not None else 0.0,
            avoid_agent_id=avoid.agent_id if avoid is not None else None,
            avoid_until=turn.now + avoid_s if avoid is not None else 0.0,
        )
    )


def stop_preferring(turn: Turn, agent: Agent, *, reason: str) -> None:
    """Open to everybody what waits for `agent` alone, who is not coming back for it in time."""
    floor = turn.floor
    for _, contact_id in tuple(floor.queues.reserved.get(agent.id, ())):
        contact = floor.contacts[contact_id]
        step = open_step(floor.team(contact.team_id), contact, turn.now)
        turn.emit(StepReached(at=turn.now, actor=turn.actor, reason=reason, contact_id=contact_id, step=step))


def revoke_pending(turn: Turn, agent: Agent, *, reason: str) -> None:
    """Take back what is offered to `agent`; never counted against the agent."""
    for offer_id in agent.offer_ids:
        offer = turn.floor.offers[offer_id]
        if offer.state is OfferState.PENDING:
            end_offer(turn, offer, OfferState.REVOKED, reason=reason)


def revoke_offers(
    turn: Turn, contact: Contact, *, reason: str, keep: int | None = None, customer_gone: bool = False
) -> None:
    """Take back the contact's pending offers (but `keep`); never counted against the agents."""
    for offer_id in contact.offer_ids:
        if offer_id != keep:
            offer = turn.floor.offers[offer_id]
            end_offer(turn, offer, OfferState.REVOKED, reason=reason, customer_gone=customer_gone)


def close_segment(turn: Turn, contact: Contact, *, reason: str) -> None:
    """End the contact's running segment without ending the contact."""
    turn.emit(
        SegmentClosed(
            at=turn.now,
            actor=turn.actor,
            reason=reason,
            contact_id=contact.id,
            segment=contact.segment,
            team_id=contact.team_id,
        )
    )


def end_offer(
    turn: Turn,
    offer: Offer,
    state: OfferState,
    *,
    reason: str,
    retry_at: float = 0.0,
    customer_gone: bool = False,
) -> None:
    """End a pending offer without its being accepted."""
    turn.emit(
        OfferEnded(
            at=turn.now,
            actor=turn.actor,
            reason=reason,
            offer_id=offer.id,
            contact_id=offer.contact_id,
            agent_id=offer.agent_id,
            state=state,
            retry_at=retry_at,
            customer_gone=customer_gone,
        )
    )


def end_talk(turn: Turn, offer: Offer, *, last: bool, reason: str) -> bool:
    """End the conversation under an accepted offer; return whether a wrap-up runs now."""
    floor = turn.floor
    team = floor.policy.teams.get(offer.team_id)
    wrap_up_s = team.wrap_up_s if team is not None and floor.policy.channels[offer.channel].wrap_up else 0.0
    turn.emit(
        WrapUpStarted(
            at=turn.now,
            actor=turn.actor,
            reason=reason,
            offer_id=offer.id,
            contact_id=offer.contact_id,
            agent_id=offer.agent_id,
            until=turn.now + wrap_up_s,
            last=last,
        )
    )
    if wrap_up_s <= 0:
        release(turn, offer, reason=reason)
    return wrap_up_s > 0


def release(turn: Turn, offer: Offer, *, reason: str) -> None:
    """Give the agent's capacity back and carry out the presence the agent asked for meanwhile."""
    turn.emit(
        OfferReleased(
            at=turn.now,
            actor=turn.actor,
            reason=reason,
            offer_id=offer.id,
            contact_id=offer.contact_id,
            agent_id=offer.agent_id,
        )
    )
    follow_up_presence(turn, offer.agent_id)


def follow_up_presence(turn: Turn, agent_id: str) -> None:
    """Carry out the presence an agent asked for while busy, once nothing runs any more."""
    agent = turn.floor.agents[agent_id]
    if agent.next_presence is not None and not agent.offer_ids:
        turn.emit(
            PresenceChanged(
                at=turn.now,
                actor=turn.actor,
                reason=agent.presence_reason,
                agent_id=agent_id,
                presence=agent.next_presence,
            )
        )
