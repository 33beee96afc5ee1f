"""The planner's week: forecast, requirement and roster of one week, and the runs that make them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.api.forecasts import chosen_week, get_forecast, list_overrides, list_requirements
from app.api.history import get_history
from app.api.plans import plan_json
from app.api.runs import run_json
from app.auth import Principal
from app.clock import isoformat
from app.db import plans as plan_rows
from app.db import runs as run_rows
from app.db import staff as staff_rows
from app.errors import NotFoundError
from app.house import House
from app.planning.coverage import hours_short_and_over
from app.planning.drafts import names_of
from app.planning.standing import plan_starts, read_standing, rules_broken
from app.planning.terms import Planning, read_planning
from app.web import roster_view, week_chart
from app.web.asked import requests_of
from app.web.forecast_view import backtest_of, busy_map, pools_of, requirement_of
from app.web.pages import PLANNER, page, render
from app.web.week_chart import Columns
from app.web.words import clock_labels
from staffing.intervals import day_start_at

router = APIRouter(include_in_schema=False)

_MOST_PLANS: Final = 20
_RUNS: Final = 5
_COLUMNS: Final = ("volume", "low", "high", "actual", "needed", "staffed")


@page(router, PLANNER.path, scopes=PLANNER.scopes)
async def planner_page(house: House, who: Principal, request: Request) -> Response:
    """Show a week, or one day of it, of one team or all."""
    asked = request.query_params
    planning = await house.database.read(read_planning)
    week_on = chosen_week(planning, asked.get("week") or None, house.clock.now())
    week = [week_on + timedelta(days=i) for i in range(7)]
    team = asked.get("team", "") if asked.get("team") in planning.policy.teams else ""
    day = next((each for each in week if each.isoformat() == asked.get("day")), None)
    teams = [team] if team else list(planning.policy.teams)

    forecasts = await _forecasts(request, who, teams, week_on)
    plan, versions = await _plans(house, week_on, asked.get("plan", ""))
    shifts = await house.database.read(plan_rows.list_assignments, plan.id) if plan else []
    needs = _needs(plan, teams) or await _required(request, who, week_on, teams)
    pasts = await _pasts(request, who, planning, teams, week_on, house.clock.now())
    columns = week_chart.week_columns(planning.grid, week, forecasts, needs, pasts)
    days = _days(planning, week, columns)
    shown = columns.part(*days[week.index(day)]["span"]) if day else columns
    return render(
        request,
        who,
        "planner.html",
        week=week,
        week_on=week_on,
        day=day,
        team=team,
        teams=planning.policy.teams,
        columns=shown,
        contacts=week_chart.contacts_plot(shown),
        people=week_chart.people_plot(shown),
        has_data=week_chart.has_data(shown.volume, shown.actual, shown.needed, shown.staffed),
        marks=_marks(planning, week, day, shown),
        present=_present(planning, shown, house.clock.now()),
        figures=_figures(planning, shown),
        days=days,
        times=_times(planning, shown),
        maps=[busy_map(planning, each) for each in forecasts],
        before=week_on - timedelta(days=7),
        after=week_on + timedelta(days=7),
        link=partial(_link, week=week_on, team=team, day=day or "", plan=plan.id if plan else ""),
        forecast=forecasts[0] if team and forecasts else None,
        backtest=backtest_of(forecasts[0]) if team and forecasts else None,
        plan=plan_json(plan) if plan else None,
        coverage=_coverage(plan, teams),
        versions=[plan_json(each) for each in versions],
        requirement=await requirement_of(request, who, planning, day, team) if day and team else None,
        pools=await pools_of(request, who, planning, week_on, team),
        broken=await _broken(house, plan) if plan else [],
        kinds=[each["id"] for each in plan.data["shifts"]] if plan else [],
        roster=await _roster(house, planning, plan, shifts, week, day, team),
        names=names_of(plan.data) if plan else {},
        locked=any(each.locked for each in shifts) or bool(plan and plan.data.get("locked_off")),
        locked_off={(agent, on) for agent, on in plan.data.get("locked_off", [])} if plan else set(),
        requests=await requests_of(house, request, who, planning, first_on=week[0].isoformat()),
        overrides=(await list_overrides(request, who, team))["items"] if team else [],
        runs=await newest_runs(house),
        local=partial(_local, zone=ZoneInfo(planning.grid.zone)),
        may_plan="plans:write" in who.scopes,
    )


@page(router, "/planner/runs", scopes=PLANNER.scopes)
async def runs_part(house: House, who: Principal, request: Request) -> Response:
    """Show the newest runs, without the frame; the planner's page asks for it again and again."""
    may_plan = "plans:write" in who.scopes
    return render(request, who, "planner_runs.html", runs=await newest_runs(house), may_plan=may_plan)


def _local(text: str, *, zone: ZoneInfo) -> str:
    """Return an instant as `Tue 3 Mar 09:00` on the site's clock."""
    clock = datetime.fromisoformat(text).astimezone(zone)
    return f"{clock:%a} {clock.day} {clock:%b %H:%M}"


def _link(**chosen: object) -> str:
    """Return the address of this page with other choices; empty ones are left out."""
    return "?" + urlencode({name: str(value) for name, value in chosen.items() if value != ""})


async def _forecasts(
    request: Request, who: Principal, teams: Sequence[str], week_on: date
) -> list[dict[str, Any]]:
    found = []
    for team in teams:
        try:
            found.append(await get_forecast(request, team, who, week_on.isoformat(), None))
        except NotFoundError:
            continue
    return found


async def _plans(
    house: House, week_on: date, asked: str
) -> tuple[plan_rows.PlanRow | None, list[plan_rows.PlanRow]]:
    """Return the plan to show (the one asked for, else the published one, else the newest), and all."""
    versions = await house.database.read(
        plan_rows.list_plans, before=None, limit=_MOST_PLANS, week_on=week_on.isoformat()
    )
    wanted = [row for row in versions if str(row.id) == asked]
    published = [row for row in versions if row.state == "published"]
    return next(iter(wanted or published or versions), None), versions


def _needs(
    plan: plan_rows.PlanRow | None, teams: Sequence[str]
) -> list[tuple[Sequence[int], dict[str, Any]]]:
    if plan is None:
        return []
    starts = [int(at) for at in plan_starts(plan)]
    return [(starts, plan.data["teams"][team]) for team in teams if team in plan.data["teams"]]


async def _required(
    request: Request, who: Principal, week_on: date, teams: Sequence[str]
) -> list[tuple[Sequence[int], dict[str, Any]]]:
    """Return what is required while there is no plan that says it."""
    found = await list_requirements(request, who, week_on.isoformat())
    starts = [int(datetime.fromisoformat(text).timestamp()) for text in found["intervals"]]
    return [(starts, found["teams"][team]) for team in teams if team in found["teams"]]


async def _broken(house: House, plan: plan_rows.PlanRow) -> list[str]:
    """Return the rules that a plan changed by hand breaks, in words; the search breaks none unsaid."""
    if plan.data["status"] != "edited":
        return []
    standing = await house.database.read(read_standing, plan)
    return await asyncio.to_thread(rules_broken, standing, standing.shifts)


async def _pasts(
    request: Request, who: Principal, planning: Planning, teams: Sequence[str], week_on: date, now: float
) -> list[dict[str, Any]]:
    """Return what came in the finished intervals of the week; nothing for a week that has not begun."""
    begin = day_start_at(planning.grid, week_on)
    end = min(day_start_at(planning.grid, week_on + timedelta(days=7)), now)
    if end <= begin:
        return []
    start_at, end_at = (datetime.fromtimestamp(at, UTC) for at in (begin, end))
    found = [await get_history(request, team, start_at, who, end_at) for team in teams]
    last = isoformat(now - planning.grid.step_s) or ""
    return [each | {"items": [it for it in each["items"] if it["starts_at"] <= last]} for each in found]


def _days(planning: Planning, week: Sequence[date], columns: Columns) -> list[dict[str, Any]]:
    """Return the sums of each day, and where its intervals lie in the week's columns."""
    minutes = planning.grid.minutes
    found = []
    for day in week:
        begin, end = (day_start_at(planning.grid, day + timedelta(days=i)) for i in range(2))
        inside = [i for i, at in enumerate(columns.starts) if begin <= at < end]
        span = (inside[0], inside[-1] + 1)
        part = columns.part(*span)
        known = [
            (int(need), int(have))
            for need, have in zip(part.needed, part.staffed, strict=True)
            if need is not None and have is not None
        ]
        gaps = hours_short_and_over([need for need, _ in known], [have for _, have in known], minutes)
        found.append(
            {
                "on": day,
                "span": span,
                "volume": _total(part.volume),
                "actual": _total(part.actual),
                "peak": max((value for value in part.needed if value is not None), default=None),
                "needed_h": _total(part.needed, minutes / 60),
                "staffed_h": _total(part.staffed, minutes / 60),
                "short_h": gaps[0] if known else None,
                "over_h": gaps[1] if known else None,
            }
        )
    return found


def _total(values: Sequence[float | None], factor: float = 1.0) -> float | None:
    known = [value for value in values if value is not None]
    return factor * sum(known) if known else None


def _marks(
    planning: Planning, week: Sequence[date], day: date | None, shown: Columns
) -> list[tuple[float, str, str]]:
    """Return the marks of the time axis: (percent, label, link to the day or empty)."""
    many = max(len(shown.starts), 1)
    if day is None:
        at = {begin: i for i, begin in enumerate(shown.starts)}
        return [
            (
                100 * at.get(day_start_at(planning.grid, each), 0) / many,
                f"{each:%a} {each.day}",
                each.isoformat(),
            )
            for each in week
        ]
    zone = ZoneInfo(planning.grid.zone)
    clocks = [datetime.fromtimestamp(at, zone) for at in shown.starts]
    return [
        (100 * i / many, f"{clock:%H}", "")
        for i, clock in enumerate(clocks)
        if clock.minute == 0 and clock.hour % 2 == 0
    ]


def _present(planning: Planning, shown: Columns, now: float) -> float | None:
    """Return where the present is on the time axis, in percent; None where it is not shown."""
    if not shown.starts or not shown.starts[0] <= now < shown.starts[-1] + planning.grid.step_s:
        return None
    return 100 * (now - shown.starts[0]) / planning.grid.step_s / len(shown.starts)


def _figures(planning: Planning, shown: Columns) -> dict[str, Any]:
    """Return what the chart tells under the pointer: labels of the intervals, and the columns."""
    zone = ZoneInfo(planning.grid.zone)
    clocks = [datetime.fromtimestamp(at, zone) for at in shown.starts]
    labels = [f"{clock:%a} {clock.day} {clock:%b %H:%M}" for clock in clocks]
    return {"labels": labels} | {name: getattr(shown, name) for name in _COLUMNS}


def _times(planning: Planning, shown: Columns) -> list[tuple[float, str]]:
    """Return where the intervals begin and the last one ends, with the site's clock for each."""
    starts = [float(at) for at in shown.starts]
    if not starts:
        return []
    labels = clock_labels(starts, ZoneInfo(planning.grid.zone))
    return [*zip(starts, labels, strict=True), (starts[-1] + planning.grid.step_s, "24:00")]


def _coverage(plan: plan_rows.PlanRow | None, teams: Sequence[str]) -> dict[str, float] | None:
    """Return the hours short and to spare of a plan, added up over teams."""
    if plan is None:
        return None
    each = [plan.data["teams"][team] for team in teams if team in plan.data["teams"]]
    gaps = [hours_short_and_over(t["rostered"], t["staffed"], plan.data["minutes"]) for t in each]
    return {"short": sum(short for short, _ in gaps), "over": sum(over for _, over in gaps)}


async def _roster(
    house: House,
    planning: Planning,
    plan: plan_rows.PlanRow | None,
    shifts: Sequence[Any],
    week: Sequence[date],
    day: date | None,
    team: str,
) -> dict[str, Any] | None:
    if plan is None:
        return None
    names = names_of(plan.data)
    mine = roster_view.works_for(shifts, team)
    known = {each.agent_id: names.get(each.agent_id, each.agent_id) for each in mine} if team else names
    order = list(planning.policy.teams)
    if day is not None:
        rows, hours = roster_view.day_rows(mine, names, day, planning.grid, order)
        return {"day": rows, "hours": hours}
    time_off = await house.database.read(
        staff_rows.list_time_off,
        first_on=week[0].isoformat(),
        last_on=week[-1].isoformat(),
        state=None,
        agent_id=None,
    )
    rows_of = await asyncio.to_thread(
        roster_view.week_rows, mine, known, time_off, week, planning.grid, order
    )
    per_day = [sum(isinstance(row.cells[i], roster_view.Bar) for row in rows_of) for i in range(len(week))]
    return {"people": rows_of, "per_day": per_day}


async def newest_runs(house: House) -> dict[str, Any]:
    """Return the runs under way, and the newest that have ended."""
    found = await house.database.read(run_rows.list_runs, before=None, limit=30)
    rows = [run_json(row) | {"at": row.finished_at or row.created_at} for row in found]
    return {
        "open": [row for row in rows if row["state"] in run_rows.OPEN],
        "ended": [row for row in rows if row["state"] not in run_rows.OPEN][:_RUNS],
    }
