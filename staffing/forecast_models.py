"""Decides what each forecasting model expects: contacts per day and slot from complete, ordinary days."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from staffing.day_level import Places, Weights, learnt_weights, places_of, predicted_levels
from staffing.training import Bools, Floats, Ints, Training, counts_of, weekday_of

RECENT_HALF_LIFE_WEEKS = 3.0
SHAPE_DAYS = 130
LEVEL_DAYS = 260
FACTORS = 10
_OWN_FACTORS = 4
_CALENDAR_SHARE = 2 / 3
_POOLED_SHARE = 0.3
_PROFILE_HALF_LIFE_DAYS = 90.0
_ALIKE = 0.25
_SMOOTHING_SLOTS = 0.6
_FACTORED_DAYS = 40
_YEAR_DAYS = 364
_YEAR_WINDOW_DAYS = 56


@dataclass(frozen=True, slots=True)
class Learnt:
    """What neighbouring origins share because it is learnt slowly: the weights of each level process.

    Args:
        level: Of the logarithm of the day's level.
        scores: Of the leading factors' scores, one each.
        rest: Of the scores of all other factors.
    """

    level: Weights
    scores: tuple[Weights, ...]
    rest: Weights


UNLEARNT = Learnt(Weights(), (Weights(),) * _OWN_FACTORS, Weights())

Model = Callable[[Training, Ints, Learnt], Floats]
"""Return expected contacts, shape (days ahead, slots), of ascending day numbers from `training.end` on."""


def seasonal_naive(training: Training, ahead: Ints, learnt: Learnt) -> Floats:
    """Return the last ordinary day of the same weekday: the reference of every comparison."""
    return _by_weekday(training, ahead, lambda rows: training.counts[rows[-1]])


def weekday_mean(training: Training, ahead: Ints, learnt: Learnt) -> Floats:
    """Return the mean of all ordinary days of the same weekday; hard to beat beyond two or three days."""
    return _by_weekday(training, ahead, lambda rows: training.counts[rows].mean(axis=0))


def recent_mean(training: Training, ahead: Ints, learnt: Learnt) -> Floats:
    """Return the weekday mean with weights that halve every three weeks; for short or drifting histories."""

    def mean(rows: Ints) -> Floats:
        age_weeks = (training.end - training.day[rows]) / 7
        return np.asarray(
            np.average(training.counts[rows], axis=0, weights=0.5 ** (age_weeks / RECENT_HALF_LIFE_WEEKS))
        )

    return _by_weekday(training, ahead, mean)


def ar_profile(training: Training, ahead: Ints, learnt: Learnt) -> Floats:
    """Return an AR(1) of the day's level around its weekday mean, times the weekday's profile on roots."""
    levels = training.roots.mean(axis=1)
    expected = _autoregressive(levels, training, ahead)
    profiles = _by_weekday(training, ahead, lambda rows: training.roots[rows].mean(axis=0))
    return counts_of(expected[:, None] * profiles / profiles.mean(axis=1, keepdims=True))


def svd_ar(training: Training, ahead: Ints, learnt: Learnt) -> Floats:
    """Return low-rank day factors, an AR(1) of each score around its weekday mean (Shen and Huang 2008)."""
    axes = _axes(training, 3)
    scores = training.roots @ axes.T
    expected = np.column_stack([_autoregressive(score, training, ahead) for score in scores.T])
    return counts_of(np.maximum(expected @ axes, 0.5))


def average(training: Training, ahead: Ints, learnt: Learnt) -> Floats:
    """Return the mean of `ar_profile` and `svd_ar`."""
    return (ar_profile(training, ahead, learnt) + svd_ar(training, ahead, learnt)) / 2


def calendar_level(training: Training, ahead: Ints, learnt: Learnt) -> Floats:
    """Return a level that knows month and holidays, times a shape, with a third of `average`.

    The level is foreseen by its logarithm: a busy Sunday then tells as much of a Friday with a third of the
    contacts as of a Monday. Half of the shape is the weekday's profile, drawn to that of weekdays about as
    busy, half what the scores of low-rank factors put together; both are smoothed a little over neighbouring
    slots. The simpler forecasts keep their third, because the month is learnt from few months.
    """
    recent = _last_rows(training, SHAPE_DAYS)
    shapes = (_shrunk_profiles(recent, ahead) + _factor_shapes(recent, ahead, learnt)) / 2
    roots = _levels_ahead(training, ahead, learnt)[:, None] * shapes
    known = counts_of(np.maximum(_smoothed(roots, recent.open_slots[weekday_of(ahead)]), 0.5))
    return _CALENDAR_SHARE * known + (1 - _CALENDAR_SHARE) * average(training, ahead, learnt)


def last_year(training: Training, ahead: Ints, learnt: Learnt) -> Floats:
    """Return the weekday mean moved as the same weeks moved a year ago; unmoved without such a year."""
    base = recent_mean(training, ahead, learnt)
    levels = training.roots.mean(axis=1)
    levels = levels / _weekday_means(levels, training)[training.weekday]
    then = np.array(
        [_level_between(training, levels, day - _YEAR_DAYS - 10, day - _YEAR_DAYS + 10) for day in ahead]
    )
    start = training.end - _YEAR_DAYS
    before = _level_between(training, levels, start - _YEAR_WINDOW_DAYS, start - 1)
    factor = np.square(then / before)
    return base * np.where(np.isnan(factor), 1.0, factor)[:, None]


MODELS: dict[str, Model] = {
    "naive": seasonal_naive,
    "weekday_mean": weekday_mean,
    "recent_mean": recent_mean,
    "ar_profile": ar_profile,
    "svd_ar": svd_ar,
    "average": average,
    "calendar": calendar_level,
    "last_year": last_year,
}


def learn(training: Training) -> Learnt:
    """Return the weights of the level processes under which the training days are most likely."""
    recent = _last_rows(training, SHAPE_DAYS)
    places = places_of(recent.day, recent.open_weekdays, recent.holidays)
    scores = recent.roots @ _axes(recent, FACTORS).T
    own = [learnt_weights(score, places) for score in scores[:, :_OWN_FACTORS].T]
    return Learnt(
        learnt_weights(_log_levels(recent), places, _faintness(recent)),
        (*own, *UNLEARNT.scores[len(own) :]),
        learnt_weights(scores[:, _OWN_FACTORS:], places),
    )


def predicted(name: str, training: Training, ahead: Ints, learnt: Learnt) -> Floats:
    """Return what a model expects, with nothing in closed slots and nothing below zero.

    Args:
        name: A key of MODELS.
        training: At least one ordinary day.
        ahead: Day numbers to forecast, ascending, none before `training.end`.
        learnt: From `learn` on this or an earlier origin.
    """
    values = MODELS[name](training, ahead, learnt)
    return np.where(training.open_slots[weekday_of(ahead)], np.maximum(values, 0.0), 0.0)


def _by_weekday(training: Training, ahead: Ints, of_rows: Callable[[Ints], Floats]) -> Floats:
    """Return a row per day ahead from the training rows of its weekday; from all rows where it has none."""
    every = np.arange(len(training.day))
    days = {}
    for weekday in np.unique(weekday_of(ahead)):
        rows = every[training.weekday == weekday]
        days[int(weekday)] = of_rows(rows if len(rows) else every)
    return np.array([days[int(weekday)] for weekday in weekday_of(ahead)])


def _autoregressive(levels: Floats, training: Training, ahead: Ints) -> Floats:
    """Return AR(1) forecasts around weekday means; the memory runs over open days."""
    means = _weekday_means(levels, training)
    rest = levels - means[training.weekday]
    power = float(np.square(rest[:-1]).sum())
    memory = float(np.clip((rest[1:] * rest[:-1]).sum() / power, 0.0, 0.98)) if power > 0 else 0.0
    places, future = _places(training, ahead)
    steps = future.open_day - places.open_day[-1]
    return np.asarray(means[weekday_of(ahead)] + memory**steps * rest[-1])


def _weekday_means(levels: Floats, training: Training) -> Floats:
    """Return the mean level of each weekday, shape (7,); the mean of all for a weekday without days."""
    sums = np.bincount(training.weekday, levels, minlength=7)
    days = np.bincount(training.weekday, minlength=7)
    return np.where(days > 0, sums / np.maximum(days, 1), levels.mean())


def _axes(training: Training, most: int) -> Floats:
    """Return the leading right singular vectors of the days, (factors, slots): fewer for a short history."""
    days, slots = training.roots.shape
    factors = min(most, 1 + days // (_FACTORED_DAYS // 2), days, slots)
    vectors = np.linalg.eigh(training.roots.T @ training.roots)[1]
    return np.asarray(vectors[:, ::-1][:, :factors].T)


def _log_levels(training: Training) -> Floats:
    return np.asarray(np.log(training.roots.mean(axis=1)))


def _faintness(training: Training) -> Floats:
    """Return how few contacts each day's weekday has, over what is usual: noise of relative levels, (n,)."""
    usual = _weekday_means(training.counts.sum(axis=1), training)[training.weekday]
    few = 1 / np.maximum(usual, 1.0)
    return np.asarray(few / np.median(few))


def _levels_ahead(training: Training, ahead: Ints, learnt: Learnt) -> Floats:
    """Return the mean root that each day ahead is expected to have, (m,)."""
    recent = _last_rows(training, LEVEL_DAYS)
    places, future = _places(recent, ahead)
    logs, faintness = _log_levels(recent)[:, None], _faintness(recent)
    return np.asarray(np.exp(predicted_levels(logs, places, future, [learnt.level], faintness)[:, 0]))


def _factor_shapes(training: Training, ahead: Ints, learnt: Learnt) -> Floats:
    """Return each day's shape around its level from the expected scores of low-rank factors."""
    places, future = _places(training, ahead)
    axes = _axes(training, FACTORS)
    scores = training.roots @ axes.T
    weights = (learnt.scores + (learnt.rest,) * FACTORS)[: len(axes)]
    roots = np.maximum(predicted_levels(scores, places, future, weights) @ axes, 0.0)
    return np.asarray(roots / np.maximum(roots.mean(axis=1, keepdims=True), 1e-9))


def _shrunk_profiles(training: Training, ahead: Ints) -> Floats:
    """Return each day's shape around its level: its weekday's, drawn to that of weekdays about as busy."""
    levels = training.roots.mean(axis=1)
    shapes = training.roots / levels[:, None]
    weights = 0.5 ** ((training.end - training.day) / _PROFILE_HALF_LIFE_DAYS)
    usual = np.log(_weekday_means(levels, training))[training.weekday]

    def mean(rows: Ints) -> Floats:
        alike = np.abs(usual - usual[rows[0]]) < _ALIKE
        own = np.average(shapes[rows], axis=0, weights=weights[rows])
        pooled = np.average(shapes[alike], axis=0, weights=weights[alike])
        return np.asarray((1 - _POOLED_SHARE) * own + _POOLED_SHARE * pooled)

    return _by_weekday(training, ahead, mean)


def _smoothed(roots: Floats, opened: Bools) -> Floats:
    """Return each day's roots smoothed over neighbouring open slots with a narrow Gaussian kernel."""
    weights = np.exp(-0.5 * np.square(np.arange(-2, 3) / _SMOOTHING_SLOTS))
    padded, seen = np.pad(np.where(opened, roots, 0.0), ((0, 0), (2, 2))), np.pad(opened, ((0, 0), (2, 2)))
    slots = roots.shape[1]
    total = sum(weight * padded[:, shift : shift + slots] for shift, weight in enumerate(weights))
    share = sum(weight * seen[:, shift : shift + slots] for shift, weight in enumerate(weights))
    return np.where(opened, total / np.maximum(share, 1e-9), roots)


def _places(training: Training, ahead: Ints) -> tuple[Places, Places]:
    both = places_of(np.concatenate([training.day, ahead]), training.open_weekdays, training.holidays)
    cut = len(training.day)
    return (
        Places(both.weekday[:cut], both.open_day[:cut], both.month[:cut], both.beside[:cut]),
        Places(both.weekday[cut:], both.open_day[cut:], both.month[cut:], both.beside[cut:]),
    )


def _last_rows(training: Training, days: int) -> Training:
    return Training(
        training.roots[-days:],
        training.counts[-days:],
        training.day[-days:],
        training.open_slots,
        training.holidays,
        training.end,
    )


def _level_between(training: Training, levels: Floats, first: int, last: int) -> float:
    chosen = levels[(training.day >= first) & (training.day <= last)]
    return float(chosen.mean()) if len(chosen) else float("nan")
