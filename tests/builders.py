"""Values for tests: each builder takes what matters and fills in the rest."""

from __future__ import annotations

from typing import Any, TypeVar

from routing.commands import (
    Accept,
    Complete,
    FinishWrapUp,
    Identity,
    PublishPolicy,
    PutAgent,
    Receive,
    SetPresence,
    Tick,
)
from routing.decide import decide
from routing.events import ContactReceived, Event
from routing.floor import Floor
from routing.model import Agent, AgentState, Channel, Contact, ContactState, Offer, Presence, Segment, Ticket
from routing.policy import Policy, TeamPolicy
from routing.refused import Refused

NOON = 1_770_000_000.0
START = Policy(version=0, teams={}, fallback_team="")

AnyEvent = TypeVar("AnyEvent", bound=Event)


def make_team(team_id: str = "general", **changes: Any) -> TeamPolicy:
    return TeamPolicy(**{"id": team_id, "name": team_id.title(), "lead_id": "lead", **changes})


def make_policy(*teams: TeamPolicy, **changes: Any) -> Policy:
    chosen = teams or (make_team(),)
    return Policy(
        **{
            "version": 1,
            "teams": {team.id: team for team in chosen},
            "fallback_team": chosen[0].id,
            **changes,
        }
    )


def make_agent(agent_id: str = "ann", *, teams: tuple[str, ...] = ("general",), **changes: Any) -> Agent:
    return Agent(**{"id": agent_id, "name": agent_id.title(), "teams": teams, **changes})


class Rig:
    """A floor with a clock: carries out commands, keeps every event, segment, ticket and ended contact."""

    def __init__(self, policy: Policy | None = None, *agents: Agent, now: float = NOON) -> None:
        self.now = now
        self.floor = Floor(START)
        self.log: list[Event] = []
        self.segments: list[Segment] = []
        self.tickets: dict[int, Ticket] = {}
        self.ended: dict[int, Contact] = {}
        self.offers: dict[int, Offer] = {}
        self.do(PutAgent(actor="test", agent=make_agent("lead", teams=())))
        chosen = policy or make_policy()
        self.do(PublishPolicy(actor="test", policy=chosen))
        for agent in agents or (make_agent(teams=(chosen.fallback_team,)),):
            self.do(PutAgent(actor="test", agent=agent))

    def do(self, command: Any) -> list[Event]:
        """Carry out a command that must not be refused; return its events."""
        outcome = decide(self.floor, command, self.now)
        assert not isinstance(outcome, Refused), outcome
        self.log += outcome
        changes = self.floor.drain()
        self.segments += changes.segments
        self.tickets |= changes.tickets
        self.offers |= changes.offers
        self.ended |= {key: each for key, each in changes.contacts.items() if each.closed_at is not None}
        return outcome

    def refused(self, command: Any) -> Refused:
        """Carry out a command that must be refused and change nothing; return the refusal."""
        before = self.floor.snapshot()
        outcome = decide(self.floor, command, self.now)
        assert isinstance(outcome, Refused), outcome
        assert self.floor.snapshot() == before
        return outcome

    def wait(self, seconds: float) -> list[Event]:
        """Let time pass, with a tick at every instant at which something is due."""
        end, seen = self.now + seconds, []
        while (due := self.floor.next_due()) is not None and due <= end:
            self.now = max(self.now, due)
            seen += self.do(Tick())
        self.now = end
        return seen

    def available(self, *agent_ids: str) -> None:
        for agent_id in agent_ids:
            self.do(SetPresence(actor=agent_id, agent_id=agent_id, presence=Presence.AVAILABLE))

    def leaves(self, agent_id: str, presence: Presence = Presence.BREAK, **terms: Any) -> list[Event]:
        return self.do(SetPresence(actor=agent_id, agent_id=agent_id, presence=presence, **terms))

    def receive(self, **values: Any) -> int:
        """Take a contact in and return its id."""
        given = {"actor": "pbx", "channel": Channel.VOICE, "identity": Identity(), **values}
        events = self.do(Receive(**given))
        return next(e.contact.id for e in events if isinstance(e, ContactReceived))

    def accept(self, contact_id: int) -> None:
        """Have the first agent who is asked take the contact."""
        self.do(Accept(actor="agent", offer_id=self.pending(contact_id)[0]))

    def answered(self, **values: Any) -> int:
        """Take a contact in, have it accepted, and return its id."""
        contact_id = self.receive(**values)
        self.accept(contact_id)
        return contact_id

    def complete(self, contact_id: int, **values: Any) -> list[Event]:
        return self.do(Complete(actor="agent", contact_id=contact_id, **values))

    def wrap_up(self, contact_id: int) -> list[Event]:
        """End the contact's wrap-up before its time."""
        offer_id = self.contact(contact_id).offer_id
        return self.do(FinishWrapUp(actor="agent", offer_id=offer_id))

    def finish(self, contact_id: int) -> None:
        """Complete a contact and its wrap-up."""
        self.complete(contact_id)
        if contact_id in self.floor.contacts:
            self.wrap_up(contact_id)

    def contact(self, contact_id: int) -> Contact:
        """Return the contact, open or ended."""
        return self.floor.contacts.get(contact_id) or self.ended[contact_id]

    def state(self, contact_id: int) -> ContactState:
        return self.contact(contact_id).state

    def agent(self, agent_id: str) -> Agent:
        return self.floor.agents[agent_id]

    def agent_state(self, agent_id: str) -> AgentState:
        return self.floor.agents[agent_id].state

    def ticket(self, contact_id: int) -> Ticket:
        return self.tickets[self.contact(contact_id).ticket_id]

    def pending(self, contact_id: int) -> list[int]:
        """Return the ids of the contact's pending offers."""
        return list(self.floor.contacts[contact_id].offer_ids)

    def asked(self, contact_id: int) -> list[str]:
        """Return the agents the contact is offered to at the moment."""
        return [self.floor.offers[offer_id].agent_id for offer_id in self.pending(contact_id)]

    def segments_of(self, contact_id: int) -> list[tuple[str, str]]:
        """Return (team, outcome) of the contact's closed segments in order."""
        mine = sorted((s for s in self.segments if s.contact_id == contact_id), key=lambda s: s.number)
        return [(segment.team_id, segment.outcome) for segment in mine]

    def happened(self, kind: type[AnyEvent]) -> list[AnyEvent]:
        """Return the events of a kind so far, oldest first."""
        return [event for event in self.log if isinstance(event, kind)]
