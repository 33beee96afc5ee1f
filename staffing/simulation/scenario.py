"""Decides what is simulated: a policy, people with their shifts, and the traffic that they meet."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from routing.model import Agent
from routing.policy import Policy, lint
from staffing.rostering.model import Assignment
from staffing.simulation.traffic import TeamTraffic

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Shift:
    """A stretch of work, UTC epoch seconds.

    Args:
        starts_at: When the agent becomes available.
        ends_at: When the agent goes; running work is finished first.
        breaks: Pauses (since, until) in order, inside the shift.
    """

    starts_at: float
    ends_at: float
    breaks: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Worker:
    """An agent and when the agent works.

    Args:
        agent: Id, teams, skills, languages and capacity as in routing; what the floor writes is ignored.
        shifts: Shifts in order, apart from each other.
    """

    agent: Agent
    shifts: tuple[Shift, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A simulated period.

    Contacts are of customers who are all different: nobody joins an open ticket or has a preferred agent.
    Agents need no heartbeat.

    Args:
        policy: How contacts are routed. Leads that are no workers only answer for tickets.
        workers: Who works when.
        traffic: What comes.
        starts: Ascending starts of the intervals in which results are counted.
        step_s: Length of an interval.
        absence: Chance that a shift is not worked at all (illness).

    Raises:
        ValueError: When the policy has faults, or traffic or a worker names a team that it does not have.
    """

    policy: Policy
    workers: tuple[Worker, ...]
    traffic: tuple[TeamTraffic, ...]
    starts: Integers
    step_s: float
    absence: float = 0.0
    agents: tuple[Agent, ...] = field(init=False)
    """Everybody on the floor, leads included, in the order in which the floor knows them."""

    def __post_init__(self) -> None:
        present = {worker.agent.id for worker in self.workers}
        leads = dict.fromkeys(team.lead_id for team in self.policy.teams.values())
        everybody = [Agent(id=lead, name=lead) for lead in leads if lead not in present]
        everybody += [worker.agent for worker in self.workers]
        object.__setattr__(self, "agents", tuple(everybody))
        _check(self, {agent.id for agent in everybody})


def counted_intervals(traffic: Sequence[TeamTraffic], *, step_s: float) -> Integers:
    """Return the starts of all intervals in which traffic is expected or was recorded, ascending."""
    found = [
        np.asarray(
            getattr(each.volume, "starts", np.floor(getattr(each.volume, "arrive_at", 0.0) / step_s) * step_s)
        )
        for each in traffic
    ]
    return np.unique(np.concatenate(found)).astype(np.int64)


def shifts_of(assignments: Iterable[Assignment]) -> dict[str, tuple[Shift, ...]]:
    """Return the shifts of each agent in a roster, by agent id, in order.

    While on shift an agent takes contacts of all the teams it has, whichever the roster counts it for.
    """
    found: dict[str, list[Shift]] = {}
    for each in sorted(assignments, key=lambda assignment: assignment.starts_at):
        pauses = tuple((pause.since, pause.until) for pause in each.breaks)
        found.setdefault(each.agent_id, []).append(Shift(each.starts_at, each.ends_at, pauses))
    return {agent_id: tuple(shifts) for agent_id, shifts in found.items()}


def workers_of(agents: Iterable[Agent], shifts: Mapping[str, tuple[Shift, ...]]) -> tuple[Worker, ...]:
    """Return the agents with the shifts they have, without those who have none."""
    return tuple(Worker(agent, shifts[agent.id]) for agent in agents if agent.id in shifts)


def available(shift: Shift) -> list[tuple[float, float]]:
    """Return the stretches of a shift between its breaks."""
    edges = [shift.starts_at, *(edge for pause in shift.breaks for edge in pause), shift.ends_at]
    return [(since, until) for since, until in zip(edges[::2], edges[1::2], strict=True) if until > since]


def shifts_of_spells(spells: Iterable[tuple[float, float]]) -> tuple[Shift, ...]:
    """Return spells (`single_team.spells_of_counts`) as shifts without breaks."""
    return tuple(Shift(since, until) for since, until in spells)


def simulated_policy(policy: Policy) -> Policy:
    """Return the policy with what simulated customers and agents do not do switched off."""
    return msgspec.structs.replace(policy, join="never", heartbeat_s=None)


def _check(scenario: Scenario, agent_ids: set[str]) -> None:
    findings = lint(scenario.policy, agent_ids)
    if findings:
        raise ValueError("; ".join(f"{each.path}: {each.problem}" for each in findings))
    named = {each.team_id for each in scenario.traffic}
    named.update(team for worker in scenario.workers for team in worker.agent.teams)
    unknown = sorted(named - set(scenario.policy.teams))
    if unknown:
        raise ValueError(f"the policy has no team {', '.join(unknown)}")
