"""Decides how many agents each interval of a team needs, and says why. Start here.

Volume and handle time become a load that follows the rate (`offered_load`), the load and its uncertainty
become agents that keep the targets (`erlang`, `uncertain_rate`), and shrinkage turns those into people to
roster and to employ. Work that can wait is placed by `deferrable`, agents shared by teams are counted by
`pooling`.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from staffing.offered_load import moving_load
from staffing.performance import TARGET_NAMES, Performance, Targets, unmet
from staffing.uncertain_rate import (
    UncertainLoad,
    expected_performance,
    required_for_uncertain,
    uncertain_load,
)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Shrinkage:
    """One kind of time in which a paid agent takes no contacts.

    Kinds are compounded: 10 % leave and 5 % illness keep 0.9 x 0.95 of the time, as nobody falls ill on
    leave.

    Args:
        kind: Such as "leave", "illness", "training", "breaks".
        share: Share of the time that is left after the other kinds; at least 0, below 1.
        planned: Whether the roster itself shows it (breaks, booked leave and training). What is planned is
            not added again to the people to roster, only to the people to employ.

    Raises:
        ValueError: When the share is outside its range.
    """

    kind: str
    share: float
    planned: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise ValueError(
                f"shrinkage {self.kind!r} is a share of at least 0 and below 1, not {self.share}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What a team is expected to be asked, interval by interval.

    Each field but `step_s` is one value per interval, or one for all.

    Args:
        starts: Ascending interval starts in UTC epoch seconds (`staffing.intervals`), closed hours left out.
        offered: Contacts expected in each interval.
        handle_time_s: Mean handle time of one contact alone.
        step_s: Length of an interval.
        patience_s: Mean patience; infinity when nobody hangs up.
        rate_variation: Coefficient of variation of the forecast rate; 0 when it is known.
        waiting_at_start: Contacts that wait at the door when the interval begins.
    """

    starts: Integers
    offered: ArrayLike
    handle_time_s: ArrayLike
    step_s: int
    patience_s: ArrayLike = math.inf
    rate_variation: ArrayLike = 0.0
    waiting_at_start: ArrayLike = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a team is staffed.

    Args:
        targets: What is promised; numbers, or one value per interval.
        shrinkage: Kinds of shrinkage, compounded.
        concurrency: Contacts one agent handles at a time (chats); at least 1.
        slowdown: How much longer a contact takes for each other one the agent has beside it: 0.2 is 20 %.
        follow_rate: Staff for the load that follows a moving rate; False for each interval's average rate
            alone.

    Raises:
        ValueError: When the concurrency is below 1 or the slowdown below 0.
    """

    targets: Targets
    shrinkage: tuple[Shrinkage, ...] = ()
    concurrency: int = 1
    slowdown: float = 0.0
    follow_rate: bool = True

    def __post_init__(self) -> None:
        if self.concurrency < 1 or self.slowdown < 0:
            raise ValueError("concurrency is at least 1 and slowdown at least 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """Agents needed per interval, and what they follow from; arrays of one value per interval.

    Attributes:
        starts: Interval starts in UTC epoch seconds.
        offered: Contacts expected.
        rate_per_s: Arrivals per second.
        handle_time_s: Mean handle time with the other contacts that an agent has at the same time.
        patience_s: Mean patience.
        rate_variation: Coefficient of variation of the rate.
        average_load: Erlangs at the interval's average rate.
        load: Erlangs staffed for: the peak of the moving load.
        mean_load: Mean of the moving load, which occupancy follows from.
        agents: Fewest agents taking work that keep the targets.
        binding: The target that one agent fewer would break (`staffing.performance.TARGET_NAMES`), "load"
            when the queue would grow without end, "none" when no agent is needed.
        rostered: Agents to put on the roster, so that `agents` are left after unplanned shrinkage.
        employed: People to employ for this interval, so that `rostered` are left after planned shrinkage.
        expected: What customers experience with `agents` at the peak, and the agents' occupancy over the
            interval.
        rules: The rules used.
    """

    starts: Integers
    offered: Floats
    rate_per_s: Floats
    handle_time_s: Floats
    patience_s: Floats
    rate_variation: Floats
    average_load: Floats
    load: Floats
    mean_load: Floats
    agents: Integers
    binding: tuple[str, ...]
    rostered: Integers
    employed: Integers
    expected: Performance
    rules: Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why one interval needs what it needs; units as in `Requirement`."""

    start_at: int
    offered: float
    rate_per_hour: float
    handle_time_s: float
    patience_s: float
    average_load: float
    load: float
    rate_variation: float
    concurrency: int
    agents: int
    binding: str
    service_level: float
    asa_s: float
    abandonment: float
    occupancy: float
    shrinkage: tuple[Shrinkage, ...]
    rostered: int
    employed: int


def requirement(demand: Demand, rules: Rules) -> Requirement:
    """Return the agents that each interval needs.

    Raises:
        ValueError: When an input has no meaning (negative volume, no handle time, intervals that overlap).
    """
    starts = np.asarray(demand.starts, dtype=np.int64)
    offered, handle_s, patience_s, variation, door = (
        np.array(np.broadcast_to(np.asarray(values, dtype=np.float64), starts.shape))
        for values in (
            demand.offered,
            demand.handle_time_s,
            demand.patience_s,
            demand.rate_variation,
            demand.waiting_at_start,
        )
    )
    if not (np.all(offered >= 0) and np.all(np.isfinite(offered)) and np.all(door >= 0)):
        raise ValueError("a volume and a queue at the door are finite numbers, at least 0")
    if not np.all(handle_s > 0):
        raise ValueError("a handle time is above 0 s")
    handle_s = handle_s * (1 + rules.slowdown * (rules.concurrency - 1))
    rate_per_s = offered / demand.step_s
    average = rate_per_s * handle_s
    load = mean_load = average
    if rules.follow_rate and len(starts):
        moving = moving_load(
            starts, rate_per_s, handle_time_s=handle_s, step_s=demand.step_s, waiting_at_start=door
        )
        load, mean_load = moving.peak, moving.mean
    loads = _Loads(
        *(
            uncertain_load(
                each, variation, handle_time_s=handle_s, patience_s=patience_s, interval_s=demand.step_s
            )
            for each in (load, mean_load)
        )
    )
    agents = _agents(loads, rules)
    kept_unplanned = kept_share(rules.shrinkage, planned=False)
    kept = kept_unplanned * kept_share(rules.shrinkage, planned=True)
    return Requirement(
        starts=starts,
        offered=offered,
        rate_per_s=rate_per_s,
        handle_time_s=handle_s,
        patience_s=patience_s,
        rate_variation=variation,
        average_load=average,
        load=load,
        mean_load=mean_load,
        agents=agents,
        binding=_binding(loads, rules, agents),
        rostered=before_shrinkage(agents, kept_unplanned),
        employed=before_shrinkage(agents, kept),
        expected=_experience(loads, rules, agents),
        rules=rules,
    )


def kept_share(shrinkage: Iterable[Shrinkage], *, planned: bool) -> float:
    """Return the share of time left after all planned, or all unplanned, kinds: the product of 1 - share."""
    return math.prod(1 - kind.share for kind in shrinkage if kind.planned == planned)


def before_shrinkage(agents: ArrayLike, kept: float) -> Integers:
    """Return the people needed so that `agents` are left when a share `kept` of them is there."""
    people = np.asarray(agents, dtype=np.float64) / kept
    return np.asarray(np.ceil(people - _ROUNDING), dtype=np.int64)


def explain(needed: Requirement, index: int) -> Explanation:
    """Return why interval number `index` needs what it needs."""
    expected = needed.expected
    return Explanation(
        start_at=int(needed.starts[index]),
        offered=float(needed.offered[index]),
        rate_per_hour=float(needed.rate_per_s[index] * 3600),
        handle_time_s=float(needed.handle_time_s[index]),
        patience_s=float(needed.patience_s[index]),
        average_load=float(needed.average_load[index]),
        load=float(needed.load[index]),
        rate_variation=float(needed.rate_variation[index]),
        concurrency=needed.rules.concurrency,
        agents=int(needed.agents[index]),
        binding=needed.binding[index],
        service_level=float(expected.service_level[index]),
        asa_s=float(expected.asa_s[index]),
        abandonment=float(expected.abandonment[index]),
        occupancy=float(expected.occupancy[index]),
        shrinkage=needed.rules.shrinkage,
        rostered=int(needed.rostered[index]),
        employed=int(needed.employed[index]),
    )


@dataclass(frozen=True, slots=True)
class _Loads:
    """The load that customers meet at worst, and the one that keeps agents busy over an interval."""

    peak: UncertainLoad
    mean: UncertainLoad


def _agents(loads: _Loads, rules: Rules) -> Integers:
    # An agent with c chats is c places; the minimum is one of agents, not of places.
    places = required_for_uncertain(loads.peak, replace(rules.targets, min_agents=0, max_occupancy=None))
    if rules.targets.max_occupancy is not None:
        busy = required_for_uncertain(loads.mean, Targets(max_occupancy=rules.targets.max_occupancy))
        places = np.maximum(places, busy)
    agents = -(-places // rules.concurrency)
    return np.asarray(np.maximum(agents, rules.targets.min_agents), dtype=np.int64)


def _experience(loads: _Loads, rules: Rules, agents: Integers) -> Performance:
    at_peak, on_average = (
        expected_performance(each, agents * rules.concurrency, rules.targets)
        for each in (loads.peak, loads.mean)
    )
    return replace(at_peak, occupancy=on_average.occupancy)


def _binding(loads: _Loads, rules: Rules, agents: Integers) -> tuple[str, ...]:
    one_fewer = np.maximum(agents - 1, 0)
    targets = replace(rules.targets, min_agents=0)
    breaks = unmet(_experience(loads, rules, one_fewer), targets)
    names = np.full(agents.shape, "none", dtype="<U16")
    names[(agents > 0) & (loads.peak.mean_erlangs > 0) & np.isinf(loads.peak.patience_s)] = "load"
    names[(agents > 0) & (agents <= rules.targets.min_agents)] = "min_agents"
    for name in reversed(TARGET_NAMES):
        names[breaks[name] & (agents > 0)] = name
    return tuple(names.tolist())
