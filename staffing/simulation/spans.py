"""Decides how much of each interval stretches of time fill: unions, and seconds per interval."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def union(owner: Integers, since: Floats, until: Floats) -> tuple[Integers, Floats, Floats]:
    """Return each owner's stretches with those that overlap or touch made one: owner, since, until."""
    if not len(since):
        return owner, since, until
    # Owners are laid one after the other on one line, so that a single pass serves them all.
    origin = float(since.min())
    apart = float(until.max()) - origin + 1.0
    begins, ends = since - origin + owner * apart, until - origin + owner * apart
    order = np.argsort(begins, kind="stable")
    begins, reach = begins[order], np.maximum.accumulate(ends[order])
    first = np.flatnonzero(np.concatenate([[True], begins[1:] > reach[:-1]]))
    owners = owner[order][first]
    shift = origin - owners * apart
    return owners, begins[first] + shift, reach[np.append(first[1:], len(reach)) - 1] + shift


def filled_s(
    since: Floats, until: Floats, starts: Integers, *, step_s: float, weight: Floats | None = None
) -> Floats:
    """Return how many seconds of each interval the stretches fill, each counted with its weight.

    Args:
        since: Begin of each stretch.
        until: End of each, not before its begin.
        starts: Interval starts, any order.
        step_s: Length of an interval.
        weight: Weight of each stretch; None for 1.
    """
    origin = float(starts[0])
    weights = np.ones(len(since)) if weight is None else weight
    edges = np.stack([starts - origin, starts - origin + step_s])
    passed = _passed(since - origin, weights, edges) - _passed(until - origin, weights, edges)
    return np.asarray(passed[1] - passed[0])


def _passed(at: Floats, weight: Floats, edges: Floats) -> Floats:
    """Return the weighted seconds that have passed since each instant, up to each edge, in all."""
    order = np.argsort(at)
    counts = np.concatenate([[0.0], np.cumsum(weight[order])])
    sums = np.concatenate([[0.0], np.cumsum((weight * at)[order])])
    before = np.searchsorted(at[order], edges)
    return np.asarray(counts[before] * edges - sums[before])
