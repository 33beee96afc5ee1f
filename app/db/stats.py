"""Queries about the exact sums kept per team, channel and quarter of an hour."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from app.db.batch_writes import STAT_COLUMNS, TIME_COLUMNS
from app.db.engine import Connection
from app.db.schema import agent_stat, interval_stat, wait_stat
from app.insight import Sums

_NAMES = STAT_COLUMNS


def sums_by_team(
    conn: Connection, start: float, end: float, *, channel: str | None = None
) -> dict[str, Sums]:
    """Return each team's sums over the intervals that begin in [start, end), of all channels or one."""
    t = interval_stat.c
    query = (
        sa.select(t.team_id, *(sa.func.sum(t[name]).label(name) for name in _NAMES))
        .where(t.starts_at >= start, t.starts_at < end)
        .group_by(t.team_id)
    )
    w = wait_stat.c
    conditions = [w.starts_at >= start, w.starts_at < end]
    if channel is not None:
        query = query.where(t.channel == channel)
        conditions.append(w.channel == channel)
    found = {row["team_id"]: _sums(row) for row in conn.execute(query).mappings()}
    _add_waits(conn, found, w.team_id, *conditions)
    a = agent_stat.c
    _add_times(conn, found, a.team_id, a.starts_at >= start, a.starts_at < end)
    return found


def sums_by_interval(
    conn: Connection, team_id: str, start: float, end: float, *, channel: str | None = None
) -> list[tuple[int, Sums]]:
    """Return a team's sums for each interval that begins in [start, end), oldest first.

    Of all channels or one; agents' time is that on all channels: nobody is there for one alone.
    """
    t = interval_stat.c
    query = (
        sa.select(t.starts_at, *(sa.func.sum(t[name]).label(name) for name in _NAMES))
        .where(t.team_id == team_id, t.starts_at >= start, t.starts_at < end)
        .group_by(t.starts_at)
        .order_by(t.starts_at)
    )
    w = wait_stat.c
    conditions = [w.team_id == team_id, w.starts_at >= start, w.starts_at < end]
    if channel is not None:
        query = query.where(t.channel == channel)
        conditions.append(w.channel == channel)
    found = {int(row["starts_at"]): _sums(row) for row in conn.execute(query).mappings()}
    _add_waits(conn, found, w.starts_at, *conditions)
    a = agent_stat.c
    _add_times(conn, found, a.starts_at, a.team_id == team_id, a.starts_at >= start, a.starts_at < end)
    return sorted(found.items())


def _add_waits(conn: Connection, found: dict[Any, Sums], key: Any, *conditions: Any) -> None:
    """Add to each of `found` how many were answered after so many seconds."""
    w = wait_stat.c
    query = sa.select(key, w.wait_s, sa.func.sum(w.answered)).where(*conditions).group_by(key, w.wait_s)
    for name, wait_s, count in conn.execute(query):
        if name in found:
            found[name].waits[int(wait_s)] = int(count)


def _add_times(conn: Connection, found: dict[Any, Sums], key: Any, *conditions: Any) -> None:
    """Add to `found` how the agents' time was spent; agents belong to their first team, on any channel."""
    a = agent_stat.c
    query = sa.select(key, *(sa.func.sum(a[name]) for name in TIME_COLUMNS)).where(*conditions).group_by(key)
    for name, *values in conn.execute(query):
        sums = found.setdefault(name, Sums())
        for column, value in zip(TIME_COLUMNS, values, strict=True):
            setattr(sums, column, float(value))


def _sums(row: Any) -> Sums:
    sums = Sums()
    for name in _NAMES:
        setattr(sums, name, float(row[name] or 0))
    return sums
