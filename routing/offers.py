"""An agent answers an offer: accepts, declines, or lets it ring."""

from __future__ import annotations

from routing import commands as cmd
from routing.events import AgentNotResponding, ContactConnected, StepReached, TicketOwned
from routing.lookup import get_pending_offer
from routing.model import NEVER, ContactState, Offer, OfferState
from routing.queueing import (
    end_offer,
    end_talk,
    follow_up_presence,
    revoke_offers,
    revoke_pending,
    stop_preferring,
)
from routing.steps import open_step
from routing.turn import Turn

MISSES_BEFORE_OFFLINE = 3


def accept(turn: Turn, command: cmd.Accept) -> None:
    """Connect the contact; other pending offers of it lose, a colleague passing it on is free."""
    floor = turn.floor
    offer = get_pending_offer(floor, command.offer_id, command.agent_id, turn.now)
    contact = floor.contacts[offer.contact_id]
    giver = floor.offers.get(contact.offer_id) if contact.offer_id is not None else None
    revoke_offers(turn, contact, reason="lost_race", keep=offer.id)
    turn.emit(
        ContactConnected(
            at=turn.now, actor=turn.actor, contact_id=contact.id, offer_id=offer.id, agent_id=offer.agent_id
        )
    )
    ticket = floor.tickets[contact.ticket_id]
    if not ticket.accepted:
        turn.emit(
            TicketOwned(
                at=turn.now,
                actor=turn.actor,
                reason="accepted the contact",
                ticket_id=ticket.id,
                owner_id=offer.agent_id,
            )
        )
    if giver is not None and giver.talk_ended_at is None:
        end_talk(turn, giver, last=False, reason="transferred")


def decline(turn: Turn, command: cmd.Decline) -> None:
    """Put the contact back at its place; this agent is not asked again for the team's retry time.

    What waited for this agent alone is open to everybody now.
    """
    offer = get_pending_offer(turn.floor, command.offer_id, command.agent_id, turn.now)
    team = turn.floor.team(offer.team_id)
    end_offer(
        turn,
        offer,
        OfferState.DECLINED,
        reason=command.reason or "declined",
        retry_at=turn.now + team.decline_retry_s,
    )
    _stop_preferring(turn, offer, reason="declined")
    follow_up_presence(turn, offer.agent_id)


def miss(turn: Turn, command: cmd.MissOffer) -> None:
    """The agent's phone was not answered: the same as an offer that runs out."""
    expire(turn, get_pending_offer(turn.floor, command.offer_id, None, turn.now), reason=command.reason)


def revoke(turn: Turn, command: cmd.Revoke) -> None:
    """Put the contact back at its place without blame; the agent is asked again after the retry time."""
    offer = get_pending_offer(turn.floor, command.offer_id, None, turn.now)
    retry_at = turn.now + turn.floor.team(offer.team_id).decline_retry_s
    end_offer(turn, offer, OfferState.REVOKED, reason=command.reason, retry_at=retry_at)
    _stop_preferring(turn, offer, reason=command.reason)


def expire(turn: Turn, offer: Offer, *, reason: str) -> None:
    """End an unanswered offer: the contact is back at its place, the agent gets nothing for a while.

    After three misses in a row the agent gets nothing until it answers for itself.
    """
    floor = turn.floor
    end_offer(turn, offer, OfferState.EXPIRED, reason=reason)
    agent = floor.agents[offer.agent_id]
    if agent.not_responding:
        return
    rest_s = floor.team(offer.team_id).not_responding_s
    turn.emit(
        AgentNotResponding(
            at=turn.now,
            actor=turn.actor,
            reason=reason,
            agent_id=agent.id,
            until=NEVER if agent.missed + 1 >= MISSES_BEFORE_OFFLINE else turn.now + rest_s,
        )
    )
    revoke_pending(turn, agent, reason="agent_not_responding")
    stop_preferring(turn, agent, reason="agent_not_responding")
    follow_up_presence(turn, agent.id)


def _stop_preferring(turn: Turn, offer: Offer, *, reason: str) -> None:
    contact = turn.floor.contacts[offer.contact_id]
    if contact.step < 0 and contact.state is ContactState.QUEUED:
        step = open_step(turn.floor.team(contact.team_id), contact, turn.now)
        turn.emit(StepReached(at=turn.now, actor=turn.actor, reason=reason, contact_id=contact.id, step=step))
