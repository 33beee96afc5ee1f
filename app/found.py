"""What a batch's commands need to know of customers, tickets and earlier answers beside the floor."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from app.db import floor_rows, merges
from app.db.batch_writes import Literal
from app.db.engine import Ask, Connection
from app.errors import NotFoundError, WrongStateError
from routing import events as ev
from routing.commands import Identity
from routing.floor import Floor
from routing.model import Ticket

Stored = dict[tuple[str, str], tuple[str, int, str]]
"""Answers by (scope, idempotency key): fingerprint of the request, status, body."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a batch has to read: identity keys, ids of tickets and customers, idempotency keys."""

    keys: tuple[tuple[str, str], ...] = ()
    ticket_ids: tuple[int, ...] = ()
    customer_ids: tuple[int, ...] = ()
    answers: tuple[tuple[str, str], ...] = ()
    since: float = 0.0
    """Tickets resolved before this instant are of no interest."""
    head: bool = False
    """Whether it matters where the log ends: other replicas may have appended to it."""

    def __bool__(self) -> bool:
        return bool(self.keys or self.ticket_ids or self.customer_ids or self.answers or self.head)


@dataclass(slots=True)
class Looked:
    """What the database answered."""

    head: int | None = None
    """The last sequence number when the customers were read; None where nobody asked."""
    customers: floor_rows.Customers = field(default_factory=lambda: floor_rows.Customers(0))
    named: dict[int, Ticket] = field(default_factory=dict)
    merges: merges.Merges = field(default_factory=merges.Merges)
    answers: Stored = field(default_factory=dict)
    since: float = 0.0
    """Tickets resolved before this instant are of no interest."""


def look_up(conn: Connection, wanted: Wanted) -> Looked:
    """Read what is wanted in the transaction of `conn`, each kind with one query at most."""
    steps = _looking(conn.dialect.name, wanted)
    rows: Any = None
    while True:
        try:
            text, parameters = steps.send(rows)
        except StopIteration as end:
            found: Looked = end.value
            return found
        rows = conn.exec_driver_sql(text, tuple(parameters)).all()


async def look_up_by(ask: Ask, dialect: str, wanted: Wanted) -> Looked:
    """Read what is wanted by `ask`, each kind with one query at most."""
    steps = _looking(dialect, wanted)
    rows: Any = None
    while True:
        try:
            query = steps.send(rows)
        except StopIteration as end:
            found: Looked = end.value
            return found
        rows = await ask(query)


def _looking(dialect: str, wanted: Wanted) -> Generator[Literal, Any, Looked]:
    """Yield each query, be sent its rows, and return what they say."""
    looked = Looked(since=wanted.since)
    if wanted.keys or wanted.head or wanted.customer_ids:
        rows = yield floor_rows.customers_query(dialect, wanted.keys, since=wanted.since)
        looked.customers = floor_rows.customers_found(rows, wanted.keys)
        looked.head = looked.customers.head
    if wanted.customer_ids:
        looked.merges = merges.merges_found((yield merges.merges_query(dialect, wanted.customer_ids)))
    if wanted.ticket_ids:
        looked.named = floor_rows.tickets_found((yield floor_rows.tickets_query(dialect, wanted.ticket_ids)))
    if wanted.answers:
        rows = yield floor_rows.answers_query(dialect, wanted.answers)
        looked.answers = floor_rows.answers_found(rows, wanted.answers)
    return looked


class Found:
    """What was found, kept up to date as the commands of the batch are decided."""

    def __init__(self, floor: Floor, looked: Looked) -> None:
        self._floor = floor
        self._customers = looked.customers.known
        self._facts = looked.customers.facts
        self._numbers = looked.customers.numbers
        self._tickets = looked.customers.tickets
        self._named = looked.named
        self._since = looked.since
        self._merges = looked.merges
        self._flying: dict[int, Ticket] = {}
        self._flying_of: dict[int, list[Ticket]] = {}

    def add_flying(self, events: Iterable[ev.Event], tickets: dict[int, Ticket]) -> None:
        """Take in what the batch before has done, which may not have been stored when this was read."""
        self.saw(events)
        self._flying = tickets
        for ticket in tickets.values():
            self._flying_of.setdefault(ticket.customer_id, []).append(ticket)

    def customer_id(self, identity: Identity) -> int | None:
        """Return who the customer is, or None.

        An external id that is not known is not another's: who is known by the same phone or address but has
        an external id already is somebody else of the house.
        """
        for key in floor_rows.identity_keys(identity):
            found = self._customers.get(key)
            if found is None:
                continue
            number = self._numbers.get(found)
            if key[0] == "external_id" or identity.external_id in (None, number) or number is None:
                return found
        return None

    def facts(self, customer_id: int | None) -> Identity | None:
        """Return what is known of the customer: name, language and segment."""
        return self._facts.get(customer_id) if customer_id is not None else None

    def survivor(self, customer_id: int) -> int:
        """Return who a customer is after merges; raises NotFoundError where there is none."""
        survivor = self._merges.survivors.get(customer_id)
        if survivor is None:
            raise NotFoundError(f"There is no customer {customer_id}.")
        return survivor

    def merge_of(self, customer_id: int) -> merges.Merge:
        """Return the merge that a customer went into; raises WrongStateError where there is none, or where it
        is covered by a later one, whose undoing would bring it back.
        """
        merge = self._merges.open.get(customer_id)
        if merge is None:
            raise WrongStateError(f"Customer {customer_id} is not merged into another.")
        survivor = self._merges.survivors[customer_id]
        if survivor != merge.kept_id:
            raise WrongStateError(
                f"Customer {customer_id} went into {merge.kept_id}, which has gone into {survivor} since: "
                f"undo the merge of {merge.kept_id} first."
            )
        return merge

    def tickets(self, customer_id: int | None) -> tuple[Ticket, ...]:
        """Return the tickets that a contact of the customer could join, newest first; also one it names."""
        if customer_id is None:
            return ()
        found = {ticket.id: ticket for ticket in self._tickets.get(customer_id, ())}
        for ticket in self._named.values():
            late = ticket.resolved_at is not None and ticket.resolved_at < self._since
            if ticket.customer_id == customer_id and not late:
                found[ticket.id] = ticket
        for ticket in self._flying_of.get(customer_id, ()):
            found[ticket.id] = ticket
        for ticket in self._floor.changes.tickets.values():
            if ticket.customer_id == customer_id:
                found[ticket.id] = ticket
        for ticket_id in self._floor.tickets_by_customer.get(customer_id, ()):
            found[ticket_id] = self._floor.tickets[ticket_id]
        return tuple(sorted(found.values(), key=lambda each: -each.id))

    def ticket(self, ticket_id: int) -> Ticket | None:
        """Return a ticket as it stands: on the floor, changed in this batch or the one before, or stored."""
        floor = self._floor
        live = floor.tickets.get(ticket_id) or floor.changes.tickets.get(ticket_id)
        return live or self._flying.get(ticket_id) or self._named.get(ticket_id)

    def agent_of_offer(self, offer_id: int) -> str | None:
        """Return to whom a live offer was made, or None."""
        offer = self._floor.offers.get(offer_id)
        return offer.agent_id if offer is not None else None

    def agent_of_contact(self, contact_id: int) -> str | None:
        """Return who talks to the customer, also while passing the contact on, or wraps up; or None."""
        contact = self._floor.contacts.get(contact_id)
        if contact is None or contact.offer_id is None:
            return None
        return self.agent_of_offer(contact.offer_id)

    def saw(self, events: Iterable[ev.Event]) -> None:
        """Learn the customers that a decided command added, and what known ones are known by besides."""
        for event in events:
            if type(event) is ev.CustomerAdded:
                self._learn(event.customer_id, event.identity)
                self._facts[event.customer_id] = event.identity
            elif type(event) is ev.ContactReceived:
                self._learn(event.contact.customer_id, event.identity)
            elif type(event) is ev.CustomerChanged:
                told = {name: getattr(event, name) for name in _FACTS if getattr(event, name) is not None}
                known = self._facts.get(event.customer_id, Identity())
                self._facts[event.customer_id] = replace(known, **told)
            elif type(event) is ev.CustomersSplit:
                self._merges.split(event.merged_id)
            elif type(event) is ev.CustomersMerged:
                self._merges.merge(event.kept_id, event.merged_id)
                for key, customer_id in self._customers.items():
                    if customer_id == event.merged_id:
                        self._customers[key] = event.kept_id

    def _learn(self, customer_id: int, identity: Identity) -> None:
        for key in floor_rows.identity_keys(identity):
            self._customers.setdefault(key, customer_id)
        if identity.external_id is not None:
            self._numbers.setdefault(customer_id, identity.external_id)


_FACTS = ("name", "language", "segment")
