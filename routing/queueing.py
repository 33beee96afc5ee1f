"""Begin and end stays in a queue: the moves that several commands share."""

from __future__ import annotations

from routing.events import ContactQueued, OfferEnded, OfferReleased, PresenceChanged, WrapUpStarted
from routing.model import Contact, Offer, OfferState
from routing.turn import Turn


def queue(
    turn: Turn,
    contact: Contact,
    team_id: str,
    *,
    enqueued_at: float,
    preferred_agent_id: str | None = None,
    preferred_s: float = 0.0,
    reason: str = "",
) -> None:
    """Begin a queue segment of `contact` for a team; only the preferred agent may take it at first."""
    policy = turn.floor.policy
    longest_s = policy.teams[team_id].max_wait_s.get(
        str(contact.channel), policy.channels[contact.channel].max_wait_s
    )
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
        )
    )


def revoke_offers(turn: Turn, contact: Contact, *, reason: str, keep: int | None = None) -> None:
    """Take back the contact's pending offers (but `keep`); never counted against the agents."""
    for offer_id in contact.offer_ids:
        if offer_id != keep:
            end_offer(turn, turn.floor.offers[offer_id], OfferState.REVOKED, reason=reason)


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
