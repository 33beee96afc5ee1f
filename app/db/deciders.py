"""Where the replica listens that decides for the others, or for those of its machine."""

from __future__ import annotations

from typing import Final, NamedTuple

import sqlalchemy as sa

from app.db import schema
from app.db.engine import Connection
from app.db.leader import DECIDER
from app.db.upsert import upsert

EVERYWHERE: Final = 1
"""The number of the place of who decides for all; a machine's is its own, see `app.door.machine`."""
_LOOPBACK = "127.0.0.1"
_ORIGIN = sa.text(
    "SELECT extract(epoch FROM pg_postmaster_start_time())::text || ' ' || oid::text "
    "FROM pg_database WHERE datname = current_database()"
)
_HELD = sa.text(
    "SELECT objid::bigint FROM pg_locks "
    "WHERE locktype = 'advisory' AND granted AND classid::bigint = :decider"
)


def key_of(number: int) -> int:
    """Return the key of a place's advisory lock; `number` is below 2 to the 31."""
    return DECIDER if number == EVERYWHERE else DECIDER << 32 | number


def find_own_host(conn: Connection) -> str:
    """Return the address by which PostgreSQL sees this process; the loopback over a local socket."""
    host: str | None = conn.scalar(sa.text("SELECT host(inet_client_addr())"))
    return host or _LOOPBACK


class Decider(NamedTuple):
    """Where it listens, what a replica must show there, and the fingerprint of the routes it knows."""

    host: str
    """An address, or the name of an abstract Unix socket after an @."""
    port: int
    token: str
    api: str
    door: str
    """The name of the abstract Unix socket where connections are handed over."""


def save_decider(conn: Connection, number: int, decider: Decider) -> None:
    """Say who decides from now on; forget machines where nobody does."""
    table = schema.decider
    held = set(conn.scalars(_HELD, {"decider": DECIDER}))
    conn.execute(table.delete().where(table.c.id.not_in([*held, number, EVERYWHERE])))
    upsert(conn, table, [{"id": number, **decider._asdict(), "origin": conn.scalar(_ORIGIN)}])


def find_decider(conn: Connection, number: int) -> Decider | None:
    """Return who decided last, or None.

    What was written in another database says nothing: a restored copy of a database holds the address and
    the token of the original's decider, who must not be given what belongs to the copy.
    """
    table = schema.decider
    columns = [table.c[name] for name in Decider._fields]
    row = conn.execute(sa.select(*columns, table.c.origin).where(table.c.id == number)).one_or_none()
    if row is None or row[-1] != conn.scalar(_ORIGIN):
        return None
    return Decider(*row[:-1])
