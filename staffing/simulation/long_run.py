"""Decides how one team fares in the long run whatever the laws of handle time and patience (M/G/n+G).

For what no formula covers: where patience or handle times are clearly not exponential, Erlang A can be off by
5 agents in 100 (Whitt 2005). `staffing.erlang` is exact and far faster where they are.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from staffing.search import fewest_agents
from staffing.simulation.confidence import Estimate, mean_estimate
from staffing.simulation.durations import Duration
from staffing.simulation.single_team import waits_at_level

Floats = NDArray[np.float64]

_PART = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """One team at a level rate.

    Args:
        rate_per_s: Poisson arrivals per second, above 0.
        agents: Agents, at least 1.
        handle: Handle times.
        patience: Patience.
    """

    rate_per_s: float
    agents: int
    handle: Duration
    patience: Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class LongRun:
    """The long run of a `Queue`, each figure with its bounds.

    Attributes:
        wait_probability: Share of contacts that are not answered at once.
        abandonment: Share of contacts that hang up.
        queue_length: Mean number waiting (rate times mean wait, Little's law).
        in_system: Mean number waiting or with an agent.
        wait_answered_s: Mean wait of those answered.
        wait_abandoned_s: Mean wait of those who hung up.
        service_level: Share of all answered within each time asked for, one entry per time.
        answered_within: The same as a share of those answered.
    """

    wait_probability: Estimate
    abandonment: Estimate
    queue_length: Estimate
    in_system: Estimate
    wait_answered_s: Estimate
    wait_abandoned_s: Estimate
    service_level: Estimate
    answered_within: Estimate


def long_run(
    queue: Queue,
    *,
    contacts: int,
    within_s: tuple[float, ...] = (),
    replications: int = 10,
    warm_up: int | None = None,
    seed: int = 0,
    confidence: float = 0.95,
) -> LongRun:
    """Return the long run by independent replications.

    Args:
        queue: The team.
        contacts: Contacts of each replication that count.
        within_s: Times for the service level.
        replications: Independent runs, at least 2 for bounds.
        warm_up: Contacts of each run that come first and don't count; 20 handle times' worth when None.
        seed: Seed.
        confidence: Share of such bounds that hold the true figure.
    """
    first = round(20 * queue.rate_per_s * queue.handle.mean_s) if warm_up is None else warm_up
    rows = np.array(
        [
            _replication(queue, contacts, first, within_s, np.random.SeedSequence(seed, spawn_key=(number,)))
            for number in range(replications)
        ]
    )
    count, waited, lost, wait_lost, wait_answered, handled = rows[:, :6].T
    answered = count - lost
    in_time = rows[:, 6:]

    def mean(values: Floats) -> Estimate:
        return mean_estimate(values, confidence=confidence)

    waits = wait_lost + wait_answered
    with np.errstate(divide="ignore", invalid="ignore"):
        return LongRun(
            wait_probability=mean(waited / count),
            abandonment=mean(lost / count),
            queue_length=mean(queue.rate_per_s * waits / count),
            in_system=mean(queue.rate_per_s * (waits + handled) / count),
            wait_answered_s=mean(wait_answered / answered),
            wait_abandoned_s=mean(wait_lost / lost),
            service_level=mean(in_time / count[:, None]),
            answered_within=mean(in_time / answered[:, None]),
        )


def agents_for_level(queue: Queue, level: float, *, within_s: float, contacts: int, seed: int = 0) -> int:
    """Return the fewest agents whose simulated service level reaches `level`; `queue.agents` is ignored.

    The same contacts are served each time, so that a further agent never makes it worse but by chance.

    Args:
        queue: The team.
        level: Share of all contacts answered within `within_s`; below 1.
        within_s: The time.
        contacts: Contacts simulated for each number of agents.
        seed: Seed.
    """
    source = np.random.SeedSequence(seed)
    load = queue.rate_per_s * queue.handle.mean_s

    def share(agents: int) -> float:
        if agents < 1:
            return 0.0
        row = _replication(replace(queue, agents=agents), contacts, round(20 * load), (within_s,), source)
        return float(row[6] / row[0])

    def reaches(where: NDArray[np.int64], agents: Floats) -> NDArray[np.bool_]:
        del where
        return np.array([share(int(each)) >= level for each in agents])

    return int(fewest_agents(reaches, np.array([np.floor(load)]), np.array([1.0]))[0])


def _replication(
    queue: Queue,
    contacts: int,
    warm_up: int,
    within_s: tuple[float, ...],
    source: np.random.SeedSequence,
) -> Floats:
    """Return what is counted in one run: contacts, not answered at once, lost, waits of lost and answered,
    handle times of answered, answered within each time.
    """
    arrivals, handling, patience = (np.random.default_rng(part) for part in _children(source))
    free_at = [0.0] * queue.agents
    counted = np.zeros(6 + len(within_s))
    at, left, skip = 0.0, contacts + warm_up, warm_up
    while left > 0:
        size = min(_PART, left)
        arrive_at = at + np.cumsum(arrivals.standard_exponential(size)) / queue.rate_per_s
        handle_s, patience_s = queue.handle.draw(handling, size), queue.patience.draw(patience, size)
        found = waits_at_level(arrive_at, handle_s, patience_s, free_at)
        waits, answered = found.wait_s[skip:], found.answered[skip:]
        lost = ~answered
        counted += [
            len(waits),
            np.count_nonzero(waits),
            np.count_nonzero(lost),
            waits[lost].sum(),
            waits[answered].sum(),
            handle_s[skip:][answered].sum(),
            *(np.count_nonzero(answered & (waits <= limit)) for limit in within_s),
        ]
        at, left, skip = float(arrive_at[-1]), left - size, max(skip - size, 0)
    return counted


def _children(source: np.random.SeedSequence) -> list[np.random.SeedSequence]:
    # Not `spawn`, which counts: the same source has to give the same children each time.
    return [
        np.random.SeedSequence(source.entropy, spawn_key=(*source.spawn_key, purpose)) for purpose in range(3)
    ]
