"""What a change does, and the simulation that teams which share agents are staffed by."""

import numpy as np
import pytest

from staffing.performance import Targets
from staffing.pooling import SkillGroup, TeamLoad
from staffing.simulation.durations import Exponential
from staffing.simulation.replications import overall, simulate
from staffing.simulation.scenario import Scenario, Shift
from staffing.simulation.shared_agents import Stretch, routed_levels
from staffing.simulation.what_if import Comparison, WhatIf, compare
from tests.staffing.simulated import STEP_S, after, level_volume, people, policy, scenario, team, traffic

INTERVALS = 12


def day(*, agents: int = 12, absence: float = 0.0) -> Scenario:
    volume = level_volume(50, INTERVALS)
    kind = traffic(volume, handle=Exponential(180), patience=Exponential(300))
    whole = Shift(after(0), after(INTERVALS * STEP_S))
    return scenario(kind, workers=people(agents, whole), intervals=INTERVALS, absence=absence)


def effect(change: WhatIf, **terms: bool) -> Comparison:
    return compare(day(), change, replications=12, seed=3, **({"through_floor": False} | terms))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        WhatIf(volume=1.1),
        WhatIf(handle_time=1.1),
        WhatIf(absence=0.1),
        WhatIf(workers=day(agents=11).workers),
    ],
)
def test_more_work_or_fewer_people_lower_the_service_level(change: WhatIf) -> None:
    level, occupancy = (effect(change).overall[metric] for metric in ("service_level", "occupancy"))
    assert level.high[0] < 0
    assert occupancy.low[0] > 0


def test_no_change_makes_no_difference_at_all() -> None:
    found = effect(WhatIf())
    known = [estimate for metric, estimate in found.overall.items() if metric != "deferred_in_time"]
    assert all((estimate.value == 0).all() for estimate in known)
    assert all((estimate.half_width == 0).all() for estimate in known)


def test_difference_is_bounded_closer_than_either_side() -> None:
    found = effect(WhatIf(handle_time=1.02))
    assert (
        found.overall["service_level"].half_width[0]
        < 0.6 * overall(found.base, "service_level").half_width[0]
    )


def test_difference_is_that_of_the_two_sides() -> None:
    found = effect(WhatIf(volume=1.1))
    for metric, estimate in found.overall.items():
        sides = overall(found.variant, metric).value - overall(found.base, metric).value
        assert estimate.value == pytest.approx(sides, nan_ok=True)
    assert found.by_interval["service_level"].value.shape == (1, INTERVALS)


def test_policy_that_holds_the_line_shorter_turns_callers_away() -> None:
    shorter = policy(team(max_waiting=1))
    found = effect(WhatIf(policy=shorter), through_floor=True)
    assert found.overall["asa_s"].high[0] < 0
    assert found.variant.counts["rejected"].sum() > found.base.counts["rejected"].sum() == 0


def test_absence_comes_on_top_of_the_absence_there_is() -> None:
    both = compare(day(absence=0.2), WhatIf(absence=0.5), replications=8, seed=1, through_floor=False)
    staffed = both.variant.counts["staffed_s"].sum() / both.base.counts["staffed_s"].sum()
    assert staffed == pytest.approx(0.4 / 0.8, abs=0.15)


def test_base_that_is_known_is_not_simulated_again() -> None:
    base = simulate(day(), replications=4, seed=3, through_floor=False)
    found = compare(day(), WhatIf(volume=1.1), replications=4, seed=3, base=base, through_floor=False)
    assert found.base is base
    with pytest.raises(ValueError, match="same seed"):
        compare(day(), WhatIf(volume=1.1), replications=4, seed=4, base=base)


FEW = Stretch(hours=1000, contacts=500, warm_up_hours=0.5, replications=2)


def shared(load: float, *, level: float = 0.8, name: str) -> TeamLoad:
    one = np.array([load])
    return TeamLoad(
        name=name,
        load_erlangs=one,
        handle_time_s=np.full(1, 300.0),
        patience_s=np.full(1, 600.0),
        targets=Targets(service_level=level),
    )


def test_team_without_agents_answers_nobody_and_without_contacts_there_is_no_level() -> None:
    teams = [shared(2, name="a"), shared(0, name="b")]
    groups = [SkillGroup("a", frozenset("a")), SkillGroup("b", frozenset("b"))]
    levels = routed_levels(teams, groups, stretch=Stretch(hours=1, replications=2))
    found = levels(0, {"a": 0, "b": 1})
    assert found["a"] == (0.0, 0.0)
    assert np.isnan(found["b"]).all()


def test_stretch_is_as_short_as_its_contacts_allow() -> None:
    levels = routed_levels([shared(20, name="a")], [SkillGroup("a", frozenset("a"))], stretch=FEW)
    (value, half_width) = levels(0, {"a": 26})["a"]
    assert 0.7 < value < 1
    # 500 contacts in each of two runs leave wide bounds.
    assert half_width > 0.01
