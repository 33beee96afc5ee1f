"""Versions of a week's roster: what differs between two of them, and one of them on paper."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.api.plans import found_plan, get_difference, plan_json
from app.auth import Principal
from app.db import plans as plan_rows
from app.db import staff as staff_rows
from app.db.plans import PlanRow
from app.errors import NotFoundError
from app.house import House
from app.planning.coverage import hours_short_and_over
from app.planning.drafts import names_of
from app.planning.standing import plan_grid
from app.planning.terms import read_planning
from app.web import roster_view
from app.web.asked import day_words
from app.web.pages import PLANNER, page, render

router = APIRouter(include_in_schema=False)

_MOST_PLANS: Final = 50


@page(router, "/planner/difference", scopes=PLANNER.scopes)
async def difference_page(house: House, who: Principal, request: Request) -> Response:
    """Show whose shifts change from one version to another, and what that does to the cover."""
    plan = await _asked(house, request.query_params.get("plan", ""))
    versions = await house.database.read(
        plan_rows.list_plans, before=None, limit=_MOST_PLANS, week_on=plan.week_on
    )
    since = _since(versions, plan, request.query_params.get("since", ""))
    items = (await get_difference(request, plan.id, who, since.id))["items"] if since else []
    teams = {each.id: each.name for each in house.switchboard.policy.teams.values()}
    worded = [_worded(each, ZoneInfo(plan.data["zone"]), teams) for each in items]
    own = [each for each in worded if each["changed"] != ["teams"]]
    return render(
        request,
        who,
        "difference.html",
        plan=plan_json(plan),
        since=plan_json(since) if since else None,
        versions=[plan_json(each) for each in versions],
        people=_by_person(own),
        many=len(own),
        elsewhere=_by_person([each for each in worded if each not in own]),
        cover=_cover(since, plan, teams) if since else [],
        week_on=date.fromisoformat(plan.week_on),
        day_words=day_words,
    )


@page(router, "/planner/print", scopes=PLANNER.scopes)
async def print_page(house: House, who: Principal, request: Request) -> Response:
    """Show a roster for paper: everybody's shifts with their breaks, one team or all."""
    plan = await _asked(house, request.query_params.get("plan", ""))
    planning = await house.database.read(read_planning)
    asked = request.query_params.get("team", "")
    team = asked if asked in planning.policy.teams else ""
    first = date.fromisoformat(plan.week_on)
    week = [first + timedelta(days=i) for i in range(plan.days)]
    shifts = roster_view.works_for(await house.database.read(plan_rows.list_assignments, plan.id), team)
    time_off = await house.database.read(
        staff_rows.list_time_off,
        first_on=plan.week_on,
        last_on=week[-1].isoformat(),
        state=None,
        agent_id=None,
    )
    names = names_of(plan.data)
    known = {each.agent_id: names.get(each.agent_id, each.agent_id) for each in shifts} if team else names
    order = list(planning.policy.teams)
    rows = await asyncio.to_thread(
        roster_view.week_rows, shifts, known, time_off, week, plan_grid(plan), order
    )
    return render(
        request,
        who,
        "print.html",
        plan=plan_json(plan),
        published_on=_published_on(plan),
        week=week,
        team=planning.policy.teams[team].name if team else "",
        teams=planning.policy.teams,
        people=rows,
    )


async def _asked(house: House, text: str) -> PlanRow:
    if not text.isdigit():
        raise NotFoundError("Which plan? Choose one on the planner's page.")
    return await found_plan(house, int(text))


def _published_on(plan: PlanRow) -> str:
    """Return the site's date at which a plan was published; empty where it was not."""
    at, zone = plan.published_at, ZoneInfo(plan.data["zone"])
    return f"{datetime.fromtimestamp(at, zone):%Y-%m-%d}" if at is not None else ""


def _since(versions: Sequence[PlanRow], plan: PlanRow, asked: str) -> PlanRow | None:
    """Return the version asked for, else the published one, else the one before; None where there is none."""
    others = [each for each in versions if each.id != plan.id]
    wanted = [each for each in others if str(each.id) == asked]
    published = [each for each in others if each.state == "published"]
    before = [each for each in others if each.version < plan.version]
    return next(iter(wanted or published or before or others), None)


def _worded(item: dict[str, Any], zone: ZoneInfo, teams: Mapping[str, str]) -> dict[str, Any]:
    """Return a change with the shifts before and after as the site's clock and the teams' names."""

    def shown(shift: dict[str, Any] | None) -> dict[str, str] | None:
        if shift is None:
            return None
        work = [(teams.get(each["team"], each["team"]), each) for each in shift["work"]]
        return {
            "times": _span(shift, zone),
            "breaks": ", ".join(f"{each['name']} {_span(each, zone)}" for each in shift["breaks"]),
            "teams": ", ".join(f"{name} {_span(each, zone)}" for name, each in work),
        }

    return item | {"was": shown(item["was"]), "becomes": shown(item["becomes"])}


def _span(spell: dict[str, Any], zone: ZoneInfo) -> str:
    begin, end = (datetime.fromisoformat(spell[name]).astimezone(zone) for name in ("starts_at", "ends_at"))
    return f"{begin:%H:%M}–{end:%H:%M}"


def _by_person(items: Sequence[dict[str, Any]]) -> list[tuple[str, str, list[dict[str, Any]]]]:
    """Return (agent, name, changes by date) of everybody whose shifts change, by name."""
    ordered = sorted(items, key=lambda each: (each["name"], each["agent"], each["on"]))
    return [
        (agent, name, list(changes))
        for (agent, name), changes in groupby(ordered, key=lambda each: (each["agent"], each["name"]))
    ]


def _cover(since: PlanRow, plan: PlanRow, names: dict[str, str]) -> list[dict[str, Any]]:
    """Return for each team the hours short and to spare before and after."""

    def hours(row: PlanRow, team: str) -> tuple[float, float]:
        each = row.data["teams"][team]
        return hours_short_and_over(each["rostered"], each["staffed"], row.data["minutes"])

    return [
        {"name": names.get(team, team), "before": hours(since, team), "after": hours(plan, team)}
        for team in plan.data["teams"]
        if team in since.data["teams"]
    ]
