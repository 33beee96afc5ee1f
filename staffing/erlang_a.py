"""Decides how a queue behaves whose customers hang up after an exponential patience (Erlang A, M/M/n+M).

With arrival rate l, service rate m, abandonment rate t, r = n m/t and h = l/t, every figure is the
probability that exactly all n agents are busy times an integral of exp(h(1 - e^-u) - (r + 1) u), u being the
offered wait in patiences (Zeltyn and Mandelbaum 2005, section 5). Those integrals are the sum M(1; r+2; .) of
`staffing.gamma_ratio` or, where a mean is wanted, a quadrature of positive terms. All exponents are taken
relative to the largest one, so nothing underflows and no digits are lost however long the patience.
The queue may be of any length; `staffing.waiting_room` has one of limited length.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from staffing.gamma_ratio import log_inverse_blocking, log_state_sum, peak
from staffing.performance import TOLERANCE, Targets
from staffing.search import fewest_agents

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_NEGLIGIBLE = 40.0  # exponents this far below the largest one add less than 1e-17 of the integral


@dataclass(frozen=True, slots=True)
class SteadyState:
    """An Erlang A queue in the long run; every field an array of one dimension.

    Attributes:
        load: Offered load in erlangs, above 0.
        agents: Agents taking work, at least 0.
        handle_s: Mean handle time.
        patience_s: Mean patience, finite.
        order: r, service rate of all agents in abandonments of one patience.
        mean: h, arrivals in one patience.
        log_peak: Logarithm of the probability that exactly all agents are busy and nobody waits, times the
            exponential of the largest exponent.
        log_sum: Logarithm of M(1; r+2; h), less that largest exponent.
    """

    load: Floats
    agents: Floats
    handle_s: Floats
    patience_s: Floats
    order: Floats
    mean: Floats
    log_peak: Floats
    log_sum: Floats


def steady_state(load: Floats, agents: Floats, handle_s: Floats, patience_s: Floats) -> SteadyState:
    """Return the queue in the long run. Arrays of one shape; a load may be 0."""
    order = agents * patience_s / handle_s
    positive = np.where(load > 0, load, 1.0)
    mean = positive * patience_s / handle_s
    sums = log_state_sum(order + 1, mean)
    log_fewer = log_inverse_blocking(positive, agents) - peak(order + 1, mean)
    log_peak = -np.logaddexp(log_fewer, np.log(mean / (order + 1)) + sums)
    return SteadyState(load, agents, handle_s, patience_s, order, mean, log_peak, sums)


def wait_probability(state: SteadyState) -> Floats:
    """Return the share of contacts that find all agents busy."""
    nobody_waits = np.exp(state.log_peak - peak(state.order + 1, state.mean))
    some_wait = state.mean / (state.order + 1) * np.exp(state.log_sum + state.log_peak)
    return np.asarray(np.minimum(nobody_waits + some_wait, 1.0))


def answered_after(state: SteadyState, wait_s: Floats) -> Floats:
    """Return the share of all contacts that are answered, but only after waiting longer than `wait_s`."""
    return state.order / (state.order + 1) * _weight_after(state, wait_s / state.patience_s)


def lost_after(state: SteadyState, wait_s: Floats) -> Floats:
    """Return the share of all contacts that hang up, but only after waiting longer than `wait_s`."""
    patiences = wait_s / state.patience_s
    now = np.exp(_drop(state, patiences) + state.log_peak)
    still = (state.mean * np.exp(-patiences) - state.order) / (state.order + 1)
    return np.asarray(np.maximum(now + still * _weight_after(state, patiences), 0.0))


def answer_wait_s(state: SteadyState) -> Floats:
    """Return the mean queue wait of answered contacts (ASA); infinite when there are no agents to answer."""
    return _answer_wait_s(state, _means(state))


def service_level(state: SteadyState, *, answer_within_s: Floats, short_abandon_s: Floats) -> Floats:
    """Return the share answered within `answer_within_s`, of all but those lost within `short_abandon_s`."""
    at_once = 1 - wait_probability(state)
    zero_s = np.zeros_like(answer_within_s)
    in_time = at_once + answered_after(state, zero_s) - answered_after(state, answer_within_s)
    if not short_abandon_s.any():
        return np.clip(in_time, 0.0, 1.0)
    counted = 1 - (lost_after(state, zero_s) - lost_after(state, short_abandon_s))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(counted > 0, np.clip(in_time / counted, 0.0, 1.0), 0.0)


def performance_rows(state: SteadyState, *, answer_within_s: Floats, short_abandon_s: Floats) -> Floats:
    """Return wait probability, service level, ASA in s, abandonment, occupancy and queue length, stacked."""
    busy, means = state.load > 0, _means(state)
    lost = _abandonment(state, means)
    level = service_level(state, answer_within_s=answer_within_s, short_abandon_s=short_abandon_s)
    waits, asa_s = wait_probability(state), _answer_wait_s(state, means)
    rows = [waits, level, asa_s, lost, _occupancy(state, lost), state.mean * lost]
    idle = [0.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    return np.stack([np.where(busy, row, value) for row, value in zip(rows, idle, strict=True)])


def required(load: Floats, targets: Targets, handle_s: Floats, patience_s: Floats) -> NDArray[np.int64]:
    """Return the fewest agents that keep the targets (but `min_agents`); loads are above 0.

    The answer is often below the load, as those who hang up need no agent.
    """
    limits = _broadcast_targets(targets, load.shape)

    def meets(where: NDArray[np.int64], agents: Floats) -> Bools:
        state = steady_state(load[where], agents, handle_s[where], patience_s[where])
        return _meets(state, {name: limit[where] for name, limit in limits.items()})

    spread = np.sqrt(load)
    return fewest_agents(meets, np.round(load + 0.25 * spread), np.ceil(0.5 * spread))


def _drop(state: SteadyState, patiences: Floats) -> Floats:
    """Return h(1 - e^-u) - (r + 1) u at u = `patiences`, less its largest value."""
    s, h = state.order + 1, state.mean
    past = patiences - np.log(np.maximum(h / s, 1.0))
    return -np.minimum(h, s) * np.expm1(-past) - s * past


def _weight_after(state: SteadyState, patiences: Floats) -> Floats:
    """Return (r + 1) times the integral of the offered wait's weight beyond `patiences`."""
    s, left = state.order + 1, state.mean * np.exp(-patiences)
    sums = log_state_sum(s, left) if patiences.any() else state.log_sum
    # Before the peak the sum's own peak and the weight at `patiences` make up exactly the largest exponent.
    level = np.where(left > s, 0.0, _drop(state, patiences))
    return np.asarray(np.exp(sums + level + state.log_peak))


def _means(state: SteadyState) -> tuple[Floats, Floats]:
    """Return the share that hangs up, and the mean over all contacts of the answered wait in s."""
    s, h = state.order + 1, state.mean
    top = np.log(np.maximum(h / s, 1.0))
    gap = 2 * np.maximum(s - h, 0.0) - _NEGLIGIBLE
    right = top + 4 * _NEGLIGIBLE / (gap + np.sqrt(gap * gap + 8 * _NEGLIGIBLE * s))
    left = np.maximum(top - np.sqrt(2 * _NEGLIGIBLE / s), 0.0)
    lost, waited = np.zeros_like(s), np.zeros_like(s)
    for begin, end in ((left, top), (top, right)):
        half = (end - begin) / 2
        for node, weight in zip(_NODES, _WEIGHTS, strict=True):
            u = begin + half * (1 + node)
            mass = weight * half * np.exp(_drop(state, u) + state.log_peak)
            lost -= (h * np.expm1(-u) - 1) * mass
            waited += u * mass
    return lost, waited * state.order * state.patience_s


def _abandonment(state: SteadyState, means: tuple[Floats, Floats]) -> Floats:
    return np.where(state.load > 0, np.minimum(means[0], 1.0), 0.0)


def _answer_wait_s(state: SteadyState, means: tuple[Floats, Floats]) -> Floats:
    lost, waited_s = means
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_s = np.where(state.agents > 0, waited_s / (1 - lost), np.inf)
    return np.where(state.load > 0, mean_s, 0.0)


def _broadcast_targets(targets: Targets, shape: tuple[int, ...]) -> dict[str, Floats]:
    values = {
        "service_level": targets.service_level,
        "asa_s": targets.asa_s,
        "abandonment": targets.abandonment,
        "max_occupancy": targets.max_occupancy,
        "answer_within_s": targets.answer_within_s,
        "short_abandon_s": targets.short_abandon_s,
    }
    return {
        name: np.array(np.broadcast_to(value, shape), dtype=np.float64)
        for name, value in values.items()
        if value is not None
    }


def _meets(state: SteadyState, limits: dict[str, Floats]) -> Bools:
    met = np.ones(state.load.shape, dtype=np.bool_)
    if "service_level" in limits:
        level = service_level(
            state, answer_within_s=limits["answer_within_s"], short_abandon_s=limits["short_abandon_s"]
        )
        met &= level >= limits["service_level"] - TOLERANCE
    if "asa_s" in limits:
        met &= answer_wait_s(state) <= limits["asa_s"] * (1 + TOLERANCE)
    if "abandonment" in limits or "max_occupancy" in limits:
        lost = lost_after(state, np.zeros_like(state.load))
        met &= lost <= limits.get("abandonment", np.inf) + TOLERANCE
        met &= _occupancy(state, lost) <= limits.get("max_occupancy", np.inf) + TOLERANCE
    return met


def _occupancy(state: SteadyState, lost: Floats) -> Floats:
    busy = state.load * (1 - lost) / np.maximum(state.agents, 1e-300)
    return np.where(state.agents > 0, np.minimum(busy, 1.0), 1.0)
