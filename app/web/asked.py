"""What agents ask for (time off, swaps), each with what granting it would do to the published roster."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from fastapi import Request

from app.api.requests import check_time_off, get_swap, list_swaps
from app.auth import Principal
from app.db import staff as staff_rows
from app.house import House
from app.planning.terms import Planning

_CHECKED: Final = 12
"""Requests whose effect is worked out for a page; each takes a look at the whole roster."""
_MOST_STAND_INS: Final = 4


async def requests_of(
    house: House,
    request: Request,
    who: Principal,
    planning: Planning,
    *,
    first_on: str,
    agent_id: str | None = None,
) -> list[dict[str, Any]]:
    """Return what is asked for from a date on, by one agent or all: time off first, then swaps.

    Each has `path`, `name`, `what`, `note`, `effect` (words) and `fits` (None: no published roster).
    """
    names = await house.database.read(staff_rows.agent_names)
    rows = await house.database.read(
        staff_rows.list_time_off, first_on=first_on, last_on="9999", state="requested", agent_id=agent_id
    )
    found = [
        {
            "path": f"/v1/time-off/{row.id}",
            "name": names.get(row.agent_id, row.agent_id),
            "what": f"{row.kind.replace('_', ' ')} {days_words(row.first_on, row.last_on)}",
            "note": row.note,
            "checks": (await check_time_off(request, row.id, who))["items"] if i < _CHECKED else [],
        }
        for i, row in enumerate(rows)
    ]
    for swap in (await list_swaps(request, who, "requested", agent_id))["items"][:_CHECKED]:
        looked = await get_swap(request, swap["id"], who)
        other = names.get(swap["other_agent"], swap["other_agent"])
        found.append(
            {
                "path": f"/v1/swaps/{swap['id']}",
                "name": names.get(swap["agent"], swap["agent"]),
                "what": f"swap of {day_words(swap['on'])} with {other}, {day_words(swap['other_on'])}",
                "note": swap["note"],
                "checks": [looked["check"]] if looked["check"] else [],
                "obstacle": looked["obstacle"],
            }
        )
    for each in found:
        each["effect"] = [words for check in each["checks"] for words in effect(planning, check, names)]
        each["fits"] = all(check["fits"] for check in each["checks"]) if each["checks"] else None
        if each.get("obstacle"):
            each["effect"], each["fits"] = [f"It can't be carried out: {each['obstacle']}"], False
    return found


def effect(planning: Planning, check: dict[str, Any], names: dict[str, str]) -> list[str]:
    """Return in words what a request would do: rules broken, teams shorter and when, who could stand in."""
    zone = ZoneInfo(planning.grid.zone)
    hours: dict[str, list[datetime]] = {}
    for each in check["short"]:
        hours.setdefault(each["team"], []).append(datetime.fromisoformat(each["starts_at"]).astimezone(zone))
    short = [
        f"{planning.policy.teams[team].name if team in planning.policy.teams else team} would be short in "
        f"{len(at)} {'interval' if len(at) == 1 else 'intervals'}, "
        f"first {min(at):%a} {min(at).day} {min(at):%b %H:%M}"
        for team, at in hours.items()
    ]
    stand_ins = [
        f"{day_words(on)} could be taken by "
        + ", ".join(names.get(agent, agent) for agent in agents[:_MOST_STAND_INS])
        + (f" and {len(agents) - _MOST_STAND_INS} more" if len(agents) > _MOST_STAND_INS else "")
        for on, agents in check["stand_ins"].items()
        if agents and not check["fits"]
    ]
    return [*check["broken_rules"], *short, *stand_ins]


def day_words(on: str) -> str:
    """Return `Tue 3 Mar`."""
    day = date.fromisoformat(on)
    return f"{day:%a} {day.day} {day:%b}"


def days_words(first_on: str, last_on: str) -> str:
    """Return `Tue 3 Mar to Wed 4 Mar`, or the one day."""
    return day_words(first_on) + (f" to {day_words(last_on)}" if last_on != first_on else "")
