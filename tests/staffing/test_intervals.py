from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from staffing.intervals import (
    Grid,
    date_of_day,
    day_intervals,
    day_of_date,
    day_start_at,
    durations_s,
    interval_index,
    interval_starts,
    intervals_between,
    local_date,
    local_days,
    local_instant,
    local_slots,
    local_weekdays,
    slot_clock,
    utc_iso,
    week_intervals,
    week_start_on,
)

ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Havana", "UTC"]
grids = st.builds(Grid, zone=st.sampled_from(ZONES), minutes=st.sampled_from([15, 30, 60]))
dates = st.dates(min_value=date(2000, 1, 1), max_value=date(2035, 12, 31))


def berlin(minutes: int = 30) -> Grid:
    return Grid("Europe/Berlin", minutes)


def utc(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("on", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)]
)
@pytest.mark.parametrize("minutes", [15, 30, 60])
def test_day_has_23_or_25_hours_when_clocks_change(on: date, hours: int, minutes: int) -> None:
    assert len(day_intervals(berlin(minutes), on)) == hours * 60 // minutes


def test_skipped_hour_has_no_slot_when_clocks_go_forward() -> None:
    slots = local_slots(berlin(60), day_intervals(berlin(60), date(2026, 3, 29)))
    assert slots.tolist() == [0, 1, *range(3, 24)]


def test_repeated_hour_has_its_slot_twice_when_clocks_go_back() -> None:
    slots = local_slots(berlin(60), day_intervals(berlin(60), date(2026, 10, 25)))
    assert slots.tolist() == [0, 1, 2, 2, *range(3, 24)]


def test_repeated_hour_is_two_intervals_when_clocks_go_back() -> None:
    first, second = utc(2026, 10, 25, 0, 10), utc(2026, 10, 25, 1, 10)
    starts = interval_starts(berlin(60), [first, second])
    assert starts.tolist() == [utc(2026, 10, 25, 0), utc(2026, 10, 25, 1)]


def test_interval_starts_on_the_local_hour_when_offset_is_a_half_hour() -> None:
    starts = interval_starts(Grid("Asia/Kolkata", 60), utc(2026, 5, 4, 3, 45))
    assert starts == utc(2026, 5, 4, 3, 30)


def test_half_hour_clock_change_cuts_an_hour_in_two() -> None:
    grid = Grid("Australia/Lord_Howe", 60)
    starts = day_intervals(grid, date(2026, 4, 5))
    assert len(starts) == 25
    assert durations_s(grid, starts).tolist().count(1800) == 1
    assert durations_s(grid, starts).sum() == 24.5 * 3600


def test_day_begins_at_the_change_when_midnight_is_skipped() -> None:
    grid = Grid("America/Havana", 30)
    assert local_slots(grid, day_intervals(grid, date(2026, 3, 8)))[0] == 2


@given(grids, dates)
def test_intervals_of_a_day_are_disjoint_and_fill_it(grid: Grid, on: date) -> None:
    starts = day_intervals(grid, on)
    ends = starts + durations_s(grid, starts)
    assert starts[0] == day_start_at(grid, on)
    assert ends[-1] == day_start_at(grid, on + timedelta(days=1))
    assert (ends[:-1] == starts[1:]).all()


@given(grids, st.lists(st.floats(min_value=9.5e8, max_value=2.0e9), min_size=1, max_size=30))
def test_instant_lies_in_its_interval(grid: Grid, instants: list[float]) -> None:
    starts = interval_starts(grid, instants)
    assert (starts <= instants).all()
    assert (np.array(instants) < starts + durations_s(grid, starts)).all()


@given(grids, st.floats(min_value=9.5e8, max_value=2.0e9))
def test_local_date_agrees_with_the_calendar(grid: Grid, at: float) -> None:
    assert date_of_day(int(local_days(grid, at))) == local_date(grid, at)
    assert int(local_weekdays(grid, at)) == local_date(grid, at).weekday()


@given(grids, dates)
def test_interval_start_is_its_own_interval(grid: Grid, on: date) -> None:
    starts = day_intervals(grid, on)
    assert (interval_starts(grid, starts) == starts).all()


def test_week_has_167_hours_when_clocks_go_forward_in_it() -> None:
    assert len(week_intervals(berlin(60), date(2026, 3, 25))) == 167


def test_week_starts_on_sunday_when_the_site_says_so() -> None:
    assert week_start_on(Grid("America/New_York", 30, week_starts_on=6), date(2026, 7, 29)) == date(
        2026, 7, 26
    )


def test_week_start_is_itself_on_the_first_day() -> None:
    assert week_start_on(berlin(), date(2026, 7, 27)) == date(2026, 7, 27)


def test_index_is_minus_one_when_no_interval_holds_the_instant() -> None:
    starts = np.array([1000, 2800, 6400], dtype=np.int64)
    found = interval_index(starts, [999, 1000, 2799.9, 4600, 8199, 8200], step_s=1800)
    assert found.tolist() == [-1, 0, 0, -1, 2, -1]


def test_index_is_minus_one_when_there_are_no_intervals() -> None:
    assert interval_index(np.array([], dtype=np.int64), [5.0], step_s=1800).tolist() == [-1]


def test_skipped_time_is_taken_after_the_change() -> None:
    assert local_instant(berlin(), date(2026, 3, 29), time(2, 30)) == utc(2026, 3, 29, 1, 30)


def test_day_number_and_date_are_inverse() -> None:
    assert date_of_day(day_of_date(date(2026, 2, 28))) == date(2026, 2, 28)


def test_slot_names_its_local_time() -> None:
    assert slot_clock(berlin(15), 34) == "08:30"


def test_instant_is_written_in_utc() -> None:
    assert utc_iso(utc(2026, 3, 29, 1)) == "2026-03-29T01:00:00Z"


@pytest.mark.parametrize(
    "arguments",
    [("Europe/Berlin", 20), ("Mars/Olympus", 30), ("../etc/passwd", 30), ("Europe/Berlin", 30, 7)],
)
def test_grid_is_refused_when_unknown(arguments: tuple) -> None:
    with pytest.raises(ValueError, match=r"not|unknown"):
        Grid(*arguments)


def test_range_is_refused_when_it_ends_before_it_begins() -> None:
    with pytest.raises(ValueError, match="before"):
        intervals_between(berlin(), date(2026, 1, 2), date(2026, 1, 1))
