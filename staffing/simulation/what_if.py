"""Decides what a change of volume, handle time, absence, people or policy does: pairs of equal chance.

Base and variant meet the same random numbers, so that their difference is bounded far more closely than
either side: what a busy day does to both cancels out.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from routing.policy import Policy
from staffing.simulation.confidence import Estimate, difference
from staffing.simulation.figures import METRICS
from staffing.simulation.replications import Each, Simulation, ratio, simulate
from staffing.simulation.scenario import Scenario, Worker
from staffing.simulation.traffic import Changes


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """What is different.

    Args:
        volume: Factor on the contacts.
        handle_time: Factor on the handle times.
        patience: Factor on the patience.
        absence: Chance that a shift falls out, on top of the scenario's own (compounded).
        policy: The policy instead; it has the teams that traffic and workers name.
        workers: The people and shifts instead.
    """

    volume: float = 1.0
    handle_time: float = 1.0
    patience: float = 1.0
    absence: float = 0.0
    policy: Policy | None = None
    workers: tuple[Worker, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Base and variant, and by how much the variant's figures are larger.

    Attributes:
        base: The scenario as it is.
        variant: With the change.
        overall: Difference of each of `METRICS` for each of the base's teams over the whole period.
        by_interval: The same in each interval (columns).
    """

    base: Simulation
    variant: Simulation
    overall: Mapping[str, Estimate]
    by_interval: Mapping[str, Estimate]


def compare(
    scenario: Scenario,
    change: WhatIf,
    *,
    replications: int = 30,
    seed: int = 0,
    confidence: float = 0.95,
    base: Simulation | None = None,
    through_floor: bool = True,
    each: Each = map,
    on_progress: Callable[[int], None] | None = None,
) -> Comparison:
    """Return what a change does to a scenario.

    Args:
        scenario: The period as it is.
        change: What is different.
        replications: Pairs of runs, at least 2.
        seed: Seed of both sides.
        confidence: Share of such bounds that hold the true difference.
        base: The scenario already simulated with this seed and number of replications, to save a side.
        through_floor: As for `simulate`.
        each: As for `simulate`.
        on_progress: Told how many replications of the variant are done.

    Raises:
        ValueError: When `base` has another seed or number of replications, or the changed scenario is not
            valid.
    """
    if base is None:
        base = simulate(
            scenario, replications=replications, seed=seed, through_floor=through_floor, each=each
        )
    if (base.seed, base.replications) != (seed, replications):
        raise ValueError("pairs need the same seed and number of replications on both sides")
    variant = simulate(
        changed(scenario, change),
        replications=replications,
        seed=seed,
        changes=Changes(volume=change.volume, handle_time=change.handle_time, patience=change.patience),
        through_floor=through_floor,
        each=each,
        on_progress=on_progress,
    )
    return Comparison(
        base=base,
        variant=variant,
        overall=_differences(base, variant, METRICS, confidence, summed=True),
        by_interval=_differences(base, variant, METRICS, confidence, summed=False),
    )


def changed(scenario: Scenario, change: WhatIf) -> Scenario:
    """Return the scenario with another policy, other people or more absence, its traffic as it was."""
    return replace(
        scenario,
        policy=change.policy or scenario.policy,
        workers=scenario.workers if change.workers is None else change.workers,
        absence=1 - (1 - scenario.absence) * (1 - change.absence),
    )


def _differences(
    base: Simulation, variant: Simulation, metrics: Iterable[str], confidence: float, *, summed: bool
) -> dict[str, Estimate]:
    rows = [variant.teams.index(team) for team in base.teams]
    found = {}
    for metric in metrics:
        new, old = ratio(variant, metric), ratio(base, metric)
        new = replace(new, above=new.above[:, rows], below=new.below[:, rows])
        pair = (new.summed(), old.summed()) if summed else (new, old)
        found[metric] = difference(*pair, confidence=confidence)
    return found
