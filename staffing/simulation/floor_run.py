"""Decides what becomes of drawn contacts on a floor: a discrete-event run that drives `routing.decide`.

The floor that serves live contacts serves the drawn ones: they arrive, hang up when their patience ends,
agents answer offers, talk, wrap up, come, pause and go, and the floor's own timers tick. Nothing of routing
is imitated here.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from routing.commands import (
    Abandon,
    Accept,
    Command,
    Complete,
    FinishWrapUp,
    Identity,
    PutAgent,
    Receive,
    SetPresence,
    Tick,
)
from routing.decide import decide
from routing.events import ContactReceived, Event, OfferMade
from routing.floor import Floor
from routing.model import (
    WAITING_STATES,
    Channel,
    ContactState,
    Offer,
    Presence,
    SkillNeed,
    TicketState,
)
from routing.refused import Refused
from staffing.simulation.scenario import Scenario, Shift, simulated_policy
from staffing.simulation.traffic import Drawn, TeamTraffic

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

ANSWERED, ABANDONED, SHORT, FLOWED_OUT, WAITING, LOST, REJECTED = range(7)
"""What became of a contact in a queue: `SHORT` is an abandon within the team's limit, `LOST` expired or was
cancelled, `REJECTED` found the team closed or full and never queued."""

_OUTCOMES = {"answered": ANSWERED, "abandoned": ABANDONED, "flowed_out": FLOWED_OUT}
_SOMEBODY = Identity()
_ACTOR = "simulation"
_TICK = Tick()
_DRAIN_EVERY = 500
_CLEARING_S = 3600.0
_PLAIN_ACCEPT = 2
"""Events of an acceptance that frees nobody: connected, and the ticket has its owner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stays:
    """Every stay of a contact in a team's queue, one entry each.

    Attributes:
        contact: Position among the drawn contacts.
        kind: Position of its traffic in the scenario.
        team: Position of the team in the policy.
        since: When the stay began, epoch seconds.
        wait_s: Queue wait until the answer, the end of the stay or the end of the run.
        outcome: `ANSWERED` ... `REJECTED`.
    """

    contact: Integers
    kind: Integers
    team: Integers
    since: Floats
    wait_s: Floats
    outcome: Integers


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Every assignment from answer to release, one entry each.

    Attributes:
        agent: Position among the scenario's agents.
        since: When the agent answered.
        until: When the agent was free of it, or the end of the run.
        cost: Capacity it took.
    """

    agent: Integers
    since: Floats
    until: Floats
    cost: Floats


@dataclass(frozen=True, slots=True)
class FloorLog:
    """What a run leaves behind.

    Attributes:
        stays: Stays in queues.
        work: Assignments.
        commands: How many commands `decide` carried out.
    """

    stays: Stays
    work: Work
    commands: int = 0


def run_floor(scenario: Scenario, drawn: Drawn, shifts: Sequence[tuple[Shift, ...]]) -> FloorLog:
    """Return what happens when the drawn contacts meet the workers.

    Ends an hour after the last interval and shift; who still waits then is counted as waiting.

    Args:
        scenario: Policy, workers and kinds of traffic.
        drawn: The contacts.
        shifts: The shifts that each of the scenario's workers really works, in their order.
    """
    run = _Run(scenario, drawn, shifts)
    run.until(ended_at(scenario, shifts))
    return run.log()


def ended_at(scenario: Scenario, shifts: Sequence[tuple[Shift, ...]]) -> float:
    """Return when a run ends, epoch seconds: an hour after the last interval and shift."""
    last = max((worked[-1].ends_at for worked in shifts if worked), default=-math.inf)
    return max(last, float(scenario.starts[-1]) + scenario.step_s) + _CLEARING_S


class _Run:
    """One floor, what is going to happen on it, and what has been noted of it."""

    def __init__(self, scenario: Scenario, drawn: Drawn, shifts: Sequence[tuple[Shift, ...]]) -> None:
        self.scenario = scenario
        self.floor = Floor(simulated_policy(scenario.policy), records=False)
        self.arrive_at = [*drawn.arrive_at.tolist(), math.inf]
        self.handle_s: list[float] = drawn.handle_s.tolist()
        self.patience_s: list[float] = drawn.patience_s.tolist()
        self.kind: list[int] = drawn.kind.tolist()
        self.traffic = scenario.traffic
        self.answer_s = [kind.answer_s for kind in scenario.traffic]
        self.receives = [_receives(kind) for kind in scenario.traffic]
        self.drawn_of: dict[int, int] = {}
        self.teams = {team_id: position for position, team_id in enumerate(scenario.policy.teams)}
        self.agents = {agent.id: position for position, agent in enumerate(scenario.agents)}
        self.stays, self.work = array("d"), array("d")
        self.commands = 0
        self.ended_at = -math.inf
        # Sorted, and so a heap already.
        self.agenda: list[tuple[float, int, _Act, int]] = _presences(scenario, shifts)
        self.order = len(self.agenda)
        begins_at = min(self.arrive_at[0], self.agenda[0][0] if self.agenda else math.inf)
        if begins_at < math.inf:
            for agent in scenario.agents:
                self.submit(PutAgent(actor=_ACTOR, agent=agent), begins_at)

    def until(self, end_at: float) -> None:
        """Let everything happen up to `end_at`."""
        floor, agenda, arrive_at = self.floor, self.agenda, self.arrive_at
        coming = steps = 0
        while True:
            arrives = not agenda or arrive_at[coming] <= agenda[0][0]
            now = arrive_at[coming] if arrives else agenda[0][0]
            due_at = floor.next_due_by(now if now < end_at else end_at)  # noqa: FURB136
            if due_at is not None:
                self.follow(self.submit(_TICK, due_at), due_at)
            elif now > end_at:
                break
            elif arrives:
                self.arrive(coming, now)
                coming += 1
            else:
                _, _, act, key = heappop(agenda)
                act(self, key, now)
            steps += 1
            if steps % _DRAIN_EVERY == 0:
                self.collect()
        self.ended_at = end_at
        self.collect()

    def submit(self, command: Command, now: float) -> list[Event]:
        """Carry out a command; nothing happens where it is refused."""
        self.commands += 1
        outcome = decide(self.floor, command, now)
        return [] if isinstance(outcome, Refused) else outcome

    def later(self, at: float, act: _Act, key: int) -> None:
        """Note what is going to happen."""
        self.order += 1
        heappush(self.agenda, (at, self.order, act, key))

    def arrive(self, position: int, now: float) -> None:
        """A customer makes contact, and will leave the queue when the patience is over."""
        events = self.submit(self.receives[self.kind[position]](position), now)
        contact_id = next(event.contact.id for event in events if type(event) is ContactReceived)
        self.drawn_of[contact_id] = position
        self.follow(events, now)
        patience_s = self.patience_s[position]
        if patience_s < math.inf:
            contact = self.floor.contacts.get(contact_id)
            if contact is not None and contact.state in WAITING_STATES:
                self.later(now + patience_s, _Run.hang_up, contact_id)

    def follow(self, events: list[Event], now: float) -> None:
        """Have the agents who were asked answer, at once or after ringing."""
        for event in events:
            if type(event) is OfferMade:
                offer = event.offer
                answer_s = self.answer_s[self.kind[self.drawn_of[offer.contact_id]]]
                if answer_s > 0:
                    self.later(now + answer_s, _Run.answer, offer.id)
                else:
                    self.answer(offer.id, now)

    def answer(self, offer_id: int, now: float) -> None:
        """An agent takes an offer, unless it is gone meanwhile."""
        events = self.submit(Accept(actor=_ACTOR, offer_id=offer_id), now)
        if not events:
            return
        offer = self.floor.offers[offer_id]
        position = self.drawn_of[offer.contact_id]
        handle_s = wrap_from_s = self.handle_s[position]
        kind = self.traffic[self.kind[position]]
        if kind.slowdown > 0:
            agent = self.floor.agents[offer.agent_id]
            handle_s *= 1 + kind.slowdown * (agent.talking + agent.wrapping - 1)
            wrap_from_s = handle_s
        if kind.wrap_up_share > 0 and self.wraps_up(offer):
            wrap_from_s = handle_s * (1 - kind.wrap_up_share)
            self.later(now + handle_s, _Run.end_wrap_up, offer_id)
        self.later(now + wrap_from_s, _Run.end_talk, offer.contact_id)
        if len(events) > _PLAIN_ACCEPT:
            self.follow(events, now)

    def wraps_up(self, offer: Offer) -> bool:
        """Return whether the policy knows a wrap-up for the offer's team and channel."""
        policy = self.floor.policy
        return policy.teams[offer.team_id].wrap_up_s > 0 and policy.channels[offer.channel].wrap_up

    def end_talk(self, contact_id: int, now: float) -> None:
        """The conversation is over; a wrap-up that none of the handle time is for ends with it."""
        offer_id = self.floor.contacts[contact_id].offer_id
        ended = Complete(actor=_ACTOR, contact_id=contact_id, ticket_state=TicketState.OPEN)
        self.follow(self.submit(ended, now), now)
        if offer_id in self.floor.offers:
            kind = self.traffic[self.kind[self.drawn_of[contact_id]]]
            if not kind.wrap_up_share:
                self.end_wrap_up(offer_id, now)

    def end_wrap_up(self, offer_id: int, now: float) -> None:
        """The agent is ready again; refused where the team's limit was shorter."""
        if offer_id in self.floor.offers:
            self.follow(self.submit(FinishWrapUp(actor=_ACTOR, offer_id=offer_id), now), now)

    def hang_up(self, contact_id: int, now: float) -> None:
        """The customer's patience is over, if the contact still waits."""
        contact = self.floor.contacts.get(contact_id)
        if contact is not None and contact.state in WAITING_STATES:
            self.follow(self.submit(Abandon(actor=_ACTOR, contact_id=contact_id), now), now)

    def come(self, agent: int, now: float) -> None:
        """An agent becomes available."""
        self.change_presence(agent, Presence.AVAILABLE, now)

    def pause(self, agent: int, now: float) -> None:
        """An agent goes on break once running work is done."""
        self.change_presence(agent, Presence.BREAK, now)

    def leave(self, agent: int, now: float) -> None:
        """An agent goes home once running work is done."""
        self.change_presence(agent, Presence.OFFLINE, now)

    def change_presence(self, agent: int, presence: Presence, now: float) -> None:
        """Set an agent's presence."""
        agent_id = self.scenario.agents[agent].id
        command = SetPresence(actor=agent_id, agent_id=agent_id, presence=presence)
        self.follow(self.submit(command, now), now)

    def collect(self) -> None:
        """Note what has ended since the last time, and forget the rest of the floor's log."""
        changes = self.floor.drain()
        for segment in changes.segments:
            outcome = SHORT if segment.short else _OUTCOMES.get(segment.outcome, LOST)
            until = segment.answered_at if segment.answered_at is not None else segment.ended_at
            self.note_stay(segment.contact_id, segment.team_id, segment.queued_at, until, outcome)
        for offer in changes.offers.values():
            if offer.released_at is not None:
                self.note_work(offer, offer.released_at)
        for contact in changes.contacts.values():
            if contact.state is ContactState.REJECTED:
                at = contact.received_at
                self.note_stay(contact.id, contact.team_id, at, at, REJECTED)

    def note_stay(self, contact_id: int, team_id: str, since: float, until: float, outcome: int) -> None:
        """Note a stay in a team's queue, as a row of `Stays`."""
        self.stays.extend((self.drawn_of[contact_id], self.teams[team_id], since, until - since, outcome))

    def note_work(self, offer: Offer, until: float) -> None:
        """Note an assignment, as a row of `Work`; nothing for an offer that was not accepted."""
        if offer.accepted_at is not None:
            self.work.extend((self.agents[offer.agent_id], offer.accepted_at, until, offer.cost))

    def log(self) -> FloorLog:
        """Return what happened, what is still open at the end included."""
        for contact in self.floor.contacts.values():
            if contact.state in WAITING_STATES:
                self.note_stay(contact.id, contact.team_id, contact.segment_at, self.ended_at, WAITING)
            elif contact.state is ContactState.CONNECTED and contact.connected_at is not None:
                self.note_stay(
                    contact.id, contact.team_id, contact.segment_at, contact.connected_at, ANSWERED
                )
        for offer in self.floor.offers.values():
            self.note_work(offer, self.ended_at)
        stays = np.array(self.stays).reshape(-1, 5).T
        work = np.array(self.work).reshape(-1, 4).T
        contact = stays[0].astype(np.int64)
        return FloorLog(
            Stays(
                contact=contact,
                kind=np.array(self.kind, dtype=np.int64)[contact],
                team=stays[1].astype(np.int64),
                since=stays[2],
                wait_s=stays[3],
                outcome=stays[4].astype(np.int64),
            ),
            Work(agent=work[0].astype(np.int64), since=work[1], until=work[2], cost=work[3]),
            self.commands,
        )


_Act = Callable[[_Run, int, float], None]


def _receives(kind: TeamTraffic) -> Callable[[int], Receive]:
    """Return what makes the command of a kind's n-th drawn contact, each of a customer of its own."""
    channel = Channel(kind.channel)
    skills = tuple(SkillNeed(skill, level) for skill, level in kind.skills)

    def receive(position: int) -> Receive:
        return Receive(
            actor=_ACTOR,
            channel=channel,
            identity=_SOMEBODY,
            customer_id=position + 1,
            team_id=kind.team_id,
            priority=kind.priority,
            skills=skills,
            language=kind.language,
        )

    return receive


def _presences(scenario: Scenario, shifts: Sequence[tuple[Shift, ...]]) -> list[tuple[float, int, _Act, int]]:
    """Return when each worker comes, pauses and leaves. At one instant they leave before others come."""
    first = len(scenario.agents) - len(scenario.workers)
    found: list[tuple[float, int, _Act, int]] = []
    for agent, worked in enumerate(shifts, start=first):
        for shift in worked:
            found.append((shift.starts_at, 2, _Run.come, agent))
            found.append((shift.ends_at, 0, _Run.leave, agent))
            for since, until in shift.breaks:
                found.append((since, 1, _Run.pause, agent))
                found.append((until, 2, _Run.come, agent))
    found.sort(key=lambda each: (each[0], each[1], each[3]))
    return [(at, order, act, agent) for order, (at, _, act, agent) in enumerate(found)]
