"""Planning runs: start one, watch it, stop it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter, Body, Depends, Query, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from app.api.bodies_plan import NewRun
from app.api.paging import Cursor, page
from app.auth import Principal, requires
from app.clock import isoformat
from app.db import runs
from app.errors import NotFoundError, WrongStateError
from app.house import House, house_of
from app.scheduler import JOBS, next_slot, params_by_setting

router = APIRouter(prefix="/v1/runs", tags=["planning runs"])

Reader = Annotated[Principal, Depends(requires("plans:read"))]
Writer = Annotated[Principal, Depends(requires("plans:write"))]

_LOOK_S: Final = 0.5
_FIRST_LOOK_S: Final = 0.05


_LONG: Final = ("by_interval",)
"""Parts of results that fill pages of a list; the run itself has them."""


def run_json(run: runs.Run) -> dict[str, Any]:
    """Return a run as callers see it: `progress` is 0 to 1, `took_s` real seconds."""
    return {
        "id": run.id,
        "kind": run.kind,
        "state": run.state,
        "params": run.params,
        "job": run.job,
        "slot": isoformat(run.slot),
        "progress": round(run.progress, 4),
        "message": run.message,
        "result": run.result,
        "error": run.error,
        "actor": run.actor,
        "created_at": isoformat(run.created_at),
        "started_at": isoformat(run.started_at),
        "finished_at": isoformat(run.finished_at),
        "took_s": round(run.took_s, 3) if run.took_s is not None else None,
        "attempts": run.attempts,
    }


@router.post(
    "",
    status_code=202,
    summary="Start a planning run.",
    description="`kind` is forecast, require, design, roster, simulate, intraday, train or "
    "housekeeping; `params` depends on it. "
    "The answer is the run; follow it at `/v1/runs/{id}` or `/v1/runs/{id}/stream`. A done forecast has "
    "`result.forecasts` {team: id}; a requirement `result.week`, `result.requirements`, `result.pools`; a "
    "roster `result.plans` [{id, week, version, shifts}] with `status`, `objective`, `bound`, `gap`, "
    "`conflicts` [{agent, name, rules, given_up}] and `findings`; with `check_only` these two alone. A "
    "simulation has `teams.{team}.{figure}` {value, low, high} with 95 % bounds for service_level, asa_s, "
    "abandonment and occupancy, `by_interval.{team}.{figure}` {value, low, high} as columns over "
    "`intervals`, and, when something is to be different (volume, handle_time, patience, more_absence, "
    "policy), `changed` with the same and `difference`. A training has `result.classifier_id`, null with a "
    "`reason` where too few resolved tickets have a text.",
)
async def start_run(
    request: Request, response: Response, given: Annotated[NewRun, Body()], who: Writer
) -> dict[str, Any]:
    """Queue a run."""
    house = house_of(request)
    told = params_by_setting(house.settings).get(given.kind, {})
    params = told | given.params.model_dump(mode="json", exclude_defaults=True)
    run = await queue_run(house, given.kind, params, who.actor)
    response.headers["Location"] = f"/v1/runs/{run.id}"
    return run_json(run)


@router.get("", summary="List planning runs, newest first.")
async def list_runs(
    request: Request,
    _: Reader,
    wanted: Cursor,
    kind: Annotated[str | None, Query(max_length=40)] = None,
    state: Literal["queued", "running", "done", "failed", "cancelled"] | None = None,
    job: Annotated[str | None, Query(max_length=80)] = None,
) -> dict[str, Any]:
    """Return one page of runs."""
    found = await house_of(request).database.read(
        runs.list_runs, before=wanted.before, limit=wanted.limit + 1, kind=kind, state=state, job=job
    )
    return page(found, wanted, lambda run: run.id, _listed_json)


@router.get("/jobs", summary="What is planned to run by itself, and when next.")
async def list_jobs(request: Request, _: Reader) -> dict[str, Any]:
    """Return per job `name`, `kind`, `when` (cron fields, site's clock), `next_at` and its newest `run`."""
    house = house_of(request)
    zone = house.switchboard.policy.site.time_zone
    items = []
    for job in JOBS:
        newest = await house.database.read(runs.list_runs, before=None, limit=1, job=job.name)
        items.append(
            {
                "name": job.name,
                "kind": job.kind,
                "when": job.when,
                "next_at": isoformat(next_slot(job, zone, house.clock.now())),
                "run": run_json(newest[0]) if newest else None,
            }
        )
    leads = house.scheduler is not None and house.scheduler.leading.is_set()
    return {"items": items, "leads": leads, "next": None}


@router.get("/{run_id}", summary="One planning run.")
async def get_run(request: Request, run_id: int, _: Reader) -> dict[str, Any]:
    """Return a run."""
    return run_json(await found_run(house_of(request), run_id))


@router.post("/{run_id}/cancel", status_code=202, summary="Ask a planning run to stop.")
async def cancel_run(request: Request, run_id: int, _: Writer) -> dict[str, Any]:
    """Cancel a queued run at once; a running one stops within seconds and saves nothing."""
    house = house_of(request)
    state = await house.database.tx(runs.cancel_run, run_id, house.clock.now())
    if state in ("done", "failed"):
        raise WrongStateError(f"The run has ended already: {state}.", state=state)
    return run_json(await found_run(house, run_id))


@router.get(
    "/{run_id}/stream",
    summary="Follow a planning run.",
    response_class=EventSourceResponse,
    description="Scope `plans:read`. Server-sent events `progress` with the run as JSON whenever it moved; "
    "the last one is `end`, with its result or error.",
)
async def follow_run(request: Request, run_id: int, _: Reader) -> EventSourceResponse:
    """Stream how far a run is until it has ended."""
    house = house_of(request)
    await found_run(house, run_id)
    return EventSourceResponse(_moves(house, run_id), ping=15)


def _listed_json(run: runs.Run) -> dict[str, Any]:
    found = run_json(run)
    for part in (found["result"] or {}, (found["result"] or {}).get("changed", {})):
        for name in _LONG:
            part.pop(name, None)
    return found


async def queue_run(
    house: House, kind: str, params: dict[str, Any], actor: str, *, data: bytes | None = None
) -> runs.Run:
    """Store a new run and wake the worker of this process, if there is one."""
    new = runs.NewRun(kind, params, actor, house.clock.now())
    packed = None if data is None else await asyncio.to_thread(runs.packed_input, data)
    run_id = await house.database.tx(runs.add_run, new, packed=packed)
    assert run_id is not None  # noqa: S101  without a job nothing can be in its way
    if house.worker is not None:
        house.worker.wake()
    return await found_run(house, run_id)


async def found_run(house: House, run_id: int) -> runs.Run:
    """Return a run; raises NotFoundError."""
    run = await house.database.read(runs.find_run, run_id) if 0 < run_id < 2**62 else None
    if run is None:
        raise NotFoundError(f"There is no run {run_id}.")
    return run


async def ended_run(house: House, run_id: int, *, limit_s: float) -> runs.Run:
    """Return a run when it has ended, or as it is after `limit_s`."""
    run = await found_run(house, run_id)
    waited_s, pause_s = 0.0, _FIRST_LOOK_S
    while run.state in runs.OPEN and waited_s < limit_s:
        await asyncio.sleep(pause_s)
        waited_s += pause_s
        pause_s = min(2 * pause_s, _LOOK_S)
        run = await found_run(house, run_id)
    return run


async def _moves(house: House, run_id: int) -> AsyncIterator[ServerSentEvent]:
    last = b""
    while True:
        run = await found_run(house, run_id)
        over = run.state not in runs.OPEN
        data = msgspec.json.encode(run_json(run))
        if data != last:
            last = data
            yield ServerSentEvent(data=data.decode(), event="end" if over else "progress")
        if over:
            return
        await asyncio.sleep(_LOOK_S)
