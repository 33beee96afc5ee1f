"""Shift design: which kinds of shift cover a week's requirement, and putting them into use."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.api.forecasts import chosen_week
from app.api.runs import run_json
from app.auth import Principal
from app.db import runs as run_rows
from app.house import House
from app.planning.terms import SiteTerms, read_planning
from app.web import week_chart
from app.web.pages import PLANNER, page, render
from app.web.planner import newest_runs
from app.web.week_chart import Columns, Values

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
        design=_design(run["result"], planning.site) if run else None,
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


def _design(result: dict[str, Any], site: SiteTerms) -> dict[str, Any]:
    first = date.fromisoformat(result["week"])
    days = max((len(each["agents"]) for each in result["shifts"]), default=7)
    required: Values = result["required"]
    staffed: Values = result["staffed"]
    columns = _columns(required, staffed)
    per_day = len(required) // days
    labels = []
    for i in range(len(required)):
        on, minute = first + timedelta(days=i // per_day), i % per_day * 1440 // per_day
        labels.append(f"{on:%a} {on.day} {on:%b} {minute // 60:02}:{minute % 60:02}")
    in_use = [each for each in result["shifts"] if each["shifts"]]
    return {
        "week_on": first,
        "days": [first + timedelta(days=i) for i in range(days)],
        "shifts": in_use,
        "totals": [sum(each["agents"][i] for each in in_use) for i in range(days)],
        "plot": week_chart.people_plot(columns),
        "marks": [
            (100 * i / days, f"{first + timedelta(days=i):%a} {(first + timedelta(days=i)).day}", "")
            for i in range(days)
        ],
        "figures": {
            "labels": labels,
            "said": [f"needed {need}, covered {have}" for need, have in zip(required, staffed, strict=True)],
        },
        "terms": taken_over(site, in_use),
    }


def _columns(required: Values, staffed: Values) -> Columns:
    none: Values = [None] * len(required)
    return Columns(
        starts=list(range(len(required))),
        volume=none,
        low=none,
        high=none,
        actual=none,
        needed=required,
        staffed=staffed,
        handle_s=none,
    )
