"""The floor: everything open, in memory, indexed for dispatch. `apply(event)` is its only way to change.

Hazard: values handed out (`floor.contacts[...]`) are the floor's own; callers read and never write them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from routing import events as ev
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
    Ticket,
)
from routing.policy import Policy, TeamPolicy
from routing.queue_index import QueueIndex
from routing.staff_index import StaffIndex, is_present
from routing.steps import next_step_at
from routing.timers import Timers
from routing.urgency import effective_at

CONTACT: Final = 0
OFFER: Final = 1
AGENT: Final = 2


class Changes:
    """What the events since the last drain touched, for the projection; final values included."""

    __slots__ = ("agents", "contacts", "offers", "segments", "tickets")

    def __init__(self) -> None:
        self.contacts: dict[int, Contact] = {}
        self.offers: dict[int, Offer] = {}
        self.agents: dict[str, Agent] = {}
        self.tickets: dict[int, Ticket] = {}
        self.segments: list[Segment] = []


class Floor:
    """All open contacts, their offers and tickets, all agents, and the policy in force."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
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
        self.queues = QueueIndex(policy)
        self.tickets_by_customer: dict[int, dict[int, None]] = {}
        self._timers = Timers(self._due, lambda: len(self.contacts) + len(self.offers) + len(self.agents))

    # --- reading

    def team(self, team_id: str) -> TeamPolicy:
        """Return the team's policy; raises KeyError when there is none."""
        return self.policy.teams[team_id]

    def next_due(self) -> float | None:
        """Return the next instant at which a Tick has something to do, or None."""
        return self._timers.next_at()

    def pop_due(self, now: float) -> tuple[int, int | str] | None:
        """Take and return the next entity whose timer has run out by `now`: (kind, id), or None."""
        return self._timers.pop(now)

    def snapshot(self) -> dict[str, Any]:
        """Return the floor's whole state as plain data, for comparing two floors."""
        return {
            "seq": self.seq,
            "policy": msgspec.to_builtins(self.policy),
            "agents": {k: msgspec.to_builtins(v) for k, v in sorted(self.agents.items())},
            "contacts": {k: msgspec.to_builtins(v) for k, v in sorted(self.contacts.items())},
            "offers": {k: msgspec.to_builtins(v) for k, v in sorted(self.offers.items())},
            "tickets": {k: msgspec.to_builtins(v) for k, v in sorted(self.tickets.items())},
        }

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
        """Put stored values on an empty floor, as they stood after the last event."""
        for agent in sorted(agents, key=lambda each: each.index):
            self._add_agent(agent)
        for ticket in tickets:
            self._add_ticket(ticket)
        for offer in offers:
            self.offers[offer.id] = offer
            self._timers.push(OFFER, offer.id, self._offer_due(offer))
        for contact in contacts:
            self.contacts[contact.id] = contact
            if contact.state in WAITING_STATES:
                self.queues.waiting.setdefault(contact.team_id, {})[contact.id] = contact.enqueued_at
            if contact.state is ContactState.QUEUED:
                self.queues.enter(contact)
            self._timers.push(CONTACT, contact.id, contact.due_at)

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
        _APPLY[type(event)](self, event)
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

    # --- contacts

    def _contact_received(self, e: ev.ContactReceived) -> None:
        contact = copy.copy(e.contact)
        contact.tried = {}
        self.saw_id(contact.id)
        self.contacts[contact.id] = contact
        self.changes.contacts[contact.id] = contact
        ticket = self.tickets[contact.ticket_id]
        ticket.contacts += 1
        ticket.contact_ids = (*ticket.contact_ids, contact.id)
        self.changes.tickets[ticket.id] = ticket

    def _contact_scheduled(self, e: ev.ContactScheduled) -> None:
        contact = self._touch(e.contact_id)
        contact.state = ContactState.SCHEDULED
        contact.scheduled_at = e.scheduled_at
        contact.agent_id = contact.offer_id = contact.connected_at = None
        self._set_contact_due(contact)

    def _contact_queued(self, e: ev.ContactQueued) -> None:
        contact = self._touch(e.contact_id)
        contact.state = ContactState.QUEUED
        contact.team_id = e.team_id
        contact.segment = e.segment
        contact.segment_at = e.at
        contact.enqueued_at = e.enqueued_at
        contact.expires_at = e.expires_at
        contact.preferred_agent_id = e.preferred_agent_id
        contact.preferred_until = e.preferred_until
        contact.step = -1 if e.preferred_agent_id is not None else 0
        contact.tried = {}
        contact.connected_at = None
        contact.agent_id = None
        contact.effective_at = effective_at(self.team(e.team_id), contact)
        self.queues.waiting.setdefault(e.team_id, {})[contact.id] = contact.enqueued_at
        self._look(contact)

    def _segment_closed(self, e: ev.SegmentClosed) -> None:
        contact = self._touch(e.contact_id)
        if contact.state is ContactState.QUEUED:
            self._leave(contact)
        outcome = "answered" if contact.state is ContactState.CONNECTED else "flowed_out"
        self._close_segment(contact, e, outcome)

    def _step_reached(self, e: ev.StepReached) -> None:
        contact = self._touch(e.contact_id)
        if contact.state is ContactState.QUEUED:
            self._leave(contact)
        contact.step = e.step
        if contact.state is ContactState.QUEUED:
            self._look(contact)

    def _priority_changed(self, e: ev.PriorityChanged) -> None:
        contact = self._touch(e.contact_id)
        if contact.state is ContactState.QUEUED:
            self._leave(contact)
        contact.priority = e.priority
        contact.effective_at = effective_at(self.team(contact.team_id), contact)
        if contact.state is ContactState.QUEUED:
            self._look(contact)

    def _nobody_found(self, e: ev.NobodyFound) -> None:
        self.saw_id(e.decision.id)

    def _retry_cleared(self, e: ev.RetryCleared) -> None:
        contact = self._touch(e.contact_id)
        contact.tried = {k: v for k, v in contact.tried.items() if k not in e.agent_ids}
        self._set_contact_due(contact)
        self.open_contacts[contact.id] = None

    def _contact_ended(self, e: ev.ContactEnded) -> None:
        contact = self._touch(e.contact_id)
        if contact.state is ContactState.QUEUED:
            self._leave(contact)
        if contact.state in WAITING_STATES:
            self._close_segment(contact, e, str(e.state), short=e.short)
        contact.state = e.state
        contact.short = e.short
        contact.end_reason = e.reason
        contact.closed_at = e.at
        contact.due_at = NEVER
        del self.contacts[contact.id]
        ticket = self.tickets[contact.ticket_id]
        ticket.contact_ids = tuple(i for i in ticket.contact_ids if i != contact.id)
        self.changes.tickets[ticket.id] = ticket
        if not ticket.contact_ids:
            self._drop_ticket(ticket)

    # --- offers and assignments

    def _offer_made(self, e: ev.OfferMade) -> None:
        offer = copy.copy(e.offer)
        self.saw_id(offer.id)
        self.saw_id(e.decision.id)
        self.offers[offer.id] = offer
        self.changes.offers[offer.id] = offer
        self._timers.push(OFFER, offer.id, offer.expires_at)
        contact = self._touch(offer.contact_id)
        if contact.state is ContactState.QUEUED:
            self._leave(contact)
        contact.state = ContactState.OFFERED
        contact.offer_ids = (*contact.offer_ids, offer.id)
        contact.due_at = NEVER
        agent = self.agents[offer.agent_id]
        agent.pending += 1
        agent.last_offer_at = e.at
        agent.offer_ids = (*agent.offer_ids, offer.id)
        self._use(agent, offer, offer.cost, e.at)

    def _offer_ended(self, e: ev.OfferEnded) -> None:
        offer = self.offers.pop(e.offer_id)
        offer.state = e.state
        offer.ended_at = offer.released_at = e.at
        offer.end_reason = e.reason
        offer.customer_gone = e.customer_gone
        self.changes.offers[offer.id] = offer
        contact = self._touch(offer.contact_id)
        contact.offer_ids = tuple(i for i in contact.offer_ids if i != offer.id)
        if e.retry_at > e.at:
            contact.tried = {**contact.tried, offer.agent_id: e.retry_at}
        if not contact.offer_ids and contact.state is ContactState.OFFERED:
            contact.state = ContactState.QUEUED
            self._look(contact)
        agent = self.agents[offer.agent_id]
        agent.pending -= 1
        agent.offer_ids = tuple(i for i in agent.offer_ids if i != offer.id)
        self._use(agent, offer, -offer.cost, e.at)

    def _contact_connected(self, e: ev.ContactConnected) -> None:
        offer = self.offers[e.offer_id]
        offer.state = OfferState.ACCEPTED
        offer.accepted_at = e.at
        self.changes.offers[offer.id] = offer
        contact = self._touch(e.contact_id)
        contact.state = ContactState.CONNECTED
        contact.offer_ids = ()
        contact.offer_id = offer.id
        contact.agent_id = e.agent_id
        contact.connected_at = e.at
        contact.due_at = NEVER
        self.queues.waiting[contact.team_id].pop(contact.id, None)
        agent = self.agents[e.agent_id]
        agent.pending -= 1
        agent.talking += 1
        agent.missed = 0
        self._restate(agent, e.at)

    def _transfer_started(self, e: ev.TransferStarted) -> None:
        self._touch(e.contact_id)

    def _transfer_taken_back(self, e: ev.TransferTakenBack) -> None:
        contact = self._touch(e.contact_id)
        if contact.state is ContactState.QUEUED:
            self._leave(contact)
        offer = self.offers[e.offer_id]
        self._close_segment(contact, e, "flowed_out")
        contact.state = ContactState.CONNECTED
        contact.agent_id = offer.agent_id
        contact.connected_at = e.at
        contact.due_at = NEVER

    def _wrap_up_started(self, e: ev.WrapUpStarted) -> None:
        offer = self.offers[e.offer_id]
        offer.talk_ended_at = e.at
        offer.wrap_up_until = e.until
        self.changes.offers[offer.id] = offer
        self._timers.push(OFFER, offer.id, e.until)
        contact = self.contacts.get(e.contact_id)
        if contact is not None and e.last:
            self.changes.contacts[contact.id] = contact
            self._close_segment(contact, e, "answered")
            contact.state = ContactState.WRAP_UP
        agent = self.agents[e.agent_id]
        agent.talking -= 1
        agent.wrapping += 1
        self._restate(agent, e.at)

    def _wrap_up_extended(self, e: ev.WrapUpExtended) -> None:
        offer = self.offers[e.offer_id]
        offer.wrap_up_until = e.until
        self.changes.offers[offer.id] = offer
        self._timers.push(OFFER, offer.id, e.until)

    def _offer_released(self, e: ev.OfferReleased) -> None:
        offer = self.offers.pop(e.offer_id)
        offer.released_at = e.at
        self.changes.offers[offer.id] = offer
        agent = self.agents[e.agent_id]
        agent.wrapping -= 1
        agent.handled += 1
        agent.served_s += e.at - (offer.accepted_at or e.at)
        agent.offer_ids = tuple(i for i in agent.offer_ids if i != offer.id)
        self._use(agent, offer, -offer.cost, e.at)

    # --- tickets

    def _customer_added(self, e: ev.CustomerAdded) -> None:
        self.saw_id(e.customer_id)

    def _ticket_put(self, e: ev.TicketOpened | ev.TicketJoined) -> None:
        if e.ticket.id not in self.tickets:
            self._add_ticket(copy.copy(e.ticket))
        self.changes.tickets[e.ticket.id] = self.tickets[e.ticket.id]

    def _ticket_owned(self, e: ev.TicketOwned) -> None:
        ticket = self._ticket(e.ticket_id, e.ticket)
        ticket.owner_id = e.owner_id
        ticket.accepted = True
        ticket.changed_at = e.at

    def _ticket_changed(self, e: ev.TicketChanged) -> None:
        ticket = self._ticket(e.ticket_id, e.ticket)
        if ticket.state in _DONE and e.state not in _DONE:
            ticket.reopened += 1
        ticket.state = e.state
        ticket.changed_at = e.at
        ticket.resolved_at = e.at if e.state in _DONE else None
        ticket.closed_at = e.at if e.state == "closed" else None

    # --- agents and policy

    def _agent_put(self, e: ev.AgentPut) -> None:
        old = self.agents.get(e.agent.id)
        if old is None:
            agent = copy.deepcopy(e.agent)
            agent.index = len(self.staff.at)
            agent.presence_since = agent.state_since = agent.idle_since = e.at
            self._add_agent(agent)
        else:
            old.name = e.agent.name
            old.teams = e.agent.teams
            old.skills = dict(e.agent.skills)
            old.languages = e.agent.languages
            old.capacity = e.agent.capacity
            old.channel_caps = dict(e.agent.channel_caps)
            old.active = e.agent.active
            self.staff.changed()
            self.staff.update(old)
            self._look_all()
        self.changes.agents[e.agent.id] = self.agents[e.agent.id]

    def _presence_changed(self, e: ev.PresenceChanged) -> None:
        agent = self.agents[e.agent_id]
        was_present = is_present(agent)
        if agent.presence != e.presence:
            agent.presence_since = e.at
            if e.presence is Presence.AVAILABLE:
                agent.idle_since = e.at
            if e.presence is Presence.OFFLINE:
                agent.served_s = 0.0
        agent.presence = e.presence
        agent.presence_reason = e.reason
        agent.next_presence = e.next_presence
        agent.draining = e.draining
        agent.seen_at = e.at
        if not was_present and is_present(agent):
            self.open_agents[agent.id] = None
        self._restate(agent, e.at)
        self._push_agent(agent)

    def _agent_not_responding(self, e: ev.AgentNotResponding) -> None:
        agent = self.agents[e.agent_id]
        agent.not_responding = True
        agent.not_responding_until = e.until
        agent.missed += 1
        self._restate(agent, e.at)
        self._push_agent(agent)

    def _agent_responding(self, e: ev.AgentResponding) -> None:
        agent = self.agents[e.agent_id]
        agent.not_responding = False
        agent.not_responding_until = NEVER
        agent.idle_since = e.at
        agent.seen_at = e.at
        self.open_agents[agent.id] = None
        self._restate(agent, e.at)
        self._push_agent(agent)

    def _agent_seen(self, e: ev.AgentSeen) -> None:
        agent = self.agents[e.agent_id]
        agent.seen_at = e.at
        self.changes.agents[agent.id] = agent
        self._push_agent(agent)

    def _policy_published(self, e: ev.PolicyPublished) -> None:
        self.policy = e.policy
        queued = [c for c in self.contacts.values() if c.state is ContactState.QUEUED]
        self.queues.take_policy(e.policy)
        self.staff.take_policy(e.policy)
        for contact in queued:
            contact.effective_at = effective_at(self.team(contact.team_id), contact)
            contact.step = min(contact.step, len(self.team(contact.team_id).steps))
            self.changes.contacts[contact.id] = contact
            self._look(contact)

    # --- indices

    def _touch(self, contact_id: int) -> Contact:
        contact = self.contacts[contact_id]
        self.changes.contacts[contact_id] = contact
        return contact

    def _look(self, contact: Contact) -> None:
        self.queues.enter(contact)
        self._set_contact_due(contact)
        self.open_contacts[contact.id] = None

    def _leave(self, contact: Contact) -> None:
        self.open_contacts.pop(contact.id, None)
        self.queues.leave(contact)

    def _add_agent(self, agent: Agent) -> None:
        self.agents[agent.id] = agent
        self.staff.add(agent)
        self._look_all()
        self._push_agent(agent)

    def _look_all(self) -> None:
        """Anybody may now be eligible for anything that waits."""
        queued = (c.id for c in self.contacts.values() if c.state is ContactState.QUEUED)
        self.open_contacts.update(dict.fromkeys(queued))

    def _close_segment(self, contact: Contact, e: ev.Event, outcome: str, *, short: bool = False) -> None:
        self.queues.waiting.get(contact.team_id, {}).pop(contact.id, None)
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
                answered_at=contact.connected_at if outcome == "answered" else None,
            )
        )

    def _ticket(self, ticket_id: int, stored: Ticket | None) -> Ticket:
        ticket = self.tickets.get(ticket_id)
        if ticket is None:
            if stored is None:
                raise ValueError(f"ticket {ticket_id} is not on the floor and the event does not carry it")
            ticket = copy.copy(stored)
        self.changes.tickets[ticket_id] = ticket
        return ticket

    def _add_ticket(self, ticket: Ticket) -> None:
        self.saw_id(ticket.id)
        self.tickets[ticket.id] = ticket
        self.tickets_by_customer.setdefault(ticket.customer_id, {})[ticket.id] = None

    def _drop_ticket(self, ticket: Ticket) -> None:
        del self.tickets[ticket.id]
        mine = self.tickets_by_customer[ticket.customer_id]
        del mine[ticket.id]
        if not mine:
            del self.tickets_by_customer[ticket.customer_id]

    def _use(self, agent: Agent, offer: Offer, cost: int, at: float) -> None:
        agent.used += cost
        channel = str(offer.channel)
        agent.channel_use[channel] = agent.channel_use.get(channel, 0) + (1 if cost > 0 else -1)
        if cost < 0:
            if agent.used == 0:
                agent.idle_since = at
            self.open_agents[agent.id] = None
        self._restate(agent, at)

    def _restate(self, agent: Agent, at: float) -> None:
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
        self.changes.agents[agent.id] = agent
        self.staff.update(agent)

    # --- timers

    def _set_contact_due(self, contact: Contact) -> None:
        if contact.state is ContactState.SCHEDULED:
            contact.due_at = contact.scheduled_at if contact.scheduled_at is not None else NEVER
        else:
            contact.due_at = min(
                contact.expires_at,
                next_step_at(self.team(contact.team_id), contact),
                min(contact.tried.values(), default=NEVER),
            )
        self._timers.push(CONTACT, contact.id, contact.due_at)

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

    def _push_agent(self, agent: Agent) -> None:
        self.changes.agents[agent.id] = agent
        self._timers.push(AGENT, agent.id, self.agent_due(agent))


_DONE = frozenset({"resolved", "closed"})


_APPLY: dict[type[ev.Event], Callable[[Floor, Any], None]] = {
    ev.CustomerAdded: Floor._customer_added,
    ev.TicketOpened: Floor._ticket_put,
    ev.TicketJoined: Floor._ticket_put,
    ev.TicketOwned: Floor._ticket_owned,
    ev.TicketChanged: Floor._ticket_changed,
    ev.ContactReceived: Floor._contact_received,
    ev.ContactScheduled: Floor._contact_scheduled,
    ev.ContactQueued: Floor._contact_queued,
    ev.SegmentClosed: Floor._segment_closed,
    ev.StepReached: Floor._step_reached,
    ev.PriorityChanged: Floor._priority_changed,
    ev.NobodyFound: Floor._nobody_found,
    ev.RetryCleared: Floor._retry_cleared,
    ev.OfferMade: Floor._offer_made,
    ev.OfferEnded: Floor._offer_ended,
    ev.ContactConnected: Floor._contact_connected,
    ev.TransferStarted: Floor._transfer_started,
    ev.TransferTakenBack: Floor._transfer_taken_back,
    ev.WrapUpStarted: Floor._wrap_up_started,
    ev.WrapUpExtended: Floor._wrap_up_extended,
    ev.OfferReleased: Floor._offer_released,
    ev.ContactEnded: Floor._contact_ended,
    ev.AgentPut: Floor._agent_put,
    ev.PresenceChanged: Floor._presence_changed,
    ev.AgentNotResponding: Floor._agent_not_responding,
    ev.AgentResponding: Floor._agent_responding,
    ev.AgentSeen: Floor._agent_seen,
    ev.PolicyPublished: Floor._policy_published,
}
