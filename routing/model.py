"""What stands on the floor: contacts, offers, agents and tickets as slotted values.

Instants are seconds since the Unix epoch (UTC), durations seconds. The values here are changed by
`routing.floor.Floor.apply` alone; everybody else reads them. None of them refers back to what holds it, so
the garbage collector need not look at them (`gc=False`): its passes would grow with what waits.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

PRIORITY_MAX: Final = 5
SKILL_LEVEL_MAX: Final = 5
CAPACITY_FULL: Final = 100
"""The capacity of an agent who takes one call at a time: what counts as one agent."""
NEVER: Final = 253_402_300_799.0
"""The end of the year 9999: finite, so that it survives JSON."""


class Channel(StrEnum):
    """The way a contact reaches us."""

    VOICE = "voice"
    CALLBACK = "callback"
    CHAT = "chat"
    EMAIL = "email"
    WEB = "web"


LIVE_CHANNELS: Final = frozenset({Channel.VOICE, Channel.CHAT})
"""Channels on which the customer is there now, so that closed and full turn him away."""


PHONE: Final = frozenset({Channel.VOICE, Channel.CALLBACK})
"""Channels on which an agent speaks: nobody has two voices, so the cap of each counts both."""


class ContactState(StrEnum):
    """Where a contact stands; the last six are final."""

    RECEIVED = "received"
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    OFFERED = "offered"
    CONNECTED = "connected"
    WRAP_UP = "wrap_up"
    COMPLETED = "completed"
    ABANDONED = "abandoned"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    CONVERTED = "converted"


FINAL_CONTACT_STATES: Final = frozenset(
    {
        ContactState.COMPLETED,
        ContactState.ABANDONED,
        ContactState.CANCELLED,
        ContactState.EXPIRED,
        ContactState.REJECTED,
        ContactState.CONVERTED,
    }
)
WAITING_STATES: Final = frozenset({ContactState.QUEUED, ContactState.OFFERED})


class OfferState(StrEnum):
    """An offer is pending until exactly one of the others happens."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXPIRED = "expired"
    REVOKED = "revoked"


class Presence(StrEnum):
    """What an agent chose to be; custom presences are `break` with a reason."""

    AVAILABLE = "available"
    BREAK = "break"
    MEAL = "meal"
    TRAINING = "training"
    OFFLINE = "offline"


class AgentState(StrEnum):
    """What the system sees an agent do."""

    IDLE = "idle"
    OFFERED = "offered"
    BUSY = "busy"
    WRAP_UP = "wrap_up"
    NOT_RESPONDING = "not_responding"


class TicketState(StrEnum):
    """Where the customer's concern stands."""

    OPEN = "open"
    WAITING_CUSTOMER = "waiting_customer"
    WAITING_INTERNAL = "waiting_internal"
    RESOLVED = "resolved"
    CLOSED = "closed"


class SkillNeed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A skill that a contact asks for, with the least level (1 to 5)."""

    skill: str
    level: int


class Contact(msgspec.Struct, kw_only=True, gc=False, omit_defaults=True):
    """One interaction on one channel, as far as routing looks at it."""

    id: int
    channel: Channel
    customer_id: int
    ticket_id: int
    received_at: float
    state: ContactState = ContactState.RECEIVED
    team_id: str = ""
    priority: int = 0
    skills: tuple[SkillNeed, ...] = ()
    language: str | None = None
    segment: int = 0
    """Queue segments so far; a transfer or an overflow opens another."""
    enqueued_at: float = 0.0
    """The instant that decides the place in the queue; kept over offers, overflow and callback."""
    segment_at: float = 0.0
    """Start of the current queue segment; the clock of steps and of the segment's wait."""
    step: int = 0
    """Index of the active relaxation step; -1 while only the preferred agent may take it."""
    preferred_agent_id: str | None = None
    preferred_until: float = 0.0
    expires_at: float = NEVER
    tried: dict[str, float] = msgspec.field(default_factory=dict)
    """Agents who declined or missed an offer, each with the instant from which it may be offered again."""
    offer_ids: tuple[int, ...] = ()
    """Pending offers; not empty if and only if the state is `offered`."""
    assigned: bool = False
    """A lead gave it to one agent: nobody else is asked while that offer rings."""
    agent_id: str | None = None
    offer_id: int | None = None
    """The accepted offer under which the agent talks to the customer or wraps up."""
    connected_at: float | None = None
    closed_at: float | None = None
    scheduled_at: float | None = None
    attempts: int = 0
    """Callbacks that the customer did not answer."""
    end_reason: str = ""
    short: bool = False
    resumed: bool = False
    """The running segment began with an agent taking a warm transfer back: nobody waited in it."""
    due_at: float = NEVER
    """When the next timer of this contact runs out."""
    effective_at: float = 0.0
    """`enqueued_at` less the credit for priority: the order within a team."""


class Offer(msgspec.Struct, kw_only=True, gc=False, omit_defaults=True):
    """A contact offered to an agent for a limited time; accepted, it is the agent's assignment."""

    id: int
    contact_id: int
    segment: int
    agent_id: str
    team_id: str
    channel: Channel
    cost: int
    segment_at: float
    """When the contact's queue segment began: the interval that answer and handle time count in."""
    made_at: float
    expires_at: float
    state: OfferState = OfferState.PENDING
    accepted_at: float | None = None
    talk_ended_at: float | None = None
    wrap_up_until: float | None = None
    released_at: float | None = None
    ended_at: float | None = None
    end_reason: str = ""
    customer_gone: bool = False
    """True where the customer left before the agent answered: no fault of the agent."""


class Agent(msgspec.Struct, kw_only=True, gc=False, omit_defaults=True):
    """A person who takes contacts (or, as a lead, answers for those nobody has taken yet)."""

    id: str
    name: str
    index: int = -1
    """Position in the floor's bit sets; given once, never reused."""
    teams: tuple[str, ...] = ()
    skills: dict[str, int] = msgspec.field(default_factory=dict)
    languages: tuple[str, ...] = ()
    capacity: int = CAPACITY_FULL
    channel_caps: dict[str, int] = msgspec.field(default_factory=dict)
    active: bool = True
    presence: Presence = Presence.OFFLINE
    presence_reason: str = ""
    presence_since: float = 0.0
    next_presence: Presence | None = None
    draining: bool = False
    not_responding: bool = False
    not_responding_until: float = NEVER
    silent: bool = False
    """Not responding because no heartbeat came; the next one brings the agent back."""
    missed: int = 0
    """Offers in a row that ran out, since the agent last accepted one or set a presence."""
    state: AgentState = AgentState.IDLE
    state_since: float = 0.0
    idle_since: float = 0.0
    """The later of the end of the last work and of becoming available."""
    handled: int = 0
    seen_at: float = 0.0
    used: int = 0
    """Capacity taken by pending offers and by contacts in conversation or wrap-up."""
    pending: int = 0
    talking: int = 0
    wrapping: int = 0
    offer_ids: tuple[int, ...] = ()
    """Offers that take capacity: pending, in conversation, in wrap-up."""
    asked: dict[str, int] = msgspec.field(default_factory=dict)
    """Offers since signing on: `made`, and of those `accepted`, `declined`, `unanswered`, or `customer_gone`
    where the customer left while it rang; a broadcast that somebody else won is none of these."""
    channel_use: dict[str, int] = msgspec.field(default_factory=dict)
    served_s: float = 0.0
    """Time with customers, for the strategy `least_occupied`: only how it compares with others' counts."""
    last_offer_at: float = 0.0
    saves_for: int | None = None
    """The waiting contact for which the agent saves room: nothing that takes less is offered meanwhile."""
    saves_channel: Channel | None = None
    turns: tuple[str, ...] = ()
    """The agent's teams by when a contact of each was last offered, the latest last; never: not named."""
    accounted_at: float = 0.0
    """Up to when the agent's time has been handed out as spans; what held since then follows."""
    was_there: bool = False
    was_busy: bool = False
    was_used: int = 0


class Span(msgspec.Struct, frozen=True, gc=False):
    """A stretch of time in which an agent was there or at work and nothing about that changed."""

    agent_id: str
    team_id: str
    """The agent's first team."""
    begins_at: float
    ends_at: float
    busy: bool
    used: int
    capacity: int


class Segment(msgspec.Struct, kw_only=True, gc=False):
    """One stay of a contact in a queue and, where it was answered, the conversation that followed."""

    contact_id: int
    number: int
    team_id: str
    channel: Channel
    queued_at: float
    enqueued_at: float
    ended_at: float
    outcome: str
    """`answered`, `abandoned`, `flowed_out`, `cancelled`, `expired`, `converted`, or `resumed` for the
    rest of a conversation whose warm transfer was taken back (no queue: not an offered contact)."""
    reason: str = ""
    short: bool = False
    agent_id: str | None = None
    answered_at: float | None = None


class Ticket(msgspec.Struct, kw_only=True, gc=False, omit_defaults=True):
    """A customer's concern; its owner is never empty."""

    id: int
    customer_id: int
    team_id: str
    owner_id: str
    opened_at: float
    state: TicketState = TicketState.OPEN
    subject: str = ""
    accepted: bool = False
    """False while the team's lead answers for it because no agent has taken it yet."""
    changed_at: float = 0.0
    resolved_at: float | None = None
    closed_at: float | None = None
    reopened: int = 0
    contacts: int = 0
    contact_ids: tuple[int, ...] = ()
    """Contacts of this ticket that are still on the floor."""
