"""Decides how busy a whole day will be, from its weekday, its place in the month and the days before it.

The level (or a factor's score) of a day is a Gaussian process over open days: a constant, an effect of each
weekday, a smooth effect of the place in the month (billing and pay days), an AR(1) memory of the last days, a
slow drift and noise. How much each of them counts is learnt by marginal likelihood under a mild prior
(Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, eq. 2.25, 2.30, 5.9). Without month
and drift it is the AR(1) around weekday means of the call-centre literature.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize

from staffing.training import Bools, Floats, Ints, weekday_of

MEMORY_DAYS = 130

_CONSTANT = 10.0
_MONTH_LENGTH = 0.25
_DRIFT_DAYS = 40.0
_MONTH_REACH = 62
_PRIOR_SD = 0.5
_STEPS = 15


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each part of the level counts; variances as multiples of one common scale.

    Args:
        weekday: Variance of the weekdays' effects.
        month: Variance of the effect of the place in the month.
        memory: Variance of the AR(1) part.
        persistence: Its correlation from one open day to the next, 0..1.
        drift: Variance of the slow drift.
        beside: Variance of the effects of standing right before or after a holiday.
        noise: Variance that says nothing about other days.
    """

    weekday: float = 1.0
    month: float = 0.3
    memory: float = 1.0
    persistence: float = 0.8
    drift: float = 0.3
    beside: float = 1.0
    noise: float = 0.3


@dataclass(frozen=True, slots=True)
class Places:
    """Where days stand.

    Args:
        weekday: 0 for Monday.
        open_day: Number of the open day.
        month: Place among the open days of its month, on a circle of length 1.
        beside: 1 on the first open day after a holiday, -1 on the day before one, 0 elsewhere.
    """

    weekday: Ints
    open_day: Floats
    month: Floats
    beside: Ints


def places_of(day: Ints, open_weekdays: Bools, holidays: Collection[int]) -> Places:
    """Return the places of ascending days.

    Args:
        day: Day numbers, shape (n,).
        open_weekdays: Weekdays on which the team is open, shape (7,).
        holidays: Day numbers of holidays, past and to come; they are no open days of a month.
    """
    first, last = int(day[0]), int(day[-1])
    span = np.arange(first - _MONTH_REACH, last + _MONTH_REACH + 1)
    opened = open_weekdays[weekday_of(span)]
    working = opened & ~np.isin(span, list(holidays))
    at = day - span[0]
    return Places(
        weekday_of(day),
        np.cumsum(opened)[at].astype(float),
        _month_places(span, working)[at],
        _beside(working, opened)[at],
    )


def learnt_weights(levels: Floats, places: Places) -> Weights:
    """Return the weights under which the observed levels are most likely (maximum a posteriori).

    Args:
        levels: Levels or scores of the days, shape (n,).
        places: Their places, n of them.
    """
    parts = _parts(places, places)
    values = levels - levels.mean()
    if not np.any(values):
        return Weights()
    start = _packed(Weights())
    found = optimize.minimize(
        _cost, start, args=(values, parts, start), jac=True, method="L-BFGS-B", options={"maxiter": _STEPS}
    )
    return _unpacked(found.x)


def predicted_levels(levels: Floats, places: Places, ahead: Places, weights: Sequence[Weights]) -> Floats:
    """Return what several level processes are expected to be on the days `ahead`.

    Args:
        levels: Observed levels or scores, a column for each process, shape (n, k).
        places: Places of the observed days, n of them.
        ahead: Places of the days to forecast, m of them.
        weights: One for each process, k of them.

    Returns:
        Expected levels, shape (m, k).
    """
    within, across = _parts(places, places), _parts(ahead, places)
    return np.column_stack(
        [_conditional(own, within, across, each) for own, each in zip(levels.T, weights, strict=True)]
    )


@dataclass(frozen=True, slots=True)
class _Parts:
    """The correlations between two sets of days: same weekday, same place in the month, days apart, drift."""

    weekday: Floats
    month: Floats
    apart: Floats
    drift: Floats
    beside: Floats


def _parts(rows: Places, columns: Places) -> _Parts:
    apart = np.abs(rows.open_day[:, None] - columns.open_day[None])
    circle = np.square(np.sin(np.pi * (rows.month[:, None] - columns.month[None])))
    return _Parts(
        (rows.weekday[:, None] == columns.weekday[None]).astype(float),
        np.exp(-2 * circle / _MONTH_LENGTH**2),
        apart,
        np.exp(-apart / _DRIFT_DAYS),
        ((rows.beside[:, None] == columns.beside[None]) & (rows.beside[:, None] != 0)).astype(float),
    )


def _conditional(levels: Floats, within: _Parts, across: _Parts, weights: Weights) -> Floats:
    mean = levels.mean()
    covariance = _mixed(within, weights)
    covariance[np.diag_indices(len(levels))] += weights.noise
    solved = linalg.solve(covariance, levels - mean, assume_a="pos", check_finite=False)
    return np.asarray(mean + _mixed(across, weights) @ solved)


def _mixed(parts: _Parts, weights: Weights) -> Floats:
    memory = weights.memory * np.exp(np.log(weights.persistence) * parts.apart)
    steady = _CONSTANT + weights.weekday * parts.weekday + weights.month * parts.month
    return np.asarray(steady + memory + weights.drift * parts.drift + weights.beside * parts.beside)


def _cost(packed: Floats, values: Floats, parts: _Parts, start: Floats) -> tuple[float, Floats]:
    """Return the negative log posterior of packed weights and its gradient; the scale is optimised out."""
    weights, n = _unpacked(packed), len(values)
    within = _mixed(parts, weights)
    within[np.diag_indices(n)] += weights.noise
    factor = linalg.cholesky(within, lower=True, check_finite=False)
    inverse = linalg.cho_solve((factor, True), np.eye(n), check_finite=False)
    solved = inverse @ values
    fit = float(values @ solved)
    pull = (packed - start) / _PRIOR_SD
    cost = 0.5 * n * np.log(fit / n) + np.log(np.diag(factor)).sum() + 0.5 * float(pull @ pull)
    outer = 0.5 * (inverse - n / fit * np.outer(solved, solved))
    memory = np.exp(np.log(weights.persistence) * parts.apart)
    gradient = np.array(
        [
            weights.weekday * np.sum(outer * parts.weekday),
            weights.month * np.sum(outer * parts.month),
            weights.memory * np.sum(outer * memory),
            weights.memory * (1 - weights.persistence) * np.sum(outer * memory * parts.apart),
            weights.drift * np.sum(outer * parts.drift),
            weights.beside * np.sum(outer * parts.beside),
            weights.noise * np.trace(outer),
        ]
    )
    return float(cost), gradient + pull / _PRIOR_SD


def _packed(weights: Weights) -> Floats:
    odds = weights.persistence / (1 - weights.persistence)
    plain = (
        weights.weekday,
        weights.month,
        weights.memory,
        odds,
        weights.drift,
        weights.beside,
        weights.noise,
    )
    return np.log(plain)


def _unpacked(packed: Floats) -> Weights:
    logs = np.clip(packed, -12.0, 12.0)
    weekday, month, memory, odds, drift, beside, noise = (float(value) for value in np.exp(logs))
    return Weights(weekday, month, memory, odds / (1 + odds), drift, beside, noise)


def _month_places(span: Ints, working: Bools) -> Floats:
    """Return how far each day is through the working days of its month, 0..1; months at the ends are cut."""
    months = span.astype("datetime64[D]").astype("datetime64[M]")
    _, month = np.unique(months, return_inverse=True)
    before: Ints = np.cumsum(working) - working
    first = np.full(int(month[-1]) + 1, len(span))
    np.minimum.at(first, month, before)
    days = np.bincount(month, working)
    return np.asarray((before - first[month] + 0.5) / np.maximum(days[month], 1.0))


def _beside(working: Bools, opened: Bools) -> Ints:
    """Return 1 for the first working day after holidays, -1 for the working day right before one, else 0."""
    beside = np.zeros(len(working), dtype=np.int64)
    last_holiday = last_working = -1
    for at in range(len(working)):
        if working[at]:
            beside[at] = 1 if last_holiday > last_working else 0
            last_working = at
        elif opened[at]:
            last_holiday = at
            if last_working == at - 1 and at:
                beside[last_working] = -1
    return beside
