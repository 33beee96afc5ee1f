"""Decides what a team's required agents give over a whole period, and adds agents where that is too little.

A requirement looks at one interval at a time. Simulated as a whole, an interval also serves the queue that
the one before it left behind. Where it misses its promise, cuts are added (Atlason, Epelman and
Henderson 2008): so many agents more, in this interval or one of those before, as make up the miss at the gain
that one more of each was simulated to bring. The cheapest agents that keep all cuts are simulated again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from staffing.intervals import interval_index
from staffing.simulation.confidence import Estimate, Ratio, estimate
from staffing.simulation.promises import (
    SERVICE_LEVEL,
    Promise,
    Seen,
    counts_of,
    groups_of,
    in_groups,
)
from staffing.simulation.single_team import spells_of_counts, waits_by_spells
from staffing.simulation.traffic import Drawn, TeamTraffic, Volume, draw

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_REACH = 3
"""Intervals, its own included, whose agents a cut may call on."""
_SMALL_GAIN = 2e-3
_LARGEST_STEP = 4.0


@dataclass(frozen=True, slots=True)
class Kept:
    """How one promise is kept, by interval.

    Attributes:
        estimate: The simulated figure with bounds: shares, or seconds for the mean wait; the same for
            intervals that were judged together, nan where nothing can be told.
        misses: By how much it misses the promise where it does, else 0 (see `Promise.excess`).
    """

    estimate: Estimate
    misses: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffedWeek:
    """Agents of each interval and what they give.

    Attributes:
        agents: Agents taking work, of shape (intervals,).
        added: How many of them the correction added.
        promises: How each promise is kept, by its name.
        groups: The group in which each interval was judged, -1 for none.
        rounds: Rounds of cuts it took.
    """

    agents: Integers
    added: Integers
    promises: Mapping[str, Kept]
    groups: Integers
    rounds: int

    @property
    def service_level(self) -> Estimate:
        """The simulated service level of each interval."""
        return self.promises[SERVICE_LEVEL].estimate

    @property
    def misses(self) -> Floats:
        """How far each interval falls short of its service level."""
        return self.promises[SERVICE_LEVEL].misses


def simulated_level(
    traffic: TeamTraffic,
    agents: ArrayLike,
    promise: Promise,
    *,
    replications: int = 100,
    seed: int = 0,
    stay_s: float = 0.0,
) -> Estimate:
    """Return the service level of each interval with so many agents; arguments as for `corrected_week`."""
    week = _Week(traffic, promise, replications, seed, stay_s, 1)
    return estimate(week.simulated(np.asarray(agents, dtype=np.int64))[SERVICE_LEVEL])


def corrected_week(
    traffic: TeamTraffic,
    agents: ArrayLike,
    promise: Promise,
    *,
    replications: int = 100,
    seed: int = 0,
    stay_s: float = 0.0,
    rounds: int = 10,
    concurrency: int = 1,
    on_round: Callable[[int], None] | None = None,
) -> StaffedWeek:
    """Return the agents with as many added as keep the promise in the simulation.

    Contacts are served first come, first served by agents who are alike (`single_team`).

    Args:
        traffic: Contacts of one team; the volume is a forecast, its intervals those of `agents`.
        agents: Agents taking work in each interval, such as `Requirement.agents`.
        promise: What has to hold.
        replications: Simulated weeks for each staffing, always the same ones.
        seed: Seed.
        stay_s: How long the last agents stay at closing time, to answer who still waits.
        rounds: Most rounds of cuts; what still misses then is left in `misses`.
        concurrency: Contacts (chats) that an agent handles at a time, each as long as beside all the others.
        on_round: Told the number of rounds done.

    Raises:
        ValueError: When the traffic is recorded instead of expected.
    """
    week = _Week(traffic, promise, replications, seed, stay_s, concurrency)
    first = np.asarray(agents, dtype=np.int64)
    staff, cuts = first, _Cuts(first)
    figures = week.simulated(staff)
    done = 0
    while done < rounds and week.missed(figures):
        gains = week.gains(staff, figures)
        for name in promise.names:
            cuts.add(
                staff, week.misses(name, figures), gains[name], week.weights(name, figures), week.members
            )
        staff = cuts.cheapest()
        figures = week.simulated(staff)
        done += 1
        if on_round is not None:
            on_round(done)
    return StaffedWeek(
        agents=staff,
        added=staff - first,
        promises={name: week.kept(name, figures) for name in promise.names},
        groups=week.groups,
        rounds=done,
    )


class _Week:
    """The same drawn weeks for every staffing."""

    def __init__(
        self,
        traffic: TeamTraffic,
        promise: Promise,
        replications: int,
        seed: int,
        stay_s: float,
        concurrency: int,
    ) -> None:
        if not isinstance(traffic.volume, Volume):
            raise ValueError("a staffed week needs an expected volume, not recorded arrivals")
        self.volume, self.promise, self.stay_s = traffic.volume, promise, stay_s
        self.concurrency = concurrency
        self.drawn: list[Drawn] = [draw([traffic], seed=seed, replication=n) for n in range(replications)]
        self.interval = [
            interval_index(self.volume.starts, drawn.arrive_at, step_s=round(self.volume.step_s))
            for drawn in self.drawn
        ]
        expected = np.broadcast_to(
            np.asarray(self.volume.expected, dtype=np.float64), self.volume.starts.shape
        )
        self.groups = groups_of(promise, expected, self.volume.starts, self.volume.step_s)
        self.firsts = np.unique(self.groups[self.groups >= 0])
        self.members = [np.flatnonzero(self.groups == first) for first in self.firsts]

    def simulated(self, agents: Integers) -> dict[str, Ratio]:
        """Return what is promised as ratios of shape (replications, intervals)."""
        places = agents * self.concurrency
        starts, step_s = self.volume.starts, self.volume.step_s
        spells = spells_of_counts(starts, places, step_s=step_s, stay_s=self.stay_s)
        rows = []
        for drawn, interval in zip(self.drawn, self.interval, strict=True):
            waits = waits_by_spells(drawn.arrive_at, drawn.handle_s, drawn.patience_s, spells)
            seen = Seen(arrive_at=drawn.arrive_at, handle_s=drawn.handle_s, waits=waits, interval=interval)
            rows.append(counts_of(self.promise, seen, starts, step_s, places))
        return {
            name: Ratio(*(np.array([row[name][side] for row in rows]) for side in (0, 1)))
            for name in self.promise.names
        }

    def misses(self, name: str, figures: Mapping[str, Ratio]) -> Floats:
        """Return by how much each group misses a promise, below 0 where it is kept."""
        value = estimate(in_groups(figures[name], self.groups, self.firsts)).value
        return self.promise.excess(name, value, self.firsts)

    def missed(self, figures: Mapping[str, Ratio]) -> bool:
        """Return whether any group misses a promise by more than its slack."""
        promise = self.promise
        return any((self.misses(name, figures) > promise.slack_of(name)).any() for name in promise.names)

    def weights(self, name: str, figures: Mapping[str, Ratio]) -> Floats:
        """Return what share each interval has in the figure of its group."""
        below = figures[name].below.sum(axis=0)
        grouped = in_groups(figures[name], self.groups, self.firsts).below.sum(axis=0)
        place = np.searchsorted(self.firsts, np.maximum(self.groups, 0)).clip(
            max=max(len(self.firsts) - 1, 0)
        )
        whole = grouped[place] if len(grouped) else np.ones(len(below))
        return np.where(self.groups >= 0, below / np.maximum(whole, 1e-9), 0.0)

    def gains(self, agents: Integers, figures: Mapping[str, Ratio]) -> dict[str, Floats]:
        """Return what one more agent brings to each promise, of shape (reach, intervals): [d, k] is by how
        much interval k misses it less with one more in interval k - d. Every `_REACH`-th interval gets one
        more at once, as further on the gain has died away.
        """
        names, position = self.promise.names, np.arange(len(agents))
        gains = {name: np.zeros((_REACH, len(agents))) for name in names}
        for turn in range(_REACH):
            more = self.simulated(agents + (position % _REACH == turn))
            distance = (position - turn) % _REACH
            for name in names:
                before, after = (
                    self.promise.excess(name, estimate(each[name]).value, position)
                    for each in (figures, more)
                )
                gains[name][distance, position] = before - after
        return {name: np.maximum(each, 0.0) for name, each in gains.items()}

    def kept(self, name: str, figures: Mapping[str, Ratio]) -> Kept:
        """Return how a promise is kept, each interval with the figure of its group."""
        found = estimate(in_groups(figures[name], self.groups, self.firsts))
        alone = estimate(figures[name])
        judged = self.groups >= 0
        place = np.searchsorted(self.firsts, self.groups[judged])
        value, half_width = (
            each if not self.promise.together else np.full(len(judged), np.nan)
            for each in (alone.value, alone.half_width)
        )
        misses = np.zeros(len(judged))
        value[judged], half_width[judged] = found.value[place], found.half_width[place]
        misses[judged] = np.maximum(self.misses(name, figures), 0.0)[place]
        return Kept(Estimate(value, half_width), misses)


class _Cuts:
    """Demands on the agents, each a row of gains and how much it has to come to."""

    def __init__(self, least: Integers) -> None:
        self.least = least
        self.rows: list[tuple[Integers, Floats]] = []
        self.limits: list[float] = []

    def add(
        self,
        agents: Integers,
        misses: Floats,
        gains: Floats,
        weights: Floats,
        members: Sequence[Integers],
    ) -> None:
        """Add a cut for each group of intervals that misses its promise.

        Args:
            agents: Agents of the simulated staffing.
            misses: By how much each group misses.
            gains: As `_Week.gains`.
            weights: Share of each interval in its group.
            members: Intervals of each group.
        """
        for group in np.flatnonzero(misses > 0).tolist():
            own = members[group]
            where = np.arange(max(int(own[0]) - _REACH + 1, 0), int(own[-1]) + 1)[::-1]
            gain = np.zeros(len(where))
            for distance in range(_REACH):
                reached = own[own >= distance]
                np.add.at(
                    gain, int(own[-1]) - (reached - distance), weights[reached] * gains[distance, reached]
                )
            mine = gain[int(own[-1]) - own]
            if mine.max() < _SMALL_GAIN:
                # Overloaded, where one more agent brings nothing to see yet: ask for one more here.
                gain[:] = 0.0
                gain[int(own[-1]) - own], step = 1.0, 1.0
            else:
                gain[gain < mine.max() / 4] = 0.0
                step = min(float(misses[group]), _LARGEST_STEP * float(gain.max()))
            self.rows.append((where, gain))
            self.limits.append(float(gain @ agents[where]) + step)

    def cheapest(self) -> Integers:
        """Return the fewest agents in all that keep every cut."""
        columns = np.concatenate([where for where, _ in self.rows])
        values = np.concatenate([gain for _, gain in self.rows])
        lines = np.repeat(np.arange(len(self.rows)), [len(where) for where, _ in self.rows])
        shape = (len(self.rows), len(self.least))
        matrix = csr_array((values, (lines, columns)), shape=shape)
        answer = milp(
            np.ones(len(self.least)),
            constraints=LinearConstraint(matrix, lb=np.array(self.limits)),
            integrality=np.ones(len(self.least)),
            bounds=Bounds(self.least.astype(np.float64), np.inf),
            options={"time_limit": 20.0},
        )
        if answer.x is None:
            raise ValueError(f"no staffing was found: {answer.message}")
        return np.asarray(np.round(answer.x), dtype=np.int64)
