"""Decides what no shift design can cost less than: each day by itself, with its share of the kinds' prices.

A kind of shift is in use on all days at the price of one. Each day is given a share of that price and chooses
its own kinds for its own slots, at most as many as are allowed: all that together never costs more than the
best design (a Lagrangean relaxation of "a kind used on a day is in use"; Geoffrion 1974). The shares follow
the days' answers (subgradient steps of Polyak 1969), and each step gives a bound.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from staffing.design_model import DesignPrices, add_counts, add_kinds, add_misses, new_plan
from staffing.rostering.linear import Floats, Matrix, matrix
from staffing.rostering.solvers import branch
from staffing.rostering.timeline import Timeline
from staffing.shifts import ShiftKind

_STALLED = 5
"""Steps without a better bound after which they become half as long."""
_SHORTEST = 0.02
_LEAST_S = 0.05


@dataclass(slots=True)
class _Day:
    """The slots of a day, covered by shifts that begin on it or reach into it; `uses` are its kinds."""

    numbers: Matrix
    uses: Sequence[int]
    start: Floats | None = None


def days_bound(
    required: Sequence[int],
    kinds: Sequence[ShiftKind],
    timeline: Timeline,
    *,
    prices: DesignPrices,
    most_kinds: int | None,
    price: float,
    seconds: Callable[[], float],
    should_stop: Callable[[], bool],
) -> float:
    """Return the best bound found, at most `price`; 0 when there was no time for one.

    Args:
        required: Agents needed in each slot.
        kinds: Kinds of shift to choose from.
        timeline: The days.
        prices: What is minimised.
        most_kinds: Most kinds in use; None for any number.
        price: Price of a known design.
        seconds: Time that is left.
        should_stop: Whether to end at once.
    """
    days = [
        _day(required, kinds, timeline, prices, most_kinds, day)
        for day in range(timeline.problem.days)
        if any(required[slot] for slot in _slots(timeline, day))
    ]
    shares = np.full((len(days), len(kinds)), prices.kind / max(len(days), 1))
    best, length, stalled = 0.0, 1.0, 0
    while seconds() > 0 and not should_stop() and length > _SHORTEST:
        found = _step(days, shares, seconds, should_stop)
        if found is None:
            break
        value, used = found
        own, chosen = _cheapest_kinds(prices.kind - shares.sum(axis=0), most_kinds)
        value += own
        stalled = 0 if value > best + 1e-6 else stalled + 1
        best = max(best, value)
        miss = used - chosen
        squared = float((miss * miss).sum())
        if squared == 0.0 or best >= price - 1 + 1e-6:
            break
        if stalled >= _STALLED:
            length, stalled = length / 2, 0
        shares = np.maximum(shares + length * (price - value) / squared * miss, 0.0)
    return min(best, price)


def _step(
    days: Sequence[_Day], shares: Floats, seconds: Callable[[], float], should_stop: Callable[[], bool]
) -> tuple[float, Floats] | None:
    """Return the bounds of all days added up and which kinds they use; None when the time was over."""
    value, used = 0.0, np.zeros(shares.shape)
    for row, day in enumerate(days):
        left_s = seconds()
        if left_s <= 0 or should_stop():
            return None
        day.numbers.cost[day.uses] = shares[row]
        answer = branch(
            day.numbers,
            time_limit_s=max(left_s / (len(days) - row), _LEAST_S),
            start=day.start,
            should_stop=should_stop,
        )
        value += max(answer.bound, 0.0)
        if answer.values is not None:
            day.start = answer.values
            used[row] = np.round(answer.values[day.uses])
    return value, used


def _cheapest_kinds(left: Floats, most_kinds: int | None) -> tuple[float, Floats]:
    """Return the price of the kinds whose price is more than shared out, and which these are."""
    order = np.argsort(left, kind="stable")[:most_kinds]
    chosen = np.zeros(len(left))
    chosen[order[left[order] < 0]] = 1.0
    return float((left * chosen).sum()), chosen


def _day(
    required: Sequence[int],
    kinds: Sequence[ShiftKind],
    timeline: Timeline,
    prices: DesignPrices,
    most_kinds: int | None,
    day: int,
) -> _Day:
    plan = new_plan(required, kinds, timeline)
    before = (day - 1) % timeline.problem.days
    add_counts(plan, sorted({day, before}) if timeline.problem.overnight else [day])
    add_kinds(plan, prices.kind, most_kinds)
    add_misses(plan, prices, _slots(timeline, day))
    return _Day(matrix(plan.linear), plan.uses)


def _slots(timeline: Timeline, day: int) -> range:
    """Return the slots of a day."""
    step_s = timeline.problem.grid.step_s
    first, last = ((timeline.midnight(each) - timeline.starts_at) // step_s for each in (day, day + 1))
    return range(first, min(last, timeline.slots))
