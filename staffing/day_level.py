"""Decides how busy a whole day will be, from its weekday, its place in the month and the days before it.

The level (or a factor's score) of a day is a Gaussian process over open days: a constant, an effect of each
weekday, a smooth effect of the place in the month (billing and pay days), an AR(1) memory of the last days, a
slow drift and noise. How much each of them counts, and how quickly the month moves, is learnt by marginal
likelihood under a mild prior (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006,
equations 2.25, 2.30 and 5.9). Without month and drift it is the AR(1) around weekday means of the literature.
"""

from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass, fields
from itertools import groupby

import numpy as np
from scipy import linalg, optimize

from staffing.training import Bools, Floats, Ints, weekday_of

MONTH_REACH = 62
"""Days before the first and after the last one within which holidays tell a day's place in its month."""

_CONSTANT = 10.0
_DRIFT_DAYS = 40.0
_PRIOR_SD = 0.5
_STEPS = 15


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each part of the level counts; variances as multiples of one common scale.

    The defaults are the centre of the prior.

    Args:
        weekday: Variance of the weekdays' effects.
        month: Variance of the effect of the place in the month.
        memory: Variance of the AR(1) part.
        persistence: Its correlation from one open day to the next, 0..1.
        drift: Variance of the slow drift.
        beside: Variance of the effects of standing right before or after a holiday.
        noise: Variance that says nothing about other days.
        faint: Variance of the noise that grows as a weekday has fewer contacts, where it is of usual size.
        month_length: How quickly the month moves: the length along the circle of the month, whose diameter
            is 1, within which days are alike.
    """

    weekday: float = 10.0
    month: float = 0.5
    memory: float = 1.0
    persistence: float = 0.7
    drift: float = 0.3
    beside: float = 0.1
    noise: float = 0.1
    faint: float = 0.1
    month_length: float = 0.4


_PERSISTENCE = [each.name for each in fields(Weights)].index("persistence")


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
    span = np.arange(first - MONTH_REACH, last + MONTH_REACH + 1)
    opened = open_weekdays[weekday_of(span)]
    working = opened & ~np.isin(span, list(holidays))
    at = day - span[0]
    return Places(
        weekday_of(day),
        np.cumsum(opened)[at].astype(float),
        _month_places(span, working)[at],
        _beside(working, opened)[at],
    )


def learnt_weights(levels: Floats, places: Places, faintness: Floats | None = None) -> Weights:
    """Return the weights under which the observed levels are most likely (maximum a posteriori).

    Args:
        levels: Levels or scores of the days, shape (n,), or a column for each process that is to share the
            weights, shape (n, k).
        places: Their places, n of them.
        faintness: How much more than usual each day's `faint` noise is, shape (n,); None for 0.
    """
    values = levels.reshape(len(levels), -1)
    values = values - values.mean(axis=0)
    power = np.sqrt(np.square(values).mean(axis=0))
    values = values[:, power > 0] / power[power > 0]
    if not values.size:
        return Weights()
    parts = _parts(places, places)
    faint = np.zeros(len(levels)) if faintness is None else faintness
    start = _packed(Weights())
    found = optimize.minimize(
        _cost,
        start,
        args=(values, parts, faint, start),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": _STEPS},
    )
    return _unpacked(found.x)


def predicted_levels(
    levels: Floats,
    places: Places,
    ahead: Places,
    weights: Sequence[Weights],
    faintness: Floats | None = None,
) -> Floats:
    """Return what several level processes are expected to be on the days `ahead`.

    Args:
        levels: Observed levels or scores, a column for each process, shape (n, k).
        places: Places of the observed days, n of them.
        ahead: Places of the days to forecast, m of them.
        weights: One for each process, k of them; neighbours that share theirs are solved at once.
        faintness: As in `learnt_weights`.

    Returns:
        Expected levels, shape (m, k).
    """
    mean = levels.mean(axis=0)
    within, across = _parts(places, places), _parts(ahead, places)
    expected = [np.empty((len(ahead.weekday), 0))]
    column = 0
    for each, sharing in groupby(weights):
        chosen = slice(column, column := column + len(list(sharing)))
        covariance = _mixed(within, each)
        covariance[np.diag_indices(len(levels))] += _noise(each, faintness)
        centred = levels[:, chosen] - mean[chosen]
        solved = linalg.solve(covariance, centred, assume_a="pos", check_finite=False)
        expected.append(mean[chosen] + _mixed(across, each) @ solved)
    return np.hstack(expected)


@dataclass(frozen=True, slots=True)
class _Parts:
    """How two sets of days lie: same weekday, squared distance in the month, days apart, drift, beside."""

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
        circle,
        apart,
        np.exp(-apart / _DRIFT_DAYS),
        ((rows.beside[:, None] == columns.beside[None]) & (rows.beside[:, None] != 0)).astype(float),
    )


def _mixed(parts: _Parts, weights: Weights) -> Floats:
    steady = _CONSTANT + weights.weekday * parts.weekday + weights.month * _alike(parts, weights)
    moving = weights.memory * _remembered(parts, weights) + weights.drift * parts.drift
    return np.asarray(steady + moving + weights.beside * parts.beside)


def _alike(parts: _Parts, weights: Weights) -> Floats:
    return np.asarray(np.exp(-2 * parts.month / weights.month_length**2))


def _remembered(parts: _Parts, weights: Weights) -> Floats:
    return np.asarray(np.exp(np.log(weights.persistence) * parts.apart))


def _noise(weights: Weights, faintness: Floats | None) -> Floats | float:
    return weights.noise if faintness is None else weights.noise + weights.faint * faintness


def _cost(
    packed: Floats, values: Floats, parts: _Parts, faintness: Floats, start: Floats
) -> tuple[float, Floats]:
    """Return the negative log posterior of packed weights and its gradient.

    The scale of each column of `values` is optimised out.
    """
    weights, (n, k) = _unpacked(packed), values.shape
    within = _mixed(parts, weights)
    within[np.diag_indices(n)] += _noise(weights, faintness)
    factor = linalg.cholesky(within, lower=True, check_finite=False)
    inverse = linalg.cho_solve((factor, True), np.eye(n), check_finite=False)
    solved = inverse @ values
    fit = (values * solved).sum(axis=0)
    pull = (packed - start) / _PRIOR_SD
    cost = 0.5 * n * np.log(fit / n).sum() + k * np.log(np.diag(factor)).sum() + 0.5 * float(pull @ pull)
    outer = 0.5 * (k * inverse - (solved * (n / fit)) @ solved.T)
    return float(cost), _gradient(weights, parts, faintness, outer) + pull / _PRIOR_SD


def _gradient(weights: Weights, parts: _Parts, faintness: Floats, outer: Floats) -> Floats:
    """Return what the packed weights change in the likelihood, given its slope in each covariance."""
    alike = weights.month * outer * _alike(parts, weights)
    memory = weights.memory * outer * _remembered(parts, weights)
    return np.array(
        [
            weights.weekday * np.sum(outer * parts.weekday),
            np.sum(alike),
            np.sum(memory),
            (1 - weights.persistence) * np.sum(memory * parts.apart),
            weights.drift * np.sum(outer * parts.drift),
            weights.beside * np.sum(outer * parts.beside),
            weights.noise * np.trace(outer),
            weights.faint * np.sum(np.diag(outer) * faintness),
            np.sum(alike * parts.month) * 4 / weights.month_length**2,
        ]
    )


def _packed(weights: Weights) -> Floats:
    plain = np.array(astuple(weights))
    plain[_PERSISTENCE] /= 1 - plain[_PERSISTENCE]
    return np.asarray(np.log(plain))


def _unpacked(packed: Floats) -> Weights:
    plain = np.exp(np.clip(packed, -12.0, 12.0))
    plain[_PERSISTENCE] /= 1 + plain[_PERSISTENCE]
    return Weights(*plain.tolist())


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
