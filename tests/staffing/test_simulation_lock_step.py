import math

import numpy as np
import pytest

from app.preset import preset_policy
from routing.policy import Policy, Step, TeamPolicy
from staffing.erlang import performance, wait_probability
from staffing.performance import Targets
from staffing.pool_search import Effort
from staffing.pooling import SkillGroup, TeamLoad
from staffing.simulation.confidence import Estimate, Ratio, estimate
from staffing.simulation.durations import Erlang, Lognormal
from staffing.simulation.lock_step import MOST_AGENTS, Tally
from staffing.simulation.shared_agents import (
    Laws,
    Stretch,
    fast_levels,
    not_followed,
    routed_levels,
    rules_of,
)
from staffing.uncertain_rate import expected_performance, uncertain_load
from tests.staffing.pools import HANDLE_S, counted, group, load, rules

SURE = 0.999


def share(above, below) -> Estimate:
    """Return a ratio over replications (second axis) with bounds that hold almost surely."""
    return estimate(Ratio(above.swapaxes(0, 1), below.swapaxes(0, 1)), confidence=SURE)


def level(found: Tally) -> Estimate:
    return share(found.within, found.counted)


def agrees(found: Estimate, exact) -> bool:
    return bool(np.all(np.abs(found.value - exact) <= found.half_width))


def test_one_team_is_erlang_a() -> None:
    agents = [8, 9, 10, 12]
    found = counted(rules((1,)), (9.0,), *((each,) for each in agents))
    exact = performance(9.0, agents, handle_time_s=HANDLE_S, patience_s=300.0)
    assert agrees(level(found), exact.service_level[:, None])
    assert agrees(share(found.abandoned, found.offered), exact.abandonment[:, None])
    assert agrees(share(found.answered_wait_s, found.answered), exact.asa_s[:, None])


def test_one_team_that_is_patient_is_erlang_c() -> None:
    agents = [12, 14]
    found = counted(rules((1,)), (10.0,), *((each,) for each in agents), patience_s=math.inf)
    exact = performance(10.0, agents, handle_time_s=HANDLE_S)
    assert agrees(level(found), exact.service_level[:, None])
    assert not found.abandoned.any()


def test_short_abandons_are_left_out() -> None:
    found = counted(rules((1,), short_s=[5.0]), (9.0,), (9,))
    exact = performance(9.0, 9, handle_time_s=HANDLE_S, patience_s=300.0, short_abandon_s=5.0)
    assert agrees(level(found), exact.service_level)
    assert found.counted.sum() < found.offered.sum()


def test_two_teams_with_the_same_agents_and_targets_are_one_queue() -> None:
    found = counted(rules((1, 1)), (6.0, 3.0), (9,), (11,))
    exact = performance(9.0, [9, 11], handle_time_s=HANDLE_S, patience_s=300.0)
    assert agrees(level(found), exact.service_level[:, None])


def test_two_teams_apart_are_two_queues() -> None:
    found = counted(rules((1, 0), (0, 1)), (6.0, 3.0), (7, 4))
    exact = performance([6.0, 3.0], [7, 4], handle_time_s=HANDLE_S, patience_s=300.0)
    assert agrees(level(found), exact.service_level)


def test_team_of_great_weight_has_priority_without_interruption() -> None:
    """Cobham 1954: waits of two classes in M/M/n by priority."""
    loads, agents = np.array([4.0, 4.0]), 10
    found = counted(
        rules((1, 1), weight=[1e9, 1.0]), tuple(loads), (agents,), patience_s=math.inf, replications=1500
    )
    first, both = loads[0] / agents, loads.sum() / agents
    at_least_s = float(wait_probability(loads.sum(), agents)) * HANDLE_S / agents
    exact = at_least_s / np.array([1 - first, (1 - first) * (1 - both)])
    assert agrees(share(found.answered_wait_s, found.answered), exact)


def test_simulation_published_for_erlang_times_is_reproduced() -> None:
    """M/E2/100+E2, load 102: P(A) .0351, half-width .00029 (Whitt 2005, 10 runs of 5 million arrivals)."""
    found = counted(
        rules((1,)),
        (102.0,),
        (100,),
        patience_s=HANDLE_S,
        handle=Erlang(1.0, 2),
        patience=Erlang(1.0, 2),
        contacts=4000,
        warm_up=1000,
        replications=100,
    )
    lost = share(found.abandoned, found.offered)
    assert abs(float(lost.value[0, 0]) - 0.0351) <= float(lost.half_width[0, 0]) + 0.00029


def test_rate_that_may_vary_is_the_expectation_over_the_rates() -> None:
    found = counted(rules((1,)), (9.0,), (10,), (13,), variation=0.2)
    exact = expected_performance(
        uncertain_load([9.0, 9.0], 0.2, handle_time_s=HANDLE_S, patience_s=300.0),
        [10, 13],
        Targets(service_level=0.8),
    )
    assert agrees(level(found), exact.service_level[:, None])
    assert agrees(share(found.abandoned, found.offered), exact.abandonment[:, None])


def test_handle_times_follow_their_law() -> None:
    varied, even = (
        level(counted(rules((1,)), (9.0,), (10,), handle=law, patience_s=math.inf)).value[0, 0]
        for law in (Lognormal(1.0, 3.0), Lognormal(1.0, 0.1))
    )
    assert even > varied + 0.02


def test_team_without_agents_answers_nobody() -> None:
    found = counted(rules((1, 0), (0, 1)), (2.0, 2.0), (0, 4), patience_s=math.inf)
    assert (found.within[0, :, 0].sum(), found.within[0, :, 1].sum() > 0) == (0, True)


def test_case_meets_the_same_contacts_whatever_its_agents() -> None:
    few, many = counted(rules((1,)), (5.0,), (5,), (7,)).within[:, :, 0]
    assert np.all(many >= few)


def test_more_agents_than_can_be_told_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="at most"):
        counted(rules((1,)), (5.0,), (MOST_AGENTS + 1,))


def shared(policy: Policy, teams: list[TeamLoad], groups: list[SkillGroup], agents: list[int]) -> None:
    """Check that the lock-step and `routing.decide` give the same service levels."""
    laws = Laws(handle={each.name: Lognormal(1.0, 1.2) for each in teams})
    stretch = Stretch(hours=25, warm_up_hours=1, replications=6, seed=9)
    routed = routed_levels(teams, groups, policy=policy, laws=laws, stretch=stretch)(
        0, {each.name: many for each, many in zip(groups, agents, strict=True)}
    )
    fast = fast_levels(teams, groups, policy=policy, laws=laws)(
        np.zeros(1, dtype=np.int64), np.array([agents]), Effort.JUDGE
    )
    for row, team in enumerate(teams):
        mine, half = float(fast.level[0, row]), float(fast.half_width[0, row])
        theirs, their_half = routed[team.name]
        # Bounds of 95 % from 6 runs: both sides together, once and a half for the many comparisons made here.
        assert abs(mine - theirs) <= 1.5 * math.hypot(half, their_half), team.name


def policy_of(*teams: TeamPolicy) -> Policy:
    return Policy(version=1, teams={each.id: each for each in teams}, fallback_team=teams[0].id)


def team(name: str, **terms) -> TeamPolicy:
    return TeamPolicy(id=name, name=name, lead_id="lead", **terms)


def test_same_as_routing_with_specialists_and_generalists() -> None:
    groups = [group("a"), group("b"), group("ab")]
    shared(policy_of(team("a"), team("b")), [load("a", 5.0), load("b", 3.0)], groups, [3, 2, 4])


def test_same_as_routing_where_rates_vary() -> None:
    loads = [load("a", 5.0, rate_variation=0.2), load("b", 3.0, rate_variation=0.2)]
    shared(policy_of(team("a"), team("b")), loads, [group("a"), group("b"), group("ab")], [3, 2, 4])


def test_same_as_routing_with_unequal_weights_and_channel_targets() -> None:
    teams = team("a", weight=4.0), team("b", channel_target_s={"voice": 60.0}), team("c")
    groups = [group("ab"), group("bc"), group("c")]
    shared(policy_of(*teams), [load("a", 3.0), load("b", 4.0), load("c", 3.0)], groups, [4, 4, 3])


def test_same_as_routing_where_other_teams_help_after_a_while() -> None:
    step = Step(after_s=40.0, teams=("b",))
    groups = [group("a"), group("b")]
    shared(policy_of(team("a", steps=(step,)), team("b")), [load("a", 5.0), load("b", 3.0)], groups, [4, 5])


def test_same_as_routing_where_others_help_one_after_another() -> None:
    steps = (Step(after_s=15.0, teams=("b",)), Step(after_s=45.0, teams=("c",)))
    teams = team("a", steps=steps), team("b"), team("c", steps=(Step(after_s=30.0, teams=("a", "b")),))
    loads = [load("a", 5.0), load("b", 3.0), load("c", 3.0)]
    shared(policy_of(*teams), loads, [group("a"), group("b"), group("c")], [4, 4, 5])


def test_later_help_is_worth_something() -> None:
    steps = (Step(after_s=5.0, teams=("b",)), Step(after_s=10.0, teams=("c",)))
    loads, groups = [load("a", 5.0), load("b", 3.0), load("c", 2.0)], [group("a"), group("b"), group("c")]

    def level(*own: Step) -> float:
        policy = policy_of(team("a", steps=own), team("b"), team("c"))
        seen = fast_levels(loads, groups, policy=policy)(
            np.zeros(1, dtype=np.int64), np.array([[4, 4, 6]]), Effort.JUDGE
        )
        return float(seen.level[0, 0])

    assert level(*steps) > level(steps[0]) + 0.02


def test_same_as_routing_with_the_ready_policy() -> None:
    policy = preset_policy()
    loads = {"complaints": 2.0, "technical": 4.0, "ordering": 3.0, "general": 5.0}
    names = list(loads)
    sets = [("complaints",), ("complaints", "general"), ("technical",), ("technical", "general")]
    sets += [("ordering",), ("ordering", "general"), ("general",)]
    groups = [SkillGroup(" ".join(each), frozenset(each)) for each in sets]
    shared(policy, [load(name, loads[name]) for name in names], groups, [1, 2, 3, 2, 2, 2, 5])


def test_rules_follow_the_policy() -> None:
    policy = policy_of(team("a", weight=2.0, steps=(Step(after_s=60.0, teams=("b",)),)), team("b"))
    found = rules_of([load("a", 1.0), load("b", 1.0)], [group("a"), group("b")], policy)
    assert found.weight.tolist() == [2.0, 1.0]
    assert found.widen_s.tolist() == [[60.0, math.inf]]
    assert found.widened.tolist() == [[[False, False], [True, False]]]


def test_rules_follow_each_step_of_help_as_far_as_they_can_be_told_apart() -> None:
    steps = tuple(Step(after_s=10.0 * n, teams=("b",)) for n in range(9, 0, -1))
    policy = policy_of(team("a", steps=steps), team("b"))
    found = rules_of([load("a", 1.0), load("b", 1.0)], [group("a"), group("b")], policy)
    assert found.widen_s[:, 0].tolist() == [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0]
    assert not_followed(policy.teams["a"], 2) == ["the last of its steps of help"]
    assert not_followed(team("a", steps=steps[:8]), 2) == []
    overflow = team("a", steps=(Step(after_s=90.0, overflow_to="b"),), max_waiting=5)
    assert not_followed(overflow, 2) == ["overflow after 90 s", "its limit of 5 waiting"]


def test_more_stages_than_can_be_told_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="stages"):
        rules((1, 1), widen_s=np.full((9, 2), 10.0), widened=np.zeros((9, 1, 2), dtype=np.bool_))
