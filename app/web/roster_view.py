"""A plan as people see it: a table of the week, and one day as bars."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from app.db.plans import AssignmentRow
from app.db.staff import TimeOffRow
from staffing.intervals import Grid, day_start_at

_HOUR_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Bar:
    """A shift drawn over a span of time: pieces are (kind, left, width) in percent of the span.

    The kind is the place of a team in the policy (`t0`, `t1` ...) or `break`.
    """

    text: str
    title: str
    pieces: list[tuple[str, float, float]]
    left: float
    width: float
    locked: bool


@dataclass(frozen=True, slots=True)
class Person:
    """One row of the roster: a cell for each day (a shift, words about time off, or None) and hours."""

    id: str
    name: str
    team: str
    cells: list[Bar | str | None]
    hours: float


def week_rows(
    shifts: Sequence[AssignmentRow],
    names: Mapping[str, str],
    time_off: Sequence[TimeOffRow],
    days: Sequence[date],
    grid: Grid,
    teams: Sequence[str],
) -> list[Person]:
    """Return a row for each person of a plan, by main team and name, those who are not on it last.

    Every cell spans the same hours of its day: from the earliest start to the latest end of the week.
    """
    zeros = {day.isoformat(): day_start_at(grid, day) for day in days}
    inside = [shift for shift in shifts if shift.on in zeros]
    begin_s = min((shift.starts_at - zeros[shift.on] for shift in inside), default=0.0)
    end_s = max((shift.ends_at - zeros[shift.on] for shift in inside), default=86_400.0)
    by_agent: dict[str, list[AssignmentRow]] = {agent: [] for agent in names}
    for shift in inside:
        by_agent.setdefault(shift.agent_id, []).append(shift)
    rows = []
    for agent, mine in by_agent.items():
        cells: list[Bar | str | None] = [_off(time_off, agent, day) for day in days]
        for shift in mine:
            zero = zeros[shift.on]
            place = list(zeros).index(shift.on)
            cells[place] = bar(shift, (zero + begin_s, zero + end_s), teams, grid.zone)
        hours = sum(worked_s(shift) for shift in mine) / _HOUR_S
        rows.append(Person(agent, names.get(agent, agent), main_team(mine), cells, hours))
    order = {team: place for place, team in enumerate(teams)}
    return sorted(rows, key=lambda row: (order.get(row.team, len(order)), not row.hours, row.name))


def day_rows(
    shifts: Sequence[AssignmentRow],
    names: Mapping[str, str],
    day: date,
    grid: Grid,
    teams: Sequence[str],
) -> tuple[list[tuple[str, Bar]], list[tuple[float, str]]]:
    """Return the shifts of a day as (name, bar), by start, and the hours of their common span.

    Those that began the evening before are drawn from midnight on. The span is the whole hours that the
    shifts touch, so that one over midnight is drawn to its end.
    """
    zero = day_start_at(grid, day)
    mine = sorted(
        (shift for shift in shifts if shift.on == day.isoformat() or shift.starts_at < zero < shift.ends_at),
        key=lambda shift: (shift.starts_at, shift.ends_at, names.get(shift.agent_id, "")),
    )
    if not mine:
        return [], []
    begin = zero + (max(min(shift.starts_at for shift in mine), zero) - zero) // _HOUR_S * _HOUR_S
    end = zero - (zero - max(shift.ends_at for shift in mine)) // _HOUR_S * _HOUR_S
    rows = [
        (names.get(shift.agent_id, shift.agent_id), bar(shift, (begin, end), teams, grid.zone))
        for shift in mine
    ]
    many = round((end - begin) / _HOUR_S)
    zone = ZoneInfo(grid.zone)
    hours = [
        (100 * i / many, datetime.fromtimestamp(begin + i * _HOUR_S, zone).strftime("%H"))
        for i in range(many)
    ]
    return rows, hours


def bar(shift: AssignmentRow, span: tuple[float, float], teams: Sequence[str], zone: str) -> Bar:
    """Return a shift drawn over `span`; what reaches beyond it is cut off."""
    tz = ZoneInfo(zone)
    places = {team: f"t{place % 8}" for place, team in enumerate(teams)}
    pieces = [(places.get(team, "t0"), *_share(since, until, span)) for team, since, until in shift.work]
    pieces += [("break", *_share(since, until, span)) for _, since, until in shift.breaks]
    text = f"{_clock(shift.starts_at, tz)}–{_clock(shift.ends_at, tz)}"
    breaks = [f"{name} {_clock(since, tz)}–{_clock(until, tz)}" for name, since, until in shift.breaks]
    left, width = _share(shift.starts_at, shift.ends_at, span)
    return Bar(text, "; ".join([f"{shift.shift} {text}", *breaks]), pieces, left, width, shift.locked)


def worked_s(shift: AssignmentRow) -> float:
    """Return the time of a shift without its breaks."""
    return shift.ends_at - shift.starts_at - sum(until - since for _, since, until in shift.breaks)


def main_team(shifts: Sequence[AssignmentRow]) -> str:
    """Return the team that most of the time of some shifts goes to; empty where there is none."""
    spent: Counter[str] = Counter()
    for shift in shifts:
        for team, since, until in shift.work:
            spent[team] += round(until - since)
    return max(spent, key=lambda team: (spent[team], team), default="")


def works_for(shifts: Sequence[AssignmentRow], team: str) -> list[AssignmentRow]:
    """Return the shifts in which somebody works for a team; all of them for no team."""
    return [shift for shift in shifts if not team or any(each == team for each, _, _ in shift.work)]


def _off(time_off: Sequence[TimeOffRow], agent: str, day: date) -> str | None:
    for row in time_off:
        if (
            row.agent_id == agent
            and row.first_on <= day.isoformat() <= row.last_on
            and row.state != "refused"
        ):
            return row.kind.replace("_", " ") + (" (asked)" if row.state == "requested" else "")
    return None


def _share(since: float, until: float, span: tuple[float, float]) -> tuple[float, float]:
    begin, end = span
    left, right = max(since, begin), min(until, end)
    whole = end - begin
    return round(100 * (left - begin) / whole, 3), round(max(100 * (right - left) / whole, 0), 3)


def _clock(at: float, zone: Any) -> str:
    return datetime.fromtimestamp(at, zone).strftime("%H:%M")
