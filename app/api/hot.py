"""Routes that calls depend on: the body is read and validated once, the answer is ready-made bytes.

FastAPI's own parameter solving and response encoding cost more than the switchboard; these routes do
without and are described to OpenAPI by hand, from the same models.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ValidationError

from app.auth import Principal
from app.errors import MalformedRequestError
from app.house import House, house_of
from app.switchboard import Answer, Key

M = TypeVar("M", bound=BaseModel)
Handler = Callable[[House, Principal, Request, Any], Awaitable[Answer]]

_KEY_MAX: Final = 200


def hot(
    router: APIRouter,
    method: str,
    path: str,
    *,
    scope: str,
    body: type[BaseModel] | None,
    summary: str,
    status: int = 200,
    empty: bool = False,
) -> Callable[[Handler], Handler]:
    """Add a route whose handler gets (house, principal, request, validated body) and gives an Answer.

    `empty`: the body may be left out, meaning all its defaults.
    """

    def add(handler: Handler) -> Handler:
        async def endpoint(request: Request) -> Response:
            house = house_of(request)
            principal = await house.keyring.principal(request)
            principal.require(scope)
            raw = await request.body() if body is not None else b""
            given = parse(body, raw or b"{}" if empty else raw) if body is not None else None
            request.state.raw = raw
            answer = await handler(house, principal, request, given)
            return Response(answer.body, answer.status, media_type="application/json")

        endpoint.__name__ = handler.__name__
        endpoint.__doc__ = handler.__doc__
        router.add_api_route(
            path,
            endpoint,
            methods=[method],
            summary=summary,
            status_code=status,
            response_class=Response,
            openapi_extra=_described(body, scope, required=not empty),
        )
        return handler

    return add


def parse(model: type[M], raw: bytes) -> M:
    """Return the validated body; raises MalformedRequestError with a pointer for each fault."""
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise malformed(error.errors(include_url=False, include_context=False, include_input=False)) from None


def malformed(faults: Any) -> MalformedRequestError:
    """Return the error for pydantic's faults: a JSON pointer and a sentence each."""
    errors = [
        {"pointer": "".join(f"/{part}" for part in fault["loc"]) or "/", "detail": fault["msg"]}
        for fault in faults
    ]
    detail = "; ".join(f"{each['pointer']}: {each['detail']}" for each in errors[:3])
    return MalformedRequestError(detail, errors=errors[:20])


def idempotency_key(request: Request, principal: Principal, *, call_id: str | None = None) -> Key | None:
    """Return under which key the answer is kept: the header's, else the telephony system's own id."""
    header = request.headers.get("idempotency-key")
    if header is None and call_id is None:
        return None
    if header is not None and not 0 < len(header) <= _KEY_MAX:
        raise MalformedRequestError(f"An Idempotency-Key has 1 to {_KEY_MAX} characters.")
    key = f"key {header}" if header is not None else f"call {call_id}"
    digest = hashlib.blake2b(f"{request.url.path}\n".encode() + request.state.raw, digest_size=16)
    return Key(principal.key_id, key, digest.hexdigest())


def _described(body: type[BaseModel] | None, scope: str, *, required: bool) -> dict[str, Any]:
    described: dict[str, Any] = {
        "security": [{"HTTPBearer": []}, {"APIKeyCookie": []}],
        "description": f"Scope `{scope}`.",
    }
    if body is not None:
        schema = body.model_json_schema(ref_template=f"#/components/schemas/{body.__name__}-{{model}}")
        described["x-schema"] = schema
        described["requestBody"] = {
            "required": required,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{body.__name__}"}}},
        }
    return described
