"""Build the application: parts, routes, error documents. `create_app(settings)` is all a server needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from app import logs, openapi
from app.api import (
    admin,
    agents,
    calendars,
    classifier,
    contacts,
    customers,
    events,
    forecasts,
    health,
    history,
    intraday,
    metrics,
    offers,
    plans,
    policies,
    queues,
    requests,
    runs,
    staff,
    tickets,
)
from app.api.hot import ROUTES, HotRoutes, HotTable, describe, malformed
from app.auth import Keyring
from app.clock import Clock
from app.db import deciders, floor_rows
from app.db.engine import Database, open_database
from app.db.leader import leadership
from app.db.listen import follow_head
from app.door import machine
from app.edge import Edge
from app.errors import AppError, MalformedRequestError, MethodNotAllowedError, NotFoundError
from app.feed import Feed
from app.house import House
from app.overflowing import keeping_overflows
from app.public_holidays import keeping_holidays
from app.reader import Reader
from app.relay import Relay
from app.scheduler import Scheduler, jobs_for
from app.settings import Settings
from app.switchboard import Switchboard
from app.web import floor as floor_page
from app.web import (
    live,
    pages,
    people,
    planner,
    shift_design,
    sign_in,
    simulation,
    static_files,
    terms,
    today,
    versions,
)
from app.worker import Worker

ROUTERS = (
    contacts.router,
    offers.router,
    agents.router,
    queues.router,
    tickets.router,
    customers.router,
    events.router,
    policies.router,
    classifier.router,
    history.router,
    runs.router,
    forecasts.router,
    plans.router,
    staff.router,
    requests.router,
    intraday.router,
    calendars.router,
    admin.router,
    health.router,
    metrics.router,
    sign_in.router,
    static_files.router,
    live.router,
    floor_page.router,
    planner.router,
    simulation.router,
    shift_design.router,
    people.router,
    terms.router,
    versions.router,
    today.router,
)


def create_app(settings: Settings | None = None) -> HotRoutes:
    """Return the service as an ASGI application; it opens the database when it starts."""
    chosen = settings or Settings()
    logs.set_up(chosen.log_level)
    return wrap(create_api(chosen), chosen)


def wrap(api: FastAPI, settings: Settings) -> HotRoutes:
    """Return the application as a server gets it: hot routes first, then the edge, then FastAPI."""
    larger = {history.IMPORT_PATH: settings.max_import_bytes, staff.CONTRACTS_PATH: staff.MOST_BYTES}
    edge = Edge(api, max_body=settings.max_body_bytes, larger=larger)
    return HotRoutes(edge, lambda: api.state.house, max_body=settings.max_body_bytes, routes=ROUTES)


def create_api(settings: Settings) -> FastAPI:
    """Return the FastAPI application with every route."""

    @asynccontextmanager
    async def lifespan(api: FastAPI) -> AsyncIterator[None]:
        async with (
            open_house(settings, background=True) as house,
            live.Broadcaster(house).running() as broadcaster,
            keeping_overflows(house),
            keeping_holidays(house),
        ):
            api.state.house = house
            api.state.broadcaster = broadcaster
            yield

    api = FastAPI(title="Rondo", version="1", lifespan=lifespan, docs_url=None, redoc_url=None)
    for router in ROUTERS:
        api.include_router(router)
    api.add_exception_handler(AppError, _app_error)
    api.add_exception_handler(RequestValidationError, _validation_error)
    api.add_exception_handler(HTTPException, _http_error)
    _describe(api)
    return api


@asynccontextmanager
async def open_house(settings: Settings, *, background: bool = False) -> AsyncIterator[House]:
    """Start the running parts, in order, and stop them in the opposite one.

    Worker and scheduler run where `background` is set and the settings want them.
    """
    database = open_database(settings)
    clock = Clock(speed=settings.clock_speed, start_at=await _start_at(settings, database))
    feed = Feed(database)
    reader = Reader(database)
    switchboard = Switchboard(
        database,
        clock,
        batch_size=settings.batch_size,
        max_waiting=settings.max_waiting_commands,
        on_events=feed.publish,
    )
    keyring = Keyring(database, clock, session_s=settings.session_hours * 3600.0)
    listener: asyncio.Task[None] | None = None
    house: House | None = None

    def heard(seq: int) -> None:
        if seq > feed.head:
            feed.advance(seq)
            switchboard.nudge()

    try:
        await feed.start()
        await switchboard.start()
        await reader.start()
        if not settings.is_sqlite:
            listener = asyncio.create_task(follow_head(settings.database_url, database, heard))
        house = House(settings, clock, database, switchboard, keyring, feed, reader)
        if background:
            house.relay = _relay(house)
            if house.relay is not None:
                await house.relay.start()
            await _start_planning(house)
        yield house
    finally:
        if house is not None:
            await _stop_planning(house)
            if house.relay is not None:
                await house.relay.stop()
        if listener is not None:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)
        feed.stop()
        reader.stop()
        await switchboard.stop()
        await database.close()


def _relay(house: House) -> Relay | None:
    settings = house.settings
    if settings.is_sqlite or settings.one_decider == "off":
        return None
    number = deciders.EVERYWHERE if settings.one_decider == "network" else machine()
    if number is None:
        return None
    return Relay(house, leadership(settings, deciders.key_of(number)), HotTable(ROUTES), number)


async def _start_planning(house: House) -> None:
    settings = house.settings
    if settings.worker == "embedded":
        house.worker = Worker(
            house.database,
            house.clock,
            processes=settings.worker_processes,
            threads=settings.solver_threads,
        )
        await house.worker.start()
    if settings.scheduler:
        house.scheduler = Scheduler(
            house.database,
            house.clock,
            leadership(settings),
            on_run=house.worker.wake if house.worker is not None else lambda: None,
            jobs=jobs_for(settings),
        )
        await house.scheduler.start()


async def _stop_planning(house: House) -> None:
    if house.scheduler is not None:
        await house.scheduler.stop()
    if house.worker is not None:
        await house.worker.stop()


async def _start_at(settings: Settings, database: Database) -> float | None:
    """Return where the clock begins, or None for the present; what has happened already stays in the past."""
    if settings.clock_start_at is None and settings.clock_speed == 1.0:
        return None
    newest_at = await database.read(floor_rows.read_newest_at) or 0.0
    begin_at = settings.clock_start_at.timestamp() if settings.clock_start_at else Clock().now()
    return max(begin_at, newest_at)


def problem(error: AppError) -> Response:
    """Return the response that tells a caller about `error`."""
    return Response(error.document(), error.status, error.headers, media_type="application/problem+json")


async def _app_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, AppError)  # noqa: S101
    return problem(error)


async def _validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    faults = [fault | {"loc": _place(fault, error.body)} for fault in error.errors()]
    return problem(malformed(faults))


def _place(fault: dict[str, Any], body: Any) -> tuple[Any, ...]:
    """Return where a fault lies in what was sent, without the names that the parser adds on its way."""
    loc: tuple[Any, ...] = fault["loc"]
    loc = loc[1:] if loc and loc[0] in ("body", "query", "path", "header") else loc
    if fault["type"].startswith("union_tag"):
        return (*loc, fault["ctx"]["discriminator"].strip("'"))
    if loc and isinstance(body, dict) and loc[0] == body.get("kind") and loc[0] not in body:
        return loc[1:]
    return loc


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    if error.status_code == 404:
        page = await pages.missing(request)
        return page or problem(NotFoundError(f"There is nothing at {request.url.path[:200]}."))
    if error.status_code == 405:
        return problem(MethodNotAllowedError(headers=dict(error.headers or {})))
    # The framework says 400 to a body that it could not read, whatever the reason was.
    cause = error.__cause__
    return problem(cause if isinstance(cause, AppError) else MalformedRequestError(str(error.detail)))


def _describe(api: FastAPI) -> None:
    """Add to OpenAPI the hot routes, which FastAPI does not see, and what holds for every route."""

    def described() -> dict[str, Any]:
        if api.openapi_schema is None:
            document = get_openapi(title=api.title, version=api.version, routes=api.routes)
            describe(document)
            openapi.complete(document)
            api.openapi_schema = document
        return api.openapi_schema

    api.openapi = described  # type: ignore[method-assign]
