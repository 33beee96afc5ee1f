"""The only place that reads the clock. A speed other than 1 lets a demonstration live a day in an hour."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache


class Clock:
    """Epoch seconds that run `speed` times as fast as the wall clock, from `start_at` (default: now)."""

    def __init__(self, *, speed: float = 1.0, start_at: float | None = None) -> None:
        self.speed = speed
        self._wall = time.time()  # noqa: TID251
        self._begin = time.monotonic()
        self._start = self._wall if start_at is None else start_at
        self._last = 0.0

    def now(self) -> float:
        """Return the present instant; it never goes back, even when the machine's clock is set."""
        self._last = max(self._last, self._start + (time.monotonic() - self._begin) * self.speed)
        return self._last

    def real_s(self, duration_s: float) -> float:
        """Return how long to sleep on the wall clock for `duration_s` to pass here; never below 0."""
        return max(duration_s, 0.0) / self.speed


def stopwatch() -> Callable[[], float]:
    """Return a function that says how many seconds of the wall clock have passed since now."""
    begin = time.perf_counter()
    return lambda: time.perf_counter() - begin


@lru_cache(maxsize=4096)
def isoformat(at: float | None) -> str | None:
    """Return an epoch instant as RFC 3339 in UTC with milliseconds, or None for None."""
    if at is None:
        return None
    second, millisecond = divmod(int(at * 1000), 1000)
    return f"{datetime.fromtimestamp(second, UTC).isoformat()[:19]}.{millisecond:03}Z"
