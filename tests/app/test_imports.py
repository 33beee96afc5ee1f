"""An import counts all at once or not at all, however many parts it is stored and settled in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa

from app.clock import isoformat
from app.db import history, imports, runs
from app.db.engine import Connection, Database
from app.db.history import DayWaits, IntervalRow
from app.db.schema import (
    history_interval,
    history_wait,
    import_done,
    import_interval,
    import_wait,
    run,
    run_input,
)
from app.planning.desk import CancelledRunError, Desk
from app.planning.importing import import_history
from app.planning.settling import AT_ONCE, settle_imports
from app.settings import Settings
from tests.app.conftest import Service
from tests.app.planning_rig import planning_service, run_to_end

NOW = 1_772_000_000.0
NEVER_SILENT_AT = 4e9
FIRST_AT = 1_767_225_600
"""The first of January 2026."""


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    async with planning_service(settings) as service:
        yield service


def interval(quarter: int, offered: float) -> IntervalRow:
    return IntervalRow("general", "voice", 900, FIRST_AT + 900 * quarter, (offered,) * 6)


def add_run(conn: Connection, state: str = "running") -> runs.Run:
    new = runs.NewRun("import", {}, "test", NOW)
    run_id = runs.add_run(conn, new, packed=runs.packed_input(b""))
    assert run_id is not None
    # The service's own worker takes back what is silent.
    given = {"state": state, "worker": "w", "heartbeat_at": NEVER_SILENT_AT}
    conn.execute(sa.update(run).where(run.c.id == run_id).values(given))
    found = runs.find_run(conn, run_id)
    assert found is not None
    return found


def end(conn: Connection, run_id: int, state: str) -> None:
    conn.execute(sa.update(run).where(run.c.id == run_id).values(state=state))


async def stored(database: Database, counts: dict[int, float], *, counting: bool = True) -> int:
    """Store intervals by quarter as an import's, and have them count; return its run."""
    run_id = (await database.tx(add_run)).id
    await database.tx(history.put_intervals, run_id, [interval(*each) for each in counts.items()])
    await database.tx(history.put_waits, run_id, [DayWaits("general", "2026-01-01", {run_id: 1}, {})])
    if counting:
        await database.tx(imports.count_import, run_id)
        await database.tx(end, run_id, "done")
    return run_id


async def seen(database: Database) -> dict[int, float]:
    """Return what a forecast sees: contacts offered by quarter."""
    found = await database.read(history.imported_intervals, "general")
    return {(row[1] - FIRST_AT) // 900: row[2] for row in found}


async def waits(database: Database) -> list[dict[int, int]]:
    return [day.answered for day in await database.read(history.list_waits, "general", first_on="2026-01-01")]


async def rows_in(database: Database, *tables: sa.Table) -> list[int]:
    def count(conn: Connection) -> list[int]:
        return [conn.execute(sa.select(sa.func.count()).select_from(each)).scalar_one() for each in tables]

    return await database.read(count)


async def test_rows_of_an_import_that_has_not_ended_are_seen_by_nobody(service: Service) -> None:
    database = service.house.database
    before = await stored(database, {0: 1.0, 1: 1.0})
    await stored(database, {1: 2.0, 2: 2.0}, counting=False)
    assert await seen(database) == {0: 1.0, 1: 1.0}
    assert await waits(database) == [{before: 1}]
    assert await database.read(history.waits_in_sum, "general", start=0) == (2.0, 2)
    (covered,) = await database.read(history.coverage_of_history)
    assert (covered["intervals"], covered["offered"]) == (2, 2)


async def test_later_import_replaces_the_same_intervals_alone(service: Service) -> None:
    database = service.house.database
    await stored(database, {0: 1.0, 1: 1.0})
    await stored(database, {1: 2.0, 2: 2.0})
    last = await stored(database, {2: 3.0, 3: 3.0})
    assert await seen(database) == {0: 1.0, 1: 2.0, 2: 3.0, 3: 3.0}
    assert await waits(database) == [{last: 1}]


async def test_readers_see_the_same_after_every_part_that_is_settled(service: Service) -> None:
    database = service.house.database
    await stored(database, dict.fromkeys(range(5), 1.0))
    await settle_imports(database)
    await stored(database, dict.fromkeys(range(2, 9), 2.0))
    last = await stored(database, dict.fromkeys(range(4, 7), 3.0))
    expected = {0: 1.0, 1: 1.0, 2: 2.0, 3: 2.0, 4: 3.0, 5: 3.0, 6: 3.0, 7: 2.0, 8: 2.0}
    parts = 0
    while await database.tx(imports.settle_some, most=2):
        parts += 1
        assert await seen(database) == expected
        assert await waits(database) == [{last: 1}]
    assert parts > 6
    assert await rows_in(database, history_interval, history_wait) == [9, 1]
    assert await rows_in(database, import_interval, import_wait, import_done) == [0, 0, 0]


async def test_import_that_ends_while_an_earlier_one_is_settled_wins(service: Service) -> None:
    database = service.house.database
    slow = await stored(database, dict.fromkeys(range(4), 1.0), counting=False)
    await stored(database, dict.fromkeys(range(4), 2.0))
    await database.tx(imports.settle_some, most=2)
    await database.tx(imports.count_import, slow)
    assert await seen(database) == dict.fromkeys(range(4), 1.0)
    await settle_imports(database)
    assert await seen(database) == dict.fromkeys(range(4), 1.0)


@pytest.mark.parametrize("state", ["failed", "cancelled"])
async def test_housekeeping_clears_what_a_dead_import_has_left(service: Service, state: str) -> None:
    database = service.house.database
    await stored(database, {0: 1.0})
    dead = await stored(database, dict.fromkeys(range(10), 2.0), counting=False)
    await database.tx(end, dead, state)
    async with service.client("planner") as planner:
        ended = await run_to_end(planner, "housekeeping")
    assert ended["state"] == "done", ended["error"]
    assert await rows_in(database, import_interval, import_wait, import_done) == [0, 0, 0]
    assert await seen(database) == {0: 1.0}


async def test_housekeeping_leaves_an_import_at_work_alone(service: Service) -> None:
    database = service.house.database
    at_work = await stored(database, {0: 1.0}, counting=False)
    await settle_imports(database)
    assert not await database.tx(imports.clear_left, at_work, most=10)
    assert await rows_in(database, import_interval, import_wait) == [1, 1]


async def test_import_that_counts_is_never_taken_for_a_dead_one(service: Service) -> None:
    database = service.house.database
    done = await stored(database, {0: 1.0})
    assert await database.read(imports.list_left) == []
    assert not await database.tx(imports.clear_left, done, most=10)
    assert await seen(database) == {0: 1.0}


async def test_run_is_held_by_its_worker_until_it_is_to_stop(service: Service) -> None:
    database = service.house.database
    claimed = await database.tx(add_run)
    assert await database.tx(runs.hold, claimed)
    await database.tx(runs.cancel_run, claimed.id, NOW)
    assert not await database.tx(runs.hold, claimed)
    lost = await database.tx(add_run)
    await database.tx(runs.requeue_lost, silent_since=NEVER_SILENT_AT + 1, now=NOW)
    assert not await database.tx(runs.hold, lost)


LINES = AT_ONCE * 2 + 10


def file_of(offered: int) -> bytes:
    """Return a file of half hours that is stored in three parts."""
    starts = [FIRST_AT - 1800 * number for number in range(LINES)]
    rows = [f"general,{isoformat(at)},{offered}" for at in starts]
    return "\n".join(["team,start,offered", *rows]).encode()


def at_desk(database: Database, claimed: runs.Run, tell: Any) -> Desk:
    async def compute(f: Any, *args: Any, part: Any = None) -> Any:
        return f(lambda *_: None, *args)

    return Desk(database, claimed, NOW, compute, tell)


def with_file(conn: Connection, offered: int) -> runs.Run:
    claimed = add_run(conn)
    data = runs.packed_input(file_of(offered))
    conn.execute(sa.update(run_input).where(run_input.c.run_id == claimed.id).values(data=data))
    return claimed


async def test_import_that_is_stopped_half_way_leaves_nothing_to_see(service: Service) -> None:
    database = service.house.database
    await stored(database, {0: 1.0})
    claimed = await database.tx(with_file, 7)
    told: list[str] = []

    def stop(_: float, message: str) -> None:
        told.append(message)
        if message == "storing part 3 of 3":
            raise CancelledRunError

    with pytest.raises(CancelledRunError):
        await import_history(at_desk(database, claimed, stop))
    assert told == [f"storing part {number} of 3" for number in (1, 2, 3)]
    assert await rows_in(database, import_interval) == [2 * AT_ONCE]
    assert await seen(database) == {0: 1.0}


async def test_next_attempt_counts_alone(service: Service) -> None:
    database = service.house.database
    claimed = await database.tx(with_file, 7)
    left = [interval(quarter, 99.0) for quarter in (1, 2, 3)]
    await database.tx(history.put_intervals, claimed.id, left)
    outcome = await import_history(at_desk(database, claimed, lambda *_: None))
    await database.tx(
        runs.finish_run, claimed, state="done", now=NOW, took_s=1.0, result={}, save=outcome.save
    )
    found = await seen(database)
    assert (len(found), set(found.values())) == (LINES, {7.0})


async def test_import_whose_run_went_to_another_worker_stores_nothing_more(service: Service) -> None:
    database = service.house.database
    claimed = await database.tx(with_file, 7)
    await database.tx(end, claimed.id, "cancelled")
    with pytest.raises(CancelledRunError):
        await import_history(at_desk(database, claimed, lambda *_: None))
    assert await rows_in(database, import_interval) == [0]


async def test_file_is_imported_again_before_and_after_it_is_settled(service: Service) -> None:
    database = service.house.database
    async with service.client("planner") as planner:
        for offered in (3, 5, 4):
            answer = await planner.post("/v1/history/import", content=file_of(offered))
            assert answer.json()["state"] == "done", answer.text
            assert set((await seen(database)).values()) == {float(offered)}
        assert await rows_in(database, history_interval, import_interval, import_done) == [LINES, LINES, 1]
        await run_to_end(planner, "housekeeping")
    assert set((await seen(database)).values()) == {4.0}
    assert await rows_in(database, history_interval, import_interval, import_done) == [LINES, 0, 0]
