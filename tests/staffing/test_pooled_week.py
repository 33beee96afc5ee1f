import numpy as np
import pytest

from staffing.performance import Targets
from staffing.pool_search import Effort, OutOfTimeError, Seen
from staffing.pooled_week import pooled_week
from staffing.pooling import SkillGroup, TeamLoad, pooled_bounds, separate_agents
from staffing.simulation.shared_agents import Stretch, fast_levels, routed_levels
from tests.staffing.pools import group, load

GROUPS = [group("a"), group("b"), group("ab")]


def fast(teams: list[TeamLoad], groups: list[SkillGroup] = GROUPS):
    return fast_levels(teams, groups)


def routed(teams: list[TeamLoad]):
    return routed_levels(teams, GROUPS, stretch=Stretch(hours=20, warm_up_hours=0.5, replications=3))


def test_answer_is_enough_for_every_interval_it_stands_for() -> None:
    rng = np.random.default_rng(5)
    teams = [load("a", *rng.uniform(0, 30, 40)), load("b", *rng.uniform(0, 9, 40))]
    exact, alike = pooled_bounds(teams, GROUPS), pooled_week(teams, GROUPS)
    assert np.all(alike.upper.sum(axis=0) >= exact.upper.sum(axis=0))
    assert np.all(alike.lower.sum(axis=0) >= exact.lower.sum(axis=0))


def test_rounding_up_costs_next_to_nothing() -> None:
    teams = [load("a", *np.linspace(6, 60, 30)), load("b", *np.linspace(8, 90, 30))]
    exact, alike = pooled_bounds(teams, GROUPS), pooled_week(teams, GROUPS)
    assert alike.upper.sum() <= 1.02 * exact.upper.sum()


def test_more_intervals_than_can_be_searched_are_rounded_more_coarsely() -> None:
    rng = np.random.default_rng(6)
    teams = [load("a", *rng.uniform(0, 3, 2000)), load("b", *rng.uniform(0, 3, 2000))]
    asked: list[int] = []

    def simulate(alike: list[TeamLoad]):
        asked.append(len(alike[0].load_erlangs))
        raise InterruptedError

    with pytest.raises(InterruptedError):
        pooled_week(teams, GROUPS, simulate=simulate)
    assert asked[0] <= 300


def test_without_a_simulation_each_team_keeps_what_it_needs_alone() -> None:
    week = pooled_week([load("a", 3.0), load("b", 2.0)], GROUPS)
    assert week.agents.tolist() == week.upper.tolist()
    assert not week.checked.any()
    assert np.isnan(week.level).all()


def test_sharing_needs_fewer_and_keeps_the_promise() -> None:
    teams = [load("a", 2.0, 5.0, 9.0), load("b", 1.5, 4.0, 3.0)]
    week = pooled_week(teams, GROUPS, simulate=fast)
    assert week.checked.all()
    assert np.all(week.lower.sum(axis=0) <= week.agents.sum(axis=0))
    assert week.agents.sum() < separate_agents(teams).sum()
    assert np.all(week.level >= 0.795)
    assert np.all(week.half_width < 0.03)
    assert not week.missing.any()
    assert np.array_equal(week.agents.sum(axis=0), week.lower.sum(axis=0) + week.added - week.spared)


def test_rates_that_may_vary_need_more() -> None:
    sure = pooled_week([load("a", 9.0), load("b", 8.0)], GROUPS, simulate=fast)
    unsure = [load(name, many, rate_variation=0.15) for name, many in (("a", 9.0), ("b", 8.0))]
    week = pooled_week(unsure, GROUPS, simulate=fast)
    assert sure.agents.sum() < week.agents.sum() <= separate_agents(unsure).sum()


def test_promised_wait_and_abandonment_are_kept_too() -> None:
    targets = Targets(asa_s=10.0, abandonment=0.02)
    teams = [load("a", 5.0, targets=targets), load("b", 4.0, targets=targets)]
    week = pooled_week(teams, GROUPS, simulate=fast)
    strict = week.agents.sum()
    loose = pooled_week([load("a", 5.0), load("b", 4.0)], GROUPS, simulate=fast).agents.sum()
    assert loose < strict <= separate_agents(teams).sum()


def test_interval_with_one_team_at_work_needs_no_simulation() -> None:
    week = pooled_week([load("a", 3.0, 3.0), load("b", 0.0, 2.0)], GROUPS, simulate=fast)
    assert week.checked.tolist() == [False, True]


def test_what_is_not_searched_in_time_keeps_what_each_team_needs_on_its_own() -> None:
    teams = [load("a", 3.0, 5.0), load("b", 2.0, 4.0)]
    week = pooled_week(teams, GROUPS, simulate=fast, go_on=lambda share: False)
    assert not week.checked.any()
    assert week.agents.tolist() == week.upper.tolist()


def test_search_that_runs_out_of_time_within_a_simulation_keeps_what_it_found() -> None:
    """A pool too large to be searched at once: the first part is done when the time is over."""
    many = [30.0 + number for number in range(20)]
    teams, left = [load("a", *many), load("b", *many)], 2

    def simulate(alike: list[TeamLoad]):
        def seen(interval, agents, effort):
            nonlocal left
            if effort is Effort.JUDGE:
                left -= 1
            if left <= 0:
                raise OutOfTimeError
            kept = np.full((len(interval), 2), -0.5)
            return Seen(level=kept + 1.0, half_width=np.zeros_like(kept), misses=kept)

        return seen

    week = pooled_week(teams, GROUPS, simulate=simulate)
    assert 0 < week.checked.sum() < len(many)
    assert week.agents[:, ~week.checked].tolist() == week.upper[:, ~week.checked].tolist()


def test_routing_that_runs_out_of_time_leaves_the_rest_unjudged() -> None:
    judged = 0

    def late(alike: list[TeamLoad]):
        def levels(interval: int, staff: dict[str, int]):
            nonlocal judged
            judged += 1
            if judged > 1:
                raise OutOfTimeError
            return {"a": (0.9, 0.01), "b": (0.9, 0.01)}

        return levels

    teams = [load("a", 2.0, 5.0, 9.0), load("b", 1.5, 4.0, 3.0)]
    week = pooled_week(teams, GROUPS, simulate=fast, routed=late, verify=3)
    assert len(week.verified) == 1
    assert week.checked.all()


def test_others_relieve_those_who_are_all_at_work() -> None:
    few = [group("a"), group("ab", most=5)]
    week = pooled_week([load("a", 2.0), load("b", 2.2)], few, simulate=lambda teams: fast_levels(teams, few))
    assert week.agents[1, 0] == 5
    assert not week.missing.any()


def test_groups_that_are_too_small_are_named() -> None:
    few = [group("a", most=1), group("b", most=1), group("ab", most=1)]
    week = pooled_week([load("a", 4.0), load("b", 4.0)], few, simulate=lambda teams: fast_levels(teams, few))
    assert week.agents.T.tolist() == [[1, 1, 1]]
    assert week.missing.all()
    assert week.short[0] > 0


def test_routing_has_the_last_word_where_a_miss_is_closest() -> None:
    teams = [load("a", 2.0, 5.0, 9.0), load("b", 1.5, 4.0, 3.0)]
    week = pooled_week(teams, GROUPS, simulate=fast, routed=routed, verify=2)
    assert len(week.verified) == 2
    for each in week.verified:
        assert each.kept
        assert each.alike == 1
        assert len(each.level) == 2


def test_interval_that_clearly_misses_in_the_routing_gets_more() -> None:
    teams = [load("a", 5.0), load("b", 4.0)]
    before = pooled_week(teams, GROUPS, simulate=fast)
    needs = int(before.agents.sum()) + 2

    def strict(alike: list[TeamLoad]):
        def levels(interval: int, staff: dict[str, int]):
            value = 0.85 if sum(staff.values()) >= needs else 0.7
            return {"a": (value, 0.01), "b": (value, 0.01)}

        return levels

    week = pooled_week(teams, GROUPS, simulate=fast, routed=strict, verify=5)
    (each,) = week.verified
    assert (each.added, each.kept) == (2, True)
    assert week.agents.sum() == needs
    assert week.added.sum() == before.added.sum() + 2
