"""Plans: the rosters of a week in versions, from draft to published."""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request, Response

from app.api.bodies_plan import PlanChanges
from app.api.forecasts import WeekQuery, chosen_week
from app.api.paging import Cursor, page
from app.api.runs import queue_run
from app.auth import Principal, requires
from app.clock import isoformat
from app.db import plans
from app.db.engine import Connection
from app.db.plans import AssignmentRow, PlanRow
from app.errors import NotFoundError, WrongStateError
from app.house import House, house_of
from app.planning.changing import Change, changed_shifts, locked_days_off
from app.planning.coverage import hours_short_and_over
from app.planning.difference import Differing, difference
from app.planning.drafts import names_of
from app.planning.past import today
from app.planning.standing import changed_data, plan_starts, read_standing, rules_broken, with_locks
from app.planning.terms import read_planning
from staffing.intervals import utc_iso

router = APIRouter(prefix="/v1/plans", tags=["plans"])

Reader = Annotated[Principal, Depends(requires("plans:read"))]
Writer = Annotated[Principal, Depends(requires("plans:write"))]


@router.get("", summary="List plans, newest first.")
async def list_plans(
    request: Request,
    _: Reader,
    wanted: Cursor,
    week: WeekQuery = None,
    state: Literal["draft", "published", "superseded"] | None = None,
) -> dict[str, Any]:
    """Return one page of plans without their assignments."""
    house = house_of(request)
    week_on = None
    if week is not None:
        planning = await house.database.read(read_planning)
        week_on = chosen_week(planning, week, house.clock.now()).isoformat()
    found = await house.database.read(
        plans.list_plans, before=wanted.before, limit=wanted.limit + 1, week_on=week_on, state=state
    )
    return page(found, wanted, lambda row: row.id, plan_json)


@router.get("/{plan_id}.csv", summary="A plan's shifts as CSV.", response_class=Response)
async def get_csv(request: Request, plan_id: int, _: Reader) -> Response:
    """Return one line per shift: agent, name, date, shift, start and end (site's clock), breaks, teams.

    Breaks are times of day, with their offset in a shift into which a clock change falls.
    """
    house = house_of(request)
    row = await found_plan(house, plan_id)
    shifts = await house.database.read(plans.list_assignments, plan_id)
    name = f"roster-{row.week_on}-v{row.version}.csv"
    return Response(
        plan_csv(row, shifts),
        media_type="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@router.get(
    "/{plan_id}",
    summary="A plan: who works when, and the coverage of every interval.",
    description="`assignments`: per shift `agent`, `name`, `on`, `shift`, `starts_at`, `ends_at`, `locked`, "
    "`breaks` [{name, starts_at, ends_at}] and `work` [{team, starts_at, ends_at}]; `locked_days_off` "
    "[{agent, on}] stay as well. `intervals`: interval "
    "starts; `coverage.{team}`: columns of the same length: `forecast` (contacts), `load` (erlangs), "
    "`required` (agents taking work), `rostered` (people wanted, shrinkage added), `staffed` (people working "
    "for the team), with `short_hours` and `surplus_hours` against `rostered`. `objective` is the roster's "
    "price by `costs`, `bound` what no roster can beat, `gap` their distance as a share, all three of the "
    "`weeks_together` that were searched as one; `conflicts` "
    "[{agent, name, rules, given_up}] are rules that could not all hold; `findings` [{name, severity, "
    "subject, text}] what else was doubtful before the search.",
)
async def get_plan(request: Request, plan_id: int, _: Reader) -> dict[str, Any]:
    """Return a plan in full."""
    house = house_of(request)
    row = await found_plan(house, plan_id)
    shifts = await house.database.read(plans.list_assignments, plan_id)
    return full_plan_json(row, shifts)


@router.get(
    "/{plan_id}/difference",
    summary="What changes from another plan of the week to this one.",
    description="`items` by date and agent: `before` and `after` (kinds of shift, null for a day off), "
    "`changed` (of shift, times, breaks and teams what differs) and `was` and `becomes`, the shifts in full "
    "as in a plan's `assignments`.",
)
async def get_difference(
    request: Request,
    plan_id: int,
    _: Reader,
    since: Annotated[int | None, Query(ge=1, description="None: the week's published plan.")] = None,
) -> dict[str, Any]:
    """Return the agents' days on which the shift, its times, breaks or teams are others."""
    house = house_of(request)
    row = await found_plan(house, plan_id)
    if since is None:
        other = await house.database.read(plans.published_plan, row.week_on)
    else:
        other = await found_plan(house, since)
        if other.week_on != row.week_on:
            raise WrongStateError(f"Plan {since} is of the week of {other.week_on}, not {row.week_on}.")
    old = await house.database.read(plans.list_assignments, other.id) if other is not None else []
    new = await house.database.read(plans.list_assignments, plan_id)
    names = names_of(other.data if other is not None else {}) | names_of(row.data)
    return {
        "plan": plan_id,
        "since": other.id if other is not None else None,
        "items": [_difference_json(each, names) for each in difference(old, new)],
        "next": None,
    }


@router.post(
    "/{plan_id}/changes",
    summary="Change shifts of a plan by hand.",
    description="A draft is changed as it is; of another plan a new draft is made. Changed days are locked "
    "(they stay when the roster is made anew) unless `locked` is false. The answer is the plan in full with "
    "`broken_rules` in words; they are shown, not enforced.",
)
async def change_plan(request: Request, plan_id: int, given: PlanChanges, who: Writer) -> dict[str, Any]:
    """Put, move, take away or lock shifts."""
    house = house_of(request)
    row = await found_plan(house, plan_id)
    standing = await house.database.read(read_standing, row)
    changes = [Change(each.agent, each.on.isoformat(), each.shift, each.locked) for each in given.changes]
    shifts = await asyncio.to_thread(changed_shifts, standing, changes)
    data = await asyncio.to_thread(changed_data, standing, shifts)
    data["locked_off"] = locked_days_off(standing, changes)
    after = with_locks(standing, shifts, data["locked_off"])
    broken = await asyncio.to_thread(rules_broken, after, shifts)
    new_id = await house.database.tx(
        _store_changes, row, data, shifts, now=house.clock.now(), actor=who.actor
    )
    return full_plan_json(await found_plan(house, new_id), shifts) | {"broken_rules": broken}


@router.post(
    "/{plan_id}/publish",
    summary="Publish a draft; the week's published plan is superseded.",
    description="Where the plan has today among its days, a run of kind `intraday` looks at the day anew.",
)
async def publish(request: Request, plan_id: int, who: Writer) -> dict[str, Any]:
    """Publish a draft; WrongStateError when it is none."""
    house = house_of(request)
    row = await found_plan(house, plan_id)
    if not await house.database.tx(plans.publish_plan, plan_id, now=house.clock.now(), actor=who.actor):
        raise WrongStateError(
            f"Plan {plan_id} is {row.state}; only a draft can be published.", state=row.state
        )
    on = today((await house.database.read(read_planning)).grid, house.clock.now())
    first_on = date.fromisoformat(row.week_on)
    if first_on <= on < first_on + timedelta(days=row.days):
        await queue_run(house, "intraday", {}, who.actor)
    return plan_json(await found_plan(house, plan_id))


@router.delete("/{plan_id}", status_code=204, summary="Throw a draft away.")
async def delete_plan(request: Request, plan_id: int, _: Writer) -> None:
    """Delete a draft; WrongStateError when it is none."""
    house = house_of(request)
    row = await found_plan(house, plan_id)
    if not await house.database.tx(plans.delete_draft, plan_id):
        raise WrongStateError(f"Plan {plan_id} is {row.state}; only a draft can be deleted.", state=row.state)


async def found_plan(house: House, plan_id: int) -> PlanRow:
    """Return a plan; raises NotFoundError."""
    row = await house.database.read(plans.find_plan, plan_id) if 0 < plan_id < 2**62 else None
    if row is None:
        raise NotFoundError(f"There is no plan {plan_id}.")
    return row


def plan_json(row: PlanRow) -> dict[str, Any]:
    """Return a plan without shifts and coverage."""
    names = ("status", "objective", "bound", "gap", "costs", "seed", "elapsed_s", "conflicts")
    findings: list[dict[str, Any]] = row.data.get("findings", [])
    return {
        "id": row.id,
        "week": row.week_on,
        "days": row.days,
        "version": row.version,
        "state": row.state,
        "note": row.note,
        "run_id": row.run_id,
        "made_at": isoformat(row.made_at),
        "made_by": row.made_by,
        "published_at": isoformat(row.published_at),
        "published_by": row.published_by,
        "minutes": row.data["minutes"],
        "zone": row.data["zone"],
        **{name: row.data[name] for name in names},
        "weeks_together": weeks_together(row),
        "repeatable": row.data.get("repeatable"),
        "cut_short": row.data.get("cut_short"),
        "findings": findings,
    }


def weeks_together(row: PlanRow) -> int:
    """Return of how many weeks a plan's price is: those searched together, until it is changed by hand."""
    return 1 if row.data["status"] == "edited" else int(row.data.get("weeks_together", 1))


def full_plan_json(row: PlanRow, shifts: list[AssignmentRow]) -> dict[str, Any]:
    """Return a plan with its shifts and its coverage."""
    names = names_of(row.data)
    return plan_json(row) | {
        "shifts": row.data["shifts"],
        "locked_days_off": [{"agent": agent, "on": on} for agent, on in row.data.get("locked_off", [])],
        "people": [{"agent": key, "name": name} for key, name in names.items()],
        "assignments": [assignment_json(each, names) for each in shifts],
        "intervals": [utc_iso(int(at)) for at in plan_starts(row)],
        "coverage": {team: _coverage_json(row, each) for team, each in row.data["teams"].items()},
    }


def assignment_json(each: AssignmentRow, names: dict[str, str]) -> dict[str, Any]:
    """Return one shift of a named person."""
    return {
        "agent": each.agent_id,
        "name": names.get(each.agent_id, each.agent_id),
        "on": each.on,
        "shift": each.shift,
        "starts_at": utc_iso(each.starts_at),
        "ends_at": utc_iso(each.ends_at),
        "locked": each.locked,
        "breaks": [
            {"name": name, "starts_at": utc_iso(since), "ends_at": utc_iso(until)}
            for name, since, until in each.breaks
        ],
        "work": [
            {"team": team, "starts_at": utc_iso(since), "ends_at": utc_iso(until)}
            for team, since, until in each.work
        ],
    }


def _difference_json(each: Differing, names: dict[str, str]) -> dict[str, Any]:
    before, after = each.before, each.after
    return {
        "agent": each.agent_id,
        "name": names.get(each.agent_id, each.agent_id),
        "on": each.on,
        "before": before.shift if before is not None else None,
        "after": after.shift if after is not None else None,
        "changed": list(each.changed),
        "was": assignment_json(before, names) if before is not None else None,
        "becomes": assignment_json(after, names) if after is not None else None,
    }


def plan_csv(row: PlanRow, shifts: list[AssignmentRow]) -> str:
    """Return a plan's shifts as CSV with the site's clock times."""
    names, zone = names_of(row.data), ZoneInfo(row.data["zone"])
    out = io.StringIO()
    write = csv.writer(out, lineterminator="\r\n").writerow
    write(["agent", "name", "date", "shift", "start", "end", "breaks", "teams"])
    for each in shifts:
        clock = _clock if _clock_stays(each, zone) else _clock_with_offset
        breaks = "; ".join(
            f"{name} {clock(since, zone)}-{clock(until, zone)}" for name, since, until in each.breaks
        )
        teams = "; ".join(dict.fromkeys(team for team, _, _ in each.work))
        write(
            [
                each.agent_id,
                _harmless(names.get(each.agent_id, each.agent_id)),
                each.on,
                each.shift,
                _local(each.starts_at, zone),
                _local(each.ends_at, zone),
                breaks,
                teams,
            ]
        )
    return out.getvalue()


def _store_changes(
    conn: Connection,
    row: PlanRow,
    data: dict[str, Any],
    shifts: list[AssignmentRow],
    *,
    now: float,
    actor: str,
) -> int:
    present = plans.find_plan(conn, row.id)
    if present is not None and present.state == "draft":
        plans.put_plan_data(conn, row.id, data)
        plans.put_assignments(conn, row.id, shifts)
        return row.id
    plan_id, _ = plans.add_plan(
        conn,
        row.week_on,
        row.days,
        data,
        shifts,
        run_id=row.run_id,
        made_at=now,
        made_by=actor,
        note=f"changed from version {row.version}",
    )
    return plan_id


def _coverage_json(row: PlanRow, each: dict[str, Any]) -> dict[str, Any]:
    short, over = hours_short_and_over(each["rostered"], each["staffed"], row.data["minutes"])
    return {
        "forecast": each["volume"],
        "load": each["load"],
        "required": each["required"],
        "rostered": each["rostered"],
        "staffed": each["staffed"],
        "targets": each["targets"],
        "short_hours": short,
        "surplus_hours": over,
    }


def _harmless(text: str) -> str:
    """Return text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _local(at: float, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(at, zone).isoformat(timespec="minutes")


def _clock(at: float, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(at, zone).strftime("%H:%M")


def _clock_with_offset(at: float, zone: ZoneInfo) -> str:
    return _local(at, zone).partition("T")[2]


def _clock_stays(each: AssignmentRow, zone: ZoneInfo) -> bool:
    """Whether no clock change falls into a shift."""
    begin, end = (datetime.fromtimestamp(at, zone) for at in (each.starts_at, each.ends_at))
    return begin.utcoffset() == end.utcoffset()
