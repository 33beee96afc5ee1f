"""Hear of other replicas' commits: PostgreSQL's NOTIFY on a connection of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import asyncpg
import structlog

from app.db import floor_rows
from app.db.engine import FAILURES, Database

log = structlog.get_logger()

CHANNEL: Final = "rondo_events"
_RETRY_S: Final = 1.0
_POLL_S: Final = 5.0


async def follow_head(database_url: str, database: Database, on_head: Callable[[int], None]) -> None:
    """Call `on_head(seq)` whenever the log has grown, until cancelled.

    A lost connection is opened again; what was missed meanwhile is noticed by reading the head, which is
    also done every five seconds in case a network drops connections silently.
    """
    while True:
        try:
            await _listen(database_url, database, on_head)
        except (*FAILURES, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            log.warning("listen_lost", error=type(error).__name__)
            await asyncio.sleep(_RETRY_S)


async def _listen(database_url: str, database: Database, on_head: Callable[[int], None]) -> None:
    connection = await asyncpg.connect(_plain(database_url), timeout=10)
    gone = asyncio.Event()

    def heard(_: Any, __: int, ___: str, payload: Any) -> None:
        on_head(int(payload))

    try:
        connection.add_termination_listener(lambda _: gone.set())
        await connection.add_listener(CHANNEL, heard)
        while not gone.is_set():
            on_head(await database.read(floor_rows.read_head))
            try:
                await asyncio.wait_for(gone.wait(), _POLL_S)
            except TimeoutError:
                continue
    finally:
        await connection.close(timeout=2)


def _plain(database_url: str) -> str:
    return database_url.replace("postgresql+asyncpg://", "postgresql://", 1)
