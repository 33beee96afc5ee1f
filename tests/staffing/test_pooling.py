import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffing.performance import Targets
from staffing.pooling import (
    SkillGroup,
    TeamLoad,
    pooled_bounds,
    separate_agents,
    uncovered,
)


def team(name: str, load: list[float], *, level: float = 0.8, patience_s: float = math.inf) -> TeamLoad:
    erlangs = np.array(load, dtype=np.float64)
    return TeamLoad(
        name=name,
        load_erlangs=erlangs,
        handle_time_s=np.full(erlangs.shape, 300.0),
        patience_s=np.full(erlangs.shape, patience_s),
        targets=Targets(service_level=level),
    )


def group(name: str, teams: str, cost: float = 1.0, most: int | None = None) -> SkillGroup:
    return SkillGroup(name, frozenset(teams), cost, most)


def test_flexible_agents_are_not_counted_twice() -> None:
    # 16 erlangs each, 80 % in 20 s: 20 agents alone, 38 as one pool; 20 for both would be an unstable queue.
    needed = pooled_bounds([team("a", [16]), team("b", [16])], [group("both", "ab")])
    assert (needed.lower.tolist(), needed.upper.tolist()) == ([[38]], [[40]])


def test_flexible_agents_are_few_when_they_cost_more() -> None:
    groups = [group("a", "a"), group("b", "b"), group("both", "ab", cost=1.2)]
    needed = pooled_bounds([team("a", [16]), team("b", [16])], groups)
    assert needed.upper.tolist() == [[20], [20], [0]]
    assert needed.lower.tolist() == [[18], [18], [2]]


def test_group_that_is_too_small_leaves_needs_open() -> None:
    needed = pooled_bounds([team("a", [16])], [group("few", "a", most=15)])
    assert (needed.upper.tolist(), needed.short.tolist()) == ([[15]], [5])


def test_intervals_without_load_need_nobody() -> None:
    teams = [team("a", [0, 5], patience_s=60), team("b", [0, 0], patience_s=90)]
    needed = pooled_bounds(teams, [group("both", "ab")])
    assert needed.lower[0, 0] == 0
    assert needed.lower[0, 1] == needed.upper[0, 1] > 0


def test_each_interval_is_solved_for_itself() -> None:
    together = pooled_bounds([team("a", [16, 3]), team("b", [16, 9])], [group("both", "ab")])
    alone = pooled_bounds([team("a", [3]), team("b", [9])], [group("both", "ab")])
    assert together.lower[:, 1].tolist() == alone.lower[:, 0].tolist()


needs_and_staff = st.tuples(
    st.lists(st.integers(0, 5), min_size=3, max_size=3), st.lists(st.integers(0, 5), min_size=3, max_size=3)
)


@settings(max_examples=60)
@given(needs_and_staff)
def test_uncovered_needs_are_those_of_the_best_assignment(case: tuple[list[int], list[int]]) -> None:
    needs, staff = case
    serves = np.array([[True, True, False], [False, True, True], [False, False, True]])
    # Try every way to split the groups that serve two teams; the third serves one.
    best = min(
        max(needs[0] - x, 0)
        + max(needs[1] - (staff[0] - x) - y, 0)
        + max(needs[2] - (staff[1] - y) - staff[2], 0)
        for x, y in product(range(staff[0] + 1), range(staff[1] + 1))
    )
    got = uncovered(np.array(needs)[:, None], np.array(staff)[:, None], serves)
    assert got.tolist() == [best]


@given(st.lists(st.floats(min_value=0.1, max_value=80), min_size=2, max_size=3))
def test_pool_never_needs_more_than_the_teams_apart(loads: list[float]) -> None:
    teams = [team(name, [load]) for name, load in zip("abc", loads, strict=False)]
    needed = pooled_bounds(teams, [group("all", "abc"[: len(loads)])])
    assert needed.lower.sum() <= needed.upper.sum() == separate_agents(teams).sum()
    assert needed.lower.sum() > sum(loads)


@pytest.mark.parametrize(
    ("teams", "groups"),
    [
        ([team("a", [1])], [group("b", "b")]),
        ([team("a", [1]), team("b", [1])], [group("a", "a")]),
        ([team("a", [1])], []),
        ([team(chr(97 + index), [1]) for index in range(11)], [group("all", "abcdefghijk")]),
    ],
)
def test_sharing_is_refused_when_it_has_no_meaning(teams: list[TeamLoad], groups: list[SkillGroup]) -> None:
    with pytest.raises(ValueError, match="team"):
        pooled_bounds(teams, groups)
