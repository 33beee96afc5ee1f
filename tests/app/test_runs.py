"""Planning runs: queued once, claimed by one worker, ended once, whatever happens to the worker."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import pytest

from app import compute as compute_module
from app.clock import Clock
from app.compute import Compute
from app.db import runs
from app.db.engine import Connection, Database, open_database
from app.planning.desk import CancelledRunError, Desk, Outcome, Report
from app.planning.params import Params
from app.planning.runs import KINDS, Kind
from app.settings import Settings
from app.worker import SILENT_S, Worker
from tests.app.conftest import Service
from tests.app.planning_rig import planning_service

NOW = 1_770_000_000.0


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    database = open_database(settings)
    yield database
    await database.close()


async def add(database: Database, **values: Any) -> int | None:
    new = runs.NewRun(**{"kind": "forecast", "params": {}, "actor": "test", "created_at": NOW, **values})
    return await database.tx(runs.add_run, new)


async def claim(database: Database, worker: str = "w1", at: float = NOW) -> runs.Run | None:
    return await database.tx(runs.claim_run, worker, now=at, heartbeat_at=at)


async def find(database: Database, run_id: int | None) -> runs.Run:
    run = await database.read(runs.find_run, run_id or 0)
    assert run is not None
    return run


async def finish(database: Database, run: runs.Run, **values: Any) -> bool:
    return await database.tx(runs.finish_run, run, **{"state": "done", "now": NOW, "took_s": 1.0, **values})


async def test_each_run_is_claimed_once_by_workers_that_ask_together(database: Database) -> None:
    added = [await add(database) for _ in range(6)]
    found = await asyncio.gather(*(claim(database, f"w{i}") for i in range(9)))
    # A worker that loses the race asks again; none may have what another has.
    claimed = [run.id for run in found if run is not None]
    assert len(claimed) == len(set(claimed))
    while (run := await claim(database)) is not None:
        claimed.append(run.id)
    assert sorted(claimed) == added


async def test_planned_time_of_a_job_becomes_one_run(database: Database) -> None:
    assert await add(database, job="nightly", slot=NOW) is not None
    assert await add(database, job="nightly", slot=NOW) is None
    assert await add(database, job="nightly", slot=NOW + 1) is not None


async def test_run_of_a_silent_worker_is_queued_anew_once(database: Database) -> None:
    run_id = await add(database)
    await claim(database, at=NOW)
    assert await database.tx(runs.requeue_lost, silent_since=NOW - 1, now=NOW) == []
    assert await database.tx(runs.requeue_lost, silent_since=NOW + 1, now=NOW) == [(run_id, "queued")]
    await claim(database, at=NOW)
    assert await database.tx(runs.requeue_lost, silent_since=NOW + 1, now=NOW) == [(run_id, "failed")]
    run = await find(database, run_id)
    assert (run.state, run.error and run.error["type"]) == ("failed", "/problems/worker-lost")


async def test_heartbeat_keeps_a_run_from_being_taken_away(database: Database) -> None:
    run_id = await add(database)
    await claim(database, at=NOW)
    await database.tx(runs.beat, "w1", {run_id or 0}, heartbeat_at=NOW + 2 * SILENT_S)
    assert await database.tx(runs.requeue_lost, silent_since=NOW + SILENT_S, now=NOW) == []


async def test_worker_that_lost_its_run_saves_nothing(database: Database) -> None:
    await add(database)
    slow = await claim(database, "slow")
    assert slow is not None
    await database.tx(runs.requeue_lost, silent_since=NOW + 1, now=NOW)
    await claim(database, "quick")
    saved: list[str] = []
    assert not await finish(database, slow, save=lambda _: saved.append("slow") or {})
    assert saved == []


async def test_result_and_what_is_saved_come_together(database: Database) -> None:
    run_id = await add(database)
    run = await claim(database)
    assert run is not None

    def broken(conn: Connection) -> dict[str, Any]:
        runs.add_run(conn, runs.NewRun("forecast", {}, "save", NOW))
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError):
        await finish(database, run, save=broken)
    assert (await find(database, run_id)).state == "running"
    listed = await database.read(runs.list_runs, before=None, limit=10)
    assert [each.actor for each in listed] == ["test"]


async def test_queued_run_is_cancelled_at_once(database: Database) -> None:
    run_id = await add(database)
    assert await database.tx(runs.cancel_run, run_id or 0, NOW) == "cancelled"
    assert await claim(database) is None


async def test_stopped_worker_gives_its_runs_back_without_counting_an_attempt(database: Database) -> None:
    run_id = await add(database)
    await claim(database)
    await database.tx(runs.give_back, "w1")
    run = await find(database, run_id)
    assert (run.state, run.attempts) == ("queued", 0)


def counts(report: Report, steps: int) -> int:
    for step in range(steps):
        report(step / steps, f"step {step}")
    return steps


def waits_until_cancelled(report: Report) -> None:
    report(0.5, "waiting")
    while not report.cancelled():
        pass
    raise CancelledRunError


def never_looks(report: Report) -> None:
    report(0.0, "begun")
    threading.Event().wait()


def slow(report: Report, steps: int) -> int:
    """Take a moment, as long as other children need to die."""
    threading.Event().wait(0.3)
    return counts(report, steps)


def dies(_: Report) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("processes", [0, 1])
async def test_computation_reports_and_returns(processes: int) -> None:
    heard: list[tuple[int, float, str]] = []
    compute = Compute(processes, lambda *news: heard.append(news))
    assert await compute.run(7, counts, 4) == 4
    await asyncio.to_thread(compute.close)
    await asyncio.sleep(0)
    assert [each[1] for each in heard] == [0.0, 0.25, 0.5, 0.75]


@pytest.mark.parametrize("processes", [0, 1])
async def test_computation_stops_when_cancelled(processes: int) -> None:
    begun = asyncio.Event()
    compute = Compute(processes, lambda *_: begun.set())
    work = asyncio.create_task(compute.run(7, waits_until_cancelled))
    await begun.wait()
    compute.cancel(7)
    with pytest.raises(CancelledRunError):
        await work
    await asyncio.to_thread(compute.close)


async def test_computation_in_a_thread_stops_when_nobody_waits_for_it_any_more() -> None:
    begun = asyncio.Event()
    compute = Compute(0, lambda *_: begun.set())
    work = asyncio.create_task(compute.run(7, waits_until_cancelled))
    await begun.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    # Waits for the thread: it would never end.
    await asyncio.to_thread(compute.close)


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Add a kind of run `test` that carries out what it is given."""

    def add_kind(carry_out: Any) -> None:
        monkeypatch.setitem(KINDS, "test", Kind(Params, carry_out))

    return add_kind


async def test_child_that_dies_fails_its_run_and_the_next_one_works(
    database: Database, kinds: Callable[[Any], None]
) -> None:
    work = iter((dies, counts))

    async def carry_out(desk: Desk) -> Outcome:
        f = next(work)
        return Outcome({"steps": await desk.compute(f, *([3] if f is counts else []))})

    kinds(carry_out)
    worker = Worker(database, Clock(), processes=1)
    first, second = await add(database, kind="test"), await add(database, kind="test")
    lost, done = await worker.carry_out(first or 0), await worker.carry_out(second or 0)
    await worker.stop()
    assert lost is not None
    assert done is not None
    assert (lost.state, lost.error and lost.error["type"]) == ("failed", "/problems/worker-lost")
    assert (done.state, done.result) == ("done", {"steps": 3})


async def test_child_that_dies_takes_no_other_with_it() -> None:
    compute = Compute(2, lambda *_: None)
    ended = await asyncio.gather(compute.run(1, slow, 3), compute.run(2, dies), return_exceptions=True)
    assert ended[0] == 3
    assert isinstance(ended[1], BrokenProcessPool)
    assert await asyncio.gather(compute.run(3, counts, 1), compute.run(4, counts, 2)) == [1, 2]
    await asyncio.to_thread(compute.close)


async def test_child_that_does_not_look_whether_to_stop_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute_module, "GRACE_S", 0.05)
    begun = asyncio.Event()
    compute = Compute(1, lambda *_: begun.set())
    for f in (never_looks, waits_until_cancelled):
        begun.clear()
        work = asyncio.create_task(compute.run(7, f))
        await begun.wait()
        compute.cancel(7)
        with pytest.raises(CancelledRunError):
            await work
    # Now the grace of one that stopped by itself ends during the next run, which is none of its business.
    assert await compute.run(8, slow, 3) == 3
    work = asyncio.create_task(compute.run(9, never_looks))
    begun.clear()
    await begun.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    await asyncio.to_thread(compute.close)


async def test_child_ended_just_after_it_stopped_by_itself_does_not_take_the_next_run_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compute_module, "GRACE_S", 0.05)
    begun = asyncio.Event()
    compute = Compute(1, lambda *_: begun.set())
    work = asyncio.create_task(compute.run(7, waits_until_cancelled))
    await begun.wait()
    compute.cancel(7)
    # A loop that is held up hears of the end and of the grace that is over in the same turn.
    threading.Event().wait(0.5)
    with pytest.raises(CancelledRunError):
        await work
    assert await compute.run(8, slow, 3) == 3
    await asyncio.to_thread(compute.close)


async def test_run_that_was_being_claimed_when_the_worker_stopped_is_given_back(
    database: Database, kinds: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def carry_out(desk: Desk) -> Outcome:
        await desk.database.read(runs.find_run, desk.run.id)
        return Outcome({"steps": await desk.compute(counts, 3)})

    kinds(carry_out)
    worker = Worker(database, Clock(), processes=0)
    claim_it = worker._claim

    async def claims_slowly(run_id: int | None = None) -> runs.Run | None:
        asked.set()
        await go.wait()
        return await claim_it(run_id)

    monkeypatch.setattr(worker, "_claim", claims_slowly)
    run_id = await add(database, kind="test")
    await worker.start()
    worker.wake()
    await asked.wait()
    stopping = asyncio.create_task(worker.stop())
    await worker._closing.wait()
    go.set()
    await stopping
    assert (await find(database, run_id)).state == "queued"


async def test_fault_in_a_run_fails_it_without_a_traceback_for_the_caller(
    database: Database, kinds: Callable[[Any], None]
) -> None:
    async def carry_out(_: Desk) -> Outcome:
        raise RuntimeError("secret detail")

    kinds(carry_out)
    worker = Worker(database, Clock(), processes=0)
    run = await worker.carry_out(await add(database, kind="test") or 0)
    await worker.stop()
    assert run is not None
    assert run.state == "failed"
    assert "secret" not in str(run.error)


async def test_progress_fills_the_part_of_the_run_that_a_computation_is(
    database: Database, kinds: Callable[[Any], None]
) -> None:
    moved: asyncio.Queue[int] = asyncio.Queue()

    async def carry_out(desk: Desk) -> Outcome:
        return await desk.compute(waits_until_cancelled, part=(0.4, 0.8))

    kinds(carry_out)
    worker = Worker(database, Clock(), processes=0, on_change=moved.put_nowait)
    run_id = await add(database, kind="test") or 0
    work = asyncio.create_task(worker.carry_out(run_id))
    await moved.get()
    run = await find(database, run_id)
    assert (run.progress, run.message) == (pytest.approx(0.6), "waiting")
    await database.tx(runs.cancel_run, run_id, NOW)
    ended = await work
    await worker.stop()
    assert ended is not None
    assert ended.state == "cancelled"


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    async with planning_service(settings) as service:
        yield service


async def test_run_that_a_dead_process_left_is_taken_up_at_start(settings: Settings) -> None:
    if not settings.is_sqlite:
        pytest.skip("on PostgreSQL another worker may be at it; its silence decides")
    database = open_database(settings)
    run_id = await add(database)
    await claim(database, "dead", at=Clock().now())
    moved = asyncio.Event()
    worker = Worker(database, Clock(), processes=0, on_change=lambda _: moved.set())
    await worker.start()
    async with asyncio.timeout(20):
        await moved.wait()
    await worker.stop()
    run = await find(database, run_id)
    await database.close()
    assert (run.state, run.attempts) == ("failed", 2)


async def test_ended_run_cannot_be_cancelled(service: Service) -> None:
    async with service.client("planner") as client:
        run = (await client.post("/v1/runs", json={"kind": "forecast"})).json()
        async with client.stream("GET", f"/v1/runs/{run['id']}/stream") as stream:
            events = [line async for line in stream.aiter_lines() if line.startswith("event:")]
        answer = await client.post(f"/v1/runs/{run['id']}/cancel")
    assert events[-1] == "event: end"
    assert (answer.status_code, answer.json()["state"]) == (409, "failed")


async def test_runs_are_listed_newest_first_page_by_page(service: Service) -> None:
    async with service.client("planner") as client:
        ids = [(await client.post("/v1/runs", json={"kind": "forecast"})).json()["id"] for _ in range(3)]
        first = (await client.get("/v1/runs", params={"limit": 2})).json()
        rest = (await client.get("/v1/runs", params={"limit": 2, "cursor": first["next"]})).json()
    assert [run["id"] for run in first["items"] + rest["items"]] == ids[::-1]
    assert rest["next"] is None
