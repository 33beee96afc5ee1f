"""Hot routes straight from the socket: uvicorn's protocol without a task and ASGI messages for each of them.

A request that is all there, on a hot route, from a key that was checked within the last seconds, becomes an
errand of the switchboard at once and its answer is written when it is told. Everything else (bodies in
chunks, pipelined requests, keys to be looked up, every other route) goes uvicorn's way, to the same handlers.
See docs/adr/0009; measured by benchmarks/mix.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.api.hot import Call, HotRoute, HotRoutes, Reply, ask, known
from app.auth import Principal
from app.clock import stopwatch
from app.house import House

if TYPE_CHECKING:
    from app.relay import Relay

_LENGTH_MAX: Final = 9
"""Digits of a Content-Length that is looked at."""
_LINE_MAX: Final = 256
"""Bytes among which a hot call's first line ends."""


class _HotCycle:
    """What uvicorn's protocol wants to know of a request that is being answered, and nothing more."""

    __slots__ = ("disconnected", "keep_alive", "message_event", "response_complete")

    def __init__(self, *, keep_alive: bool) -> None:
        self.keep_alive = keep_alive
        self.response_complete = False
        self.disconnected = False
        self.message_event = _NOBODY


class _Nobody:
    """Stands for the event that ASGI's `receive` waits for: here nobody waits."""

    def set(self) -> None:
        """Do nothing."""


_NOBODY: Final = _Nobody()


class HotProtocol(HttpToolsProtocol):
    """One connection. To be subclassed with `routes` set, see `protocol_for`.

    `read_already` is what another replica has read of it before it was handed over.
    """

    routes: HotRoutes
    _route: HotRoute | None = None
    _parameter = ""
    _raw: bytes | bytearray = b""
    _quiet_s: Callable[[], float] | None = None
    """For how long (s) nothing has come and nothing is to be answered."""
    _within = False
    """Whether a part of a request has come."""

    def __init__(self, *given: Any, read_already: bytes = b"", **named: Any) -> None:
        super().__init__(*given, **named)
        self._read_already = read_already

    # What the parser calls, in this order, for each request.

    def on_message_begin(self) -> None:
        """Begin a request; uvicorn's scope is made only where it is wanted."""
        self._within = True
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._route = None
        self._raw = b""

    def on_headers_complete(self) -> None:
        """Choose the way."""
        if not self._is_hot():
            self._as_usual()

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body; the parser gives no more than was announced."""
        if self._route is None:
            super().on_body(body)
        elif not self._raw:
            self._raw = body
        else:
            if isinstance(self._raw, bytes):
                self._raw = bytearray(self._raw)
            self._raw += body

    def on_message_complete(self) -> None:
        """Carry the request out, or pass it on whole."""
        self._within = False
        route = self._route
        if route is None:
            super().on_message_complete()
            return
        house = self.routes.house_of()
        call = Call(self.url.decode("ascii"), self.headers, bytes(self._raw), self._parameter)
        who = known(house, call)
        if who is not None:
            self._carry_out(house, route, who, call)
            return
        self._route = None
        self._as_usual()
        if call.raw:
            super().on_body(call.raw)
        super().on_message_complete()

    # Between requests.

    def on_response_complete(self) -> None:
        """Go on to what was pipelined, or begin to be quiet."""
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._quiet_s = stopwatch()
        if self.timeout_keep_alive_task is None:
            self._watch(self.timeout_keep_alive)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, and what was read of it already."""
        super().connection_made(transport)
        data, self._read_already = self._read_already, b""
        if data:
            self._go_on(data)

    def _go_on(self, data: bytes) -> None:
        # Not handed over again, whoever decides by now.
        try:
            super().data_received(data)
        except BaseException:
            # Not every loop would read on, and what comes next makes no sense.
            self.transport.abort()
            raise
        if self.flow.read_paused:
            # Nothing is read yet, and not every loop heeds a pause that comes before.
            self.loop.call_soon(self._pause)

    def _pause(self) -> None:
        if self.flow.read_paused and not self.transport.is_closing():
            self.transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        """Take bytes in; the watch runs on, as setting one for each request costs more than parsing it."""
        self._quiet_s = None
        relay = self.routes.house_of().relay
        if relay is None or not relay.hands_over or not self._goes_away(relay, data):
            super().data_received(data)

    def _goes_away(self, relay: Relay, data: bytes) -> bool:
        """Have the decider go on with the connection if a hot call begins and nothing is to be answered."""
        if self._within or (self.cycle is not None and not self.cycle.response_complete):
            return False
        method, _, rest = data[:_LINE_MAX].partition(b" ")
        path, _, version = rest.partition(b" ")
        if not version.startswith(b"HTTP/1.1\r\n") or not data[:_LINE_MAX].isascii():
            return False
        if self.routes.find(method.decode("ascii"), path.decode("ascii")) is None:
            return False
        return relay.hand_over(self.transport, data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the connection."""
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()

    def _unset_keepalive_if_required(self) -> None:
        """Leave the watch on."""

    def _watch(self, delay_s: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(delay_s, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        """Hang up on a connection that has been quiet for long enough."""
        self.timeout_keep_alive_task = None
        if self._quiet_s is None or self.transport.is_closing():
            return
        left_s = self.timeout_keep_alive - self._quiet_s()
        if left_s > 0.0:
            self._watch(left_s)
        else:
            self.transport.close()

    def _as_usual(self) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers
        super().on_headers_complete()

    def _is_hot(self) -> bool:
        """Return whether the request can go the short way, with its route noted."""
        url, parser = self.url, self.parser
        if b"?" in url or b"#" in url or not url.startswith(b"/v1/") or not url.isascii():
            return False
        found = self.routes.find(parser.get_method().decode("ascii"), url.decode("ascii"))
        if found is None or not self._is_plain() or parser.get_http_version() != "1.1":
            return False
        busy = self.cycle is not None and not self.cycle.response_complete
        if busy or self.flow.write_paused or parser.should_upgrade():
            return False
        self._route, parameter = found
        self._parameter = unquote(parameter) if "%" in parameter else parameter
        return True

    def _is_plain(self) -> bool:
        """Return whether the headers announce a body of at most the largest length, or none."""
        if self.expect_100_continue or self.root_path:
            return False
        for name, value in self.headers:
            if name == b"transfer-encoding":
                return False
            if name == b"content-length" and (
                len(value) > _LENGTH_MAX or not value.isdigit() or int(value) > self.routes.max_body
            ):
                return False
        return True

    def _carry_out(self, house: House, route: HotRoute, who: Principal, call: Call) -> None:
        cycle = _HotCycle(keep_alive=self.parser.should_keep_alive())
        self.cycle = cycle  # type: ignore[assignment]
        self._route = None
        ask(house, route, who, call, partial(self._write, cycle))

    def _write(self, cycle: _HotCycle, reply: Reply) -> None:
        """Send a whole answer in one piece, unless the caller has left."""
        cycle.response_complete = True
        if cycle.disconnected:
            return
        lines = [STATUS_LINE[reply.status]]
        for name, value in (*self.server_state.default_headers, *reply.headers):
            lines += (name, b": ", value, b"\r\n")
        lines.append(b"content-length: %d\r\n" % len(reply.body))
        if not cycle.keep_alive:
            lines.append(b"connection: close\r\n")
        lines += (b"\r\n", reply.body)
        self.transport.write(b"".join(lines))
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()


def protocol_for(routes: HotRoutes) -> type[HotProtocol]:
    """Return the protocol that answers these routes, as uvicorn takes it (`http=`)."""
    return type("RondoProtocol", (HotProtocol,), {"routes": routes})
