import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from staffing.erlang import performance, required_agents
from staffing.performance import Targets
from staffing.requirement import (
    Demand,
    Rules,
    Shrinkage,
    before_shrinkage,
    explain,
    kept_share,
    requirement,
)

HALF_HOUR_S = 1800
EIGHTY_IN_TWENTY = Targets(service_level=0.8)


def demand(offered: list[float], **changes: object) -> Demand:
    usual: dict[str, object] = {
        "starts": np.arange(len(offered), dtype=np.int64) * HALF_HOUR_S,
        "offered": offered,
        "handle_time_s": 180.0,
        "step_s": HALF_HOUR_S,
    }
    return Demand(**{**usual, **changes})


def test_known_requirement_is_reached() -> None:
    # 100 calls of 180 s in 30 minutes, 80 % in 20 s: 14 agents. The second interval starts with a full load.
    needed = requirement(demand([100, 100]), Rules(targets=EIGHTY_IN_TWENTY))
    assert needed.agents.tolist() == [14, 14]
    assert needed.expected.service_level[1] == pytest.approx(0.88835, abs=1e-4)


def test_average_rate_is_used_when_the_moving_load_is_off() -> None:
    needed = requirement(demand([0, 100, 0]), Rules(targets=EIGHTY_IN_TWENTY, follow_rate=False))
    assert needed.load.tolist() == [0, 10, 0]


def test_interval_after_a_busy_one_still_needs_agents_when_load_is_moving() -> None:
    needed = requirement(demand([100, 0], handle_time_s=1800.0), Rules(targets=EIGHTY_IN_TWENTY))
    assert needed.agents[1] > 50


def test_occupancy_is_that_of_the_whole_interval_not_of_its_peak() -> None:
    # The load of the busy interval dies away over the quiet one, where most of the time is idle.
    needed = requirement(demand([100, 5], handle_time_s=600.0), Rules(targets=EIGHTY_IN_TWENTY))
    handling_s = needed.mean_load[1] * HALF_HOUR_S
    assert needed.expected.occupancy[1] == pytest.approx(handling_s / (needed.agents[1] * HALF_HOUR_S))
    assert needed.mean_load[1] < 0.6 * needed.load[1]


def test_limit_of_occupancy_holds_over_the_interval() -> None:
    rules = Rules(targets=Targets(max_occupancy=0.5))
    needed = requirement(demand([100, 5], handle_time_s=600.0, patience_s=120.0), rules)
    assert needed.expected.occupancy[1] <= 0.5
    at_peak = required_agents(needed.load, rules.targets, handle_time_s=600.0, patience_s=120.0)
    assert needed.agents[1] < at_peak[1]


def test_door_is_staffed_at_opening() -> None:
    closed, open_door = (
        requirement(demand([10, 10], waiting_at_start=[door, 0.0]), Rules(targets=EIGHTY_IN_TWENTY))
        for door in (0.0, 15.0)
    )
    assert open_door.agents[0] >= closed.agents[0] + 14
    assert open_door.agents[1] == closed.agents[1]


@pytest.mark.parametrize(
    ("targets", "binding"),
    [
        (Targets(service_level=0.8, asa_s=1000), "service_level"),
        (Targets(service_level=0.1, asa_s=2), "asa"),
        (Targets(service_level=0.1, max_occupancy=0.5), "occupancy"),
        (Targets(service_level=0.1, min_agents=40), "min_agents"),
        (Targets(), "load"),
    ],
)
def test_binding_target_is_named(targets: Targets, binding: str) -> None:
    assert requirement(demand([100]), Rules(targets=targets, follow_rate=False)).binding == (binding,)


def test_abandonment_binds_when_customers_hang_up() -> None:
    rules = Rules(targets=Targets(service_level=0.5, abandonment=0.01))
    assert requirement(demand([100, 100], patience_s=60.0), rules).binding[1] == "abandonment"


def test_nothing_binds_when_nobody_comes() -> None:
    needed = requirement(demand([0.0]), Rules(targets=EIGHTY_IN_TWENTY))
    assert (needed.agents.tolist(), needed.binding) == ([0], ("none",))


def test_uncertain_rate_needs_more() -> None:
    steady = {"handle_time_s": 300.0, "waiting_at_start": 0.0}
    rules = Rules(targets=EIGHTY_IN_TWENTY, follow_rate=False)
    known = requirement(demand([600], **steady), rules)
    unsure = requirement(demand([600], rate_variation=0.1, **steady), rules)
    assert (known.agents.tolist(), unsure.agents.tolist()) == ([108], [115])


def test_shrinkage_is_compounded_and_planned_kinds_are_not_rostered_twice() -> None:
    rules = Rules(
        targets=EIGHTY_IN_TWENTY,
        shrinkage=(
            Shrinkage("leave", 0.1, planned=True),
            Shrinkage("illness", 0.05),
            Shrinkage("other", 0.02),
        ),
    )
    needed = requirement(demand([100, 100]), rules)
    assert needed.rostered[1] == math.ceil(14 / (0.95 * 0.98))
    assert needed.employed[1] == math.ceil(14 / (0.95 * 0.98 * 0.9))


def test_people_are_rounded_up_after_shrinkage() -> None:
    assert before_shrinkage([5, 7, 0], 0.7).tolist() == [8, 10, 0]


def test_whole_numbers_are_not_rounded_up_by_binary_fractions() -> None:
    assert before_shrinkage(63, kept_share([Shrinkage("a", 0.1), Shrinkage("b", 0.3)], planned=False)) == 100


def test_two_chats_at_a_time_need_about_half_the_agents() -> None:
    alone = requirement(demand([200, 200]), Rules(targets=EIGHTY_IN_TWENTY))
    pairs = requirement(demand([200, 200]), Rules(targets=EIGHTY_IN_TWENTY, concurrency=2))
    assert pairs.agents[1] == math.ceil(alone.agents[1] / 2)


def test_chats_that_slow_each_other_fully_save_nothing() -> None:
    alone = requirement(demand([200, 200]), Rules(targets=EIGHTY_IN_TWENTY))
    slowed = requirement(demand([200, 200]), Rules(targets=EIGHTY_IN_TWENTY, concurrency=3, slowdown=1.0))
    assert slowed.handle_time_s[0] == 3 * 180
    assert slowed.agents[1] >= alone.agents[1] - 1


def test_minimum_counts_agents_and_not_chats() -> None:
    rules = Rules(targets=Targets(service_level=0.8, min_agents=3), concurrency=4)
    assert requirement(demand([1, 1]), rules).agents.tolist() == [3, 3]


@given(
    st.floats(min_value=0.1, max_value=800),
    st.floats(min_value=30, max_value=900),
    st.sampled_from([40.0, 400.0, math.inf]),
)
def test_level_rate_is_plain_erlang_of_each_interval(
    offered: float, handle_s: float, patience_s: float
) -> None:
    rules = Rules(targets=EIGHTY_IN_TWENTY, follow_rate=False)
    needed = requirement(demand([offered], handle_time_s=handle_s, patience_s=patience_s), rules)
    load = offered * handle_s / HALF_HOUR_S
    assert needed.agents == required_agents(
        load, EIGHTY_IN_TWENTY, handle_time_s=handle_s, patience_s=patience_s
    )
    alone = performance(load, needed.agents, handle_time_s=handle_s, patience_s=patience_s)
    assert needed.expected.asa_s == pytest.approx(alone.asa_s, rel=1e-9, abs=1e-12)


def test_explanation_carries_the_interval_it_explains() -> None:
    rules = Rules(targets=EIGHTY_IN_TWENTY, shrinkage=(Shrinkage("illness", 0.05),), follow_rate=False)
    told = explain(requirement(demand([50, 100]), rules), 1)
    assert (told.start_at, told.agents, told.rostered, told.binding) == (1800, 14, 15, "service_level")
    assert (told.rate_per_hour, told.load, told.handle_time_s) == pytest.approx((200, 10, 180))


def test_no_intervals_need_nothing() -> None:
    assert requirement(demand([]), Rules(targets=EIGHTY_IN_TWENTY)).agents.tolist() == []


@pytest.mark.parametrize(
    "wrong", [{"offered": -1.0}, {"handle_time_s": 0.0}, {"patience_s": -1.0}, {"rate_variation": -0.1}]
)
def test_demand_is_refused_when_it_has_no_meaning(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"volume|time|patience|variation"):
        requirement(replace(demand([1.0]), **wrong), Rules(targets=EIGHTY_IN_TWENTY))


def test_shrinkage_of_all_time_is_refused() -> None:
    with pytest.raises(ValueError, match="leave"):
        Shrinkage("leave", 1.0)
