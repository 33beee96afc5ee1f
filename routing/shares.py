"""Who may claim an agent in lasting overload: a team that holds less than its share of the agents.

The capacity of each agent who is there is divided among the agent's teams by their weights; what a team gets
of all of them is its share, and all shares together are what there is. A team that has a contact waiting
longer than `Policy.share_after_targets` times its target, while less than its share is at work for it, has a
claim to each of its agents who comes free. Claims go before urgency: first the team that holds the smallest
part of its share; of those that hold equally little (mostly nothing, where a share is less than one agent)
the one whose turn with this agent is longest ago.

The bound: however much other teams are overloaded and whatever their contacts' urgency, from that wait on a
team is served, once its agents have come free, as if its share, in whole agents, worked for it alone; where
shares are smaller than that, each of n teams with a claim is served at the latest every nth time its agents
come free. What one team does not need of its share the others have. Up to that wait urgency alone decides,
so that a short peak is shared by all.
"""

from __future__ import annotations

from routing.model import Agent
from routing.staff_index import StaffIndex

NO_CLAIM = 1.0
"""Stands behind every claim."""


class Shares:
    """How much capacity is at work for each team, and how much is its share.

    Derived from the agents and their offers alone: a floor loaded from its rows has the same.
    """

    __slots__ = ("_divided", "_kinds", "_there", "_version", "at_work", "staff")

    def __init__(self, staff: StaffIndex) -> None:
        self.staff = staff
        self.at_work: dict[str, int] = {}
        """Capacity taken by each team's pending offers, conversations and wrap-ups."""
        self._kinds: list[tuple[int, dict[str, float]]] = []
        self._divided: dict[str, float] = {}
        self._version = self._there = -1

    def share(self, team_id: str) -> float:
        """Return the capacity that is the team's share of the agents who are there now."""
        there = self.staff.present & self.staff.responding
        if self._version != self.staff.version:
            self._kinds = _kinds(self.staff)
            self._version, self._there = self.staff.version, -1
        if self._there != there:
            self._there, self._divided = there, _divided(self._kinds, there)
        return self._divided.get(team_id, 0.0)

    def part(self, team_id: str) -> float:
        """Return which part of its share a team holds; `NO_CLAIM` where it holds all of it or has none."""
        at_work, share = self.at_work.get(team_id, 0), self.share(team_id)
        return at_work / share if at_work < share else NO_CLAIM

    def claim(self, agent: Agent, team_id: str) -> tuple[float, int]:
        """Return what orders the claims of teams to `agent`, the smallest first; `NO_CLAIM` for none."""
        if team_id not in agent.teams:
            return NO_CLAIM, 0
        return self.part(team_id), agent.turns.index(team_id) + 1 if team_id in agent.turns else 0


def _kinds(staff: StaffIndex) -> list[tuple[int, dict[str, float]]]:
    """Return the agents of each kind as a bit set, with what one of them gives to each team."""
    alike: dict[tuple[tuple[str, ...], int], int] = {}
    for agent in staff.at:
        teams = tuple(sorted(set(agent.teams) & staff.policy.teams.keys()))
        if agent.active and teams:
            key = (teams, agent.capacity)
            alike[key] = alike.get(key, 0) | 1 << agent.index
    return [(mask, _given(staff, *kind)) for kind, mask in sorted(alike.items())]


def _given(staff: StaffIndex, teams: tuple[str, ...], capacity: int) -> dict[str, float]:
    weights = {team_id: staff.policy.teams[team_id].weight for team_id in teams}
    return {team_id: capacity * weight / sum(weights.values()) for team_id, weight in weights.items()}


def _divided(kinds: list[tuple[int, dict[str, float]]], there: int) -> dict[str, float]:
    found: dict[str, float] = {}
    for mask, given in kinds:
        number = (mask & there).bit_count()
        for team_id, capacity in given.items() if number else ():
            found[team_id] = found.get(team_id, 0.0) + number * capacity
    return found
