"""Decides which agents and which kinds of shift are alike where cover and breaks are concerned."""

from staffing.rostering.model import Agent, RosterProblem
from staffing.shifts import ShiftKind

Group = frozenset[str]
"""Agents who can work for the same teams; they are alike where breaks and cover are concerned."""


def groups(problem: RosterProblem) -> dict[Group, list[Agent]]:
    """Return the agents by the set of teams they can work for, as far as these have requirements."""
    wanted = {requirement.team for requirement in problem.requirements}
    found: dict[Group, list[Agent]] = {}
    for agent in problem.agents:
        found.setdefault(agent.teams & wanted, []).append(agent)
    return found


def families(problem: RosterProblem) -> list[list[ShiftKind]]:
    """Return the kinds of shift that differ in nothing but their start, where breaks are concerned."""
    found: dict[object, list[ShiftKind]] = {}
    for kind in problem.kinds:
        key = (kind.length_s, kind.breaks, kind.min_work_s, kind.max_work_s)
        found.setdefault(key, []).append(kind)
    return [sorted(family, key=lambda kind: kind.start_s) for family in found.values()]
