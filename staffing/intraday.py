"""Decides how the rest of a day is forecast anew from what has come so far.

The gap of every interval is a day's shared busyness plus noise that fades from interval to interval, both
with the spread that the backtest found. Given the counts so far, the rest is their conditional mean and
variance: the penalised factor update (Shen and Huang 2008) with the penalty learnt instead of chosen. That
spread is of ordinary days, outliers set aside; now and then a day is none of them (a fault, a campaign nobody
told of), and what came says how likely that is: the two answers are weighed by it.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import linalg

from staffing.forecast import Forecast
from staffing.intervals import Starts, local_days
from staffing.training import Bools, Floats, Ints

_LEAST_CV = 1e-9
_SMALLEST_FACTOR = 0.2
_LARGEST_FACTOR = 5.0
_UNUSUAL_SHARE = 0.02
"""Share of days that are unlike those that the forecast was learnt from: one in fifty."""
_UNUSUAL_CV = 0.5
"""Coefficient of variation of the busyness of such days."""


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
        unusual: How likely it is, after that, that the day is none of those that the forecast was learnt
            from; what is still to come is then as sure as such days allow.
        reason: The same in words.
    """

    forecast: Forecast
    busyness: float | None
    expected_so_far: float
    actual_so_far: float
    unusual: float
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
        return DayUpdate(expected, None, hoped, came, 0.0, "nothing was expected so far; the forecast stands")
    found = _conditional(expected, met, actual, rest)
    volume, slot_cv, day_cv = expected.volume.copy(), expected.slot_cv.copy(), expected.day_cv.copy()
    volume[rest] *= np.clip(found.factor, _SMALLEST_FACTOR, _LARGEST_FACTOR)
    prior = expected.rate_cv[rest]
    ratio = np.divide(np.sqrt(found.variance), prior, out=np.ones_like(prior), where=prior > _LEAST_CV)
    slot_cv[rest] *= ratio
    day_cv[rest] *= ratio
    changed = replace(expected, volume=volume, slot_cv=slot_cv, day_cv=day_cv)
    reason = (
        f"{came:.0f} contacts where {hoped:.0f} were expected: "
        f"{'an unusual day, ' if found.unusual > 0.5 else 'the day is '}taken as {found.busyness:.2f} of it"
    )
    return DayUpdate(changed, found.busyness, hoped, came, found.unusual, reason)


@dataclass(frozen=True, slots=True)
class _Given:
    """What the counts so far say: factors and variances of the rest's rates, the day's busyness, the odds.

    Args:
        likelihood: Logarithm of the density of the counts so far, constants left out.
    """

    factor: Floats
    variance: Floats
    busyness: float
    likelihood: float = 0.0
    unusual: float = 0.0


def _conditional(expected: Forecast, met: Ints, actual: Floats, rest: Bools) -> _Given:
    """Return what the counts so far say, an ordinary and an unusual day weighed by their likelihood."""
    own_cv = float(expected.day_cv[met[0]])
    usual = _of_day(expected, met, actual, rest, own_cv)
    other = _of_day(expected, met, actual, rest, max(own_cv, _UNUSUAL_CV))
    odds = np.log(_UNUSUAL_SHARE / (1 - _UNUSUAL_SHARE)) + other.likelihood - usual.likelihood
    unusual = float(1 / (1 + np.exp(-np.clip(odds, -500, 500))))
    factor = (1 - unusual) * usual.factor + unusual * other.factor
    apart = unusual * (1 - unusual) * np.square(other.factor - usual.factor)
    variance = (1 - unusual) * usual.variance + unusual * other.variance + apart
    if unusual < 0.5:
        # The chance that a day is unusual is there every morning, and in no forecast's spread.
        variance = np.minimum(variance, np.square(expected.rate_cv[rest]))
    busyness = (1 - unusual) * usual.busyness + unusual * other.busyness
    return _Given(factor, variance, busyness, unusual=unusual)


def _of_day(expected: Forecast, met: Ints, actual: Floats, rest: Bools, day_cv: float) -> _Given:
    """Return what the counts so far say where the busyness of days varies by `day_cv`."""
    ahead = np.flatnonzero(rest)
    mean = expected.volume[met]
    gap = actual / mean - 1
    memory, own = expected.slot_memory[met[0]], expected.slot_cv
    observed = day_cv**2 + np.outer(own[met], own[met]) * memory ** np.abs(met[:, None] - met[None])
    observed[np.diag_indices(len(met))] += 1 / mean
    across = day_cv**2 + np.outer(own[ahead], own[met]) * memory ** np.abs(ahead[:, None] - met[None])
    solved = linalg.solve(observed, np.column_stack([gap, across.T]), assume_a="pos")
    left = day_cv**2 + np.square(own[ahead]) - np.sum(across * solved[:, 1:].T, axis=1)
    likelihood = -0.5 * (gap @ solved[:, 0] + np.linalg.slogdet(observed)[1])
    busyness = float(1 + day_cv**2 * solved[:, 0].sum())
    return _Given(1 + across @ solved[:, 0], np.maximum(left, 0.0), busyness, float(likelihood))
