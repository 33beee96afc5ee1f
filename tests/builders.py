"""Values for tests: each builder takes what matters and fills in the rest."""

from __future__ import annotations

from typing import Any

from routing.commands import Complete, Identity, PutAgent, Receive, SetPresence, Tick
from routing.decide import decide
from routing.events import Event
from routing.floor import Floor
from routing.model import Agent, Channel, Presence
from routing.policy import Policy, TeamPolicy
from routing.refused import Refused

NOON = 1_770_000_000.0
START = Policy(version=0, teams={}, fallback_team="")


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
    """A floor with a clock: carries out commands, keeps every event."""

    def __init__(self, policy: Policy | None = None, *agents: Agent, now: float = NOON) -> None:
        self.now = now
        self.floor = Floor(START)
        self.log: list[Event] = []
        chosen = policy or make_policy()
        self.do(PutAgent(actor="test", agent=make_agent("lead", teams=())))
        from routing.commands import PublishPolicy

        self.do(PublishPolicy(actor="test", policy=chosen))
        for agent in agents or (make_agent(),):
            self.do(PutAgent(actor="test", agent=agent))

    def do(self, command: Any) -> list[Event]:
        outcome = decide(self.floor, command, self.now)
        assert not isinstance(outcome, Refused), outcome
        self.log += outcome
        return outcome

    def refused(self, command: Any) -> Refused:
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

    def receive(self, **values: Any) -> int:
        """Take a contact in and return its id."""
        given = {"actor": "pbx", "channel": Channel.VOICE, "identity": Identity(), **values}
        events = self.do(Receive(**given))
        return next(e.contact.id for e in events if hasattr(e, "contact"))

    def contact(self, contact_id: int) -> Any:
        return self.floor.contacts[contact_id]

    def pending(self, contact_id: int) -> list[int]:
        return list(self.floor.contacts[contact_id].offer_ids)

    def complete(self, contact_id: int, **values: Any) -> list[Event]:
        return self.do(Complete(actor="agent", contact_id=contact_id, **values))
