"""Decides what to staff when the rate itself is not known: gamma-distributed around the forecast.

Real counts vary far more than Poisson counts of a known rate. The expected service level of agents that fit
the mean is then well below the target, as busy days cost more than quiet days gain.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaincinv

from staffing.erlang import performance, required_agents
from staffing.performance import Performance, Targets, select, unmet
from staffing.search import fewest_agents

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)


@dataclass(frozen=True, slots=True, kw_only=True)
class UncertainLoad:
    """A load whose rate is gamma-distributed; arrays of one dimension, one value per interval.

    Attributes:
        mean_erlangs: Load at the mean rate.
        variation: Coefficient of variation of the rate; 0 where it is known.
        handle_time_s: Mean handle time.
        patience_s: Mean patience; infinity when nobody hangs up.
        interval_s: Length of the interval: a queue that would grow without end grows only for so long.
    """

    mean_erlangs: Floats
    variation: Floats
    handle_time_s: Floats
    patience_s: Floats
    interval_s: float = 1800.0


def uncertain_load(
    mean_erlangs: ArrayLike,
    variation: ArrayLike,
    *,
    handle_time_s: ArrayLike,
    patience_s: ArrayLike = np.inf,
    interval_s: float = 1800.0,
) -> UncertainLoad:
    """Return the load with all arguments broadcast to one dimension.

    Raises:
        ValueError: When a variation is negative.
    """
    arrays = np.broadcast_arrays(
        *(
            np.atleast_1d(np.asarray(values, dtype=np.float64))
            for values in (mean_erlangs, variation, handle_time_s, patience_s)
        )
    )
    load, spread, handle_s, patient_s = (np.array(array) for array in arrays)
    if not np.all(spread >= 0):
        raise ValueError("a coefficient of variation is at least 0")
    return UncertainLoad(
        mean_erlangs=load,
        variation=spread,
        handle_time_s=handle_s,
        patience_s=patient_s,
        interval_s=interval_s,
    )


def expected_performance(load: UncertainLoad, agents: ArrayLike, targets: Targets) -> Performance:
    """Return what the average contact and agent experience over the rates that may come.

    Shares and waits are weighted by contacts (a busy day has more of them), occupancy and queue by time.
    Where nobody hangs up and the rate exceeds the agents, the wait is that of the queue growing over one
    interval.

    Args:
        load: The load.
        agents: Agents in each interval.
        targets: Supplies the times of the service level; numbers, or one value per interval.
    """
    if not load.variation.any():
        factors, chances = np.ones((1, 1)), np.ones((1, 1))
    else:
        factors, chances = _rate_factors(load.variation)
    staff = np.broadcast_to(np.asarray(agents, dtype=np.float64), load.mean_erlangs.shape)
    loads = load.mean_erlangs * factors
    each = performance(
        loads,
        staff,
        handle_time_s=load.handle_time_s,
        patience_s=load.patience_s,
        answer_within_s=targets.answer_within_s,
        short_abandon_s=targets.short_abandon_s,
    )
    contacts = chances * factors
    answered = contacts * (1 - each.abandonment)
    waits_s = np.where(np.isinf(each.asa_s), _growing_wait_s(load, loads, staff), each.asa_s)
    queue = np.where(np.isinf(each.queue_length), waits_s * loads / load.handle_time_s, each.queue_length)
    with np.errstate(invalid="ignore", divide="ignore"):
        asa_s = (answered * waits_s).sum(axis=0) / answered.sum(axis=0)
    return Performance(
        agents=np.array(staff),
        wait_probability=(contacts * each.wait_probability).sum(axis=0),
        service_level=(contacts * each.service_level).sum(axis=0),
        asa_s=np.where(np.isnan(asa_s), np.inf, asa_s),
        abandonment=(contacts * each.abandonment).sum(axis=0),
        occupancy=(chances * each.occupancy).sum(axis=0),
        queue_length=(chances * queue).sum(axis=0),
    )


def required_for_uncertain(load: UncertainLoad, targets: Targets) -> Integers:
    """Return the fewest agents that keep the targets in expectation over the rates that may come.

    Where the rate is known that is `required_agents`; elsewhere at least as many as the mean rate alone
    needs to be stable.
    """
    needed = required_agents(
        load.mean_erlangs, targets, handle_time_s=load.handle_time_s, patience_s=load.patience_s
    )
    unsure = np.flatnonzero((load.variation > 0) & (load.mean_erlangs > 0))
    if len(unsure) == 0:
        return needed
    some = _part(load, unsure)
    chosen = select(targets, load.mean_erlangs.shape, unsure)
    least = np.where(np.isinf(some.patience_s), np.floor(some.mean_erlangs) + 1, 0.0)

    def meets(where: Integers, agents: Floats) -> Bools:
        limits = select(chosen, some.mean_erlangs.shape, where)
        breaks = unmet(expected_performance(_part(some, where), agents, limits), limits)
        return np.asarray(~np.any(list(breaks.values()), axis=0) & (agents >= least[where]))

    guess = needed[unsure] + np.round(0.5 * some.variation * some.mean_erlangs)
    stride = np.ceil(0.25 * some.variation * some.mean_erlangs + 0.5)
    needed[unsure] = fewest_agents(meets, guess, stride)
    return needed


def _rate_factors(variation: Floats) -> tuple[Floats, Floats]:
    """Return rates as shares of the mean and their chances, both (nodes, intervals), by Gauss' rule.

    The factors are scaled to a mean of exactly 1, so that no contacts are lost to the rule.
    """
    chances = np.repeat(_WEIGHTS[:, None] / 2, len(variation), axis=1)
    kinds, which = np.unique(variation, return_inverse=True)
    factors = np.ones((len(_NODES), len(kinds)))
    sure = kinds < 1e-6
    shapes = 1 / kinds[~sure] ** 2
    factors[:, ~sure] = gammaincinv(shapes, (1 + _NODES[:, None]) / 2) / shapes
    factors /= (_WEIGHTS / 2) @ factors
    return factors[:, which], chances


def _growing_wait_s(load: UncertainLoad, loads: Floats, staff: Floats) -> Floats:
    """Return the mean wait over an interval of a queue that grows through it, from empty."""
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = np.where(staff > 0, loads / staff - 1, np.inf)
    return np.asarray(
        np.maximum(growth, 0.0) * load.interval_s / 2 + load.handle_time_s / np.maximum(staff, 1)
    )


def _part(load: UncertainLoad, where: Integers) -> UncertainLoad:
    return UncertainLoad(
        mean_erlangs=load.mean_erlangs[where],
        variation=load.variation[where],
        handle_time_s=load.handle_time_s[where],
        patience_s=load.patience_s[where],
        interval_s=load.interval_s,
    )
