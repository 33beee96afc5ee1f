"""Where the replica listens that decides for the others."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa

from app.db import schema
from app.db.engine import Connection
from app.db.upsert import upsert

_LOOPBACK = "127.0.0.1"


def find_own_host(conn: Connection) -> str:
    """Return the address by which PostgreSQL sees this process; the loopback over a local socket."""
    host: str | None = conn.scalar(sa.text("SELECT host(inet_client_addr())"))
    return host or _LOOPBACK


class Decider(NamedTuple):
    """Where it listens, what a replica must show there, and the fingerprint of the routes it knows."""

    host: str
    port: int
    token: str
    api: str


def save_decider(conn: Connection, decider: Decider) -> None:
    """Say who decides from now on."""
    upsert(conn, schema.decider, [{"id": 1, **decider._asdict()}])


def find_decider(conn: Connection) -> Decider | None:
    """Return who decided last, or None."""
    table = schema.decider
    row = conn.execute(sa.select(table.c.host, table.c.port, table.c.token, table.c.api)).one_or_none()
    return None if row is None else Decider(*row)
