"""The roster as rows and bars: everybody once, every shift in its place, hours that add up."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.db.plans import AssignmentRow
from app.db.staff import TimeOffRow
from app.web.roster_view import Bar, day_rows, main_team, week_rows, worked_s, works_for
from app.web.words import clock_labels
from staffing.intervals import Grid

GRID = Grid("Europe/London", 30, 0)
MONDAY = date(2026, 3, 2)
MIDNIGHT = 1_772_409_600.0  # 2026-03-02T00:00:00Z
WEEK = [MONDAY + timedelta(days=i) for i in range(7)]
TEAMS = ("general", "complaints")
NAMES = {"ann": "Ann Abel", "bob": "Bob Ito"}


def shift(agent: str = "ann", start: float = 9, end: float = 17, *, day: int = 0, **changes: Any) -> Any:
    zero = MIDNIGHT + 86_400 * day
    begin, finish = zero + 3600 * start, zero + 3600 * end
    values: dict[str, Any] = {
        "agent_id": agent,
        "on": WEEK[day].isoformat(),
        "shift": "day",
        "starts_at": begin,
        "ends_at": finish,
        "locked": False,
        "breaks": [("meal", begin + 3 * 3600, begin + 3.5 * 3600)],
        "work": [("general", begin, begin + 3 * 3600), ("general", begin + 3.5 * 3600, finish)],
    }
    return AssignmentRow(**{**values, **changes})


def off(state: str, kind: str = "holiday") -> TimeOffRow:
    return TimeOffRow(1, "bob", "2026-03-03", "2026-03-04", kind, state, "", 0.0, "bob", None, None, "")


def test_everybody_has_a_row_also_without_a_shift() -> None:
    rows = week_rows([shift()], NAMES, [], WEEK, GRID, TEAMS)
    assert [(row.name, row.team) for row in rows] == [("Ann Abel", "general"), ("Bob Ito", "")]


def test_shift_stands_under_its_day_with_clock_times() -> None:
    row = week_rows([shift(day=3)], NAMES, [], WEEK, GRID, TEAMS)[0]
    assert [i for i, cell in enumerate(row.cells) if isinstance(cell, Bar)] == [3]
    assert isinstance(row.cells[3], Bar)
    assert row.cells[3].text == "09:00–17:00"


def test_hours_leave_breaks_out() -> None:
    row = week_rows([shift(), shift(day=1)], NAMES, [], WEEK, GRID, TEAMS)[0]
    assert row.hours == 15.0
    assert worked_s(shift()) == 7.5 * 3600


def test_time_off_is_told_and_a_request_marked() -> None:
    for state, words in (("granted", "holiday"), ("requested", "holiday (asked)"), ("refused", None)):
        row = week_rows([], NAMES, [off(state)], WEEK, GRID, TEAMS)[1]
        assert row.cells == [None, words, words, None, None, None, None]


def test_rows_stand_by_team_then_name() -> None:
    complaints = [("complaints", MIDNIGHT, MIDNIGHT + 3600)]
    rows = week_rows([shift("ann", work=complaints), shift("bob")], NAMES, [], WEEK, GRID, TEAMS)
    assert [row.name for row in rows] == ["Bob Ito", "Ann Abel"]


def test_pieces_of_a_bar_fill_the_shift() -> None:
    rows, _ = day_rows([shift()], NAMES, MONDAY, GRID, TEAMS)
    bar = rows[0][1]
    assert sum(width for _, _, width in bar.pieces) == 100.0
    assert {kind for kind, _, _ in bar.pieces} == {"t0", "break"}


def test_night_shift_is_drawn_to_its_end() -> None:
    rows, hours = day_rows([shift(start=22, end=30), shift("bob", 6, 12)], NAMES, MONDAY, GRID, TEAMS)
    assert [text for _, text in hours][:2] == ["06", "07"]
    assert len(hours) == 24
    night = rows[1][1]
    assert (night.text, round(night.left + night.width, 6)) == ("22:00–06:00", 100.0)


def test_shift_of_the_evening_before_is_drawn_from_midnight_on() -> None:
    night = shift(start=22, end=30)
    rows, hours = day_rows([night, shift("bob", 8, 12, day=1)], NAMES, WEEK[1], GRID, TEAMS)
    assert [name for name, _ in rows] == ["Ann Abel", "Bob Ito"]
    assert (rows[0][1].text, rows[0][1].left, rows[0][1].width) == ("22:00–06:00", 0.0, 50.0)
    assert [text for _, text in hours][:2] == ["00", "01"]
    early = shift(start=-2, end=0, on=WEEK[0].isoformat())
    assert day_rows([early], NAMES, WEEK[1], GRID, TEAMS) == ([], [])


def test_who_works_for_no_team_stands_before_who_is_not_on_the_roster() -> None:
    rows = week_rows([shift("bob", work=[])], NAMES, [], WEEK, GRID, TEAMS)
    assert [(row.name, row.team, row.hours) for row in rows] == [("Bob Ito", "", 7.5), ("Ann Abel", "", 0)]


def test_clock_times_that_a_change_repeats_carry_the_name_of_the_zone() -> None:
    midnight = 1_792_882_800  # 2026-10-25T00:00 in London, before the clocks go back
    labels = clock_labels([midnight + 1800 * i for i in range(7)], ZoneInfo("Europe/London"))
    assert labels[1:] == ["00:30", "01:00 BST", "01:30 BST", "01:00 GMT", "01:30 GMT", "02:00"]


def test_shift_over_a_clock_change_shows_the_clock_of_both_sides() -> None:
    sunday = date(2026, 3, 29)
    zero = 1_774_742_400.0  # 2026-03-29T00:00:00Z, an hour before the clocks go forward
    begin, end = zero, zero + 7 * 3600
    night = shift(on=sunday.isoformat(), starts_at=begin, ends_at=end, breaks=[], work=[])
    rows, hours = day_rows([night], NAMES, sunday, GRID, TEAMS)
    assert rows[0][1].text == "00:00–08:00"
    assert [text for _, text in hours] == ["00", "02", "03", "04", "05", "06", "07"]


def test_main_team_is_where_most_time_goes() -> None:
    mixed = shift(work=[("general", 0.0, 100.0), ("complaints", 100.0, 300.0)])
    assert main_team([mixed]) == "complaints"
    assert main_team([]) == ""


def test_shifts_are_narrowed_to_those_that_work_for_a_team() -> None:
    other = shift("bob", work=[("complaints", 0.0, 1.0)])
    assert works_for([shift(), other], "complaints") == [other]
    assert works_for([shift(), other], "") == [shift(), other]


def test_day_without_shifts_is_empty() -> None:
    assert day_rows([shift(day=2)], NAMES, MONDAY, GRID, TEAMS) == ([], [])
