"""Jobs: planned on the site's clock, once each, by one leader, missed ones caught up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.clock import Clock
from app.db import runs
from app.db.engine import Database
from app.db.leader import leadership
from app.scheduler import JOBS, Job, Scheduler, add_job_run, jobs_for, last_slot, next_slot
from app.settings import Settings
from tests.app.conftest import Service, furnish, running
from tests.app.planning_rig import import_history, planning_service, run_to_end

ZONE = "Europe/Berlin"
NIGHTLY = Job("nightly", {"hour": "2", "minute": "10"}, "forecast")
EVERY_SECOND = Job("ticking", {"second": "*"}, "forecast", looks_back=timedelta(seconds=5))
DAY_S = 86_400.0


def at(text: str, zone: str = ZONE) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def test_next_time_is_on_the_sites_clock() -> None:
    assert next_slot(NIGHTLY, ZONE, at("2026-07-01T12:00")) == at("2026-07-02T02:10")


def test_last_time_is_the_latest_one_that_has_come() -> None:
    assert last_slot(NIGHTLY, ZONE, at("2026-07-02T02:10")) == at("2026-07-02T02:10")
    assert last_slot(NIGHTLY, ZONE, at("2026-07-02T02:09")) == at("2026-07-01T02:10")


def test_night_that_skips_the_hour_still_has_its_job() -> None:
    slot = next_slot(NIGHTLY, ZONE, at("2026-03-28T12:00"))
    assert at("2026-03-29T01:59") < slot < at("2026-03-29T12:00")


def test_night_that_repeats_the_hour_has_its_job_once() -> None:
    first = next_slot(NIGHTLY, ZONE, at("2026-10-24T12:00"))
    assert next_slot(NIGHTLY, ZONE, first) >= at("2026-10-26T02:10")


@pytest.mark.parametrize(
    ("name", "kind", "slot"),
    [
        ("nightly-forecast", "forecast", "2026-07-02T02:10"),
        ("nightly-housekeeping", "housekeeping", "2026-07-02T03:40"),
        ("weekly-roster", "roster", "2026-07-02T03:10"),
        ("weekly-training", "train", "2026-07-05T04:10"),
        ("intraday", "intraday", "2026-07-01T12:01"),
    ],
)
def test_table_says_what_comes_when(name: str, kind: str, slot: str) -> None:
    job = next(job for job in JOBS if job.name == name)
    assert (job.kind, next_slot(job, ZONE, at("2026-07-01T12:00"))) == (kind, at(slot))


def test_housekeeping_is_told_how_long_answers_are_kept() -> None:
    settings = Settings(database_url="sqlite:///none", idempotency_hours=7)
    told = {job.name: job.params for job in jobs_for(settings)}
    assert told["nightly-housekeeping"] == {"idempotency_hours": 7}


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    async with running(settings) as service:
        await furnish(service.house)
        yield service


async def listed(database: Database, job: str) -> list[runs.Run]:
    return await database.read(runs.list_runs, before=None, limit=50, job=job)


def make_scheduler(service: Service, clock: Clock, job: Job, queued: asyncio.Event) -> Scheduler:
    house = service.house
    return Scheduler(
        house.database, clock, leadership(house.settings), on_run=queued.set, jobs=(job,), check_s=0.05
    )


async def test_missed_time_is_caught_up_once_at_start(service: Service) -> None:
    later = Clock(start_at=service.house.clock.now() + 3 * DAY_S)
    for _ in range(2):
        queued = asyncio.Event()
        scheduler = make_scheduler(service, later, NIGHTLY, queued)
        await scheduler.start()
        await scheduler.leading.wait()
        await scheduler.stop()
    slots = [run.slot for run in await listed(service.house.database, "nightly")]
    assert slots == [last_slot(NIGHTLY, "Europe/London", later.now())]


async def test_each_job_of_the_table_is_caught_up_once_after_days_without_a_service(service: Service) -> None:
    house = service.house
    later = Clock(start_at=house.clock.now() + 10 * DAY_S)
    for _ in range(2):
        scheduler = Scheduler(
            house.database, later, leadership(house.settings), on_run=asyncio.Event().set, check_s=0.05
        )
        await scheduler.start()
        await scheduler.leading.wait()
        await scheduler.stop()
    found = await house.database.read(runs.list_runs, before=None, limit=50)
    assert sorted(run.job or "" for run in found) == sorted(job.name for job in JOBS)


async def test_process_that_does_not_lead_plans_nothing(settings: Settings) -> None:
    if settings.is_sqlite:
        pytest.skip("SQLite takes one process; it always leads")
    async with running(settings) as service:
        await furnish(service.house)
        leader = leadership(settings)
        assert await leader.take()
        queued = asyncio.Event()
        scheduler = make_scheduler(service, service.house.clock, EVERY_SECOND, queued)
        await scheduler.start()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.5):
                await queued.wait()
        await leader.release()
        async with asyncio.timeout(10):
            await queued.wait()
        await scheduler.stop()


async def test_new_organisation_has_missed_nothing(service: Service) -> None:
    queued = asyncio.Event()
    scheduler = make_scheduler(service, service.house.clock, NIGHTLY, queued)
    await scheduler.start()
    await scheduler.leading.wait()
    await scheduler.stop()
    assert await listed(service.house.database, "nightly") == []


async def test_job_fires_at_its_time(service: Service) -> None:
    queued = asyncio.Event()
    scheduler = make_scheduler(service, service.house.clock, EVERY_SECOND, queued)
    await scheduler.start()
    async with asyncio.timeout(10):
        await queued.wait()
    await scheduler.stop()
    assert len(await listed(service.house.database, "ticking")) >= 1


async def test_job_waits_while_its_run_before_is_still_open(service: Service) -> None:
    database, now = service.house.database, service.house.clock.now()
    assert await database.tx(add_job_run, NIGHTLY, now, now=now) is not None
    assert await database.tx(add_job_run, NIGHTLY, now + DAY_S, now=now) is None


async def test_faster_clock_brings_the_night_sooner(service: Service) -> None:
    queued = asyncio.Event()
    # Ten seconds before its time, at a thousand times the speed: a hundredth of a second.
    clock = Clock(speed=1000.0, start_at=next_slot(NIGHTLY, "Europe/London", service.house.clock.now()) - 10)
    scheduler = make_scheduler(service, clock, NIGHTLY, queued)
    await scheduler.start()
    async with asyncio.timeout(10):
        await queued.wait()
    await scheduler.stop()
    assert len(await listed(service.house.database, "nightly")) == 1


async def test_one_of_two_leads_and_the_other_follows_when_it_lets_go(settings: Settings) -> None:
    if settings.is_sqlite:
        pytest.skip("SQLite takes one process; it always leads")
    first, second = leadership(settings), leadership(settings)
    assert await first.take()
    assert not await second.take()
    assert await first.holds()
    await first.release()
    assert await second.take()
    assert not await first.holds()
    await second.release()


@pytest.mark.parametrize("name", [job.name for job in JOBS])
async def test_each_job_of_the_table_leaves_a_row_with_its_result(settings: Settings, name: str) -> None:
    changes = {"max_body_bytes": 4_000_000, "clock_start_at": datetime(2026, 3, 3, 12, 5, tzinfo=UTC)}
    settings = settings.model_copy(update=changes)
    async with planning_service(settings) as service, service.client("planner") as planner:
        await import_history(planner)
        if name == "intraday":
            await run_to_end(planner, "forecast", first_on="2026-03-03", weeks=1)
        job = next(each for each in jobs_for(settings) if each.name == name)
        job = replace(job, params=job.params | ({"time_limit_s": 1.0} if job.kind == "roster" else {}))
        now = service.house.clock.now()
        run_id = await service.house.database.tx(add_job_run, job, now, now=now)
        async with planner.stream("GET", f"/v1/runs/{run_id}/stream") as stream:
            async for _ in stream.aiter_lines():
                pass
        run = (await planner.get("/v1/runs", params={"job": name})).json()["items"][0]
    assert (run["state"], run["error"]) == ("done", None)
    assert run["took_s"] >= 0
    assert run["result"]
