"""Hearing of other replicas' commits, on a connection of its own."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.db import listen
from app.db.batch_writes import telling
from app.db.engine import Database, open_database
from app.settings import Settings

pytestmark = pytest.mark.postgres

LIMIT_S = 30


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    database = open_database(Settings(database_url=postgres_url, worker="off"))
    yield database
    await database.close()


@asynccontextmanager
async def listening(url: str, database: Database) -> AsyncIterator[Callable[[int], Any]]:
    """Listen, and yield what waits until a number was heard; the head, told at the start, was."""
    heard: set[int] = set()
    news = asyncio.Event()

    def on_head(seq: int) -> None:
        heard.add(seq)
        news.set()

    async def until(seq: int) -> None:
        async with asyncio.timeout(LIMIT_S):
            while seq not in heard:
                news.clear()
                await news.wait()

    task = asyncio.create_task(listen.follow_head(url, database, on_head))
    try:
        await until(0)
        yield until
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("options", ["", "?ssl=prefer", "?prepared_statement_cache_size=50"])
async def test_hears_whatever_the_databases_address_says_of_the_connection(
    postgres_url: str, database: Database, options: str
) -> None:
    async with listening(postgres_url + options, database) as until:
        await database.query(telling(7))
        await until(7)


async def test_listens_again_after_the_server_ended_the_session(
    postgres_url: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listen, "_RETRY_S", 0.01)
    async with listening(postgres_url, database) as until:
        ending = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        )
        assert len(await database.query((ending, ()))) == 1
        told = asyncio.create_task(tell_again(database))
        await until(8)
        told.cancel()


async def tell_again(database: Database) -> None:
    """Tell until somebody listens, and is heard to have."""
    while True:
        await database.query(telling(8))
        await asyncio.sleep(0.05)


async def test_end_in_the_middle_of_connecting_leaves_nothing_behind(
    postgres_url: str, database: Database
) -> None:
    faults: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    for turns in range(0, 60, 2):
        task = asyncio.create_task(listen.follow_head(postgres_url, database, lambda _: None))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    gc.collect()
    assert faults == []
    open_ones = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = '' AND datname = current_database()"
    )
    async with asyncio.timeout(LIMIT_S):
        while (await database.query((open_ones, ())))[0][0]:  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(0.05)
