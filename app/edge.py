"""The outermost ASGI layer: bodies are bounded, answers carry security headers, faults become problems."""

from __future__ import annotations

from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import AppError, BodyTooLargeError

log = structlog.get_logger()

_HEADERS: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
    ),
]


class Edge:
    """Wraps the application. Pure ASGI: a middleware class of the framework would cost most of the speed."""

    def __init__(self, app: ASGIApp, *, max_body: int, larger: dict[str, int] | None = None) -> None:
        self._app = app
        self._max_body = max_body
        self._larger = larger or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._larger.get(scope["path"], self._max_body)
        begun = False
        left = limit

        async def bounded() -> Message:
            nonlocal left
            message = await receive()
            if message["type"] == "http.request":
                left -= len(message.get("body", b""))
                if left < 0:
                    raise _too_large(limit)
            return message

        async def guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                present = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(pair for pair in _HEADERS if pair[0] not in present),
                ]
            await send(message)

        try:
            if _announced(scope) > limit:
                raise _too_large(limit)
            await self._app(scope, bounded, guarded)
        except AppError as error:
            if not begun:
                await _problem(guarded, error)
        except Exception:
            # The outermost frame: the caller gets a problem document, the log gets the traceback.
            log.exception("request_failed", path=_loggable(scope["path"]))
            if not begun:
                await _problem(guarded, AppError())


def _loggable(path: str) -> str:
    """Return a path without what lets its reader in."""
    return "/calendars/..." if path.startswith("/calendars/") else path


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0


def _too_large(limit: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"At most {limit} bytes are taken here.", limit_bytes=limit)


async def _problem(send: Send, error: AppError) -> None:
    body = error.document()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    if error.status == 413:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
