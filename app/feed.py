"""The event log for those who follow it: wakes on every commit, resumes after any sequence number."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from itertools import islice
from typing import Final

from app.db import floor_rows
from app.db.engine import Database

_KEPT: Final = 4096
_PAGE: Final = 500


class Feed:
    """The newest events in memory; older ones come from the database.

    Every event is delivered once and in order: sequence numbers have no gaps, so a follower that finds
    one reads what is missing from the database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._recent: deque[bytes] = deque(maxlen=_KEPT)
        self._last = 0
        """Sequence number of the newest event in memory."""
        self._news = asyncio.Event()
        self.head = 0
        self._stopped = False

    async def start(self) -> None:
        """Begin at the end of the log."""
        self.head = await self._database.read(floor_rows.read_head)

    def stop(self) -> None:
        """End every follower."""
        self._stopped = True
        self._wake()

    def publish(self, first_seq: int, encoded: list[bytes]) -> None:
        """Take in what this process has committed."""
        if self._last + 1 != first_seq:
            # Another replica committed in between: memory would have a hole, the database has none.
            self._recent.clear()
        self._recent.extend(encoded)
        self._last = first_seq + len(encoded) - 1
        self.head = max(self.head, self._last)
        self._wake()

    def advance(self, seq: int) -> None:
        """Learn that the log has grown to `seq`, elsewhere or by a commit that is published in a moment."""
        if seq > self.head:
            self.head = seq
            self._wake()

    async def grown(self, after: int) -> int:
        """Return the last sequence number as soon as it is beyond `after`, for those who need no event."""
        while self.head <= after and not self._stopped:
            await self._news.wait()
        return self.head

    async def follow(self, after: int) -> AsyncIterator[tuple[int, bytes]]:
        """Yield (sequence number, JSON) of every event after `after`, for ever."""
        while not self._stopped:
            news = self._news
            for seq, data in await self._after(after):
                yield seq, data
                after = seq
            if after >= self.head:
                await news.wait()

    async def _after(self, after: int) -> list[tuple[int, bytes]]:
        if after >= self.head:
            return []
        skip = after - self._last + len(self._recent)
        if 0 <= skip < len(self._recent):
            page = islice(self._recent, skip, skip + _PAGE)
            return list(enumerate(page, after + 1))
        rows = await self._database.read(floor_rows.events_after, after, _PAGE)
        return [(seq, data.encode()) for seq, data in rows]

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
