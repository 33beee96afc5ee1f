"""Swaps, and what requests would do to the published roster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request

from app.api.bodies_plan import Decision, NewSwap
from app.api.staff import check_may_ask, time_off_checks
from app.auth import Principal, requires
from app.clock import isoformat
from app.db import plans, staff, swaps
from app.db.engine import Connection
from app.errors import NotFoundError, WrongStateError
from app.house import House, house_of
from app.planning import requests as asked
from app.planning.standing import Standing, read_standing

router = APIRouter(prefix="/v1", tags=["requests"])

Reader = Annotated[Principal, Depends(requires("plans:read"))]
Writer = Annotated[Principal, Depends(requires("plans:write"))]
_CHECK = (
    "`fits` is false when a team would be shorter than now or a rule broken that holds now; "
    "`broken_rules` in words; `short` [{team, starts_at, missing_before, missing_after}]; "
    "`cost_change` of the cover; `stand_ins` {date: agents who could take the shift over}."
)


@router.get(
    "/time-off/{time_off_id}/check",
    summary="What granting time off would do to the published rosters.",
    description=f"`items`: one check per published plan of those days. {_CHECK}",
)
async def check_time_off(request: Request, time_off_id: int, _: Reader) -> dict[str, Any]:
    """Check a request for time off; `items` is empty where no roster is published yet."""
    house = house_of(request)
    row = await house.database.read(staff.find_time_off, time_off_id)
    if row is None:
        raise NotFoundError(f"There is no time off {time_off_id}.")
    return await time_off_checks(house, row.agent_id, row.first_on, row.last_on) | {"next": None}


@router.get("/swaps", summary="Swaps that were asked for, newest first.")
async def list_swaps(
    request: Request,
    _: Reader,
    state: Literal["requested", "granted", "refused"] | None = None,
    agent: Annotated[str | None, Query(max_length=64)] = None,
) -> dict[str, Any]:
    """Return the newest swaps."""
    rows = await house_of(request).database.read(swaps.list_swaps, state=state, agent_id=agent)
    return {"items": [swap_json(row) for row in rows], "next": None}


@router.post(
    "/swaps",
    status_code=201,
    summary="Ask for a swap of shifts of a published roster.",
    description=f"The answer has the swap and its `check`. {_CHECK}",
)
async def add_swap(request: Request, given: NewSwap, who: Reader) -> dict[str, Any]:
    """Store a swap; WrongStateError when there is no published roster or no such shift."""
    house = house_of(request)
    await check_may_ask(request, who, given.agent)
    on, other_on = given.on.isoformat(), (given.other_on or given.on).isoformat()
    rows = await house.database.read(asked.published_between, on, on)
    plan = next((row for row in rows if row.week_on <= on), None)
    if plan is None:
        raise WrongStateError(f"No roster is published for {on}.")
    standing = await house.database.read(read_standing, plan)
    sides = {"agent_id": given.agent, "on": on, "other_agent_id": given.other_agent, "other_on": other_on}
    check = await asyncio.to_thread(asked.swap_check, standing, **sides)
    values = sides | {
        "plan_id": plan.id,
        "state": "requested",
        "note": given.note,
        "asked_at": house.clock.now(),
        "asked_by": who.actor,
    }
    new_id = await house.database.tx(_add_once, values)
    return swap_json(await _found(house, new_id)) | {"check": check}


@router.get(
    "/swaps/{swap_id}",
    summary="A swap and what it would do now.",
    description="`check` is null once it is decided, or when it can't be carried out any more; `obstacle` "
    "then says why not.",
)
async def get_swap(request: Request, swap_id: int, _: Reader) -> dict[str, Any]:
    """Return a swap with its effect on the roster as it is published now."""
    house = house_of(request)
    row = await _found(house, swap_id)
    check, obstacle = None, None
    if row.state == "requested":
        try:
            standing = await _standing(house, row)
            check = await asyncio.to_thread(asked.swap_check, standing, **_sides(row))
        except WrongStateError as error:
            obstacle = error.detail
    return swap_json(row) | {"check": check, "obstacle": obstacle}


@router.post("/swaps/{swap_id}/grant", summary="Grant a swap: it becomes the next version of the roster.")
async def grant_swap(request: Request, swap_id: int, given: Decision, who: Writer) -> dict[str, Any]:
    """Carry a swap out on the published roster; `new_plan` is its new version."""
    house = house_of(request)
    row = await _found(house, swap_id)
    standing = await _standing(house, row)
    shifts = asked.swapped_shifts(standing, **_sides(row))
    note = f"swap {row.id}: {row.agent_id} and {row.other_agent_id}"
    decide = _decision(row.id, "granted", given, who, house)
    plan_id = await house.database.tx(
        _carry_out, standing, shifts, decide, house.clock.now(), who.actor, note
    )
    return swap_json(await _found(house, swap_id)) | {"new_plan": plan_id}


@router.post("/swaps/{swap_id}/refuse", summary="Refuse a swap.")
async def refuse_swap(request: Request, swap_id: int, given: Decision, who: Writer) -> dict[str, Any]:
    """Refuse a swap."""
    house = house_of(request)
    await _found(house, swap_id)
    await house.database.tx(_decision(swap_id, "refused", given, who, house))
    return swap_json(await _found(house, swap_id))


def swap_json(row: swaps.SwapRow) -> dict[str, Any]:
    """Return a swap as callers see it."""
    return {
        "id": row.id,
        "plan": row.plan_id,
        "agent": row.agent_id,
        "on": row.on,
        "other_agent": row.other_agent_id,
        "other_on": row.other_on,
        "state": row.state,
        "note": row.note,
        "asked_at": isoformat(row.asked_at),
        "asked_by": row.asked_by,
        "decided_at": isoformat(row.decided_at),
        "decided_by": row.decided_by,
        "reason": row.reason,
    }


async def _found(house: House, swap_id: int) -> swaps.SwapRow:
    row = await house.database.read(swaps.find_swap, swap_id)
    if row is None:
        raise NotFoundError(f"There is no swap {swap_id}.")
    return row


async def _standing(house: House, row: swaps.SwapRow) -> Standing:
    """Return the published plan of the swap's week, in whatever version it is now."""
    plan = await house.database.read(plans.find_plan, row.plan_id)
    now = await house.database.read(plans.published_plan, plan.week_on) if plan is not None else None
    if now is None:
        raise WrongStateError("The roster of that week is not published any more.")
    return await house.database.read(read_standing, now)


def _add_once(conn: Connection, values: dict[str, Any]) -> int:
    """Store a swap unless the same one is asked for already."""
    sides = ("agent_id", "on", "other_agent_id", "other_on")
    for row in swaps.list_swaps(conn, state="requested", agent_id=values["agent_id"]):
        if all(getattr(row, name) == values[name] for name in sides):
            raise WrongStateError("This swap is asked for already.", swap=row.id)
    return swaps.add_swap(conn, values)


def _sides(row: swaps.SwapRow) -> dict[str, str]:
    return {
        "agent_id": row.agent_id,
        "on": row.on,
        "other_agent_id": row.other_agent_id,
        "other_on": row.other_on or row.on,
    }


def _decision(
    swap_id: int, state: str, given: Decision, who: Principal, house: House
) -> Callable[[Connection], None]:
    now = house.clock.now()

    def decide(conn: Connection) -> None:
        done = swaps.decide_swap(conn, swap_id, state, now=now, actor=who.actor, reason=given.reason)
        if not done:
            raise WrongStateError(f"Swap {swap_id} is decided already.")

    return decide


def _carry_out(
    conn: Connection,
    standing: Standing,
    shifts: list[plans.AssignmentRow],
    decide: Callable[[Connection], None],
    now: float,
    actor: str,
    note: str,
) -> int:
    decide(conn)
    return asked.replace_published(conn, standing, shifts, now=now, actor=actor, note=note)
