"""Routes that calls depend on: matched by a table, body validated once, answer sent as ready-made bytes.

The framework's routing, parameter solving and response encoding cost several times what the switchboard
does; these routes do without, at the edge of the application, and are described to OpenAPI from the same
models. A handler says what is asked and waits for nothing, so that app.hot_protocol can answer without a task
for each request. Measured by benchmarks/mix.py; see docs/adr.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import unquote

import structlog
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api import bodies
from app.auth import Principal
from app.batch import Answer, Errand, Key
from app.errors import AppError, BodyTooLargeError, MalformedRequestError, NotFoundError
from app.house import House

log = structlog.get_logger()

M = TypeVar("M", bound=BaseModel)

_KEY_MAX: Final = 200
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""An escaped NUL in JSON; after an odd number of backslashes it is text."""


@dataclass(slots=True)
class Call:
    """A request on a hot route; names of headers in lower case, `parameter` is what varies in the path."""

    path: str
    headers: list[tuple[bytes, bytes]]
    raw: bytes
    parameter: str

    def header(self, name: bytes) -> str | None:
        """Return a header by its lower-case name, or None."""
        for key, value in self.headers:
            if key == name:
                return bytes(value).decode("latin-1")
        return None

    def id(self, what: str) -> int:
        """Return the path's integer id; raises NotFoundError for anything that can't be one."""
        if not self.parameter.isdecimal() or len(self.parameter) > 18:
            raise NotFoundError(f"There is no {what} {self.parameter[:40]!r}.")
        return int(self.parameter)


Handler = Callable[[House, Principal, Call, Any], Errand]
Explain = Callable[[House, Call, AppError], Awaitable[AppError]]


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
    explain: Explain | None

    def errand(self, house: House, who: Principal, call: Call) -> Errand:
        """Return what `who` asks for by `call`; raises the AppError that says why it can't be asked."""
        who.require(self.scope)
        given = None
        if self.body is not None:
            given = parse(self.body, b"{}" if self.empty and not call.raw else call.raw)
        return self.handler(house, who, call, given)


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
    explain: Explain | None = None,
) -> Callable[[Handler], Handler]:
    """Add a route whose handler makes an Errand of (house, principal, call, validated body).

    The errand's view gives an Answer. `path` is literal but for at most one `{parameter}`, its third segment.
    `empty`: the body may be left out, meaning all its defaults. `explain(house, call, error)` looks up what a
    refusal should say better.
    """

    def add(handler: Handler) -> Handler:
        ROUTES.append(HotRoute(method, path, handler, scope, body, empty, status, summary, explain))
        return handler

    return add


class HotTable:
    """Finds the hot route of a path."""

    def __init__(self, routes: Iterable[HotRoute]) -> None:
        self._table = {(each.method, *_shape(each.path)): each for each in routes}

    def find(self, method: str, path: str) -> tuple[HotRoute, str] | None:
        """Return the hot route of a path without its query, and the path's variable part as it stands."""
        parts = path.split("/")
        route = self._table.get((method, *_key(parts)))
        if route is None:
            return None
        return route, parts[3] if len(parts) > 3 else ""


class HotRoutes:
    """Answers the hot routes itself and passes everything else on."""

    def __init__(
        self, app: ASGIApp, house_of: Callable[[], House], *, max_body: int, routes: Iterable[HotRoute]
    ) -> None:
        self._app = app
        self.house_of = house_of
        self.max_body = max_body
        self.find = HotTable(routes).find

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] == "http":
            found = self.find(scope["method"], scope["path"])
            if found is not None:
                await self._answer(*found, scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _answer(
        self, route: HotRoute, parameter: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        try:
            raw = await _read(receive, self.max_body)
            if raw is None:
                return
            house = self.house_of()
            call = Call(scope["path"], scope["headers"], raw, unquote(parameter))
            who = known(house, call) or await house.keyring.principal(Request(scope))
            answered: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
            ask(house, route, who, call, partial(_settle, answered))
            reply = await answered
        except Exception as error:
            reply = failed(error, scope["path"])
        headers = [*reply.headers, (b"content-length", b"%d" % len(reply.body))]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})


class Reply(NamedTuple):
    """What goes back: status, headers without the length, body."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


Tell = Callable[[Reply], None]


def ask(house: House, route: HotRoute, who: Principal, call: Call, tell: Tell) -> None:
    """Have a call answered, here or by the replica that decides; `tell` gets the reply, once, in the loop."""
    if house.relay is None or not house.relay.pass_on(route, who, call, tell):
        carry_out(house, route, who, call, tell)


def carry_out(house: House, route: HotRoute, who: Principal, call: Call, tell: Tell) -> None:
    """Have a call answered by this process; `tell` gets the reply, once, in the loop."""
    try:
        errand = route.errand(house, who, call)
        errand.told = partial(_outcome, house, route, call, tell)
        house.switchboard.enqueue(errand)
    except Exception as error:
        tell(failed(error, call.path))


def failed(error: Exception, path: str) -> Reply:
    """Return how a failure is told; what is no AppError is a fault of ours, and logged."""
    if not isinstance(error, AppError):
        log.error("request_failed", path=path, exc_info=error)
        error = AppError()
    more = ((name.lower().encode(), value.encode()) for name, value in error.headers.items())
    return Reply(error.status, [*_PROBLEM_HEADERS, *more], error.document())


def _outcome(house: House, route: HotRoute, call: Call, tell: Tell, result: Any) -> None:
    if isinstance(result, Answer):
        tell(Reply(result.status, HEADERS, result.body))
    elif route.explain is None:
        tell(failed(result, call.path))
    else:
        task = asyncio.get_running_loop().create_task(_explain(house, route.explain, call, tell, result))
        _EXPLAINING.add(task)
        task.add_done_callback(_EXPLAINING.discard)


_EXPLAINING: Final[set[asyncio.Task[None]]] = set()
"""The loop itself holds its tasks weakly only."""


async def _explain(house: House, explain: Explain, call: Call, tell: Tell, error: AppError) -> None:
    told: Exception = error
    try:
        told = await explain(house, call, error)
    except Exception as fault:
        told = fault
    tell(failed(told, call.path))


def _settle(answered: asyncio.Future[Reply], reply: Reply) -> None:
    if not answered.done():
        answered.set_result(reply)


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
    digest = hashlib.blake2b(call.path.encode() + b"\n" + call.raw, digest_size=16)
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


def fingerprint() -> str:
    """Return what is the same in two processes just if their hot routes take and mean the same."""
    document: dict[str, Any] = {"paths": {}}
    describe(document)
    return hashlib.blake2b(json.dumps(document, sort_keys=True).encode(), digest_size=16).hexdigest()


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


def known(house: House, call: Call) -> Principal | None:
    """Return who sent a call if the key was checked within the last seconds."""
    header = call.header(b"authorization")
    return house.keyring.known(header) if header is not None else None


async def _read(receive: Receive, limit: int) -> bytes | None:
    """Return the whole body, None if the caller left; raises BodyTooLargeError beyond `limit` bytes."""
    body = bytearray()
    more = True
    while more and len(body) <= limit:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
    if len(body) > limit:
        raise BodyTooLargeError(f"At most {limit} bytes are taken here.", limit_bytes=limit)
    return bytes(body)


_SAFE: Final = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]
HEADERS: Final = ((b"content-type", b"application/json"), *_SAFE)
_PROBLEM_HEADERS: Final = [(b"content-type", b"application/problem+json"), *_SAFE]
