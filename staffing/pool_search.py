"""Decides the agents of each skill group between the bounds of `pooling`, by simulating many intervals.

From the fewest that whole pools allow, an interval in which a team misses what it promises gets one more
agent of the group that gains most (a cut, after Atlason, Epelman and Henderson 2008), again and again. Then
agents whom no promise needs are taken away. Last, other random numbers judge what was found, as the search
has seen only the first, and correct it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from staffing.pooling import PooledBounds, SkillGroup

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

_ROUNDS = 30
_JUDGED = 6
SLACK = 0.005
"""By how much the simulated mean may fall short in the end: what other chance alone would make of it."""
_NEARLY = 0.01
_ROUNDING = 1e-9
_EAGER = 0.6
_MOST_AT_ONCE = 4
_SMALL_GAIN = 1e-4


class OutOfTimeError(Exception):
    """The caller wants no more simulations; what was found so far holds."""


class Effort(IntEnum):
    """How carefully an answer is simulated."""

    GAIN = 0
    CHECK = 1
    JUDGE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What teams gave in the simulation; arrays of shape (questions, teams).

    Attributes:
        level: Service level; nan where nobody came.
        half_width: Half of its confidence interval.
        misses: By how much the worst promise is missed, as a share; below 0 where all are kept.
    """

    level: Floats
    half_width: Floats
    misses: Floats


class Simulate(Protocol):
    """Simulates questions: an interval (its position) with so many agents of each group."""

    def __call__(self, interval: Integers, agents: Integers, effort: Effort) -> Seen:
        """Return what was seen.

        Args:
            interval: Interval of each question.
            agents: Agents, of shape (questions, groups).
            effort: With equal effort an interval meets the same chance, whatever its agents.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFound:
    """What was found; arrays of one value per interval, in the order asked.

    Attributes:
        agents: Agents of each group, of shape (groups, intervals).
        added: Agents that cuts added to the lower bound.
        spared: Agents taken away again, or never needed.
        seen: What judged the agents at last.
    """

    agents: Integers
    added: Integers
    spared: Integers
    seen: Seen


class PoolSearch:
    """The search through some intervals.

    Args:
        bounds: Bounds of all intervals.
        groups: Kinds of agents.
        simulate: The simulation.
        asked: Called before each simulation; may raise to end the search.
    """

    def __init__(
        self,
        bounds: PooledBounds,
        groups: Sequence[SkillGroup],
        simulate: Simulate,
        asked: Callable[[], None] = lambda: None,
    ) -> None:
        self.bounds, self._simulate, self._asked = bounds, simulate, asked
        self.costs = np.array([group.cost for group in groups])
        self.most = np.array([np.inf if group.most is None else group.most for group in groups])

    def find(self, intervals: Integers) -> PoolFound:
        """Return the agents found for some intervals."""
        first = self.bounds.lower[:, intervals].T.copy()
        enough = self._raised(intervals, first)
        added = enough.sum(axis=1) - first.sum(axis=1)
        enough = self._not_above_upper(intervals, enough)
        kept = self._lowered(intervals, enough)
        spared = added - (kept.sum(axis=1) - first.sum(axis=1))
        agents, seen = self._judged(intervals, kept)
        return PoolFound(
            agents=agents.T,
            added=added + agents.sum(axis=1) - kept.sum(axis=1),
            spared=spared,
            seen=seen,
        )

    def see(self, intervals: Integers, agents: Integers, effort: Effort) -> Seen:
        """Return what the simulation shows of agents of shape (intervals, groups)."""
        self._asked()
        return self._simulate(intervals, agents, effort)

    def stronger(self, intervals: Integers, agents: Integers, misses: Floats, *, eager: bool) -> Integers:
        """Return the agents with more of the group that gains most; as they are where all are at work.

        Args:
            intervals: Intervals in which something is missed.
            agents: Their agents, of shape (intervals, groups).
            misses: By how much each team misses with them, of shape (intervals, teams).
            eager: Add several where the miss is many times the gain of one.
        """
        missed = misses > 0
        which, group = np.nonzero(self._may_help(missed, agents))
        if not len(which):
            return agents
        more = np.concatenate([agents, agents[which]])
        more[len(agents) + np.arange(len(which)), group] += 1
        tried = self.see(np.concatenate([intervals, intervals[which]]), more, Effort.GAIN)
        before, after = tried.misses[: len(agents)], tried.misses[len(agents) :]
        # What nobody misses counts little, but tells which of two equal gains is the better one.
        relief = np.maximum(before, 0.0)[which] - np.maximum(after, 0.0)
        gain = (relief * missed[which]).sum(axis=1) + 0.01 * (before[which] - after).sum(axis=1)
        worth = np.full(agents.shape, -np.inf)
        worth[which, group] = gain / self.costs[group]
        chosen = worth.argmax(axis=1)
        best = worth.max(axis=1)
        # Overloaded teams may gain too little to see; who only relieves others has to show a gain.
        direct = (missed & self.bounds.serves[chosen]).any(axis=1)
        step = np.ones(len(agents))
        if eager:
            total = np.maximum(misses, 0.0).sum(axis=1)
            step = np.clip(np.floor(_EAGER * total / np.maximum(best, _SMALL_GAIN)), 1, _MOST_AT_ONCE)
        found = agents.copy()
        able = np.flatnonzero(np.isfinite(best) & (direct | (best > _SMALL_GAIN)))
        found[able, chosen[able]] += step[able].astype(np.int64)
        return np.asarray(np.minimum(found, self.most), dtype=np.int64)

    def _may_help(self, missed: Bools, agents: Integers) -> Bools:
        """Return which groups may get one more: those of teams that miss, else whoever may relieve them."""
        left = agents < self.most
        direct = np.logical_and((missed[:, None, :] & self.bounds.serves[None]).any(axis=2), left)
        return np.asarray(np.where(direct.any(axis=1, keepdims=True), direct, left))

    def _raised(self, intervals: Integers, first: Integers) -> Integers:
        """Return agents with which no promise is missed in the search's own simulation."""
        agents = first.copy()
        for effort in (Effort.GAIN, Effort.CHECK):
            todo = np.arange(len(intervals))
            for _ in range(_ROUNDS):
                misses = self.see(intervals[todo], agents[todo], effort).misses
                missing = (misses > _ROUNDING).any(axis=1)
                misses, todo = misses[missing], todo[missing]
                if not len(todo):
                    break
                more = self.stronger(intervals[todo], agents[todo], misses, eager=effort is Effort.GAIN)
                grown = (more > agents[todo]).any(axis=1)
                agents[todo] = more
                todo = todo[grown]
                if not len(todo):
                    break
        return agents

    def _not_above_upper(self, intervals: Integers, agents: Integers) -> Integers:
        """Return what each team needs on its own instead of anything dearer, where that is enough."""
        upper = self.bounds.upper[:, intervals].T
        dear = np.flatnonzero(agents @ self.costs > upper @ self.costs)
        if len(dear):
            seen = self.see(intervals[dear], upper[dear], Effort.CHECK)
            fine = dear[(seen.misses <= _ROUNDING).all(axis=1)]
            agents[fine] = upper[fine]
        return agents

    def _lowered(self, intervals: Integers, agents: Integers) -> Integers:
        """Return the agents without those whom no promise needs, the dearest first."""
        kept, todo = agents.copy(), np.arange(len(intervals))
        while len(todo):
            todo, fewer = self._fewer(intervals, kept, todo)
            if not len(todo):
                break
            seen = self.see(intervals[todo], fewer, Effort.CHECK)
            fine = (seen.misses <= _ROUNDING).all(axis=1)
            todo = todo[fine]
            kept[todo] = fewer[fine]
        return kept

    def _fewer(self, intervals: Integers, agents: Integers, todo: Integers) -> tuple[Integers, Integers]:
        """Return where one agent may be too many at a first look, and the agents without that one."""
        which, group = np.nonzero(self._may_go(intervals[todo], agents[todo]))
        if not len(which):
            return todo[:0], agents[:0]
        fewer = agents[todo[which]]
        fewer[np.arange(len(which)), group] -= 1
        worst = self.see(intervals[todo[which]], fewer, Effort.GAIN).misses.max(axis=1)
        rank = np.full((len(todo), agents.shape[1]), -np.inf)
        rank[which, group] = np.where(worst <= _NEARLY, 1000 * self.costs[group] - worst, -np.inf)
        goes = rank.argmax(axis=1)
        some = np.flatnonzero(np.isfinite(rank.max(axis=1)))
        found = agents[todo[some]]
        found[np.arange(len(some)), goes[some]] -= 1
        return todo[some], found

    def _may_go(self, intervals: Integers, agents: Integers) -> Bools:
        """Return which group may have one fewer without falling below what whole pools need."""
        covered = agents @ self.bounds.touches.T.astype(np.int64)
        spare = covered > self.bounds.needs[:, intervals].T
        blocked = (~spare).astype(np.int64) @ self.bounds.touches.astype(np.int64) > 0
        return np.asarray((agents > 0) & ~blocked)

    def _judged(self, intervals: Integers, agents: Integers) -> tuple[Integers, Seen]:
        """Return the agents with what other random numbers still ask for, and what those showed."""
        found, todo = agents.copy(), np.arange(len(intervals))
        last = self.see(intervals, found, Effort.JUDGE)
        for _ in range(_JUDGED):
            todo = todo[(last.misses[todo] > SLACK).any(axis=1)]
            if not len(todo):
                break
            more = self.stronger(intervals[todo], found[todo], last.misses[todo], eager=False)
            grown = (more > found[todo]).any(axis=1)
            found[todo] = more
            todo = todo[grown]
            seen = self.see(intervals[todo], found[todo], Effort.JUDGE)
            for name in ("level", "half_width", "misses"):
                getattr(last, name)[todo] = getattr(seen, name)
        return found, last
