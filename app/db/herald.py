"""Tells other replicas how far the log has grown, under load no more often than they can use."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

log = structlog.get_logger()

EVERY_S: Final = 0.05
"""Each NOTIFY wakes every listener and its server process: hundreds a second cost what commits could use."""


class Herald:
    """Says of each commit whether it is to tell; what commits leave out is told by `tell(seq)` in a moment.

    What is not told because the database is away, the listeners notice themselves: see app.db.listen.
    """

    def __init__(self, tell: Callable[[int], Awaitable[object]]) -> None:
        self._tell = tell
        self._owed: int | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def takes_turn(self) -> bool:
        """Return whether the commit that begins now is to tell by itself."""
        if self._pause is not None:
            return False
        self._wait()
        return True

    def owes(self, seq: int) -> None:
        """Note that the log has grown to `seq` by a commit that did not tell."""
        self._owed = max(seq, self._owed or 0)
        if self._pause is None:
            # The commit took longer than the pause.
            self._ended()

    async def close(self) -> None:
        """Tell what is owed, and no more."""
        if self._pause is not None:
            self._pause.cancel()
        self._pause = None
        if self._task is not None:
            await self._task
        if self._owed is not None:
            seq, self._owed = self._owed, None
            await self._say(seq)

    def _wait(self) -> None:
        self._pause = asyncio.get_running_loop().call_later(EVERY_S, self._ended)

    def _ended(self) -> None:
        self._pause = None
        if self._owed is not None:
            seq, self._owed = self._owed, None
            self._wait()
            self._task = asyncio.create_task(self._say(seq), name="herald")

    async def _say(self, seq: int) -> None:
        try:
            await self._tell(seq)
        except Exception as error:
            # The outermost frame of its task: whatever it is, the end of the service is not to meet it.
            log.warning("commit_not_told", error=type(error).__name__)
