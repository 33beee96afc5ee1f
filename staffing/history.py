"""Decides what a team's history is: contacts, outcomes, waits, handle times per interval of the clock."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from staffing.intervals import (
    Grid,
    Starts,
    date_of_day,
    day_of_date,
    interval_starts,
    intervals_between,
    local_days,
    local_slots,
)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One contact as it was offered to a team.

    Args:
        team: Name of the team.
        offered_at: UTC epoch seconds at which it began to wait for the team.
        wait_s: Seconds it waited, until it was answered, hung up or left the queue.
        handle_s: Talk, hold and wrap-up in seconds, or None when it was not answered or nobody knows.
        answered: An agent took it.
        abandoned: The customer gave up. Neither answered nor abandoned means that it flowed out.
    """

    team: str
    offered_at: float
    wait_s: float
    handle_s: float | None = None
    answered: bool = True
    abandoned: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """What one team met in each observed interval; cohort figures, counted where the contact was offered.

    An interval without a row was closed or not recorded. An observed interval without contacts has zeros.

    Args:
        team: Name of the team.
        grid: The intervals of the site.
        starts: Interval starts, UTC epoch seconds, ascending, shape (n,).
        offered: Contacts offered, shape (n,).
        answered: Contacts answered, shape (n,).
        abandoned: Contacts whose customer gave up, shape (n,).
        handled: Contacts with a known handle time, shape (n,).
        handle_s: Their handle seconds in all, shape (n,).
        wait_s: Seconds that the offered contacts waited in all, shape (n,).
    """

    team: str
    grid: Grid
    starts: Starts
    offered: Floats
    answered: Floats
    abandoned: Floats
    handled: Floats
    handle_s: Floats
    wait_s: Floats

    def __post_init__(self) -> None:
        if np.any(np.diff(self.starts) <= 0):
            raise ValueError("interval starts must ascend")
        if any(len(column) != len(self.starts) for column in _columns(self)):
            raise ValueError("every column needs one value per interval")


@dataclass(frozen=True, slots=True)
class CensoredWaits:
    """Waits from which patience is estimated: an answered wait says only that patience was longer.

    Args:
        wait_s: Seconds waited, shape (n,); contacts that did not wait are left out.
        abandoned: True where the customer gave up at `wait_s`, False where the wait was cut, shape (n,).
    """

    wait_s: Floats
    abandoned: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class DayTable:
    """A history as consecutive local days by slots of the local clock; what the forecast reads.

    A repeated hour counts once, as the mean of its two intervals; a skipped hour is unknown.

    Args:
        first_on: Date of row 0.
        counts: Contacts offered per interval, shape (days, slots); nan where unknown or closed.
        handled: Contacts with a known handle time, shape (days, slots); 0 where unknown.
        handle_s: Their handle seconds in all, shape (days, slots); 0 where unknown.
    """

    first_on: date
    counts: Floats
    handled: Floats
    handle_s: Floats

    @property
    def dates(self) -> list[date]:
        """The date of each row."""
        return [self.first_on + timedelta(days=row) for row in range(len(self.counts))]


def histories_from_records(grid: Grid, records: Iterable[CallRecord]) -> dict[str, History]:
    """Return a history per team, by name, from single contacts.

    A local day on which any team has a record counts as observed in whole for every team seen up to then and
    later; a day without any record is missing, not zero. Order and duplicates of intervals do not matter.
    """
    rows = list(records)
    if not rows:
        return {}
    at = np.array([row.offered_at for row in rows])
    days = np.unique(local_days(grid, at))
    starts = np.concatenate([intervals_between(grid, date_of_day(day), date_of_day(day)) for day in days])
    place = np.searchsorted(starts, interval_starts(grid, at))
    teams = np.array([row.team for row in rows])
    return {
        str(team): _history_of(str(team), grid, starts, place[teams == team], _values(rows, teams == team))
        for team in np.unique(teams)
    }


def history_from_counts(team: str, grid: Grid, starts: Starts, offered: Floats) -> History:
    """Return a history of volumes alone, with every contact taken as answered and handle times unknown."""
    zero = np.zeros(len(starts))
    values = np.asarray(offered, dtype=float)
    return History(team, grid, starts, values, values, zero, zero, zero, zero)


def merged(old: History, new: History) -> History:
    """Return both histories as one; where they share an interval the new one stands.

    Raises:
        ValueError: When they are of different teams or grids.
    """
    if (old.team, old.grid) != (new.team, new.grid):
        raise ValueError("only histories of the same team and grid can be merged")
    keep = ~np.isin(old.starts, new.starts)
    order = np.argsort(starts := np.concatenate([old.starts[keep], new.starts]))
    columns = [np.concatenate([a[keep], b])[order] for a, b in zip(_columns(old), _columns(new), strict=True)]
    return History(old.team, old.grid, starts[order], *columns)


def censored_waits(records: Iterable[CallRecord]) -> CensoredWaits:
    """Return the waits of the contacts that did wait, each with whether it ended in an abandonment."""
    waited = [(row.wait_s, row.abandoned) for row in records if row.wait_s > 0]
    return CensoredWaits(
        np.array([wait for wait, _ in waited], dtype=float),
        np.array([gone for _, gone in waited], dtype=bool),
    )


def day_table(history: History) -> DayTable:
    """Return a history as local days by slots.

    Raises:
        ValueError: When the history is empty.
    """
    if not len(history.starts):
        raise ValueError(f"team {history.team!r} has no history")
    days = local_days(history.grid, history.starts)
    rows, slots = days - days[0], local_slots(history.grid, history.starts)
    shape = (int(rows[-1]) + 1, history.grid.slots_per_day)

    def spread(values: Floats) -> Floats:
        table = np.zeros(shape)
        np.add.at(table, (rows, slots), values)
        return table

    times = spread(np.ones(len(rows)))
    counts = np.divide(spread(history.offered), times, out=np.full(shape, np.nan), where=times > 0)
    return DayTable(date_of_day(int(days[0])), counts, spread(history.handled), spread(history.handle_s))


def up_to(history: History, last_on: date) -> History:
    """Return the part of a history up to and including the local date `last_on`."""
    keep = local_days(history.grid, history.starts) <= day_of_date(last_on)
    return History(history.team, history.grid, history.starts[keep], *(c[keep] for c in _columns(history)))


def regrouped(history: History, grid: Grid) -> History:
    """Return a history in longer intervals of the same zone; parts that are only half observed are left out.

    Raises:
        ValueError: When the zones differ or the new intervals are not a multiple of the old.
    """
    if grid.zone != history.grid.zone or grid.minutes % history.grid.minutes:
        raise ValueError("a history can only be put into longer intervals of its own zone")
    starts, place, seen = np.unique(
        interval_starts(grid, history.starts), return_inverse=True, return_counts=True
    )
    whole = seen * history.grid.minutes >= grid.minutes
    columns = [_sums(place, column, len(starts))[whole] for column in _columns(history)]
    return History(history.team, grid, starts[whole], *columns)


def _columns(history: History) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
    return (
        history.offered,
        history.answered,
        history.abandoned,
        history.handled,
        history.handle_s,
        history.wait_s,
    )


def _values(rows: list[CallRecord], mine: NDArray[np.bool_]) -> Mapping[str, Floats]:
    own = [row for row, keep in zip(rows, mine, strict=True) if keep]
    return {
        "offered": np.ones(len(own)),
        "answered": np.array([row.answered for row in own], dtype=float),
        "abandoned": np.array([row.abandoned for row in own], dtype=float),
        "handled": np.array([row.handle_s is not None for row in own], dtype=float),
        "handle_s": np.array([row.handle_s or 0.0 for row in own], dtype=float),
        "wait_s": np.array([row.wait_s for row in own], dtype=float),
    }


def _history_of(
    team: str, grid: Grid, starts: Starts, place: NDArray[np.int64], values: Mapping[str, Floats]
) -> History:
    sums = {name: _sums(place, column, len(starts)) for name, column in values.items()}
    return History(team=team, grid=grid, starts=starts, **sums)


def _sums(place: NDArray[np.int64], values: Floats, size: int) -> Floats:
    return np.bincount(place, values, minlength=size).astype(np.float64)
