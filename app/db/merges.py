"""Two customer records that are one, and apart again: what moves, and the record of it."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import sqlalchemy as sa

from app.db.engine import Connection
from app.db.schema import contact, customer, customer_merge, ticket
from routing import events as ev


@dataclass(frozen=True, slots=True)
class Merge:
    """A merge as recorded."""

    kept_id: int
    merged_id: int
    merged_at: float
    ticket_ids: tuple[int, ...]


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


def find_merge(conn: Connection, merged_id: int) -> Merge | None:
    """Return the merge that `merged_id` went into and is still in, or None."""
    m = customer_merge.c
    row = conn.execute(
        sa.select(m.kept_id, m.merged_id, m.merged_at, m.ticket_ids)
        .where(m.merged_id == merged_id, m.split_at.is_(None))
        .order_by(m.id.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    return Merge(row[0], row[1], row[2], tuple(msgspec.json.decode(row[3])))


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


def find_survivor(conn: Connection, customer_id: int) -> int | None:
    """Return the customer that an id stands for after merges, or None where there is none."""
    row = conn.execute(
        sa.select(sa.func.coalesce(customer.c.merged_into, customer.c.id)).where(customer.c.id == customer_id)
    ).one_or_none()
    return int(row[0]) if row is not None else None


def _text(ids: list[int]) -> str:
    return msgspec.json.encode(ids).decode()
