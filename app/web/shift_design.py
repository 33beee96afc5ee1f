"""Shift design: which kinds of shift cover a week's requirement, and putting them into use."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.api.forecasts import chosen_week
from app.api.runs import run_json
from app.auth import Principal
from app.db import runs as run_rows
from app.house import House
from app.planning.terms import Planning, SiteTerms, read_planning
from app.web import week_chart
from app.web.pages import PLANNER, page, render
from app.web.planner import newest_runs
from app.web.week_chart import Columns, Values
from staffing.intervals import Grid, intervals_between

router = APIRouter(include_in_schema=False)

_MOST_RUNS: Final = 30
_MOST_HOURS: Final = 8
"""Lengths of shift that a site may have."""


@page(router, "/planner/shifts", scopes=PLANNER.scopes)
async def shifts_page(house: House, who: Principal, request: Request) -> Response:
    """Show a form, and the newest design or the one asked for."""
    planning = await house.database.read(read_planning)
    found = await house.database.read(
        run_rows.list_runs, before=None, limit=_MOST_RUNS, kind="design", state="done"
    )
    past = [run_json(each) for each in found]
    run = next((each for each in past if str(each["id"]) == request.query_params.get("run")), None)
    run = run or next(iter(past), None)
    return render(
        request,
        who,
        "shifts.html",
        week_on=chosen_week(planning, request.query_params.get("week"), house.clock.now()),
        past=past,
        run=run,
        design=_design(run["result"], planning) if run else None,
        site=planning.site.model_dump(mode="json"),
        runs=await newest_runs(house),
        may_plan="plans:write" in who.scopes,
    )


def taken_over(site: SiteTerms, shifts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the site's terms with the starts and lengths of the shifts in use.

    Of more lengths than a site may have those of most shifts are kept.
    """
    many: dict[float, int] = {}
    for each in shifts:
        many[each["hours"]] = many.get(each["hours"], 0) + each["shifts"]
    hours = sorted(sorted(many, key=lambda length: -many[length])[:_MOST_HOURS], reverse=True)
    starts = sorted({each["start"] for each in shifts})
    return site.model_dump(mode="json") | {"shift_starts": starts, "shift_hours": hours}


def local_starts(result: dict[str, Any], grid: Grid) -> list[datetime]:
    """Return the local beginning of each interval; a design of earlier versions tells its length alone."""
    first, many = date.fromisoformat(result["week"]), len(result["required"])
    zone = result.get("zone", grid.zone)
    own = Grid(zone, result.get("minutes") or 10_080 // many)
    starts = intervals_between(own, first, first + timedelta(days=6))[:many]
    return [datetime.fromtimestamp(int(at), tz=ZoneInfo(zone)) for at in starts]


def _design(result: dict[str, Any], planning: Planning) -> dict[str, Any]:
    first = date.fromisoformat(result["week"])
    required: Values = result["required"]
    staffed: Values = result["staffed"]
    days = [first + timedelta(days=i) for i in range(7)]
    starts = local_starts(result, planning.grid)
    columns = _columns(starts, required, staffed)
    labels = [f"{at:%a} {at.day} {at:%b} {at:%H}:{at:%M}" for at in starts]
    begins = [next((i for i, at in enumerate(starts) if at.date() == on), len(starts)) for on in days]
    in_use = [each for each in result["shifts"] if each["shifts"]]
    return {
        "week_on": first,
        "days": days,
        "shifts": in_use,
        "totals": [sum(each["agents"][i] for each in in_use) for i in range(len(days))],
        "plot": week_chart.people_plot(columns),
        "marks": [
            (100 * begin / len(starts), f"{on:%a} {on.day}", "")
            for begin, on in zip(begins, days, strict=True)
        ],
        "figures": {
            "labels": labels,
            "said": [f"needed {need}, covered {have}" for need, have in zip(required, staffed, strict=True)],
        },
        "terms": taken_over(planning.site, in_use),
    }


def _columns(starts: Sequence[datetime], required: Values, staffed: Values) -> Columns:
    none: Values = [None] * len(required)
    return Columns(
        starts=[round(at.timestamp()) for at in starts],
        volume=none,
        low=none,
        high=none,
        actual=none,
        needed=required,
        staffed=staffed,
        handle_s=none,
    )
