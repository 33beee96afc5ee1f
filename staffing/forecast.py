"""Decides how many contacts a team will meet in each interval, how long they take, and how sure that is.

Start here: `forecast(history, first_on=..., days=...)` gives a `Forecast` over the intervals of those days;
`quantiles(forecast, [0.1, 0.5, 0.9])` its bands, `forecast.rate_cv` the uncertainty that the requirement
needs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from staffing.backtest import Backtest, Choice, backtest, choice_for, open_distance
from staffing.forecast_models import UNLEARNT, learn, predicted
from staffing.handle_time import expected_handle_s
from staffing.history import DayTable, History, day_table
from staffing.intervals import (
    Grid,
    Starts,
    date_of_day,
    day_of_date,
    intervals_between,
    local_days,
    local_slots,
)
from staffing.special_days import Effect, Event, effects_of, given_effect, special_days
from staffing.training import Floats, Ints, Outlier, Training, training_of
from staffing.uncertainty import count_quantile

MOST_DAYS = 126

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SHORT_DAYS = 35


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a team is expected to meet in each interval.

    Args:
        team: Name of the team.
        grid: The intervals of the site.
        starts: Interval starts, UTC epoch seconds, ascending, all intervals of the forecast days, shape (n,).
        volume: Expected contacts offered in each interval, shape (n,); 0 where closed.
        handle_s: Mean handle time in seconds, shape (n,); nan when no handle time was ever recorded.
        day_cv: Coefficient of variation of the busyness that all intervals of a day share, shape (n,).
        slot_cv: That of the interval's own rate around it, beyond Poisson noise, shape (n,).
        slot_memory: Correlation of that noise from one interval to the next, shape (n,).
        model: Name of the model that forecasts each interval, n of them.
        backtest: What led to the choice of models.
        effects: What flagged days among the forecast ones do to the volume, by date.
        outliers: What was set aside, with reasons.
        notes: Anything else a planner should know, in words.
    """

    team: str
    grid: Grid
    starts: Starts
    volume: Floats
    handle_s: Floats
    day_cv: Floats
    slot_cv: Floats
    slot_memory: Floats
    model: tuple[str, ...]
    backtest: Backtest
    effects: dict[date, Effect]
    outliers: tuple[Outlier, ...]
    notes: tuple[str, ...]

    @property
    def rate_cv(self) -> Floats:
        """Coefficient of variation of the rate of each interval, shape (n,)."""
        return np.hypot(self.day_cv, self.slot_cv)

    @property
    def load_erlangs(self) -> Floats:
        """Offered load of each interval taken alone, shape (n,); nan without handle times."""
        return np.where(self.volume > 0, self.volume * self.handle_s / self.grid.step_s, 0.0)


def forecast(
    history: History,
    *,
    first_on: date,
    days: int,
    public_holidays: Mapping[date, str] | None = None,
    events: Iterable[Event] = (),
) -> Forecast:
    """Return the expected volume and handle time of a team for `days` local days from `first_on`.

    The model of each day is the one that did best at its distance when forecasts were made as of earlier
    days. Deterministic; takes about a second for a year of history. Runs BLAS on one thread meanwhile: its
    matrices are small, and threads that wait for each other on busy cores made it ten times slower.

    Args:
        history: Recorded intervals up to a whole day; leave out a day that is not over (`history.up_to`).
        first_on: First local date to forecast, after the last recorded one.
        days: Local days to forecast, 1 to 126.
        public_holidays: Holidays by date, past and future (`special_days.holidays_between`), best for
            `day_level.MONTH_REACH` days beyond both ends: they tell how far through its month a day is.
        events: What the planner knows, past and future.

    Raises:
        ValueError: When the history is empty, or the days are before its end or too many.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        return _forecast(history, first_on, days, public_holidays or {}, list(events))


def quantiles(expected: Forecast, probabilities: Sequence[float]) -> Floats:
    """Return quantiles of the contacts in each interval, shape (probabilities, n).

    Each is of the interval alone. Busyness moves all intervals of a day together, so the day's total strays
    by about `day_cv`, far more than if they were independent, and less than the sum of their quantiles says.
    """
    return np.array([count_quantile(expected.volume, expected.rate_cv, each) for each in probabilities])


def _forecast(
    history: History,
    first_on: date,
    days: int,
    public_holidays: Mapping[date, str],
    events: list[Event],
) -> Forecast:
    table = day_table(history)
    first_day, end = day_of_date(first_on), day_of_date(table.first_on) + len(table.counts)
    if first_day < end:
        raise ValueError(f"the history already holds {first_on}; forecast from {date_of_day(end)}")
    if not 1 <= days <= MOST_DAYS:
        raise ValueError(f"1 to {MOST_DAYS} days can be forecast, not {days}")
    flagged = special_days(public_holidays, events, history.team)
    training, outliers = training_of(table.counts, table.first_on, flagged)
    ahead = np.arange(first_day, first_day + days)
    result = backtest(table.counts, table.first_on, flagged, training, days=int(ahead[-1]) + 1 - end)
    choices = [choice_for(result.choices, int(each)) for each in open_distance(training, ahead)]
    effects = _effects(ahead, flagged.names, events, table, training)
    volume = _expected(training, ahead, choices) * _factors(ahead, effects)[:, None]
    return _as_intervals(
        history,
        ahead,
        volume,
        expected_handle_s(table, ahead),
        choices,
        result=result,
        effects=effects,
        outliers=outliers,
        notes=_notes(training, table),
    )


def _expected(training: Training, ahead: Ints, choices: list[Choice]) -> Floats:
    """Return the expected contacts of ordinary days, each from the model chosen at its distance."""
    volume = np.zeros((len(ahead), training.open_slots.shape[1]))
    if not len(training.day):
        return volume
    chosen = np.array([choice.model for choice in choices])
    learnt = learn(training) if "calendar" in chosen else UNLEARNT
    for name in np.unique(chosen):
        rows = np.flatnonzero(chosen == name)
        volume[rows] = predicted(str(name), training, ahead[rows], learnt)
    return volume


def _effects(
    ahead: Ints, flagged: Mapping[date, str], events: list[Event], table: DayTable, training: Training
) -> dict[date, Effect]:
    coming = {on: flagged[on] for on in map(date_of_day, ahead.tolist()) if on in flagged}
    learnt = effects_of(coming.values(), flagged, table.counts, table.first_on, training)
    return {on: given_effect(on, name, events) or learnt[name] for on, name in coming.items()}


def _factors(ahead: Ints, effects: dict[date, Effect]) -> Floats:
    days = map(date_of_day, ahead.tolist())
    return np.array([effects[on].factor if on in effects else 1.0 for on in days])


def _notes(training: Training, table: DayTable) -> tuple[str, ...]:
    notes = []
    never = [name for name, rows in zip(_WEEKDAYS, training.open_slots, strict=True) if not rows.any()]
    if never:
        notes.append(f"no history on {', '.join(never)}: forecast as closed")
    if len(table.counts) < _SHORT_DAYS:
        notes.append(f"only {len(table.counts)} days of history: the spread is a guess, not measured")
    return tuple(notes)


def _as_intervals(
    history: History,
    ahead: Ints,
    volume: Floats,
    handle_s: Floats,
    choices: list[Choice],
    *,
    result: Backtest,
    effects: dict[date, Effect],
    outliers: tuple[Outlier, ...],
    notes: tuple[str, ...],
) -> Forecast:
    grid = history.grid
    starts = intervals_between(grid, date_of_day(int(ahead[0])), date_of_day(int(ahead[-1])))
    row, slot = local_days(grid, starts) - ahead[0], local_slots(grid, starts)
    return Forecast(
        history.team,
        grid,
        starts,
        volume[row, slot],
        handle_s[row, slot],
        np.array([choice.spread.day_cv for choice in choices])[row],
        np.array([choice.spread.slot_cvs(grid.slots_per_day) for choice in choices])[row, slot],
        np.array([choice.spread.slot_memory for choice in choices])[row],
        tuple(choices[each].model for each in row),
        result,
        effects,
        outliers,
        notes,
    )
