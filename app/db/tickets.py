"""Queries about tickets and customers."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from app.db.engine import Connection
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
    """Return a customer's record with the keys it is known by, or None."""
    row = conn.execute(sa.select(customer).where(customer.c.id == customer_id)).mappings().one_or_none()
    if row is None:
        return None
    keys = conn.execute(
        sa.select(customer_key.c.kind, customer_key.c.value)
        .where(customer_key.c.customer_id == customer_id)
        .order_by(customer_key.c.kind, customer_key.c.value)
    )
    return dict(row) | {"keys": [{"kind": kind, "value": value} for kind, value in keys]}
