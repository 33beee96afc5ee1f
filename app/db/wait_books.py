"""What has been learnt about waits, stored as one value."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from app.db.engine import Connection
from app.db.schema import wait_book
from routing.wait import WaitBook


def find_wait_book(conn: Connection) -> WaitBook | None:
    """Return the stored book, or None; one of another layout counts as none, for it is learnt anew."""
    data = conn.scalar(sa.select(wait_book.c.data).where(wait_book.c.id == 1))
    if data is None:
        return None
    try:
        return msgspec.msgpack.decode(data, type=WaitBook)
    except msgspec.ValidationError:
        return None


def save_wait_book(conn: Connection, data: bytes, now: float) -> None:
    """Store the book (msgpack) in place of the one before."""
    done = conn.execute(sa.update(wait_book).where(wait_book.c.id == 1).values(data=data, saved_at=now))
    if done.rowcount == 0:
        conn.execute(sa.insert(wait_book).values(id=1, data=data, saved_at=now))
