"""Decides how long simulated contacts take and how long customers wait: laws of times, drawn in one go."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from staffing.patience import SurvivalCurve

Floats = NDArray[np.float64]
Shape = int | tuple[int, ...]


class Duration(Protocol):
    """A law of times. Equal generators give times that grow with the mean, draw by draw."""

    @property
    def mean_s(self) -> float:
        """Mean in seconds; infinity where the time may be endless."""

    def draw(self, rng: np.random.Generator, shape: Shape) -> Floats:
        """Return times in seconds of the given shape."""


@dataclass(frozen=True, slots=True)
class Exponential:
    """Exponential times; a mean of infinity means that all are endless.

    Raises:
        ValueError: When the mean is not above 0.
    """

    mean_s: float

    def __post_init__(self) -> None:
        _check(self.mean_s > 0, "a mean is above 0 s")

    def draw(self, rng: np.random.Generator, shape: Shape) -> Floats:
        """Return times in seconds of the given shape."""
        return np.asarray(rng.standard_exponential(shape) * self.mean_s)


@dataclass(frozen=True, slots=True)
class Lognormal:
    """Lognormal times, what handle times mostly are.

    Args:
        mean_s: Mean.
        scv: Variance over the mean squared, above 0; 1 is as spread as the exponential.

    Raises:
        ValueError: When a number is outside its range.
    """

    mean_s: float
    scv: float

    def __post_init__(self) -> None:
        _check(0 < self.mean_s < math.inf, "a mean is above 0 s and finite")
        _check(self.scv > 0, "a squared coefficient of variation is above 0")

    def draw(self, rng: np.random.Generator, shape: Shape) -> Floats:
        """Return times in seconds of the given shape."""
        variance = math.log1p(self.scv)
        noise = rng.standard_normal(shape) * math.sqrt(variance) - variance / 2
        return np.asarray(self.mean_s * np.exp(noise))


@dataclass(frozen=True, slots=True)
class Erlang:
    """Times of several exponential phases: 2 for the E2 of queueing, many for times that hardly vary.

    Raises:
        ValueError: When the mean is not above 0 or there is no phase.
    """

    mean_s: float
    phases: int = 2

    def __post_init__(self) -> None:
        _check(0 < self.mean_s < math.inf, "a mean is above 0 s and finite")
        _check(self.phases >= 1, "a time has at least 1 phase")

    def draw(self, rng: np.random.Generator, shape: Shape) -> Floats:
        """Return times in seconds of the given shape."""
        return np.asarray(rng.standard_gamma(self.phases, shape) * (self.mean_s / self.phases))


@dataclass(frozen=True, slots=True)
class Fixed:
    """The same time for all; infinity for customers who never hang up.

    Raises:
        ValueError: When the time is negative.
    """

    mean_s: float

    def __post_init__(self) -> None:
        if not self.mean_s >= 0:
            raise ValueError("a time is at least 0 s")

    def draw(self, rng: np.random.Generator, shape: Shape) -> Floats:
        """Return times in seconds of the given shape."""
        return np.full(shape, self.mean_s)


ENDLESS = Fixed(math.inf)
"""Patience of customers who never hang up."""


@dataclass(frozen=True, slots=True)
class Empirical:
    """Times as they were seen: steps of a survival curve.

    Args:
        times_s: Ascending times at which the curve falls.
        beyond: Share of times longer than each of them, falling.
        tail_s: Mean of what is added to the last time where the curve has not come down to 0; infinity for
            times without end.

    Raises:
        ValueError: When there is no time, or times or shares are out of order.
    """

    times_s: tuple[float, ...]
    beyond: tuple[float, ...]
    tail_s: float = math.inf

    def __post_init__(self) -> None:
        _check(len(self.times_s) == len(self.beyond) > 0, "each time has its share, and there is one")
        steps = np.diff(self.times_s, prepend=0.0), np.diff(self.beyond, prepend=1.0)
        _check(bool(np.all(steps[0] >= 0) and np.all(steps[1] <= 0)), "times ascend and shares fall")
        _check(self.beyond[-1] >= 0, "a share is at least 0")

    @property
    def mean_s(self) -> float:
        """Mean in seconds; infinity where the time may be endless."""
        area = float(np.diff(self.times_s, prepend=0.0) @ np.array([1.0, *self.beyond[:-1]]))
        return area + (self.beyond[-1] * self.tail_s if self.beyond[-1] > 0 else 0.0)

    def draw(self, rng: np.random.Generator, shape: Shape) -> Floats:
        """Return times in seconds of the given shape."""
        rank = rng.random(shape)
        tail = rng.standard_exponential(shape)
        reached = np.searchsorted(1 - np.array(self.beyond), rank, side="right")
        times = np.append(self.times_s, self.times_s[-1])[reached]
        return np.where(reached == len(self.times_s), times + tail * self.tail_s, times)


@dataclass(frozen=True, slots=True)
class Scaled:
    """Times of another law, all longer or shorter by the same factor."""

    law: Duration
    factor: float

    @property
    def mean_s(self) -> float:
        """Mean in seconds."""
        return self.law.mean_s * self.factor

    def draw(self, rng: np.random.Generator, shape: Shape) -> Floats:
        """Return times in seconds of the given shape."""
        return np.asarray(self.law.draw(rng, shape) * self.factor)


def with_mean(law: Duration | None, mean_s: float) -> Duration:
    """Return a law stretched to a mean; exponential where there is none, endless for a mean of infinity."""
    if math.isinf(mean_s):
        return ENDLESS
    return Exponential(mean_s) if law is None else Scaled(law, mean_s / law.mean_s)


def patience_of(curve: SurvivalCurve) -> Empirical:
    """Return patience that follows a Kaplan-Meier curve (`staffing.patience.survival_curve`).

    Beyond the longest wait at which somebody hung up the hazard is held at its mean before.

    Raises:
        ValueError: When nobody hung up.
    """
    _check(len(curve.times_s) > 0, "a curve of patience needs somebody who hung up")
    hazard = float((curve.hung_up / curve.at_risk).sum() / curve.times_s[-1])
    return Empirical(tuple(curve.times_s.tolist()), tuple(curve.still_patient.tolist()), 1 / hazard)


def _check(right: bool, wrong: str) -> None:
    if not right:
        raise ValueError(wrong)
