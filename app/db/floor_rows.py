"""The floor in rows: load it, read what a batch needs, append what a batch did."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from app.db import merges
from app.db.batch_writes import Literal, Row, Rows, write_rows
from app.db.engine import Connection
from app.db.literals import literal
from routing import events as ev
from routing.commands import Identity
from routing.floor import Changes, Floor
from routing.model import Agent, Contact, Offer, Segment, Ticket
from routing.policy import Policy

_contact = msgspec.json.Decoder(Contact)
_offer = msgspec.json.Decoder(Offer)
_agent = msgspec.json.Decoder(Agent)
_ticket = msgspec.json.Decoder(Ticket)
_policy = msgspec.json.Decoder(Policy)
_encode = msgspec.json.Encoder().encode

START = Policy(version=0, teams={}, fallback_team="")
"""What is in force before the first policy is published: no teams at all."""


def lock_head(conn: Connection) -> tuple[int, int]:
    """Take the floor's lock until the transaction ends; return (last sequence number, next id).

    On PostgreSQL the row lock is the floor's lock: it costs the round trip that reading the head costs
    anyway. SQLite's single writer holds the database.
    """
    row = conn.exec_driver_sql(LOCK_HEAD[0] if conn.dialect.name == "postgresql" else _HEAD).one()
    return row[0], row[1]


def read_head(conn: Connection) -> int:
    """Return the last sequence number."""
    return int(conn.exec_driver_sql("SELECT seq FROM floor WHERE id = 1").scalar_one())


def read_newest_at(conn: Connection) -> float | None:
    """Return when the newest event happened, or None before the first."""
    at: float | None = conn.exec_driver_sql("SELECT at FROM event ORDER BY seq DESC LIMIT 1").scalar()
    return at


def load_floor(conn: Connection) -> Floor:
    """Return the floor as it stands in the rows; reads open work only, never history."""
    seq, next_id = lock_head(conn)
    data = conn.exec_driver_sql("SELECT data FROM policy ORDER BY version DESC LIMIT 1").scalar()
    floor = Floor(_policy.decode(data) if data is not None else START)
    contacts = [_contact.decode(row[0]) for row in conn.exec_driver_sql(_OPEN_CONTACTS)]
    offers = [_offer.decode(row[0]) for row in conn.exec_driver_sql(_LIVE_OFFERS)]
    tickets = [_ticket.decode(row[0]) for row in conn.exec_driver_sql(_OPEN_TICKETS)]
    agents = [_agent.decode(row[0]) for row in conn.exec_driver_sql("SELECT data FROM agent")]
    floor.admit(agents=agents, tickets=tickets, offers=offers, contacts=contacts)
    floor.drain()
    floor.settle()
    floor.seq, floor.next_id = seq, next_id
    return floor


def events_after(conn: Connection, seq: int, limit: int) -> list[tuple[int, str]]:
    """Return up to `limit` events after `seq`, oldest first, as (sequence number, JSON)."""
    text, parameters = events_query(conn.dialect.name, seq, limit)
    return [(row[0], row[1]) for row in conn.exec_driver_sql(text, tuple(parameters))]


def events_query(dialect: str, seq: int, limit: int) -> Literal:
    """Return the query for up to `limit` events after `seq`, oldest first: (sequence number, JSON)."""
    return literal(dialect, _EVENTS_AFTER, seq, limit)


def customers_query(dialect: str, keys: Collection[tuple[str, str]], *, since: float) -> Literal:
    """Return the query for `customers_found`: who is known under `keys`, pairs of (kind, value)."""
    values = sorted({value for _, value in keys})
    if not values:
        return _HEAD, ()
    numbered = any(kind == "external_id" for kind, _ in keys)
    return literal(dialect, _FIND_NUMBERED if numbered else _FIND_CUSTOMERS, since, values=values)


@dataclass(slots=True)
class Customers:
    """Who is known under the keys asked for; merged customers lead to the survivor."""

    head: int
    """The last sequence number when this was read."""
    known: dict[tuple[str, str], int] = field(default_factory=dict)
    facts: dict[int, Identity] = field(default_factory=dict)
    """Name, language and segment of each."""
    numbers: dict[int, str] = field(default_factory=dict)
    """An external id of each that has one; read only where external ids were asked for."""
    tickets: dict[int, list[Ticket]] = field(default_factory=dict)
    """The tickets they could join: open or resolved since the query's instant, the newest five of each
    customer, newest first."""


def customers_found(rows: Sequence[Any], keys: Iterable[tuple[str, str]]) -> Customers:
    """Return who is known under `keys`, and the tickets they could join."""
    wanted = set(keys)
    found = Customers(rows[0][0])
    if not wanted:
        return found
    tickets: dict[int, dict[int, Ticket]] = {}
    for _, kind, value, customer_id, data, name, language, segment, number in rows:
        if (kind, value) not in wanted:
            continue
        found.known[kind, value] = customer_id
        if customer_id not in found.facts:
            found.facts[customer_id] = Identity(name=name, language=language, segment=segment)
        if number is not None:
            found.numbers[customer_id] = number
        mine = tickets.setdefault(customer_id, {})
        if data is not None:
            ticket = _ticket.decode(data)
            ticket.customer_id = customer_id
            mine[ticket.id] = ticket
    found.tickets = {
        customer_id: sorted(mine.values(), key=lambda each: -each.id) for customer_id, mine in tickets.items()
    }
    return found


def find_ticket(conn: Connection, ticket_id: int) -> Ticket | None:
    """Return the stored ticket, or None."""
    row = _select(conn, "SELECT data, customer_id FROM ticket WHERE id = ?", ticket_id).one_or_none()
    return _stored_ticket(row) if row is not None else None


def tickets_query(dialect: str, ticket_ids: Iterable[int]) -> Literal:
    """Return the query for `tickets_found`: the stored tickets among `ticket_ids`, one or more."""
    wanted = sorted({each for each in ticket_ids if 0 < each < 2**63})
    return literal(dialect, _FIND_TICKETS, values=wanted or [0])


def tickets_found(rows: Sequence[Any]) -> dict[int, Ticket]:
    """Return the stored tickets by id."""
    found = (_stored_ticket(row) for row in rows)
    return {ticket.id: ticket for ticket in found}


def _stored_ticket(row: Sequence[Any]) -> Ticket:
    """Return the ticket of (data, customer_id): a merge changes the column alone of those off the floor."""
    ticket = _ticket.decode(row[0])
    ticket.customer_id = row[1]
    return ticket


def answers_query(dialect: str, keys: Iterable[tuple[str, str]]) -> Literal:
    """Return the query for `answers_found`: what was answered under (scope, idempotency key)."""
    return literal(dialect, _FIND_ANSWERS, values=sorted({key for _, key in keys}))


def answers_found(
    rows: Sequence[Any], keys: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], tuple[str, int, str]]:
    """Return the stored answers: (scope, key) -> (fingerprint, status, body)."""
    wanted = set(keys)
    return {(r[0], r[1]): (r[2], r[3], r[4]) for r in rows if (r[0], r[1]) in wanted}


def batch_rows(
    *,
    floor: Floor,
    first_seq: int,
    events: Sequence[ev.Event],
    changes: Changes,
    stats: Mapping[tuple[str, str, int], Sequence[float]],
    waits: Mapping[tuple[str, str, int, int], int],
    times: Mapping[tuple[str, int], Sequence[float]],
    answers: Sequence[tuple[str, str, str, int, str, float]],
) -> tuple[list[bytes], dict[str, Sequence[Row]]]:
    """Return the JSON of the batch's events and the rows to write, by their name in `batch_writes.WRITES`."""
    encoded = [ev.encode(event) for event in events]
    received: dict[int, ev.ContactReceived] = {}
    customers: list[ev.CustomerAdded] = []
    told: list[ev.CustomerChanged] = []
    policies: list[ev.PolicyPublished] = []
    for event in events:
        if type(event) is ev.ContactReceived:
            received[event.contact.id] = event
        elif type(event) is ev.CustomerAdded:
            customers.append(event)
        elif type(event) is ev.CustomerChanged:
            told.append(event)
        elif type(event) is ev.PolicyPublished:
            policies.append(event)
    contacts = changes.contacts.values()
    rows: dict[str, Sequence[Row]] = {
        "policy": [_policy_row(each) for each in policies],
        "customer": _customer_rows(customers, told),
        "customer_key": [
            *((*key, each.customer_id) for each in customers for key in identity_keys(each.identity)),
            *(
                (*key, each.contact.customer_id)
                for each in received.values()
                if len(keys := identity_keys(each.identity)) > 1
                for key in keys
            ),
        ],
        "agent": [_agent_row(each) for each in changes.agents.values()],
        "ticket": [_ticket_row(each) for each in changes.tickets.values()],
        "contact": [_contact_row(each, received[each.id]) for each in contacts if each.id in received],
        "contact_change": [_contact_change(each) for each in contacts if each.id not in received],
        "offer": [_offer_row(each) for each in changes.offers.values()],
        "segment": [_segment_row(each) for each in changes.segments],
        "stat": [(*key, *values) for key, values in stats.items()],
        "wait": [(*key, count) for key, count in waits.items()],
        "time": [(*key, *values) for key, values in times.items()],
        "answer": answers,
        "event": [
            (first_seq + i, event.at, *_subject(event), encoded[i].decode()) for i, event in enumerate(events)
        ],
        "floor": [(floor.seq, floor.next_id, 1)],
    }
    return encoded, rows


def write_batch(conn: Connection, events: Sequence[ev.Event], rows: Rows, *, after: int) -> bool:
    """Append the batch's events and bring every changed row up to date, in the order of the foreign keys.

    Return False where the log does not end at `after` any more; the transaction is then to be rolled back.
    """
    _save_merges(conn, events)
    return write_rows(conn, rows, after=after)


def changes_customers(events: Iterable[ev.Event]) -> bool:
    """Return whether `write_batch` changes rows that no batch names, as a merge of customers does."""
    return any(type(event) in _MERGING for event in events)


_MERGING = (ev.CustomersMerged, ev.CustomersSplit)


def _save_merges(conn: Connection, events: Sequence[ev.Event]) -> None:
    """Hazard: before the other rows, while the stored tickets still say whose they were."""
    opened: dict[int, list[int]] = {}
    for event in events:
        if type(event) is ev.TicketOpened:
            opened.setdefault(event.ticket.customer_id, []).append(event.ticket.id)
        elif type(event) is ev.CustomersMerged:
            merges.save_merge(conn, event, opened=opened.get(event.merged_id, []))
        elif type(event) is ev.CustomersSplit:
            merges.save_split(conn, event)


def identity_keys(identity: Any) -> list[tuple[str, str]]:
    """Return by what a customer is looked up, most telling first: external id, phone, e-mail."""
    pairs = (
        ("external_id", identity.external_id),
        ("phone", identity.phone),
        ("email", identity.email),
    )
    return [(kind, value) for kind, value in pairs if value]


def _subject(event: Any) -> tuple[str, str, int | None, int | None, str | None]:
    kind = event.__struct_config__.tag
    contact_id = getattr(event, "contact_id", None)
    ticket_id = getattr(event, "ticket_id", None)
    agent_id = getattr(event, "agent_id", None)
    if contact_id is None and hasattr(event, "contact"):
        contact_id, ticket_id = event.contact.id, event.contact.ticket_id
    elif hasattr(event, "decision"):
        contact_id, agent_id = event.decision.contact_id, event.decision.agent_id
    if ticket_id is None and getattr(event, "ticket", None) is not None:
        ticket_id = event.ticket.id
    if agent_id is None and hasattr(event, "agent"):
        agent_id = event.agent.id
    return kind, event.actor, contact_id, ticket_id, agent_id


def _customer_rows(added: Sequence[ev.CustomerAdded], told: Sequence[ev.CustomerChanged]) -> list[Row]:
    """Return a row for each customer who is new, or of whom something is told: None leaves what is stored."""
    rows: dict[int, Row] = {}
    for new in added:
        known = new.identity
        rows[new.customer_id] = (new.customer_id, known.name, known.language, known.segment, new.at)
    for each in told:
        _, *facts, at = rows.get(each.customer_id) or (None, None, None, None, each.at)
        given = (each.name, each.language, each.segment)
        merged = (new if new is not None else old for new, old in zip(given, facts, strict=True))
        rows[each.customer_id] = (each.customer_id, *merged, at)
    return list(rows.values())


def _policy_row(event: ev.PolicyPublished) -> tuple[Any, ...]:
    return (event.policy.version, event.at, event.actor, event.reason, _encode(event.policy).decode())


def _agent_row(agent: Agent) -> tuple[Any, ...]:
    return (
        agent.id,
        agent.index,
        agent.name,
        agent.active,
        agent.presence.value,
        agent.state.value,
        _encode(agent).decode(),
    )


def _ticket_row(ticket: Ticket) -> tuple[Any, ...]:
    return (
        ticket.id,
        ticket.customer_id,
        ticket.team_id,
        ticket.owner_id,
        ticket.state.value,
        ticket.subject,
        ticket.opened_at,
        ticket.changed_at,
        ticket.resolved_at,
        ticket.closed_at,
        _encode(ticket).decode(),
    )


def _contact_row(contact: Contact, event: ev.ContactReceived) -> tuple[Any, ...]:
    return (
        contact.id,
        contact.customer_id,
        contact.ticket_id,
        contact.channel.value,
        contact.state.value,
        contact.team_id,
        contact.agent_id,
        contact.received_at,
        contact.closed_at,
        event.source,
        event.source_id,
        event.subject,
        event.text,
        event.dialled,
        bytes(event.details).decode(),
        _encode(event.classification).decode(),
        _encode(contact).decode(),
    )


def _contact_change(contact: Contact) -> tuple[Any, ...]:
    return (
        contact.customer_id,
        contact.state.value,
        contact.team_id,
        contact.agent_id,
        contact.closed_at,
        _encode(contact).decode(),
        contact.id,
    )


def _offer_row(offer: Offer) -> tuple[Any, ...]:
    return (
        offer.id,
        offer.contact_id,
        offer.agent_id,
        offer.team_id,
        offer.state.value,
        offer.made_at,
        offer.released_at,
        _encode(offer).decode(),
    )


def _segment_row(segment: Segment) -> tuple[Any, ...]:
    return (
        segment.contact_id,
        segment.number,
        segment.team_id,
        segment.channel.value,
        segment.queued_at,
        segment.answered_at,
        segment.ended_at,
        segment.outcome,
        segment.reason,
        segment.short,
        segment.agent_id,
    )


def _select(conn: Connection, statement: str, *parameters: Any) -> Any:
    """Run a literal query."""
    text, given = literal(conn.dialect.name, statement, *parameters)
    return conn.exec_driver_sql(text, tuple(given))


_HEAD = "SELECT seq, next_id FROM floor WHERE id = 1"
LOCK_HEAD: Literal = (f"{_HEAD} FOR UPDATE", ())
"""Takes PostgreSQL's lock of the floor until the transaction ends: (last sequence number, next id)."""
_OPEN_CONTACTS = "SELECT data FROM contact WHERE closed_at IS NULL ORDER BY id"
_LIVE_OFFERS = "SELECT data FROM offer WHERE released_at IS NULL ORDER BY id"
_OPEN_TICKETS = (
    "SELECT data FROM ticket WHERE id IN (SELECT ticket_id FROM contact WHERE closed_at IS NULL) ORDER BY id"
)
_EVENTS_AFTER = "SELECT seq, data FROM event WHERE seq > ? ORDER BY seq LIMIT ?"
_FROM_KEYS = (
    "FROM floor f "
    "LEFT JOIN (customer_key k JOIN customer c ON c.id = k.customer_id "
    "JOIN customer s ON s.id = COALESCE(c.merged_into, c.id) "
    "LEFT JOIN ticket t ON t.id IN (SELECT r.id FROM ticket r WHERE r.customer_id = s.id "
    "AND (r.resolved_at IS NULL OR r.resolved_at >= ?) ORDER BY r.id DESC LIMIT 5)) "
    "ON k.value IN ?* WHERE f.id = 1"
)
"""One row at least: where the log ends belongs to what was read."""
_OF_EACH = "SELECT f.seq, k.kind, k.value, s.id, t.data, s.name, s.language, s.segment"
_NUMBER = (
    "(SELECT MIN(x.value) FROM customer_key x WHERE x.customer_id IN (c.id, s.id) AND x.kind = 'external_id')"
)
_FIND_CUSTOMERS = f"{_OF_EACH}, NULL {_FROM_KEYS}"
_FIND_NUMBERED = f"{_OF_EACH}, {_NUMBER} {_FROM_KEYS}"
_FIND_TICKETS = "SELECT data, customer_id FROM ticket WHERE id IN ?*"
_FIND_ANSWERS = "SELECT scope, key, fingerprint, status, body FROM idempotency WHERE key IN ?*"
