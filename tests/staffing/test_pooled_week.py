import numpy as np
import pytest

from staffing.performance import Targets
from staffing.pooled_week import pooled_week
from staffing.pooling import SkillGroup, TeamLoad, pooled_requirement
from staffing.simulation.shared_agents import Stretch, shared_levels

TARGETS = Targets(service_level=0.8, answer_within_s=20.0)
GROUPS = [
    SkillGroup("a", frozenset("a")),
    SkillGroup("b", frozenset("b")),
    SkillGroup("both", frozenset("ab")),
]


def load(name: str, *erlangs: float) -> TeamLoad:
    many = len(erlangs)
    return TeamLoad(
        name=name,
        load_erlangs=np.array(erlangs),
        handle_time_s=np.full(many, 240.0),
        patience_s=np.full(many, 300.0),
        targets=TARGETS,
    )


def brief(teams):
    return shared_levels(teams, GROUPS, stretch=Stretch(hours=2.0, warm_up_hours=0.25, replications=2))


def test_answer_is_enough_for_every_interval_it_stands_for() -> None:
    rng = np.random.default_rng(5)
    teams = [load("a", *rng.uniform(0, 30, 40)), load("b", *rng.uniform(0, 9, 40))]
    exact, alike = pooled_requirement(teams, GROUPS), pooled_week(teams, GROUPS)
    assert np.all(alike.upper.sum(axis=0) >= exact.upper.sum(axis=0))
    assert np.all(alike.lower.sum(axis=0) >= exact.lower.sum(axis=0))


def test_rounding_up_costs_no_more_than_a_tenth() -> None:
    teams = [load("a", *np.linspace(6, 60, 30)), load("b", *np.linspace(8, 90, 30))]
    exact, alike = pooled_requirement(teams, GROUPS), pooled_week(teams, GROUPS)
    assert alike.upper.sum() <= 1.1 * exact.upper.sum() + 30


def test_intervals_alike_are_simulated_once() -> None:
    asked = []

    def simulate(teams):
        asked.append(teams)
        return brief(teams)

    week = pooled_week([load("a", *[2.0] * 20), load("b", *[1.5] * 20)], GROUPS, simulate=simulate)
    assert len(asked) == 1
    assert week.checked.all()
    assert week.agents.sum() < week.upper.sum()


def test_interval_with_one_team_at_work_needs_no_simulation() -> None:
    week = pooled_week([load("a", 3.0, 3.0), load("b", 0.0, 2.0)], GROUPS, simulate=brief)
    assert week.checked.tolist() == [False, True]


def test_what_is_not_simulated_in_time_keeps_what_each_team_needs_on_its_own() -> None:
    teams = [load("a", 3.0, 5.0), load("b", 2.0, 4.0)]
    week = pooled_week(teams, GROUPS, simulate=brief, go_on=lambda share: share == 0)
    assert week.checked.tolist() == [False, True]
    assert week.agents[:, 0] == pytest.approx(week.upper[:, 0])
