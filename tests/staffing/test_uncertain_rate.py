import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from staffing.erlang import performance, required_agents
from staffing.performance import Targets
from staffing.uncertain_rate import expected_performance, required_for_uncertain, uncertain_load

EIGHTY_IN_TWENTY = Targets(service_level=0.8)


@pytest.mark.parametrize(
    ("erlangs", "agents", "levels", "needed"),
    [
        (100, 108, [0.698, 0.647, 0.596], [111, 113, 115]),
        (300, 312, [0.619, 0.578, 0.542], [322, 327, 336]),
        (20, 25, [0.833, 0.816, 0.779], None),
    ],
)
def test_staffing_the_mean_misses_the_target_as_known(
    erlangs: float, agents: int, levels: list[float], needed: list[int] | None
) -> None:
    load = uncertain_load(erlangs, [0.05, 0.07, 0.10], handle_time_s=300)
    got = expected_performance(load, agents, EIGHTY_IN_TWENTY).service_level
    assert got == pytest.approx(levels, abs=1.1e-3)
    if needed:
        assert required_for_uncertain(load, EIGHTY_IN_TWENTY).tolist() == needed


def test_abandonment_softens_an_uncertain_rate() -> None:
    load = uncertain_load(100, [0.05, 0.07, 0.10], handle_time_s=300, patience_s=300)
    got = expected_performance(load, 108, EIGHTY_IN_TWENTY).service_level
    assert got == pytest.approx([0.892, 0.870, 0.829], abs=1.1e-3)


@pytest.mark.parametrize("patience_s", [math.inf, 120.0])
def test_expectation_equals_a_sample_of_rates(patience_s: float) -> None:
    rng = np.random.default_rng(2)
    variation = 0.15
    rates = rng.gamma(1 / variation**2, variation**2, 200_000)
    state = performance(50 * rates, 54, handle_time_s=240, patience_s=patience_s)
    load = uncertain_load(50, variation, handle_time_s=240, patience_s=patience_s)
    expected = expected_performance(load, 54, EIGHTY_IN_TWENTY)
    assert expected.service_level == pytest.approx((rates * state.service_level).mean(), abs=3e-3)
    assert expected.abandonment == pytest.approx((rates * state.abandonment).mean(), abs=5e-4)
    assert expected.occupancy == pytest.approx(state.occupancy.mean(), abs=1e-3)


@given(
    st.floats(min_value=0.1, max_value=300),
    st.floats(min_value=30, max_value=900),
    st.sampled_from([30.0, 300.0, math.inf]),
)
def test_known_rate_is_plain_erlang(load: float, handle_s: float, patience_s: float) -> None:
    known = uncertain_load(load, 0.0, handle_time_s=handle_s, patience_s=patience_s)
    expected = expected_performance(known, math.ceil(load) + 1, EIGHTY_IN_TWENTY)
    plain = performance(load, math.ceil(load) + 1, handle_time_s=handle_s, patience_s=patience_s)
    assert expected.service_level == pytest.approx(plain.service_level, abs=1e-12)
    assert expected.asa_s == pytest.approx(plain.asa_s)
    needed = required_for_uncertain(known, EIGHTY_IN_TWENTY)
    assert needed == required_agents(load, EIGHTY_IN_TWENTY, handle_time_s=handle_s, patience_s=patience_s)


@given(
    st.floats(min_value=0.5, max_value=200),
    st.floats(min_value=0.01, max_value=0.4),
    st.sampled_from([60.0, math.inf]),
)
def test_required_agents_are_the_fewest_that_hold_in_expectation(
    erlangs: float, variation: float, patience_s: float
) -> None:
    load = uncertain_load(erlangs, variation, handle_time_s=200, patience_s=patience_s)
    needed = int(required_for_uncertain(load, EIGHTY_IN_TWENTY)[0])
    assert expected_performance(load, needed, EIGHTY_IN_TWENTY).service_level >= 0.8 - 1e-12
    assert expected_performance(load, needed - 1, EIGHTY_IN_TWENTY).service_level < 0.8


def test_wait_stays_finite_when_the_rate_may_exceed_the_agents() -> None:
    load = uncertain_load(50, 0.2, handle_time_s=240)
    assert np.isfinite(expected_performance(load, 52, EIGHTY_IN_TWENTY).asa_s).all()
    assert required_for_uncertain(load, Targets(asa_s=60)) >= 51


def test_targets_of_each_interval_are_its_own() -> None:
    targets = Targets(service_level=np.array([0.8, 0.95]), min_agents=np.array([0, 200]))
    together = required_for_uncertain(uncertain_load([50, 60], [0.1, 0.2], handle_time_s=300), targets)
    alone = required_for_uncertain(uncertain_load(50, 0.1, handle_time_s=300), EIGHTY_IN_TWENTY)
    assert together.tolist() == [int(alone[0]), 200]


def test_variation_is_refused_when_negative() -> None:
    with pytest.raises(ValueError, match="variation"):
        uncertain_load(10, -0.1, handle_time_s=60)
