"""The API's description, completed by what holds for every route: who may ask, and how a no looks."""

from __future__ import annotations

from typing import Any, Final

from app.answer_schemas import describe_answers
from app.auth import COOKIE

OPEN: Final = frozenset({"/healthz", "/readyz", "/calendars/{secret}.ics"})
"""Described routes that need no key."""

SECURITY: Final[list[dict[str, list[str]]]] = [{"HTTPBearer": []}, {"APIKeyCookie": []}]
PROBLEMS: Final = {
    "401": "No valid key or session.",
    "403": "The key lacks the scope, or stands for another agent.",
    "404": "There is no such thing.",
    "409": "Not possible in the present state; nothing was changed.",
    "413": "The body is too large.",
    "422": "The request does not fit its description; `errors` point at the fields.",
    "503": "Too much at once, or no database; nothing was done.",
}
_REFERENCE: Final = {"$ref": "#/components/schemas/Problem"}
_PROBLEM: Final = {
    "type": "object",
    "description": "What went wrong (RFC 9457); some kinds of problem have members of their own.",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "description": "`/problems/` and the slug of the problem."},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}


def complete(document: dict[str, Any]) -> None:
    """Add security and problem answers to every operation of an OpenAPI document."""
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = _PROBLEM
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    components["securitySchemes"] = {
        "HTTPBearer": {"type": "http", "scheme": "bearer", "description": "An API key, `rondo_...`."},
        "APIKeyCookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": COOKIE,
            "description": "A signed-in browser; needs our own Origin unless it only reads.",
        },
    }
    describe_answers(document)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _complete_operation(operation, path)


def _complete_operation(operation: dict[str, Any], path: str) -> None:
    operation["security"] = [] if path in OPEN else SECURITY
    open_to_all = ("404", "422", "503") if "{" in path else ("503",)
    said = open_to_all if path in OPEN else tuple(PROBLEMS)
    for status, text in ((each, PROBLEMS[each]) for each in said):
        operation["responses"][status] = {
            "description": text,
            "content": {"application/problem+json": {"schema": _REFERENCE}},
        }
