"""Who may schedule or decide: on PostgreSQL the holder of a session lock, on SQLite the one process."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final, Protocol

import sqlalchemy as sa
import sqlalchemy.exc

from app.db.engine import null_pool_engine
from app.settings import Settings

SCHEDULER: Final = 7216305
DECIDER: Final = 7216306
"""Places to hold, each a key of PostgreSQL's advisory locks."""

_ANSWER_S: Final = 5.0


class Leadership(Protocol):
    """A place that one process at a time can hold."""

    async def take(self) -> bool:
        """Try to become the holder; return whether this process is it."""

    async def holds(self) -> bool:
        """Return whether this process still is the holder."""

    async def release(self) -> None:
        """Let go."""


def leadership(settings: Settings, place: int = SCHEDULER) -> Leadership:
    """Return the leadership of a place in the settings' database."""
    return _Alone() if settings.is_sqlite else _SessionLock(settings.database_url, place)


class _Alone:
    async def take(self) -> bool:
        return True

    async def holds(self) -> bool:
        return True

    async def release(self) -> None:
        return


class _SessionLock:
    """A session advisory lock on a connection of its own, outside the pool; it ends with the connection."""

    def __init__(self, url: str, place: int) -> None:
        self._place = place
        self._engine = null_pool_engine(url)
        self._connection: Any = None

    async def take(self) -> bool:
        connection = self._engine.connect()
        held = False
        try:
            async with asyncio.timeout(_ANSWER_S):
                await connection.start()
                await connection.execution_options(isolation_level="AUTOCOMMIT")
                found = await connection.scalar(
                    sa.text("SELECT pg_try_advisory_lock(:key)"), {"key": self._place}
                )
            held = bool(found)
        except (sqlalchemy.exc.SQLAlchemyError, OSError, TimeoutError):
            return False
        finally:
            if not held:
                await _closed(connection)
        self._connection = connection
        return held

    async def holds(self) -> bool:
        if self._connection is None:
            return False
        try:
            async with asyncio.timeout(_ANSWER_S):
                await self._connection.scalar(sa.text("SELECT 1"))
        except (sqlalchemy.exc.SQLAlchemyError, OSError, TimeoutError):
            await self.release()
            return False
        return True

    async def release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await _closed(connection)
        await self._engine.dispose()


async def _closed(connection: Any) -> None:
    with suppress(sqlalchemy.exc.SQLAlchemyError, OSError, TimeoutError):
        async with asyncio.timeout(_ANSWER_S):
            await connection.close()
