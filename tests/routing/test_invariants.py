"""Whatever is asked of the floor, in whatever order: its promises hold after every command."""

from __future__ import annotations

import copy
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from routing import commands as cmd
from routing import events as ev
from routing.decide import decide
from routing.floor import Floor
from routing.hours import Hours, Span
from routing.model import (
    WAITING_STATES,
    Channel,
    Contact,
    ContactState,
    OfferState,
    Presence,
    Segment,
    SkillNeed,
    Ticket,
    TicketState,
)
from routing.policy import DEFAULT_CHANNELS, STRATEGIES, Policy, Step
from routing.refused import Refused
from tests.builders import NOON, START, make_agent, make_policy, make_team
from tests.routing.invariants import (
    check_clocks,
    check_floor,
    check_indices,
    check_not_behind,
    find_broken_promise,
    find_claim_ignored,
    find_overtaken,
    may_take,
    reload,
)

AGENTS = (
    make_agent("lead", teams=()),
    make_agent(
        "ann", teams=("orders", "care"), skills={"contracts": 4, "returns": 2}, languages=("en", "de")
    ),
    make_agent("bob", teams=("orders",), skills={"contracts": 1}, languages=("en",), capacity=90),
    make_agent("cid", teams=("care", "advice"), languages=("en", "fr"), channel_caps={"chat": 2}),
    make_agent("dora", teams=("advice", "orders"), skills={"returns": 5}, languages=("de",), capacity=200),
)
TEAMS = ("orders", "care", "advice")
SKILLS = ((), (SkillNeed("contracts", 3),), (SkillNeed("contracts", 1), SkillNeed("returns", 2)))

KEPT, MERGED = 1_000_001, 1_000_002

which = st.integers(0, 1_000)
teams = st.sampled_from(TEAMS)
agents = st.sampled_from([agent.id for agent in AGENTS])
policies = st.fixed_dictionaries(
    {
        "strategy": st.sampled_from(STRATEGIES),
        "broadcast": st.sampled_from((1, 1, 3)),
        "wrap_up_s": st.sampled_from((0.0, 30.0)),
        "priority_credit_s": st.sampled_from((0.0, 60.0)),
        "heartbeat_s": st.sampled_from((None, None, 90.0)),
        "relaxed": st.booleans(),
        "care_closed": st.booleans(),
        "chat_cap": st.sampled_from((1, 3)),
        "max_waiting": st.sampled_from((None, 2)),
        "join": st.sampled_from(("same_concern", "always", "never")),
        "share_after_targets": st.sampled_from((None, 0.2, 3.0)),
        "save_room_after_targets": st.sampled_from((None, 0.2, 1.0)),
    }
)


def policy_of(version: int, terms: dict[str, Any]) -> Policy:
    """Return a policy of three teams that relax, widen and overflow."""
    shared = {k: terms[k] for k in ("strategy", "wrap_up_s", "priority_credit_s")}
    shared["max_wait_s"] = {"voice": 95.5, "chat": 55.5}
    closed = Hours(time_zone="UTC", week=((Span("08:00", "20:00"),),) * 7)  # it is 02:40
    chat = replace(DEFAULT_CHANNELS[Channel.CHAT], cap=terms["chat_cap"])
    slack = (Step(after_s=10.1, skill_slack=2),) if terms["relaxed"] else ()
    return make_policy(
        make_team(
            "care",
            steps=(*slack, Step(after_s=20.3, any_language=True)),
            hours=closed if terms["care_closed"] else None,
            **shared,
        ),
        make_team(
            "orders",
            steps=(*slack, Step(after_s=30.7, teams=("advice",)), Step(after_s=70.9, overflow_to="care")),
            max_waiting=terms["max_waiting"],
            broadcast=terms["broadcast"],
            **shared,
        ),
        make_team(
            "advice",
            owner_preferred_s=0.0,
            **shared,
        ),
        version=version,
        channels=DEFAULT_CHANNELS | {Channel.CHAT: chat},
        heartbeat_s=terms["heartbeat_s"],
        join=terms["join"],
        share_after_targets=terms["share_after_targets"],
        save_room_after_targets=terms["save_room_after_targets"],
        callback_retry_s=40.0,
    )


class FloorMachine(RuleBasedStateMachine):
    """A floor, the same floor rebuilt from its events, and what a database would have kept."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.floor = Floor(START)
        self.replica = Floor(START)
        self.tickets: dict[int, Ticket] = {}
        self.segments: dict[int, list[Segment]] = {}
        self.taken_in_at: dict[int, float] = {}
        self.scheduled_s: dict[int, float] = {}
        self.scheduled_since: dict[int, float] = {}
        self.accepted: set[tuple[int, int]] = set()
        self.merges: list[tuple[float, tuple[int, ...]]] = []

    @initialize(terms=policies, there=st.sets(agents, min_size=1))
    def open_floor(self, terms: dict[str, Any], there: set[str]) -> None:
        for agent in AGENTS[:1]:
            self.do(cmd.PutAgent(actor="admin", agent=agent))
        self.do(cmd.PublishPolicy(actor="admin", policy=policy_of(1, terms)))
        for agent in AGENTS[1:]:
            self.do(cmd.PutAgent(actor="admin", agent=agent))
        for agent_id in sorted(there):
            self.do(cmd.SetPresence(actor=agent_id, agent_id=agent_id, presence=Presence.AVAILABLE))

    @rule(team=teams, count=st.integers(1, 4), chat=st.booleans())
    def calls(self, team: str, count: int, chat: bool) -> None:
        for _ in range(count):
            self.now += 0.3
            self.receive_from(None, channel=Channel.CHAT if chat else Channel.VOICE, team_id=team)

    @rule(
        channel=st.sampled_from(Channel),
        team=st.none() | teams,
        skills=st.sampled_from(SKILLS),
        language=st.sampled_from((None, None, "en", "de", "it")),
        priority=st.sampled_from((None, 0, 5)),
        customer=st.sampled_from((KEPT, MERGED)),
        preferred=st.none() | agents,
        later_s=st.sampled_from((None, None, 25.0)),
        age_s=st.sampled_from((None, None, 200.0)),
    )
    def receive(
        self, customer: int, preferred: str | None, later_s: float | None, age_s: float | None, **terms: Any
    ) -> None:
        self.receive_from(
            customer,
            preferred_agent_id=preferred,
            scheduled_at=None if later_s is None else self.now + later_s,
            enqueued_at=None if age_s is None else self.now - age_s,
            team_id=terms.pop("team"),
            **terms,
        )

    def receive_from(self, customer_id: int | None, **terms: Any) -> None:
        known = [each for each in self.tickets.values() if each.customer_id == customer_id]
        newest_first = tuple(sorted(known, key=lambda each: -each.id))
        self.do(
            cmd.Receive(
                actor="pbx",
                identity=cmd.Identity(),
                customer_id=customer_id,
                tickets=newest_first if customer_id is not None else (),
                **terms,
            )
        )

    @rule(seconds=st.sampled_from((0.1, 1.0, 7.7, 20.0, 31.3, 121.0, 400.0)))
    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.floor.next_due()) is not None and due <= end:
            self.now = max(self.now, due)
            self.do(cmd.Tick())
            after = self.floor.next_due()
            assert after is None or after > self.now
        self.now = end

    @precondition(lambda self: self.pending())
    @rule(which=which)
    def accept(self, which: int) -> None:
        self.do(cmd.Accept(actor="agent", offer_id=self.pick(self.pending(), which)))

    @precondition(lambda self: self.pending())
    @rule()
    def accept_all(self) -> None:
        for offer_id in self.pending():
            self.do(cmd.Accept(actor="agent", offer_id=offer_id))

    @precondition(lambda self: self.pending())
    @rule(which=which, kind=st.sampled_from((cmd.Decline, cmd.MissOffer, cmd.Revoke)))
    def turn_down(self, which: int, kind: Any) -> None:
        self.do(kind(actor="agent", offer_id=self.pick(self.pending(), which), reason="busy"))

    @precondition(lambda self: self.floor.contacts)
    @rule(which=which)
    def abandon(self, which: int) -> None:
        self.do(cmd.Abandon(actor="pbx", contact_id=self.pick(self.floor.contacts, which)))

    @precondition(lambda self: self.connected())
    @rule(which=which, state=st.sampled_from(TicketState))
    def complete(self, which: int, state: TicketState) -> None:
        contact = self.pick(self.connected(), which)
        self.do(cmd.Complete(actor="agent", contact_id=contact, ticket_state=state))

    @precondition(lambda self: self.floor.offers)
    @rule(which=which, longer=st.booleans())
    def wrap_up(self, which: int, longer: bool) -> None:
        kind = cmd.ExtendWrapUp if longer else cmd.FinishWrapUp
        self.do(kind(actor="agent", offer_id=self.pick(self.floor.offers, which)))

    @precondition(lambda self: self.connected())
    @rule(which=which, team=st.none() | teams, agent=st.none() | agents, warm=st.booleans())
    def transfer(self, which: int, team: str | None, agent: str | None, warm: bool) -> None:
        contact = self.pick(self.connected(), which)
        self.do(cmd.Transfer(actor="agent", contact_id=contact, team_id=team, agent_id=agent, warm=warm))

    @precondition(lambda self: self.passing_on())
    @rule(which=which)
    def take_back(self, which: int) -> None:
        self.do(cmd.TakeBack(actor="agent", contact_id=self.pick(self.passing_on(), which)))

    @precondition(lambda self: self.of_channel(Channel.VOICE))
    @rule(which=which, later_s=st.sampled_from((None, 45.0)))
    def convert(self, which: int, later_s: float | None) -> None:
        at = None if later_s is None else self.now + later_s
        contact = self.pick(self.of_channel(Channel.VOICE), which)
        self.do(cmd.ConvertToCallback(actor="pbx", contact_id=contact, scheduled_at=at))

    @precondition(lambda self: self.of_channel(Channel.CALLBACK))
    @rule(which=which)
    def callback_missed(self, which: int) -> None:
        contact = self.pick(self.of_channel(Channel.CALLBACK), which)
        self.do(cmd.CallbackMissed(actor="pbx", contact_id=contact))

    @precondition(lambda self: self.floor.contacts)
    @rule(
        which=which,
        deed=st.one_of(
            st.tuples(st.just(cmd.Reprioritise), st.fixed_dictionaries({"priority": st.integers(-1, 6)})),
            st.tuples(st.just(cmd.Move), st.fixed_dictionaries({"team_id": teams})),
            st.tuples(st.just(cmd.Assign), st.fixed_dictionaries({"agent_id": agents})),
            st.tuples(st.just(cmd.Cancel), st.just({"reason": "spam"})),
        ),
    )
    def lead_steps_in(self, which: int, deed: tuple[Any, dict[str, Any]]) -> None:
        kind, terms = deed
        self.do(kind(actor="lead", contact_id=self.pick(self.floor.contacts, which), **terms))

    @rule(agent=agents, presence=st.sampled_from((Presence.AVAILABLE, *Presence)), at_once=st.booleans())
    def set_presence(self, agent: str, presence: Presence, at_once: bool) -> None:
        self.do(cmd.SetPresence(actor=agent, agent_id=agent, presence=presence, at_once=at_once))

    @rule()
    def everybody_comes(self) -> None:
        for agent in AGENTS[1:]:
            self.do(cmd.PutAgent(actor="admin", agent=agent))
            self.do(cmd.SetPresence(actor=agent.id, agent_id=agent.id, presence=Presence.AVAILABLE))

    @rule(agent=agents, drains=st.booleans())
    def heartbeat_or_drain(self, agent: str, drains: bool) -> None:
        self.do((cmd.Drain if drains else cmd.Heartbeat)(actor=agent, agent_id=agent))

    @rule(
        agent=st.sampled_from(AGENTS[1:]),
        extra=st.none() | teams,
        capacity=st.sampled_from((30, 100, 150)),
        level=st.integers(1, 5),
        active=st.sampled_from((True, True, True, False)),
    )
    def change_agent(self, agent: Any, extra: str | None, capacity: int, level: int, active: bool) -> None:
        changed = make_agent(
            agent.id,
            teams=agent.teams if extra is None else (extra,),
            skills={**agent.skills, "contracts": level},
            languages=agent.languages[:level],
            capacity=capacity,
            channel_caps={"chat": level} if level < 3 else {},
            active=active,
            used=77,
            presence=Presence.AVAILABLE,
        )
        self.do(cmd.PutAgent(actor="admin", agent=changed))

    @rule(terms=policies)
    def publish(self, terms: dict[str, Any]) -> None:
        policy = policy_of(self.floor.policy.version + 1, terms)
        self.do(cmd.PublishPolicy(actor="admin", policy=policy))

    @precondition(lambda self: self.tickets)
    @rule(which=which, state=st.none() | st.sampled_from(TicketState), owner=st.none() | agents)
    def change_ticket(self, which: int, state: TicketState | None, owner: str | None) -> None:
        ticket = self.tickets[self.pick(self.tickets, which)]
        self.do(cmd.ChangeTicket(actor="lead", ticket=ticket, state=state, owner_id=owner))

    @precondition(lambda self: self.tickets_of(MERGED) or self.merges)
    @rule()
    def merge_or_split(self) -> None:
        if self.merges:
            at, ids = self.merges.pop()
            self.do(
                cmd.SplitCustomers(actor="lead", kept_id=KEPT, merged_id=MERGED, merged_at=at, ticket_ids=ids)
            )
            self.give(ids, MERGED)
        else:
            ids = self.tickets_of(MERGED)
            self.do(cmd.MergeCustomers(actor="lead", kept_id=KEPT, merged_id=MERGED))
            self.give(ids, KEPT)
            self.merges.append((self.now, ids))

    @precondition(lambda self: self.floor.contacts)
    @rule(which=which)
    def ways_out_come_true(self, which: int) -> None:
        assert find_broken_promise(self.floor, self.pick(self.floor.contacts, which), self.now) is None

    @invariant()
    def promises_hold(self) -> None:
        check_floor(self.floor)
        check_indices(self.floor)
        for ticket in self.tickets.values():
            assert ticket.owner_id in self.floor.agents

    def teardown(self) -> None:
        """Close everything, so that the clocks of every contact are checked."""
        if not self.floor.policy.teams:
            return
        for contact in list(self.floor.contacts.values()):
            while contact.id in self.floor.contacts:
                self.do(cmd.TakeBack(actor="end", contact_id=contact.id))
                self.do(cmd.Abandon(actor="end", contact_id=contact.id))
                if contact.state is ContactState.WRAP_UP:
                    assert contact.offer_id is not None
                    self.do(cmd.FinishWrapUp(actor="end", offer_id=contact.offer_id))
        check_floor(self.floor)

    def do(self, command: cmd.Command) -> None:
        """Carry `command` out on the floor, on one reloaded from rows, and by its events on a replica."""
        before, next_id = self.floor.snapshot(), self.floor.next_id
        reloaded = reload(self.floor)
        outcome = decide(self.floor, command, self.now)
        assert decide(reloaded, command, self.now) == outcome
        assert reloaded.snapshot() == self.floor.snapshot()
        if isinstance(outcome, Refused):
            assert (self.floor.snapshot(), self.floor.next_id) == (before, next_id)
            return
        for event in outcome:
            self.follow(event, command)
        self.replica.settle()
        assert self.replica.snapshot() == self.floor.snapshot()
        assert self.replica.next_id == self.floor.next_id
        assert self.floor.seq == before["seq"] + len(outcome)
        check_not_behind(self.floor, before["contacts"], self.now)
        self.keep()

    def follow(self, event: ev.Event, command: cmd.Command) -> None:
        """Apply a stored event to the replica, checking what only the moment before it can tell."""
        assert event.at == self.now
        assert event.actor == command.actor
        stored = ev.decode(ev.encode(event))
        assert stored == event
        if isinstance(stored, ev.OfferMade) and stored.decision.trigger != "lead":
            assert find_overtaken(self.replica, stored) is None
            assert find_claim_ignored(self.replica, stored) is None
            agent = self.replica.agents[stored.offer.agent_id]
            assert may_take(self.replica, agent, self.replica.contacts[stored.offer.contact_id])
        if isinstance(stored, ev.ContactReceived):
            self.taken_in_at[stored.contact.id] = self.now
        if isinstance(stored, ev.ContactScheduled):
            self.scheduled_since.setdefault(stored.contact_id, self.now)
        if isinstance(stored, ev.ContactQueued | ev.ContactEnded):
            since = self.scheduled_since.pop(stored.contact_id, self.now)
            gone_s = self.scheduled_s.get(stored.contact_id, 0.0)
            self.scheduled_s[stored.contact_id] = gone_s + self.now - since
        if isinstance(stored, ev.ContactConnected):
            key = (stored.contact_id, self.replica.contacts[stored.contact_id].segment)
            assert key not in self.accepted
            self.accepted.add(key)
        self.replica.apply(stored)

    def keep(self) -> None:
        """Do what the projection does with a batch's changes."""
        changes = self.floor.drain()
        self.tickets |= {key: copy.copy(value) for key, value in changes.tickets.items()}
        for segment in changes.segments:
            self.segments.setdefault(segment.contact_id, []).append(segment)
        for contact in changes.contacts.values():
            if contact.closed_at is not None:
                self.check_ended(contact, {each.id: each for each in changes.offers.values()})

    def check_ended(self, contact: Contact, offers: dict[int, Any]) -> None:
        wrap_up_s = 0.0
        if contact.state is ContactState.COMPLETED and contact.offer_id in offers:
            offer = offers[contact.offer_id]
            wrap_up_s = offer.released_at - offer.talk_ended_at
        check_clocks(
            contact,
            self.segments.get(contact.id, ()),
            taken_in_at=self.taken_in_at[contact.id],
            scheduled_s=self.scheduled_s.get(contact.id, 0.0),
            wrap_up_s=wrap_up_s,
        )

    def give(self, ticket_ids: tuple[int, ...], customer_id: int) -> None:
        for ticket_id in ticket_ids:
            self.tickets[ticket_id].customer_id = customer_id

    def tickets_of(self, customer_id: int) -> tuple[int, ...]:
        return tuple(sorted(each.id for each in self.tickets.values() if each.customer_id == customer_id))

    def of_channel(self, channel: Channel) -> list[int]:
        return [c.id for c in self.floor.contacts.values() if c.channel is channel]

    def passing_on(self) -> list[int]:
        waiting = [c for c in self.floor.contacts.values() if c.state in WAITING_STATES]
        return [c.id for c in waiting if c.offer_id is not None]

    def pending(self) -> list[int]:
        return [o.id for o in self.floor.offers.values() if o.state is OfferState.PENDING]

    def connected(self) -> list[int]:
        return [c.id for c in self.floor.contacts.values() if c.state is ContactState.CONNECTED]

    @staticmethod
    def pick(among: Any, which: int) -> int:
        ids = sorted(among)
        return int(ids[which % len(ids)])


FloorMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=45)
TestFloor = FloorMachine.TestCase
