"""Insert rows or replace those that are there, in one statement on either database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from app.db.engine import Connection

_ROWS = 1000


def upsert(conn: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Store `rows`; one whose primary key is there replaces all its other columns."""
    statement = insert_of(conn, table)
    for part in _parts(rows):
        conn.execute(statement, part)


def insert_of(
    conn: Connection, table: sa.Table, *, among: Sequence[str] = (), rows: sa.Select[Any] | None = None
) -> Any:
    """Return the statement of `upsert`, for rows that are given or for those that a query tells."""
    keys = [column.name for column in table.primary_key]
    insert = postgresql.insert if conn.dialect.name == "postgresql" else sqlite.insert
    statement: Any = insert(table)
    if rows is not None:
        statement = statement.from_select(among, rows)
    rest = {c.name: statement.excluded[c.name] for c in table.columns if c.name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=rest)


def insert_once(conn: Connection, table: sa.Table, values: Mapping[str, Any]) -> int | None:
    """Store one row and return its id, or None when a unique key of it is taken already."""
    insert = postgresql.insert if conn.dialect.name == "postgresql" else sqlite.insert
    statement: Any = insert(table).values(**values).on_conflict_do_nothing().returning(table.c.id)
    found: int | None = conn.execute(statement).scalar_one_or_none()
    return found


def _parts(rows: Sequence[Mapping[str, Any]]) -> Iterable[list[Mapping[str, Any]]]:
    for first in range(0, len(rows), _ROWS):
        yield list(rows[first : first + _ROWS])
