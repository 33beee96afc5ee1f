"""Queries about imports in parts: stored under their run's number, made to count at once, settled bit by bit.

A reader takes, for each key, the row of the newest import that counts, else the settled one; so it makes no
difference to any reader how far settling has come.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import sqlalchemy as sa

from app.db.engine import Connection
from app.db.schema import history_interval, history_wait, import_done, import_interval, import_wait, run
from app.db.upsert import insert_of, upsert

Wanted = Callable[[Any], Sequence[sa.ColumnElement[bool]]]
"""Returns the conditions on a table's columns."""

_PLACES: Final = ((import_interval, history_interval), (import_wait, history_wait))
"""Where an import's rows come first, and where they are settled."""


def standing(settled: sa.Table, wanted: Wanted) -> sa.Subquery:
    """Return the rows of `history_interval` or `history_wait` as they count, those that are `wanted`."""
    first = next(source for source, target in _PLACES if target is settled)
    counts = first.c.run_id.in_(sa.select(import_done.c.run_id))
    new = sa.select(*(first.c[column.name] for column in settled.c)).where(
        counts, *wanted(first.c), ~_replaced(settled, first, first, after=first.c.run_id)
    )
    old = sa.select(*settled.c).where(*wanted(settled.c), ~_replaced(settled, settled, first))
    return sa.union_all(old, new).subquery()


def _replaced(
    settled: sa.Table, row: sa.Table, first: sa.Table, *, after: sa.Column[Any] | None = None
) -> sa.Exists:
    """Return whether an import that counts, one after that of the run `after`, has the key of `row`."""
    done, own, other = import_done.alias(), import_done.alias(), first.alias()
    # Hazard: where runs and rows are joined, SQLite goes through all rows of the imports for each row.
    later = sa.select(done.c.run_id)
    if after is not None:
        place = sa.select(own.c.id).where(own.c.run_id == after).correlate(row).scalar_subquery()
        later = later.where(done.c.id > place)
    return sa.exists().where(
        other.c.run_id.in_(later), *(other.c[name] == row.c[name] for name in _key(settled))
    )


def put_part(conn: Connection, table: sa.Table, run_id: int, rows: Sequence[dict[str, Any]]) -> None:
    """Store rows of an import where nobody reads them yet."""
    upsert(conn, table, [{"run_id": run_id, **row} for row in rows])


def count_import(conn: Connection, run_id: int) -> None:
    """Have everything count that a run has stored; of imports of the same key the last one does."""
    if conn.dialect.name == "postgresql":
        # Numbers are to follow one another as their transactions end: what is settled is the lowest of them.
        conn.execute(sa.text("LOCK TABLE import_done IN SHARE ROW EXCLUSIVE MODE"))
    conn.execute(sa.insert(import_done).values(run_id=run_id))


def settle_some(conn: Connection, *, most: int) -> bool:
    """Settle up to `most` rows of the oldest import that counts; return whether there was one."""
    oldest = sa.select(import_done.c.run_id).order_by(import_done.c.id).limit(1).with_for_update()
    run_id = conn.scalar(oldest)
    if run_id is None:
        return False
    if not any(_take(conn, first, run_id, most, target) for first, target in _PLACES):
        conn.execute(sa.delete(import_done).where(import_done.c.run_id == run_id))
    return True


def list_left(conn: Connection) -> list[int]:
    """Return the imports that have ended or wait to begin anew, and left rows that do not count."""
    left = [sa.exists().where(first.c.run_id == run.c.id) for first, _ in _PLACES]
    counts = sa.exists().where(import_done.c.run_id == run.c.id)
    query = sa.select(run.c.id).where(
        run.c.kind == "import", run.c.state != "running", sa.or_(*left), ~counts
    )
    return [int(run_id) for run_id in conn.scalars(query)]


def clear_left(conn: Connection, run_id: int, *, most: int) -> bool:
    """Delete up to `most` rows of an import that `list_left` named; return whether there were any."""
    idle = sa.select(run.c.id).where(run.c.id == run_id, run.c.state != "running")
    counts = sa.select(import_done.c.id).where(import_done.c.run_id == run_id)
    if conn.scalar(idle.with_for_update(read=True)) is None or conn.scalar(counts) is not None:
        return False
    return clear_own(conn, run_id, most=most)


def clear_own(conn: Connection, run_id: int, *, most: int) -> bool:
    """Delete up to `most` rows that a run has stored and that do not count; return whether there were any."""
    return any(_take(conn, first, run_id, most) for first, _ in _PLACES)


def _take(conn: Connection, first: sa.Table, run_id: int, most: int, target: sa.Table | None = None) -> bool:
    """Delete a run's first rows by key, or move them to `target`; return whether there were any.

    They are of one team, channel and length of interval: only such a range is found by the key everywhere.
    """
    *names, last = (first.c[name] for name in _key(first))
    begin = conn.execute(
        sa.select(*names).where(first.c.run_id == run_id).order_by(*names, last).limit(1)
    ).one_or_none()
    if begin is None:
        return False
    some = sa.and_(*(name == value for name, value in zip(names, begin, strict=True)))
    end = conn.scalar(sa.select(last).where(some).order_by(last).offset(most - 1).limit(1))
    if end is not None:
        some = sa.and_(some, last <= end)
    if target is not None:
        columns = [column.name for column in target.c]
        rows = sa.select(*(first.c[name] for name in columns)).where(some)
        conn.execute(insert_of(conn, target, among=columns, rows=rows))
    conn.execute(sa.delete(first).where(some))
    return True


def _key(table: sa.Table) -> list[str]:
    return [column.name for column in table.primary_key]
