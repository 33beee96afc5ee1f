"""Decides the load that agents feel when the rate of arrivals moves: it comes later and is flatter.

The average rate of an interval is wrong where handling is long against it or the rate moves (Green, Kolesar
and Soares 2001). The number busy if nobody ever waited, m' = rate - m / handle time, is the load to staff for
(modified offered load, Jennings, Mandelbaum, Massey and Whitt 1996).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class MovingLoad:
    """The load in each interval, in erlangs; arrays of one value per interval.

    Attributes:
        at_start: When the interval begins, those waiting at the door included.
        at_end: When it ends.
        peak: The most in it: the one of the two that is larger, as the load moves one way within an interval.
        mean: Its mean.
    """

    at_start: Floats
    at_end: Floats
    peak: Floats
    mean: Floats


def moving_load(
    starts: ArrayLike,
    rate_per_s: ArrayLike,
    *,
    handle_time_s: ArrayLike,
    step_s: float,
    waiting_at_start: ArrayLike = 0.0,
    load_before: float = 0.0,
) -> MovingLoad:
    """Return the load through the intervals, the rate being level within each.

    Between intervals that do not join (closed hours) nobody arrives and the load dies away.

    Args:
        starts: Ascending interval starts in UTC epoch seconds.
        rate_per_s: Arrivals per second in each interval.
        handle_time_s: Mean handle time in each interval.
        step_s: Length of an interval.
        waiting_at_start: Contacts that wait at the door when an interval begins (at opening): each needs an
            agent at once.
        load_before: Load just before the first interval.

    Raises:
        ValueError: When the starts overlap.
    """
    begin, rate, handle_s, door = np.broadcast_arrays(
        *(
            np.asarray(values, dtype=np.float64)
            for values in (starts, rate_per_s, handle_time_s, waiting_at_start)
        )
    )
    gaps_s = np.diff(begin, prepend=begin[:1] - step_s) - step_s
    if np.any(gaps_s < 0):
        raise ValueError("intervals have to be ascending and must not overlap")
    level = rate * handle_s
    kept = np.exp(-step_s / handle_s)
    kept_in_gap = np.exp(-gaps_s / handle_s)
    at_start, at_end = np.empty_like(level), np.empty_like(level)
    load = load_before
    for index, target in enumerate(level.tolist()):
        load = load * kept_in_gap[index] + door[index]
        at_start[index] = load
        load = target + (load - target) * kept[index]
        at_end[index] = load
    mean = level + (at_start - at_end) * handle_s / step_s
    return MovingLoad(at_start=at_start, at_end=at_end, peak=np.maximum(at_start, at_end), mean=mean)


def door_queue(rate_per_s: float, *, patience_s: float, early_s: float) -> float:
    """Return how many wait at the door when it opens, if contacts may queue before the opening hour.

    Args:
        rate_per_s: Arrivals per second before the opening.
        patience_s: Mean patience; infinity when nobody leaves.
        early_s: How long before the opening the queue accepts contacts.
    """
    if math.isinf(patience_s):
        return rate_per_s * early_s
    return rate_per_s * patience_s * -math.expm1(-early_s / patience_s)


def door_queues(
    volume: Floats, opened: NDArray[np.bool_], *, step_s: float, patience_s: float, early_s: float
) -> Floats:
    """Return how many who came while it was closed still wait when an interval begins.

    0 but where an open interval follows a closed one.

    Args:
        volume: Contacts expected in each interval, closed ones included.
        opened: Whether the interval is open.
        step_s: Length of an interval.
        patience_s: Mean patience; infinity when nobody leaves.
        early_s: How long before the opening the queue accepts contacts.
    """
    found = np.zeros(len(volume))
    for opening in (np.flatnonzero(opened[1:] & ~opened[:-1]) + 1).tolist():
        since_s, closed = 0.0, opening - 1
        while closed >= 0 and not opened[closed] and since_s < early_s:
            until_s = min(since_s + step_s, early_s)
            rate_per_s = float(volume[closed]) / step_s
            found[opening] += door_queue(rate_per_s, patience_s=patience_s, early_s=until_s)
            found[opening] -= door_queue(rate_per_s, patience_s=patience_s, early_s=since_s)
            since_s, closed = until_s, closed - 1
    return found
