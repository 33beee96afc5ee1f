"""An agent's published shifts as a calendar (RFC 5545)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request, Response
from icalendar import Calendar, Event

from app.auth import Principal, requires
from app.db import plans, staff
from app.db.plans import AssignmentRow
from app.errors import ForbiddenError, NotFoundError
from app.house import house_of

router = APIRouter(prefix="/v1/agents", tags=["plans"])

_BEFORE_S: Final = 31 * 86_400.0
_AFTER_S: Final = 126 * 86_400.0


@router.get(
    "/{agent}/roster.ics",
    summary="An agent's published shifts as iCalendar.",
    response_class=Response,
    description="Scope `plans:read`. A key of an agent's own sees that agent only. Breaks are in the "
    "description; a shift keeps its UID from version to version, so calendars move it.",
)
async def get_calendar(
    request: Request, agent: str, who: Annotated[Principal, Depends(requires("plans:read"))]
) -> Response:
    """Return the shifts of published rosters from a month ago on."""
    house = house_of(request)
    names = await house.database.read(staff.agent_names)
    if agent not in names:
        raise NotFoundError(f"There is no agent {agent!r}.")
    if who.agent_id is not None and who.agent_id != agent and "plans:write" not in who.scopes:
        raise ForbiddenError(f"The key {who.name!r} stands for agent {who.agent_id!r} only.")
    now = house.clock.now()
    shifts = await house.database.read(plans.published_shifts, now - _BEFORE_S, now + _AFTER_S, agent)
    return Response(
        calendar(names[agent], shifts, now=now, zone=house.switchboard.policy.site.time_zone),
        media_type="text/calendar",
        headers={"Content-Disposition": 'inline; filename="roster.ics"'},
    )


def calendar(name: str, shifts: list[AssignmentRow], *, now: float, zone: str = "UTC") -> bytes:
    """Return shifts as a calendar; times are UTC, as every calendar understands, breaks the site's clock."""
    found = Calendar()
    found.add("prodid", "-//Rondo//roster//EN")
    found.add("version", "2.0")
    found.add("x-wr-calname", f"Shifts of {name}")
    for each in shifts:
        event = Event()
        event.add("uid", f"{each.agent_id}-{each.on}@rondo")
        event.add("dtstamp", _moment(now))
        event.add("dtstart", _moment(each.starts_at))
        event.add("dtend", _moment(each.ends_at))
        teams = ", ".join(dict.fromkeys(team for team, _, _ in each.work))
        event.add("summary", f"Shift {each.shift}" + (f": {teams}" if teams else ""))
        breaks = [
            f"{pause} {_local(since, zone):%H:%M}-{_local(until, zone):%H:%M}"
            for pause, since, until in each.breaks
        ]
        event.add("description", "; ".join(breaks))
        found.add_component(event)
    text: bytes = found.to_ical()
    return text


def _local(at: float, zone: str) -> datetime:
    return datetime.fromtimestamp(round(at), ZoneInfo(zone))


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(round(at), UTC)
