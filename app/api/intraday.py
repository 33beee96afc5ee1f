"""Today: what came against the forecast, the gaps to come and what to do, and who keeps the roster."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from app.api.forecasts import known_team
from app.auth import Principal, requires
from app.clock import isoformat
from app.db import forecasts
from app.errors import NotFoundError
from app.house import house_of
from app.planning.keeping import adherence_of_day
from app.planning.past import today
from app.planning.terms import read_planning

router = APIRouter(prefix="/v1", tags=["intraday"])

Reader = Annotated[Principal, Depends(requires("plans:read"))]


@router.get("/intraday", summary="How today goes, team by team.")
async def list_intraday(request: Request, _: Reader) -> dict[str, Any]:
    """Return per team the day's busyness, contacts so far, largest gap to come and number of actions."""
    house = house_of(request)
    planning = await house.database.read(read_planning)
    now = house.clock.now()
    on = today(planning.grid, now).isoformat()
    items = []
    for team in planning.policy.teams:
        found = await house.database.read(forecasts.find_intraday, team, on)
        data = found[1] if found else {}
        ahead = [
            gap
            for gap, start in zip(data.get("gap", []), data.get("intervals", []), strict=True)
            if start > (isoformat(now) or "")
        ]
        items.append(
            {
                "team": team,
                "on": on,
                "made_at": isoformat(found[0]) if found else None,
                "busyness": data.get("busyness"),
                "expected_so_far": data.get("expected_so_far"),
                "actual_so_far": data.get("actual_so_far"),
                "worst_gap": min(ahead, default=None),
                "actions": len(data.get("actions", [])),
            }
        )
    return {"items": items, "next": None}


@router.get(
    "/intraday/{team}",
    summary="How today goes for a team, interval by interval, and what to do.",
    description="Columns by interval of the day: `forecast` (of this morning, corrected), `updated` (with "
    "what came), `actual` (null to come), `required` agents, `rostered` people wanted, `staffed`, `gap` "
    "(staffed less wanted), `service_level` expected with `staffed`. `actions`: `kind` (move_break, lend, "
    "overtime, overflow, time_off), `agent` and `name`, `to_team` of an overflow, `agents`, `starts_at`, "
    "`ends_at`, `text` (names, the site's clock), `service_level_before` and `_after`. A run of kind "
    "`intraday` brings it up to date; it runs every quarter of an hour by itself.",
)
async def get_intraday(request: Request, team: str, _: Reader) -> dict[str, Any]:
    """Return a team's day; NotFoundError while no run has looked at it."""
    house = house_of(request)
    planning = await house.database.read(read_planning)
    known_team(planning, team)
    on = today(planning.grid, house.clock.now()).isoformat()
    found = await house.database.read(forecasts.find_intraday, team, on)
    if found is None:
        raise NotFoundError(f"Nobody has looked at the day of {team} yet; it needs a forecast of today.")
    return {"team": team, "made_at": isoformat(found[0]), **found[1]}


@router.get(
    "/adherence",
    summary="Who keeps the published roster today.",
    description="Per shift: `scheduled` now (work, a break, null outside the shift), `presence` now, "
    "`departs_since` when they differ, `adherence` (share of scheduled time kept so far), `conformance` "
    "(worked over scheduled work), and the `departures` longer than `grace_s`.",
)
async def list_adherence(
    request: Request,
    _: Reader,
    on: Annotated[date | None, Query(description="None: today.")] = None,
    grace_s: Annotated[float, Query(ge=0, le=3600)] = 60.0,
) -> dict[str, Any]:
    """Return the adherence of everybody with a published shift on a date."""
    house = house_of(request)
    planning = await house.database.read(read_planning)
    now = house.clock.now()
    chosen = on or today(planning.grid, now)
    items = await house.database.read(adherence_of_day, planning, chosen, now=now, grace_s=grace_s)
    return {"on": chosen.isoformat(), "items": items, "next": None}
