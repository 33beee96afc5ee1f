"""How far waits lie from what was foretold: the interval around a prediction, by what is ahead in the queue.

A wait that ends when the m-th agent comes free scatters by the more, relative to its length, the smaller m
is: where talks are exponential it is a gamma variable of shape m, and the variance of its logarithm is the
trigamma function of m. So relative errors are kept in units of that scatter (normalised conformal prediction,
Papadopoulos, Gammerman and Vovk 2008): an error seen behind twenty others says what one behind two will be.

The interval is the shortest one that holds its share of the errors, as waits have a long tail to one side.
Its share is corrected after each hit and miss (adaptive conformal inference, Gibbs and Candès 2021), so that
coverage holds while things change.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, exp, log, sqrt
from typing import Final

COVERAGE: Final = 0.8
"""The share of waits that an interval is meant to hold."""
FEWEST: Final = 10
"""So many errors must be known before they make the interval alone."""

_ADAPT: Final = 0.005
_SOFTEN_S: Final = 5.0
_MODEL: Final = 0.05
"""Variance of the logarithm that remains however many are ahead: handle times and staff change meanwhile."""


def error(predicted_s: float, wait_s: float, turns: float) -> float:
    """Return the relative error of a prediction, in units of the scatter of waiting for `turns` agents."""
    return log((wait_s + _SOFTEN_S) / (predicted_s + _SOFTEN_S)) / _scatter(turns)


def interval(
    errors: Sequence[float], level: float, *, wait_s: float, turns: float, longest_s: float
) -> tuple[float, float]:
    """Return the shortest interval (s) around `wait_s` that holds a share `level` of `errors`.

    Where there are fewer than ten of them those of exponential waits are taken besides. Nothing is beyond
    `longest_s`.
    """
    ordered = sorted(errors if len(errors) >= FEWEST else [*errors, *_EXPECTED])
    count, scatter = len(ordered), _scatter(turns)
    held = min(ceil(level * (count + 1)), count)
    soft_s = wait_s + _SOFTEN_S
    spare = count - held + 1
    lows = [max(soft_s * exp(scatter * each) - _SOFTEN_S, 0.0) for each in ordered[:spare]]
    highs = [max(soft_s * exp(scatter * each) - _SOFTEN_S, 0.0) for each in ordered[held - 1 :]]
    _, low_s, high_s = min((high - low, low, high) for low, high in zip(lows, highs, strict=True))
    return min(low_s, longest_s), min(high_s, longest_s)


def corrected(level: float, *, held: bool) -> float:
    """Return the share to aim at after an interval did or did not hold its wait."""
    return min(max(level + _ADAPT * (COVERAGE - held), 0.5), 0.99)


def _scatter(turns: float) -> float:
    """Return the standard deviation of the logarithm of a wait behind `turns` (1 or more) agents."""
    share = 1.0 / max(turns, 1.0)
    return sqrt(_MODEL + share + share * share / 2 + share * share * share / 6)


_POINTS: Final = 19
_UNSURE: Final = 1.5
"""Errors are taken to be this much larger while nothing is known of handle times either."""
_EXPECTED: Final = tuple(
    _UNSURE * log(-log(1.0 - (each + 0.5) / _POINTS)) / _scatter(1.0) for each in range(_POINTS)
)
"""Errors of exponential waits, at the middles of equally likely parts."""
