"""What a refusal of the floor means to an HTTP caller."""

from __future__ import annotations

import re
from typing import Any

from app.errors import (
    AppError,
    ForbiddenError,
    InvalidPolicyError,
    MalformedRequestError,
    NotEligibleError,
    NotFoundError,
    OfferGoneError,
    UnknownReferenceError,
    WrongStateError,
)
from routing.refused import Code, Refused

_ERRORS: dict[Code, type[AppError]] = {
    Code.UNKNOWN_TEAM: UnknownReferenceError,
    Code.UNKNOWN_AGENT: UnknownReferenceError,
    Code.UNKNOWN_TICKET: UnknownReferenceError,
    Code.UNKNOWN_CONTACT: NotFoundError,
    Code.UNKNOWN_OFFER: NotFoundError,
    Code.WRONG_STATE: WrongStateError,
    Code.OFFER_GONE: OfferGoneError,
    Code.NOT_YOURS: ForbiddenError,
    Code.NOT_ELIGIBLE: NotEligibleError,
    Code.INVALID_POLICY: InvalidPolicyError,
    Code.INVALID_VALUE: MalformedRequestError,
}


def error_of(refused: Refused) -> AppError:
    """Return the error to raise: its status, slug, the sentence and a pointer to the field."""
    members: dict[str, Any] = dict(refused.members)
    if "findings" in members:
        members["errors"] = [
            {"pointer": pointer(path), "detail": problem} for path, problem in members["findings"]
        ]
    elif refused.field:
        members["errors"] = [{"pointer": f"/{refused.field}", "detail": refused.detail}]
    return _ERRORS[refused.code](refused.detail, **members)


def pointer(path: str) -> str:
    """Return a path such as `teams.care.steps[0].after_s` as a JSON pointer."""
    return "/" + re.sub(r"\[(\d+)\]", r".\1", path).replace(".", "/")
