import math
from collections.abc import Mapping
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffing.erlang import performance
from staffing.performance import Targets
from staffing.pooling import (
    SkillGroup,
    TeamLoad,
    pooled_requirement,
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
    needed = pooled_requirement([team("a", [16]), team("b", [16])], [group("both", "ab")])
    assert (needed.lower.tolist(), needed.upper.tolist()) == ([[38]], [[40]])


def test_flexible_agents_are_few_when_they_cost_more() -> None:
    groups = [group("a", "a"), group("b", "b"), group("both", "ab", cost=1.2)]
    needed = pooled_requirement([team("a", [16]), team("b", [16])], groups)
    assert needed.upper.tolist() == [[20], [20], [0]]
    assert needed.lower.tolist() == [[18], [18], [2]]


def test_upper_bound_is_the_answer_without_a_simulation() -> None:
    needed = pooled_requirement([team("a", [16]), team("b", [16])], [group("both", "ab")])
    assert needed.agents.tolist() == needed.upper.tolist()


def test_simulation_finds_the_pool_when_everybody_can_do_everything() -> None:
    def one_pool(interval: int, staff: Mapping[str, int]) -> dict[str, float]:
        load = [32.0, 12.0][interval]
        level = float(performance(load, staff["both"], handle_time_s=300).service_level)
        return {"a": level, "b": level}

    teams = [team("a", [16, 4]), team("b", [16, 8])]
    needed = pooled_requirement(teams, [group("both", "ab")], simulate=one_pool)
    assert needed.agents.tolist() == [[38, 16]]


def test_group_that_is_too_small_leaves_needs_open() -> None:
    needed = pooled_requirement([team("a", [16])], [group("few", "a", most=15)])
    assert (needed.upper.tolist(), needed.short.tolist()) == ([[15]], [5])


def test_intervals_without_load_need_nobody() -> None:
    teams = [team("a", [0, 5], patience_s=60), team("b", [0, 0], patience_s=90)]
    needed = pooled_requirement(teams, [group("both", "ab")])
    assert needed.lower[0, 0] == 0
    assert needed.lower[0, 1] == needed.upper[0, 1] > 0


def test_each_interval_is_solved_for_itself() -> None:
    together = pooled_requirement([team("a", [16, 3]), team("b", [16, 9])], [group("both", "ab")])
    alone = pooled_requirement([team("a", [3]), team("b", [9])], [group("both", "ab")])
    assert together.lower[:, 1].tolist() == alone.lower[:, 0].tolist()


@settings(max_examples=40)
@given(
    st.floats(min_value=2, max_value=30),
    st.floats(min_value=2, max_value=30),
    st.floats(min_value=1.0, max_value=1.4),
)
def test_staff_found_keeps_the_promise_and_has_nobody_to_spare(
    first: float, second: float, worth: float
) -> None:
    teams = [team("a", [first]), team("b", [second])]
    alone = separate_agents(teams)[:, 0]

    def simulate(_: int, staff: Mapping[str, int]) -> dict[str, float]:
        # A stand-in for a simulation: apart, each team keeps its promise with just what it needs, and one
        # who can do both is worth between one and 1.4 of the others.
        helps = worth * staff["both"] / 2
        return {
            "a": 1 - math.exp(math.log(0.2) * (staff["a"] + helps) / alone[0]),
            "b": 1 - math.exp(math.log(0.2) * (staff["b"] + helps) / alone[1]),
        }

    groups = [group("a", "a"), group("b", "b"), group("both", "ab", cost=1.2)]
    needed = pooled_requirement(teams, groups, simulate=simulate)
    staff = dict(zip(["a", "b", "both"], needed.agents[:, 0].tolist(), strict=True))
    assert min(simulate(0, staff).values()) >= 0.8 - 1e-8
    assert staff["a"] + staff["b"] + 1.2 * staff["both"] <= alone.sum() + 1e-9
    for name, count in staff.items():
        if count > 0:
            assert min(simulate(0, {**staff, name: count - 1}).values()) < 0.8


def test_cuts_lead_from_the_lower_bound_to_what_the_routing_needs() -> None:
    def simulate(_: int, staff: Mapping[str, int]) -> dict[str, float]:
        level = 1 - math.exp(math.log(0.2) * staff["both"] / 39)
        return {"a": level, "b": level}

    needed = pooled_requirement([team("a", [16]), team("b", [16])], [group("both", "ab")], simulate=simulate)
    assert (needed.lower.tolist(), needed.agents.tolist(), needed.upper.tolist()) == ([[38]], [[39]], [[40]])
    assert needed.cuts.tolist() == [2]


def test_upper_bound_is_kept_when_the_simulation_is_never_content() -> None:
    needed = pooled_requirement(
        [team("a", [16])], [group("a", "a")], simulate=lambda _, staff: {"a": 0.1}, rounds=3
    )
    assert needed.agents.tolist() == needed.upper.tolist()
    assert needed.cuts[0] > 0


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
    needed = pooled_requirement(teams, [group("all", "abc"[: len(loads)])])
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
        pooled_requirement(teams, groups)
