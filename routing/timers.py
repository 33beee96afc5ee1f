"""When something happens by itself: a heap of instants whose stale entries are skipped and swept."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Final

from routing.model import NEVER

_SWEEP: Final = 1000

CONTACT: Final = 0
OFFER: Final = 1
AGENT: Final = 2

Key = tuple[int, int | str]
"""Which kind of entity, and its id."""


class Timers:
    """Instants at which entities (kind, id) are due. `due` tells an entity's instant as it stands now.

    An entry counts only while `due` still says the same, so moving or ending a timer costs nothing.
    """

    __slots__ = ("_due", "_heap", "_living", "_sweep_at")

    def __init__(self, due: Callable[[int, int | str], float], living: Callable[[], int]) -> None:
        self._due = due
        self._living = living
        self._heap: list[tuple[float, int, int | str]] = []
        self._sweep_at = _SWEEP

    def push(self, kind: int, key: int | str, at: float) -> None:
        """Note that the entity is due at `at`."""
        if at == NEVER:
            return
        heapq.heappush(self._heap, (at, kind, key))
        # Entries of what has ended stay behind; sweep them before they outnumber the living.
        if len(self._heap) > self._sweep_at:
            self._heap = [each for each in self._heap if self._due(each[1], each[2]) == each[0]]
            heapq.heapify(self._heap)
            self._sweep_at = _SWEEP + 8 * self._living()

    def next_at(self) -> float | None:
        """Return the next instant at which something is due, or None."""
        while self._heap:
            at, kind, key = self._heap[0]
            if self._due(kind, key) == at:
                return at
            heapq.heappop(self._heap)
        return None

    def next_by(self, at: float) -> float | None:
        """Return the next instant if something is due by `at`, or None; quicker than `next_at`."""
        if not self._heap or self._heap[0][0] > at:
            return None
        due_at = self.next_at()
        return due_at if due_at is not None and due_at <= at else None

    def pop(self, now: float) -> Key | None:
        """Take and return the next entity due by `now`, or None."""
        at = self.next_at()
        if at is None or at > now:
            return None
        _, kind, key = heapq.heappop(self._heap)
        return kind, key
