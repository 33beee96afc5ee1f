"""What may be asked of the floor. Each command is one thing that somebody (the `actor`) wants to happen."""

from __future__ import annotations

import re

import msgspec

from routing.model import Agent, Channel, Presence, SkillNeed, Ticket, TicketState
from routing.policy import Policy


def snake(name: str) -> str:
    """Return `CamelCase` as `camel_case`: the `kind` of a command or event."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class Command(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag=snake):
    """Base of all commands; `actor` is who asks, as the audit trail shall name it."""

    actor: str


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """By what a customer is known: E.164 phone, lower-case e-mail, the caller's own id."""

    phone: str | None = None
    email: str | None = None
    external_id: str | None = None
    name: str | None = None
    language: str | None = None
    segment: str | None = None


class Suggestion(msgspec.Struct, frozen=True):
    """What the text classifier thinks: a team, how sure it is (0 to 1), and the words that weighed most."""

    team_id: str
    confidence: float
    words: tuple[str, ...] = ()


class Receive(Command, frozen=True, kw_only=True):
    """A customer makes contact.

    The caller looks up `customer_id` (None: unknown, a customer is created from `identity`), what is `known`
    of that customer (name, language, segment) and the open or lately resolved `tickets`, newest first.
    `source_id` is the telephony system's own id of the contact; `details` is whatever else is to be kept
    (encoded JSON).
    """

    channel: Channel
    identity: Identity
    customer_id: int | None = None
    known: Identity | None = None
    tickets: tuple[Ticket, ...] = ()
    ticket_id: int | None = None
    team_id: str | None = None
    priority: int | None = None
    skills: tuple[SkillNeed, ...] = ()
    language: str | None = None
    preferred_agent_id: str | None = None
    dialled: str = ""
    menu: tuple[str, ...] = ()
    subject: str = ""
    text: str = ""
    source: str = ""
    source_id: str | None = None
    scheduled_at: float | None = None
    enqueued_at: float | None = None
    suggestion: Suggestion | None = None
    details: msgspec.Raw = msgspec.Raw(b"{}")


class Accept(Command, frozen=True, kw_only=True):
    """An agent takes an offer; `agent_id` None means whoever it was offered to."""

    offer_id: int
    agent_id: str | None = None


class Decline(Command, frozen=True, kw_only=True):
    """An agent turns an offer down."""

    offer_id: int
    agent_id: str | None = None
    reason: str = ""


class MissOffer(Command, frozen=True, kw_only=True):
    """The telephony system reports that the agent's phone was not answered or could not be reached."""

    offer_id: int
    reason: str = "no_answer"


class Revoke(Command, frozen=True, kw_only=True):
    """Somebody on our side takes an offer back, such as when the agent's line failed: nobody's fault."""

    offer_id: int
    reason: str


class Abandon(Command, frozen=True, kw_only=True):
    """The customer hangs up or leaves, in the queue or in conversation."""

    contact_id: int
    reason: str = "customer_left"


class Complete(Command, frozen=True, kw_only=True):
    """The conversation has ended; wrap-up follows where the channel has one."""

    contact_id: int
    ticket_state: TicketState = TicketState.RESOLVED
    outcome: str = ""


class FinishWrapUp(Command, frozen=True, kw_only=True):
    """The agent has finished the wrap-up of an assignment (the accepted offer) before its time."""

    offer_id: int


class ExtendWrapUp(Command, frozen=True, kw_only=True):
    """The agent needs longer for the wrap-up, up to the team's limit."""

    offer_id: int


class Cancel(Command, frozen=True, kw_only=True):
    """Somebody on our side ends a contact that nobody talks on."""

    contact_id: int
    reason: str


class Transfer(Command, frozen=True, kw_only=True):
    """The agent passes the running contact to a team or to one agent: a new segment of the same contact.

    Cold puts the customer into the target's queue; warm keeps agent and customer together until the
    receiver accepts.
    """

    contact_id: int
    team_id: str | None = None
    agent_id: str | None = None
    warm: bool = False
    reason: str = ""


class TakeBack(Command, frozen=True, kw_only=True):
    """The agent who is transferring warm stays with the customer after all."""

    contact_id: int


class ConvertToCallback(Command, frozen=True, kw_only=True):
    """A waiting caller hangs up and is called back at his place in the queue, or at `scheduled_at`."""

    contact_id: int
    scheduled_at: float | None = None


class CallbackMissed(Command, frozen=True, kw_only=True):
    """The customer did not answer the callback; it is tried again later, up to the policy's attempts."""

    contact_id: int
    reason: str = "no_answer"


class Reprioritise(Command, frozen=True, kw_only=True):
    """A lead changes the priority of a waiting contact; it acts at once."""

    contact_id: int
    priority: int


class Move(Command, frozen=True, kw_only=True):
    """A lead moves a waiting contact to another team, at its place."""

    contact_id: int
    team_id: str
    reason: str = ""


class Assign(Command, frozen=True, kw_only=True):
    """A lead offers a waiting contact to one agent, ahead of the order."""

    contact_id: int
    agent_id: str


class SetPresence(Command, frozen=True, kw_only=True):
    """An agent (or the agent's lead) changes presence; while busy it is kept as the next presence."""

    agent_id: str
    presence: Presence
    reason: str = ""
    at_once: bool = False


class Heartbeat(Command, frozen=True, kw_only=True):
    """An agent's desktop or phone says that it is still there."""

    agent_id: str


class Drain(Command, frozen=True, kw_only=True):
    """The agent finishes what is running and gets no new offers; then goes offline."""

    agent_id: str


class PutAgent(Command, frozen=True, kw_only=True):
    """Create an agent or change teams, skills, languages, capacity; the rest of `agent` is ignored."""

    agent: Agent


class ChangeTicket(Command, frozen=True, kw_only=True):
    """Somebody changes the state or the owner of a ticket; `ticket` is what the caller read."""

    ticket: Ticket
    state: TicketState | None = None
    owner_id: str | None = None
    accepted: bool = True
    """False when it falls to a lead: the next agent who accepts a contact of it owns it."""
    reason: str = ""


class ChangeCustomer(Command, frozen=True, kw_only=True):
    """Somebody corrects what is known of a customer; None leaves a fact as it is, "" forgets it."""

    customer_id: int
    name: str | None = None
    language: str | None = None
    segment: str | None = None
    reason: str = ""


class MergeCustomers(Command, frozen=True, kw_only=True):
    """Two records are one customer: everything of `merged_id` belongs to `kept_id` from now on."""

    kept_id: int
    merged_id: int
    reason: str = ""


class SplitCustomers(Command, frozen=True, kw_only=True):
    """A merge was wrong: the tickets that came from `merged_id`, and their contacts, go back to it.

    The caller knows from the record of the merge when it was (`merged_at`) and which tickets came with
    it; what was opened since stays with `kept_id`.
    """

    kept_id: int
    merged_id: int
    merged_at: float
    ticket_ids: tuple[int, ...]
    reason: str = ""


class PublishPolicy(Command, frozen=True, kw_only=True):
    """A new policy version takes effect for everything that waits and comes."""

    policy: Policy
    reason: str = ""


class Tick(Command, frozen=True, kw_only=True):
    """Time has passed: carry out what is due."""

    actor: str = "clock"


FloorCommand = (
    Receive
    | Accept
    | Decline
    | MissOffer
    | Revoke
    | Abandon
    | Complete
    | FinishWrapUp
    | ExtendWrapUp
    | Cancel
    | Transfer
    | TakeBack
    | ConvertToCallback
    | CallbackMissed
    | Reprioritise
    | Move
    | Assign
    | SetPresence
    | Heartbeat
    | Drain
    | PutAgent
    | ChangeTicket
    | MergeCustomers
    | SplitCustomers
    | PublishPolicy
    | Tick
)
