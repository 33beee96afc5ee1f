"""Which kinds of shift a roster may use: the planners' starts and lengths, or every hour the load allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Final

import numpy as np

from app.planning.terms import SiteTerms
from staffing.intervals import Grid, intervals_between, local_slots
from staffing.shifts import DAY_S, Break, ShiftKind, clock_text

_HOUR_S: Final = 3600
_MIN_S: Final = 60
_LEAST_S: Final = 2 * _HOUR_S
_ROUND_THE_CLOCK_S: Final = 20 * _HOUR_S
_EARLY_S: Final = 7 * _HOUR_S
_LATE_S: Final = 20 * _HOUR_S


def shift_kinds_for(
    site: SiteTerms, grid: Grid, week_on: date, rostered: Mapping[str, Sequence[int]]
) -> tuple[ShiftKind, ...]:
    """Return the kinds of shift for a requirement by team and interval of whole weeks from `week_on`."""
    begin, end = _busy_span(grid, week_on, rostered)
    lengths = [round(hours * _HOUR_S) for hours in site.shift_hours]
    if site.shift_starts:
        starts = [int(text[:2]) * _HOUR_S + int(text[3:]) * _MIN_S for text in site.shift_starts]
        return tuple(_kind(site, start, length) for start in starts for length in lengths)
    if end - begin >= _ROUND_THE_CLOCK_S:
        return tuple(_kind(site, start, length) for start in range(0, DAY_S, _HOUR_S) for length in lengths)
    fitting = [length for length in lengths if length <= end - begin] or [max(end - begin, _LEAST_S)]
    kinds = {}
    for length in fitting:
        last = max(end - length, begin)
        for start in {*range(begin, last + 1, _HOUR_S), last}:
            kinds[start % DAY_S, length] = _kind(site, start % DAY_S, length)
    return tuple(kinds[key] for key in sorted(kinds))


def _busy_span(grid: Grid, week_on: date, rostered: Mapping[str, Sequence[int]]) -> tuple[int, int]:
    """Return the seconds after midnight at which the first agent is needed and the last one no more."""
    needed = np.zeros(grid.slots_per_day, dtype=np.int64)
    for values in rostered.values():
        days = round(len(values) / grid.slots_per_day)
        starts = intervals_between(grid, week_on, week_on + timedelta(days=days - 1))
        np.maximum.at(needed, local_slots(grid, starts), np.array(values))
    slots = np.flatnonzero(needed)
    if not len(slots):
        return 8 * _HOUR_S, 18 * _HOUR_S
    return int(slots[0]) * grid.step_s, (int(slots[-1]) + 1) * grid.step_s


def _kind(site: SiteTerms, start_s: int, length_s: int) -> ShiftKind:
    breaks = tuple(
        Break(
            each.name,
            each.minutes * _MIN_S,
            each.earliest_min * _MIN_S,
            min(each.latest_min * _MIN_S, length_s - each.minutes * _MIN_S),
            each.paid,
        )
        for each in site.breaks
        if length_s >= each.for_shifts_from_hours * _HOUR_S
        and (each.earliest_min + each.minutes) * _MIN_S <= length_s
    )
    name = f"{clock_text(start_s)}-{clock_text(start_s + length_s)}"
    kind = ShiftKind(name, start_s, length_s, breaks)
    unloved = int(start_s < _EARLY_S) + int(start_s + length_s > _LATE_S)
    return replace(kind, unpopularity=unloved)
