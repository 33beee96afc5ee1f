"""What happens by itself, and when: a table of jobs, each planned time of which becomes one run.

Every process may hold the leadership; only its holder starts APScheduler. Times are local times of the site
on the service's clock, so a clock that runs faster brings the night's forecast sooner.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger

from app.clock import Clock
from app.db import runs, staff
from app.db.engine import FAILURES, Connection, Database
from app.db.leader import Leadership
from app.settings import Settings

log = structlog.get_logger()

CHECK_S: Final = 5.0
_LATE_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class Job:
    """Something done again and again.

    Args:
        name: Name of the job, as runs carry it.
        when: Fields of APScheduler's CronTrigger, on the site's clock.
        kind: Kind of run that it starts.
        params: What the run is told.
        looks_back: How far back a missed time is caught up; only the latest is.
    """

    name: str
    when: dict[str, str]
    kind: str
    params: dict[str, Any] = field(default_factory=dict)
    looks_back: timedelta = timedelta(days=8)


JOBS: Final = (
    Job("nightly-forecast", {"hour": "2", "minute": "10"}, "forecast", looks_back=timedelta(days=2)),
    Job("weekly-training", {"day_of_week": "sun", "hour": "4", "minute": "10"}, "train"),
    Job("weekly-roster", {"day_of_week": "thu", "hour": "3", "minute": "10"}, "roster"),
    Job("nightly-housekeeping", {"hour": "3", "minute": "40"}, "housekeeping", looks_back=timedelta(days=2)),
    Job("intraday", {"minute": "1,16,31,46"}, "intraday", looks_back=timedelta(minutes=30)),
)


def jobs_for(settings: Settings) -> tuple[Job, ...]:
    """Return the table of jobs with what the service's settings tell their runs."""
    told = params_by_setting(settings)
    return tuple(replace(job, params={**told.get(job.kind, {}), **job.params}) for job in JOBS)


def params_by_setting(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return what the settings tell runs, by kind; a worker elsewhere may have others."""
    return {"housekeeping": {"idempotency_hours": settings.idempotency_hours}}


def next_slot(job: Job, zone: str, after: float) -> float:
    """Return the first planned instant of a job after `after` (epoch seconds).

    In an hour that the clock repeats, a job with an hour comes the first time only.
    """
    trigger = CronTrigger(**job.when, timezone=ZoneInfo(zone))
    moment = datetime.fromtimestamp(after, UTC) + timedelta(microseconds=1)
    found = trigger.get_next_fire_time(None, moment)
    while found is not None and found.fold and "hour" in job.when:
        found = trigger.get_next_fire_time(None, found.astimezone(UTC) + timedelta(microseconds=1))
    assert found is not None  # noqa: S101  the table names no single dates
    return float(found.timestamp())


def last_slot(job: Job, zone: str, now: float) -> float | None:
    """Return the latest planned instant of a job up to `now` within what it looks back, or None."""
    at = now - job.looks_back.total_seconds()
    last = None
    while (at := next_slot(job, zone, at)) <= now:
        last = at
    return last


class Scheduler:
    """Starts the jobs of the table while this process leads; `on_run()` is called when one is queued."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        leadership: Leadership,
        *,
        on_run: Callable[[], None],
        jobs: tuple[Job, ...] = JOBS,
        check_s: float = CHECK_S,
    ) -> None:
        self._database = database
        self._clock = clock
        self._leadership = leadership
        self._on_run = on_run
        self._jobs = jobs
        self._check_s = check_s
        self._task: asyncio.Task[None] | None = None
        self._scheduler: AsyncIOScheduler | None = None
        self._zone = "UTC"
        self._closing = asyncio.Event()
        self.leading = asyncio.Event()
        """Set while this process plans the jobs."""

    async def start(self) -> None:
        """Begin to seek the leadership."""
        self._task = asyncio.create_task(self._lead(), name="scheduler")

    async def stop(self) -> None:
        """Plan no more and let go of the leadership."""
        # Nothing is cancelled: that could hit a connection half way and leave it open.
        self._closing.set()
        if self._task is not None:
            await self._task
        self._step_down()
        await self._leadership.release()

    async def _lead(self) -> None:
        while not self._closing.is_set():
            try:
                if self._scheduler is None:
                    if await self._leadership.take():
                        await self._step_up()
                elif not await self._leadership.holds():
                    log.warning("leadership_lost")
                    self._step_down()
                else:
                    await self._read_zone()
            except FAILURES as error:
                log.error("scheduler_database_failed", error=type(error).__name__)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._check_s):
                    await self._closing.wait()

    async def _step_up(self) -> None:
        await self._read_zone()
        now = self._clock.now()
        await self._catch_up(now)
        scheduler = AsyncIOScheduler(timezone=UTC)
        for job in self._jobs:
            scheduler.add_job(
                self._fire,
                _OnTheClock(job, self._clock, lambda: self._zone, since=now),
                args=(job,),
                id=job.name,
                coalesce=True,
                max_instances=1,
                misfire_grace_time=None,
            )
        scheduler.start()
        self._scheduler = scheduler
        self.leading.set()
        log.info("leadership_taken", jobs=len(self._jobs))

    def _step_down(self) -> None:
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)
            self._scheduler = None
        self.leading.clear()

    async def _read_zone(self) -> None:
        policy = await self._database.read(staff.read_policy)
        if policy is not None:
            self._zone = policy.site.time_zone

    async def _catch_up(self, now: float) -> None:
        """Queue the latest planned time of each job up to `now` that nobody was there for."""
        done, set_up_at = await self._database.read(_what_was)
        for job in self._jobs:
            slot = last_slot(job, self._zone, now)
            since = done.get(job.name, set_up_at)
            if slot is not None and since is not None and slot > since:
                await self._queue(job, slot)

    async def _fire(self, job: Job) -> None:
        slot = last_slot(job, self._zone, self._clock.now())
        if slot is not None:
            with suppress(*FAILURES):
                await self._queue(job, slot)

    async def _queue(self, job: Job, slot: float) -> None:
        run_id = await self._database.tx(add_job_run, job, slot, now=self._clock.now())
        if run_id is not None:
            log.info("job_queued", job=job.name, run=run_id)
            self._on_run()


def add_job_run(conn: Connection, job: Job, slot: float, *, now: float) -> int | None:
    """Queue a job's run for `slot`; None when that is done already or the one before is still open."""
    if staff.read_policy(conn) is None or runs.is_open(conn, job.name):
        return None
    new = runs.NewRun(job.kind, job.params, "scheduler", now, job=job.name, slot=slot)
    return runs.add_run(conn, new)


def _what_was(conn: Connection) -> tuple[dict[str, float], float | None]:
    return runs.last_slots(conn), staff.first_policy_at(conn)


class _OnTheClock(BaseTrigger):  # type: ignore[misc]  # the library has no types
    """Fires at the planned times of a job after `since` as the service's clock shows them, at any speed."""

    def __init__(self, job: Job, clock: Clock, zone: Callable[[], str], *, since: float) -> None:
        self._job = job
        self._clock = clock
        self._zone = zone
        self._since = since

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        """Return the next planned time on the wall clock, a moment late so that it is never early."""
        present = self._clock.now()
        planned = next_slot(self._job, self._zone(), self._since if previous is None else present)
        return now + timedelta(seconds=self._clock.real_s(planned - present) + _LATE_S)
