"""Queries about changes of the day: proposals that were carried out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from app.db.engine import Connection
from app.db.schema import day_change


@dataclass(frozen=True, slots=True)
class DayChange:
    """A proposal as it was carried out.

    A change of the roster has the `plan_id` of its new version. An overflow has `after_s`, the wait at which
    contacts may be taken by `to_team_id` (None until it has begun), and holds until `ended_at`.
    """

    id: int
    on: str
    team_id: str
    kind: str
    agent_id: str | None
    to_team_id: str | None
    starts_at: float
    ends_at: float
    text: str
    reason: str
    made_at: float
    made_by: str
    plan_id: int | None
    after_s: float | None
    ended_at: float | None
    ended_by: str | None


_COLUMNS: Final = tuple(day_change.c[name] for name in DayChange.__slots__)


def add_change(conn: Connection, values: dict[str, Any]) -> int:
    """Store what was carried out and return its id."""
    new_id: int = conn.execute(sa.insert(day_change).values(**values).returning(day_change.c.id)).scalar_one()
    return new_id


def drop_change(conn: Connection, change_id: int) -> None:
    """Forget a change that came to nothing."""
    conn.execute(sa.delete(day_change).where(day_change.c.id == change_id))


def find_change(conn: Connection, change_id: int) -> DayChange | None:
    """Return a change, or None."""
    row = conn.execute(sa.select(*_COLUMNS).where(day_change.c.id == change_id)).one_or_none()
    return DayChange(*row) if row is not None else None


def list_changes(conn: Connection, on: str, team: str | None = None) -> list[DayChange]:
    """Return the changes of a local date, newest first."""
    query = sa.select(*_COLUMNS).where(day_change.c.on == on).order_by(day_change.c.id.desc())
    if team is not None:
        query = query.where(day_change.c.team_id == team)
    return [DayChange(*row) for row in conn.execute(query)]


def open_overflows(conn: Connection, since_on: str) -> list[DayChange]:
    """Return the overflows begun on or after a local date that still hold, the first to end first."""
    query = (
        sa.select(*_COLUMNS)
        .where(day_change.c.on >= since_on, day_change.c.kind == "overflow", day_change.c.ended_at.is_(None))
        .order_by(day_change.c.ends_at)
    )
    return [DayChange(*row) for row in conn.execute(query)]


def begin_change(conn: Connection, change_id: int, after_s: float) -> bool:
    """Note that an overflow begins; False when it has begun or ended."""
    t = day_change.c
    done = conn.execute(
        sa.update(day_change)
        .where(t.id == change_id, t.after_s.is_(None), t.ended_at.is_(None))
        .values(after_s=after_s)
    )
    return done.rowcount == 1


def unbegin_change(conn: Connection, change_id: int) -> None:
    """Take back that an overflow has begun."""
    conn.execute(sa.update(day_change).where(day_change.c.id == change_id).values(after_s=None))


def end_change(conn: Connection, change_id: int, *, now: float, actor: str) -> bool:
    """Note that an overflow has ended; False when that was known."""
    done = conn.execute(
        sa.update(day_change)
        .where(day_change.c.id == change_id, day_change.c.ended_at.is_(None))
        .values(ended_at=now, ended_by=actor)
    )
    return done.rowcount == 1
