"""Queries about the addresses of calendars. Only hashes of their secrets are stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from app.db.engine import Connection
from app.db.schema import agent, calendar_address


@dataclass(frozen=True, slots=True)
class AddressRow:
    """An address that a calendar program may read an agent's published shifts at."""

    id: int
    agent_id: str
    created_at: float
    created_by: str


_T: Final = calendar_address.c
_COLUMNS: Final = (_T.id, _T.agent_id, _T.created_at, _T.created_by)


def add_address(conn: Connection, agent_id: str, secret_hash: str, *, now: float, actor: str) -> AddressRow:
    """Store a new address and return it."""
    values = {"agent_id": agent_id, "secret_hash": secret_hash, "created_at": now, "created_by": actor}
    row = conn.execute(sa.insert(calendar_address).values(**values).returning(*_COLUMNS)).one()
    return AddressRow(*row)


def list_addresses(conn: Connection, agent_id: str) -> list[AddressRow]:
    """Return the addresses of an agent that are not revoked, oldest first."""
    query = sa.select(*_COLUMNS).where(_T.agent_id == agent_id, _T.revoked_at.is_(None)).order_by(_T.id)
    return [AddressRow(*row) for row in conn.execute(query)]


def find_owner(conn: Connection, secret_hash: str) -> str | None:
    """Return the active agent whose calendar is read at the address with this hash, or None."""
    query = (
        sa.select(_T.agent_id)
        .join(agent, agent.c.id == _T.agent_id)
        .where(_T.secret_hash == secret_hash, _T.revoked_at.is_(None), agent.c.active)
    )
    found: str | None = conn.scalar(query)
    return found


def revoke_address(conn: Connection, address_id: int, agent_id: str, *, now: float, actor: str) -> bool:
    """Revoke an agent's address; False when there is none."""
    done = conn.execute(
        sa.update(calendar_address)
        .where(_T.id == address_id, _T.agent_id == agent_id, _T.revoked_at.is_(None))
        .values(revoked_at=now, revoked_by=actor)
    )
    return done.rowcount == 1
