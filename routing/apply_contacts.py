"""What an event about a contact, a ticket or a customer changes on the floor."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from routing import events as ev
from routing.model import NEVER, WAITING_STATES, ContactState, TicketState
from routing.urgency import effective_at

if TYPE_CHECKING:
    from routing.floor import Floor

_DONE: Final = frozenset({TicketState.RESOLVED, TicketState.CLOSED})


def _contact_received(floor: Floor, e: ev.ContactReceived) -> None:
    contact = copy.copy(e.contact)
    contact.tried = {}
    floor.saw_id(contact.id)
    floor.contacts[contact.id] = contact
    floor.changes.contacts[contact.id] = contact
    ticket = floor.tickets[contact.ticket_id]
    ticket.contacts += 1
    ticket.contact_ids = (*ticket.contact_ids, contact.id)
    floor.changes.tickets[ticket.id] = ticket


def _contact_scheduled(floor: Floor, e: ev.ContactScheduled) -> None:
    contact = floor.touch(e.contact_id)
    contact.state = ContactState.SCHEDULED
    contact.scheduled_at = e.scheduled_at
    contact.agent_id = contact.offer_id = contact.connected_at = None
    floor.set_contact_due(contact)


def _contact_queued(floor: Floor, e: ev.ContactQueued) -> None:
    contact = floor.touch(e.contact_id)
    contact.state = ContactState.QUEUED
    contact.team_id = e.team_id
    contact.segment = e.segment
    contact.segment_at = e.at
    contact.enqueued_at = e.enqueued_at
    contact.expires_at = e.expires_at
    contact.preferred_agent_id = e.preferred_agent_id
    contact.preferred_until = e.preferred_until
    contact.step = -1 if e.preferred_agent_id is not None else 0
    contact.tried = {}
    contact.connected_at = None
    contact.agent_id = None
    contact.effective_at = effective_at(floor.team(e.team_id), contact)
    floor.queues.waiting.setdefault(e.team_id, {})[contact.id] = contact.enqueued_at
    floor.look(contact)


def _segment_closed(floor: Floor, e: ev.SegmentClosed) -> None:
    contact = floor.touch(e.contact_id)
    if contact.state is ContactState.QUEUED:
        floor.leave(contact)
    outcome = "answered" if contact.state is ContactState.CONNECTED else "flowed_out"
    floor.close_segment(contact, e, outcome)


def _step_reached(floor: Floor, e: ev.StepReached) -> None:
    contact = floor.touch(e.contact_id)
    if contact.state is ContactState.QUEUED:
        floor.leave(contact)
    contact.step = e.step
    if contact.state is ContactState.QUEUED:
        floor.look(contact)


def _priority_changed(floor: Floor, e: ev.PriorityChanged) -> None:
    contact = floor.touch(e.contact_id)
    if contact.state is ContactState.QUEUED:
        floor.leave(contact)
    contact.priority = e.priority
    contact.effective_at = effective_at(floor.team(contact.team_id), contact)
    if contact.state is ContactState.QUEUED:
        floor.look(contact)


def _nobody_found(floor: Floor, e: ev.NobodyFound) -> None:
    floor.saw_id(e.decision.id)


def _retry_cleared(floor: Floor, e: ev.RetryCleared) -> None:
    contact = floor.touch(e.contact_id)
    contact.tried = {k: v for k, v in contact.tried.items() if k not in e.agent_ids}
    floor.set_contact_due(contact)
    floor.open_contacts[contact.id] = None


def _contact_ended(floor: Floor, e: ev.ContactEnded) -> None:
    contact = floor.touch(e.contact_id)
    if contact.state is ContactState.QUEUED:
        floor.leave(contact)
    if contact.state in WAITING_STATES:
        floor.close_segment(contact, e, str(e.state), short=e.short)
    contact.state = e.state
    contact.short = e.short
    contact.end_reason = e.reason
    contact.closed_at = e.at
    contact.due_at = NEVER
    del floor.contacts[contact.id]
    ticket = floor.tickets[contact.ticket_id]
    ticket.contact_ids = tuple(i for i in ticket.contact_ids if i != contact.id)
    floor.changes.tickets[ticket.id] = ticket
    if not ticket.contact_ids:
        floor.drop_ticket(ticket)


def _customer_added(floor: Floor, e: ev.CustomerAdded) -> None:
    floor.saw_id(e.customer_id)


def _ticket_put(floor: Floor, e: ev.TicketOpened | ev.TicketJoined) -> None:
    if e.ticket.id not in floor.tickets:
        floor.add_ticket(copy.copy(e.ticket))
    floor.changes.tickets[e.ticket.id] = floor.tickets[e.ticket.id]


def _ticket_owned(floor: Floor, e: ev.TicketOwned) -> None:
    ticket = floor.touch_ticket(e.ticket_id, e.ticket)
    ticket.owner_id = e.owner_id
    ticket.accepted = True
    ticket.changed_at = e.at


def _ticket_changed(floor: Floor, e: ev.TicketChanged) -> None:
    ticket = floor.touch_ticket(e.ticket_id, e.ticket)
    if ticket.state in _DONE and e.state not in _DONE:
        ticket.reopened += 1
    ticket.state = e.state
    ticket.changed_at = e.at
    ticket.resolved_at = e.at if e.state in _DONE else None
    ticket.closed_at = e.at if e.state == "closed" else None


APPLY_CONTACTS: Final[dict[type[ev.Event], Callable[[Floor, Any], None]]] = {
    ev.ContactReceived: _contact_received,
    ev.ContactScheduled: _contact_scheduled,
    ev.ContactQueued: _contact_queued,
    ev.SegmentClosed: _segment_closed,
    ev.StepReached: _step_reached,
    ev.PriorityChanged: _priority_changed,
    ev.NobodyFound: _nobody_found,
    ev.RetryCleared: _retry_cleared,
    ev.ContactEnded: _contact_ended,
    ev.CustomerAdded: _customer_added,
    ev.TicketOpened: _ticket_put,
    ev.TicketJoined: _ticket_put,
    ev.TicketOwned: _ticket_owned,
    ev.TicketChanged: _ticket_changed,
}
