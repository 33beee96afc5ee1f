"""What the service looks after by itself, again and again, as long as it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

_LOOK_S: Final = 20.0
"""How often to look, on the wall clock."""


@asynccontextmanager
async def keeping(
    name: str, look: Callable[[], Awaitable[None]], *, at_once: bool = True
) -> AsyncIterator[None]:
    """Have `look` called every 20 s until the block ends, the first time `at_once` or after the first 20 s.

    What it raises ends it, so it is to see to its own failures.
    """
    closing = asyncio.Event()
    task = asyncio.create_task(_keep(look, closing, at_once=at_once), name=name)
    try:
        yield
    finally:
        # Not cancelled: that could hit a transaction half way.
        closing.set()
        await task


async def _keep(look: Callable[[], Awaitable[None]], closing: asyncio.Event, *, at_once: bool) -> None:
    if not at_once:
        await _pause(closing)
    while not closing.is_set():
        await look()
        await _pause(closing)


async def _pause(closing: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_LOOK_S):
            await closing.wait()
