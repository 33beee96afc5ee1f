"""Terms of planning: what teams promise, how the site plans, special days, the past, what runs by itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.api.forecasts import list_special_days
from app.api.history import list_history
from app.api.runs import list_jobs
from app.auth import Principal
from app.house import House
from app.planning.past import today
from app.planning.terms import TeamTerms, read_planning
from app.web.asked import days_words
from app.web.pages import PLANNER, page, render
from app.web.people import WEEKDAYS

router = APIRouter(include_in_schema=False)

_SPARE_BREAKS: Final = 1


@page(router, "/planner/terms", scopes=PLANNER.scopes)
async def terms_page(house: House, who: Principal, request: Request) -> Response:
    """Show the terms of a team and of the site, with forms for those who plan."""
    planning = await house.database.read(read_planning)
    zone = ZoneInfo(planning.grid.zone)
    teams = planning.policy.teams
    asked = request.query_params.get("team", "")
    team = asked if asked in teams else next(iter(teams))
    breaks = [each.model_dump(mode="json") for each in planning.site.breaks]
    return render(
        request,
        who,
        "terms.html",
        teams=teams,
        team=team,
        terms=planning.teams.get(team, TeamTerms()).model_dump(mode="json"),
        promised=planning.team(team).model_dump(mode="json"),
        site=planning.site.model_dump(mode="json"),
        breaks=[*breaks, *[None] * _SPARE_BREAKS],
        weekdays=WEEKDAYS,
        special_days=(await list_special_days(request, who))["items"],
        on=today(planning.grid, house.clock.now()),
        days_words=days_words,
        jobs=(await list_jobs(request, who))["items"],
        when_words=when_words,
        history=(await list_history(request, who))["items"],
        local_day=lambda text: f"{datetime.fromisoformat(text).astimezone(zone):%Y-%m-%d}",
        local=lambda text: f"{datetime.fromisoformat(text).astimezone(zone):%a %d %b %Y %H:%M}",
        may_plan="plans:write" in who.scopes,
    )


def when_words(when: dict[str, Any]) -> str:
    """Return a job's times in words: `every night at 2:10`, `on Thu at 3:10`, `at minute 1,16,31,46`."""
    if "hour" not in when:
        return f"every hour at minute {str(when.get('minute', '0')).replace(',', ', ')}"
    clock = f"{when['hour']}:{int(when.get('minute', 0)):02}"
    if "day_of_week" in when:
        return f"every {str(when['day_of_week']).capitalize()} at {clock}"
    return f"every day at {clock}"
