"""Where the command line plans: on the database itself, or through a running service. Both answer alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

import httpx
import msgspec
from pydantic import ValidationError

from app.api.forecasts import forecast_json, requirements_json, stored_forecast
from app.api.plans import full_plan_json
from app.api.runs import run_json
from app.clock import Clock
from app.db import forecasts, plans, runs
from app.db.engine import Database, open_database
from app.db.migrate import migrate
from app.errors import MalformedRequestError, NotFoundError
from app.planning.past import week_span
from app.planning.runs import KINDS
from app.planning.terms import read_planning, week_of
from app.settings import Settings
from app.worker import Worker

Told = Callable[[dict[str, Any]], None]

_LOOK_S: Final = 0.25
_SLOW_S: Final = 120.0


class RefusedError(Exception):
    """What was asked for can't be done; `problem` is the problem document."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(problem.get("detail") or problem.get("title", "refused"))
        self.problem = problem


class Place(Protocol):
    """Somewhere to plan; answers are those of the API."""

    async def run(
        self, kind: str, params: dict[str, Any], told: Told, *, data: bytes | None = None
    ) -> dict[str, Any]:
        """Carry a run out, telling how it moves, and return it as it ended."""

    async def forecast(self, team: str, week: str) -> dict[str, Any]:
        """Return a team's forecast of a week."""

    async def requirements(self, week: str) -> dict[str, Any]:
        """Return the requirements of a week."""

    async def plan(self, plan_id: int) -> dict[str, Any]:
        """Return a plan in full."""


@asynccontextmanager
async def at_database(settings: Settings) -> AsyncIterator[Place]:
    """Plan on the database; raises StorageUnavailableError where a service holds the SQLite file."""
    database = open_database(settings)
    try:
        await asyncio.to_thread(migrate, settings.database_url)
        start_at = settings.clock_start_at
        clock = Clock(speed=settings.clock_speed, start_at=start_at.timestamp() if start_at else None)
        yield _AtDatabase(database, clock, settings.solver_threads)
    finally:
        await database.close()


@asynccontextmanager
async def at_service(url: str, key: str) -> AsyncIterator[Place]:
    """Plan through the API of a running service."""
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=_SLOW_S) as client:
        yield _AtService(client)


_SOLVED: Final = ("roster", "design")


class _AtDatabase:
    def __init__(self, database: Database, clock: Clock, threads: int) -> None:
        self._database = database
        self._clock = clock
        self._threads = threads

    async def run(
        self, kind: str, params: dict[str, Any], told: Told, *, data: bytes | None = None
    ) -> dict[str, Any]:
        checked = _checked(kind, params)
        new = runs.NewRun(kind, checked, "command line", self._clock.now())
        packed = None if data is None else runs.packed_input(data)
        run_id = await self._database.tx(runs.add_run, new, packed=packed)
        assert run_id is not None  # noqa: S101  without a job nothing can be in its way
        # A solver may not look for half a minute whether to stop: in a child, Ctrl-C ends it at once.
        processes = int(kind in _SOLVED)
        worker = Worker(self._database, self._clock, processes=processes, threads=self._threads)
        work = asyncio.create_task(worker.carry_out(run_id))
        try:
            while True:
                done, _ = await asyncio.wait([work], timeout=_LOOK_S)
                run = await self._database.read(runs.find_run, run_id)
                assert run is not None  # noqa: S101  it was stored above
                told(run_json(run))
                if done and run.state not in runs.OPEN:
                    work.result()
                    return run_json(run)
                if done:  # another worker was faster
                    await asyncio.sleep(_LOOK_S)
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await worker.stop()

    async def forecast(self, team: str, week: str) -> dict[str, Any]:
        planning = await self._database.read(read_planning)
        week_on = week_of(planning.grid, week)
        since = week_span(planning.grid, week_on, 7)[0]
        row, overrides = await self._database.read(stored_forecast, team, week_on, None, since)
        if row is None:
            raise NotFoundError(f"There is no forecast of {team} for the week of {week_on}.")
        return forecast_json(planning, row, overrides, week_on)

    async def requirements(self, week: str) -> dict[str, Any]:
        planning = await self._database.read(read_planning)
        week_on = week_of(planning.grid, week)
        rows = await self._database.read(forecasts.list_requirements, week_on.isoformat())
        return requirements_json(planning, week_on, rows)

    async def plan(self, plan_id: int) -> dict[str, Any]:
        row = await self._database.read(plans.find_plan, plan_id)
        if row is None:
            raise NotFoundError(f"There is no plan {plan_id}.")
        return full_plan_json(row, await self._database.read(plans.list_assignments, plan_id))


def _checked(kind: str, params: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of a run as they are stored; RefusedError names those that are wrong."""
    try:
        found = KINDS[kind].params.model_validate(params)
    except ValidationError as error:
        faults = [
            {"pointer": "".join(f"/{part}" for part in fault["loc"]), "detail": fault["msg"]}
            for fault in error.errors()
        ]
        problem = MalformedRequestError(errors=faults).document()
        raise RefusedError(msgspec.json.decode(problem)) from None
    checked: dict[str, Any] = found.model_dump(mode="json", exclude_defaults=True)
    return checked


class _AtService:
    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def run(
        self, kind: str, params: dict[str, Any], told: Told, *, data: bytes | None = None
    ) -> dict[str, Any]:
        if data is not None:
            query: dict[str, Any] = {"wait_s": 0, **{k: v for k, v in params.items() if k != "teams"}}
            query["team"] = [f"{name}:{ours}" for name, ours in params.get("teams", {}).items()]
            run = await self._ask("POST", "/v1/history/import", params=query, content=data)
        else:
            run = await self._ask("POST", "/v1/runs", json={"kind": kind, "params": params})
        try:
            while run["state"] in runs.OPEN:
                told(run)
                await asyncio.sleep(_LOOK_S)
                run = await self._ask("GET", f"/v1/runs/{run['id']}")
        except asyncio.CancelledError:
            await self._ask("POST", f"/v1/runs/{run['id']}/cancel")
            raise
        told(run)
        return run

    async def forecast(self, team: str, week: str) -> dict[str, Any]:
        return await self._ask("GET", f"/v1/forecasts/{team}", params={"week": week})

    async def requirements(self, week: str) -> dict[str, Any]:
        return await self._ask("GET", "/v1/requirements", params={"week": week})

    async def plan(self, plan_id: int) -> dict[str, Any]:
        return await self._ask("GET", f"/v1/plans/{plan_id}")

    async def _ask(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        answer = await self._client.request(method, path, **request)
        try:
            body: Any = msgspec.json.decode(answer.content)
        except msgspec.DecodeError:
            body = {"title": f"The service answered {answer.status_code}"}
        if answer.is_error:
            raise RefusedError(body)
        found: dict[str, Any] = body
        return found
