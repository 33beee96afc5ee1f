"""Which kinds are chosen, and the bound from each day by itself, against exact answers of small tasks."""

import time
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffing.design_bound import days_bound
from staffing.design_kinds import KindSearch
from staffing.design_model import DesignPrices, add_counts, add_kinds, add_misses, new_plan, timeline_of
from staffing.intervals import Grid
from staffing.rostering.linear import matrix
from staffing.rostering.solvers import search
from staffing.shift_design import design_shifts
from staffing.shifts import shift_kinds
from tests.staffing.rosters import HOUR_S

GRID, MONDAY = Grid("UTC", 60), date(2026, 3, 2)
DAY_KINDS = shift_kinds(range(6 * HOUR_S, 13 * HOUR_S, HOUR_S), [8 * HOUR_S, 6 * HOUR_S])
NIGHT_KINDS = shift_kinds(range(0, 24 * HOUR_S, 3 * HOUR_S), [8 * HOUR_S])
PRICES = DesignPrices(over=1, under=5, kind=60)


def needs(*peaks, night=0):
    """Return days of 24 hours, each with a peak of so many agents from 8 to 16 and half of it beside."""
    days = []
    for peak in peaks:
        half = (peak + 1) // 2
        days += [night] * 6 + [half] * 2 + [peak] * 8 + [half] * 3 + [night] * 5
    return days


def exact(required, kinds, most, prices=PRICES):
    """Return the least price of all designs."""
    plan = new_plan(required, kinds, timeline_of(required, kinds, GRID, MONDAY))
    add_counts(plan)
    add_kinds(plan, prices.kind, most)
    add_misses(plan, prices)
    answer = search(matrix(plan.linear), time_limit_s=60)
    assert answer.proven
    return answer.objective


def bound(required, kinds, most, *, price, prices=PRICES, steps=8):
    asked = steps * (len(required) // 24 + 1)  # before each step and for each day of it
    left = iter([1.0] * asked)
    return days_bound(
        required,
        kinds,
        timeline_of(required, kinds, GRID, MONDAY),
        prices=prices,
        most_kinds=most,
        price=price,
        seconds=lambda: next(left, 0.0) * 10,
        should_stop=lambda: False,
    )


@settings(max_examples=15, deadline=None)
@given(
    peaks=st.lists(st.integers(0, 6), min_size=1, max_size=3),
    night=st.integers(0, 2),
    most=st.sampled_from([1, 2, 3, None]),
)
def test_bound_of_days_is_never_above_the_best_design(peaks, night, most):
    required = needs(*peaks, night=night)
    if not any(required):
        return
    best = exact(required, NIGHT_KINDS, most)
    found = bound(required, NIGHT_KINDS, most, price=best + 200)
    assert found <= best + 1e-4


def test_bound_of_one_day_is_its_best_design():
    required = needs(5)
    best = exact(required, DAY_KINDS, 2)
    assert bound(required, DAY_KINDS, 2, price=best + 100, steps=1) == pytest.approx(best)


def test_bound_of_days_alike_comes_close_to_the_best_design():
    required = needs(4, 5, 4)
    best = exact(required, DAY_KINDS, 2)
    assert bound(required, DAY_KINDS, 2, price=best) >= 0.9 * best


def test_bound_without_time_is_none():
    assert bound(needs(3), DAY_KINDS, None, price=100.0, steps=0) == 0.0


def chosen(required, kinds, most, *, turns=40):
    plan = new_plan(required, kinds, timeline_of(required, kinds, GRID, MONDAY))
    add_counts(plan)
    add_misses(plan, PRICES)
    columns = [
        np.array([v for (_day, kind_id), v in plan.counts.items() if kind_id == kind.id], dtype=np.int32)
        for kind in kinds
    ]
    left = iter(range(turns))
    search = KindSearch(matrix(plan.linear), columns, price=PRICES.kind, most=most)
    return search.run(seed=1, stop=lambda: next(left, None) is None)


def test_choices_keep_to_the_most_kinds_and_come_cheapest_first():
    found = chosen(needs(4, 6, 3), DAY_KINDS, 3)
    assert all(1 <= len(choice.kinds) <= 3 for choice in found)
    assert [choice.price for choice in found] == sorted(choice.price for choice in found)


def test_choice_stopped_at_once_is_still_one():
    (choice,) = chosen(needs(4), DAY_KINDS, 2, turns=0)
    assert 1 <= len(choice.kinds) <= 2


@pytest.mark.parametrize("most", [1, 2, None])
def test_design_of_a_small_week_is_proven_the_best(most):
    required = needs(4, 5, 4, 3, 5, 2, 2)
    found = design_shifts(
        required,
        DAY_KINDS,
        grid=GRID,
        starts_on=MONDAY,
        clock=time.monotonic,
        prices=PRICES,
        most_kinds=most,
        time_limit_s=20,
    )
    assert found.price == round(exact(required, DAY_KINDS, most))
    assert found.gap == 0.0


def test_nobody_is_the_best_design_where_missing_costs_nothing():
    found = design_shifts(
        needs(2),
        DAY_KINDS,
        grid=GRID,
        starts_on=MONDAY,
        clock=time.monotonic,
        prices=DesignPrices(under=0),
        time_limit_s=2,
    )
    assert (found.kinds, found.price, found.over_s) == ((), 0, 0)
