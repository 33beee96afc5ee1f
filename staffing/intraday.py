"""Decides how the rest of a day is forecast anew from what has come so far.

The gap of every interval is a day's shared busyness plus noise that fades from interval to interval, both
with the spread that the backtest found. Given the counts so far, the rest is their conditional mean and
variance: the penalised factor update (Shen and Huang 2008) with the penalty learnt instead of chosen.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import linalg

from staffing.forecast import Forecast
from staffing.intervals import Starts, local_days
from staffing.training import Bools, Floats, Ints

_SMALLEST_FACTOR = 0.2
_LARGEST_FACTOR = 5.0


@dataclass(frozen=True, slots=True)
class DayUpdate:
    """A forecast after what has come today.

    Args:
        forecast: The same intervals; those of today that are still to come have a new volume and less
            uncertainty.
        busyness: What the day's contacts so far say about the whole day: 1.1 is a tenth more than forecast;
            None where nothing was expected so far.
        expected_so_far: Contacts that were forecast for the finished intervals.
        actual_so_far: Contacts that came in them, also where none was expected.
        reason: The same in words.
    """

    forecast: Forecast
    busyness: float | None
    expected_so_far: float
    actual_so_far: float
    reason: str


def updated(expected: Forecast, starts: Starts, counts: Floats) -> DayUpdate:
    """Return the forecast of a day's remaining intervals, given the counts of the finished ones.

    Args:
        expected: The forecast of the day, and maybe of more.
        starts: Starts of the finished intervals, ascending, all of one local day that is forecast; an
            interval that is still running must be left out.
        counts: Contacts offered in them, same shape.

    Raises:
        ValueError: When the intervals are of several days or not forecast.
    """
    rows = np.searchsorted(expected.starts, starts)
    if np.any(rows >= len(expected.starts)) or np.any(expected.starts[rows] != starts):
        raise ValueError("a finished interval is not one of the forecast")
    days = local_days(expected.grid, expected.starts)
    if not len(rows) or np.any(days[rows] != days[rows[0]]):
        raise ValueError("the finished intervals must be of one day, at least one")
    met = rows[expected.volume[rows] > 0]
    actual = counts[expected.volume[rows] > 0]
    rest = (days == days[rows[0]]) & (expected.starts > starts[-1]) & (expected.volume > 0)
    came, hoped = float(counts.sum()), float(expected.volume[met].sum())
    if not len(met):
        return DayUpdate(expected, None, hoped, came, "nothing was expected so far; the forecast stands")
    factor, left, busyness = _conditional(expected, met, actual, rest)
    volume, slot_cv, day_cv = expected.volume.copy(), expected.slot_cv.copy(), expected.day_cv.copy()
    volume[rest] *= factor
    ratio = np.divide(left, expected.rate_cv[rest], out=np.ones_like(left), where=expected.rate_cv[rest] > 0)
    slot_cv[rest] *= ratio
    day_cv[rest] *= ratio
    reason = f"{came:.0f} contacts where {hoped:.0f} were expected: the day is taken as {busyness:.2f} of it"
    changed = replace(expected, volume=volume, slot_cv=slot_cv, day_cv=day_cv)
    return DayUpdate(changed, busyness, hoped, came, reason)


def _conditional(expected: Forecast, met: Ints, actual: Floats, rest: Bools) -> tuple[Floats, Floats, float]:
    """Return the factors and remaining rate CVs of the rest, and the expected busyness of the day."""
    ahead = np.flatnonzero(rest)
    mean = expected.volume[met]
    gap = actual / mean - 1
    day_cv, memory, own = expected.day_cv[met[0]], expected.slot_memory[met[0]], expected.slot_cv
    observed = day_cv**2 + np.outer(own[met], own[met]) * memory ** np.abs(met[:, None] - met[None])
    observed[np.diag_indices(len(met))] += 1 / mean
    across = day_cv**2 + np.outer(own[ahead], own[met]) * memory ** np.abs(ahead[:, None] - met[None])
    solved = linalg.solve(observed, np.column_stack([gap, across.T]), assume_a="pos")
    factor = np.clip(1 + across @ solved[:, 0], _SMALLEST_FACTOR, _LARGEST_FACTOR)
    left = day_cv**2 + np.square(own[ahead]) - np.sum(across * solved[:, 1:].T, axis=1)
    return factor, np.sqrt(np.maximum(left, 0.0)), float(1 + day_cv**2 * solved[:, 0].sum())
