"""Busyness: the class of every interval of a week, and why."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from staffing.busyness import BusyInterval, Busyness, busy_map, week_map
from staffing.intervals import Grid, intervals_between, week_intervals

BERLIN = Grid("Europe/Berlin", 60)
WEEK_ON = date(2026, 1, 5)


def mapped(loads: np.ndarray) -> list[BusyInterval]:
    return busy_map(BERLIN, week_intervals(BERLIN, WEEK_ON), loads)


def week(**open_hours: float) -> np.ndarray:
    """Return a week of loads: 10 erlangs from 08 to 18 on every day, changed hour by hour (h9=20.0)."""
    day = np.zeros(24)
    day[8:18] = 10.0
    for hour, load in open_hours.items():
        day[int(hour[1:])] = load
    return np.tile(day, 7)


def kinds(intervals: list[BusyInterval], hour: int) -> set[Busyness]:
    return {each.busyness for each in intervals if each.clock == f"{hour:02d}:00"}


def test_a_flat_week_has_neither_peaks_nor_quiet_times() -> None:
    assert {each.busyness for each in mapped(week())} == {Busyness.CLOSED, Busyness.NORMAL}


def test_the_highest_tenth_is_peak_when_it_stands_out() -> None:
    intervals = mapped(week(h10=20.0, h11=15.0, h12=15.0, h16=5.0, h17=4.0))
    assert kinds(intervals, 10) == {Busyness.PEAK}
    assert kinds(intervals, 16) | kinds(intervals, 17) == {Busyness.QUIET}
    assert kinds(intervals, 9) == {Busyness.NORMAL}


def test_the_second_highest_hours_are_busy() -> None:
    intervals = mapped(week(h10=20.0, h11=15.0))
    assert kinds(intervals, 11) == {Busyness.BUSY}


def test_every_interval_says_why() -> None:
    reasons = {each.busyness: each.reason for each in mapped(week(h10=20.0))}
    assert reasons[Busyness.PEAK] == (
        "20.0 erlangs, 2.00 of the week's median of 10.0, more than 90% of its open intervals: peak"
    )
    assert reasons[Busyness.CLOSED] == "no load is expected: closed"


def test_load_outside_opening_hours_is_closed_and_measures_nothing() -> None:
    always = week() + 0.01
    opened = week() > 0
    intervals = busy_map(BERLIN, week_intervals(BERLIN, WEEK_ON), always, opened=opened)
    night = next(each for each in intervals if each.clock == "03:00")
    assert (night.busyness, night.reason) == (Busyness.CLOSED, "outside opening hours: closed")
    assert kinds(intervals, 8) == {Busyness.NORMAL}


def test_each_week_is_measured_on_itself() -> None:
    starts = intervals_between(BERLIN, WEEK_ON, date(2026, 1, 18))
    twice = np.concatenate([week(h10=20.0), 3 * week(h10=20.0)])
    one, two = np.split(np.array([each.busyness for each in busy_map(BERLIN, starts, twice)]), 2)
    assert one.tolist() == two.tolist()


def test_a_week_is_shown_by_its_days_from_the_sites_first_weekday() -> None:
    grid = Grid("Asia/Jerusalem", 60, week_starts_on=6)
    starts = intervals_between(grid, date(2026, 1, 1), date(2026, 1, 20))
    rows = week_map(grid, busy_map(grid, starts, np.ones(len(starts))), date(2026, 1, 7))
    assert list(rows) == [date(2026, 1, day) for day in range(4, 11)]
    assert all(len(row) == 24 for row in rows.values())


def test_the_week_of_a_clock_change_has_one_hour_less() -> None:
    starts = week_intervals(BERLIN, date(2026, 3, 29))
    rows = week_map(BERLIN, busy_map(BERLIN, starts, np.ones(len(starts))), date(2026, 3, 29))
    assert [len(row) for row in rows.values()] == [24] * 6 + [23]


@pytest.mark.parametrize("load", [-1.0, float("nan")])
def test_a_load_that_is_no_amount_is_refused(load: float) -> None:
    with pytest.raises(ValueError, match="at least zero"):
        mapped(np.full(168, load))


ORDER = [Busyness.CLOSED, Busyness.QUIET, Busyness.NORMAL, Busyness.BUSY, Busyness.PEAK]


@given(st.lists(st.floats(0.01, 500), min_size=168, max_size=168))
def test_a_higher_load_is_never_of_a_quieter_class(loads: list[float]) -> None:
    intervals = sorted(mapped(np.array(loads)), key=lambda each: each.load_erlangs)
    ranks = [ORDER.index(each.busyness) for each in intervals]
    assert ranks == sorted(ranks)


@given(st.lists(st.floats(0.1, 500), min_size=168, max_size=168), st.sampled_from([0.125, 2.0, 64.0]))
def test_the_map_does_not_depend_on_the_size_of_the_centre(loads: list[float], scale: float) -> None:
    one, two = mapped(np.array(loads)), mapped(scale * np.array(loads))
    assert [each.busyness for each in one] == [each.busyness for each in two]
