"""The floor as a stream: one look serves every browser of this process, and only changes are sent.

A message has an id `RUN-VERSION`; who comes back with it gets what was missed, or everything anew where
that is no longer known (another process, a restart, a long absence).
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Annotated, Any, Final, NamedTuple

import msgspec
import structlog
from fastapi import APIRouter, Depends, Header, Query, Request
from sse_starlette import EventSourceResponse, ServerSentEvent

from app.auth import Principal
from app.errors import AppError
from app.house import House, house_of
from app.web.board import Values, look, render
from app.web.pages import FLOOR

log = structlog.get_logger()

PAUSE_S: Final = 0.25
"""Shortest time between two looks at the floor, on the wall clock."""
_AGEING_S: Final = 1.0
"""How soon to look again when nothing happened: service levels change as waits pass the target."""
_REST: Final = 10
"""How many times longer than a look the pause after it is at least, up to the longest."""
_LONGEST_S: Final = 1.5
_SILENCE_S: Final = 10.0
_KEPT: Final = 240

router = APIRouter(prefix="/live", include_in_schema=False)


class Message(NamedTuple):
    """One message of the stream: `all` (everything), `change` or `clock` (nothing new, the time alone)."""

    id: str
    event: str
    data: str


@dataclass(frozen=True, slots=True)
class _Change:
    version: int
    message: Message


class Broadcaster:
    """Looks at the floor while somebody watches, and tells what changed."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._run = secrets.token_hex(4)
        self._version = 0
        self._values: Values = {}
        self._html: dict[str, str] = {}
        self._changes: deque[_Change] = deque(maxlen=_KEPT)
        self._lock = asyncio.Lock()
        self._happened = asyncio.Event()
        self._watched = asyncio.Event()
        self._news = asyncio.Event()
        self._watchers = 0
        self._stopped = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Broadcaster]:
        """Run until the block ends; every watcher's stream ends with it."""
        tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._look_again())]
        try:
            yield self
        finally:
            self.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def stop(self) -> None:
        """End every stream, each after its last message."""
        self._stopped = True
        self._tell()

    async def parts(self) -> tuple[Values, dict[str, str]]:
        """Return the floor's values and their HTML as they stand now, both by key."""
        if not self._watchers:
            await self._look()
        return self._values, self._html

    async def follow(self, last_id: str | None) -> AsyncGenerator[Message, None]:
        """Yield what the watcher has missed since `last_id`, then each change, until the service stops."""
        self._watchers += 1
        try:
            if self._watchers == 1:
                await self._look()
            self._watched.set()
            version = self._missed_from(last_id)
            while not self._stopped:
                news = self._news
                if version is None:
                    version = self._version
                    yield self._message("all", version, set=self._html)
                elif version < self._version:
                    for change in self._since(version):
                        yield change.message
                        version = change.version
                else:
                    try:
                        await asyncio.wait_for(news.wait(), _SILENCE_S)
                    except TimeoutError:
                        yield self._message("clock", version)
                if version < self._version and not self._since(version):
                    version = None
        finally:
            self._watchers -= 1
            if not self._watchers:
                self._watched.clear()

    def _missed_from(self, last_id: str | None) -> int | None:
        run, _, version = (last_id or "").partition("-")
        if run != self._run or not version.isdigit():
            return None
        seen = int(version)
        return seen if seen == self._version or self._since(seen) else None

    def _since(self, version: int) -> list[_Change]:
        """Return the changes after `version`; empty where they are not all known any more."""
        if not self._changes or not self._changes[0].version <= version + 1 <= self._version:
            return []
        return [change for change in self._changes if change.version > version]

    async def _listen(self) -> None:
        """Note that something happened, on this replica or another."""
        feed = self._house.feed
        head = feed.head
        while (now := await feed.grown(head)) > head:
            head = now
            self._happened.set()

    async def _look_again(self) -> None:
        clock = self._house.clock
        while True:
            await self._watched.wait()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._happened.wait(), _AGEING_S)
            self._happened.clear()
            began_at = clock.now()
            try:
                await self._look()
            except AppError as error:
                log.warning("floor_not_seen", reason=error.slug)
            except Exception:
                # The outermost frame of the loop: a fault in one look must not end the stream.
                log.exception("floor_look_failed")
            # On a floor so large that looking takes long, look less often.
            took_s = clock.real_s(clock.now() - began_at)
            await asyncio.sleep(min(max(PAUSE_S, _REST * took_s), _LONGEST_S))

    async def _look(self) -> None:
        async with self._lock:
            values = await look(self._house)
            before = self._values
            changed = {key: render(key, value) for key, value in values.items() if before.get(key) != value}
            gone = [key for key in before if key not in values]
            if not changed and not gone:
                return
            self._version += 1
            self._values = values
            self._html = {key: changed.get(key) or self._html[key] for key in values}
            message = self._message("change", self._version, set=changed, gone=gone)
            self._changes.append(_Change(self._version, message))
            self._tell()

    def _message(self, event: str, version: int, **body: Any) -> Message:
        clock = self._house.clock
        data = msgspec.json.encode({"at": clock.now(), "speed": clock.speed, **body})
        return Message(f"{self._run}-{version}", event, data.decode())

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


async def _watcher(request: Request) -> Principal:
    who = await house_of(request).keyring.principal(request)
    for scope in FLOOR.scopes:
        who.require(scope)
    return who


@router.get("/floor")
async def follow_floor(
    request: Request,
    _: Annotated[Principal, Depends(_watcher)],
    last_event_id: Annotated[str | None, Header(max_length=40)] = None,
    after: Annotated[str | None, Query(max_length=40)] = None,
) -> EventSourceResponse:
    """Stream the floor's page; needs the scopes of that page for as long as it lasts."""
    broadcaster: Broadcaster = request.app.state.broadcaster

    async def messages() -> AsyncIterator[ServerSentEvent]:
        async with aclosing(broadcaster.follow(last_event_id or after)) as stream:
            async for message in stream:
                try:
                    await _watcher(request)
                except AppError:
                    yield ServerSentEvent(data="{}", event="signed_out")
                    return
                yield ServerSentEvent(data=message.data, event=message.event, id=message.id, retry=1000)

    # Every silence ends with a message of our own, so that no pings are needed.
    return EventSourceResponse(
        messages(),
        ping=0,
        shutdown_event=_Farewell(broadcaster),  # type: ignore[arg-type]
        shutdown_grace_period=1.0,
    )


class _Farewell:
    """What the response sets when the server is told to stop: streams then end by themselves."""

    def __init__(self, broadcaster: Broadcaster) -> None:
        self._broadcaster = broadcaster

    def set(self) -> None:
        """End the streams."""
        self._broadcaster.stop()


@router.get("/who")
async def who_watches(who: Annotated[Principal, Depends(_watcher)]) -> dict[str, str]:
    """Return who is signed in; a browser whose stream was refused learns by it why."""
    return {"name": who.name}
