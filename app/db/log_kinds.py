"""Which kinds of event stand in the log."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from app.db.engine import Connection
from app.db.schema import event


def find_other_kind(conn: Connection, known: Collection[str], *, after: int) -> str | None:
    """Return the kind of the first event after `after` (sequence number) that is not `known`, or None."""
    query = sa.select(event.c.kind).where(event.c.seq > after, event.c.kind.not_in(sorted(known)))
    found: str | None = conn.scalar(query.order_by(event.c.seq).limit(1))
    return found
