"""Queries about tickets and customers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import sqlalchemy as sa

from app.db.engine import Connection
from app.db.merges import list_merged
from app.db.schema import customer, customer_key, ticket
from routing.model import Ticket

_ticket = msgspec.json.Decoder(Ticket)


def list_tickets(
    conn: Connection,
    *,
    before: int | None,
    limit: int,
    states: list[str],
    team_id: str | None,
    owner_id: str | None,
    customer_id: int | None,
) -> list[Ticket]:
    """Return tickets, newest first, that fit every filter given."""
    query = sa.select(ticket.c.data, ticket.c.customer_id).order_by(ticket.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(ticket.c.id < before)
    if states:
        query = query.where(ticket.c.state.in_(states))
    for column, value in (
        (ticket.c.team_id, team_id),
        (ticket.c.owner_id, owner_id),
        (ticket.c.customer_id, customer_id),
    ):
        if value is not None:
            query = query.where(column == value)
    found = []
    for data, owner in conn.execute(query):
        each = _ticket.decode(data)
        each.customer_id = owner
        found.append(each)
    return found


def find_customer(conn: Connection, customer_id: int) -> dict[str, Any] | None:
    """Return a customer's record with the keys it is known by, those of merged records included, or None."""
    row = conn.execute(sa.select(customer).where(customer.c.id == customer_id)).mappings().one_or_none()
    if row is None:
        return None
    merged = list_merged(conn, customer_id)
    keys = conn.execute(
        sa.select(customer_key.c.kind, customer_key.c.value)
        .where(customer_key.c.customer_id.in_([customer_id, *(each[0] for each in merged)]))
        .order_by(customer_key.c.kind, customer_key.c.value)
    )
    return dict(row) | {
        "keys": [{"kind": kind, "value": value} for kind, value in keys],
        "merged": [{"id": gone, "into": kept, "merged_at": at} for gone, kept, at in merged],
    }


def list_known(conn: Connection, keys: Iterable[tuple[str, str]]) -> list[int]:
    """Return the customers that any of the keys (kind, value) stands for after merges, by id."""
    query = (
        sa.select(sa.func.coalesce(customer.c.merged_into, customer.c.id))
        .join(customer_key, customer_key.c.customer_id == customer.c.id)
        .where(sa.tuple_(customer_key.c.kind, customer_key.c.value).in_(list(keys)))
    )
    return sorted({int(found) for found in conn.scalars(query)})
