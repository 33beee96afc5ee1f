"""Queries about the past as planning sees it: imported intervals beside the live ones, and waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from app.db import imports
from app.db.engine import Connection
from app.db.schema import (
    HISTORY_SUMS,
    history_interval,
    history_wait,
    import_interval,
    import_wait,
    interval_stat,
    segment,
)

COLUMNS: Final = HISTORY_SUMS
LIVE_INTERVAL_S: Final = 900

PastRow = tuple[Any, ...]
"""Length of the interval in s, its start (epoch s), then the sums in the order of COLUMNS."""

WAITING: Final = ("voice", "chat")
"""Channels whose contacts wait for an agent; others are worked off when it is quiet."""


@dataclass(frozen=True, slots=True)
class IntervalRow:
    """What a team met in one interval; the sums in the order of COLUMNS."""

    team: str
    channel: str
    interval_s: int
    starts_at: int
    sums: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class DayWaits:
    """The waits of a team's contacts of one local day: how many waited how many whole seconds."""

    team: str
    on: str
    answered: dict[int, int]
    abandoned: dict[int, int]


def put_intervals(conn: Connection, run_id: int, rows: Sequence[IntervalRow]) -> None:
    """Store intervals that an import has read; they do not count before it has ended."""
    found = [
        {
            "team_id": row.team,
            "channel": row.channel,
            "interval_s": row.interval_s,
            "starts_at": row.starts_at,
            **dict(zip(COLUMNS, row.sums, strict=True)),
        }
        for row in rows
    ]
    imports.put_part(conn, import_interval, run_id, found)


def put_waits(conn: Connection, run_id: int, days: Sequence[DayWaits]) -> None:
    """Store the waits of contacts that an import has read; they do not count before it has ended."""
    rows = [
        {
            "team_id": day.team,
            "on": day.on,
            "data": msgspec.json.encode([day.answered, day.abandoned]).decode(),
        }
        for day in days
    ]
    imports.put_part(conn, import_wait, run_id, rows)


def imported_intervals(
    conn: Connection,
    team: str,
    *,
    start: float = 0,
    end: float | None = None,
    channels: Sequence[str] = WAITING,
) -> list[PastRow]:
    """Return a team's imported intervals that begin in [start, end), channels added up, oldest first."""

    def wanted(t: Any) -> list[sa.ColumnElement[bool]]:
        found = [t.team_id == team, t.channel.in_(channels), t.starts_at >= start]
        return found if end is None else [*found, t.starts_at < end]

    t = imports.standing(history_interval, wanted).c
    sums = (sa.func.sum(t[name]) for name in COLUMNS)
    query = (
        sa.select(t.interval_s, t.starts_at, *sums).group_by(t.interval_s, t.starts_at).order_by(t.starts_at)
    )
    return [tuple(row) for row in conn.execute(query)]


def live_intervals(
    conn: Connection,
    team: str,
    *,
    start: float = 0,
    end: float | None = None,
    channels: Sequence[str] = WAITING,
) -> list[PastRow]:
    """Return the quarters of an hour that the service itself met, oldest first; none where nothing came."""
    t = interval_stat.c
    sums = [sa.func.sum(t[name]) for name in COLUMNS if name != "wait_s"]
    query = (
        sa.select(sa.literal(LIVE_INTERVAL_S), t.starts_at, *sums, sa.func.sum(t.wait_s + t.abandon_wait_s))
        .where(t.team_id == team, t.channel.in_(channels), t.starts_at >= start)
        .group_by(t.starts_at)
        .order_by(t.starts_at)
    )
    if end is not None:
        query = query.where(t.starts_at < end)
    return [tuple(row) for row in conn.execute(query)]


def observed_live(conn: Connection) -> list[int]:
    """Return the starts of the quarters in which any team met anything, oldest first."""
    query = sa.select(interval_stat.c.starts_at).distinct().order_by(interval_stat.c.starts_at)
    return [int(at) for at in conn.scalars(query)]


def first_live(conn: Connection) -> int | None:
    """Return the start of the first quarter in which any team met anything, or None."""
    at = conn.scalar(sa.select(sa.func.min(interval_stat.c.starts_at)))
    return int(at) if at is not None else None


def list_waits(conn: Connection, team: str, *, first_on: str) -> list[DayWaits]:
    """Return the waits of a team's imported contacts from a local date on, oldest first."""
    t = imports.standing(history_wait, lambda c: (c.team_id == team, c.on >= first_on)).c
    query = sa.select(t.on, t.data).order_by(t.on)
    found = []
    for on, data in conn.execute(query):
        answered, abandoned = msgspec.json.decode(data, type=list[dict[int, int]])
        found.append(DayWaits(team, on, answered, abandoned))
    return found


def waits_in_sum(conn: Connection, team: str, *, start: float) -> tuple[float, int]:
    """Return seconds waited in all and contacts that hung up in a team's imported intervals since `start`."""
    t = imports.standing(
        history_interval, lambda c: (c.team_id == team, c.starts_at >= start, c.channel.in_(WAITING))
    ).c
    query = sa.select(sa.func.sum(t.wait_s), sa.func.sum(t.abandoned))
    wait_s, abandoned = conn.execute(query).one()
    return float(wait_s or 0.0), int(abandoned or 0)


def live_waits(conn: Connection, team: str, start: float) -> list[tuple[float, bool]]:
    """Return (seconds waited, hung up) of a team's ended waits since `start` on channels that wait."""
    s = segment.c
    query = sa.select(
        sa.func.coalesce(s.answered_at, s.ended_at) - s.queued_at, s.outcome == "abandoned"
    ).where(
        s.team_id == team,
        s.queued_at >= start,
        s.channel.in_(WAITING),
        s.outcome.in_(("answered", "abandoned")),
    )
    return [(max(float(wait_s), 0.0), bool(gone)) for wait_s, gone in conn.execute(query)]


def coverage_of_history(conn: Connection) -> list[dict[str, Any]]:
    """Return per team what is recorded: imported and live intervals, contacts, first and last instant."""
    found = []
    imported = imports.standing(history_interval, lambda _: ())
    for source, t in (("imported", imported.c), ("live", interval_stat.c)):
        query = (
            sa.select(
                t.team_id,
                sa.func.count(),
                sa.func.sum(t.offered),
                sa.func.min(t.starts_at),
                sa.func.max(t.starts_at),
            )
            .group_by(t.team_id)
            .order_by(t.team_id)
        )
        for team, intervals, offered, first, last in conn.execute(query):
            found.append(
                {
                    "team": team,
                    "source": source,
                    "intervals": int(intervals),
                    "offered": int(offered or 0),
                    "first_at": int(first),
                    "last_at": int(last),
                }
            )
    return found
