"""The planner's chart as geometry: it says neither more nor less than the figures."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web.week_chart import Columns, contacts_plot, people_plot, week_columns
from staffing.intervals import Grid, utc_iso

GRID = Grid("Europe/London", 60, 0)
MONDAY = date(2026, 3, 2)
MIDNIGHT = 1_772_409_600  # 2026-03-02T00:00:00Z
people = st.lists(st.one_of(st.none(), st.integers(0, 500)), min_size=1, max_size=60)


def columns(**given: list[float | None]) -> Columns:
    many = max((len(values) for values in given.values()), default=0)
    names = ("volume", "low", "high", "actual", "needed", "staffed", "handle_s")
    empty: list[float | None] = [None] * many
    return Columns(starts=list(range(many)), **{name: given.get(name, empty) for name in names})


def forecast(*volumes: float, handle_s: float = 60.0) -> dict[str, object]:
    return {
        "items": [
            {
                "starts_at": utc_iso(MIDNIGHT + 3600 * i),
                "volume": volume,
                "low": volume - 1,
                "high": volume + 1,
                "handle_s": handle_s,
            }
            for i, volume in enumerate(volumes)
        ]
    }


def test_teams_are_added_up_and_their_bands_left_out() -> None:
    both = week_columns(GRID, [MONDAY], [forecast(2.0, 3.0), forecast(5.0, 7.0)], [], [])
    assert both.volume[:3] == [7.0, 10.0, None]
    assert both.high[:2] == [None, None]


def test_one_team_keeps_its_band() -> None:
    one = week_columns(GRID, [MONDAY], [forecast(2.0)], [], [])
    assert (one.low[0], one.high[0]) == (1.0, 3.0)


def test_handle_time_is_weighted_by_volume() -> None:
    found = week_columns(GRID, [MONDAY], [forecast(1.0, handle_s=100), forecast(3.0, handle_s=200)], [], [])
    assert found.handle_s[0] == pytest.approx(175.0)


def test_volume_of_the_requirement_stands_in_for_a_missing_forecast() -> None:
    need = ([MIDNIGHT, MIDNIGHT + 3600], {"rostered": [3, 4], "volume": [8.0, 9.0]})
    found = week_columns(GRID, [MONDAY], [], [need], [])
    assert (found.volume[:2], found.needed[:2], found.staffed[:2]) == ([8.0, 9.0], [3, 4], [None, None])


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)])
def test_day_of_a_clock_change_has_its_own_length(day: date, hours: int) -> None:
    assert len(week_columns(GRID, [day], [], [], []).starts) == hours


@given(needed=people, staffed=people)
def test_red_is_where_people_are_too_few_and_nowhere_else(
    needed: list[float | None], staffed: list[float | None]
) -> None:
    many = min(len(needed), len(staffed))
    plot = people_plot(columns(needed=needed[:many], staffed=staffed[:many]))
    lacks = {
        i
        for i, (need, have) in enumerate(zip(needed, staffed, strict=False))
        if need is not None and have is not None and have < need
    }
    red: set[int] = set()
    for begin, end in re.findall(r"M(\d+),[\d.]+V[\d.]+H(\d+)V", plot.paths["short"]):
        red |= set(range(int(begin), int(end)))
    assert red == lacks


@given(values=st.lists(st.floats(0, 1e6), min_size=1, max_size=40))
def test_nothing_is_drawn_beyond_the_axis(values: list[float]) -> None:
    plot = contacts_plot(columns(volume=list(values)))
    heights = [float(y) for y in re.findall(r",([-\d.]+)", plot.paths["forecast"])]
    assert all(0 <= y <= 100 for y in heights)
    assert 1 <= len(plot.ticks) <= 6
    assert plot.ticks[-1][0] == 0


def test_line_is_broken_where_nothing_is_known() -> None:
    plot = contacts_plot(columns(volume=[1.0, None, 1.0, 1.0]))
    assert plot.paths["forecast"].count("M") == 2


def test_unknown_is_not_drawn_as_zero() -> None:
    assert people_plot(columns(needed=[None, None], staffed=[None, None])).paths == {
        "staffed": "",
        "short": "",
        "needed": "",
    }


def test_part_keeps_columns_together() -> None:
    week = [MONDAY + timedelta(days=i) for i in range(2)]
    day = week_columns(GRID, week, [forecast(*range(48))], [], []).part(24, 48)
    assert (day.starts[0], day.volume[0], len(day.low)) == (MIDNIGHT + 86_400, 24, 24)
