import numpy as np
import pytest

from staffing.rostering.check import broken_rules, costs
from staffing.rostering.cover import build_model
from staffing.rostering.guide import follow_relaxation
from staffing.rostering.linear import holds, matrix
from staffing.rostering.placing import place
from staffing.rostering.portfolio import count_variables
from staffing.rostering.rebuild import compose, grain
from staffing.rostering.response import Response, make_blocks
from staffing.rostering.solvers import relax
from staffing.rostering.sweep import sweep
from tests.staffing.rosters import (
    HOUR_S,
    LATE,
    NIGHT,
    hours,
    make_contract,
    make_kind,
    make_pause,
    make_problem,
)

DAY = make_kind("day", 8, breaks=(make_pause("meal", 60, 3, 5),))


def parts(problem):
    model = build_model(problem)
    whole = matrix(model.scope.model)
    return model, whole, make_blocks(model, whole)


def followed(problem, **changes):
    """Return what each agent takes when the relaxation is followed, and the roster made of it."""
    model, whole, blocks = parts(problem)
    values = {
        "grain": grain(model),
        "seed": 0,
        "elapsed": lambda: 0.0,
        "should_stop": lambda: False,
    } | changes
    taken = follow_relaxation(model, whole, blocks, relax(whole, time_limit_s=10), **values)
    return taken, taken and compose(model, whole, blocks, taken, seed=0)


def swept(problem, start, *, workers=1, should_stop=lambda: False):
    model, whole, _blocks = parts(problem)
    found = [start]
    on_time = sweep(
        whole,
        start,
        count_variables(model, whole),
        overnight=any(kind.end_s > 24 * HOUR_S for kind in problem.kinds),
        workers=workers,
        seed=0,
        left_s=lambda: 20.0,
        offer=found.append,
        should_stop=should_stop,
    )
    assert on_time
    return found[-1]


def crowded(days=7, **changes):
    """Return a problem in which half of the agents should move to the late shift."""
    kinds = (DAY, make_kind("noon", 12, breaks=(make_pause("meal", 60, 3, 5),)))
    contract = make_contract(week_days=(5, 5)) if days == 7 else make_contract()
    need = hours(8, 20, 2)
    return make_problem(4, kinds=kinds, need=need, days=days, contract=contract, **changes)


def all_on_first_kind(problem):
    """Return a roster in which everybody works the first kind on the first five days."""
    model, whole, blocks = parts(problem)
    taken = [Response(np.flatnonzero((block.kinds == 0) & (block.days < 5)), 0.0) for block in blocks]
    return compose(model, whole, blocks, taken, seed=0)


def test_following_the_relaxation_gives_each_day_its_agents():
    problem = make_problem(4, need=hours(6, 14, 2), contract=make_contract(week_days=(3, 4)))
    _taken, roster = followed(problem)
    model, _whole, _blocks = parts(problem)
    shifts = place(model, roster.values)
    assert [sum(shift.day == day for shift in shifts) for day in range(7)] == [2] * 7


def test_followed_roster_keeps_the_rules_and_has_its_price():
    problem = crowded()
    _taken, roster = followed(problem)
    model, whole, _blocks = parts(problem)
    shifts = place(model, roster.values)
    assert holds(whole, roster.values)
    assert broken_rules(problem, shifts) == []
    assert sum(costs(problem, shifts).values()) == round(roster.price)


def test_nothing_is_followed_when_the_search_is_over():
    taken, _roster = followed(crowded(), should_stop=lambda: True)
    assert taken is None


@pytest.mark.parametrize("workers", [1, 2])
def test_sweep_moves_agents_to_the_kinds_that_cover_best(workers):
    problem = crowded()
    start = all_on_first_kind(problem)
    best = swept(problem, start, workers=workers)
    model, whole, _blocks = parts(problem)
    shifts = place(model, best.values)
    assert best.price < start.price
    assert holds(whole, best.values)
    assert broken_rules(problem, shifts) == []
    assert sum(costs(problem, shifts).values()) == round(best.price)
    first_day = [shift.kind_id for shift in shifts if shift.day == 0]
    assert sorted(first_day) == [DAY.id, DAY.id, "noon", "noon"]


def test_sweep_keeps_shifts_over_midnight_right():
    problem = make_problem(2, kinds=[LATE, NIGHT], need={**hours(14, 22), **hours(22, 24), **hours(0, 6)})
    start = all_on_first_kind(problem)
    best = swept(problem, start)
    model, whole, _blocks = parts(problem)
    assert best.price < start.price
    assert holds(whole, best.values)
    assert broken_rules(problem, place(model, best.values)) == []


def test_sweep_leaves_the_roster_as_it_is_when_the_search_is_over():
    problem = crowded()
    start = all_on_first_kind(problem)
    assert swept(problem, start, should_stop=lambda: True) is start


def test_sweep_leaves_days_alone_that_cannot_be_better():
    problem = crowded()
    best = swept(problem, all_on_first_kind(problem))
    assert swept(problem, best).price == best.price
