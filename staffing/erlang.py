"""Decides how many agents a load needs: Erlang B, C and A, exact, for many intervals at once.

Loads are in erlangs: arrivals per second times mean handle time in seconds. A patience of infinity means that
nobody hangs up (Erlang C); any finite patience is Erlang A (`staffing.erlang_a`). Arguments broadcast against
each other like numpy's; answers have the broadcast shape.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from staffing import erlang_a
from staffing.gamma_ratio import log_inverse_blocking
from staffing.performance import TOLERANCE, Performance, Targets, select

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_WINDOW_SPREADS = 9.0  # a wrong start of the recursion is forgotten by exp(-81/2) after this many sqrt(load)


def blocking_probability(load_erlangs: ArrayLike, agents: ArrayLike) -> Floats:
    """Return the chance that an arrival finds all lines busy when none may wait (Erlang B).

    Args:
        load_erlangs: Offered load, at least 0.
        agents: Lines or agents, at least 0; need not be whole.
    """
    load, lines = _broadcast(load_erlangs, agents)
    blocked = np.zeros(load.shape)
    some = load > 0
    blocked[some] = np.exp(-log_inverse_blocking(load[some], lines[some]))
    return blocked


def wait_probability(load_erlangs: ArrayLike, agents: ArrayLike) -> Floats:
    """Return the chance that an arrival has to wait when nobody hangs up (Erlang C) (1 if overloaded).

    Args:
        load_erlangs: Offered load, at least 0.
        agents: Agents taking work, after shrinkage.
    """
    load, staff = _broadcast(load_erlangs, agents)
    waits = np.where(load > 0, 1.0, 0.0)
    stable = (load > 0) & (load < staff)
    a, n = load[stable], staff[stable]
    with np.errstate(over="ignore"):
        others = np.expm1(log_inverse_blocking(a, n))
        waits[stable] = n / (n + (n - a) * others)
    return waits


def performance(
    load_erlangs: ArrayLike,
    agents: ArrayLike,
    *,
    handle_time_s: ArrayLike,
    patience_s: ArrayLike = np.inf,
    answer_within_s: ArrayLike = 20.0,
    short_abandon_s: ArrayLike = 0.0,
) -> Performance:
    """Return what customers and agents experience with this load and these agents (Erlang C or A).

    Args:
        load_erlangs: Offered load, at least 0.
        agents: Agents taking work, after shrinkage; need not be whole.
        handle_time_s: Mean talk, hold and wrap-up time.
        patience_s: Mean time after which a waiting customer hangs up; infinity for never.
        answer_within_s: The T of the service level.
        short_abandon_s: Abandons up to this wait are left out of the service level's denominator.
    """
    load, staff, handle_s, patient_s, within_s, short_s = _broadcast(
        load_erlangs, agents, handle_time_s, patience_s, answer_within_s, short_abandon_s
    )
    _check_inputs(load, handle_s, patient_s)
    patient = np.isinf(patient_s)
    rows = np.empty((6, *load.shape))
    rows[:, patient] = _erlang_c_rows(load[patient], staff[patient], handle_s[patient], within_s[patient])
    some = ~patient
    rows[:, some] = erlang_a.performance_rows(
        erlang_a.steady_state(load[some], staff[some], handle_s[some], patient_s[some]),
        answer_within_s=within_s[some],
        short_abandon_s=short_s[some],
    )
    waits, level, asa_s, abandons, occupied, queue = rows
    return Performance(
        agents=staff,
        wait_probability=waits,
        service_level=level,
        asa_s=asa_s,
        abandonment=abandons,
        occupancy=occupied,
        queue_length=queue,
    )


def required_agents(
    load_erlangs: ArrayLike, targets: Targets, *, handle_time_s: ArrayLike, patience_s: ArrayLike = np.inf
) -> Integers:
    """Return the fewest agents that keep all targets in each interval.

    With infinite patience that is always more than the load, whatever the targets, as the queue would grow
    without end; with finite patience it may be below the load. No load needs only `targets.min_agents`.

    Args:
        load_erlangs: Offered load, at least 0.
        targets: What has to hold; numbers or arrays that broadcast with the load.
        handle_time_s: Mean handle time.
        patience_s: Mean patience; infinity for customers who never hang up.
    """
    load, handle_s, patient_s, least = _broadcast(load_erlangs, handle_time_s, patience_s, targets.min_agents)
    _check_inputs(load, handle_s, patient_s)
    agents = np.zeros(load.shape, dtype=np.int64)
    patient = np.isinf(patient_s) & (load > 0)
    if patient.any():
        chosen = select(targets, load.shape, patient)
        agents[patient] = _required_c(load[patient], chosen, handle_s[patient])
    hasty = np.isfinite(patient_s) & (load > 0)
    if hasty.any():
        chosen = select(targets, load.shape, hasty)
        agents[hasty] = erlang_a.required(load[hasty], chosen, handle_s[hasty], patient_s[hasty])
    needed: Integers = np.maximum(agents, np.ceil(least).astype(np.int64))
    return needed


def _erlang_c_rows(load: Floats, staff: Floats, handle_s: Floats, within_s: Floats) -> Floats:
    waits = wait_probability(load, staff)
    stable = load < staff
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_s = np.where(stable, waits * handle_s / (staff - load), np.inf)
        late = np.where(stable, waits * np.exp(-np.where(stable, staff - load, 0) * within_s / handle_s), 1.0)
        occupied = np.where(stable, load / staff, 1.0)
    empty = load == 0
    mean_s[empty], late[empty], occupied[empty] = 0.0, 0.0, 0.0
    queue = load / handle_s * np.where(empty, 0.0, mean_s)
    return np.stack([waits, 1 - late, mean_s, np.zeros(load.shape), occupied, queue])


def _required_c(load: Floats, targets: Targets, handle_s: Floats) -> Integers:
    """Return the fewest agents by stepping the loss recursion upwards, all intervals together.

    1/B(n) = 1 + (n/a)/B(n-1) forgets its start as fast as exp(-d^2/2a) over the d steps below the load, so
    it is started sqrt(load) x 9 below it and is exact from there on.
    """
    first = np.floor(load) + 1
    least: Floats = first.copy()
    if targets.max_occupancy is not None:
        least = np.maximum(first, np.ceil(load / targets.max_occupancy - TOLERANCE * load))
    if targets.service_level is None and targets.asa_s is None:
        return least.astype(np.int64)
    inverse = _inverse_blocking_at(first, load)
    found = _step_until_met(first, load, inverse, handle_s=handle_s, targets=targets)
    needed: Integers = np.maximum(found, least).astype(np.int64)
    return needed


def _inverse_blocking_at(agents: Floats, load: Floats) -> Floats:
    start = np.maximum(0.0, np.floor(load - _WINDOW_SPREADS * np.sqrt(load)))
    inverse = np.where(start > 0, load / (load - start), 1.0)
    steps = agents - start
    order = np.argsort(-steps)
    load, start, steps, inverse = load[order], start[order], steps[order], inverse[order]
    active = np.searchsorted(-steps, -np.arange(1, int(steps[0]) + 1), side="right")
    for step, count in enumerate(active, start=1):
        head = slice(0, count)
        inverse[head] = 1 + (start[head] + step) / load[head] * inverse[head]
    unsorted = np.empty_like(inverse)
    unsorted[order] = inverse
    return unsorted


def _step_until_met(
    agents: Floats, load: Floats, inverse: Floats, *, handle_s: Floats, targets: Targets
) -> Floats:
    found = np.zeros(load.shape)
    left = np.arange(len(load))
    level = np.broadcast_to(-np.inf if targets.service_level is None else targets.service_level, load.shape)
    limit_s = np.broadcast_to(np.inf if targets.asa_s is None else targets.asa_s, load.shape)
    decay = np.broadcast_to(targets.answer_within_s, load.shape) / handle_s
    shares = np.stack([agents, load, inverse, handle_s, level - TOLERANCE, limit_s * (1 + TOLERANCE), decay])
    with np.errstate(over="ignore"):
        while len(left):
            n, a, inv, handle, wanted, longest_s, rate = shares
            spare = n - a
            waits = n / (n + spare * (inv - 1))
            met = (1 - waits * np.exp(-spare * rate) >= wanted) & (waits * handle <= longest_s * spare)
            if met.any():
                found[left[met]] = n[met]
                left, shares = left[~met], shares[:, ~met]
            shares[0] += 1
            shares[2] = 1 + shares[0] / shares[1] * shares[2]
    return found


def _broadcast(*values: ArrayLike) -> list[Floats]:
    arrays = np.broadcast_arrays(*(np.asarray(value, dtype=np.float64) for value in values))
    return [np.array(array) for array in arrays]


def _check_inputs(load: Floats, handle_s: Floats, patience_s: Floats) -> None:
    if not (np.all(load >= 0) and np.all(np.isfinite(load))):
        raise ValueError("a load is a finite number of erlangs, at least 0")
    if not np.all(handle_s > 0):
        raise ValueError("a handle time is above 0 s")
    if not np.all(patience_s > 0):
        raise ValueError("a patience is above 0 s; infinity when nobody hangs up")
