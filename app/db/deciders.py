"""Where the replica listens that decides for the others."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.db import schema
from app.db.engine import Connection

_LOOPBACK = "127.0.0.1"


def find_own_host(conn: Connection) -> str:
    """Return the address by which PostgreSQL sees this process; the loopback over a local socket."""
    host: str | None = conn.scalar(sa.text("SELECT host(inet_client_addr())"))
    return host or _LOOPBACK


def save_decider(conn: Connection, host: str, port: int, token: str) -> None:
    """Say where the decider listens, and what a replica must show there."""
    row = {"id": 1, "host": host, "port": port, "token": token}
    statement = insert(schema.decider).values(row)
    conn.execute(statement.on_conflict_do_update(index_elements=["id"], set_=row))


def find_decider(conn: Connection) -> tuple[str, int, str] | None:
    """Return host, port and token of who decided last, or None."""
    table = schema.decider
    row = conn.execute(sa.select(table.c.host, table.c.port, table.c.token)).one_or_none()
    return None if row is None else (row.host, row.port, row.token)
