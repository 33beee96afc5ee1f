import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from staffing.erlang import performance
from staffing.pool_search import SLACK, Effort, PoolFound, PoolSearch, Seen, Simulate
from staffing.pooling import SkillGroup, TeamLoad, pooled_bounds, separate_agents
from tests.staffing.pools import HANDLE_S, group, load

LEVEL = 0.8


def seen(levels: np.ndarray) -> Seen:
    return Seen(level=levels, half_width=np.zeros(levels.shape), misses=LEVEL - levels)


def found(teams: list[TeamLoad], groups: list[SkillGroup], simulate: Simulate) -> PoolFound:
    search = PoolSearch(pooled_bounds(teams, groups), groups, simulate)
    return search.find(np.arange(len(teams[0].load_erlangs)))


def patient(name: str, *erlangs: float) -> TeamLoad:
    return load(name, *erlangs, patience_s=math.inf)


def one_pool(loads: list[float]) -> Simulate:
    """Return a stand-in: everybody can do everything, so that both teams get what one queue gives."""

    def simulate(interval: np.ndarray, agents: np.ndarray, effort: Effort) -> Seen:
        level = performance(np.array(loads)[interval], agents.sum(axis=1), handle_time_s=HANDLE_S)
        return seen(np.stack([level.service_level] * 2, axis=1))

    return simulate


def worth_of_one(alone: np.ndarray, worth: float) -> Simulate:
    """Return a stand-in: apart, each team keeps its promise with just what it needs, and one of the third
    group is worth so many of the others, half for each team.
    """

    def simulate(interval: np.ndarray, agents: np.ndarray, effort: Effort) -> Seen:
        helps = worth * agents[:, 2] / 2
        return seen(
            np.stack(
                [1 - np.exp(math.log(0.2) * (agents[:, row] + helps) / alone[row]) for row in (0, 1)], axis=1
            )
        )

    return simulate


def test_pool_is_found_when_everybody_can_do_everything() -> None:
    teams = [patient("a", 16, 4), patient("b", 16, 8)]
    exact = [int(n) for n in separate_agents([patient("a", 32, 12)])[0]]
    assert found(teams, [group("ab")], one_pool([32.0, 12.0])).agents.tolist() == [exact]


def test_cuts_lead_from_the_lower_bound_to_what_the_routing_needs() -> None:
    def simulate(interval: np.ndarray, agents: np.ndarray, effort: Effort) -> Seen:
        level = 1 - np.exp(math.log(0.2) * agents[:, :1] / 39.5)
        return seen(np.hstack([level, level]))

    teams, groups = [patient("a", 16), patient("b", 16)], [group("ab")]
    bounds = pooled_bounds(teams, groups)
    answer = found(teams, groups, simulate)
    assert (bounds.lower.sum(), answer.agents.sum(), bounds.upper.sum()) == (37, 40, 40)
    assert answer.added.tolist() == [3]


def test_group_that_gains_most_gets_the_agent() -> None:
    teams, groups = [patient("a", 16), patient("b", 16)], [group("a"), group("b"), group("ab")]
    bounds = pooled_bounds(teams, groups)

    def simulate(interval: np.ndarray, agents: np.ndarray, effort: Effort) -> Seen:
        # The second team lacks one agent of its own; nobody else helps.
        lacks = agents[:, 1] <= bounds.lower[1, 0]
        return seen(np.stack([np.full(len(agents), 0.9), np.where(lacks, 0.7, 0.9)], axis=1))

    answer = found(teams, groups, simulate)
    assert (answer.agents - bounds.lower)[1].tolist() == [1]
    # Whole pools now have one too many, and nobody needs who can do both.
    assert answer.spared.tolist() == [1]


def test_other_chance_has_the_last_word() -> None:
    """What the search's own random numbers let pass is corrected by others."""
    teams, groups = [patient("a", 16), patient("b", 16)], [group("ab")]

    def simulate(interval: np.ndarray, agents: np.ndarray, effort: Effort) -> Seen:
        enough = 40 if effort is Effort.JUDGE else 38
        return seen(np.where(agents >= enough, 0.81, 0.79) * np.ones((1, 2)))

    answer = found(teams, groups, simulate)
    assert answer.agents.tolist() == [[40]]
    assert (answer.seen.misses <= SLACK).all()


def test_search_ends_where_nobody_is_left() -> None:
    teams, groups = [patient("a", 16), patient("b", 16)], [group("ab", most=30)]
    answer = found(teams, groups, one_pool([32.0]))
    assert answer.agents.tolist() == [[30]]
    assert (answer.seen.misses > SLACK).all()


@settings(max_examples=30)
@given(
    st.floats(min_value=2, max_value=30),
    st.floats(min_value=2, max_value=30),
    st.floats(min_value=1.0, max_value=1.4),
)
def test_staff_found_keeps_the_promise_at_no_more_than_apart(
    first: float, second: float, worth: float
) -> None:
    teams = [patient("a", first), patient("b", second)]
    groups = [group("a"), group("b"), group("ab", cost=1.2)]
    alone = separate_agents(teams)[:, 0]
    simulate = worth_of_one(alone, worth)
    staff = found(teams, groups, simulate).agents
    level = simulate(np.zeros(1, dtype=np.int64), staff.T, Effort.JUDGE).level
    assert (level >= LEVEL - SLACK - 1e-9).all()
    assert np.array([1, 1, 1.2]) @ staff[:, 0] <= alone.sum() + 1e-9
