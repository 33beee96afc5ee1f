"""Hear of other replicas' commits: PostgreSQL's NOTIFY on a connection of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import floor_rows
from app.db.batch_writes import CHANNEL
from app.db.engine import FAILURES, Database, null_pool_engine

log = structlog.get_logger()

_RETRY_S: Final = 1.0
_POLL_S: Final = 5.0


async def follow_head(database_url: str, database: Database, on_head: Callable[[int], None]) -> None:
    """Call `on_head(seq)` whenever the log has grown, until cancelled.

    A lost connection is opened again; what was missed meanwhile is noticed by reading the head, which is
    also done every five seconds in case a network drops connections silently.
    """
    engine = null_pool_engine(database_url)
    while True:
        try:
            await _listen(engine, database, on_head)
        except (*FAILURES, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            log.warning("listen_lost", error=type(error).__name__)
            await asyncio.sleep(_RETRY_S)


async def _listen(engine: AsyncEngine, database: Database, on_head: Callable[[int], None]) -> None:
    gone = asyncio.Event()

    def heard(_: Any, __: int, ___: str, payload: Any) -> None:
        on_head(int(payload))

    async with engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        driver.add_termination_listener(lambda _: gone.set())
        await driver.add_listener(CHANNEL, heard)
        while not gone.is_set():
            on_head(await database.read(floor_rows.read_head))
            try:
                await asyncio.wait_for(gone.wait(), _POLL_S)
            except TimeoutError:
                continue
