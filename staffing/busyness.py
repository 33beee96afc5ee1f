"""Decides which intervals of a week are quiet, normal, busy or peak, from their load.

The measure is the week's median load over its open intervals. An interval is a peak when it is among the
highest tenth and at least a quarter above the median, busy when among the highest quarter and at least a
tenth above it, quiet when among the lowest quarter and at least a quarter below it, else normal. Both
conditions are needed: ranks alone would find peaks in a flat week, ratios alone none in a week with one long
plateau.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from staffing.intervals import (
    Grid,
    Starts,
    date_of_day,
    local_date,
    local_days,
    local_slots,
    slot_clock,
    week_start_on,
)
from staffing.training import Floats

PEAK_RATIO, PEAK_RANK = 1.25, 0.90
BUSY_RATIO, BUSY_RANK = 1.10, 0.75
QUIET_RATIO, QUIET_RANK = 0.75, 0.25


class Busyness(StrEnum):
    """How busy an interval is, measured on its week; closed is outside opening hours or without a load."""

    CLOSED = "closed"
    QUIET = "quiet"
    NORMAL = "normal"
    BUSY = "busy"
    PEAK = "peak"


@dataclass(frozen=True, slots=True)
class BusyInterval:
    """One interval of the map.

    Args:
        start: Interval start, UTC epoch seconds.
        on: Local date.
        clock: Local time at which it begins, as "08:30".
        busyness: Its class.
        load_erlangs: Its load.
        ratio: Load over the median load of the week's open intervals; 0 where closed.
        reason: Why it has this class, in words.
    """

    start: int
    on: date
    clock: str
    busyness: Busyness
    load_erlangs: float
    ratio: float
    reason: str


def busy_map(
    grid: Grid, starts: Starts, load_erlangs: Floats, *, opened: NDArray[np.bool_] | None = None
) -> list[BusyInterval]:
    """Return the class of every interval, each measured on its own week of the site.

    Args:
        grid: The site's intervals.
        starts: Interval starts, UTC epoch seconds, ascending, shape (n,).
        load_erlangs: Load of each (volume times handle time over the interval), shape (n,).
        opened: Whether each lies in opening hours; None where they are not known. Loads outside don't count.

    Raises:
        ValueError: When a load is negative or not a number.
    """
    if len(starts) != len(load_erlangs) or not np.all(np.isfinite(load_erlangs)) or np.any(load_erlangs < 0):
        raise ValueError("every interval needs a load of at least zero")
    inside = np.ones(len(starts), dtype=np.bool_) if opened is None else opened
    load_erlangs = np.where(inside, load_erlangs, 0.0)
    days, slots = local_days(grid, starts), local_slots(grid, starts)
    weeks = np.array([week_start_on(grid, date_of_day(int(day))).toordinal() for day in days], dtype=np.int64)
    loads = {int(week): _open_loads(load_erlangs[weeks == week]) for week in np.unique(weeks)}
    return [
        _interval(
            int(start),
            date_of_day(int(day)),
            slot_clock(grid, int(slot)),
            float(load),
            loads[int(week)],
            "no load is expected: closed" if open_now else "outside opening hours: closed",
        )
        for start, day, slot, load, week, open_now in zip(
            starts, days, slots, load_erlangs, weeks, inside, strict=True
        )
    ]


def week_map(grid: Grid, intervals: list[BusyInterval], week_on: date) -> dict[date, list[BusyInterval]]:
    """Return the intervals of the site's week that holds `week_on`, by local date, in order."""
    first = week_start_on(grid, week_on)
    rows: dict[date, list[BusyInterval]] = {}
    for each in intervals:
        if week_start_on(grid, local_date(grid, each.start)) == first:
            rows.setdefault(each.on, []).append(each)
    return rows


def _open_loads(loads: Floats) -> Floats:
    return np.sort(loads[loads > 0])


def _interval(start: int, on: date, clock: str, load: float, week: Floats, why_closed: str) -> BusyInterval:
    if load == 0:
        return BusyInterval(start, on, clock, Busyness.CLOSED, 0.0, 0.0, why_closed)
    median = float(np.median(week))
    ratio = load / median
    above = float(np.searchsorted(week, load, side="left")) / len(week)
    below = float(len(week) - np.searchsorted(week, load, side="right")) / len(week)
    kind = _class(ratio, above, below)
    measured = f"{load:.1f} erlangs, {ratio:.2f} of the week's median of {median:.1f}"
    rank = f"more than {above:.0%} of its open intervals" if ratio >= 1 else f"less than {below:.0%} of them"
    return BusyInterval(start, on, clock, kind, load, ratio, f"{measured}, {rank}: {kind}")


def _class(ratio: float, above: float, below: float) -> Busyness:
    """Return the class from the ratio to the median and the shares of the week below and above."""
    if ratio >= PEAK_RATIO and above >= PEAK_RANK:
        return Busyness.PEAK
    if ratio >= BUSY_RATIO and above >= BUSY_RANK:
        return Busyness.BUSY
    if ratio <= QUIET_RATIO and below >= 1 - QUIET_RANK:
        return Busyness.QUIET
    return Busyness.NORMAL
