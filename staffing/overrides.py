"""Decides what a planner's corrections do to a forecast; kept apart, so that they survive the next run."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from staffing.forecast import Forecast
from staffing.training import Bools


@dataclass(frozen=True, slots=True)
class Override:
    """A planner's correction of the volume of a team in a range of time.

    Args:
        team: Name of the team.
        since_at: First instant, UTC epoch seconds; intervals that start then or later are meant.
        until_at: Instant before which an interval must start.
        factor: Multiplies the expected contacts; None when `value` is given.
        value: Contacts in each interval, in place of the expected ones; None when `factor` is given.
        handle_s: Mean handle time in seconds in place of the expected one; alone or with either of the two.
        reason: Why, in the planner's words.

    Raises:
        ValueError: When nothing is changed, both factor and value are given, one is negative, or the range is
            empty.
    """

    team: str
    since_at: float
    until_at: float
    factor: float | None = None
    value: float | None = None
    handle_s: float | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        if self.until_at <= self.since_at:
            raise ValueError("an override ends after it begins")
        if self.factor is not None and self.value is not None:
            raise ValueError("an override has a factor or a value, not both")
        given = [each for each in (self.factor, self.value, self.handle_s) if each is not None]
        if not given or min(given) < 0:
            raise ValueError("an override changes something, to nothing below zero")


def overridden(expected: Forecast, overrides: Iterable[Override]) -> Forecast:
    """Return a forecast with the overrides of its team applied in the order given.

    Factors multiply what stands there then; values replace it. `expected` itself is left as it is, so the
    same overrides can be applied to the next run.
    """
    volume, handle_s = expected.volume.copy(), expected.handle_s.copy()
    for each in overrides:
        if each.team != expected.team:
            continue
        rows = _rows(expected, each)
        if each.factor is not None:
            volume[rows] *= each.factor
        if each.value is not None:
            volume[rows] = each.value
        if each.handle_s is not None:
            handle_s[rows] = each.handle_s
    return replace(expected, volume=volume, handle_s=handle_s)


def is_overridden(expected: Forecast, overrides: Iterable[Override]) -> Bools:
    """Return which intervals of a forecast a planner's override touches, shape (n,)."""
    touched = np.zeros(len(expected.starts), dtype=bool)
    for each in overrides:
        if each.team == expected.team:
            touched |= _rows(expected, each)
    return touched


def _rows(expected: Forecast, each: Override) -> Bools:
    return np.asarray((expected.starts >= each.since_at) & (expected.starts < each.until_at))
