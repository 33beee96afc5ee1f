"""Carries out planning runs: claims them from the database, one by one, and lets them compute elsewhere.

A run is a row. Workers of several processes share the queue; the rows of one that falls silent are queued
anew once. `embedded` runs in the service's process, `rondo worker` in one of its own.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import partial
from typing import Any, Final

import structlog

from app.clock import Clock
from app.compute import Compute
from app.db import runs
from app.db.engine import FAILURES, Database, OutageError
from app.errors import AppError, CannotPlanError, WorkerLostError
from app.planning.desk import CancelledRunError, Desk
from app.planning.runs import KINDS

log = structlog.get_logger()

BEAT_S: Final = 1.0
SILENT_S: Final = 30.0
_LOOK_S: Final = 2.0
_COUNTER: Final = iter(range(1_000_000))


class _StoppingError(Exception):
    """The worker stops; the run is for another."""


class Worker:
    """Takes queued runs, at most `processes` at a time; with 0 one at a time in a thread of this process.

    `on_change(run_id)` is called in the event loop whenever a run of this worker has moved.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        processes: int = 1,
        threads: int = 1,
        on_change: Callable[[int], None] | None = None,
    ) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}:{next(_COUNTER)}"
        self._database = database
        self._clock = clock
        # Heartbeats are compared between processes, so they never run faster than the wall clock.
        self._wall = Clock()
        self._places = max(processes, 1)
        self._threads = threads
        self._compute = Compute(processes, self._heard)
        self._parts: dict[int, tuple[float, float]] = {}
        self._news: dict[int, tuple[float, str]] = {}
        self._stopping: set[int] = set()
        self._busy: dict[int, asyncio.Task[None]] = {}
        self._working: set[int] = set()
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []
        self._on_change = on_change or (lambda run_id: None)

    async def start(self) -> None:
        """Begin to take queued runs."""
        if self._database.dialect == "sqlite":
            # One process has the file: what runs according to it was left by one that is gone.
            await self._requeue_lost(self._wall.now() + 1)
        self._loops = [
            asyncio.create_task(self._take(), name="worker"),
            asyncio.create_task(self._beat(), name="worker-beat"),
        ]

    async def stop(self) -> None:
        """Take no more; what is under way is given back to the queue."""
        # Nothing is cancelled: that could hit a transaction half way and cost its connection.
        self._closing.set()
        self._wake.set()
        await asyncio.to_thread(self._compute.close)
        await asyncio.gather(*self._loops, return_exceptions=True)
        # Only now: a claim that was under way may have begun one more run, which gives itself back.
        await asyncio.gather(*self._busy.values(), return_exceptions=True)

    def wake(self) -> None:
        """Look for queued runs now."""
        self._wake.set()

    async def carry_out(self, run_id: int) -> runs.Run | None:
        """Claim the run `run_id` and carry it out here and now; return it as it ended."""
        claimed = await self._claim(run_id)
        if claimed is None:
            return await self._database.read(runs.find_run, run_id)
        beat = asyncio.create_task(self._beat(), name="worker-beat")
        try:
            await self._work(claimed)
        except asyncio.CancelledError:
            self._compute.cancel(run_id)
            await self._finish(claimed, self._wall.now(), {"state": "cancelled"})
            raise
        finally:
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)
        return await self._database.read(runs.find_run, run_id)

    async def _take(self) -> None:
        while not self._closing.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self._wake.wait()
            self._wake.clear()
            if self._closing.is_set():
                return
            try:
                await self._requeue_lost(self._wall.now() - SILENT_S)
                while len(self._busy) < self._places and (claimed := await self._claim()) is not None:
                    task = asyncio.create_task(self._work(claimed), name=f"run-{claimed.id}")
                    self._busy[claimed.id] = task
                    task.add_done_callback(partial(self._left, claimed.id))
            except FAILURES as error:
                log.error("worker_database_failed", error=type(error).__name__)

    def _left(self, run_id: int, _: asyncio.Task[None]) -> None:
        self._busy.pop(run_id, None)
        self._wake.set()

    async def _claim(self, run_id: int | None = None) -> runs.Run | None:
        return await self._database.tx(
            runs.claim_run,
            self.name,
            now=self._clock.now(),
            heartbeat_at=self._wall.now(),
            run_id=run_id,
        )

    async def _requeue_lost(self, silent_since: float) -> None:
        if not await self._database.read(runs.any_lost, silent_since):
            return
        for run_id, state in await self._database.tx(
            runs.requeue_lost, silent_since=silent_since, now=self._clock.now()
        ):
            log.warning("run_lost", run=run_id, state=state)

    async def _beat(self) -> None:
        """Say that the worker lives, store progress, and notice runs that are asked to stop."""
        while not self._closing.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT_S):
                    await self._closing.wait()
            if not self._working:
                continue
            try:
                asked = await self._database.tx(
                    runs.beat, self.name, self._working, heartbeat_at=self._wall.now()
                )
                for run_id in asked - self._stopping:
                    self._stopping.add(run_id)
                    self._compute.cancel(run_id)
                await self._store_news()
            except FAILURES as error:
                log.error("worker_database_failed", error=type(error).__name__)

    async def _store_news(self) -> None:
        news, self._news = self._news, {}
        for run_id, (share, message) in news.items():
            await self._database.tx(runs.note_progress, self.name, run_id, share, message)
            self._on_change(run_id)

    def _heard(self, run_id: int, share: float, message: str) -> None:
        begin, end = self._parts.get(run_id, (0.0, 1.0))
        self._news[run_id] = (begin + (end - begin) * min(max(share, 0.0), 1.0), message[:500])

    async def _work(self, claimed: runs.Run) -> None:
        """Carry a claimed run out and end it, whatever happens."""
        log.info("run_started", run=claimed.id, kind=claimed.kind)
        self._working.add(claimed.id)
        try:
            await self._try(claimed)
        except FAILURES as error:
            # The row falls silent and is queued anew when the database is back.
            log.error("run_not_ended", run=claimed.id, error=type(error).__name__)
        finally:
            self._working.discard(claimed.id)

    async def _try(self, claimed: runs.Run) -> None:
        began = self._wall.now()
        desk = Desk(
            self._database,
            claimed,
            self._clock.now(),
            self._computing(claimed.id),
            partial(self._told, claimed.id),
            self._threads,
        )
        ended: dict[str, Any]
        try:
            outcome = await KINDS[claimed.kind].carry_out(desk)
            if claimed.id in self._stopping:
                raise CancelledRunError
            ended = {"state": "done", "result": outcome.result, "save": outcome.save}
            await self._finish(claimed, began, ended)
            return
        except OutageError:
            raise
        except _StoppingError:
            await self._database.tx(runs.give_back, self.name)
            return
        except CancelledRunError:
            ended = {"state": "cancelled"}
        except BrokenProcessPool:
            ended = {"state": "failed", "error": WorkerLostError().document()}
        except AppError as error:
            ended = {"state": "failed", "error": error.document()}
        except ValueError as error:
            ended = {"state": "failed", "error": CannotPlanError(str(error)).document()}
        except Exception:
            # The outermost frame of a run: without it one fault would leave the row running for ever.
            log.exception("run_failed", run=claimed.id, kind=claimed.kind)
            ended = {"state": "failed", "error": AppError().document()}
        await self._finish(claimed, began, ended)

    async def _finish(self, claimed: runs.Run, began: float, ended: dict[str, Any]) -> None:
        self._news.pop(claimed.id, None)
        self._stopping.discard(claimed.id)
        took_s = self._wall.now() - began
        kept = await self._database.tx(
            runs.finish_run, claimed, now=self._clock.now(), took_s=took_s, **ended
        )
        state = ended["state"] if kept else "lost"
        log.info("run_ended", run=claimed.id, kind=claimed.kind, state=state, took_s=round(took_s, 3))
        self._on_change(claimed.id)

    def _told(self, run_id: int, share: float, message: str) -> None:
        self._look_up(run_id)
        self._heard(run_id, share, message)

    def _look_up(self, run_id: int) -> None:
        """Raise what ends a run that is to stop."""
        if self._closing.is_set():
            raise _StoppingError
        if run_id in self._stopping:
            raise CancelledRunError

    def _computing(self, run_id: int) -> Any:
        async def compute(f: Callable[..., Any], *args: Any, part: tuple[float, float] = (0.0, 1.0)) -> Any:
            self._look_up(run_id)
            self._parts[run_id] = part
            try:
                return await self._compute.run(run_id, f, *args)
            except (CancelledRunError, BrokenProcessPool, asyncio.CancelledError):
                if self._closing.is_set():
                    raise _StoppingError from None
                raise
            finally:
                self._parts.pop(run_id, None)

        return compute
