"""What has been learnt about waits, stored as one value."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from app.db.batch_writes import Literal
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
    text, parameters = wait_book_literal(conn.dialect.name, data, now)
    conn.exec_driver_sql(text, tuple(parameters))


def wait_book_literal(dialect: str, data: bytes, now: float) -> Literal:
    """Return the statement that stores the book (msgpack) in place of the one before."""
    places = "$1, $2" if dialect == "postgresql" else "?, ?"
    text = (
        f"INSERT INTO wait_book (id, data, saved_at) VALUES (1, {places}) "  # noqa: S608
        "ON CONFLICT (id) DO UPDATE SET data = excluded.data, saved_at = excluded.saved_at"
    )
    return text, (data, now)
