"""The day as it goes: what came against the forecast, the rest forecast anew, each gap and what to do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.db import forecasts, history, plans
from app.db.engine import Connection
from app.db.plans import AssignmentRow
from app.planning import actions
from app.planning.carrying_out import plans_of
from app.planning.desk import Desk, Outcome, Report
from app.planning.forecasting import between, corrected, forecast_from
from app.planning.keeping import adherence_of_day
from app.planning.needs import Need, TeamNeed, patience_of, shrinkage_of, team_need
from app.planning.params import IntradayParams
from app.planning.past import Past, live_counts, today, week_span
from app.planning.people import Person, read_staff
from app.planning.requiring import read_needs, spread
from app.planning.standing import plan_starts
from app.planning.terms import Planning, read_planning
from staffing.adherence import OFFLINE
from staffing.erlang import performance
from staffing.forecast import Forecast
from staffing.intervals import Starts, intervals_between, utc_iso, week_start_on
from staffing.intraday import updated
from staffing.requirement import kept_share

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ABSENT_S: Final = 900.0
"""Who is offline for so long while on shift is taken for absent."""
_NOTHING_SEEN: Final[dict[str, float | str | None]] = {
    "busyness": None,
    "expected_so_far": None,
    "actual_so_far": None,
    "unusual": None,
    "reason": "no whole interval of today was seen yet; the forecast stands",
}


@dataclass(frozen=True, slots=True)
class TeamDay:
    """What a team's day is judged by: forecast and terms, what came so far, who works when.

    `staffed` has the people of each team of the published roster, by interval of the day; `shifts` are those
    of people who may still be asked for something, `plans` the published rosters in which they were seen.
    """

    need: Need
    forecast_id: int
    past: Past
    staffed: dict[str, list[int]]
    shifts: list[AssignmentRow]
    people: list[Person]
    plans: list[int]


async def look_at_day(desk: Desk) -> Outcome:
    """Carry out a run of kind `intraday`."""
    params = IntradayParams.model_validate(desk.run.params)
    planning = await desk.database.read(read_planning)
    if params.team is not None:
        planning.check_team(params.team)
    teams = [params.team] if params.team is not None else list(planning.policy.teams)
    days = await desk.database.read(read_days, planning, teams, desk.now)
    found: dict[str, dict[str, Any]] = await desk.compute(update_all, days, desk.now)
    on = today(planning.grid, desk.now).isoformat()

    def save(conn: Connection) -> dict[str, Any]:
        for day in days:
            forecasts.put_intraday(
                conn,
                day.need.team,
                on,
                found[day.need.team],
                made_at=desk.now,
                forecast_id=day.forecast_id,
            )
        return {}

    skipped = [team for team in teams if team not in found]
    return Outcome({"on": on, "teams": sorted(found), "without_forecast": skipped}, save)


def read_days(conn: Connection, planning: Planning, teams: list[str], now: float) -> list[TeamDay]:
    """Return the day of each team that has a forecast of it."""
    grid = planning.grid
    on = today(grid, now)
    since, until = week_span(grid, on, 1)
    staffed, shifts = _roster_of(conn, planning, on)
    absent = _absent(conn, planning, on, now)
    shifts = [each for each in shifts if each.agent_id not in absent]
    people = read_staff(conn, on, 1).people
    seen = [row.id for row in plans_of(conn, on.isoformat())]
    first = history.first_live(conn)
    observed = [first] if first is not None else []
    days = []
    for team in teams:
        row = forecasts.find_forecast(conn, team, first_on=on.isoformat(), last_on=on.isoformat())
        if row is None or row.data["minutes"] != grid.minutes or row.data["zone"] != grid.zone:
            continue
        past = Past(team, [], history.live_intervals(conn, team, start=since, end=until), observed)
        need = read_needs(conn, planning, {team: row.data}, on, 1)[0]
        aside = _set_aside(conn, planning, team, on)
        need = replace(need, deferred=aside.get("deferred"), shared=aside.get("shared"))
        days.append(TeamDay(need, row.id, past, staffed, shifts, people, seen))
    return days


def update_all(report: Report, days: list[TeamDay], now: float) -> dict[str, dict[str, Any]]:
    """Return each team's day as it is stored."""
    looks = {}
    for number, day in enumerate(days):
        report(0.9 * number / len(days), f"{day.need.team}: the day so far")
        looks[day.need.team] = _look(day, now)
    return {team: _day_json(look, looks, now) for team, look in looks.items()}


@dataclass(frozen=True, slots=True)
class _Look:
    """A team's day with everything computed, one value per interval of the day."""

    day: TeamDay
    starts: Starts
    planned: Forecast
    expected: Forecast
    actual: list[int | None]
    said: dict[str, Any]
    need: actions.Gaps
    required: list[int]
    rostered: list[int]


def _look(day: TeamDay, now: float) -> _Look:
    grid, on = day.need.grid, day.need.week_on
    starts = intervals_between(grid, on, on)
    since, until = week_span(grid, on, 1)
    raw = forecast_from(day.need.team, day.need.forecast)
    planned = between(corrected(raw, day.need.overrides), since, until)
    done, counts = live_counts(day.past, grid, on, now)
    expected, said = planned, _NOTHING_SEEN
    if len(done):
        update = updated(planned, done, counts)
        expected = update.forecast
        said = {
            "busyness": round(update.busyness, 4) if update.busyness is not None else None,
            "expected_so_far": round(update.expected_so_far, 1),
            "actual_so_far": round(update.actual_so_far, 1),
            "unusual": round(update.unusual, 4),
            "reason": update.reason,
        }
    came = dict(zip(done.tolist(), counts.astype(int).tolist(), strict=True))
    patience_s = patience_of(day.need.terms, day.need.waits).mean_s
    found = team_need(day.need, expected, starts, patience_s)
    staffed = np.array(day.staffed.get(day.need.team, [0] * len(starts)), dtype=np.int64)
    gaps = _gaps(day, starts, found, staffed, patience_s)
    return _Look(
        day,
        starts,
        planned,
        expected,
        [came.get(int(at)) for at in starts],
        said,
        replace(gaps, gap=staffed - found.rostered, wanted=found.rostered),
        found.required.tolist(),
        found.rostered.tolist(),
    )


def _gaps(day: TeamDay, starts: Starts, need: TeamNeed, staffed: Ints, patience_s: float) -> actions.Gaps:
    terms, step_s = day.need.terms, day.need.grid.step_s
    kept = kept_share(shrinkage_of(terms.shrinkage), planned=False)

    def level(people: Floats) -> Floats:
        # Those at work that can wait leave it when too few are there.
        there = people * kept
        found = performance(
            need.load,
            np.maximum(there - need.deferred.agents, np.minimum(there, need.live)),
            handle_time_s=need.handle_s,
            patience_s=patience_s,
            answer_within_s=terms.answer_within_s or 20.0,
            short_abandon_s=day.need.short_abandon_s,
        )
        return np.asarray(found.service_level)

    empty = np.zeros(len(starts), dtype=np.int64)
    return actions.Gaps(day.need.team, starts, step_s, need.volume, staffed, empty, empty, level)


def _day_json(look: _Look, looks: dict[str, _Look], now: float) -> dict[str, Any]:
    others = [each.need for team, each in looks.items() if team != look.day.need.team]
    levels = look.need.level(look.need.staffed.astype(np.float64))
    busy = look.need.volume > 0
    return {
        "minutes": look.day.need.grid.minutes,
        "on": look.day.need.week_on.isoformat(),
        **look.said,
        "intervals": [utc_iso(int(at)) for at in look.starts],
        "forecast": [round(float(each), 2) for each in look.planned.volume],
        "updated": [round(float(each), 2) for each in look.expected.volume],
        "actual": look.actual,
        "required": look.required,
        "rostered": look.rostered,
        "staffed": [int(each) for each in look.need.staffed],
        "gap": [int(each) for each in look.need.gap],
        "service_level": spread(busy, levels[busy], 4),
        "target": look.day.need.terms.service_level,
        "plans": look.day.plans,
        "actions": actions.recommended(
            look.need, others, look.day.shifts, look.day.people, now=now, zone=look.day.need.grid.zone
        ),
    }


def _set_aside(conn: Connection, planning: Planning, team: str, on: date) -> dict[str, list[int]]:
    """Return the agents that the week's requirement defers work for on a date, and those that it shares."""
    grid = planning.grid
    week_on = week_start_on(grid, on)
    for row in forecasts.list_requirements(conn, week_on.isoformat()):
        data = row.data
        if (
            row.team == team
            and "deferred" in data
            and (data["minutes"], data["zone"]) == (grid.minutes, grid.zone)
        ):
            starts = intervals_between(grid, week_on, week_on + timedelta(days=data["days"] - 1))
            since, until = week_span(grid, on, 1)
            own = (starts >= since) & (starts < until)
            names = [name for name in ("deferred", "shared") if name in data]
            return {name: np.array(data[name], dtype=np.int64)[own].tolist() for name in names}
    return {}


def _absent(conn: Connection, planning: Planning, on: date, now: float) -> set[str]:
    """Return who should have been at work for some time and is not: nobody asks them for anything today."""
    return {
        each["agent"]
        for each in adherence_of_day(conn, planning, on, now=now, grace_s=0)
        if each["departs_since"] is not None
        and each["presence"] == OFFLINE
        and datetime.fromisoformat(each["departs_since"]).timestamp() <= now - _ABSENT_S
    }


def _roster_of(
    conn: Connection, planning: Planning, on: date
) -> tuple[dict[str, list[int]], list[AssignmentRow]]:
    """Return who works for each team in every interval of a date, and the published shifts that touch it."""
    grid = planning.grid
    since, until = week_span(grid, on, 1)
    shifts = plans.published_shifts(conn, since, until)
    row = plans.published_plan(conn, week_start_on(grid, on).isoformat())
    if row is None or (row.data["minutes"], row.data["zone"]) != (grid.minutes, grid.zone):
        return {}, shifts
    starts = plan_starts(row)
    own = (starts >= since) & (starts < until)
    staffed = {team: np.array(each["staffed"])[own].tolist() for team, each in row.data["teams"].items()}
    return staffed, shifts
