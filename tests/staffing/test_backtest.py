"""Backtest: errors from rolling origins, and the model that they choose."""

import csv
import gzip
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from staffing.backtest import BUCKETS, Backtest, backtest, choice_for
from staffing.day_level import Weights, learnt_weights, places_of, predicted_levels
from staffing.forecast_models import MODELS, UNLEARNT, learn, predicted
from staffing.intervals import day_of_date
from staffing.training import SpecialDays, Training, training_of
from tests.staffing.traffic import MONDAY, OPEN, poisson, rates

CALLS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "calls"
WORKDAYS = np.array([True] * 5 + [False] * 2)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As in the product: threads of BLAS that wait for each other are slower than one."""
    with threadpool_limits(limits=1, user_api="blas"):
        yield


def trained(table: np.ndarray, special: SpecialDays | None = None) -> Training:
    return training_of(table, MONDAY, special or SpecialDays())[0]


def rolled(table: np.ndarray, *, days: int = 14, special: SpecialDays | None = None) -> Backtest:
    known = special or SpecialDays()
    return backtest(table, MONDAY, known, trained(table, known), days=days)


def summed_error(result: Backtest, table: np.ndarray) -> float:
    scored = table[[(on - MONDAY).days for on in result.origins]]
    return wape(result, "weekday_mean") * float(np.nansum(scored))


def wape(result: Backtest, model: str, first_day: int = 1) -> float:
    return next(each.wape for each in result.scores if (each.model, each.first_day) == (model, first_day))


def test_the_best_model_of_each_distance_is_chosen() -> None:
    result = rolled(poisson(120, busyness_cv=0.1))
    for choice in result.choices[:4]:
        own = {each.model: each.wape for each in result.scores if each.first_day == choice.first_day}
        assert own[choice.model] == min(own.values())


def test_every_model_is_scored_on_the_same_days() -> None:
    result = rolled(poisson(120))
    assert len({each.days for each in result.scores if each.first_day == 1}) == 1
    assert {each.model for each in result.scores if each.first_day == 1} == set(MODELS)


def test_weekday_mean_beats_seasonal_naive_when_days_are_independent() -> None:
    # The error of a mean of many days is that of the day alone; the naive one adds the last day's.
    result = rolled(poisson(180), days=7)
    assert wape(result, "naive") / wape(result, "weekday_mean") == pytest.approx(np.sqrt(2), abs=0.12)


def test_the_poisson_floor_is_what_is_left_when_the_rate_is_known() -> None:
    table = poisson(180)
    truth = rates(180)
    result = rolled(table, days=1)
    floor = result.choices[0].floor_wape
    assert floor == pytest.approx(np.nansum(np.abs(table - truth)) / np.nansum(table), rel=0.1)


def test_memory_of_yesterday_wins_when_busyness_lasts() -> None:
    rng = np.random.default_rng(5)
    level = np.zeros(240)
    for day in range(1, 240):
        level[day] = 0.9 * level[day - 1] + 0.06 * rng.normal()
    expected = np.nan_to_num(rates(240, base=300)) * np.exp(level)[:, None]
    table = np.where(np.isnan(rates(240)), np.nan, rng.poisson(expected))
    result = rolled(table, days=1)
    assert wape(result, "average") < 0.75 * wape(result, "weekday_mean")
    assert result.choices[0].model in {"ar_profile", "svd_ar", "average", "calendar"}


def test_mase_is_the_error_over_the_change_from_week_to_week() -> None:
    table = poisson(120)
    result = rolled(table, days=1)
    score = next(each for each in result.scores if each.model == "naive")
    change = np.nanmean(np.abs(table[7:] - table[:-7]))
    mean_count = np.nanmean(table)
    assert score.mase == pytest.approx(score.wape * mean_count / change, rel=0.1)


def test_no_forecast_of_the_backtest_sees_its_own_day() -> None:
    table = poisson(117)
    changed = table.copy()
    changed[-1] *= 1.2
    before = trained(table[:-1])
    expected = predicted("weekday_mean", before, np.array([before.end]), UNLEARNT)[0, OPEN]
    errors = [
        np.abs(expected - each[-1, OPEN]).sum() - summed_error(rolled(each, days=1), each)
        for each in (table, changed)
    ]
    assert errors[0] == pytest.approx(errors[1])


def test_days_with_a_name_are_neither_learnt_from_nor_scored() -> None:
    table = poisson(120)
    table[100] *= 5
    special = SpecialDays({MONDAY + timedelta(days=100): "campaign"})
    assert rolled(table, special=special).left_out == 1
    assert wape(rolled(table, special=special), "weekday_mean") < 0.13


def test_too_short_a_history_is_not_scored_and_says_so() -> None:
    result = rolled(poisson(14))
    assert result.scores == ()
    assert all(choice.spread.coverage is None for choice in result.choices)
    assert "too little history" in result.choices[0].reason


def test_distance_counts_open_days_so_monday_is_the_next_day_of_friday() -> None:
    result = rolled(poisson(120), days=3)
    assert {each.first_day for each in result.scores} == {1, 2}


def test_a_distance_beyond_all_takes_the_last_choice() -> None:
    choices = rolled(poisson(60)).choices
    assert choice_for(choices, 500) == choices[-1]
    assert choice_for(choices, 5).first_day == 4
    assert [(each.first_day, each.last_day) for each in choices] == list(BUCKETS)


def test_last_year_carries_a_season_that_this_years_days_cannot_show() -> None:
    days = 7 * 60
    season = 1 + 0.5 * (np.arange(days + 28) % 364 // 182)
    table = np.where(np.isnan(rates(days)), np.nan, np.nan_to_num(rates(days)) * season[:days, None])
    training = trained(table)
    start = training.end - 364
    ahead = training.end + np.arange(150, 157)
    expected = predicted("last_year", training, ahead, learn(training))
    flat = predicted("recent_mean", training, ahead, learn(training))
    then = season[(ahead - day_of_date(MONDAY) - 364)].mean() / season[start - day_of_date(MONDAY) - 10]
    assert expected.sum() / flat.sum() == pytest.approx(then, rel=0.05)


def test_the_level_learns_a_monthly_rhythm() -> None:
    day = day_of_date(MONDAY) + np.flatnonzero(np.tile(WORKDAYS, 52))
    places = places_of(day, WORKDAYS, frozenset())
    levels = 10 + np.cos(2 * np.pi * places.month)
    ahead = day[-1] + 3 + np.arange(5)
    both = places_of(np.concatenate([day, ahead]), WORKDAYS, frozenset())
    future = type(both)(*(getattr(both, name)[-5:] for name in ("weekday", "open_day", "month", "beside")))
    weights = learnt_weights(levels, places)
    expected = predicted_levels(levels[:, None], places, future, [weights])[:, 0]
    assert expected == pytest.approx(10 + np.cos(2 * np.pi * future.month), abs=0.1)
    assert weights.month > Weights().month


def test_gradient_of_the_level_likelihood_is_that_of_its_value() -> None:
    from scipy.optimize import approx_fprime

    from staffing.day_level import _cost, _packed, _parts

    day = day_of_date(MONDAY) + np.flatnonzero(np.tile(WORKDAYS, 8))
    holiday = frozenset({int(day[10])})
    parts = _parts(places := places_of(day, WORKDAYS, holiday), places)
    rng = np.random.default_rng(2)
    values, faint = rng.normal(size=(len(day), 2)), rng.gamma(1.0, size=len(day))
    start = _packed(Weights())
    at = start + 0.3
    numeric = approx_fprime(at, lambda packed: _cost(packed, values, parts, faint, start)[0], 1e-6)
    assert _cost(at, values, parts, faint, start)[1] == pytest.approx(numeric, abs=1e-3)


def test_how_quickly_the_month_moves_is_learnt() -> None:
    day = day_of_date(MONDAY) + np.flatnonzero(np.tile(WORKDAYS, 52))
    places = places_of(day, WORKDAYS, frozenset())
    noise = 0.2 * np.random.default_rng(3).normal(size=len(day))
    once, thrice = (
        learnt_weights(np.cos(2 * np.pi * waves * places.month) + noise, places) for waves in (1, 3)
    )
    assert thrice.month_length < 0.6 * once.month_length


def test_a_day_of_a_faint_weekday_tells_less_of_the_next_one() -> None:
    day = day_of_date(MONDAY) + np.arange(43)
    every_day = np.ones(7, dtype=bool)
    both = places_of(day, every_day, frozenset())
    names = ("weekday", "open_day", "month", "beside")
    seen, next_day = (
        type(both)(*(getattr(both, name)[part] for name in names)) for part in (slice(42), slice(42, 43))
    )
    levels = np.zeros((42, 1))
    levels[-1] = 0.3
    faintness = np.where(seen.weekday == 6, 10.0, 1.0)
    even, faint = (
        predicted_levels(levels, seen, next_day, [Weights()], each)[0, 0] for each in (None, faintness)
    )
    assert 0 < faint < 0.6 * even


def test_a_busy_weekday_tells_of_a_weak_one_in_proportion() -> None:
    # The busyness of days lasts; Saturdays have a tenth of a weekday's contacts and stray as much of it.
    week, days = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 0.1, 0.0]), 7 * 24
    rng = np.random.default_rng(8)
    level = np.zeros(days)
    for each in range(1, days):
        level[each] = 0.95 * level[each - 1] + 0.08 * rng.normal()
    truth = rates(days, base=400, week=week) * np.exp(level)[:, None]
    table = np.where(np.isnan(truth), np.nan, rng.poisson(np.nan_to_num(truth)))
    errors = dict.fromkeys(("calendar", "average"), 0.0)
    for row in np.flatnonzero(np.arange(days) % 7 == 5)[12:]:
        training = trained(table[:row])
        for name in errors:
            expected = predicted(name, training, np.array([training.end]), UNLEARNT)[0, OPEN]
            errors[name] += abs(expected.sum() - truth[row, OPEN].sum())
    assert errors["calendar"] < 0.9 * errors["average"]


def test_the_days_beside_a_holiday_are_known_across_a_weekend() -> None:
    friday = day_of_date(date(2025, 7, 4))
    day = friday + np.array([-2, -1, 3, 4])
    assert places_of(day, WORKDAYS, frozenset({friday})).beside.tolist() == [0, -1, 1, 0]


@pytest.mark.skipif(not CALLS.exists(), reason="the call data is not beside the repository")
def test_the_published_baselines_of_bank_calls_come_out() -> None:
    # Quarter hours, last 30 of 100 days: the order of the errors is the one published for a later part of the
    # series, where the naive forecast was off by 9.3 %.
    with gzip.open(CALLS / "bank2003_counts_5min_first100days.csv.gz", "rt") as lines:
        rows = list(csv.reader(lines))[1:]
    dates = sorted({date.fromisoformat(row[0][:10]) for row in rows})
    fives = np.array([float(row[1]) for row in rows]).reshape(len(dates), 169)
    counts = fives[:, :168].reshape(len(dates), 56, 3).sum(axis=2)
    table = np.full(((dates[-1] - dates[0]).days + 1, 56), np.nan)
    table[[(on - dates[0]).days for on in dates]] = counts
    scores = {}
    for name in ("naive", "weekday_mean", "ar_profile", "svd_ar", "average"):
        errors = []
        for on, actual in zip(dates[70:], counts[70:], strict=True):
            training, _ = training_of(table[: (on - dates[0]).days], dates[0], SpecialDays())
            expected = predicted(name, training, np.array([day_of_date(on)]), UNLEARNT)
            errors.append(np.abs(expected[0] - actual).sum())
        scores[name] = sum(errors) / counts[70:].sum()
    assert scores["naive"] == pytest.approx(0.088, abs=0.002)
    assert scores["naive"] > scores["weekday_mean"] > scores["ar_profile"] > scores["average"]
