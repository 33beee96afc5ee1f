"""Today: what came against the forecast, where people will be too few, what to do, who keeps the roster."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from app.api.intraday import get_intraday, list_adherence, list_intraday
from app.auth import Principal
from app.db import staff as staff_rows
from app.errors import NotFoundError
from app.house import House
from app.planning.terms import read_planning
from app.web import week_chart
from app.web.pages import TODAY, page, render
from app.web.week_chart import Columns, Plot, Values

router = APIRouter(include_in_schema=False)

_WORD: Final = re.compile(r"[\w.@-]+")
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")


@page(router, TODAY.path, scopes=TODAY.scopes)
async def today_page(house: House, who: Principal, request: Request) -> Response:
    """Show the day of every team at a glance, and of the one chosen interval by interval."""
    planning = await house.database.read(read_planning)
    teams = planning.policy.teams
    found = (await list_intraday(request, who))["items"]
    asked = request.query_params.get("team", "")
    team = asked if asked in teams else _worst(found)
    if team and not asked:
        # The page comes back by itself, and must not come back as another team's.
        return RedirectResponse(f"{TODAY.path}?team={quote(team)}", 303)
    zone = ZoneInfo(planning.grid.zone)
    try:
        day = await get_intraday(request, team, who) if team else None
    except NotFoundError:
        day = None
    adherence = (await list_adherence(request, who))["items"]
    names = await house.database.read(staff_rows.agent_names)
    known = names | {each.id: each.name for each in teams.values()}
    now = house.clock.now()
    return render(
        request,
        who,
        "today.html",
        teams=teams,
        team=team,
        glances=found,
        day=day,
        actions=_actions(day, known, zone) if day else [],
        charts=_charts(day) if day else None,
        marks=_marks(day, zone) if day else [],
        present=_present(day, now) if day else None,
        figures=_figures(day, zone) if day else None,
        clock=lambda text: f"{datetime.fromisoformat(text).astimezone(zone):%H:%M}",
        adherence=sorted(adherence, key=_urgency),
        departed=sum(each["departs_since"] is not None for each in adherence),
        instant_of=lambda text: datetime.fromisoformat(text).timestamp(),
        done=_done(day, known, zone) if day else [],
        names=names,
        rostered=bool(day and any(day["staffed"])),
        short=any(each["team"] == team and (each["worst_gap"] or 0) < 0 for each in found),
        may_plan="plans:write" in who.scopes,
        may_steer=bool({"plans:write", "floor:lead"} & who.scopes),
    )


def _worst(found: Sequence[dict[str, Any]]) -> str:
    """Return the team with the largest gap to come, the first where there is none."""
    known = [each for each in found if each["made_at"]]
    worst = min(known, key=lambda each: each["worst_gap"] or 0, default=None)
    if worst is not None:
        return str(worst["team"])
    return str(found[0]["team"]) if found else ""


def _worded(text: str, known: dict[str, str], zone: ZoneInfo) -> str:
    """Return words about the day with names for ids and the site's clock for instants."""

    def clock(found: re.Match[str]) -> str:
        return f"{datetime.fromisoformat(found.group()).astimezone(zone):%H:%M}"

    return _WORD.sub(lambda found: known.get(found.group(), found.group()), _INSTANT.sub(clock, text))


def _actions(day: dict[str, Any], known: dict[str, str], zone: ZoneInfo) -> list[dict[str, Any]]:
    """Return what is proposed and does not hold already."""
    held = [each for each in day["carried_out"] if each["kind"] == "overflow" and _holds(each)]
    return [
        each | {"text": _worded(each["text"], known, zone)}
        for each in day["actions"]
        if each["kind"] != "overflow" or not any(_meet(each, other) for other in held)
    ]


def _meet(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two overflows go to one team at one time."""
    begin, end = (datetime.fromisoformat(one[name]) for name in ("starts_at", "ends_at"))
    since, until = (datetime.fromisoformat(other[name]) for name in ("starts_at", "ends_at"))
    return one["to_team"] == other["to_team"] and begin < until and since < end


def _holds(change: dict[str, Any]) -> bool:
    return change["ended_at"] is None


def _done(day: dict[str, Any], known: dict[str, str], zone: ZoneInfo) -> list[dict[str, Any]]:
    """Return what was carried out today, with the site's clock for instants."""

    def clock(text: str | None) -> str:
        return f"{datetime.fromisoformat(text).astimezone(zone):%H:%M}" if text else ""

    return [
        each
        | {"text": _worded(each["text"], known, zone), "holds": each["kind"] == "overflow" and _holds(each)}
        | {name: clock(each[name]) for name in ("made_at", "starts_at", "ends_at", "ended_at")}
        for each in day["carried_out"]
    ]


def _urgency(each: dict[str, Any]) -> tuple[bool, bool, str]:
    """Order people: who departs from the roster (longest first), who is to be there, the others; by name."""
    departs = each["departs_since"]
    return (departs is None, each["scheduled"] is None, departs or each["name"])


def _charts(day: dict[str, Any]) -> tuple[Plot, Plot]:
    nothing: Values = [None] * len(day["intervals"])
    columns = Columns(
        starts=[0] * len(day["intervals"]),
        volume=day["forecast"],
        low=nothing,
        high=nothing,
        actual=day["actual"],
        needed=day["rostered"],
        staffed=day["staffed"],
        handle_s=nothing,
    )
    return week_chart.contacts_plot(columns, updated=day["updated"]), week_chart.people_plot(columns)


def _marks(day: dict[str, Any], zone: ZoneInfo) -> list[tuple[float, str, str]]:
    clocks = [datetime.fromisoformat(text).astimezone(zone) for text in day["intervals"]]
    return [
        (100 * i / len(clocks), f"{clock:%H}", "")
        for i, clock in enumerate(clocks)
        if clock.minute == 0 and clock.hour % 2 == 0
    ]


def _present(day: dict[str, Any], now: float) -> float | None:
    """Return where the present is on the time axis, in percent."""
    starts = [datetime.fromisoformat(text).timestamp() for text in day["intervals"]]
    if not starts or now < starts[0]:
        return None
    return float(min(100 * (now - starts[0]) / (60 * day["minutes"] * len(starts)), 100.0))


def _figures(day: dict[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    clocks = [datetime.fromisoformat(text).astimezone(zone) for text in day["intervals"]]
    return {
        "labels": [f"{clock:%H:%M}" for clock in clocks],
        "volume": day["updated"],
        "low": [],
        "high": [],
        "actual": day["actual"],
        "needed": day["rostered"],
        "staffed": day["staffed"],
    }
