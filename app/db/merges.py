"""Two customer records that are one, and apart again: what moves, and the record of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import sqlalchemy as sa

from app.db.batch_writes import Literal
from app.db.engine import Connection
from app.db.literals import literal
from app.db.schema import contact, customer, customer_merge, ticket
from routing import events as ev


@dataclass(frozen=True, slots=True)
class Merge:
    """A merge as recorded."""

    kept_id: int
    merged_id: int
    merged_at: float
    ticket_ids: tuple[int, ...]


@dataclass(slots=True)
class Merges:
    """Who the customers asked for are after merges, and the merges that each went into and is still in."""

    survivors: dict[int, int] = field(default_factory=dict)
    open: dict[int, Merge] = field(default_factory=dict)

    def merge(self, kept_id: int, merged_id: int) -> None:
        """Take in a merge that is not stored yet; nobody can undo it before it is."""
        for customer_id, survivor in self.survivors.items():
            if survivor == merged_id:
                self.survivors[customer_id] = kept_id

    def split(self, merged_id: int) -> None:
        """Take in a split that is not stored yet."""
        self.open.pop(merged_id, None)
        if merged_id in self.survivors:
            self.survivors[merged_id] = merged_id


def merges_query(dialect: str, customer_ids: Iterable[int]) -> Literal:
    """Return the query for `merges_found`: about the customers among `customer_ids`, one or more."""
    wanted = sorted({each for each in customer_ids if 0 < each < 2**63})
    return literal(dialect, _FIND_MERGES, values=wanted or [0])


def merges_found(rows: Sequence[Any]) -> Merges:
    """Return what the rows say."""
    found = Merges()
    for customer_id, survivor, kept_id, merged_at, ticket_ids in rows:
        found.survivors[customer_id] = survivor
        if kept_id is not None:
            tickets = tuple(msgspec.json.decode(ticket_ids))
            found.open[customer_id] = Merge(kept_id, customer_id, merged_at, tickets)
    return found


def save_merge(conn: Connection, event: ev.CustomersMerged, *, opened: list[int]) -> None:
    """Give every stored ticket and contact of one customer to another, and record which.

    `opened` are the customer's tickets that the same batch has opened and not stored yet.
    """
    kept, gone = event.kept_id, event.merged_id
    tickets = list(conn.scalars(sa.select(ticket.c.id).where(ticket.c.customer_id == gone)))
    before = list(conn.scalars(sa.select(customer.c.id).where(customer.c.merged_into == gone)))
    conn.execute(
        sa.insert(customer_merge).values(
            kept_id=kept,
            merged_id=gone,
            merged_at=event.at,
            ticket_ids=_text([*tickets, *opened]),
            customer_ids=_text(before),
        )
    )
    for table in (ticket, contact):
        conn.execute(sa.update(table).where(table.c.customer_id == gone).values(customer_id=kept))
    conn.execute(
        sa.update(customer)
        .where(sa.or_(customer.c.id == gone, customer.c.merged_into == gone))
        .values(merged_into=kept)
    )


def save_split(conn: Connection, event: ev.CustomersSplit) -> None:
    """Give the tickets that came with a merge back, with their contacts."""
    row = conn.execute(
        sa.select(customer_merge.c.id, customer_merge.c.customer_ids)
        .where(customer_merge.c.merged_id == event.merged_id, customer_merge.c.split_at.is_(None))
        .order_by(customer_merge.c.id.desc())
        .limit(1)
    ).one()
    back = event.merged_id
    for table, column in ((ticket, ticket.c.id), (contact, contact.c.ticket_id)):
        conn.execute(sa.update(table).where(column.in_(event.ticket_ids)).values(customer_id=back))
    conn.execute(sa.update(customer).where(customer.c.id == back).values(merged_into=None))
    followers = msgspec.json.decode(row.customer_ids)
    conn.execute(sa.update(customer).where(customer.c.id.in_(followers)).values(merged_into=back))
    conn.execute(sa.update(customer_merge).where(customer_merge.c.id == row.id).values(split_at=event.at))


def list_merged(conn: Connection, kept_id: int) -> list[tuple[int, int, float]]:
    """Return (record, what it went into, when) of all that is merged into `kept_id`, directly or not."""
    m = customer_merge.c
    found: list[tuple[int, int, float]] = []
    into = [kept_id]
    while into:
        query = sa.select(m.merged_id, m.kept_id, m.merged_at).where(
            m.kept_id.in_(into), m.split_at.is_(None)
        )
        rows = [(int(row[0]), int(row[1]), float(row[2])) for row in conn.execute(query.order_by(m.id))]
        found += rows
        into = [row[0] for row in rows]
    return found


def _text(ids: list[int]) -> str:
    return msgspec.json.encode(ids).decode()


_FIND_MERGES = (
    "SELECT c.id, COALESCE(c.merged_into, c.id), m.kept_id, m.merged_at, m.ticket_ids FROM customer c "
    "LEFT JOIN customer_merge m ON m.merged_id = c.id AND m.split_at IS NULL WHERE c.id IN ?*"
)
