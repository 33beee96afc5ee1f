"""The floor: everything open, in memory, indexed for dispatch. `apply(event)` is its only way to change.

Hazard: values handed out (`floor.contacts[...]`) are the floor's own; callers read and never write them.
"""

from __future__ import annotations

import copy
from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from routing import events as ev
from routing.apply_agents import APPLY_AGENTS
from routing.apply_contacts import APPLY_CONTACTS
from routing.model import (
    NEVER,
    WAITING_STATES,
    Agent,
    AgentState,
    Contact,
    ContactState,
    Offer,
    OfferState,
    Presence,
    Segment,
    Span,
    Ticket,
)
from routing.occupancy import account
from routing.policy import Policy, TeamPolicy
from routing.queue_index import Lines, QueueIndex
from routing.shares import Shares
from routing.staff_index import StaffIndex
from routing.steps import next_step_at, next_widening_at
from routing.timers import AGENT, CONTACT, OFFER, Timers

APPLY: Final = {**APPLY_CONTACTS, **APPLY_AGENTS}
"""How each kind of event changes the floor."""


class Changes:
    """What the events since the last drain touched, for the projection; final values included."""

    __slots__ = ("agents", "contacts", "offers", "segments", "spans", "tickets")

    def __init__(self) -> None:
        self.contacts: dict[int, Contact] = {}
        self.offers: dict[int, Offer] = {}
        self.agents: dict[str, Agent] = {}
        self.tickets: dict[int, Ticket] = {}
        self.segments: list[Segment] = []
        self.spans: list[Span] = []


class Floor:
    """All open contacts, their offers and tickets, all agents, and the policy in force."""

    def __init__(self, policy: Policy, *, records: bool = True) -> None:
        """Return an empty floor; without `records` decisions don't say on what they were made, and agents'
        time is not accounted.
        """
        self.policy = policy
        self.records = records
        self.seq = 0
        self.next_id = 1
        self.agents: dict[str, Agent] = {}
        self.contacts: dict[int, Contact] = {}
        self.offers: dict[int, Offer] = {}
        self.tickets: dict[int, Ticket] = {}
        self.changes = Changes()
        # What dispatch still has to look at: agents with new room, contacts that began to look.
        self.open_agents: dict[str, None] = {}
        self.open_contacts: dict[int, None] = {}

        self.staff = StaffIndex(policy)
        self.shares = Shares(self.staff)
        self.queues = QueueIndex(policy)
        self.asking = Lines(policy)
        """Broadcasts that ring at fewer agents than they may."""
        self.saving: dict[int, str] = {}
        """Who saves room for a contact, by its id."""
        self.tickets_by_customer: dict[int, list[int]] = {}
        """Ids of each customer's tickets on the floor, oldest first."""
        self.timers = Timers(self._due, lambda: len(self.contacts) + len(self.offers) + len(self.agents))

    # --- reading

    def team(self, team_id: str) -> TeamPolicy:
        """Return the team's policy; raises KeyError when there is none."""
        return self.policy.teams[team_id]

    def next_due(self) -> float | None:
        """Return the next instant at which a Tick has something to do, or None."""
        return self.timers.next_at()

    def next_due_by(self, at: float) -> float | None:
        """Return the next instant at which a Tick has something to do if it is not after `at`, or None."""
        return self.timers.next_by(at)

    def pop_due(self, now: float) -> tuple[int, int | str] | None:
        """Take and return the next entity whose timer has run out by `now`: (kind, id), or None."""
        return self.timers.pop(now)

    def snapshot(self) -> dict[str, Any]:
        """Return the floor's whole state as plain data, for comparing two floors."""
        return {
            "seq": self.seq,
            "policy": msgspec.to_builtins(self.policy),
            "agents": {k: _plain(v) for k, v in sorted(self.agents.items())},
            "contacts": {k: _plain(v) for k, v in sorted(self.contacts.items())},
            "offers": {k: _plain(v) for k, v in sorted(self.offers.items())},
            "tickets": {k: _plain(v) for k, v in sorted(self.tickets.items())},
        }

    def may_ask_more(self, contact: Contact) -> bool:
        """Return whether `contact` is a broadcast that rings at fewer agents than its team allows."""
        if contact.state is not ContactState.OFFERED or contact.step < 0 or contact.assigned:
            return False
        return len(contact.offer_ids) < self.team(contact.team_id).broadcast

    def position(self, contact: Contact) -> int | None:
        """Return the place of a waiting contact in its team's queue, 1 for the next; None if not waiting."""
        return self.queues.ahead(contact) + 1 if contact.state in WAITING_STATES else None

    # --- filling at start

    def admit(
        self,
        *,
        agents: Iterable[Agent] = (),
        tickets: Iterable[Ticket] = (),
        offers: Iterable[Offer] = (),
        contacts: Iterable[Contact] = (),
    ) -> None:
        """Put stored values on an empty floor, as they stood after the last event.

        The caller also sets `seq` and raises `next_id` above every id that was ever given.
        """
        for agent in sorted(agents, key=lambda each: each.index):
            self.add_agent(agent)
        for ticket in tickets:
            self.add_ticket(ticket)
        for offer in offers:
            self.saw_id(offer.id)
            self.offers[offer.id] = offer
            at_work = self.shares.at_work.get(offer.team_id, 0)
            self.shares.at_work[offer.team_id] = at_work + offer.cost
            self.timers.push(OFFER, offer.id, self._offer_due(offer))
        for contact in contacts:
            self.saw_id(contact.id)
            self.contacts[contact.id] = contact
            if contact.state in WAITING_STATES:
                self.queues.begin_wait(contact)
            if contact.state is ContactState.QUEUED:
                self.queues.enter(contact)
            elif self.may_ask_more(contact):
                self.asking.enter(contact)
            self.timers.push(CONTACT, contact.id, contact.due_at)
        self.changes = Changes()
        self.settle()

    def settle(self) -> None:
        """Forget what dispatch would still look at: after replaying events that were already decided."""
        self.open_agents.clear()
        self.open_contacts.clear()

    def drain(self) -> Changes:
        """Return what changed since the last drain and begin anew."""
        changes, self.changes = self.changes, Changes()
        return changes

    # --- changing

    def apply(self, event: ev.Event) -> None:
        """Change the floor by what happened; never decides and never refuses."""
        APPLY[type(event)](self, event)
        self.seq += 1

    def take_id(self) -> int:
        """Return a new id, unique on this floor."""
        taken = self.next_id
        self.next_id += 1
        return taken

    def saw_id(self, used: int) -> None:
        """Keep `take_id` above an id found in an event or a row."""
        if used >= self.next_id:
            self.next_id = used + 1

    # --- for routing.apply_contacts and routing.apply_agents: change a value and its indices together

    def touch(self, contact_id: int) -> Contact:
        """Return the contact, noted as changed."""
        contact = self.contacts[contact_id]
        self.changes.contacts[contact_id] = contact
        return contact

    def look(self, contact: Contact) -> None:
        """Put a queued contact in its line and have dispatch look for an agent."""
        self.queues.enter(contact)
        self.set_contact_due(contact)
        self.open_contacts[contact.id] = None

    def leave(self, contact: Contact) -> None:
        """Take a queued contact out of its line, before anything that orders it changes."""
        self.open_contacts.pop(contact.id, None)
        self.queues.leave(contact)

    def ask_more(self, contact: Contact) -> None:
        """Let agents who come free, and those of later steps, be asked for a broadcast with room."""
        contact.due_at = NEVER
        if self.may_ask_more(contact):
            self.asking.enter(contact)
            self.set_contact_due(contact)

    def ask_no_more(self, contact: Contact) -> None:
        """Undo `ask_more`, before anything that orders a broadcast or gives it room changes."""
        if self.may_ask_more(contact):
            self.asking.leave(contact)

    def add_agent(self, agent: Agent) -> None:
        """Take in a new agent."""
        self.agents[agent.id] = agent
        if agent.saves_for is not None:
            self.saving[agent.saves_for] = agent.id
        self.staff.add(agent)
        self.open_agents[agent.id] = None
        self.push_agent(agent)

    def close_segment(self, contact: Contact, e: ev.Event, outcome: str, *, short: bool = False) -> None:
        """Note how the contact's running segment ended."""
        self.queues.end_wait(contact)
        if outcome == "answered" and contact.resumed:
            outcome = "resumed"
        self.changes.segments.append(
            Segment(
                contact_id=contact.id,
                number=contact.segment,
                team_id=contact.team_id,
                channel=contact.channel,
                queued_at=contact.segment_at,
                enqueued_at=contact.enqueued_at,
                ended_at=e.at,
                outcome=outcome,
                reason=e.reason,
                short=short,
                agent_id=contact.agent_id,
                answered_at=contact.connected_at if outcome in ("answered", "resumed") else None,
            )
        )

    def touch_ticket(self, ticket_id: int, stored: Ticket | None) -> Ticket:
        """Return the ticket, noted as changed; a copy of `stored` where it is not on the floor."""
        ticket = self.tickets.get(ticket_id)
        if ticket is None:
            if stored is None:
                raise ValueError(f"ticket {ticket_id} is not on the floor and the event does not carry it")
            ticket = copy.copy(stored)
        self.changes.tickets[ticket_id] = ticket
        return ticket

    def add_ticket(self, ticket: Ticket) -> None:
        """Put a ticket on the floor."""
        self.saw_id(ticket.id)
        self.tickets[ticket.id] = ticket
        insort(self.tickets_by_customer.setdefault(ticket.customer_id, []), ticket.id)

    def drop_ticket(self, ticket: Ticket) -> None:
        """Take a ticket with no open contact off the floor."""
        del self.tickets[ticket.id]
        mine = self.tickets_by_customer[ticket.customer_id]
        del mine[bisect_left(mine, ticket.id)]
        if not mine:
            del self.tickets_by_customer[ticket.customer_id]

    def use(self, agent: Agent, offer: Offer, cost: int, at: float) -> None:
        """Take `cost` of the agent's capacity (negative: give it back)."""
        agent.used += cost
        at_work = self.shares.at_work
        at_work[offer.team_id] = at_work.get(offer.team_id, 0) + cost
        channel = offer.channel.value
        agent.channel_use[channel] = agent.channel_use.get(channel, 0) + (1 if cost > 0 else -1)
        if cost < 0:
            if offer.state is OfferState.ACCEPTED and not (agent.talking or agent.wrapping):
                agent.idle_since = at  # the end of work; an offer that came to nothing was none
            self.open_agents[agent.id] = None
        self.restate(agent, at)
        self.staff.update_room(agent)

    def restate(self, agent: Agent, at: float) -> None:
        """Bring the agent's state up to date with what the agent does."""
        if agent.not_responding:
            state = AgentState.NOT_RESPONDING
        elif agent.talking:
            state = AgentState.BUSY
        elif agent.wrapping:
            state = AgentState.WRAP_UP
        elif agent.pending:
            state = AgentState.OFFERED
        else:
            state = AgentState.IDLE
        if state is not agent.state:
            agent.state = state
            agent.state_since = at
        if self.records:
            account(self.changes.spans, agent, at)
        self.changes.agents[agent.id] = agent

    # --- timers

    def set_contact_due(self, contact: Contact) -> None:
        """Set when the contact's next timer runs out."""
        if contact.state is ContactState.SCHEDULED:
            contact.due_at = contact.scheduled_at if contact.scheduled_at is not None else NEVER
        elif contact.state is ContactState.OFFERED:
            contact.due_at = next_widening_at(self.team(contact.team_id), contact)
        else:
            due_at = next_step_at(self.team(contact.team_id), contact)
            if contact.expires_at < due_at:
                due_at = contact.expires_at
            contact.due_at = min(due_at, *contact.tried.values()) if contact.tried else due_at
        self.timers.push(CONTACT, contact.id, contact.due_at)

    def agent_due(self, agent: Agent) -> float:
        """Return when something happens to `agent` by itself: back from not responding, heartbeat missed."""
        if agent.not_responding:
            return agent.not_responding_until
        beat_s = self.policy.heartbeat_s
        if beat_s is not None and agent.presence is not Presence.OFFLINE:
            return agent.seen_at + beat_s
        return NEVER

    def _offer_due(self, offer: Offer) -> float:
        if offer.state is OfferState.PENDING:
            return offer.expires_at
        return offer.wrap_up_until if offer.wrap_up_until is not None else NEVER

    def _due(self, kind: int, key: int | str) -> float:
        if kind == CONTACT:
            contact = self.contacts.get(key)  # type: ignore[arg-type]
            return contact.due_at if contact is not None else NEVER
        if kind == OFFER:
            offer = self.offers.get(key)  # type: ignore[arg-type]
            return self._offer_due(offer) if offer is not None else NEVER
        return self.agent_due(self.agents[key])  # type: ignore[index]

    def push_agent(self, agent: Agent) -> None:
        """Note the agent as changed, index it anew and set its timer."""
        self.staff.update(agent)
        self.changes.agents[agent.id] = agent
        self.timers.push(AGENT, agent.id, self.agent_due(agent))


def _plain(value: msgspec.Struct) -> dict[str, Any]:
    """Return the fields of `value`, its dictionaries copied: the floor changes them in place."""
    fields = msgspec.structs.asdict(value)
    return {name: dict(each) if isinstance(each, dict) else each for name, each in fields.items()}
