"""Take a contact in: customer, ticket, team, and whether it queues, waits for its time or is turned away."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge

import msgspec

from routing import commands as cmd
from routing import eligibility
from routing import events as ev
from routing.classify import SURE, Routing, classify
from routing.customers import learn
from routing.ending import end
from routing.floor import Floor
from routing.hours import is_open, next_opening
from routing.lookup import check_team, get_agent, talking_offer
from routing.model import (
    LIVE_CHANNELS,
    PRIORITY_MAX,
    SKILL_LEVEL_MAX,
    WAITING_STATES,
    Channel,
    Contact,
    ContactState,
    Ticket,
    TicketState,
)
from routing.policy import TeamPolicy
from routing.queueing import queue, revoke_offers
from routing.refused import Code, RefusedError
from routing.staff_index import is_present
from routing.turn import Turn


def receive(turn: Turn, command: cmd.Receive) -> None:
    """Take in a contact; also a contact that is turned away leaves a ticket with an owner."""
    _check(turn.floor, command, turn.now)
    customer_id = command.customer_id
    if customer_id is None:
        customer_id = turn.floor.take_id()
        turn.emit(
            ev.CustomerAdded(
                at=turn.now, actor=turn.actor, customer_id=customer_id, identity=command.identity
            )
        )
    ticket, routed = _concern(turn, command, customer_id)
    contact = _take_in(turn, command, ticket, routed)
    if command.known is not None:
        learn(turn, command, customer_id=customer_id, contact_id=contact.id)
    _admit(turn, contact, command, ticket)


def _check(floor: Floor, command: cmd.Receive, now: float) -> None:
    if command.team_id is not None:
        check_team(floor, command.team_id, field="team")
    if command.preferred_agent_id is not None:
        get_agent(floor, command.preferred_agent_id, field="preferred_agent")
    if command.priority is not None and not 0 <= command.priority <= PRIORITY_MAX:
        raise RefusedError(Code.INVALID_VALUE, f"Priority goes from 0 to {PRIORITY_MAX}.", "priority")
    if any(not 1 <= need.level <= SKILL_LEVEL_MAX for need in command.skills):
        raise RefusedError(Code.INVALID_VALUE, f"Skill levels go from 1 to {SKILL_LEVEL_MAX}.", "skills")
    if command.enqueued_at is not None and command.enqueued_at > now:
        raise RefusedError(Code.INVALID_VALUE, "The contact can't have come in the future.", "received_at")
    if command.scheduled_at is not None and command.channel in LIVE_CHANNELS:
        raise RefusedError(
            Code.INVALID_VALUE,
            "A call or a chat is there now; a callback can be scheduled.",
            "scheduled_at",
        )
    if command.ticket_id is not None and not any(t.id == command.ticket_id for t in _tickets(floor, command)):
        raise RefusedError(
            Code.UNKNOWN_TICKET,
            f"This customer has no ticket {command.ticket_id} that a contact could join.",
            "ticket_id",
        )


def _concern(turn: Turn, command: cmd.Receive, customer_id: int) -> tuple[Ticket, Routing]:
    floor, now = turn.floor, turn.now
    joined = _joinable(floor, command, now)
    routed = classify(floor.policy, command, now=now, ticket=joined)
    if joined is not None and command.ticket_id is None and not _same_concern(floor, joined, routed):
        joined = _joinable(floor, command, now, team_id=routed.classification.team_id)
    if joined is not None:
        turn.emit(ev.TicketJoined(at=now, actor=turn.actor, reason="repeat contact", ticket=joined))
        if joined.state is not TicketState.OPEN:
            turn.emit(
                ev.TicketChanged(
                    at=now,
                    actor=turn.actor,
                    reason="repeat contact",
                    ticket_id=joined.id,
                    state=TicketState.OPEN,
                )
            )
        return floor.tickets[joined.id], routed
    team = floor.team(routed.classification.team_id)
    ticket = Ticket(
        id=floor.take_id(),
        customer_id=customer_id,
        team_id=team.id,
        owner_id=team.lead_id,
        opened_at=now,
        changed_at=now,
        subject=command.subject[:200],
    )
    turn.emit(ev.TicketOpened(at=now, actor=turn.actor, ticket=ticket))
    return floor.tickets[ticket.id], routed


def _joinable(floor: Floor, command: cmd.Receive, now: float, *, team_id: str | None = None) -> Ticket | None:
    """Return the ticket that is named, else the newest open one (of a team where one is given), else the
    newest that was resolved lately.
    """
    if command.ticket_id is not None:
        return next(t for t in _tickets(floor, command) if t.id == command.ticket_id)
    if floor.policy.join == "never":
        return None
    resolved = None
    for ticket in _tickets(floor, command):
        if team_id is not None and ticket.team_id != team_id:
            continue
        if ticket.state not in (TicketState.RESOLVED, TicketState.CLOSED):
            return ticket
        lately = ticket.resolved_at is not None and now - ticket.resolved_at <= floor.policy.reopen_s
        if lately and resolved is None:
            resolved = ticket
    return resolved


def _tickets(floor: Floor, command: cmd.Receive) -> Iterator[Ticket]:
    """Yield the customer's tickets, newest first, as they stand now: what the caller read may be older."""
    read = {ticket.id: ticket for ticket in command.tickets}
    mine = floor.tickets_by_customer.get(command.customer_id or 0, ())
    if not read and not mine:
        return
    last = 0
    for ticket_id in merge(sorted(read, reverse=True), reversed(mine), reverse=True):
        if ticket_id != last:
            last = ticket_id
            yield floor.tickets.get(ticket_id) or floor.changes.tickets.get(ticket_id) or read[ticket_id]


def _same_concern(floor: Floor, ticket: Ticket, routed: Routing) -> bool:
    decided = routed.classification
    return floor.policy.join == "always" or decided.by not in SURE or decided.team_id == ticket.team_id


def _take_in(turn: Turn, command: cmd.Receive, ticket: Ticket, routed: Routing) -> Contact:
    came_at = command.enqueued_at if command.enqueued_at is not None else turn.now
    later_at = command.scheduled_at if command.scheduled_at is not None else came_at
    contact = Contact(
        id=turn.floor.take_id(),
        channel=command.channel,
        customer_id=ticket.customer_id,
        ticket_id=ticket.id,
        received_at=came_at,
        team_id=routed.classification.team_id,
        priority=routed.priority,
        skills=routed.skills,
        language=command.language,
        preferred_agent_id=command.preferred_agent_id,
        enqueued_at=max(came_at, later_at) if later_at > turn.now else came_at,
        segment_at=turn.now,
    )
    turn.emit(
        ev.ContactReceived(
            at=turn.now,
            actor=turn.actor,
            contact=contact,
            classification=routed.classification,
            identity=command.identity,
            dialled=command.dialled,
            menu=command.menu,
            subject=command.subject,
            text=command.text,
            source=command.source,
            source_id=command.source_id,
            details=command.details,
        )
    )
    return turn.floor.contacts[contact.id]


def _admit(turn: Turn, contact: Contact, command: cmd.Receive, ticket: Ticket) -> None:
    floor, now = turn.floor, turn.now
    team = floor.team(contact.team_id)
    start = command.scheduled_at
    if contact.channel is Channel.CALLBACK and not is_open(team.hours, max(start or now, now)):
        start = next_opening(team.hours, max(start or now, now))
    if start is not None and start > now:
        turn.emit(ev.ContactScheduled(at=now, actor=turn.actor, contact_id=contact.id, scheduled_at=start))
        return
    rejection = _rejection(floor, team, contact, now)
    if rejection is not None:
        turn.emit(
            ev.ContactEnded(
                at=now, actor=turn.actor, reason=rejection, contact_id=contact.id, state=ContactState.REJECTED
            )
        )
        return
    preferred = preferred_agent(floor, ticket, contact, command.preferred_agent_id)
    queue(
        turn,
        contact,
        contact.team_id,
        enqueued_at=_place_of_callback(turn, contact, ticket),
        preferred_agent_id=preferred,
        preferred_s=team.owner_preferred_s,
    )


def preferred_agent(floor: Floor, ticket: Ticket, contact: Contact, asked: str | None) -> str | None:
    """Return the agent a contact waits for first: the one asked for, else the ticket's owner, if present."""
    wanted = asked if asked is not None else (ticket.owner_id if ticket.accepted else None)
    if wanted is None or floor.team(contact.team_id).owner_preferred_s <= 0:
        return None
    agent = floor.agents.get(wanted)
    if agent is None or not is_present(agent) or agent.not_responding:
        return None
    return wanted if floor.staff.ever_takes(agent, contact.channel) else None


def _place_of_callback(turn: Turn, contact: Contact, ticket: Ticket) -> float:
    """Return the place of a caller: that of the callback the customer no longer waits for, which ends, or
    the caller's own.

    A callback at a time that the customer chose stays.
    """
    place_at = contact.enqueued_at
    for contact_id in ticket.contact_ids if contact.channel is Channel.VOICE else ():
        other = turn.floor.contacts[contact_id]
        waits = other.state in WAITING_STATES or other.state is ContactState.SCHEDULED
        if other.channel is not Channel.CALLBACK or not waits or other.enqueued_at > turn.now:
            continue
        if talking_offer(turn.floor, other) is None:
            place_at = min(place_at, other.enqueued_at)
            revoke_offers(turn, other, reason="called_again")
            end(turn, other, ContactState.CANCELLED, reason="called_again")
    return place_at


def _rejection(floor: Floor, team: TeamPolicy, contact: Contact, now: float) -> str | None:
    if contact.channel is Channel.CALLBACK and next_opening(team.hours, now) is None:
        return "closed"
    if contact.channel not in LIVE_CHANNELS:
        return None
    if not is_open(team.hours, now):
        return "closed"
    full = team.max_waiting is not None and floor.queues.live.get(team.id, 0) >= team.max_waiting
    if full and not eligibility.candidates(floor, contact):
        return "full"
    if team.reject_without_agents and not floor.staff.somebody_there(team.id):
        return "no_agents"
    return None


def details(values: dict[str, object]) -> msgspec.Raw:
    """Return `values` as the raw JSON that a Receive command keeps with the contact."""
    return msgspec.Raw(msgspec.json.encode(values))
