"""What the API's answers about the floor hold, for its description: one schema per kind of value."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final

import msgspec

from app.insight import Sums, figures
from routing.events import Classification
from routing.model import AgentState, Channel, ContactState, OfferState, Presence, TicketState
from routing.policy import Policy
from routing.wait import PREDICTORS
from routing.why import Explanation

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string"}
_WHOLE: Final[Schema] = {"type": "integer"}
_NUMBER: Final[Schema] = {"type": "number"}
_TRUTH: Final[Schema] = {"type": "boolean"}
_INSTANT: Final[Schema] = {"type": "string", "format": "date-time"}
_REFERENCE: Final = "#/components/schemas/"
_CORE: Final = "Routing"
"""Before the names of values of the routing core, which a body may be called too."""


def _one_of(values: type[StrEnum] | Iterable[str]) -> Schema:
    return {"type": "string", "enum": [str(each) for each in values]}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _many(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def _ref(name: str) -> Schema:
    return {"$ref": _REFERENCE + name}


def _object(says: str, always: dict[str, Schema], **sometimes: Schema) -> Schema:
    return {
        "type": "object",
        "description": says,
        "required": list(always),
        "properties": always | sometimes,
    }


def _page(name: str, **more: Schema) -> Schema:
    items = {"items": _many(_ref(name)), "next": _or_null(_TEXT)}
    return _object("One page; `next` begins the next one.", items | more)


_FIGURES: Final[dict[str, Schema]] = {
    name: _WHOLE if isinstance(value, int) else _or_null(_NUMBER) for name, value in figures(Sums()).items()
}
_CONTACT: Final[dict[str, Schema]] = {
    "id": _WHOLE,
    "state": _one_of(ContactState),
    "channel": _one_of(Channel),
    "customer_id": _WHOLE,
    "ticket_id": _WHOLE,
    "team": _TEXT,
    "agent": _or_null(_TEXT),
    "offer_id": _or_null(_WHOLE),
    "priority": _WHOLE,
    "language": _or_null(_TEXT),
    "skills": {"type": "object", "additionalProperties": _WHOLE},
    "segment": _WHOLE,
    "step": _WHOLE,
    "preferred_agent": _or_null(_TEXT),
    "received_at": _INSTANT,
    "enqueued_at": _INSTANT,
    "connected_at": _or_null(_INSTANT),
    "scheduled_at": _or_null(_INSTANT),
    "attempts": _WHOLE,
    "closed_at": _or_null(_INSTANT),
    "expires_at": _or_null(_INSTANT),
    "short_abandon": _TRUTH,
    "end_reason": _TEXT,
}

BY_HAND: Final[dict[str, Schema]] = {
    "AgentRef": _object("An agent's id and name.", {"id": _TEXT, "name": _TEXT}),
    "EstimatedWait": _object(
        "The wait to expect from now (s), and an interval that holds most waits.",
        {"wait_s": _NUMBER, "low_s": _NUMBER, "high_s": _NUMBER, "predictor": _one_of(PREDICTORS)},
    ),
    "Segment": _object(
        "A stay in a queue and the conversation that followed.",
        {
            "number": _WHOLE,
            "team": _TEXT,
            "outcome": _TEXT,
            "reason": _TEXT,
            "agent": _or_null(_TEXT),
            "wait_s": _NUMBER,
            "talk_s": _or_null(_NUMBER),
        },
    ),
    "Contact": _object(
        "A contact. Open ones have place, wait, owner and pending offers; one alone is told with its texts.",
        _CONTACT,
        position=_or_null(_WHOLE),
        estimated_wait=_or_null(_ref("EstimatedWait")),
        owner=_ref("AgentRef"),
        offers=_many(_ref("Offer")),
        classification=_ref(f"{_CORE}Classification"),
        subject=_TEXT,
        text=_TEXT,
        to=_TEXT,
        source=_TEXT,
        call_id=_or_null(_TEXT),
        details={"type": "object"},
        segments=_many(_ref("Segment")),
    ),
    "Offer": _object(
        "A contact offered to an agent; accepted, it is the agent's assignment.",
        {
            "id": _WHOLE,
            "contact_id": _WHOLE,
            "agent": _ref("AgentRef"),
            "team": _TEXT,
            "channel": _one_of(Channel),
            "state": _one_of(OfferState),
            "made_at": _INSTANT,
            "expires_at": _INSTANT,
            "accepted_at": _or_null(_INSTANT),
            "talk_ended_at": _or_null(_INSTANT),
            "wrap_up_until": _or_null(_INSTANT),
        },
    ),
    "OfferAnswer": _object(
        "An offer with its contact (null where that has ended) and its agent, as they stand now.",
        {"offer": _ref("Offer"), "contact": _or_null(_ref("Contact")), "agent": _ref("Agent")},
    ),
    "Agent": _object(
        "An agent; `asked` counts offers since signing on by what became of them.",
        {
            "id": _TEXT,
            "name": _TEXT,
            "active": _TRUTH,
            "teams": _many(_TEXT),
            "skills": {"type": "object", "additionalProperties": _WHOLE},
            "languages": _many(_TEXT),
            "capacity": _WHOLE,
            "channel_caps": {"type": "object", "additionalProperties": _WHOLE},
            "used": _WHOLE,
            "presence": _one_of(Presence),
            "presence_reason": _TEXT,
            "presence_since": _INSTANT,
            "next_presence": _or_null(_one_of(Presence)),
            "draining": _TRUTH,
            "state": _one_of(AgentState),
            "state_since": _INSTANT,
            "idle_since": _INSTANT,
            "seen_at": _or_null(_INSTANT),
            "not_responding_until": _or_null(_INSTANT),
            "missed_in_a_row": _WHOLE,
            "asked": {"type": "object", "additionalProperties": _WHOLE},
            "offers": _many(_WHOLE),
            "saves_room_for": _or_null(_WHOLE),
        },
    ),
    "Figures": _object("The figures of docs/metrics.md; null where there is no data.", _FIGURES),
    "Interval": _object("A quarter of an hour.", {"starts_at": _INSTANT} | _FIGURES),
    "Queue": _object(
        "What waits for a team now, what its agents do, and the figures of its local day.",
        {
            "team": _TEXT,
            "name": _TEXT,
            "lead": _TEXT,
            "open": _TRUTH,
            "opens_at": _or_null(_INSTANT),
            "closed_by_hand": _or_null(
                _object("Closed by a lead.", {"until": _INSTANT, "by": _TEXT, "reason": _TEXT})
            ),
            "target_s": _NUMBER,
            "target_share": _NUMBER,
            "waiting": _WHOLE,
            "longest_wait_s": _or_null(_NUMBER),
            "longest_wait_target_s": _NUMBER,
            "channels": {"type": "object", "additionalProperties": _ref("QueueChannel")},
            "agents": {"type": "object", "additionalProperties": _WHOLE},
            "today": _ref("Figures"),
        },
    ),
    "QueueChannel": _object(
        "What waits for a team on one channel now.",
        {"waiting": _WHOLE, "longest_wait_s": _or_null(_NUMBER), "target_s": _NUMBER},
    ),
    "Estimates": _object(
        "How well the waits of one channel of a queue are foretold.",
        {
            "channel": _one_of(Channel),
            "served": _one_of(PREDICTORS),
            "mean_handle_s": _NUMBER,
            "intervals": _object(
                "The share of waits that an interval is meant to hold, and does.",
                {
                    "meant": _NUMBER,
                    "judged": _WHOLE,
                    "coverage": _or_null(_NUMBER),
                    "mean_width_s": _or_null(_NUMBER),
                },
            ),
            "left_unanswered": _WHOLE,
            "predictors": {"type": "object", "additionalProperties": _ref("PredictorScore")},
        },
    ),
    "PredictorScore": _object(
        "What a predictor was worth on answered contacts.",
        {
            "answered": _WHOLE,
            "mean_absolute_error_s": _or_null(_NUMBER),
            "mean_squared_error_s2": _or_null(_NUMBER),
            "recent_error_s": _NUMBER,
        },
    ),
    "Ticket": _object(
        "A customer's concern; its owner is never empty.",
        {
            "id": _WHOLE,
            "customer_id": _WHOLE,
            "team": _TEXT,
            "owner": _TEXT,
            "accepted": _TRUTH,
            "state": _one_of(TicketState),
            "subject": _TEXT,
            "contacts": _WHOLE,
            "reopened": _WHOLE,
            "opened_at": _INSTANT,
            "changed_at": _INSTANT,
            "resolved_at": _or_null(_INSTANT),
            "closed_at": _or_null(_INSTANT),
        },
    ),
    "Customer": _object(
        "A customer, by what he or she is known, and the records merged into this one.",
        {
            "id": _WHOLE,
            "name": _or_null(_TEXT),
            "language": _or_null(_TEXT),
            "segment": _or_null(_TEXT),
            "created_at": _INSTANT,
            "merged_into": _or_null(_WHOLE),
            "keys": _many(_object("", {"kind": _TEXT, "value": _TEXT})),
            "merged": _many(
                _object("", {"id": _WHOLE, "into": _WHOLE, "merged_at": _INSTANT, "split_until": _INSTANT})
            ),
        },
    ),
}

_VERBS: Final = ("abandon", "complete", "cancel", "transfer", "take-back", "callback", "callback-missed")
ANSWERS: Final[dict[tuple[str, str], Schema]] = {
    ("post", "/v1/contacts"): _ref("Contact"),
    ("get", "/v1/contacts"): _page("Contact"),
    ("get", "/v1/contacts/{contact_id}"): _ref("Contact"),
    ("get", "/v1/contacts/{contact_id}/why"): _ref(f"{_CORE}Explanation"),
    **{
        ("post", f"/v1/contacts/{{contact_id}}/{verb}"): _ref("Contact")
        for verb in (*_VERBS, "priority", "move", "assign")
    },
    ("get", "/v1/offers"): _page("Offer"),
    **{
        ("post", f"/v1/offers/{{offer_id}}/{verb}"): _ref("OfferAnswer")
        for verb in ("accept", "decline", "no-answer", "revoke", "finish-wrap-up", "extend-wrap-up")
    },
    ("get", "/v1/agents"): _page("Agent"),
    ("get", "/v1/agents/{agent_id}"): _ref("Agent"),
    ("put", "/v1/agents/{agent_id}"): _ref("Agent"),
    ("put", "/v1/agents/{agent_id}/presence"): _ref("Agent"),
    ("post", "/v1/agents/{agent_id}/heartbeat"): _ref("Agent"),
    ("post", "/v1/agents/{agent_id}/drain"): _ref("Agent"),
    ("get", "/v1/queues"): _page("Queue", at=_INSTANT),
    ("get", "/v1/queues/{team}"): _ref("Queue"),
    ("post", "/v1/queues/{team}/close"): _ref("Queue"),
    ("post", "/v1/queues/{team}/open"): _ref("Queue"),
    ("get", "/v1/queues/{team}/estimates"): _page("Estimates"),
    ("get", "/v1/queues/{team}/intervals"): _page("Interval"),
    ("get", "/v1/tickets"): _page("Ticket"),
    ("get", "/v1/tickets/{ticket_id}"): _ref("Ticket"),
    ("patch", "/v1/tickets/{ticket_id}"): _ref("Ticket"),
    ("get", "/v1/customers"): _page("Customer"),
    ("get", "/v1/customers/{customer_id}"): _ref("Customer"),
    ("patch", "/v1/customers/{customer_id}"): _ref("Customer"),
    ("post", "/v1/customers/{customer_id}/merge"): _ref("Customer"),
    ("post", "/v1/customers/{customer_id}/split"): _ref("Customer"),
    ("get", "/v1/policies/current"): _ref(f"{_CORE}Policy"),
    ("get", "/v1/policies/{version}"): _ref(f"{_CORE}Policy"),
    ("post", "/v1/policies"): _ref(f"{_CORE}Policy"),
}
"""What the routes of the floor answer with."""


def describe_answers(document: dict[str, Any]) -> None:
    """Put the schemas of the floor's answers, and of a policy as a body, into an OpenAPI document."""
    _, core = msgspec.json.schema_components(
        [Policy, Explanation, Classification], ref_template=f"{_REFERENCE}{_CORE}{{name}}"
    )
    schemas = document["components"]["schemas"]
    schemas.update(BY_HAND)
    schemas.update({f"{_CORE}{name}": schema for name, schema in core.items()})
    for (method, path), schema in ANSWERS.items():
        responses = document["paths"][path][method]["responses"]
        done = next(answer for status, answer in responses.items() if status.startswith("2"))
        done["content"] = {"application/json": {"schema": schema}}
    body = {"application/json": {"schema": _ref(f"{_CORE}Policy")}}
    document["paths"]["/v1/policies"]["post"]["requestBody"] = {"required": True, "content": body}
