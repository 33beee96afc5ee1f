"""An agent's published shifts as a calendar (RFC 5545), by key or at an address made for it."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request, Response
from icalendar import Calendar, Event

from app.auth import Principal, requires
from app.clock import isoformat
from app.db import calendars, plans, staff
from app.db.plans import AssignmentRow
from app.errors import ForbiddenError, NotFoundError, WrongStateError
from app.house import House, house_of

router = APIRouter(tags=["plans"])

Reader = Annotated[Principal, Depends(requires("plans:read"))]

_BEFORE_S: Final = 31 * 86_400.0
_AFTER_S: Final = 126 * 86_400.0
_MOST: Final = 10


@router.get(
    "/v1/agents/{agent}/roster.ics",
    summary="An agent's published shifts as iCalendar.",
    response_class=Response,
    description="Scope `plans:read`. A key of an agent's own sees that agent only, unless it leads. Breaks "
    "are in the description; a shift keeps its UID from version to version, so calendars move it.",
)
async def get_calendar(request: Request, agent: str, who: Reader) -> Response:
    """Return the shifts of published rosters from a month ago on."""
    house = house_of(request)
    await _check_agent(house, agent)
    if who.own_agent not in (None, agent) and "plans:write" not in who.scopes:
        raise ForbiddenError(f"The key {who.name!r} stands for agent {who.agent_id!r} only.")
    return await _answer(house, agent)


@router.get(
    "/calendars/{secret}.ics",
    summary="The calendar at an address that was made for an agent.",
    response_class=Response,
    description="Needs no key: who has the address may read, and nothing else. Calendar programs "
    "subscribe to it.",
)
async def get_subscribed(request: Request, secret: str) -> Response:
    """Return the same as `roster.ics`; NotFoundError for an address that is unknown or revoked."""
    house = house_of(request)
    agent = await house.database.read(calendars.find_owner, _digest(secret))
    if agent is None:
        raise NotFoundError("There is no such calendar (any more).")
    return await _answer(house, agent)


@router.get(
    "/v1/agents/{agent}/calendar-addresses",
    summary="The addresses at which an agent's calendar may be read.",
    description="Scope `plans:read` with a key of the agent's own, or `plans:write`. The addresses "
    "themselves are known to nobody but who made them.",
)
async def list_addresses(request: Request, agent: str, who: Reader) -> dict[str, Any]:
    """Return the addresses that are not revoked."""
    house = house_of(request)
    await _check_may(house, agent, who)
    rows = await house.database.read(calendars.list_addresses, agent)
    return {"items": [_address_json(row) for row in rows], "next": None}


@router.post(
    "/v1/agents/{agent}/calendar-addresses",
    status_code=201,
    summary="Make an address for a calendar program to subscribe to.",
    description="Scope `plans:read` with a key of the agent's own, or `plans:write`. The answer has the "
    "`address`; it is told this once. Whoever has it may read the agent's published shifts until it is "
    "revoked or the agent is made inactive.",
)
async def add_address(request: Request, agent: str, who: Reader) -> dict[str, Any]:
    """Make an address; WrongStateError when there are too many."""
    house = house_of(request)
    await _check_may(house, agent, who)
    if len(await house.database.read(calendars.list_addresses, agent)) >= _MOST:
        raise WrongStateError(f"There are {_MOST} addresses already; revoke one that is not used.")
    secret, now = secrets.token_urlsafe(32), house.clock.now()
    row = await house.database.tx(calendars.add_address, agent, _digest(secret), now=now, actor=who.actor)
    return _address_json(row) | {"address": f"{request.base_url}calendars/{secret}.ics"}


@router.delete(
    "/v1/agents/{agent}/calendar-addresses/{address_id}",
    status_code=204,
    summary="Revoke an address; it can't be read from then on.",
)
async def revoke_address(request: Request, agent: str, address_id: int, who: Reader) -> None:
    """Revoke an address; NotFoundError when there is none."""
    house = house_of(request)
    await _check_may(house, agent, who)
    known = 0 < address_id < 2**62 and await house.database.tx(
        calendars.revoke_address, address_id, agent, now=house.clock.now(), actor=who.actor
    )
    if not known:
        raise NotFoundError(f"There is no address {address_id} of {agent}.")


def calendar(name: str, shifts: list[AssignmentRow], *, now: float, zone: str = "UTC") -> bytes:
    """Return shifts as a calendar; times are UTC, as every calendar understands, breaks the site's clock."""
    found = Calendar()
    found.add("prodid", "-//Rondo//roster//EN")
    found.add("version", "2.0")
    found.add("x-wr-calname", f"Shifts of {name}")
    found.add("refresh-interval", timedelta(hours=1), parameters={"VALUE": "DURATION"})
    for each in shifts:
        event = Event()
        event.add("uid", f"{each.agent_id}-{each.on}@rondo")
        event.add("dtstamp", _moment(now))
        event.add("dtstart", _moment(each.starts_at))
        event.add("dtend", _moment(each.ends_at))
        teams = ", ".join(dict.fromkeys(team for team, _, _ in each.work))
        # What the clock shows, not the kind of shift: it may be longer today, or the clocks may change.
        hours = f"{_local(each.starts_at, zone):%H:%M}-{_local(each.ends_at, zone):%H:%M}"
        event.add("summary", f"Shift {hours}" + (f": {teams}" if teams else ""))
        breaks = [
            f"{pause} {_local(since, zone):%H:%M}-{_local(until, zone):%H:%M}"
            for pause, since, until in each.breaks
        ]
        event.add("description", "; ".join(breaks))
        found.add_component(event)
    text: bytes = found.to_ical()
    return text


async def _answer(house: House, agent: str) -> Response:
    now = house.clock.now()
    names = await house.database.read(staff.agent_names)
    shifts = await house.database.read(plans.published_shifts, now - _BEFORE_S, now + _AFTER_S, agent)
    return Response(
        calendar(names[agent], shifts, now=now, zone=house.switchboard.policy.site.time_zone),
        media_type="text/calendar",
        headers={"Content-Disposition": 'inline; filename="roster.ics"'},
    )


async def _check_agent(house: House, agent: str) -> None:
    if agent not in await house.database.read(staff.agent_names):
        raise NotFoundError(f"There is no agent {agent!r}.")


async def _check_may(house: House, agent: str, who: Principal) -> None:
    """Refuse who is neither the agent nor a planner: the address outlives the key it was made with."""
    if who.agent_id != agent and "plans:write" not in who.scopes:
        raise ForbiddenError("Only the agent and planners may do this.")
    await _check_agent(house, agent)


def _address_json(row: calendars.AddressRow) -> dict[str, Any]:
    return {"id": row.id, "created_at": isoformat(row.created_at), "created_by": row.created_by}


def _digest(secret: str) -> str:
    # Secrets are 256 random bits, so a plain hash can't be searched.
    return hashlib.sha256(secret.encode()).hexdigest()


def _local(at: float, zone: str) -> datetime:
    return datetime.fromtimestamp(round(at), ZoneInfo(zone))


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(round(at), UTC)
