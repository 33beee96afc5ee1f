"""Hot calls passed on to the replica that decides, and their answers: many in one frame."""

from __future__ import annotations

import asyncio
import hmac
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, cast

import msgspec
import structlog

from app.api.hot import HEADERS, Call, HotRoute, HotTable, Reply, Tell, carry_out, failed
from app.auth import Principal
from app.door import is_ours
from app.errors import AnswerLostError, AppError
from app.house import House

log = structlog.get_logger()

_LOOKS: Final = 10
"""After how many looks without an answer a decider is gone."""
LEAVE_S: Final = 10.0
"""How long who leaves waits for answers."""
HELLO_S: Final = 2.0
"""How long either side waits for the first word of the other."""
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


async def paid(owed: Callable[[], int], limit_s: float = LEAVE_S) -> None:
    """Wait until nothing is owed any more, but not for long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
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
        near = transport.get_extra_info("socket")
        if len(self._open_ones) >= _FOLLOWERS_MAX or (near.family == socket.AF_UNIX and not is_ours(near)):
            self.drop()
            return
        self._open_ones.add(self)
        asyncio.get_running_loop().call_later(HELLO_S, self._hurry)

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
        if not calls:
            self.send(_ENCODER.encode([]))
        for each in calls:
            self._carry_out(each, people[each.who])

    async def finish(self) -> None:
        """Take leave: nothing new comes then; wait until what was passed on is answered, and hang up."""
        self.send(_BYE)
        await paid(lambda: self._owed)
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
        self._asked_at: int | None = None
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
            answers = _ANSWERS.decode(frame)
            if not answers:
                self._asked_at = None
            for each in answers:
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
        """Ask whether the decider is there, and give it up if it has not answered for so many looks."""
        self._looks += 1
        if self._asked_at is None:
            self._asked_at = self._looks
            self.send(_ENCODER.encode(([], [])))
        oldest = next(iter(self._waiting.values()), (None, "", self._asked_at))
        if self._looks - min(oldest[2], self._asked_at) > _LOOKS:
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
