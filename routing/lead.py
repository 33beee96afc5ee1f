"""What a team lead does by hand: move, prioritise, assign waiting work, change a ticket's owner or state."""

from __future__ import annotations

from typing import Final

from routing import commands as cmd
from routing.dispatch import Grounds, offer_to
from routing.eligibility import Refusal
from routing.events import PriorityChanged, TicketChanged, TicketOwned
from routing.floor import Floor
from routing.lookup import check_team, get_agent, get_contact, talking_offer
from routing.model import PRIORITY_MAX, Agent, Contact, ContactState, Ticket
from routing.queueing import close_segment, queue, revoke_offers
from routing.refused import Code, RefusedError
from routing.turn import Turn

_WAITING = (ContactState.QUEUED, ContactState.OFFERED)


def reprioritise(turn: Turn, command: cmd.Reprioritise) -> None:
    """Give a waiting contact another priority; its order changes at once."""
    if not 0 <= command.priority <= PRIORITY_MAX:
        raise RefusedError(Code.INVALID_VALUE, f"Priority goes from 0 to {PRIORITY_MAX}.", "priority")
    contact = get_contact(turn.floor, command.contact_id, *_WAITING)
    turn.emit(
        PriorityChanged(at=turn.now, actor=turn.actor, contact_id=contact.id, priority=command.priority)
    )


def move(turn: Turn, command: cmd.Move) -> None:
    """Queue a waiting contact for another team, at its place."""
    check_team(turn.floor, command.team_id, field="team")
    contact = get_contact(turn.floor, command.contact_id, *_WAITING)
    if contact.team_id == command.team_id:
        raise RefusedError(Code.WRONG_STATE, f"Contact {contact.id} waits for that team already.", "team")
    revoke_offers(turn, contact, reason="moved")
    move_segment(turn, contact.id, command.team_id, reason=command.reason or "moved")


def move_segment(turn: Turn, contact_id: int, team_id: str, *, reason: str) -> None:
    """Close the running queue segment as flowed out and begin one for `team_id` at the same place."""
    contact = turn.floor.contacts[contact_id]
    close_segment(turn, contact, reason=reason)
    holder = talking_offer(turn.floor, contact)
    queue(turn, contact, team_id, enqueued_at=contact.enqueued_at, avoid=holder, reason=reason)


def assign(turn: Turn, command: cmd.Assign) -> None:
    """Offer a waiting contact to one agent ahead of the order; the agent must be free for it.

    Skills, language, team and earlier refusals do not count: the lead knows why.
    """
    floor = turn.floor
    contact = get_contact(floor, command.contact_id, *_WAITING)
    agent = get_agent(floor, command.agent_id, field="agent")
    if any(floor.offers[i].agent_id == agent.id for i in contact.offer_ids):
        raise RefusedError(Code.WRONG_STATE, f"{agent.name} has the offer already.", "agent")
    holder = talking_offer(turn.floor, contact)
    if holder is not None and holder.agent_id == agent.id:
        raise RefusedError(Code.NOT_ELIGIBLE, f"{agent.name} is passing this contact on.", "agent")
    if (obstacle := _obstacle(floor, contact, agent)) is not None:
        raise RefusedError(
            Code.NOT_ELIGIBLE,
            f"{agent.name} {_WORDS[obstacle]} and can't take the contact now.",
            "agent",
            refusal=str(obstacle),
        )
    revoke_offers(turn, contact, reason="assigned")
    offer_to(turn, contact, [agent], Grounds(floor.take_id(), "lead"), reason=f"assigned by {turn.actor}")


def free_for(floor: Floor, contact: Contact, agent: Agent) -> bool:
    """Return whether a lead may give `contact` to `agent` now: there, responding, with room for it."""
    holder = talking_offer(floor, contact)
    if holder is not None and holder.agent_id == agent.id:
        return False
    return _obstacle(floor, contact, agent) is None


_WORDS: Final = {
    Refusal.NOT_PRESENT: "is not there",
    Refusal.NOT_RESPONDING: "does not respond",
    Refusal.NO_CAPACITY: "has no room for it",
}


def _obstacle(floor: Floor, contact: Contact, agent: Agent) -> Refusal | None:
    """Return what keeps a lead from giving `contact` to `agent`, skills, language and team aside."""
    bit, staff = floor.staff.bit[agent.id], floor.staff
    if not bit & staff.present:
        return Refusal.NOT_PRESENT
    if not bit & staff.responding:
        return Refusal.NOT_RESPONDING
    return None if bit & staff.room[contact.channel] else Refusal.NO_CAPACITY


def change_ticket(turn: Turn, command: cmd.ChangeTicket) -> None:
    """Change a ticket's state or owner, on the floor or not."""
    floor = turn.floor
    live = floor.tickets.get(command.ticket.id)
    # What the caller read may be older than what this batch has done to the ticket.
    ticket = live or floor.changes.tickets.get(command.ticket.id) or command.ticket
    stored: Ticket | None = ticket if live is None else None
    if command.owner_id is not None:
        get_agent(floor, command.owner_id, field="owner")
    if command.owner_id is not None and command.owner_id != ticket.owner_id:
        turn.emit(
            TicketOwned(
                at=turn.now,
                actor=turn.actor,
                reason=command.reason,
                ticket_id=ticket.id,
                owner_id=command.owner_id,
                accepted=command.accepted,
                ticket=stored,
            )
        )
        stored = floor.changes.tickets[ticket.id] if live is None else None
    if command.state is not None and command.state is not ticket.state:
        turn.emit(
            TicketChanged(
                at=turn.now,
                actor=turn.actor,
                reason=command.reason,
                ticket_id=ticket.id,
                state=command.state,
                ticket=stored,
            )
        )
