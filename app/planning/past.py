"""The history a team is planned from: imported intervals and live ones as one; live wins where both are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from app.db import history
from app.db.engine import Connection
from app.planning.terms import WITHIN_HOURS
from staffing.history import History, merged, regrouped, up_to
from staffing.intervals import (
    Grid,
    Starts,
    date_of_day,
    day_start_at,
    intervals_between,
    local_date,
    local_days,
)


@dataclass(frozen=True, slots=True)
class Past:
    """What is stored of a team's past, and in which quarters of an hour the service met anything at all."""

    team: str
    imported: list[history.PastRow]
    live: list[history.PastRow]
    observed: list[int]


@dataclass(frozen=True, slots=True)
class TeamPast:
    """A team's past: contacts that wait for an agent, the chats among them, and each kind that can wait."""

    waiting: Past
    chats: Past
    deferrable: dict[str, Past]


def read_team_past(conn: Connection, team: str) -> TeamPast:
    """Return everything that is recorded of a team; of work that can wait only what ever came."""
    observed = history.observed_live(conn)

    def past(*channels: str) -> Past:
        imported = history.imported_intervals(conn, team, channels=channels)
        return Past(team, imported, history.live_intervals(conn, team, channels=channels), observed)

    deferrable = {channel: past(channel) for channel in WITHIN_HOURS}
    return TeamPast(
        past(*history.WAITING),
        past("chat"),
        {channel: each for channel, each in deferrable.items() if each.imported or each.live},
    )


def history_of(past: Past, grid: Grid, last_on: date | None = None) -> History:
    """Return a team's history in intervals of `grid`, up to the local date `last_on` included.

    On days with live traffic every quarter of an hour counts as observed (on the first of them from its
    first contact on), so that quiet quarters are zeros; an imported interval stands where nothing came live.
    """
    found = _empty(past.team, grid)
    for interval_s in sorted({int(row[0]) for row in past.imported}, reverse=True):
        if interval_s <= grid.step_s:
            part = _history(past, [row for row in past.imported if row[0] == interval_s], interval_s, grid)
            found = merged(found, part)
    live = _live(past, grid)
    met = live.offered > 0
    found = merged(_part(live, ~met), found)
    found = merged(found, _part(live, met))
    return found if last_on is None else up_to(found, last_on)


def finished(each: History, now: float) -> History:
    """Return the part of a history whose intervals are over."""
    return _part(each, each.starts + each.grid.step_s <= now)


def live_counts(past: Past, grid: Grid, on: date, until: float) -> tuple[Starts, np.ndarray]:
    """Return the finished intervals of a local day before `until` and the contacts offered live in them.

    None of before the service met its first contact: nothing is known of them, they were not quiet.
    """
    starts = intervals_between(grid, on, on)
    first = min(past.observed, default=float("inf"))
    done = starts[(starts + grid.step_s <= until) & (starts >= first)]
    counts = np.zeros(len(done))
    for row in past.live:
        place = int(np.searchsorted(done, row[1], side="right")) - 1
        if place >= 0 and row[1] < done[place] + grid.step_s:
            counts[place] += row[2]
    return done, counts


def _live(past: Past, grid: Grid) -> History:
    quarters = Grid(grid.zone, 15, grid.week_starts_on)
    if not past.observed:
        return _empty(past.team, grid)
    days = np.unique(local_days(quarters, np.array(past.observed)))
    starts = np.concatenate([intervals_between(quarters, date_of_day(d), date_of_day(d)) for d in days])
    starts = starts[starts >= past.observed[0]]
    columns = np.zeros((6, len(starts)))
    for row in past.live:
        place = int(np.searchsorted(starts, row[1]))
        if place < len(starts) and starts[place] == row[1]:
            columns[:, place] = row[2:]
    return regrouped(History(past.team, quarters, starts, *columns), grid)


def _history(past: Past, rows: list[history.PastRow], interval_s: int, grid: Grid) -> History:
    own = Grid(grid.zone, interval_s // 60, grid.week_starts_on)
    values = np.array(rows, dtype=np.float64)
    starts = values[:, 1].astype(np.int64)
    return regrouped(History(past.team, own, starts, *values[:, 2:].T), grid)


def _part(each: History, keep: np.ndarray) -> History:
    columns = (each.offered, each.answered, each.abandoned, each.handled, each.handle_s, each.wait_s)
    return History(each.team, each.grid, each.starts[keep], *(column[keep] for column in columns))


def _empty(team: str, grid: Grid) -> History:
    nothing = np.empty(0)
    return History(team, grid, np.empty(0, dtype=np.int64), *(nothing for _ in range(6)))


def today(grid: Grid, now: float) -> date:
    """Return the site's date at `now`."""
    return local_date(grid, now)


def coming_week(grid: Grid, now: float) -> date:
    """Return the first date of the week after the present one."""
    on = today(grid, now)
    return on + timedelta(days=7 - (on.weekday() - grid.week_starts_on) % 7)


def week_span(grid: Grid, week_on: date, days: int) -> tuple[int, int]:
    """Return the instants at which `days` days from `week_on` begin and end."""
    return day_start_at(grid, week_on), day_start_at(grid, week_on + timedelta(days=days))
