"""What callers may send: one model per body; unknown fields and naive instants are refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from routing.model import PRIORITY_MAX, SKILL_LEVEL_MAX, Channel, Presence, TicketState

Instant = Annotated[
    AwareDatetime, Field(ge=datetime(1970, 1, 1, tzinfo=UTC), le=datetime(9000, 1, 1, tzinfo=UTC))
]
"""An instant that every calendar and time zone can still show."""
_SLUG: Final = r"^[A-Za-z0-9][A-Za-z0-9._@-]*$"
_LANGUAGE: Final = r"^[a-z]{2,3}(-[A-Z]{2})?$"
_EMAIL: Final = r"^[^@\s]+@[^@\s]+$"
WRITTEN: Final = {
    _SLUG: "Letters, digits, dots, dashes, @ and _ only; it begins with a letter or a digit.",
    _LANGUAGE: "Write it like en or de-AT.",
    _EMAIL: "Write it like ada@example.com.",
}
"""How it is written right, for each pattern that something may fail to match."""
Slug = Annotated[str, StringConstraints(pattern=_SLUG, max_length=64)]
Short = Annotated[str, StringConstraints(max_length=200)]
Language = Annotated[str, StringConstraints(pattern=_LANGUAGE)]
Level = Annotated[int, Field(ge=1, le=SKILL_LEVEL_MAX)]
Priority = Annotated[int, Field(ge=0, le=PRIORITY_MAX)]


class Body(BaseModel):
    """Base of all bodies."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class From(Body):
    """Who makes contact: at least one of phone, email, external_id, or nothing for an unknown caller."""

    phone: (
        Annotated[
            str,
            StringConstraints(min_length=1, max_length=128),
            Field(
                description="A call whose number is withheld or can't be read is an unknown caller's; what "
                "was sent is kept in `details.caller_id`. On other channels such a number is refused."
            ),
        ]
        | None
    ) = None
    email: Annotated[str, StringConstraints(pattern=_EMAIL, max_length=254)] | None = None
    external_id: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = None
    name: Short | None = None
    segment: Annotated[str, StringConstraints(max_length=64)] | None = None


class NewContact(Body):
    """A contact as a telephony system, form or gateway posts it."""

    channel: Channel
    from_: Annotated[From, Field(alias="from")] = From()
    to: Annotated[
        str, StringConstraints(max_length=64), Field(description="The number or address that was dialled.")
    ] = ""
    menu: Annotated[
        tuple[Annotated[str, StringConstraints(max_length=40)], ...],
        Field(max_length=20, description="The choices made in the voice menu, in order."),
    ] = ()
    subject: Short = ""
    text: Annotated[str, StringConstraints(max_length=32_000)] = ""
    language: Language | None = None
    team: Slug | None = None
    skills: Annotated[dict[Slug, Level], Field(max_length=10, default_factory=dict)]
    priority: Priority | None = None
    preferred_agent: Slug | None = None
    ticket_id: int | None = None
    call_id: Annotated[
        str | None,
        StringConstraints(min_length=1, max_length=128),
        Field(description="The sender's own id of the contact; posting it again gives the same answer."),
    ] = None
    received_at: Instant | None = None
    scheduled_at: Instant | None = None
    details: Annotated[dict[str, Any], Field(max_length=50, default_factory=dict)]


class CustomerFacts(Body):
    """What is known of a customer; null forgets it."""

    name: Short | None = None
    language: Language | None = None
    segment: Annotated[str, StringConstraints(max_length=64)] | None = None
    reason: Short = ""


class Reason(Body):
    """Why, in a few words."""

    reason: Short = ""


class Completion(Body):
    """How a conversation ended."""

    outcome: Short = ""
    ticket: TicketState = TicketState.RESOLVED


class Acceptance(Body):
    """Who accepts; needed only where the key does not stand for an agent and the caller wants it checked."""

    agent: Slug | None = None


class Refusal(Body):
    """Who declines, and why."""

    agent: Slug | None = None
    reason: Short = ""


class Target(Body):
    """To whom a running contact is passed on: a team, an agent, or an agent of a team."""

    team: Slug | None = None
    agent: Slug | None = None
    warm: bool = False
    reason: Short = ""


class CallbackWish(Body):
    """When to call back; at the place in the queue if no time is named."""

    scheduled_at: Instant | None = None


class NewPriority(Body):
    """How urgent a waiting contact is."""

    priority: Priority


class NewTeam(Body):
    """To which team a waiting contact goes."""

    team: Slug
    reason: Short = ""


class Closing(Body):
    """Until when a team is closed by hand, by default to the end of its day, and why."""

    until: Instant | None = None
    reason: Short = ""


class Assignee(Body):
    """To whom a waiting contact is offered."""

    agent: Slug


class NewPresence(Body):
    """What an agent is now, or will be once the running work is done."""

    presence: Presence
    reason: Short = ""
    at_once: bool = False


class AgentRecord(Body):
    """An agent as the administrator describes it."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=120)]
    teams: Annotated[tuple[Slug, ...], Field(max_length=50)] = ()
    skills: Annotated[dict[Slug, Level], Field(max_length=100)] = {}
    languages: Annotated[tuple[Language, ...], Field(max_length=20)] = ()
    capacity: Annotated[int, Field(ge=1, le=10_000)] = 100
    channel_caps: Annotated[dict[Channel, Annotated[int, Field(ge=0, le=100)]], Field(max_length=5)] = {}
    active: bool = True


class TicketChange(Body):
    """A new state or owner of a ticket."""

    state: TicketState | None = None
    owner: Slug | None = None
    reason: Short = ""


class MergeWith(Body):
    """Which other record is the same customer; it goes into the one in the path."""

    customer_id: int
    reason: Short = ""


class TextToTry(Body):
    """A text that a customer might write."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=32_000)]


class NewKey(Body):
    """An API key: scopes, or the name of a role that stands for scopes."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    role: Literal["telephony", "agent", "lead", "planner", "admin"] | None = None
    scopes: Annotated[tuple[str, ...], Field(max_length=30)] = ()
    agent: Slug | None = None
    expires_at: Instant | None = None
