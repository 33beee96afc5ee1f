"""Load on a server on 127.0.0.1: connections that each send one request after another, bounded in time."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import uvloop


@dataclass
class Result:
    """What came out: requests, seconds, and every request's duration (s), sorted."""

    requests: int = 0
    seconds: float = 0.0
    errors: int = 0
    durations: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    def quantile(self, share: float) -> float:
        """Duration (s) that `share` of the requests stayed below."""
        return self.durations[min(int(share * len(self.durations)), len(self.durations) - 1)]


class Connection:
    """One keep-alive HTTP/1.1 connection, as thin as it can be."""

    def __init__(self, port: int, key: str) -> None:
        self._port = port
        self._head = (
            f"Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
        )

    async def open(self) -> None:
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    def close(self) -> None:
        """Hang up."""
        self._writer.close()

    async def send(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Send a request and return (status, body)."""
        head = f"{method} {path} HTTP/1.1\r\n{self._head}Content-Length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        raw = await self._reader.readuntil(b"\r\n\r\n")
        status = int(raw[9:12])
        at = raw.lower().index(b"content-length:") + 15
        length = int(raw[at : raw.index(b"\r\n", at)])
        return status, await self._reader.readexactly(length) if length else b""


class Pool:
    """Connections to one port, opened as they are needed and used again."""

    def __init__(self, port: int, key: str) -> None:
        self._port, self._key = port, key
        self._idle: list[tuple[float, Connection]] = []

    async def send(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Send a request on a free connection and return (status, body)."""
        now = time.perf_counter()
        # The server closes connections that rest for 5 s; take none that is near that.
        self._idle = [each for each in self._idle if now - each[0] < 3.0]
        if self._idle:
            connection = self._idle.pop()[1]
        else:
            connection = Connection(self._port, self._key)
            await connection.open()
        answer = await connection.send(method, path, body)
        self._idle.append((time.perf_counter(), connection))
        return answer


Flow = Callable[["Client"], Awaitable[None]]


class Client:
    """A connection that measures its requests into a shared result."""

    def __init__(self, connection: Connection, result: Result, number: int) -> None:
        self.number = number
        self._connection = connection
        self._result = result

    def fail(self) -> None:
        """Count an answer that is not what the flow needs."""
        self._result.errors += 1

    async def post(self, path: str, body: bytes = b"") -> Any:
        """Send a POST, measure it, and return the decoded answer."""
        begin = time.perf_counter()
        status, raw = await self._connection.send("POST", path, body)
        self._result.durations.append(time.perf_counter() - begin)
        self._result.requests += 1
        if status >= 400:
            self._result.errors += 1
            return None
        return json.loads(raw) if raw else None


def measure(port: int | Sequence[int], key: str, flow: Flow, *, connections: int, seconds: float) -> Result:
    """Run `flow` over and over on every connection for `seconds`; return what came out.

    Several ports share the connections evenly; one loop drives them all.
    """
    ports = [port] if isinstance(port, int) else port
    return uvloop.run(_measure(ports, key, flow, connections=connections, seconds=seconds))


async def _measure(ports: Sequence[int], key: str, flow: Flow, *, connections: int, seconds: float) -> Result:
    result = Result()
    opened = [Connection(ports[i % len(ports)], key) for i in range(connections)]
    for each in opened:
        await each.open()
    begin = time.perf_counter()
    end = begin + seconds

    async def work(number: int, connection: Connection) -> None:
        client = Client(connection, result, number)
        while time.perf_counter() < end:
            await flow(client)

    await asyncio.gather(*(work(i, each) for i, each in enumerate(opened)))
    result.seconds = time.perf_counter() - begin
    result.durations.sort()
    for each in opened:
        each.close()
    return result
