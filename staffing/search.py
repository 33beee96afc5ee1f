"""Decides the fewest agents for many intervals at once, given a test that more agents only make easier."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]


def fewest_agents(meets: Callable[[Integers, Floats], Bools], guess: Floats, step: Floats) -> Integers:
    """Return for each interval the smallest whole number, at least 0, that passes `meets`.

    Each answer is bracketed by steps that double, and then halved.

    Args:
        meets: Given the positions of some intervals and a trial number for each, tells which pass. Has to
            pass for every large enough number, and never fail above one that passes.
        guess: First trial for each interval, whole, at least 0.
        step: First step from it, whole, at least 1.
    """
    fails, keeps = np.full(guess.shape, -1.0), np.full(guess.shape, np.inf)
    trial, stride = guess.copy(), step.copy()
    left = np.arange(len(guess))
    while len(left):
        met = meets(left, trial[left])
        keeps[left[met]] = trial[left[met]]
        fails[left[~met]] = trial[left[~met]]
        left = left[keeps[left] - fails[left] > 1]
        trial[left] = _next_trial(fails[left], keeps[left], stride[left])
        stride[left] *= 2
    return keeps.astype(np.int64)


def _next_trial(fails: Floats, keeps: Floats, stride: Floats) -> Floats:
    upwards = fails + stride
    downwards = np.maximum(keeps - stride, 0.0)
    between = np.floor((fails + keeps) / 2)
    return np.where(np.isinf(keeps), upwards, np.where(fails < 0, downwards, between))
