"""What an event about a contact, a ticket or a customer changes on the floor."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from routing import events as ev
from routing.model import NEVER, WAITING_STATES, ContactState, TicketState
from routing.urgency import effective_at

if TYPE_CHECKING:
    from routing.floor import Floor

_DONE: Final = frozenset({TicketState.RESOLVED, TicketState.CLOSED})


def _contact_received(floor: Floor, e: ev.ContactReceived) -> None:
    contact = replace(e.contact)
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
    contact.attempts += e.missed
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
    if contact.tried:
        contact.tried = {k: v for k, v in contact.tried.items() if v > e.at and k != e.preferred_agent_id}
    if e.avoid_agent_id is not None:
        contact.tried[e.avoid_agent_id] = e.avoid_until
    contact.resumed = False
    contact.connected_at = None
    contact.agent_id = None
    holder = floor.offers.get(contact.offer_id) if contact.offer_id is not None else None
    if holder is None or holder.talk_ended_at is not None:
        contact.offer_id = None
    contact.effective_at = effective_at(floor.team(e.team_id), contact)
    floor.queues.begin_wait(contact)
    floor.look(contact)


def _segment_closed(floor: Floor, e: ev.SegmentClosed) -> None:
    contact = floor.touch(e.contact_id)
    if contact.state is ContactState.QUEUED:
        floor.leave(contact)
    floor.close_segment(contact, e, "answered" if contact.state is ContactState.CONNECTED else "flowed_out")


def _step_reached(floor: Floor, e: ev.StepReached) -> None:
    contact = floor.touch(e.contact_id)
    if contact.state is ContactState.QUEUED:
        floor.leave(contact)
    floor.ask_no_more(contact)
    contact.step = e.step
    if contact.state is ContactState.QUEUED:
        floor.look(contact)
    else:
        floor.ask_more(contact)
        floor.open_contacts[contact.id] = None


def _priority_changed(floor: Floor, e: ev.PriorityChanged) -> None:
    contact = floor.touch(e.contact_id)
    if contact.state is ContactState.QUEUED:
        floor.leave(contact)
    floor.ask_no_more(contact)
    contact.priority = e.priority
    contact.effective_at = effective_at(floor.team(contact.team_id), contact)
    if contact.state is ContactState.QUEUED:
        floor.look(contact)
    else:
        floor.ask_more(contact)


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
    floor.open_contacts.pop(contact.id, None)
    ticket = floor.tickets[contact.ticket_id]
    ticket.contact_ids = tuple([i for i in ticket.contact_ids if i != contact.id])
    floor.changes.tickets[ticket.id] = ticket
    if not ticket.contact_ids:
        floor.drop_ticket(ticket)


def _customer_added(floor: Floor, e: ev.CustomerAdded) -> None:
    floor.saw_id(e.customer_id)


def _customer_changed(floor: Floor, e: ev.CustomerChanged) -> None:
    """What is known of a customer is not on the floor."""


def _ticket_put(floor: Floor, e: ev.TicketOpened | ev.TicketJoined) -> None:
    if e.ticket.id not in floor.tickets:
        floor.add_ticket(replace(e.ticket))
    floor.changes.tickets[e.ticket.id] = floor.tickets[e.ticket.id]


def _ticket_owned(floor: Floor, e: ev.TicketOwned) -> None:
    ticket = floor.touch_ticket(e.ticket_id, e.ticket)
    ticket.owner_id = e.owner_id
    ticket.accepted = e.accepted
    ticket.changed_at = e.at


def _ticket_changed(floor: Floor, e: ev.TicketChanged) -> None:
    ticket = floor.touch_ticket(e.ticket_id, e.ticket)
    if ticket.state in _DONE and e.state not in _DONE:
        ticket.reopened += 1
    ticket.state = e.state
    ticket.changed_at = e.at
    if e.state not in _DONE:
        ticket.resolved_at = None
    elif ticket.resolved_at is None or e.state is TicketState.RESOLVED:
        ticket.resolved_at = e.at
    ticket.closed_at = e.at if e.state is TicketState.CLOSED else None


def _customers_merged(floor: Floor, e: ev.CustomersMerged) -> None:
    for ticket_id in tuple(floor.tickets_by_customer.get(e.merged_id, ())):
        _give(floor, ticket_id, e.kept_id)


def _customers_split(floor: Floor, e: ev.CustomersSplit) -> None:
    for ticket_id in e.ticket_ids:
        if ticket_id in floor.tickets:
            _give(floor, ticket_id, e.merged_id)


def _give(floor: Floor, ticket_id: int, customer_id: int) -> None:
    ticket = floor.tickets[ticket_id]
    floor.drop_ticket(ticket)
    ticket.customer_id = customer_id
    floor.add_ticket(ticket)
    floor.changes.tickets[ticket_id] = ticket
    for contact_id in ticket.contact_ids:
        floor.touch(contact_id).customer_id = customer_id


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
    ev.CustomerChanged: _customer_changed,
    ev.TicketOpened: _ticket_put,
    ev.TicketJoined: _ticket_put,
    ev.TicketOwned: _ticket_owned,
    ev.TicketChanged: _ticket_changed,
    ev.CustomersMerged: _customers_merged,
    ev.CustomersSplit: _customers_split,
}
