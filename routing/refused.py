"""Why a command was not carried out; nothing has happened when one of these comes back."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Code(StrEnum):
    """What kind of refusal: something is not there, is in the wrong state, or may not be done."""

    UNKNOWN_TEAM = "unknown_team"
    UNKNOWN_AGENT = "unknown_agent"
    UNKNOWN_CONTACT = "unknown_contact"
    UNKNOWN_OFFER = "unknown_offer"
    UNKNOWN_TICKET = "unknown_ticket"
    WRONG_STATE = "wrong_state"
    OFFER_GONE = "offer_gone"
    NOT_YOURS = "not_yours"
    NOT_ELIGIBLE = "not_eligible"
    INVALID_POLICY = "invalid_policy"
    INVALID_VALUE = "invalid_value"


class Refused(msgspec.Struct, frozen=True):
    """A refusal: its code, a sentence for a person, the field at fault, and what else helps."""

    code: Code
    detail: str
    field: str = ""
    members: dict[str, object] = {}


class RefusedError(Exception):
    """Carries a `Refused` out of a handler; raised before its first event, never seen by callers."""

    def __init__(self, code: Code, detail: str, field: str = "", **members: object) -> None:
        super().__init__(detail)
        self.refused = Refused(code, detail, field, members)
