"""A client of the public HTTP API that waits for the service's own yes and may ask again without harm."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

import httpx
import msgspec

from app.clock import Clock

_ATTEMPTS: Final = 8
_FIRST_PAUSE_S: Final = 0.05


class RefusedError(Exception):
    """The service answered with something else than 2xx; `status` and its problem document say what."""

    def __init__(self, method: str, path: str, status: int, problem: dict[str, Any]) -> None:
        detail = problem.get("detail") or problem.get("title") or ""
        super().__init__(f"{method} {path} was answered with {status}: {detail}")
        self.status = status
        self.problem = problem


class UnreachableError(Exception):
    """The service can't be reached, or is too busy for too long."""


class Api:
    """Sends requests with one key over kept-alive connections; counts what had to be sent again.

    Every POST carries the same Idempotency-Key (or `call_id`) each time, so that a request whose answer got
    lost is carried out once.
    """

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self.retries = 0

    async def get(self, path: str, **params: Any) -> Any:
        """Return the decoded answer of a GET."""
        given = {name: value for name, value in params.items() if value is not None}
        return await self.send("GET", path, params=given)

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        text: str | None = None,
        key: str | None = None,
        params: dict[str, Any] | None = None,
    ) -> Any:
        """Send a request, with `body` as JSON or `text` as CSV, until it is answered; return the answer.

        503 is waited out as long as Retry-After says, lost connections are opened again. Raises RefusedError
        for any other answer that is not 2xx, UnreachableError after eight attempts.
        """
        headers = {"Idempotency-Key": key} if key is not None else {}
        content: bytes | None = None
        if text is not None:
            content, headers["Content-Type"] = text.encode(), "text/csv"
        if body is not None:
            content, headers["Content-Type"] = msgspec.json.encode(body), "application/json"
        reason = ""
        for attempt in range(_ATTEMPTS):
            try:
                answer = await self.http.request(
                    method, path, content=content, headers=headers, params=params or None
                )
            except httpx.TransportError as error:
                reason, pause_s = type(error).__name__, _FIRST_PAUSE_S * 2**attempt
            else:
                if answer.status_code != 503:
                    return _decoded(method, path, answer)
                reason, pause_s = "503", _retry_after_s(answer)
            self.retries += 1
            await asyncio.sleep(pause_s)
        raise UnreachableError(f"{method} {path} failed {_ATTEMPTS} times, last by {reason}")

    async def pages(self, path: str, **params: Any) -> AsyncIterator[dict[str, Any]]:
        """Yield every item of a list, page after page."""
        cursor = None
        while True:
            page = await self.get(path, cursor=cursor, **params)
            for item in page["items"]:
                yield item
            cursor = page["next"]
            if cursor is None:
                return

    async def clock(self) -> Clock:
        """Return a clock that shows the service's time, as exactly as half a round trip allows."""
        best: tuple[float, Clock] | None = None
        for _ in range(3):
            watch = Clock(speed=1.0)
            begun = watch.now()
            health = await self.get("/healthz")
            took_s = watch.now() - begun
            start = instant(health["now"]) + took_s / 2 * health["clock_speed"]
            if best is None or took_s < best[0]:
                best = took_s, Clock(speed=health["clock_speed"], start_at=start)
        assert best is not None  # noqa: S101
        return best[1]


@asynccontextmanager
async def connected(url: str, key: str, *, connections: int = 64) -> AsyncIterator[Api]:
    """Yield a client of the service at `url`."""
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    headers = {"Authorization": f"Bearer {key}"}
    timeout = httpx.Timeout(30.0, pool=120.0)
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=timeout, limits=limits) as http:
        yield Api(http)


def instant(text: str) -> float:
    """Return the epoch seconds of an instant as the service writes it."""
    return datetime.fromisoformat(text).timestamp()


def _decoded(method: str, path: str, answer: httpx.Response) -> Any:
    if answer.is_success:
        return msgspec.json.decode(answer.content) if answer.content else None
    try:
        problem = msgspec.json.decode(answer.content, type=dict[str, Any])
    except msgspec.DecodeError:
        problem = {"title": answer.reason_phrase}
    raise RefusedError(method, path, answer.status_code, problem)


def _retry_after_s(answer: httpx.Response) -> float:
    text = answer.headers.get("retry-after", "")
    return min(float(text), 30.0) if text.isdecimal() else 1.0
