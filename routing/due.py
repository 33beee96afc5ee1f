"""What happens by itself when time passes: offers run out, steps widen, wrap-ups and waits end."""

from __future__ import annotations

from typing import Final

from routing import commands as cmd
from routing.ending import end, end_wrap_up
from routing.events import (
    AgentNotResponding,
    AgentResponding,
    AgentSeen,
    ContactScheduled,
    RetryCleared,
    StepReached,
)
from routing.hours import next_opening
from routing.intake import preferred_agent
from routing.lead import move_segment
from routing.lookup import takes_over, talking_offer
from routing.model import NEVER, Agent, Channel, Contact, ContactState, Offer, OfferState, Presence
from routing.offers import expire
from routing.queueing import end_offer, queue, revoke_pending, stop_preferring
from routing.steps import OVERFLOW_CLOSED, due_step, next_step_at, open_step
from routing.timers import AGENT, CONTACT, OFFER
from routing.transfer import resume
from routing.turn import Turn

OUTAGE_S: Final = 5.0
"""What is carried out so much too late fell due while no service was there: nobody could answer it."""


def tick(turn: Turn, command: cmd.Tick) -> None:
    """Carry out everything that is due by now, in the order in which it fell due."""
    floor = turn.floor
    while (found := floor.pop_due(turn.now)) is not None:
        kind, key = found
        if kind == OFFER:
            _offer_due(turn, floor.offers[int(key)])
        elif kind == CONTACT:
            _contact_due(turn, floor.contacts[int(key)])
        elif kind == AGENT:
            _agent_due(turn, floor.agents[str(key)])


def catch_up(turn: Turn) -> None:
    """Carry out what fell due for contacts while they were offered, before dispatch looks for an agent.

    An offered contact does not wait, so that its steps, its overflow, its refusals and its longest wait have
    no timer; they count from the same instants as ever, and hold at once when its last offer has ended.
    """
    contacts, now = turn.floor.contacts, turn.now
    behind = [
        each
        for contact_id in turn.floor.open_contacts
        if (each := contacts[contact_id]).due_at <= now and each.state is ContactState.QUEUED
    ]
    for contact in behind:
        _contact_due(turn, contact)


def _offer_due(turn: Turn, offer: Offer) -> None:
    if offer.state is not OfferState.PENDING:
        end_wrap_up(turn, offer, reason="time_over")
    elif turn.now - offer.expires_at > OUTAGE_S:
        end_offer(turn, offer, OfferState.REVOKED, reason="outage")
    else:
        expire(turn, offer, reason="no_answer")


def _contact_due(turn: Turn, contact: Contact) -> None:
    floor, now = turn.floor, turn.now
    if contact.state is ContactState.SCHEDULED:
        _start(turn, contact)
        return
    team = floor.team(contact.team_id)
    if contact.state is ContactState.OFFERED:
        step = open_step(team, contact, now)
        turn.emit(StepReached(at=now, actor=turn.actor, contact_id=contact.id, step=step))
        return
    if contact.expires_at <= now:
        holder = talking_offer(turn.floor, contact)
        if holder is not None:
            resume(turn, contact, holder, reason="max_wait")
        else:
            end(turn, contact, ContactState.EXPIRED, reason="max_wait")
        return
    step = due_step(team, contact, now)
    if next_step_at(team, contact) <= now:
        overflow_to = team.steps[step - 1].overflow_to if step > 0 else None
        shut = overflow_to is not None and not takes_over(floor, contact, overflow_to, now)
        if overflow_to is not None and not shut:
            move_segment(turn, contact.id, overflow_to, reason="overflow")
            return
        reason = OVERFLOW_CLOSED if shut else ""
        turn.emit(StepReached(at=now, actor=turn.actor, reason=reason, contact_id=contact.id, step=step))
    again = tuple(agent_id for agent_id, at in contact.tried.items() if at <= now)
    if again:
        turn.emit(RetryCleared(at=now, actor=turn.actor, contact_id=contact.id, agent_ids=again))


def _start(turn: Turn, contact: Contact) -> None:
    floor, now = turn.floor, turn.now
    opening: float | None = now
    if contact.channel is Channel.CALLBACK:
        opening = next_opening(floor.team(contact.team_id).hours, now)
    if opening is None:
        end(turn, contact, ContactState.EXPIRED, reason="closed")
    elif opening > now:
        turn.emit(
            ContactScheduled(
                at=now, actor=turn.actor, reason="closed", contact_id=contact.id, scheduled_at=opening
            )
        )
    else:
        ticket = floor.tickets[contact.ticket_id]
        queue(
            turn,
            contact,
            contact.team_id,
            enqueued_at=min(contact.enqueued_at, now),
            preferred_agent_id=preferred_agent(floor, ticket, contact, contact.preferred_agent_id),
            preferred_s=floor.team(contact.team_id).owner_preferred_s,
            reason="its time has come",
        )


def _agent_due(turn: Turn, agent: Agent) -> None:
    now, beat_s = turn.now, turn.floor.policy.heartbeat_s
    if not agent.not_responding and now - turn.floor.agent_due(agent) > OUTAGE_S:
        turn.emit(AgentSeen(at=now, actor=turn.actor, reason="outage", agent_id=agent.id))
        return
    silent = beat_s is not None and agent.presence is not Presence.OFFLINE and agent.seen_at + beat_s <= now
    if agent.not_responding and not silent:
        turn.emit(AgentResponding(at=now, actor=turn.actor, reason="rest over", agent_id=agent.id))
        return
    turn.emit(
        AgentNotResponding(
            at=now,
            actor=turn.actor,
            reason="heartbeat_missed",
            agent_id=agent.id,
            until=NEVER,
            silent=True,
        )
    )
    revoke_pending(turn, agent, reason="agent_not_responding")
    stop_preferring(turn, agent, reason="agent_not_responding")
