"""Claim: the interval told with an estimated wait holds 80 % of the waits, at 104 % load as on a quiet day,
and is at least a fifth narrower on average than one that takes the same predictor's errors alike for every
queue; a tenth in a lasting overload of patient customers, where every queue is long.

Simulated days on the routing core: Poisson arrivals that rise and fall, log-normal talks, customers who leave
and agents who take breaks, or go home while 1.4 times as many call. The peer is told and learns at the same
instants: the recent ratios of actual to predicted wait, the tails cut off alike, its share corrected after
each hit and miss. The score is that of Gneiting and Raftery (2007): width, plus ten times how far a wait lay
outside; less is better.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from math import ceil, exp, log
from typing import Any, Final

from routing import commands as cmd
from routing.decide import decide
from routing.events import OfferMade
from routing.floor import Floor
from routing.model import Agent, Channel, ContactState, Presence
from routing.policy import Policy, TeamPolicy
from routing.refused import Refused
from routing.spread import COVERAGE
from routing.wait import PREDICTORS, Pending, QueueBook, WaitBook

SEED: Final = 5
NOON: Final = 1_770_000_000.0
QUEUE: Final = "general/voice"
TALK_S, SIGMA = 240.0, 0.8
LEARNING: Final = 100
"""Waits that are not judged at first."""
AWRY = 0.04


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A day to simulate; `load` is offered work over agents, the arrivals swing around it."""

    name: str
    agents: int
    contacts: int
    load: float
    patience_s: float | None
    swing: float = 1 / 3
    breaks: bool = False
    narrower: float = 0.8
    evening: bool = False
    """The second half comes at 140 % of what those who are there can serve, and half of them go home."""


SCENES: Final = (
    Scene(name="104 % load", agents=12, contacts=3000, load=1.04, patience_s=300.0),
    Scene(name="95 %, a quarter away", agents=12, contacts=3000, load=0.95, patience_s=400.0, breaks=True),
    Scene(name="104 %, three agents", agents=3, contacts=2000, load=1.04, patience_s=900.0),
    Scene(name="97 %, nobody leaves", agents=8, contacts=3000, load=0.97, patience_s=None),
    Scene(
        name="90 %, then 126 %, half go home",
        agents=12,
        contacts=3000,
        load=0.9,
        patience_s=400.0,
        evening=True,
    ),
    Scene(
        name="the same, patient",
        agents=12,
        contacts=3000,
        load=0.9,
        patience_s=1200.0,
        narrower=0.9,
        evening=True,
    ),
    Scene(name="75 %, quiet", agents=12, contacts=4000, load=0.75, patience_s=300.0, swing=0.1),
)


def main() -> int:
    """Run every scene and print both sides."""
    good = True
    for scene in SCENES:
        day = Day(scene)
        day.run()
        ours, plain = (Figures(each[LEARNING:]) for each in (day.told, day.plain.told))
        ratio = ours.width_s / plain.width_s
        met = ratio <= scene.narrower and abs(ours.coverage - COVERAGE) <= AWRY
        good = good and met
        print(f"{scene.name}: {ours.count} waits of {ours.wait_s:.0f} s in the mean")
        print(f"  alike for every queue  {plain}")
        print(f"  by what is ahead       {ours}")
        print(f"  width {ratio:.2f} of the peer's (claim {scene.narrower}): {'met' if met else 'MISSED'}")
    return 0 if good else 1


@dataclass(frozen=True)
class Judged:
    """An interval and the wait it was for, s."""

    low_s: float
    high_s: float
    wait_s: float
    ahead: float

    @property
    def holds(self) -> bool:
        """Whether the wait lay within."""
        return self.low_s <= self.wait_s <= self.high_s


class Figures:
    """Coverage, mean width and score of judged intervals, and coverage behind few and behind many."""

    def __init__(self, judged: list[Judged]) -> None:
        self.count = len(judged)
        self.coverage = _share(judged)
        self.width_s = sum(each.high_s - each.low_s for each in judged) / self.count
        self.wait_s = sum(each.wait_s for each in judged) / self.count
        missed_s = sum(max(each.low_s - each.wait_s, each.wait_s - each.high_s, 0.0) for each in judged)
        self.score_s = self.width_s + 10 * missed_s / self.count
        middle = sorted(each.ahead for each in judged)[self.count // 2]
        self.short = _share([each for each in judged if each.ahead < middle] or judged)
        self.long = _share([each for each in judged if each.ahead >= middle])

    def __str__(self) -> str:
        return (
            f"coverage {self.coverage:.3f} (short queues {self.short:.2f}, long {self.long:.2f}), "
            f"mean width {self.width_s:4.0f} s, score {self.score_s:4.0f} s"
        )


def _share(judged: list[Judged]) -> float:
    return sum(each.holds for each in judged) / len(judged)


@dataclass
class Plain:
    """Intervals from the last 128 ratios of actual to predicted wait, whatever the queue."""

    ratios: dict[str, deque[float]] = field(
        default_factory=lambda: {name: deque(maxlen=128) for name in PREDICTORS}
    )
    level: float = COVERAGE
    told: list[Judged] = field(default_factory=list)

    def interval(self, pending: Pending, name: str) -> tuple[float, float]:
        """Return the interval around what the predictor of that name says."""
        wait_s = pending.told_s[PREDICTORS.index(name)]
        ordered = sorted(self.ratios[name])
        size = len(ordered)
        if size < 10:
            return wait_s / 3, (wait_s + 5.0) * 3
        tail = (1.0 - self.level) / 2
        low = ordered[max(ceil(tail * (size + 1)) - 1, 0)]
        high = ordered[min(ceil((1.0 - tail) * (size + 1)) - 1, size - 1)]
        return max((wait_s + 5.0) * exp(low) - 5.0, 0.0), max((wait_s + 5.0) * exp(high) - 5.0, 0.0)

    def learn(self, pending: Pending, told: tuple[float, float], wait_s: float) -> None:
        """Take in how long the wait was."""
        judged = Judged(*told, wait_s, pending.turns)
        self.told.append(judged)
        for name, predicted_s in zip(PREDICTORS, pending.told_s, strict=True):
            self.ratios[name].append(log((wait_s + 5.0) / (predicted_s + 5.0)))
        self.level = min(max(self.level + 0.02 * (COVERAGE - judged.holds), 0.5), 0.99)


class Day:
    """A floor with its clock and its book of waits, and the peer beside it."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.rng, self.now = scene, random.Random(SEED), NOON
        self.floor = Floor(Policy(version=0, teams={}, fallback_team=""), records=False)
        self.book, self.plain, self.told = WaitBook(), Plain(), list[Judged]()
        self.waiting: dict[int, tuple[Pending, tuple[float, float]]] = {}
        self.left: dict[int, tuple[Pending, tuple[float, float]]] = {}
        self.to_come: list[tuple[float, int, str, Any]] = []
        self.tie = count()
        self.do(cmd.PutAgent(actor="bench", agent=Agent(id="lead", name="Lead")))
        team = TeamPolicy(id="general", name="General", lead_id="lead", wrap_up_s=0.0)
        policy = Policy(version=1, teams={team.id: team}, fallback_team=team.id)
        self.do(cmd.PublishPolicy(actor="bench", policy=policy))
        self.names = [f"agent{number:02}" for number in range(scene.agents)]
        for name in self.names:
            self.do(cmd.PutAgent(actor="bench", agent=Agent(id=name, name=name, teams=(team.id,))))
            self.do(cmd.SetPresence(actor=name, agent_id=name, presence=Presence.AVAILABLE))

    def run(self) -> None:
        """Let the day pass."""
        self.plan()
        while self.to_come:
            self.now, _, what, key = heappop(self.to_come)
            due_at = self.floor.next_due()
            if due_at is not None and due_at <= self.now:
                self.do(cmd.Tick(actor="bench"))
            if what == "call":
                self.do(cmd.Receive(actor="bench", channel=Channel.VOICE, identity=cmd.Identity()))
                if self.scene.patience_s is not None:
                    ends_at = self.now + self.rng.expovariate(1 / self.scene.patience_s)
                    self.later(ends_at, "hang up", max(self.floor.contacts))
            elif what == "done":
                self.do(cmd.Complete(actor="bench", contact_id=key))
            elif what == "hang up":
                contact = self.floor.contacts.get(key)
                if contact is not None and contact.state is ContactState.QUEUED:
                    self.do(cmd.Abandon(actor="bench", contact_id=key))
            else:
                presence = Presence.BREAK if what == "break" else Presence.AVAILABLE
                self.do(cmd.SetPresence(actor=key, agent_id=key, presence=presence))

    def plan(self) -> None:
        """Draw the calls and breaks of the day."""
        scene, rng, at = self.scene, self.rng, NOON
        for number in range(scene.contacts):
            busy = 1.0 + (scene.swing if number // 150 % 2 else -scene.swing)
            there, late = scene.agents, number - scene.contacts // 2
            if scene.evening and late >= 0:
                there, busy = scene.agents - scene.agents * late // scene.contacts, 1.4
                for name in self.names[there:]:
                    self.later(at, "break", name)
                del self.names[there:]
            at += rng.expovariate(scene.load * busy * there / TALK_S)
            self.later(at, "call", None)
        ends_at, at = at, NOON
        while scene.breaks and at < ends_at:
            at += rng.expovariate(scene.agents / 7200.0)
            name = rng.choice(self.names)
            self.later(at, "break", name)
            self.later(at + rng.uniform(600.0, 1800.0), "back", name)

    def later(self, at: float, what: str, key: Any) -> None:
        """Have something happen at `at`."""
        heappush(self.to_come, (at, next(self.tie), what, key))

    def do(self, command: cmd.Command) -> None:
        """Carry out a command; offers are taken at once."""
        outcome = decide(self.floor, command, self.now)
        if isinstance(outcome, Refused):
            return
        self.floor.drain()
        served = self.book.queues[QUEUE].best if QUEUE in self.book.queues else QueueBook().best
        self.book.observe(self.floor, outcome)
        self.note(served)
        for event in outcome:
            if isinstance(event, OfferMade):
                self.do(cmd.Accept(actor="bench", offer_id=event.offer.id))
                talk_s = self.rng.lognormvariate(log(TALK_S) - SIGMA**2 / 2, SIGMA)
                self.later(self.now + talk_s, "done", event.offer.contact_id)

    def note(self, served: str) -> None:
        """See whom the book foretold a wait, and whose wait it knows by now."""
        for key, pending in self.book.pending.items():
            if key not in self.waiting:
                self.waiting[key] = (pending, self.plain.interval(pending, served))
        unknown = {id(each) for gone in self.book.gone.values() for each in gone}
        for key in [key for key in self.waiting if key not in self.book.pending]:
            self.left[key] = self.waiting.pop(key)
        for key in [key for key, (pending, _) in self.left.items() if id(pending) not in unknown]:
            pending, told = self.left.pop(key)
            wait_s = self.now - pending.at
            self.told.append(Judged(pending.low_s, pending.high_s, wait_s, pending.turns))
            self.plain.learn(pending, told, wait_s)


if __name__ == "__main__":
    raise SystemExit(main())
