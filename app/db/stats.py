"""Queries about the exact sums kept per team, channel and quarter of an hour."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from app.db.batch_writes import STAT_COLUMNS
from app.db.engine import Connection
from app.db.schema import interval_stat, segment
from app.insight import Sums

_NAMES = STAT_COLUMNS


def sums_by_team(conn: Connection, start: float, end: float) -> dict[str, Sums]:
    """Return each team's sums over the intervals that begin in [start, end)."""
    t = interval_stat.c
    query = (
        sa.select(t.team_id, *(sa.func.sum(t[name]).label(name) for name in _NAMES))
        .where(t.starts_at >= start, t.starts_at < end)
        .group_by(t.team_id)
    )
    return {row["team_id"]: _sums(row) for row in conn.execute(query).mappings()}


def sums_by_interval(
    conn: Connection, team_id: str, start: float, end: float, *, channel: str | None = None
) -> list[tuple[int, Sums]]:
    """Return a team's sums for each interval that begins in [start, end), oldest first."""
    t = interval_stat.c
    query = (
        sa.select(t.starts_at, *(sa.func.sum(t[name]).label(name) for name in _NAMES))
        .where(t.team_id == team_id, t.starts_at >= start, t.starts_at < end)
        .group_by(t.starts_at)
        .order_by(t.starts_at)
    )
    if channel is not None:
        query = query.where(t.channel == channel)
    return [(int(row["starts_at"]), _sums(row)) for row in conn.execute(query).mappings()]


def answered_waits(conn: Connection, team_id: str, start: float, end: float) -> list[float]:
    """Return the waits (s) of a team's segments that began in [start, end) and were answered."""
    s = segment.c
    query = sa.select(s.answered_at - s.queued_at).where(
        s.team_id == team_id, s.queued_at >= start, s.queued_at < end, s.outcome == "answered"
    )
    return [float(wait_s) for wait_s in conn.scalars(query)]


def _sums(row: Any) -> Sums:
    sums = Sums()
    for name in _NAMES:
        setattr(sums, name, float(row[name] or 0))
    return sums
