"""The writer process of SQLite: large batches go through it, and its end is an outage like any other."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.db.engine import OutageError, UnstorableError, open_database
from app.db.sqlite_writer import SqliteWriter, WriterGoneError
from app.errors import StorageUnavailableError
from app.settings import Settings
from routing import commands as cmd
from routing.model import Channel
from tests.app.conftest import Service, furnish, running
from tests.app.test_switchboard import CALL, carry_out, contact_id, expect_truth, logged  # noqa: F401 - a fixture

INSERT = "INSERT INTO thing VALUES (?, ?)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "things.sqlite3"
    with sqlite3.connect(path) as conn:
        conn.execute("CREATE TABLE thing (id INTEGER PRIMARY KEY, name TEXT)")
    conn.close()
    return path


@pytest.fixture
async def writer(path: Path) -> AsyncIterator[SqliteWriter]:
    lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT)
    writer = SqliteWriter(path, lock)
    yield writer
    await writer.close()
    os.close(lock)


@pytest.fixture
async def busy(tmp_path: Path, migrated_sqlite: bytes) -> AsyncIterator[Service]:
    """A service on SQLite that has had a batch large enough for the writer process."""
    (tmp_path / "rondo.sqlite3").write_bytes(migrated_sqlite)
    settings = Settings(
        database_url=f"sqlite:///{tmp_path}/rondo.sqlite3", worker="off", scheduler=False, log_level="error"
    )
    async with running(settings) as service:
        await furnish(service.house)
        board = service.house.switchboard
        await carry_out(board, *[CALL] * 60)
        assert pid_of(service) is not None
        yield service


def pid_of(service: Service) -> int | None:
    database: Any = service.house.database
    pid: int | None = database._process.pid
    return pid


def names(path: Path) -> list[str]:
    conn = sqlite3.connect(path)
    found = [row[0] for row in conn.execute("SELECT name FROM thing ORDER BY id")]
    conn.close()
    return found


async def test_steps_are_stored_together(path: Path, writer: SqliteWriter) -> None:
    await writer.store(
        [(INSERT, [(1, "one"), (2, None)]), ("UPDATE thing SET name = ? WHERE id = ?", [("two", 2)])]
    )
    assert names(path) == ["one", "two"]


async def test_nothing_is_stored_when_one_step_is_refused(path: Path, writer: SqliteWriter) -> None:
    await writer.store([(INSERT, [(1, "one")])])
    with pytest.raises(sqlite3.IntegrityError, match=r"thing\.id"):
        await writer.store([(INSERT, [(2, "two")]), (INSERT, [(1, "again")])])
    with pytest.raises(OverflowError):
        await writer.store([(INSERT, [(3, "three"), (2**63, "too large")])])
    await writer.store([(INSERT, [(4, "four")])])
    assert names(path) == ["one", "four"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signal_meant_for_the_service_does_not_end_the_process(
    path: Path, writer: SqliteWriter, number: int
) -> None:
    await writer.store([(INSERT, [(1, "one")])])
    before = writer.pid
    assert before is not None
    os.kill(before, number)
    await writer.store([(INSERT, [(2, "two")])])
    assert writer.pid == before


async def test_process_is_started_anew_after_it_was_killed(path: Path, writer: SqliteWriter) -> None:
    await writer.store([(INSERT, [(1, "one")])])
    assert writer.pid is not None
    os.kill(writer.pid, signal.SIGKILL)
    with pytest.raises(WriterGoneError):
        await writer.store([(INSERT, [(2, "two")])])
    await writer.store([(INSERT, [(3, "three")])])
    assert names(path) == ["one", "three"]


async def test_nobody_opens_the_database_before_the_process_of_a_killed_service_has_ended(path: Path) -> None:
    settings = Settings(database_url=f"sqlite:///{path}")
    database: Any = open_database(settings)
    await database._process.store([(INSERT, [(1, "one")])])
    os.close(database._lock)  # as the end of the service does
    with pytest.raises(StorageUnavailableError):
        open_database(settings)
    await database._process.close()
    again = open_database(settings)
    await again.close()
    database._lock = os.open(os.devnull, os.O_RDONLY)
    await database.close()


async def test_bursts_go_through_the_process_and_nothing_is_lost(busy: Service) -> None:
    ids = await carry_out(busy.house.switchboard, *[CALL] * 100, view=contact_id)
    assert len(set(ids)) == 100
    await expect_truth(busy)


async def test_what_the_database_refuses_is_set_apart_from_a_burst(busy: Service) -> None:
    poison = cmd.Receive(actor="pbx", channel=Channel.VOICE, identity=cmd.Identity(), customer_id=2**62)
    results = await carry_out(busy.house.switchboard, *[CALL] * 30, poison, *[CALL] * 30, view=contact_id)
    assert [type(each) for each in results].count(int) == 60
    assert isinstance(results[30], Exception)
    too_large = cmd.Receive(actor="pbx", channel=Channel.VOICE, identity=cmd.Identity(), customer_id=2**70)
    results = await carry_out(busy.house.switchboard, *[CALL] * 30, too_large, view=contact_id)
    assert isinstance(results[30], UnstorableError)
    await expect_truth(busy)


async def test_callers_hear_of_the_outage_when_the_process_is_killed(busy: Service) -> None:
    board = busy.house.switchboard
    known = len(await board.read(lambda floor: list(floor.contacts)))
    killed = pid_of(busy)
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    results = await carry_out(board, *[CALL] * 40, view=contact_id)
    told = [each for each in results if isinstance(each, int)]
    assert {type(each) for each in results} <= {int, OutageError}
    assert len(told) < 40
    more = await asyncio.gather(*(board.submit(CALL, contact_id) for _ in range(40)))
    assert pid_of(busy) != killed
    stored = await board.read(lambda floor: list(floor.contacts))
    assert {*told, *more} <= set(stored)
    assert len(stored) == known + len(told) + len(more)
    await expect_truth(busy)
