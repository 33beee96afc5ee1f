"""Decides the waits of one team whose agents are alike: first come, first served, by the longest idle.

The agent who is free first takes the next contact, so one heap of the instants at which agents are free is
the whole state (Kiefer and Wolfowitz 1955): a contact waits until the least of them, or hangs up. The answer
is that of `routing.decide` for such a team, contact by contact; `floor_run` is the way for anything else.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from heapq import heapify, heapreplace

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]

Spells = Sequence[tuple[float, float]]
"""Stretches (since, until) in which one agent takes contacts, ascending and apart from each other."""


@dataclass(frozen=True, slots=True)
class Waits:
    """What became of each contact, in the order in which they came.

    Attributes:
        wait_s: Queue wait until the answer or the hang-up; infinite where nobody ever came.
        answered: Whether an agent answered.
        agent: Position of the agent who answered, -1 for nobody; None with agents at a level, who are not
            told apart.
    """

    wait_s: Floats
    answered: Bools
    agent: Integers | None = None


def waits_at_level(arrive_at: Floats, handle_s: Floats, patience_s: Floats, free_at: list[float]) -> Waits:
    """Return the waits with agents who are always there.

    Args:
        arrive_at: Instants of the arrivals, ascending.
        handle_s: Handle time of each contact.
        patience_s: Longest wait of each contact.
        free_at: When each agent is free, one entry per agent, at least one; left as it stands after the last
            contact, so that a long run can be cut into parts.
    """
    heapify(free_at)
    waits: list[float] = []
    add = waits.append
    for at, handle, patience in zip(arrive_at.tolist(), handle_s.tolist(), patience_s.tolist(), strict=True):
        wait = free_at[0] - at
        if wait <= 0.0:
            heapreplace(free_at, at + handle)
            add(0.0)
        elif wait <= patience:
            heapreplace(free_at, free_at[0] + handle)
            add(wait)
        else:
            add(-1.0)
    return _waits(waits, patience_s)


def waits_by_spells(
    arrive_at: Floats, handle_s: Floats, patience_s: Floats, staff: Sequence[Spells]
) -> Waits:
    """Return the waits with agents who come and go, each finishing what runs when a spell ends.

    Arguments as for `waits_at_level`; `staff` holds the spells of each agent.
    """
    left = [list(reversed(spells)) for spells in staff]
    free = [(_free_from(spells, -math.inf), agent) for agent, spells in enumerate(left)] or [(math.inf, -1)]
    heapify(free)
    waits: list[float] = []
    agents: list[int] = []
    add = waits.append
    for at, handle, patience in zip(arrive_at.tolist(), handle_s.tolist(), patience_s.tolist(), strict=True):
        since, agent = free[0]
        # Whoever was idle when the spell ended has left and is back at the next one.
        while since <= at and left[agent][-1][1] <= at:
            heapreplace(free, (_free_from(left[agent], left[agent][-1][1]), agent))
            since, agent = free[0]
        start = max(at, since)
        if start - at > patience or start == math.inf:
            add(-1.0)
            agents.append(-1)
        else:
            add(start - at)
            agents.append(agent)
            heapreplace(free, (_free_from(left[agent], start + handle), agent))
    return replace(_waits(waits, patience_s), agent=np.array(agents, dtype=np.int64))


def spells_of_counts(
    starts: ArrayLike, agents: ArrayLike, *, step_s: float, stay_s: float = 0.0
) -> list[list[tuple[float, float]]]:
    """Return spells of as few agents as give `agents` in each interval: who came last leaves first.

    Args:
        starts: Ascending interval starts.
        agents: Agents in each interval.
        step_s: Length of an interval.
        stay_s: How long the agents of an interval stay when no interval follows at once (closing time), to
            answer who still waits.
    """
    begin = np.asarray(starts, dtype=np.float64)
    counts = np.asarray(agents, dtype=np.int64)
    ends = begin + step_s
    last = np.append(begin[1:] > ends[:-1], True)
    ends = np.where(last, np.minimum(ends + stay_s, np.append(begin[1:], np.inf)), ends)
    return [
        _joined(begin[there].tolist(), ends[there].tolist())
        for agent in range(int(counts.max(initial=0)))
        for there in [counts > agent]
    ]


def _free_from(spells: list[tuple[float, float]], at: float) -> float:
    """Return when an agent who is free at `at` takes contacts; drops the spells that are over."""
    while spells and spells[-1][1] <= at:
        spells.pop()
    return max(at, spells[-1][0]) if spells else math.inf


def _joined(since: list[float], until: list[float]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for begin, end in zip(since, until, strict=True):
        if joined and joined[-1][1] >= begin:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((begin, end))
    return joined


def _waits(waits: list[float], patience_s: Floats) -> Waits:
    found = np.array(waits, dtype=np.float64)
    answered = found >= 0
    return Waits(np.where(answered, found, patience_s), answered)
