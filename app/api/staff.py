"""The people who are rostered: contracts, time off, wishes."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Request

from app.api.bodies_plan import Contracts, Decision, NewTimeOff, NewWish
from app.auth import Principal, requires
from app.clock import isoformat
from app.db import plans, staff
from app.db.engine import Connection
from app.errors import ForbiddenError, NotFoundError, UnknownReferenceError, WrongStateError
from app.house import House, house_of
from app.planning import requests
from app.planning.standing import read_standing
from app.planning.terms import ContractTerms

router = APIRouter(prefix="/v1", tags=["staff"])

Reader = Annotated[Principal, Depends(requires("plans:read"))]
Writer = Annotated[Principal, Depends(requires("plans:write"))]
_TRIES: Final = 3
CONTRACTS_PATH: Final = "/v1/contracts"
MOST_BYTES: Final = 1 << 22
"""Largest body there: it may hold everybody's contract."""


@router.get("/contracts", summary="The contract of every agent who can be rostered.")
async def list_contracts(request: Request, _: Reader) -> dict[str, Any]:
    """Return per agent {agent, name, teams, preset, terms}; `preset` where none was agreed."""
    found = await house_of(request).database.read(_contracts)
    return {"items": found, "next": None}


@router.put("/contracts", summary="Agree contracts with several agents, all or none.")
async def put_contracts(request: Request, given: Contracts, who: Writer) -> dict[str, Any]:
    """Store contracts in place of those before; agents who are not named keep theirs.

    They hold from the next roster on. UnknownReferenceError names agents who can't be rostered.
    """
    house = house_of(request)
    wanted = {each.agent: each.terms.model_dump_json() for each in given.items}
    await house.database.tx(_agree, wanted, now=house.clock.now(), actor=who.actor)
    found = await house.database.read(_contracts)
    return {"items": [each for each in found if each["agent"] in wanted], "next": None}


@router.get("/contracts/{agent}", summary="An agent's contract.")
async def get_contract(request: Request, agent: str, _: Reader) -> dict[str, Any]:
    """Return one contract."""
    found = await house_of(request).database.read(_contracts)
    for each in found:
        if each["agent"] == agent:
            return each
    raise NotFoundError(f"There is no agent {agent!r} who can be rostered.")


@router.put("/contracts/{agent}", summary="Agree a contract with an agent.")
async def put_contract(request: Request, agent: str, given: ContractTerms, who: Writer) -> dict[str, Any]:
    """Store a contract in place of the one before; it holds from the next roster on."""
    house = house_of(request)
    await get_contract(request, agent, who)
    await house.database.tx(
        staff.put_contract, agent, given.model_dump_json(), now=house.clock.now(), actor=who.actor
    )
    return await get_contract(request, agent, who)


@router.delete("/contracts/{agent}", status_code=204, summary="Go back to the preset contract.")
async def delete_contract(request: Request, agent: str, _: Writer) -> None:
    """Forget what was agreed with an agent."""
    if not await house_of(request).database.tx(staff.delete_contract, agent):
        raise NotFoundError(f"No contract was agreed with {agent!r}; the preset holds.")


@router.get("/time-off", summary="Time off, granted and asked for.")
async def list_time_off(
    request: Request,
    _: Reader,
    first_on: date | None = None,
    last_on: date | None = None,
    state: Literal["requested", "granted", "refused"] | None = None,
    agent: Annotated[str | None, Query(max_length=64)] = None,
) -> dict[str, Any]:
    """Return time off that touches the dates, by first date."""
    rows = await house_of(request).database.read(
        staff.list_time_off,
        first_on=first_on.isoformat() if first_on else "",
        last_on=last_on.isoformat() if last_on else "9999",
        state=state,
        agent_id=agent,
    )
    return {"items": [time_off_json(row) for row in rows], "next": None}


@router.post(
    "/time-off",
    status_code=201,
    summary="Ask for time off, or grant it.",
    description="What is asked for is checked at once: `check` {items, fits} as of "
    "`/v1/time-off/{id}/check`. What is granted leaves the published roster, as `new_plans`.",
)
async def add_time_off(request: Request, given: NewTimeOff, who: Reader) -> dict[str, Any]:
    """Store time off: granted by one who may plan, requested by the agent's own key."""
    house = house_of(request)
    await check_may_ask(request, who, given.agent)
    plans_too = "plans:write" in who.scopes
    state = given.state if plans_too else "requested"
    now = house.clock.now()
    values = {
        "agent_id": given.agent,
        "first_on": given.first_on.isoformat(),
        "last_on": given.last_on.isoformat(),
        "kind": given.kind,
        "state": state,
        "note": given.note,
        "asked_at": now,
        "asked_by": who.actor,
        "decided_at": now if state == "granted" else None,
        "decided_by": who.actor if state == "granted" else None,
    }
    new_id = await house.database.tx(_add_time_off_once, values)
    found = await get_time_off(request, new_id, who)
    if state == "granted":
        return found | {"new_plans": await _take_off_roster(house, found, who.actor)}
    return found | {"check": await time_off_checks(house, given.agent, found["first_on"], found["last_on"])}


@router.get("/time-off/{time_off_id}", summary="Time off by id.")
async def get_time_off(request: Request, time_off_id: int, _: Reader) -> dict[str, Any]:
    """Return time off."""
    row = await house_of(request).database.read(staff.find_time_off, time_off_id)
    if row is None:
        raise NotFoundError(f"There is no time off {time_off_id}.")
    return time_off_json(row)


@router.post("/time-off/{time_off_id}/grant", summary="Grant time off that was asked for.")
async def grant(request: Request, time_off_id: int, given: Decision, who: Writer) -> dict[str, Any]:
    """Grant a request; shifts of those days leave the published roster, as `new_plans`."""
    granted = await _decide(request, time_off_id, "granted", given, who)
    return granted | {"new_plans": await _take_off_roster(house_of(request), granted, who.actor)}


@router.post("/time-off/{time_off_id}/refuse", summary="Refuse time off that was asked for.")
async def refuse(request: Request, time_off_id: int, given: Decision, who: Writer) -> dict[str, Any]:
    """Refuse a request."""
    return await _decide(request, time_off_id, "refused", given, who)


@router.delete("/time-off/{time_off_id}", status_code=204, summary="Take time off back.")
async def delete_time_off(request: Request, time_off_id: int, who: Reader) -> None:
    """Forget time off; an agent's own key only what is still a request of its own."""
    house = house_of(request)
    row = await house.database.read(staff.find_time_off, time_off_id)
    if row is None:
        raise NotFoundError(f"There is no time off {time_off_id}.")
    await check_may_ask(request, who, row.agent_id)
    if "plans:write" not in who.scopes and row.state != "requested":
        raise WrongStateError(f"It is {row.state} already; ask the planners.", state=row.state)
    await house.database.tx(staff.delete_time_off, time_off_id)


@router.get("/wishes", summary="What agents would like.")
async def list_wishes(
    request: Request,
    _: Reader,
    first_on: date | None = None,
    last_on: date | None = None,
    agent: Annotated[str | None, Query(max_length=64)] = None,
) -> dict[str, Any]:
    """Return wishes for the dates, by date."""
    rows = await house_of(request).database.read(
        staff.list_wishes,
        first_on=first_on.isoformat() if first_on else "",
        last_on=last_on.isoformat() if last_on else "9999",
        agent_id=agent,
    )
    return {"items": [_wish_json(row) for row in rows], "next": None}


@router.post("/wishes", status_code=201, summary="Wish for a day, or against it.")
async def add_wish(request: Request, given: NewWish, who: Reader) -> dict[str, Any]:
    """Store a wish; the roster grants it where its price allows."""
    house = house_of(request)
    await check_may_ask(request, who, given.agent)
    values: dict[str, Any] = {
        "agent_id": given.agent,
        "on": given.on.isoformat(),
        "works": given.works,
        "shift": given.shift,
        "weight": given.weight,
    }
    new_id = await house.database.tx(staff.add_wish, values)
    return _wish_json(staff.WishRow(new_id, *values.values()))


@router.delete("/wishes/{wish_id}", status_code=204, summary="Take a wish back.")
async def delete_wish(request: Request, wish_id: int, who: Reader) -> None:
    """Forget a wish."""
    house = house_of(request)
    row = await house.database.read(staff.find_wish, wish_id)
    if row is None:
        raise NotFoundError(f"There is no wish {wish_id}.")
    await check_may_ask(request, who, row.agent_id)
    await house.database.tx(staff.delete_wish, wish_id)


async def time_off_checks(house: House, agent_id: str, first_on: str, last_on: str) -> dict[str, Any]:
    """Return what days off would do to each published plan, and whether all of it fits."""
    items = []
    for plan in await house.database.read(requests.published_between, first_on, last_on):
        standing = await house.database.read(read_standing, plan)
        items.append(await asyncio.to_thread(requests.time_off_check, standing, agent_id, first_on, last_on))
    return {"items": items, "fits": all(each["fits"] for each in items)}


async def check_may_ask(request: Request, who: Principal, agent_id: str) -> None:
    """Raise unless the agent exists and `who` is that agent or may plan."""
    if "plans:write" not in who.scopes and who.agent_id != agent_id:
        raise ForbiddenError("A key without plans:write asks for its own agent only.", scope="plans:write")
    if agent_id not in await house_of(request).database.read(staff.agent_names):
        raise UnknownReferenceError(f"There is no agent {agent_id!r}.")


def time_off_json(row: staff.TimeOffRow) -> dict[str, Any]:
    """Return time off as callers see it."""
    return {
        "id": row.id,
        "agent": row.agent_id,
        "first_on": row.first_on,
        "last_on": row.last_on,
        "kind": row.kind,
        "state": row.state,
        "note": row.note,
        "asked_at": isoformat(row.asked_at),
        "asked_by": row.asked_by,
        "decided_at": isoformat(row.decided_at),
        "decided_by": row.decided_by,
        "reason": row.reason,
    }


async def _take_off_roster(house: House, granted: dict[str, Any], actor: str) -> list[int]:
    rows = await house.database.read(requests.published_between, granted["first_on"], granted["last_on"])
    made = [await _take_off_plan(house, row.week_on, granted, actor) for row in rows]
    return [plan_id for plan_id in made if plan_id is not None]


async def _take_off_plan(house: House, week_on: str, granted: dict[str, Any], actor: str) -> int | None:
    """Publish a week's roster without the shifts of somebody's days off; None where there are none."""
    agent, first, last = granted["agent"], granted["first_on"], granted["last_on"]
    for attempt in range(_TRIES):
        plan = await house.database.read(plans.published_plan, week_on)
        if plan is None:
            return None
        standing = await house.database.read(read_standing, plan)
        shifts = requests.without_shifts(standing, agent, first, last)
        if len(shifts) == len(standing.shifts):
            return None
        now, note = house.clock.now(), f"time off {granted['id']}: {agent}"
        try:
            return await house.database.tx(
                requests.replace_published, standing, shifts, now=now, actor=actor, note=note
            )
        except WrongStateError:  # somebody else changed the roster at the same time
            if attempt + 1 == _TRIES:
                raise
    return None


async def _decide(
    request: Request, row_id: int, state: str, given: Decision, who: Principal
) -> dict[str, Any]:
    house = house_of(request)
    present = await get_time_off(request, row_id, who)
    done = await house.database.tx(
        staff.decide_time_off, row_id, state, now=house.clock.now(), actor=who.actor, reason=given.reason
    )
    if not done:
        raise WrongStateError(f"It is {present['state']} already.", state=present["state"])
    return await get_time_off(request, row_id, who)


def _contracts(conn: Connection) -> list[dict[str, Any]]:
    agreed = staff.list_contracts(conn)
    return [
        {
            "agent": agent.id,
            "name": agent.name,
            "teams": list(agent.teams),
            "preset": agent.id not in agreed,
            "terms": ContractTerms.model_validate_json(agreed.get(agent.id, "{}")).model_dump(mode="json"),
        }
        for agent in staff.list_agents(conn)
    ]


def _agree(conn: Connection, wanted: dict[str, str], *, now: float, actor: str) -> None:
    known = {agent.id for agent in staff.list_agents(conn)}
    unknown = sorted(wanted.keys() - known)
    if unknown:
        raise UnknownReferenceError(
            f"Nobody who can be rostered: {', '.join(unknown[:20])}; nothing was agreed.",
            unknown=unknown[:100],
        )
    for agent_id, data in wanted.items():
        staff.put_contract(conn, agent_id, data, now=now, actor=actor)


def _add_time_off_once(conn: Connection, values: dict[str, Any]) -> int:
    """Store time off unless the same is granted or asked for already."""
    first, last, agent_id = values["first_on"], values["last_on"], values["agent_id"]
    for row in staff.list_time_off(conn, first_on=first, last_on=last, agent_id=agent_id):
        same = (row.first_on, row.last_on, row.kind) == (first, last, values["kind"])
        if same and row.state != "refused":
            raise WrongStateError(f"The same is {row.state} already.", time_off=row.id, state=row.state)
    return staff.add_time_off(conn, values)


def _wish_json(row: staff.WishRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "agent": row.agent_id,
        "on": row.on,
        "works": row.works,
        "shift": row.shift,
        "weight": row.weight,
    }
