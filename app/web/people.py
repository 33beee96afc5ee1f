"""The people who are rostered: a list, and each with contract, time off, wishes, swaps and calendar."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.api.requests import list_swaps
from app.api.staff import get_contract, list_contracts, list_time_off, list_wishes
from app.auth import Principal
from app.db import calendars
from app.db import plans as plan_rows
from app.db import staff as staff_rows
from app.house import House
from app.planning.past import today
from app.planning.terms import read_planning
from app.web.asked import day_words, days_words, requests_of
from app.web.pages import PLANNER, page, render
from app.web.roster_view import bar, worked_s

router = APIRouter(include_in_schema=False)

_AHEAD_S: Final = 6 * 7 * 86_400.0
_MOST_SHIFTS: Final = 28
_BACK: Final = timedelta(days=31)
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@page(router, "/planner/people", scopes=PLANNER.scopes)
async def people_page(house: House, who: Principal, request: Request) -> Response:
    """Show who can be rostered, of one team or all, with contract and time off to come."""
    planning = await house.database.read(read_planning)
    asked = request.query_params.get("team", "")
    team = asked if asked in planning.policy.teams else ""
    on = today(planning.grid, house.clock.now())
    contracts = (await list_contracts(request, who))["items"]
    off = (await list_time_off(request, who, on, None, None, None))["items"]
    wishes = (await list_wishes(request, who, on, None, None))["items"]
    people = [
        each
        | {
            "off": next((t for t in off if t["agent"] == each["agent"] and t["state"] != "refused"), None),
            "wishes": sum(wish["agent"] == each["agent"] for wish in wishes),
        }
        for each in contracts
        if not team or team in each["teams"]
    ]
    return render(
        request,
        who,
        "people.html",
        people=people,
        team=team,
        teams=planning.policy.teams,
        off_words=lambda each: days_words(each["first_on"], each["last_on"]),
        hours_words=hours_words,
    )


@page(router, "/planner/people/{agent}", scopes=PLANNER.scopes)
async def person_page(house: House, who: Principal, request: Request) -> Response:
    """Show one person; planners may change the contract, and they or the agent may ask for things."""
    agent = request.path_params["agent"]
    contract = await get_contract(request, agent, who)
    planning = await house.database.read(read_planning)
    now = house.clock.now()
    on = today(planning.grid, now)
    zone = ZoneInfo(planning.grid.zone)
    names = await house.database.read(staff_rows.agent_names)
    shifts = await house.database.read(plan_rows.published_shifts, now, now + _AHEAD_S, agent)
    order = list(planning.policy.teams)
    may_plan = "plans:write" in who.scopes
    return render(
        request,
        who,
        "person.html",
        person=contract,
        terms=contract["terms"],
        teams=planning.policy.teams,
        windows=windows(contract["terms"]["availability"]),
        hours_words=hours_words,
        limits_words=limits_words,
        on=on,
        time_off=(await list_time_off(request, who, on - _BACK, None, None, agent))["items"],
        wishes=(await list_wishes(request, who, on - _BACK, None, agent))["items"],
        swaps=(await list_swaps(request, who, None, agent))["items"],
        requests=await requests_of(house, request, who, planning, first_on=on.isoformat(), agent_id=agent),
        shifts=[
            {
                "on": each.on,
                "day": day_words(each.on),
                "week": _week_on(each.on, planning.site.week_starts_on),
                "hours": worked_s(each) / 3600,
                "bar": bar(
                    each,
                    _day_span(each.starts_at, each.ends_at, zone),
                    order,
                    planning.grid.zone,
                ),
            }
            for each in shifts
        ],
        kinds=sorted({each.shift for each in shifts}),
        others=[(key, name) for key, name in sorted(names.items(), key=lambda pair: pair[1]) if key != agent],
        names=names,
        day_words=day_words,
        days_words=days_words,
        may_plan=may_plan,
        may_ask=may_plan or who.agent_id == agent,
        addresses=await house.database.read(calendars.list_addresses, agent),
    )


def hours_words(terms: dict[str, Any]) -> str:
    """Return the hours of a week as `30-40` or, where they are fixed, `38.5`."""
    least, most = (f"{terms[name]:g}" for name in ("week_hours_min", "week_hours_max"))
    return least if least == most else f"{least}\N{EN DASH}{most}"


def limits_words(limits: dict[str, dict[str, int | None]]) -> str:
    """Return limits of kinds of shift as a form has them: `late: 2, early: 1 to 3`."""
    found = []
    for kind, each in limits.items():
        most = _MOST_SHIFTS if each["most"] is None else each["most"]
        found.append(f"{kind}: {each['least']} to {most}" if each["least"] else f"{kind}: {most}")
    return ", ".join(found)


def windows(availability: list[dict[str, str] | None]) -> list[dict[str, Any]]:
    """Return a row for each weekday of a form: whether the agent can work, from when and until when."""
    whole = {"start": "00:00", "end": "24:00"}
    days = availability or [whole] * len(WEEKDAYS)
    return [
        {"name": name, "works": day is not None, **(day or whole)}
        for name, day in zip(WEEKDAYS, days, strict=True)
    ]


def _week_on(on: str, week_starts_on: int) -> str:
    day = date.fromisoformat(on)
    return (day - timedelta(days=(day.weekday() - week_starts_on) % 7)).isoformat()


def _day_span(starts_at: float, ends_at: float, zone: ZoneInfo) -> tuple[float, float]:
    """Return the local day in which a shift begins, and as much of the next as it needs."""
    local = datetime.fromtimestamp(starts_at, zone)
    begin = datetime(local.year, local.month, local.day, tzinfo=zone).timestamp()
    return begin, max(begin + 86_400, ends_at)
