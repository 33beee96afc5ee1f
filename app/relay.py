"""One replica decides for all: the others hand it connections over, or pass hot calls on, many in a frame.

Where every replica decides, each batch waits for the floor's row, applies what the others appended and is
small; a second replica makes the service slower. So the replicas elect one, by a session lock of PostgreSQL,
whose address they read from the database. Only speed hangs on it: the floor's row guards the log whoever
writes, so a replica that reaches no decider decides by itself, as one does that is alone. See docs/adr/0010.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from contextlib import suppress
from typing import Final

import structlog

from app import meters
from app.api.hot import Call, HotRoute, HotTable, Tell, fingerprint
from app.auth import Principal
from app.db import deciders
from app.db.engine import FAILURES
from app.db.leader import Leadership
from app.door import Door, Passage, Welcome, connected, listening
from app.errors import AppError
from app.house import House
from app.link import HELLO_S, LEAVE_S, Follower, Link, paid

log = structlog.get_logger()

_CHECK_S: Final = 1.0
_FAREWELL_S: Final = 2.0
"""How long who leaves lets the others hang up; one that stands still does not, and brings nothing more."""


class Relay:
    """Elects the decider of a place and passes calls on to it. `table` are the hot routes."""

    def __init__(self, house: House, leadership: Leadership, table: HotTable, number: int) -> None:
        self._house = house
        self._leadership = leadership
        self._table = table
        self._number = number
        self._api = fingerprint()
        self._task: asyncio.Task[None] | None = None
        self._server: asyncio.Server | None = None
        self._followers: set[Follower] = set()
        self._decider: deciders.Decider | None = None
        self._link: Link | None = None
        self._door: Door | None = None
        self._passage: Passage | None = None
        self._leaving = False
        self._turn = asyncio.Lock()
        """Held for a step: who leaves must not become the decider meanwhile, or stop being it twice."""
        self._ended = asyncio.Event()
        self._welcome: Welcome | None = None

    async def start(self) -> None:
        """Begin to look for the decider, or to be it."""
        await self._step()
        self._task = asyncio.create_task(self._run(), name="relay")

    def take_over(self, welcome: Welcome) -> None:
        """Have `welcome` go on with the connections that others hand over, from now on."""
        self._welcome = welcome
        self._open_door()

    async def leave(self) -> None:
        """Decide for nobody any more; what is under way to here still comes in."""
        self._leaving = True
        with suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_S), self._turn:
                await self._abdicate()

    async def stop(self) -> None:
        """Take leave of both sides; what was passed on is answered first."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._abdicate()
        link = self._link
        if link is not None:
            link.leave()
            await paid(lambda: link.owes)
            link.drop()

    @property
    def decides(self) -> bool:
        """Whether this replica decides for the others."""
        return self._server is not None

    @property
    def follows(self) -> bool:
        """Whether calls are passed on."""
        return self._link is not None and self._link.open

    @property
    def hands_over(self) -> bool:
        """Whether connections are handed over."""
        return self._passage is not None

    def pass_on(self, route: HotRoute, who: Principal, call: Call, tell: Tell) -> bool:
        """Have a call answered by the decider; False, with nothing done, where it is to be decided here."""
        link = self._link
        return link is not None and link.open and link.pass_on(route, who, call, tell)

    def hand_over(self, transport: asyncio.Transport, data: bytes) -> bool:
        """Have the decider go on with a connection, of which `data` was read; False where it stays here."""
        return self._passage is not None and self._passage.hand_over(transport, data)

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CHECK_S):
                    await self._ended.wait()
            self._ended.clear()
            await self._step()

    async def _step(self) -> None:
        async with self._turn:
            await self._look()

    async def _look(self) -> None:
        try:
            if self._link is not None and self._link.open:
                self._link.look()
                self._find_passage()
            elif self._server is not None:
                if self._house.switchboard.gave_up or not await self._leadership.holds():
                    log.warning("decider_lost")
                    await self._abdicate()
                else:
                    self._open_door()
                    await self._announce()
            elif not (self._leaving or self._house.switchboard.gave_up) and await self._leadership.take():
                await self._reign()
            else:
                await self._follow()
        except (*FAILURES, OSError, TimeoutError, AppError) as error:
            log.warning("relay_failed", error=type(error).__name__)

    async def _reign(self) -> None:
        """Listen where the others find this process, and say so in the database."""
        token, name = secrets.token_urlsafe(32), f"rondo-{secrets.token_hex(8)}"
        try:
            host, port = await self._listen(name, token)
            self._decider = deciders.Decider(host, port, token, self._api, f"{name}-door")
            self._open_door()
            await self._announce()
        except BaseException:
            await self._abdicate()
            raise
        log.info("decider_here", host=host, port=port)

    async def _announce(self) -> None:
        """Say where this decider listens, again where one that lost the lock before has written over it."""
        database, own = self._house.database, self._decider
        if own is not None and await database.read(deciders.find_decider, self._number) != own:
            await database.tx(deciders.save_decider, self._number, own)

    async def _listen(self, name: str, token: str) -> tuple[str, int]:
        loop = asyncio.get_running_loop()
        if self._number != deciders.EVERYWHERE:
            at = listening(name, socket.SOCK_STREAM)
            # Hazard: a server that begins at once is nobody's where this is cancelled meanwhile.
            self._server = await loop.create_unix_server(
                lambda: self._follower(token), sock=at, start_serving=False
            )
            await self._server.start_serving()
            return f"@{name}", 0
        host = await self._house.database.read(deciders.find_own_host)
        self._server = await loop.create_server(lambda: self._follower(token), host, 0, start_serving=False)
        await self._server.start_serving()
        return host, int(self._server.sockets[0].getsockname()[1])

    def _follower(self, token: str) -> Follower:
        return Follower(self._house, self._table, token, self._followers)

    def _open_door(self) -> None:
        if self._door is None and self._server is not None and self._decider is not None and self._welcome:
            with suppress(OSError):
                self._door = Door(self._decider.door, self._decider.token, self._welcome)

    async def _abdicate(self) -> None:
        server, self._server = self._server, None
        door, self._door = self._door, None
        self._decider = None
        if server is not None:
            server.close()
        try:
            await self._leadership.release()
            await asyncio.gather(*(each.finish() for each in list(self._followers)))
            if door is not None:
                # Who heard that this one leaves hangs up there too, after what was handed over before.
                door.shut()
                await paid(lambda: door.guests, _FAREWELL_S)
        finally:
            if door is not None:
                door.close()

    async def _follow(self) -> None:
        found = await self._house.database.read(deciders.find_decider, self._number)
        if found is None or found.api != self._api:
            # Nobody, or a replica of another release: it might read a call differently.
            return
        async with asyncio.timeout(HELLO_S):
            link = await self._connect(found)
            try:
                await link.known
            except BaseException:
                link.drop()
                raise
        if link.open:
            self._link = link
            self._decider = found
            self._house.switchboard.rest()
            meters.FOLLOWS.set(1)
            self._find_passage()
            log.info("decider_followed", host=found.host, port=found.port)

    async def _connect(self, found: deciders.Decider) -> Link:
        loop = asyncio.get_running_loop()

        def make() -> Link:
            return Link(found.token, self._on_end)

        if found.host.startswith("@"):
            near = connected(found.host[1:], socket.SOCK_STREAM)
            return (await loop.create_unix_connection(make, sock=near))[1]
        return (await loop.create_connection(make, found.host, found.port))[1]

    def _find_passage(self) -> None:
        """Hand connections over from now on if the decider is on this machine."""
        if self._passage is not None and not self._passage.open:
            self._passage = None
        if self._passage is None and self._decider is not None and self._decider.door:
            # Elsewhere there is no such door: hot calls are passed on, one by one.
            with suppress(OSError):
                self._passage = Passage(self._decider.door, self._decider.token)

    def _on_end(self) -> None:
        """Decide here again, and at once: what falls due is no other's now."""
        passage, self._passage = self._passage, None
        if passage is not None:
            passage.close()
        self._decider = None
        self._house.switchboard.resume()
        meters.FOLLOWS.set(0)
        self._ended.set()
