"""Today: what came against the forecast, the gaps to come and what to do, and who keeps the roster."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request

from app.api.bodies_plan import CarryOut
from app.api.forecasts import known_team
from app.api.runs import queue_run
from app.auth import Principal, requires
from app.clock import isoformat
from app.db import day_changes, forecasts
from app.db.day_changes import DayChange
from app.errors import NotFoundError, UnknownReferenceError, WrongStateError
from app.house import House, house_of
from app.overflowing import end_overflow, plan_overflow
from app.planning import carrying_out
from app.planning.keeping import adherence_of_day
from app.planning.past import today
from app.planning.standing import rules_broken
from app.planning.terms import read_planning

router = APIRouter(prefix="/v1", tags=["intraday"])

Reader = Annotated[Principal, Depends(requires("plans:read"))]


async def steers(request: Request) -> Principal:
    """Return who asks: a planner, or a lead who steers the day."""
    who = await house_of(request).keyring.principal(request)
    if "floor:lead" not in who.scopes:
        who.require("plans:write")
    return who


Steerer = Annotated[Principal, Depends(steers)]
_CHOSEN: Final = ("time_off", "training")
"""Kinds of proposals that are for one of several agents."""
_CHANGE = (
    "`id`, `kind`, `team`, `agent`, `to_team`, `starts_at`, `ends_at`, `text`, `reason`, `made_at`, "
    "`made_by`, `plan` (the new version of the roster, null for an overflow), `begun`, `ended_at` and "
    "`ended_by` (of an overflow; null while it holds)"
)


@router.get("/intraday", summary="How today goes, team by team.")
async def list_intraday(request: Request, _: Reader) -> dict[str, Any]:
    """Return per team the day's busyness, contacts so far, largest gap to come and number of actions.

    `busyness`, `expected_so_far` and `actual_so_far` are null until a whole interval of today was seen.
    """
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
    "(staffed less wanted), `service_level` expected with `staffed`. `unusual`: how likely the day is none "
    "of those that the forecast was learnt from. `actions`: `kind` (move_break, lend, "
    "overtime, overflow, time_off, training), `agent` and `name`, `to_team` of an overflow, `agents`, "
    "`starts_at`, `ends_at`, `text` (names, the site's clock), `who` could take time off or be trained, "
    "`service_level_before` and `_after`; an `id` to carry it out by. `carried_out`: what was, newest first. "
    "A run of kind `intraday` brings it up to date; it runs every quarter of an hour by itself.",
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
    done = await house.database.read(day_changes.list_changes, on, team)
    return {
        "team": team,
        "made_at": isoformat(found[0]),
        "carried_out": [change_json(each) for each in done],
        **found[1],
    }


@router.post(
    "/intraday/{team}/actions/{action}",
    status_code=201,
    summary="Carry out what is proposed.",
    description="Scope `plans:write` or `floor:lead`. `action` is the `id` of a proposal. Who is moved, "
    "lent, kept longer, trained or sent home is so in the next version of the published roster, at once; "
    "`agent` says who is trained or takes time off. An overflow lets agents of `to_team` take what has "
    "waited past the target, by a new version of the policy, from `starts_at` until `ends_at` or until it "
    "is ended. `reason` is kept with your name. "
    f"The answer: {_CHANGE}, `broken_rules` (those of the roster that did hold before, in words; shown, not "
    "enforced), and the `run` that looks at the day again. 409 when the roster has changed since the "
    "proposal was made, or it is too late for it.",
)
async def carry_out(
    request: Request, team: str, action: str, given: CarryOut, who: Steerer
) -> dict[str, Any]:
    """Carry out a proposal of today; NotFoundError when it is none."""
    house = house_of(request)
    planning = await house.database.read(read_planning)
    known_team(planning, team)
    on = today(planning.grid, house.clock.now()).isoformat()
    found = await house.database.read(forecasts.find_intraday, team, on)
    proposals = found[1]["actions"] if found is not None else []
    proposal = next((each for each in proposals if each.get("id") == action), None)
    if found is None or proposal is None:
        raise NotFoundError("This is not proposed any more; the day was looked at again.")
    values = {
        "on": on,
        "team_id": team,
        "kind": proposal["kind"],
        "agent_id": None,
        "to_team_id": proposal["to_team"],
        "starts_at": carrying_out.instant(proposal["starts_at"]),
        "ends_at": carrying_out.instant(proposal["ends_at"]),
        "text": proposal["text"],
        "reason": given.reason,
        "made_at": house.clock.now(),
        "made_by": who.actor,
    }
    broken: list[str] = []
    if proposal["kind"] == "overflow":
        change = await _overflow(house, values)
    else:
        change, broken = await _change_roster(house, proposal, given, values, found[1].get("plans", []))
    run = await queue_run(house, "intraday", {}, who.actor)
    return change_json(change) | {"broken_rules": broken, "run": run.id}


@router.post(
    "/intraday/overflows/{change}/end",
    summary="End an overflow before its time.",
    description="Scope `plans:write` or `floor:lead`. The policy is put back by a new version.",
)
async def end(request: Request, change: int, who: Steerer) -> dict[str, Any]:
    """End an overflow; WrongStateError when it has ended."""
    house = house_of(request)
    row = await house.database.read(day_changes.find_change, change) if 0 < change < 2**62 else None
    if row is None or row.kind != "overflow":
        raise NotFoundError(f"There is no overflow {change}.")
    if row.ended_at is not None:
        raise WrongStateError("This overflow has ended already.")
    await end_overflow(house, row, actor=who.actor)
    return change_json(await _found(house, change))


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


def change_json(row: DayChange) -> dict[str, Any]:
    """Return what was carried out as callers see it."""
    return {
        "id": row.id,
        "kind": row.kind,
        "team": row.team_id,
        "agent": row.agent_id,
        "to_team": row.to_team_id,
        "starts_at": isoformat(row.starts_at),
        "ends_at": isoformat(row.ends_at),
        "text": row.text,
        "reason": row.reason,
        "made_at": isoformat(row.made_at),
        "made_by": row.made_by,
        "plan": row.plan_id,
        "begun": row.kind != "overflow" or row.after_s is not None,
        "ended_at": isoformat(row.ended_at),
        "ended_by": row.ended_by,
    }


async def _overflow(house: House, values: dict[str, Any]) -> DayChange:
    if values["ends_at"] <= values["made_at"]:
        raise WrongStateError("It is too late for that; look at the day again.")
    return await plan_overflow(house, values)


async def _change_roster(
    house: House, proposal: dict[str, Any], given: CarryOut, values: dict[str, Any], seen: list[int]
) -> tuple[DayChange, list[str]]:
    """Change the published roster; return what was done, and the rules that are broken only since."""
    who = _chosen(proposal, given)
    on: str = values["on"]
    standing = await house.database.read(carrying_out.read_standing_of, who["on"], on, seen)
    shifts = carrying_out.changed_by(standing, proposal, who, now=values["made_at"])
    before = await asyncio.to_thread(rules_broken, standing, standing.shifts)
    after = await asyncio.to_thread(rules_broken, standing, shifts)
    text = who["text"] if proposal["kind"] in _CHOSEN else proposal["text"]
    made = values | {"agent_id": who["agent"], "text": text}
    change_id = await house.database.tx(carrying_out.carry_out, standing, shifts, made)
    return await _found(house, change_id), [each for each in after if each not in before]


def _chosen(proposal: dict[str, Any], given: CarryOut) -> dict[str, Any]:
    """Return whose shift changes, and how."""
    if proposal["kind"] not in _CHOSEN:
        return proposal
    who = next((each for each in proposal["who"] if each["agent"] == given.agent), None)
    if who is None:
        known = [each["agent"] for each in proposal["who"]]
        raise UnknownReferenceError("Say which `agent` it is for.", known=known)
    found: dict[str, Any] = who
    return found


async def _found(house: House, change_id: int) -> DayChange:
    row = await house.database.read(day_changes.find_change, change_id)
    if row is None:
        raise NotFoundError(f"There is no change {change_id}.")
    return row
