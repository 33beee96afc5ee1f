"""Decides how a period goes: a scenario run again and again, its figures with bounds. Start here."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from staffing.simulation.confidence import Estimate, Ratio, estimate
from staffing.simulation.figures import METRICS, answered_waits, counts
from staffing.simulation.floor_run import run_floor
from staffing.simulation.queue_run import needs_floor, run_queue
from staffing.simulation.scenario import Scenario, Shift
from staffing.simulation.traffic import ABSENCE, Chance, Changes, draw

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_SHIFTS = 1_000_000
"""Stands for the kind of contacts in the stream of absence, which belongs to none."""


class Each(Protocol):
    """Applies a function to each number, like `map`; an executor's `map` runs replications side by side."""

    def __call__(
        self, function: Callable[[int], "Replication"], numbers: Iterable[int], /
    ) -> Iterator["Replication"]:
        """Return the results in the order of the numbers."""


@dataclass(frozen=True, slots=True)
class Replication:
    """One run: what it counted, arrays of shape (teams, intervals), and the answered waits of each team."""

    counts: dict[str, Floats]
    waits_s: list[Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """A simulated period.

    Attributes:
        teams: Ids of the teams, the order of the rows.
        starts: Interval starts, the order of the columns.
        step_s: Length of an interval.
        counts: What was counted (`staffing.simulation.figures`), of shape (replications, teams, intervals).
        waits_s: Waits of all answered contacts of each team, ascending.
        seed: Seed.
    """

    teams: tuple[str, ...]
    starts: Integers
    step_s: float
    counts: dict[str, Floats]
    waits_s: tuple[Floats, ...]
    seed: int

    @property
    def replications(self) -> int:
        """How many runs there were."""
        return len(self.counts["offered"])


def simulate(
    scenario: Scenario,
    *,
    replications: int = 30,
    seed: int = 0,
    changes: Changes | None = None,
    through_floor: bool = True,
    each: Each = map,
    on_progress: Callable[[int], None] | None = None,
) -> Simulation:
    """Return the period simulated `replications` times; the same arguments give the same figures.

    Args:
        scenario: Policy, workers, traffic.
        replications: Independent runs, at least 2 for bounds.
        seed: Seed; equal seeds give variants of a scenario the same random numbers.
        changes: Factors on the traffic.
        through_floor: Whether `routing.decide` routes; False for the fast queue, which gives the same answer
            far faster, where `needs_floor` has nothing against it.
        each: Runs the replications; `map`, or the `map` of an executor.
        on_progress: Told how many replications are done.

    Raises:
        ValueError: When the fast queue is asked for what needs a floor.
    """
    if not through_floor and (reason := needs_floor(scenario)):
        raise ValueError(f"this needs the floor: {reason}")
    work = partial(replicate, scenario, seed, changes=changes, through_floor=through_floor)
    done: list[Replication] = []
    for result in each(work, range(replications)):
        done.append(result)
        if on_progress is not None:
            on_progress(len(done))
    return Simulation(
        teams=tuple(scenario.policy.teams),
        starts=scenario.starts,
        step_s=scenario.step_s,
        counts={name: np.stack([each.counts[name] for each in done]) for name in done[0].counts},
        waits_s=tuple(
            np.sort(np.concatenate([each.waits_s[team] for each in done]))
            for team in range(len(scenario.policy.teams))
        ),
        seed=seed,
    )


def replicate(
    scenario: Scenario, seed: int, number: int, *, changes: Changes | None, through_floor: bool
) -> Replication:
    """Return replication `number` of a scenario."""
    drawn = draw(scenario.traffic, seed=seed, replication=number, changes=changes)
    shifts = worked_shifts(scenario, seed, number)
    log = run_floor(scenario, drawn, shifts) if through_floor else run_queue(scenario, drawn, shifts)
    return Replication(counts(scenario, log, shifts), answered_waits(scenario, log))


def ratio(simulation: Simulation, metric: str) -> Ratio:
    """Return a figure of `METRICS` for each replication, team and interval, before any averaging."""
    above, below = METRICS[metric]
    return Ratio(simulation.counts[above], simulation.counts[below])


def by_interval(simulation: Simulation, metric: str, *, confidence: float = 0.95) -> Estimate:
    """Return a figure of `METRICS` of each team (rows) in each interval (columns)."""
    return estimate(ratio(simulation, metric), confidence=confidence)


def overall(simulation: Simulation, metric: str, *, confidence: float = 0.95) -> Estimate:
    """Return a figure of `METRICS` of each team over the whole period."""
    return estimate(ratio(simulation, metric).summed(), confidence=confidence)


def wait_quantiles_s(simulation: Simulation, shares: Sequence[float] = (0.5, 0.9, 0.95, 1.0)) -> Floats:
    """Return waits that so many of the answered contacts do not exceed, of shape (teams, shares)."""
    return np.array(
        [
            np.quantile(waits, shares) if len(waits) else np.full(len(shares), np.nan)
            for waits in simulation.waits_s
        ]
    )


def worked_shifts(scenario: Scenario, seed: int, number: int) -> list[tuple[Shift, ...]]:
    """Return the shifts of each worker without those lost to absence in a replication.

    With a higher absence the same shifts are lost, and more.
    """
    if scenario.absence <= 0:
        return [worker.shifts for worker in scenario.workers]
    rng = Chance(seed, number, _SHIFTS).stream(ABSENCE)
    return [
        tuple(
            shift
            for shift, chance in zip(worker.shifts, rng.random(len(worker.shifts)), strict=True)
            if chance >= scenario.absence
        )
        for worker in scenario.workers
    ]
