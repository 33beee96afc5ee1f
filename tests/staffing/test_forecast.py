"""Forecast: volumes, handle times, spread and special days of a team."""

import re
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffing.forecast import MOST_DAYS, Forecast, forecast, quantiles
from staffing.history import History
from staffing.overrides import Override, is_overridden, overridden
from staffing.special_days import Event, holidays_between
from staffing.training import SpecialDays, counts_of, roots_of, training_of
from staffing.uncertainty import count_quantile, spread_of
from tests.staffing.traffic import MONDAY, OPEN, history_of, poisson, rates


def after(days: int) -> date:
    return MONDAY + timedelta(days=days)


def by_day(expected: Forecast) -> np.ndarray:
    return expected.volume.reshape(-1, 24)


def next_week(history_days: int = 84, **how: float) -> Forecast:
    return forecast(history_of(poisson(history_days, **how)), first_on=after(history_days), days=7)


def test_volume_is_near_the_true_rate_when_counts_are_poisson() -> None:
    truth = np.nan_to_num(rates(7))
    assert np.abs(by_day(next_week()) - truth).sum() / truth.sum() < 0.06


def test_closed_hours_and_closed_weekdays_have_no_volume() -> None:
    volume = by_day(next_week())
    assert volume[5:].sum() == 0
    assert volume[:, : OPEN.start].sum() + volume[:, OPEN.stop :].sum() == 0


def test_two_weeks_of_history_are_enough_and_the_guess_is_told() -> None:
    expected = next_week(14)
    truth = np.nan_to_num(rates(7))
    assert np.abs(by_day(expected) - truth).sum() / truth.sum() < 0.12
    assert any("only 12 days" in note for note in expected.notes)


def test_missing_days_do_not_pull_the_forecast_down() -> None:
    table = poisson(84)
    table[[30, 31, 57, 64, 71]] = np.nan
    volume = by_day(forecast(history_of(table), first_on=after(84), days=7)).sum()
    assert volume == pytest.approx(np.nansum(rates(7)), rel=0.05)


def test_a_broken_day_is_set_aside_with_its_reason() -> None:
    table = poisson(84)
    table[58] = np.round(table[58] * 0.2)
    expected = forecast(history_of(table), first_on=after(84), days=7)
    assert [each.on for each in expected.outliers] == [after(58)]
    assert re.match(r"0\.\d+ of what the days around it let expect", expected.outliers[0].reason)
    assert by_day(expected)[2].sum() == pytest.approx(np.nansum(rates(3)[2]), rel=0.06)


def test_a_spike_in_one_interval_is_set_aside_but_not_its_day() -> None:
    table = poisson(84)
    table[58, 12] = 900
    outliers = forecast(history_of(table), first_on=after(84), days=1).outliers
    assert [(each.on, each.slot, each.actual) for each in outliers] == [(after(58), 12, 900)]


def test_a_spike_is_told_with_what_was_expected_even_when_little_else_is_left_of_its_day() -> None:
    evening = np.pad([6.0, 12.0, 21.0, 26.0, 25.0, 19.0], (18, 0))
    table = np.tile(evening, (84, 1))
    table[40, 18:] = [2.0, 7.0, 3.0, 138.0, 50.0, 21.0]
    _, outliers = training_of(table, MONDAY, SpecialDays())
    assert [(each.slot, each.actual, each.expected) for each in outliers] == [(20, 3, 21), (21, 138, 26)]


def test_a_lasting_shift_of_level_is_followed_and_not_called_an_outlier() -> None:
    table = poisson(84)
    table[56:] = np.round(table[56:] * 1.6)
    expected = forecast(history_of(table), first_on=after(84), days=1)
    assert expected.outliers == ()
    assert expected.volume.sum() == pytest.approx(1.6 * np.nansum(rates(1)), rel=0.1)


def test_a_holiday_closes_the_team_when_earlier_holidays_did() -> None:
    table = poisson(84)
    table[52] = np.nan
    named = {after(52): "Founders' day", after(85): "Unity day"}
    expected = forecast(history_of(table), first_on=after(84), days=3, public_holidays=named)
    assert by_day(expected).sum(axis=1)[1] == 0
    assert expected.effects[after(85)].reason.endswith("history; taken from 1 other special days")


def test_a_holiday_is_said_to_be_assumed_ordinary_when_no_special_day_was_seen():
    effects = forecast(
        history_of(poisson(84)), first_on=after(84), days=3, public_holidays={after(85): "Unity day"}
    ).effects
    assert effects[after(85)].factor == 1
    assert effects[after(85)].assumed
    assert effects[after(85)].reason == "no such day in the history; an ordinary day is assumed"


def test_an_event_learns_its_effect_from_its_own_past() -> None:
    table = poisson(84)
    table[[37, 65]] = np.round(table[[37, 65]] * 1.5)
    events = [Event("invoices", after(day), after(day)) for day in (37, 65, 86)]
    history = history_of(table)
    with_event = forecast(history, first_on=after(84), days=5, events=events)
    # Two days at 1.5, drawn to 1 by half a day: (2 * 1.5 + 0.5) / 2.5
    assert with_event.effects[after(86)].factor == pytest.approx(1.4, abs=0.05)
    assert with_event.effects[after(86)].days == 2


def test_an_effect_given_by_the_planner_is_taken_as_it_is() -> None:
    events = [Event("campaign", after(85), after(86), effect=1.25)]
    history = history_of(poisson(84))
    plain = by_day(forecast(history, first_on=after(84), days=4)).sum(axis=1)
    given_effect = by_day(forecast(history, first_on=after(84), days=4, events=events)).sum(axis=1)
    assert (given_effect / plain).tolist() == pytest.approx([1, 1.25, 1.25, 1])


def test_an_event_of_another_team_changes_nothing() -> None:
    events = [Event("campaign", after(84), after(84), effect=2.0, team="orders")]
    assert forecast(history_of(poisson(84)), first_on=after(84), days=1, events=events).effects == {}


def test_holidays_depend_on_the_subdivision() -> None:
    epiphany = date(2026, 1, 6)
    assert epiphany in holidays_between("DE", epiphany, epiphany, subdivision="BY")
    assert epiphany not in holidays_between("DE", epiphany, epiphany, subdivision="BE")


def test_an_unknown_country_is_refused() -> None:
    with pytest.raises(ValueError, match="no holidays"):
        holidays_between("XX", MONDAY, MONDAY)


def test_a_clock_change_day_has_its_23_hours_and_keeps_the_local_profile() -> None:
    days = (date(2025, 3, 24) - MONDAY).days
    history = history_of(np.nan_to_num(poisson(days)))
    expected = forecast(history, first_on=after(days), days=8)
    assert len(expected.starts) == 8 * 24 - 1
    monday = expected.volume[-24:]
    assert int(np.argmax(monday)) == 10


def test_handle_time_is_the_mean_by_slot_and_nan_when_none_is_known() -> None:
    counts = poisson(56)
    plain = history_of(counts)
    clock = (np.arange(len(plain.starts)) % 10) < 5
    timed = replace(plain, handled=plain.offered, handle_s=plain.offered * np.where(clock, 200.0, 300.0))
    handle_s = forecast(timed, first_on=after(56), days=1).handle_s[OPEN]
    assert handle_s[1] == pytest.approx(200, abs=15)
    assert handle_s[-2] == pytest.approx(300, abs=15)
    assert np.isnan(forecast(plain, first_on=after(56), days=1).handle_s).all()


def test_load_is_volume_times_handle_time_over_the_interval() -> None:
    plain = history_of(poisson(28))
    timed = replace(plain, handled=plain.offered, handle_s=plain.offered * 180.0)
    expected = forecast(timed, first_on=after(28), days=1)
    assert expected.load_erlangs[10] == pytest.approx(expected.volume[10] * 180 / 3600)


def test_forecast_of_recorded_days_is_refused() -> None:
    with pytest.raises(ValueError, match="already holds"):
        forecast(history_of(poisson(28)), first_on=after(25), days=1)


def test_more_than_eighteen_weeks_are_refused() -> None:
    with pytest.raises(ValueError, match="126"):
        forecast(history_of(poisson(28)), first_on=after(28), days=MOST_DAYS + 1)


def test_eighteen_weeks_ahead_are_forecast() -> None:
    expected = forecast(history_of(poisson(70)), first_on=after(70), days=MOST_DAYS)
    assert expected.volume[-7 * 24 :].sum() == pytest.approx(np.nansum(rates(7)), rel=0.1)


def test_an_empty_history_is_refused() -> None:
    empty = history_of(np.full((1, 24), np.nan))
    with pytest.raises(ValueError, match="no history"):
        forecast(empty, first_on=after(1), days=1)


def test_the_same_history_gives_the_same_forecast() -> None:
    history = history_of(poisson(56, busyness_cv=0.1))
    one, two = (forecast(history, first_on=after(56), days=14) for _ in range(2))
    assert one.volume.tolist() == two.volume.tolist()


def test_eighty_percent_intervals_cover_eighty_percent_of_unseen_days() -> None:
    table = poisson(84 + 140, busyness_cv=0.1, base=200)
    inside = []
    for week in range(0, 140, 28):
        past: History = history_of(table[: 84 + week])
        expected = forecast(past, first_on=after(84 + week), days=28)
        low, high = quantiles(expected, [0.1, 0.9])
        actual = table[84 + week : 112 + week].ravel()
        inside.append(((low <= actual) & (actual <= high))[~np.isnan(actual)])
    assert np.mean(np.concatenate(inside)) == pytest.approx(0.8, abs=0.06)


def test_spread_finds_the_busyness_that_was_simulated() -> None:
    truth = np.nan_to_num(rates(300, base=400))
    actual = poisson(300, busyness_cv=0.1, base=400, seed=2)
    spread = spread_of(truth, actual)
    assert spread.day_cv == pytest.approx(0.1, abs=0.015)
    assert spread.slot_cv < 0.03


def test_busy_hours_are_covered_beside_quiet_nights() -> None:
    # A count of a night that expects half a contact is nearly always inside its band.
    rng = np.random.default_rng(4)
    truth = np.tile(np.where(np.arange(24) < 12, 0.5, 60.0), (300, 1))
    actual = rng.poisson(truth * rng.gamma(50, 1 / 50, size=(300, 24))).astype(float)
    spread = spread_of(truth[:150], actual[:150])
    low, high = (count_quantile(truth, spread.rate_cv, each)[150:, 12:] for each in (0.1, 0.9))
    seen = actual[150:, 12:]
    assert np.mean((low <= seen) & (seen <= high)) == pytest.approx(0.8, abs=0.03)


def test_a_quiet_opening_keeps_its_own_noise_beside_the_busy_hour_after_it() -> None:
    rng = np.random.default_rng(5)
    truth = np.tile(np.pad([60.0] * 4 + [400.0] * 16, (28, 48)), (120, 1))
    shape = np.where(truth == 60, 16.0, 100.0)
    spread = spread_of(truth, rng.poisson(truth * rng.gamma(shape, 1 / shape)).astype(float))
    cvs = spread.slot_cvs(96)
    assert cvs[28:31].mean() > 1.3 * cvs[38:46].mean()
    assert cvs[38:46].mean() == pytest.approx(0.1, abs=0.02)


def test_one_broken_day_does_not_widen_the_band_of_its_hour() -> None:
    rng = np.random.default_rng(6)
    truth = np.tile(np.where(np.arange(24) < 8, 0.0, 80.0), (60, 1))
    actual = rng.poisson(truth).astype(float)
    broken = actual.copy()
    broken[30, 12] = 500
    hours = [spread_of(truth, each).slot_cvs(24)[12] for each in (actual, broken)]
    assert hours[1] < hours[0] + 0.1


@given(st.floats(0.1, 500), st.floats(0, 0.4), st.floats(0.05, 0.9))
@settings(max_examples=60)
def test_quantiles_rise_with_their_probability(mean: float, cv: float, probability: float) -> None:
    low = count_quantile(np.array([mean]), cv, probability)
    high = count_quantile(np.array([mean]), cv, probability + 0.09)
    assert low[0] <= high[0]


def test_quantile_without_rate_uncertainty_is_that_of_poisson() -> None:
    # Poisson with mean 10: P(N <= 5) = 0.067, P(N <= 6) = 0.130; P(N <= 13) = 0.864, P(N <= 14) = 0.917
    assert count_quantile(np.array([10.0]), 0.0, 0.1).tolist() == [6]
    assert count_quantile(np.array([10.0]), 0.0, 0.9).tolist() == [14]


@pytest.mark.parametrize("rate", [0.1, 1.0, 7.0, 60.0])
def test_the_way_back_from_square_roots_has_no_bias(rate: float) -> None:
    counts = np.random.default_rng(3).poisson(rate, 200_000).astype(float)
    assert counts_of(roots_of(counts).mean()) == pytest.approx(rate, rel=0.02)


def test_hours_that_opened_four_weeks_ago_are_open_and_closed_ones_are_closed() -> None:
    table = poisson(84)
    table[:56, 17] = np.nan
    table[56:, 8] = np.nan
    training, _ = training_of(table, MONDAY, SpecialDays())
    assert training.open_slots[0, [8, 17]].tolist() == [False, True]


def test_an_override_multiplies_or_replaces_only_its_range() -> None:
    expected = next_week()
    start = expected.starts[9]
    changed = overridden(
        expected,
        [
            Override("care", start, start + 3600, factor=1.5),
            Override("care", start + 3600, start + 7200, value=12.0),
            Override("orders", start, start + 7200, value=0.0),
        ],
    )
    assert changed.volume[9] == pytest.approx(1.5 * expected.volume[9])
    assert changed.volume[10] == 12
    assert changed.volume[11:].tolist() == expected.volume[11:].tolist()


def test_overrides_survive_the_next_run() -> None:
    own = [Override("care", 0, 4e9, factor=2.0)]
    first, second = next_week(), next_week(84, seed=2)
    assert overridden(second, own).volume.sum() == pytest.approx(2 * second.volume.sum())
    assert is_overridden(first, own).all()


@pytest.mark.parametrize("change", [{}, {"factor": 1.0, "value": 2.0}, {"value": -1.0}])
def test_an_override_without_one_clear_change_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="override"):
        Override("care", 0, 1, **change)
