"""What happened on the floor; each event carries enough to rebuild the floor without deciding again."""

from __future__ import annotations

from typing import Final, get_args

import msgspec

from routing.commands import Identity, snake
from routing.model import Agent, Contact, ContactState, Offer, OfferState, Presence, Ticket, TicketState
from routing.policy import Policy


class Event(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag=snake, omit_defaults=True, gc=False
):
    """Base of all events: when, who caused it, and why. The sequence number is given by the log."""

    at: float
    actor: str
    reason: str = ""


class Candidate(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An agent who could have been chosen, with the terms that ranked it (smallest key first)."""

    agent_id: str
    key: tuple[float, ...]


class Sets(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Who passed which rule, as hexadecimal bit sets over `Agent.index`; empty where the whole pool did.

    The reason against an agent is the first set it is not in, in the order of the fields.
    """

    pool: str
    skilled: str = ""
    language: str = ""
    present: str = ""
    responding: str = ""
    room: str = ""
    not_tried: str = ""


class Claim(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What let a contact go before more urgent ones: a long wait, and its team held less than its share."""

    team_id: str
    targets: float
    """Its wait, and credit, in multiples of its target."""
    at_work: float
    """Agents at work for the team, by capacity."""
    share: float
    """Agents that are the team's share."""


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Why a contact went to an agent, or to nobody: what was seen at that moment."""

    id: int
    contact_id: int
    policy_version: int
    step: int
    waited_s: float
    urgency: float = 0.0
    trigger: str = ""
    """`contact` where a contact looked for an agent, `agent` where a freed agent looked for a contact, `lead`
    where a lead chose; `broadcast` and `joined` where a broadcast was widened, `joined` by a freed agent."""
    agent_id: str | None = None
    offer_id: int | None = None
    strategy: str = ""
    candidates: tuple[Candidate, ...] = ()
    rivals: tuple[tuple[int, float], ...] = ()
    """Other contacts the freed agent could have taken, with their urgency."""
    claim: Claim | None = None
    sets: Sets | None = None


class Classification(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Which team a contact belongs to and what said so: request, ticket, rule, classifier or fallback."""

    team_id: str
    by: str
    rule_id: str = ""
    confidence: float | None = None
    words: tuple[str, ...] = ()
    reason: str = ""


class CustomerAdded(Event, frozen=True, kw_only=True):
    """An unknown customer got a record."""

    customer_id: int
    identity: Identity


class CustomerChanged(Event, frozen=True, kw_only=True):
    """More is known of a customer, or something else; None says nothing of a fact, "" forgets it."""

    customer_id: int
    name: str | None = None
    language: str | None = None
    segment: str | None = None
    contact_id: int | None = None
    """The contact that told it; None where a person did."""


class TicketOpened(Event, frozen=True, kw_only=True):
    """A new concern, owned by its team's lead until an agent accepts."""

    ticket: Ticket


class TicketJoined(Event, frozen=True, kw_only=True):
    """A repeat contact joined a concern that was open or lately resolved; `ticket` is how it stood."""

    ticket: Ticket


class TicketOwned(Event, frozen=True, kw_only=True):
    """A ticket has a new accountable owner."""

    ticket_id: int
    owner_id: str
    accepted: bool = True
    """False when the ticket fell to a lead: the next agent who accepts a contact of it owns it."""
    ticket: Ticket | None = None


class TicketChanged(Event, frozen=True, kw_only=True):
    """A ticket changed its state; `ticket` is set where it was not on the floor."""

    ticket_id: int
    state: TicketState
    ticket: Ticket | None = None


class ContactReceived(Event, frozen=True, kw_only=True):
    """A contact was taken in: identified, given a ticket and a team."""

    contact: Contact
    classification: Classification
    identity: Identity
    dialled: str = ""
    menu: tuple[str, ...] = ()
    subject: str = ""
    text: str = ""
    source: str = ""
    source_id: str | None = None
    details: msgspec.Raw = msgspec.Raw(b"{}")


class ContactScheduled(Event, frozen=True, kw_only=True):
    """A contact waits for its time before it queues; `missed` after a callback nobody answered."""

    contact_id: int
    scheduled_at: float
    missed: bool = False


class ContactQueued(Event, frozen=True, kw_only=True):
    """A queue segment began."""

    contact_id: int
    team_id: str
    segment: int
    enqueued_at: float
    expires_at: float
    preferred_agent_id: str | None = None
    preferred_until: float = 0.0
    avoid_agent_id: str | None = None
    """Who passed the contact on and is not offered it before `avoid_until`."""
    avoid_until: float = 0.0


class SegmentClosed(Event, frozen=True, kw_only=True):
    """A queue segment ended without the contact ending: overflow, move, transfer, conversion."""

    contact_id: int
    segment: int
    team_id: str


class StepReached(Event, frozen=True, kw_only=True):
    """A contact waited so long that a wider relaxation step holds."""

    contact_id: int
    step: int


class PriorityChanged(Event, frozen=True, kw_only=True):
    """A waiting contact has another priority."""

    contact_id: int
    priority: int


class NobodyFound(Event, frozen=True, kw_only=True):
    """A contact looked for an agent and found none; the decision says why."""

    decision: Decision


class RetryCleared(Event, frozen=True, kw_only=True):
    """Agents who turned a contact down may be offered it again."""

    contact_id: int
    agent_ids: tuple[str, ...]


class OfferMade(Event, frozen=True, kw_only=True):
    """A contact was offered to an agent."""

    offer: Offer
    decision: Decision


class OfferEnded(Event, frozen=True, kw_only=True):
    """An offer was declined, ran out or was revoked."""

    offer_id: int
    contact_id: int
    agent_id: str
    state: OfferState
    retry_at: float = 0.0
    customer_gone: bool = False


class ContactConnected(Event, frozen=True, kw_only=True):
    """An agent accepted and talks to the customer."""

    contact_id: int
    offer_id: int
    agent_id: str


class TransferStarted(Event, frozen=True, kw_only=True):
    """An agent passes the contact on warm, staying with the customer until somebody accepts."""

    contact_id: int
    offer_id: int


class TransferTakenBack(Event, frozen=True, kw_only=True):
    """The agent who was passing a contact on keeps it: the conversation goes on in a segment of its own."""

    contact_id: int
    offer_id: int


class WrapUpStarted(Event, frozen=True, kw_only=True):
    """The conversation under an accepted offer ended; wrap-up runs until `until` at the latest.

    `last` is true where the contact ends with it, false where it goes on elsewhere after a transfer.
    """

    offer_id: int
    contact_id: int
    agent_id: str
    until: float
    last: bool = True


class WrapUpExtended(Event, frozen=True, kw_only=True):
    """The agent got more time for the wrap-up."""

    offer_id: int
    agent_id: str
    until: float


class OfferReleased(Event, frozen=True, kw_only=True):
    """The agent has finished with an accepted offer; its capacity is free again."""

    offer_id: int
    contact_id: int
    agent_id: str


class ContactEnded(Event, frozen=True, kw_only=True):
    """A contact reached a final state."""

    contact_id: int
    state: ContactState
    short: bool = False


class AgentPut(Event, frozen=True, kw_only=True):
    """An agent was created or changed."""

    agent: Agent


class PresenceChanged(Event, frozen=True, kw_only=True):
    """An agent is in another presence, or asked for one to follow the running work."""

    agent_id: str
    presence: Presence
    next_presence: Presence | None = None
    draining: bool = False


class AgentNotResponding(Event, frozen=True, kw_only=True):
    """An agent missed an offer and gets no more until `until` or until answering for himself.

    `silent` where it was the heartbeat that stayed away.
    """

    agent_id: str
    until: float
    silent: bool = False


class AgentResponding(Event, frozen=True, kw_only=True):
    """An agent who had not responded is back."""

    agent_id: str


class AgentSeen(Event, frozen=True, kw_only=True):
    """A heartbeat arrived."""

    agent_id: str


class RoomSaved(Event, frozen=True, kw_only=True):
    """An agent gets nothing small any more until a contact that waits too long fits in, or is gone."""

    agent_id: str
    contact_id: int


class RoomFreed(Event, frozen=True, kw_only=True):
    """An agent saves no room for that contact any more."""

    agent_id: str
    contact_id: int


class CustomersMerged(Event, frozen=True, kw_only=True):
    """Every ticket and contact of `merged_id` belongs to `kept_id` now, on the floor and off it."""

    kept_id: int
    merged_id: int


class CustomersSplit(Event, frozen=True, kw_only=True):
    """A merge was undone: these tickets and their contacts belong to `merged_id` again."""

    kept_id: int
    merged_id: int
    ticket_ids: tuple[int, ...]


class PolicyPublished(Event, frozen=True, kw_only=True):
    """Another policy version is in force."""

    policy: Policy


FloorEvent = (
    CustomerAdded
    | CustomerChanged
    | TicketOpened
    | TicketJoined
    | TicketOwned
    | TicketChanged
    | ContactReceived
    | ContactScheduled
    | ContactQueued
    | SegmentClosed
    | StepReached
    | PriorityChanged
    | NobodyFound
    | RetryCleared
    | OfferMade
    | OfferEnded
    | ContactConnected
    | TransferStarted
    | TransferTakenBack
    | WrapUpStarted
    | WrapUpExtended
    | OfferReleased
    | ContactEnded
    | CustomersMerged
    | CustomersSplit
    | AgentPut
    | PresenceChanged
    | AgentNotResponding
    | AgentResponding
    | AgentSeen
    | RoomSaved
    | RoomFreed
    | PolicyPublished
)

KINDS: Final = frozenset(each.__struct_config__.tag for each in get_args(FloorEvent))
"""The kinds of event that this release knows."""

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[FloorEvent] = msgspec.json.Decoder(FloorEvent)


def encode(event: Event) -> bytes:
    """Return `event` as JSON with its `kind`."""
    return _encoder.encode(event)


def decode(data: bytes | str) -> FloorEvent:
    """Return the event that `encode` made; raises UnreadableEventError on anything else."""
    try:
        return _decoder.decode(data)
    except msgspec.DecodeError as error:
        raise UnreadableEventError(_kind(data)) from error


class UnreadableEventError(ValueError):
    """An event that this release does not know: of another `kind`, or with values that it has no word for."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"an event {kind!r} that this release can't read")
        self.kind = kind


class _Kind(msgspec.Struct):
    kind: str = "?"


def _kind(data: bytes | str) -> str:
    try:
        return msgspec.json.decode(data, type=_Kind).kind
    except msgspec.DecodeError:
        return "?"
