"""Decides which model forecasts a team at which distance, from forecasts made as of earlier days."""

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from staffing.forecast_models import MODELS, Learnt, learn, predicted
from staffing.intervals import date_of_day, day_of_date
from staffing.training import Floats, Ints, SpecialDays, Training, training_of, weekday_of
from staffing.uncertainty import Spread, spread_of

BUCKETS = ((1, 1), (2, 3), (4, 7), (8, 14), (15, 28), (29, 56), (57, 126))
DEFAULT_MODEL = "recent_mean"
REFERENCE = "naive"

DAILY_ORIGINS = 42
WEEKLY_ORIGINS = 12
_LEAST_TRAINING_DAYS = 10
_LEAST_SCORED_DAYS = 5
_RELEARN_ORIGINS = 14
_TRUSTED_DAYS = 15
_UNMEASURED_GROWTH = 1.2


@dataclass(frozen=True, slots=True)
class Score:
    """How far a model was off at a distance of `first_day` to `last_day` open days.

    Args:
        model: Its name in MODELS.
        first_day: Nearest distance in open days, 1 for the next one.
        last_day: Farthest distance, included.
        wape: Sum of absolute errors over sum of actual contacts.
        rmse: Root mean square error per interval.
        mase: Mean absolute error over that of "same interval a week before" in the whole history; None
            without it.
        days: Scored days, counted once for each origin.
    """

    model: str
    first_day: int
    last_day: int
    wape: float
    rmse: float
    mase: float | None
    days: int


@dataclass(frozen=True, slots=True)
class Choice:
    """The model that forecasts at a distance, and how far the truth strays from it.

    Args:
        first_day: Nearest distance in open days.
        last_day: Farthest distance, included.
        model: Its name in MODELS.
        spread: The spread of actual contacts around its forecast.
        floor_wape: WAPE that would be left if the rates were known (Poisson); None without a backtest.
        reason: Why this model, in words.
    """

    first_day: int
    last_day: int
    model: str
    spread: Spread
    floor_wape: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Backtest:
    """Errors of every model at every distance, from rolling origins, and the choice they lead to.

    Args:
        scores: One for each model and distance that could be scored.
        choices: One for each of BUCKETS.
        origins: Days as of which forecasts were made.
        left_out: Recorded days that were not scored: holidays, events, outliers.
    """

    scores: tuple[Score, ...]
    choices: tuple[Choice, ...]
    origins: tuple[date, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class _Rolled:
    """Forecasts of all origins: origin, distance, days learnt from, each (m,); actual, expected by slot."""

    origin: Ints
    distance: Ints
    learnt_days: Ints
    actual: Floats
    expected: dict[str, Floats]


def backtest(
    counts: Floats, first_on: date, special: SpecialDays, training: Training, *, days: int
) -> Backtest:
    """Return the errors of all models from rolling origins and the best one for each distance.

    Each forecast sees only the days before its origin: outliers are looked for, models fitted and weights
    learnt on those alone. Scored are the ordinary days of `training`, the same days for every model.

    Args:
        counts: Contacts per day and slot, shape (days, slots), nan where unknown or closed.
        first_on: Date of row 0.
        special: Holidays and events by date; neither learnt from nor scored.
        training: The ordinary days of the whole table.
        days: Calendar days up to which forecasts are wanted. The farthest distance among BUCKETS is scored
            in whole, so the choice for a day is the same however many days are asked for.
    """
    origins = _origins(training, day_of_date(first_on))
    farthest = _farthest(training, days)
    with threadpool_limits(limits=1, user_api="blas"):
        rolled = _rolled(counts, first_on, special, training, origins, farthest)
    scale = _weekly_change(counts)
    scores = tuple(score for bucket in BUCKETS for score in _scores(_within(rolled, bucket), bucket, scale))
    recorded = int((~np.isnan(counts)).any(axis=1).sum())
    return Backtest(
        scores,
        _choices(rolled, scores),
        tuple(date_of_day(int(day)) for day in np.unique(rolled.origin)),
        recorded - len(training.day),
    )


def choice_for(choices: tuple[Choice, ...], distance: int) -> Choice:
    """Return the choice for the open day that is `distance` open days after the last recorded day."""
    return next((each for each in choices if each.first_day <= distance <= each.last_day), choices[-1])


def _origins(training: Training, first_day: int) -> Ints:
    """Return the days as of whose morning forecasts are made: the last ones daily, earlier ones weekly."""
    latest = training.day[::-1]
    step = max(1, int(training.open_weekdays.sum()))
    chosen = np.concatenate([latest[:DAILY_ORIGINS], latest[DAILY_ORIGINS::step][:WEEKLY_ORIGINS]])
    return np.sort(chosen[chosen > first_day])


def _farthest(training: Training, days: int) -> int:
    """Return the end of the distance in which the last wanted day lies, in open days."""
    opened = training.open_weekdays[weekday_of(training.end + np.arange(days))].sum()
    return next((last for _, last in BUCKETS if last >= opened), BUCKETS[-1][1])


def _rolled(
    counts: Floats,
    first_on: date,
    special: SpecialDays,
    training: Training,
    origins: Ints,
    farthest: int,
) -> _Rolled:
    first_day = day_of_date(first_on)
    reach = 7 * -(-farthest // max(1, int(training.open_weekdays.sum())))
    made: list[Ints] = []
    distances: list[Ints] = []
    targets: list[Ints] = []
    learnt_days: list[Ints] = []
    expected: dict[str, list[Floats]] = {name: [] for name in MODELS}
    learnt: Learnt | None = None
    for number, origin in enumerate(origins):
        before, _ = training_of(counts[: origin - first_day], first_on, special)
        if len(before.day) < _LEAST_TRAINING_DAYS:
            continue
        if learnt is None or number % _RELEARN_ORIGINS == 0:
            learnt = learn(before)
        ahead = training.day[(training.day >= origin) & (training.day < origin + reach)]
        distance = open_distance(before, ahead)
        ahead, distance = ahead[distance <= farthest], distance[distance <= farthest]
        made.append(np.full(len(ahead), origin))
        distances.append(distance)
        targets.append(ahead)
        learnt_days.append(np.full(len(ahead), len(before.day)))
        for name in MODELS:
            expected[name].append(predicted(name, before, ahead, learnt))
    if not targets:
        nothing = np.empty((0, counts.shape[1]))
        nobody = np.empty(0, dtype=np.int64)
        return _Rolled(nobody, nobody, nobody, nothing, dict.fromkeys(MODELS, nothing))
    day = np.concatenate(targets)
    actual = np.where(training.open_slots[weekday_of(day)], counts[day - first_day], np.nan)
    return _Rolled(
        np.concatenate(made),
        np.concatenate(distances),
        np.concatenate(learnt_days),
        actual,
        {name: np.concatenate(rows) for name, rows in expected.items()},
    )


def open_distance(training: Training, ahead: Ints) -> Ints:
    """Return how many usually open days lie from the end of the history to each day ahead, inclusive."""
    span = np.arange(training.end, int(ahead[-1]) + 1)
    opened = np.cumsum(training.open_weekdays[weekday_of(span)])
    return np.asarray(np.maximum(opened[ahead - training.end], 1))


def _within(rolled: _Rolled, bucket: tuple[int, int]) -> _Rolled:
    rows = (rolled.distance >= bucket[0]) & (rolled.distance <= bucket[1])
    return _Rolled(
        rolled.origin[rows],
        rolled.distance[rows],
        rolled.learnt_days[rows],
        rolled.actual[rows],
        {name: values[rows] for name, values in rolled.expected.items()},
    )


def _scores(rolled: _Rolled, bucket: tuple[int, int], scale: float | None) -> list[Score]:
    """Return a score for each model, or none when too few days were forecast at that distance."""
    known = ~np.isnan(rolled.actual)
    actual = rolled.actual[known]
    if len(rolled.distance) < _LEAST_SCORED_DAYS or actual.sum() == 0:
        return []
    scores = []
    for name, values in rolled.expected.items():
        error = np.abs(values[known] - actual)
        scores.append(
            Score(
                name,
                *bucket,
                wape=float(error.sum() / actual.sum()),
                rmse=float(np.sqrt(np.square(error).mean())),
                mase=float(error.mean() / scale) if scale else None,
                days=len(rolled.distance),
            )
        )
    return scores


def _choices(rolled: _Rolled, scores: tuple[Score, ...]) -> tuple[Choice, ...]:
    choices: list[Choice] = []
    for bucket in BUCKETS:
        own = [score for score in scores if score.first_day == bucket[0]]
        nearer = choices[-1].spread if choices else Spread()
        if own:
            choices.append(_measured_choice(_within(rolled, bucket), own, nearer))
        else:
            reason = "too little history to compare models at this distance"
            choices.append(Choice(*bucket, DEFAULT_MODEL, _unmeasured(nearer), None, reason))
    return tuple(choices)


def _measured_choice(rolled: _Rolled, scores: list[Score], nearer: Spread) -> Choice:
    best = min(scores, key=lambda score: score.wape)
    reference = next(score for score in scores if score.model == REFERENCE)
    expected = rolled.expected[best.model]
    known = ~np.isnan(rolled.actual)
    floor = float(np.sqrt(2 / np.pi * expected[known]).sum() / rolled.actual[known].sum())
    # Errors made from much less history than there is now say little about today's.
    alike = 2 * rolled.learnt_days >= rolled.learnt_days.max()
    alike = alike if alike.sum() >= _TRUSTED_DAYS else np.ones_like(alike)
    spread = spread_of(expected[alike], rolled.actual[alike])
    if len(rolled.distance) < _TRUSTED_DAYS and spread.rate_cv < nearer.rate_cv:
        spread = nearer
    reason = (
        f"least error of {len(scores)} models on {best.days} days:"
        f" WAPE {best.wape:.4f} against {reference.wape:.4f} of the same weekday a week before"
    )
    return Choice(best.first_day, best.last_day, best.model, spread, floor, reason)


def _unmeasured(nearer: Spread) -> Spread:
    return replace(nearer, day_cv=nearer.day_cv * _UNMEASURED_GROWTH, coverage=None)


def _weekly_change(counts: Floats) -> float | None:
    """Return the mean absolute difference to the same interval a week before, the scale of MASE."""
    if len(counts) <= 7:
        return None
    change = np.abs(counts[7:] - counts[:-7])
    known = change[~np.isnan(change)]
    return float(known.mean()) if known.size and known.any() else None
