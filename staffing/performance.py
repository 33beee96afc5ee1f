"""Decides what a team may promise (targets) and whether a performance keeps the promise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Number = float | Floats

TARGET_NAMES = ("service_level", "asa", "abandonment", "occupancy", "min_agents")

# A share or a wait this close to its target keeps it: 0.2 erlangs computed as 36 x 10 / 1800 is a rounding
# away from the 0.2 that was meant.
TOLERANCE = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """What has to hold in an interval; any mix, None for what is not promised.

    Each number may also be an array, one value for each interval.

    Args:
        service_level: Share of offered contacts (without short abandons) answered within `answer_within_s`;
            below 1.
        answer_within_s: The T of the service level, in seconds.
        short_abandon_s: Abandons up to this wait are left out of the service level's denominator.
        asa_s: Longest mean queue wait of answered contacts, in seconds; above 0.
        abandonment: Largest share of offered contacts that leave the queue; above 0.
        max_occupancy: Largest share of an agent's time that may be handling; above 0, up to 1.
        min_agents: Fewest agents, whatever the load.

    Raises:
        ValueError: When a number is outside its range, or the service level, ASA or abandonment is one that
            no finite number of agents reaches.
    """

    service_level: Number | None = None
    answer_within_s: Number = 20.0
    short_abandon_s: Number = 0.0
    asa_s: Number | None = None
    abandonment: Number | None = None
    max_occupancy: Number | None = None
    min_agents: int | NDArray[np.int64] = 0

    def __post_init__(self) -> None:
        _check(self.service_level, "service_level", low=0, high=1, below=True)
        _check(self.answer_within_s, "answer_within_s", low=0)
        _check(self.short_abandon_s, "short_abandon_s", low=0)
        _check(self.asa_s, "asa_s", low=0, above=True)
        _check(self.abandonment, "abandonment", low=0, high=1, above=True)
        _check(self.max_occupancy, "max_occupancy", low=0, high=1, above=True)
        _check(self.min_agents, "min_agents", low=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """What customers and agents experience in the long run; every field an array of one shape.

    Attributes:
        agents: Agents taking work, after shrinkage.
        wait_probability: Share of contacts that find all agents busy.
        service_level: Share answered within the targets' time, short abandons left out.
        asa_s: Mean queue wait of answered contacts; infinite when the queue grows without end.
        abandonment: Share of contacts that leave the queue unanswered.
        occupancy: Share of the agents' time that is handling; 1 with no agents and some load.
        queue_length: Mean number of contacts waiting.
    """

    agents: Floats
    wait_probability: Floats
    service_level: Floats
    asa_s: Floats
    abandonment: Floats
    occupancy: Floats
    queue_length: Floats


def unmet(performance: Performance, targets: Targets) -> dict[str, Bools]:
    """Return for each of `TARGET_NAMES` where the performance breaks it; never where it is not set."""
    nowhere = np.zeros(performance.agents.shape, dtype=np.bool_)
    breaks = dict.fromkeys(TARGET_NAMES, nowhere)
    if targets.service_level is not None:
        breaks["service_level"] = performance.service_level < targets.service_level - TOLERANCE
    if targets.asa_s is not None:
        breaks["asa"] = performance.asa_s > targets.asa_s * (1 + TOLERANCE)
    if targets.abandonment is not None:
        breaks["abandonment"] = performance.abandonment > targets.abandonment + TOLERANCE
    if targets.max_occupancy is not None:
        breaks["occupancy"] = performance.occupancy > targets.max_occupancy + TOLERANCE
    breaks["min_agents"] = performance.agents < targets.min_agents
    return breaks


def select(targets: Targets, shape: tuple[int, ...], where: Bools | NDArray[np.int64]) -> Targets:
    """Return the targets of the intervals `where` (a mask or positions); `shape` is that of all intervals."""

    def part(value: Number) -> Number:
        if np.ndim(value) == 0:
            return value
        return np.asarray(np.broadcast_to(value, shape)[where], dtype=np.float64)

    def part_if_set(value: Number | None) -> Number | None:
        return None if value is None else part(value)

    least = targets.min_agents
    return Targets(
        service_level=part_if_set(targets.service_level),
        answer_within_s=part(targets.answer_within_s),
        short_abandon_s=part(targets.short_abandon_s),
        asa_s=part_if_set(targets.asa_s),
        abandonment=part_if_set(targets.abandonment),
        max_occupancy=part_if_set(targets.max_occupancy),
        min_agents=least if isinstance(least, int) else np.broadcast_to(least, shape)[where],
    )


def _check(
    value: Number | NDArray[np.int64] | None,
    name: str,
    *,
    low: float,
    high: float = np.inf,
    above: bool = False,
    below: bool = False,
) -> None:
    if value is None:
        return
    values = np.asarray(value, dtype=np.float64)
    inside = (values > low if above else values >= low) & (values < high if below else values <= high)
    if not np.all(inside):
        raise ValueError(
            f"{name} has to be {'above' if above else 'at least'} {low} and "
            f"{'below' if below else 'at most'} {high}, not {value}"
        )
