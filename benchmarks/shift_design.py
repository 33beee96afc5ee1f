"""Claim: few kinds of shift cover a real week at a price near a proven bound, and never above one model's.

The week is the mean of seven months of a bank's calls (1999) by half hour, its requirement an 80/20 one of
Erlang A. Kinds of shift are those that the service offers by default. Each line is one search of the same
time, one thread: `design_shifts`, and beside it the same task given whole to CP-SAT and then to HiGHS.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from benchmarks.support.call_counts import BANK1999, bank1999_week
from staffing.design_model import DesignPrices, add_counts, add_kinds, add_misses, new_plan, timeline_of
from staffing.intervals import Grid
from staffing.performance import Targets
from staffing.requirement import Demand, Rules, Shrinkage, requirement
from staffing.rostering.linear import matrix
from staffing.rostering.model import relative_gap
from staffing.rostering.solvers import branch, search
from staffing.shift_design import design_shifts
from staffing.shifts import Break, ShiftKind, shift_kinds

GAP = 0.1
"""Largest share of the price that may be left to save."""
MANY_KINDS = 30
"""Of more kinds than these the price is compared with one model's alone: the bound is weak there."""
MOST_KINDS = (4, 8, None)
LENGTHS = ((8.5, 6.0), (10.0, 8.5, 6.0, 4.0))
"""Hours of the kinds of shift: those of the service by default, and twice as many."""
GRID, SUNDAY = Grid("UTC"), date(1999, 1, 3)
PRICES = DesignPrices(over=1, under=10, kind=60)
HOUR_S, HALF_HOUR_S = 3600, 1800


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    seconds = parser.parse_args().seconds
    if not BANK1999.exists():
        print("skipped: the bank's counts are not beside the repository")
        return 0
    needed = bank_requirement()
    print(f"{sum(needed) / 2:,.0f} agent hours, {seconds:g} s each")
    print(
        f"{'most of':<12}{'price':>8}{'bound':>8}{'gap':>8}{'in use':>8}{'seconds':>9}"
        "   one model: price, bound, gap"
    )
    held = [design(needed, kinds_from(7, hours), most, seconds) for hours in LENGTHS for most in MOST_KINDS]
    print("held" if all(held) else "NOT HELD", f"(gap at most {GAP:.0%})")
    return 0 if all(held) else 1


def design(needed: list[int], kinds: tuple[ShiftKind, ...], most: int | None, seconds: float) -> bool:
    began = time.monotonic()
    found = design_shifts(
        needed,
        kinds,
        grid=GRID,
        starts_on=SUNDAY,
        clock=time.monotonic,
        prices=PRICES,
        most_kinds=most,
        time_limit_s=seconds,
    )
    took_s = time.monotonic() - began
    price, bound = one_model(needed, kinds, most, seconds)
    name = f"{most or len(kinds)} of {len(kinds)}"
    print(
        f"{name:<12}{found.price:>8}{found.bound:>8.0f}{found.gap:>8.1%}{len(found.kinds):>8}"
        f"{took_s:>9.1f}   {price:.0f}, {bound:.0f}, {relative_gap(price, bound):.1%}"
    )
    proven = found.gap <= GAP or len(kinds) > MANY_KINDS
    return proven and found.price <= price + 1e-3


def one_model(
    needed: list[int], kinds: tuple[ShiftKind, ...], most: int | None, seconds: float
) -> tuple[float, float]:
    """Return price and bound of the whole task as one integer linear model."""
    plan = new_plan(needed, kinds, timeline_of(needed, kinds, GRID, SUNDAY))
    add_counts(plan)
    add_kinds(plan, PRICES.kind, most)
    add_misses(plan, PRICES)
    numbers = matrix(plan.linear)
    first = search(numbers, time_limit_s=seconds / 2)
    second = branch(numbers, time_limit_s=seconds / 2, start=first.values)
    return min(first.objective, second.objective), max(first.bound, second.bound)


def kinds_from(first_h: int, hours: Sequence[float]) -> tuple[ShiftKind, ...]:
    """Return shifts of some lengths from each hour until midnight, the longer ones with a meal."""
    found: list[ShiftKind] = []
    for length_s in (round(each * HOUR_S) for each in hours):
        meal = Break(
            "meal", HALF_HOUR_S, round(2.5 * HOUR_S), min(5 * HOUR_S, length_s - HALF_HOUR_S), paid=False
        )
        last_s = 24 * HOUR_S - length_s
        starts_s = sorted({*range(first_h * HOUR_S, last_s + 1, HOUR_S), last_s})
        template = ShiftKind("", 0, 24 * HOUR_S, (meal,) if length_s > 6 * HOUR_S else ())
        found += shift_kinds(starts_s, [length_s], template=template)
    return tuple(found)


def bank_requirement() -> list[int]:
    """Return the people needed in each half hour from Sunday to Saturday."""
    offered = bank_week()
    opened = np.flatnonzero(offered)
    demand = Demand(
        starts=opened * HALF_HOUR_S,
        offered=offered[opened],
        handle_time_s=190.0,
        step_s=HALF_HOUR_S,
        patience_s=372.0,
    )
    rules = Rules(targets=Targets(service_level=0.8), shrinkage=(Shrinkage("absence", 0.1),))
    needed = np.zeros(len(offered), dtype=np.int64)
    needed[opened] = requirement(demand, rules).rostered
    return [int(each) for each in needed]


def bank_week() -> NDArray[np.float64]:
    """Return the mean contacts of each half hour, Sunday to Thursday from 07:00 on."""
    offered = np.zeros((7, 48))
    offered[:5] = bank1999_week()
    return offered.ravel()


if __name__ == "__main__":
    sys.exit(main())
