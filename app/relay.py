"""One replica decides for all: the others pass hot calls on to it, many in one frame.

Where every replica decides, each batch waits for the floor's row, applies what the others appended and is
small; a second replica makes the service slower. So the replicas elect one, by a session lock of PostgreSQL,
whose address they read from the database. Only speed hangs on it: the floor's row guards the log whoever
writes, so a replica that reaches no decider decides by itself, as one does that is alone. See docs/adr/0010.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, cast

import msgspec
import structlog

from app import meters
from app.api.hot import HEADERS, Call, HotRoute, HotTable, Reply, Tell, carry_out, failed, fingerprint
from app.auth import Principal
from app.db import deciders
from app.db.engine import FAILURES
from app.db.leader import Leadership
from app.errors import AnswerLostError, AppError
from app.house import House

log = structlog.get_logger()

_CHECK_S: Final = 1.0
_LOOKS: Final = 10
"""After how many checks a call that is still unanswered means that its decider is gone."""
_LEAVE_S: Final = 10.0
"""How long who leaves waits for answers."""
_HELLO_S: Final = 2.0
_FRAME_MAX: Final = 32 * 1024 * 1024
_HELLO_MAX: Final = 256
_FOLLOWERS_MAX: Final = 100
_BEHIND_MAX: Final = 8 * 1024 * 1024
"""Bytes that may wait to be sent to the decider before calls are decided here."""
_BYE: Final = b"bye"
_HELLO: Final = b"hello"


class Passed(msgspec.Struct, array_like=True, frozen=True):
    """A call as it is passed on; `number` comes back with its answer, `who` counts in the frame's people."""

    number: int
    who: int
    method: str
    path: str
    parameter: str
    idempotency_key: bytes | None
    raw: bytes


class Answered(msgspec.Struct, array_like=True, frozen=True):
    """What goes back for a call; without headers, those of every success."""

    number: int
    status: int
    headers: tuple[tuple[bytes, bytes], ...] | None
    body: bytes


_ENCODER: Final = msgspec.msgpack.Encoder()
_CALLS: Final = msgspec.msgpack.Decoder(tuple[list[Principal], list[Passed]])
_ANSWERS: Final = msgspec.msgpack.Decoder(list[Answered])


class Framed(asyncio.Protocol):
    """A connection of frames: four bytes of length, then as many bytes."""

    largest = _HELLO_MAX
    """Bytes of a frame that are taken; few until the other side is known."""

    def __init__(self) -> None:
        self._taken = bytearray()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # A TCP connection's; uvloop's is no asyncio.Transport by its type.
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take whole frames out of what has come."""
        self._taken += data
        while len(self._taken) >= 4:
            length = int.from_bytes(self._taken[:4], "big")
            if length > self.largest:
                self.drop()
                return
            if len(self._taken) < 4 + length:
                return
            frame = bytes(self._taken[4 : 4 + length])
            del self._taken[: 4 + length]
            try:
                self.take(frame)
            except msgspec.MsgspecError:
                self.drop()
            if self.transport is None or self.transport.is_closing():
                return

    def take(self, frame: bytes) -> None:
        """Do what a frame says."""
        raise NotImplementedError

    def send(self, frame: bytes) -> None:
        """Send one frame."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(len(frame).to_bytes(4, "big") + frame)

    def drop(self) -> None:
        """Hang up at once."""
        if self.transport is not None:
            self.transport.abort()


async def _paid(owed: Callable[[], int]) -> None:
    """Wait until no answer is owed any more, but not for long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_LEAVE_S):
            while owed():  # noqa: ASYNC110  each answer would have to tell
                await asyncio.sleep(0.01)


class Follower(Framed):
    """The decider's side of a connection: takes calls from a replica that knows the token."""

    def __init__(self, house: House, table: HotTable, token: str, open_ones: set[Follower]) -> None:
        super().__init__()
        self._house = house
        self._table = table
        self._token = token.encode()
        self._open_ones = open_ones
        self._known = False
        self._owed = 0
        self._answers: list[Answered] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the token, not for long."""
        super().connection_made(transport)
        if len(self._open_ones) >= _FOLLOWERS_MAX:
            self.drop()
            return
        self._open_ones.add(self)
        asyncio.get_running_loop().call_later(_HELLO_S, self._hurry)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the replica; what it passed on is carried out nevertheless."""
        self._open_ones.discard(self)

    def take(self, frame: bytes) -> None:
        """Take the token, then calls."""
        if not self._known:
            if not hmac.compare_digest(frame, self._token):
                self.drop()
                return
            self._known, self.largest = True, _FRAME_MAX
            self.send(_HELLO)
            return
        people, calls = _CALLS.decode(frame)
        for each in calls:
            self._carry_out(each, people[each.who])

    async def finish(self) -> None:
        """Take leave: nothing new comes then; wait until what was passed on is answered, and hang up."""
        self.send(_BYE)
        await _paid(lambda: self._owed)
        self._flush()
        if self.transport is not None:
            self.transport.close()

    def _carry_out(self, passed: Passed, who: Principal) -> None:
        self._owed += 1
        reply = partial(self._reply, passed.number)
        found = self._table.find(passed.method, passed.path)
        if found is None:
            reply(failed(AppError(), passed.path))
            return
        headers = [] if passed.idempotency_key is None else [(b"idempotency-key", passed.idempotency_key)]
        call = Call(passed.path, headers, passed.raw, passed.parameter)
        carry_out(self._house, found[0], who, call, reply)

    def _reply(self, number: int, reply: Reply) -> None:
        self._owed -= 1
        if not self._answers:
            # With all others of this turn of the loop.
            asyncio.get_running_loop().call_soon(self._flush)
        headers = None if reply.headers is HEADERS else tuple(reply.headers)
        self._answers.append(Answered(number, reply.status, headers, reply.body))

    def _flush(self) -> None:
        answers, self._answers = self._answers, []
        if answers:
            self.send(_ENCODER.encode(answers))

    def _hurry(self) -> None:
        if not self._known:
            self.drop()


class Link(Framed):
    """A follower's side of a connection: passes calls on and hands their answers out."""

    def __init__(self, token: str, on_end: Callable[[], None]) -> None:
        super().__init__()
        self._token = token.encode()
        self._on_end = on_end
        self._numbers = 0
        self._people: dict[Principal, int] = {}
        self._calls: list[Passed] = []
        self._waiting: dict[int, tuple[Tell, str, int]] = {}
        self._looks = 0
        self.known: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Show the token."""
        super().connection_made(transport)
        self.send(self._token)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell those who wait that nobody knows."""
        self._close()
        waiting, self._waiting = self._waiting, {}
        for tell, path, _ in waiting.values():
            tell(failed(AnswerLostError(), path))

    def take(self, frame: bytes) -> None:
        """Take a word or answers."""
        if frame == _HELLO:
            self.largest, self.open = _FRAME_MAX, True
            if not self.known.done():
                self.known.set_result(None)
        elif frame == _BYE:
            self._close()
        else:
            for each in _ANSWERS.decode(frame):
                self._hand_out(each)

    def pass_on(self, route: HotRoute, who: Principal, call: Call, tell: Tell) -> bool:
        """Pass a call on; return False, with nothing done, where the decider does not keep up."""
        if self.transport is None or self.transport.get_write_buffer_size() > _BEHIND_MAX:
            return False
        self._numbers += 1
        self._waiting[self._numbers] = (tell, call.path, self._looks)
        if not self._calls:
            asyncio.get_running_loop().call_soon(self._flush)
        key = call.header(b"idempotency-key")
        self._calls.append(
            Passed(
                number=self._numbers,
                who=self._people.setdefault(who, len(self._people)),
                method=route.method,
                path=call.path,
                parameter=call.parameter,
                idempotency_key=None if key is None else key.encode("latin-1"),
                raw=call.raw,
            )
        )
        return True

    def _flush(self) -> None:
        people, calls = self._people, self._calls
        self._people, self._calls = {}, []
        self.send(_ENCODER.encode((list(people), calls)))

    def leave(self) -> None:
        """Pass nothing on any more; what was is still answered."""
        self._close()

    def look(self) -> None:
        """Give a decider up that has not answered for so many looks."""
        self._looks += 1
        oldest = next(iter(self._waiting.values()), None)
        if oldest is not None and self._looks - oldest[2] > _LOOKS:
            log.warning("decider_silent", calls=len(self._waiting))
            self.drop()

    @property
    def owes(self) -> int:
        """How many calls wait for their answers."""
        return len(self._waiting)

    def _hand_out(self, answered: Answered) -> None:
        waiting = self._waiting.pop(answered.number, None)
        if waiting is not None:
            headers = HEADERS if answered.headers is None else answered.headers
            waiting[0](Reply(answered.status, headers, answered.body))

    def _close(self) -> None:
        was, self.open = self.open, False
        if not self.known.done():
            self.known.set_exception(ConnectionResetError("the decider hung up"))
        if was:
            self._on_end()


class Relay:
    """Elects the decider and passes calls on to it. `table` are the hot routes."""

    def __init__(self, house: House, leadership: Leadership, table: HotTable) -> None:
        self._house = house
        self._leadership = leadership
        self._table = table
        self._api = fingerprint()
        self._task: asyncio.Task[None] | None = None
        self._server: asyncio.Server | None = None
        self._followers: set[Follower] = set()
        self._link: Link | None = None
        self._ended = asyncio.Event()

    async def start(self) -> None:
        """Begin to look for the decider, or to be it."""
        await self._step()
        self._task = asyncio.create_task(self._run(), name="relay")

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
            await _paid(lambda: link.owes)
            link.drop()

    @property
    def decides(self) -> bool:
        """Whether this replica decides for the others."""
        return self._server is not None

    @property
    def follows(self) -> bool:
        """Whether calls are passed on."""
        return self._link is not None and self._link.open

    def pass_on(self, route: HotRoute, who: Principal, call: Call, tell: Tell) -> bool:
        """Have a call answered by the decider; False, with nothing done, where it is to be decided here."""
        link = self._link
        return link is not None and link.open and link.pass_on(route, who, call, tell)

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CHECK_S):
                    await self._ended.wait()
            self._ended.clear()
            await self._step()

    async def _step(self) -> None:
        try:
            if self._link is not None and self._link.open:
                self._link.look()
            elif self._server is not None:
                if self._house.switchboard.gave_up or not await self._leadership.holds():
                    log.warning("decider_lost")
                    await self._abdicate()
            elif not self._house.switchboard.gave_up and await self._leadership.take():
                await self._reign()
            else:
                await self._follow()
        except (*FAILURES, OSError, TimeoutError, AppError) as error:
            log.warning("relay_failed", error=type(error).__name__)

    async def _reign(self) -> None:
        """Listen where the database sees this process, and say so there."""
        token = secrets.token_urlsafe(32)
        host = await self._house.database.read(deciders.find_own_host)
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: Follower(self._house, self._table, token, self._followers), host, 0
            )
            port = self._server.sockets[0].getsockname()[1]
            decider = deciders.Decider(host, port, token, self._api)
            await self._house.database.tx(deciders.save_decider, decider)
        except BaseException:
            await self._abdicate()
            raise
        log.info("decider_here", host=host, port=port)

    async def _abdicate(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        await self._leadership.release()
        await asyncio.gather(*(each.finish() for each in list(self._followers)))

    async def _follow(self) -> None:
        found = await self._house.database.read(deciders.find_decider)
        if found is None or found.api != self._api:
            # Nobody, or a replica of another release: it might read a call differently.
            return
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_HELLO_S):
            _, link = await loop.create_connection(
                lambda: Link(found.token, self._on_end), found.host, found.port
            )
            try:
                await link.known
            except BaseException:
                link.drop()
                raise
        if link.open:
            self._link = link
            self._house.switchboard.rest()
            meters.FOLLOWS.set(1)
            log.info("decider_followed", host=found.host, port=found.port)

    def _on_end(self) -> None:
        """Decide here again, and at once: what falls due is no other's now."""
        self._house.switchboard.resume()
        meters.FOLLOWS.set(0)
        self._ended.set()
