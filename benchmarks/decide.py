"""Claim: `decide` carries out at least 30,000 commands a second at 1,000 agents, 500 waiting contacts and 20
queues, and a contact costs at most 1.5 times as much with 10,000 waiting as with 10.

The limit beside it is what the same events cost without any deciding: making each of them from JSON and
turning it into JSON again, which is what storing and following them costs anyway. Times are CPU times, as
nothing here waits.
"""

import random
import statistics
import time
from collections import deque
from collections.abc import Iterator

from routing.commands import (
    Accept,
    Command,
    Complete,
    FinishWrapUp,
    Identity,
    PublishPolicy,
    PutAgent,
    Receive,
    SetPresence,
)
from routing.decide import decide
from routing.events import Event, OfferMade, decode, encode
from routing.floor import Floor
from routing.model import Agent, Channel, Presence, SkillNeed
from routing.policy import Policy, TeamPolicy
from routing.refused import Refused

SEED = 8
AGENTS, QUEUES, WAITING = 1000, 20, 500
FEW, MANY = 10, 10_000
CONTACTS, ROUNDS = 2_000, 7
LIMIT_PER_S, LIMIT_GROWTH = 30_000, 1.5
LANGUAGES = ("en", "de", "fr")
NOON = 1_770_000_000.0


def main() -> int:
    fast = commands_per_second()
    steady = growth_with_waiting()
    return 0 if fast and steady else 1


def commands_per_second() -> bool:
    hall = Hall(waiting=WAITING)
    rates, shares = [], []
    for _ in range(ROUNDS):
        took_s, commands, events = hall.serve(CONTACTS)
        limit_s = tell_again(events)
        rates.append(commands / took_s)
        shares.append(limit_s / took_s)
    rate, share = statistics.median(rates), statistics.median(shares)
    print(f"{AGENTS} agents, {WAITING} waiting, {QUEUES} queues, {ROUNDS} rounds of {CONTACTS} contacts")
    print(f"  decide: {rate:,.0f} commands/s in the median (claim {LIMIT_PER_S:,})")
    print(f"  making and encoding the same events alone: {share:.2f} of that time")
    return rate >= LIMIT_PER_S


def growth_with_waiting() -> bool:
    halls = {waiting: Hall(waiting=waiting) for waiting in (FEW, MANY)}
    costs: dict[int, list[float]] = {FEW: [], MANY: []}
    for _ in range(ROUNDS):
        for waiting, hall in halls.items():
            took_s, _, _ = hall.serve(CONTACTS)
            costs[waiting].append(took_s / CONTACTS)
    growth = statistics.median(many / few for few, many in zip(costs[FEW], costs[MANY], strict=True))
    for waiting, each in costs.items():
        print(f"  {waiting:6,} waiting: {statistics.median(each) * 1e6:.0f} us a contact")
    print(f"  growth {growth:.2f} (claim at most {LIMIT_GROWTH})")
    return growth <= LIMIT_GROWTH


def tell_again(events: list[Event]) -> float:
    """Return the seconds that making the events from JSON and encoding them takes."""
    stored = [encode(event) for event in events]
    began = time.thread_time()
    for data in stored:
        encode(decode(data))
    return time.thread_time() - began


class Hall:
    """A floor whose agents are all busy while a number of contacts waits."""

    def __init__(self, *, waiting: int) -> None:
        self.rng = random.Random(SEED)
        self.now = NOON
        self.floor = Floor(Policy(version=0, teams={}, fallback_team=""))
        self.talking: deque[int] = deque()
        self.events: list[Event] = []
        self.took_s = 0.0
        self.commands = 0
        for command in self.opening():
            self.do(command)
        while len(self.talking) < AGENTS:
            self.receive(plain=True)
        while sum(map(len, self.floor.queues.waiting.values())) < waiting:
            self.receive(plain=False)

    def serve(self, contacts: int) -> tuple[float, int, list[Event]]:
        """Take in and finish `contacts`; return seconds in `decide`, commands and their events."""
        self.took_s, self.commands, self.events = 0.0, 0, []
        for _ in range(contacts):
            self.receive(plain=False)
            offer_id = self.talking.popleft()
            contact_id = self.floor.offers[offer_id].contact_id
            self.do(Complete(actor="agent", contact_id=contact_id))
            self.do(FinishWrapUp(actor="agent", offer_id=offer_id))
            self.floor.drain()
        return self.took_s, self.commands, self.events

    def opening(self) -> Iterator[Command]:
        """Yield what sets the agents and teams up."""
        yield PutAgent(actor="admin", agent=Agent(id="lead", name="Lead"))
        teams = [f"team{number:02}" for number in range(QUEUES)]
        yield PublishPolicy(
            actor="admin",
            policy=Policy(
                version=1,
                teams={team: TeamPolicy(id=team, name=team, lead_id="lead") for team in teams},
                fallback_team=teams[0],
            ),
        )
        for number in range(AGENTS):
            agent = Agent(
                id=f"agent{number:04}",
                name=f"Agent {number}",
                teams=tuple(dict.fromkeys((teams[number % QUEUES], self.rng.choice(teams)))),
                skills={"contracts": self.rng.randint(1, 5)},
                languages=tuple(self.rng.sample(LANGUAGES, 2)),
            )
            yield PutAgent(actor="admin", agent=agent)
            yield SetPresence(actor=agent.id, agent_id=agent.id, presence=Presence.AVAILABLE)

    def receive(self, *, plain: bool) -> None:
        """Have a call come in; every third asks for a language, every fifth for a skill."""
        wants = not plain and self.rng.random()
        self.do(
            Receive(
                actor="pbx",
                channel=Channel.VOICE,
                identity=Identity(),
                customer_id=self.rng.randrange(1 << 40),
                team_id=f"team{self.rng.randrange(QUEUES):02}",
                language=self.rng.choice(LANGUAGES) if wants and wants < 1 / 3 else None,
                skills=(SkillNeed("contracts", 2),) if wants and wants > 4 / 5 else (),
            )
        )

    def do(self, command: Command) -> None:
        """Carry out a command, and accept what it has offered."""
        self.now += 0.01
        began = time.thread_time()
        outcome = decide(self.floor, command, self.now)
        self.took_s += time.thread_time() - began
        self.commands += 1
        assert not isinstance(outcome, Refused), outcome
        self.events += outcome
        for event in outcome:
            if isinstance(event, OfferMade):
                self.talking.append(event.offer.id)
                self.do(Accept(actor="agent", offer_id=event.offer.id))


if __name__ == "__main__":
    raise SystemExit(main())
