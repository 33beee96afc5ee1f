"""Decides how sure a simulated figure is: ratios over replications with Student's t bounds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """Figures with their bounds; arrays of one shape, nan where nothing was seen.

    Attributes:
        value: The figure.
        half_width: Half the width of its confidence interval; nan with a single replication.
    """

    value: Floats
    half_width: Floats

    @property
    def low(self) -> Floats:
        """Lower bound."""
        return np.asarray(self.value - self.half_width)

    @property
    def high(self) -> Floats:
        """Upper bound."""
        return np.asarray(self.value + self.half_width)


@dataclass(frozen=True, slots=True)
class Ratio:
    """A figure as something counted over something else, such as answered in time over offered.

    Args:
        above: What is counted, one row per replication.
        below: What it is a share of, same shape.
    """

    above: Floats
    below: Floats

    def summed(self, *, axis: int = -1) -> "Ratio":
        """Return the figure of all intervals (or whatever the axis holds) together."""
        return Ratio(self.above.sum(axis=axis), self.below.sum(axis=axis))


def estimate(ratio: Ratio, *, confidence: float = 0.95) -> Estimate:
    """Return the ratio of sums over the replications, with bounds.

    The share of all contacts, not the mean of the replications' shares, which would weigh a quiet day's
    contacts more. Bounds by the linearised ratio (Law 2015, section 9.5).
    """
    value, influence = _linear(ratio)
    return Estimate(value, _half_width(influence, confidence))


def difference(changed: Ratio, base: Ratio, *, confidence: float = 0.95) -> Estimate:
    """Return how much larger the changed figure is, from replications with the same random numbers.

    Row n of both comes from the same seeds: the pairs' differences are bounded, not each side.

    Raises:
        ValueError: When the numbers of replications differ.
    """
    if len(changed.above) != len(base.above):
        raise ValueError("pairs need as many replications on both sides")
    (new, new_influence), (old, old_influence) = _linear(changed), _linear(base)
    return Estimate(np.asarray(new - old), _half_width(new_influence - old_influence, confidence))


def mean_estimate(values: Floats | Sequence[float], *, confidence: float = 0.95) -> Estimate:
    """Return the mean over the rows, one per replication, with bounds."""
    rows = np.asarray(values, dtype=np.float64)
    return estimate(Ratio(rows, np.ones_like(rows)), confidence=confidence)


def _linear(ratio: Ratio) -> tuple[Floats, Floats]:
    """Return the ratio and what each replication adds to it, to first order."""
    below = ratio.below.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(below > 0, ratio.above.mean(axis=0) / below, np.nan)
        influence = (ratio.above - value * ratio.below) / below
    return value, influence


def _half_width(influence: Floats, confidence: float) -> Floats:
    count = len(influence)
    if count < 2:
        return np.full(influence.shape[1:], np.nan)
    quantile = float(stdtrit(count - 1, (1 + confidence) / 2))
    return np.asarray(quantile * influence.std(axis=0, ddof=1) / math.sqrt(count))
