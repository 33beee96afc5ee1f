"""Decides what a team's required agents give over a whole period, and adds agents where that is too little.

A requirement looks at one interval at a time. Simulated as a whole, an interval also serves the queue that
the one before it left behind. Where it misses its service level, cuts are added (Atlason, Epelman and
Henderson 2008): so many agents more, in this interval or one of those before, as make up the miss at the gain
that one more of each was simulated to bring. The cheapest agents that keep all cuts are simulated again.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from staffing.intervals import interval_index
from staffing.simulation.confidence import Estimate, Ratio, estimate
from staffing.simulation.single_team import spells_of_counts, waits_by_spells
from staffing.simulation.traffic import Drawn, TeamTraffic, Volume, draw

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

_REACH = 3
"""Intervals, its own included, whose agents a cut may call on."""
_SMALL_GAIN = 2e-3
_LARGEST_STEP = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What an interval promises in the simulation.

    Args:
        service_level: Share answered in time, short abandons left out; one number or one per interval.
        answer_within_s: The time.
        short_abandon_s: Abandons before this wait are left out.
        slack: By how much the mean may fall short.
        least_contacts: Intervals that expect no more contacts than this promise nothing.
    """

    service_level: ArrayLike
    answer_within_s: float = 20.0
    short_abandon_s: float = 0.0
    slack: float = 0.01
    least_contacts: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffedWeek:
    """Agents of each interval and what they give.

    Attributes:
        agents: Agents taking work, of shape (intervals,).
        added: How many of them the correction added.
        service_level: Simulated, with bounds.
        misses: Promise less simulated mean where that is above 0, else 0; 0 where nothing is promised.
        rounds: Rounds of cuts it took.
    """

    agents: Integers
    added: Integers
    service_level: Estimate
    misses: Floats
    rounds: int


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
    week = _Week(traffic, promise, replications, seed, stay_s)
    return estimate(week.level(np.asarray(agents, dtype=np.int64)))


def corrected_week(
    traffic: TeamTraffic,
    agents: ArrayLike,
    promise: Promise,
    *,
    replications: int = 100,
    seed: int = 0,
    stay_s: float = 0.0,
    rounds: int = 10,
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
        on_round: Told the number of rounds done.

    Raises:
        ValueError: When the traffic is recorded instead of expected.
    """
    week = _Week(traffic, promise, replications, seed, stay_s)
    first = np.asarray(agents, dtype=np.int64)
    staff, cuts = first, _Cuts(first)
    level = estimate(week.level(staff))
    done = 0
    while done < rounds and (week.misses(level) > promise.slack).any():
        cuts.add(staff, week.misses(level), week.gains(staff, level))
        staff = cuts.cheapest()
        level = estimate(week.level(staff))
        done += 1
        if on_round is not None:
            on_round(done)
    return StaffedWeek(
        agents=staff,
        added=staff - first,
        service_level=level,
        misses=np.maximum(week.misses(level), 0.0),
        rounds=done,
    )


class _Week:
    """The same drawn weeks for every staffing."""

    def __init__(
        self, traffic: TeamTraffic, promise: Promise, replications: int, seed: int, stay_s: float
    ) -> None:
        if not isinstance(traffic.volume, Volume):
            raise ValueError("a staffed week needs an expected volume, not recorded arrivals")
        self.volume, self.promise, self.stay_s = traffic.volume, promise, stay_s
        self.drawn: list[Drawn] = [draw([traffic], seed=seed, replication=n) for n in range(replications)]
        self.interval = [
            interval_index(self.volume.starts, drawn.arrive_at, step_s=round(self.volume.step_s))
            for drawn in self.drawn
        ]
        expected = np.broadcast_to(
            np.asarray(self.volume.expected, dtype=np.float64), self.volume.starts.shape
        )
        self.promised = expected > promise.least_contacts
        self.wanted = np.broadcast_to(np.asarray(promise.service_level, dtype=np.float64), expected.shape)

    def level(self, agents: Integers) -> Ratio:
        """Return answered in time over offered without short abandons, of shape (replications, intervals)."""
        spells = spells_of_counts(self.volume.starts, agents, step_s=self.volume.step_s, stay_s=self.stay_s)
        within, counted = np.zeros((2, len(self.drawn), len(agents)))
        for row, (drawn, interval) in enumerate(zip(self.drawn, self.interval, strict=True)):
            found = waits_by_spells(drawn.arrive_at, drawn.handle_s, drawn.patience_s, spells)
            in_time = found.answered & (found.wait_s <= self.promise.answer_within_s)
            counts = found.answered | (found.wait_s >= self.promise.short_abandon_s)
            within[row] = np.bincount(interval, weights=in_time, minlength=len(agents))
            counted[row] = np.bincount(interval, weights=counts, minlength=len(agents))
        return Ratio(within, counted)

    def misses(self, level: Estimate) -> Floats:
        """Return the promise less the simulated mean; below 0 where it is kept, 0 where there is none."""
        kept = np.nan_to_num(level.value, nan=1.0)
        return np.where(self.promised, self.wanted - kept, 0.0)

    def gains(self, agents: Integers, level: Estimate) -> Floats:
        """Return what one more agent brings, of shape (reach, intervals): [d, k] is the gain in interval k of
        one more in interval k - d. Every `_REACH`-th interval gets one more at once, as further on the gain
        has died away.
        """
        gains = np.zeros((_REACH, len(agents)))
        position = np.arange(len(agents))
        for turn in range(_REACH):
            more = agents + (position % _REACH == turn)
            gained = estimate(self.level(more)).value - level.value
            distance = (position - turn) % _REACH
            gains[distance, position] = np.nan_to_num(gained)
        return np.maximum(gains, 0.0)


class _Cuts:
    """Demands on the agents, each a row of gains and how much it has to come to."""

    def __init__(self, least: Integers) -> None:
        self.least = least
        self.rows: list[tuple[Integers, Floats]] = []
        self.limits: list[float] = []

    def add(self, agents: Integers, misses: Floats, gains: Floats) -> None:
        """Add a cut for each interval that misses its promise."""
        for index in np.flatnonzero(misses > 0).tolist():
            before = np.arange(max(index - _REACH + 1, 0), index + 1)[::-1]
            gain = gains[: len(before), index].copy()
            if gain[0] < _SMALL_GAIN:
                # Overloaded, where one more agent brings nothing to see yet: ask for one more here.
                gain[:] = 0.0
                gain[0], step = 1.0, 1.0
            else:
                gain[gain < gain[0] / 4] = 0.0
                step = min(float(misses[index]), _LARGEST_STEP * float(gain.max()))
            self.rows.append((before, gain))
            self.limits.append(float(gain @ agents[before]) + step)

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
