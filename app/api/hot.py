"""Routes that calls depend on: matched by a table, body validated once, answer sent as ready-made bytes.

The framework's routing, parameter solving and response encoding cost several times what the switchboard
does; these routes do without, at the edge of the application, and are described to OpenAPI from the same
models. Measured by benchmarks/mix.py; see docs/adr.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import unquote

import structlog
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api import bodies
from app.auth import Principal
from app.batch import Answer, Key
from app.errors import AppError, BodyTooLargeError, MalformedRequestError, NotFoundError
from app.house import House

log = structlog.get_logger()

M = TypeVar("M", bound=BaseModel)

_KEY_MAX: Final = 200
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""An escaped NUL in JSON; after an odd number of backslashes it is text."""


@dataclass(slots=True)
class Call:
    """A request on a hot route: its body as it came, and the part of the path that varies."""

    scope: Scope
    raw: bytes
    parameter: str

    def header(self, name: bytes) -> str | None:
        """Return a header by its lower-case name, or None."""
        for key, value in self.scope["headers"]:
            if key == name:
                return bytes(value).decode("latin-1")
        return None

    def id(self, what: str) -> int:
        """Return the path's integer id; raises NotFoundError for anything that can't be one."""
        if not self.parameter.isdecimal() or len(self.parameter) > 18:
            raise NotFoundError(f"There is no {what} {self.parameter[:40]!r}.")
        return int(self.parameter)


Handler = Callable[[House, Principal, Call, Any], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class HotRoute:
    """One hot route and what OpenAPI says of it."""

    method: str
    path: str
    handler: Handler
    scope: str
    body: type[BaseModel] | None
    empty: bool
    status: int
    summary: str


ROUTES: Final[list[HotRoute]] = []
"""Every hot route; filled by the decorator as the modules of app.api are imported."""


def hot(
    method: str,
    path: str,
    *,
    scope: str,
    body: type[BaseModel] | None,
    summary: str,
    status: int = 200,
    empty: bool = False,
) -> Callable[[Handler], Handler]:
    """Add a route whose handler gets (house, principal, call, validated body) and gives an Answer.

    `path` is literal but for at most one `{parameter}`, its third segment. `empty`: the body may be left
    out, meaning all its defaults.
    """

    def add(handler: Handler) -> Handler:
        ROUTES.append(HotRoute(method, path, handler, scope, body, empty, status, summary))
        return handler

    return add


class HotRoutes:
    """Answers the hot routes itself and passes everything else on."""

    def __init__(
        self, app: ASGIApp, house_of: Callable[[], House], *, max_body: int, routes: Iterable[HotRoute]
    ) -> None:
        self._app = app
        self._house_of = house_of
        self._max_body = max_body
        self._table = {(each.method, *_shape(each.path)): each for each in routes}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] == "http":
            path = scope["path"]
            parts = path.split("/")
            route = self._table.get((scope["method"], *_key(parts)))
            if route is not None:
                parameter = unquote(parts[3]) if len(parts) > 3 else ""
                await self._answer(route, parameter, scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _answer(
        self, route: HotRoute, parameter: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        try:
            raw = await _read(receive, self._max_body)
            if raw is None:
                return
            house = self._house_of()
            call = Call(scope, raw, parameter)
            who = await _principal(house, call)
            who.require(route.scope)
            given = None
            if route.body is not None:
                given = parse(route.body, b"{}" if route.empty and not raw else raw)
            status, body = await route.handler(house, who, call, given)
            headers = _HEADERS
        except AppError as error:
            status, body = error.status, error.document()
            headers = [
                *_PROBLEM_HEADERS,
                *((k.lower().encode(), v.encode()) for k, v in error.headers.items()),
            ]
        except Exception:
            # The outermost frame of the request: the caller gets a problem, the log the traceback.
            log.exception("request_failed", path=scope["path"])
            status, body, headers = AppError.status, AppError().document(), _PROBLEM_HEADERS
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [*headers, (b"content-length", b"%d" % len(body))],
            }
        )
        await send({"type": "http.response.body", "body": body})


def parse(model: type[M], raw: bytes) -> M:
    """Return the validated body; raises MalformedRequestError with a pointer for each fault."""
    if _NUL.search(raw):
        # PostgreSQL stores no such text; SQLite would.
        raise malformed([{"loc": (), "msg": "A text can't contain the character U+0000."}])
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise malformed(error.errors(include_url=False, include_context=False, include_input=False)) from None


def malformed(faults: Any) -> MalformedRequestError:
    """Return the error for pydantic's faults: a JSON pointer and a sentence each."""
    errors = [
        {"pointer": "".join(f"/{part}" for part in fault["loc"]) or "/", "detail": _told(fault)}
        for fault in faults
    ]
    detail = "; ".join(f"{each['pointer']}: {each['detail']}" for each in errors[:3])
    return MalformedRequestError(detail, errors=errors[:20])


def _told(fault: Any) -> str:
    """Return what is wrong, or where a pattern was not met, what would be right: nobody reads a pattern."""
    said: str = fault["msg"]
    return next((right for pattern, right in bodies.WRITTEN.items() if f"'{pattern}'" in said), said)


def idempotency_key(call: Call, principal: Principal, *, call_id: str | None = None) -> Key | None:
    """Return under which key the answer is kept: the header's, else the telephony system's own id."""
    header = call.header(b"idempotency-key")
    if header is None and call_id is None:
        return None
    if header is not None and not 0 < len(header) <= _KEY_MAX:
        raise MalformedRequestError(f"An Idempotency-Key has 1 to {_KEY_MAX} characters.")
    key = f"key {header}" if header is not None else f"call {call_id}"
    digest = hashlib.blake2b(call.scope["path"].encode() + b"\n" + call.raw, digest_size=16)
    return Key(principal.key_id, key, digest.hexdigest())


def describe(document: dict[str, Any]) -> None:
    """Add the hot routes to an OpenAPI document."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for route in ROUTES:
        operation: dict[str, Any] = {
            "summary": route.summary,
            "description": f"{route.handler.__doc__} Scope `{route.scope}`.",
            "operationId": f"{route.handler.__module__.rsplit('.', 1)[-1]}_{route.handler.__name__}",
            "tags": [route.path.split("/")[2]],
            "parameters": _parameters(route),
            "responses": _responses(route),
        }
        if route.body is not None:
            name = route.body.__name__
            schema = route.body.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(schema.pop("$defs", {}))
            schemas[name] = schema
            content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
            operation["requestBody"] = {"required": not route.empty, "content": content}
        document["paths"].setdefault(route.path, {})[route.method.lower()] = operation


def _parameters(route: HotRoute) -> list[dict[str, Any]]:
    given: list[dict[str, Any]] = [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "minLength": 1, "maxLength": _KEY_MAX},
            "description": "The same key gives the same answer again.",
        }
    ]
    if "{" in route.path:
        name = route.path[route.path.index("{") + 1 : route.path.index("}")]
        kind = "string" if name == "agent_id" else "integer"
        given.insert(0, {"name": name, "in": "path", "required": True, "schema": {"type": kind}})
    return given


def _responses(route: HotRoute) -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "object"}}}
    return {str(route.status): {"description": "Done, and stored durably.", "content": content}}


def _shape(path: str) -> tuple[str, str]:
    parts = path.split("/")
    return _key(parts)


def _key(parts: list[str]) -> tuple[str, str]:
    """Return what a path is looked up by: its first two segments, and its number and fourth segment."""
    if len(parts) == 3 and parts[1] == "v1":
        return parts[2], ""
    if len(parts) == 5 and parts[1] == "v1":
        return parts[2], parts[4]
    return "", ""


async def _principal(house: House, call: Call) -> Principal:
    header = call.header(b"authorization")
    known = house.keyring.known(header) if header is not None else None
    return known or await house.keyring.principal(Request(call.scope))


async def _read(receive: Receive, limit: int) -> bytes | None:
    """Return the whole body, None if the caller left; raises BodyTooLargeError beyond `limit` bytes."""
    message = await receive()
    if message["type"] != "http.request":
        return None
    body: bytes = message.get("body", b"")
    while message.get("more_body") and len(body) <= limit:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
    if len(body) > limit:
        raise BodyTooLargeError(f"At most {limit} bytes are taken here.", limit_bytes=limit)
    return body


_SAFE: Final = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]
_HEADERS: Final = [(b"content-type", b"application/json"), *_SAFE]
_PROBLEM_HEADERS: Final = [(b"content-type", b"application/problem+json"), *_SAFE]
