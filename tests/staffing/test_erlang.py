import math
from collections.abc import Iterator

import mpmath as mp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from staffing.erlang import blocking_probability, performance, required_agents, wait_probability
from staffing.performance import Targets, unmet
from tests.staffing import erlang_reference

FOREVER = math.inf
loads = st.floats(min_value=0.01, max_value=400)
handle_times = st.floats(min_value=10, max_value=1800)
patiences = st.floats(min_value=1, max_value=1e5)


@pytest.fixture(autouse=True)
def _thirty_digits() -> Iterator[None]:
    with mp.workdps(30):
        yield


@pytest.mark.parametrize(
    ("load", "agents", "expected"),
    [
        (0.5, 1, 0.5),
        (1, 2, 1 / 3),
        (4, 5, 0.5541126),
        (50, 55, 0.3845473),
        (750, 800, 0.0438348),
        (5000, 5100, 0.1028814),
        (10000, 10150, 0.0857821),
    ],
)
def test_wait_probability_is_exact_for_any_load(load: float, agents: int, expected: float) -> None:
    assert wait_probability(load, agents) == pytest.approx(expected, abs=5e-8)


@pytest.mark.parametrize("agents", [7, 8])
def test_everybody_waits_when_the_load_reaches_the_agents(agents: int) -> None:
    assert wait_probability(8.0, agents) == 1.0


def test_nobody_waits_when_there_is_no_load() -> None:
    assert wait_probability(0.0, [0, 1, 50]).tolist() == [0, 0, 0]


@given(loads, st.integers(min_value=1, max_value=500))
def test_blocking_obeys_the_loss_recursion(load: float, agents: int) -> None:
    fewer, blocked = blocking_probability(load, [agents - 1, agents])
    assert blocked == pytest.approx(load * fewer / (agents + load * fewer), rel=1e-10, abs=1e-300)


@given(loads, st.integers(min_value=0, max_value=500), handle_times, patiences)
def test_flow_is_balanced_when_customers_hang_up(
    load: float, agents: int, handle_s: float, patience_s: float
) -> None:
    state = performance(load, agents, handle_time_s=handle_s, patience_s=patience_s)
    rate = load / handle_s
    assert state.queue_length / patience_s == pytest.approx(rate * float(state.abandonment), rel=1e-9)
    assert state.occupancy * agents == pytest.approx(
        load * (1 - state.abandonment) if agents else 0, rel=1e-9
    )


@given(loads, st.integers(min_value=1, max_value=500), handle_times)
def test_erlang_a_becomes_erlang_c_when_patience_is_endless(
    load: float, agents: int, handle_s: float
) -> None:
    assume(load < 0.95 * agents)
    patient = performance(load, agents, handle_time_s=handle_s, patience_s=FOREVER)
    almost = performance(load, agents, handle_time_s=handle_s, patience_s=1e12)
    assert almost.wait_probability == pytest.approx(patient.wait_probability, abs=1e-6)
    assert almost.asa_s == pytest.approx(patient.asa_s, rel=1e-4, abs=1e-9)


@given(loads, st.integers(min_value=0, max_value=400), handle_times, patiences)
def test_more_agents_never_serve_worse(load: float, agents: int, handle_s: float, patience_s: float) -> None:
    few, many = (
        performance(load, n, handle_time_s=handle_s, patience_s=patience_s) for n in (agents, agents + 1)
    )
    assert many.service_level >= few.service_level - 1e-11
    assert many.abandonment <= few.abandonment + 1e-11
    assert many.asa_s <= few.asa_s * (1 + 1e-9)


@given(loads, st.integers(min_value=1, max_value=400), handle_times, patiences)
def test_service_level_rises_when_short_abandons_are_left_out(
    load: float, agents: int, handle_s: float, patience_s: float
) -> None:
    with_all, without = (
        performance(load, agents, handle_time_s=handle_s, patience_s=patience_s, short_abandon_s=short_s)
        for short_s in (0.0, 5.0)
    )
    assert with_all.service_level <= without.service_level + 1e-12


def test_short_abandons_are_those_of_the_time_asked() -> None:
    # Nobody to answer: a fifth of 100 s of patience has gone by at -100 log(0.8) s.
    state = performance(
        5.0,
        0,
        handle_time_s=60.0,
        patience_s=100.0,
        answer_within_s=20.0,
        short_abandon_s=-100 * math.log(0.8),
    )
    assert state.service_level == 0
    assert state.abandonment == pytest.approx(1.0)


def test_rows_are_independent_when_many_are_asked_at_once() -> None:
    load, agents = np.array([[0.0, 3.0], [40.0, 900.0]]), np.array([[0.0, 4.0], [38.0, 900.0]])
    patience_s = np.array([[60.0, FOREVER], [120.0, 30.0]])
    together = performance(load, agents, handle_time_s=180.0, patience_s=patience_s)
    for where in np.ndindex(load.shape):
        alone = performance(load[where], agents[where], handle_time_s=180.0, patience_s=patience_s[where])
        assert together.service_level[where] == alone.service_level
        assert together.asa_s[where] == alone.asa_s


def test_figures_stay_finite_when_patience_and_overload_are_extreme() -> None:
    state = performance(
        10_000.0, [0, 1, 5_000, 20_000], handle_time_s=300.0, patience_s=1e7, answer_within_s=500
    )
    assert state.abandonment.tolist()[:3] == pytest.approx([1, 0.9999, 0.5], rel=1e-9)
    assert np.isfinite(state.asa_s[1:]).all()


def test_long_answer_time_does_not_underflow() -> None:
    hundreds = performance(300.0, 300, handle_time_s=180.0, patience_s=120.0, answer_within_s=300.0)
    overload = performance(510.0, 500, handle_time_s=180.0, patience_s=300.0, answer_within_s=500.0)
    assert hundreds.service_level == pytest.approx(0.974649, abs=1e-6)
    assert overload.service_level == pytest.approx(0.973170, abs=1e-6)


@pytest.mark.parametrize(
    ("agents", "rate", "handle", "patience", "within", "expected"),
    [
        (100, 102, 1, 1, 0.1, (0.5917, 0.0499, 0.7588)),
        (100, 102, 1, 4, 0.1, (0.7743, 0.0364, 0.4517)),
        (50, 48, 1, 2, 1 / 3, (0.4678, 0.0309, 0.9430)),
        (10, 2, 4, 3, 1 / 3, (0.2685, 0.0595, 0.8044)),
        (15, 4, 5, 2, 1 / 3, (0.7653, 0.2780, 0.3559)),
        (250, 50, 5, 3, 1 / 3, (0.4460, 0.0284, 0.9000)),
    ],
)
def test_erlang_a_gives_known_values(
    agents: int, rate: float, handle: float, patience: float, within: float, expected: tuple[float, ...]
) -> None:
    state = performance(
        rate * handle, agents, handle_time_s=handle, patience_s=patience, answer_within_s=within
    )
    got = (float(state.wait_probability), float(state.abandonment), float(state.service_level))
    assert got == pytest.approx(expected, abs=5.1e-5)


def random_a_cases(count: int, seed: int) -> Iterator[tuple[float, int, float, float, float]]:
    rng = np.random.default_rng(seed)
    for _ in range(count):
        load = float(np.exp(rng.uniform(np.log(0.02), np.log(300))))
        agents = max(1, round(load + rng.normal(0, 2) * math.sqrt(load)))
        patience_s = float(np.exp(rng.uniform(0, np.log(2e4))))
        yield load, agents, float(rng.uniform(10, 900)), patience_s, float(rng.choice([0, 5, 20, 60, 500]))


def test_erlang_a_equals_the_sum_over_states() -> None:
    for load, agents, handle_s, patience_s, within_s in random_a_cases(150, seed=3):
        asked = {"handle_time_s": handle_s, "patience_s": patience_s, "answer_within_s": within_s}
        exact = erlang_reference.erlang_a(load, agents, **asked)
        state = performance(load, agents, **asked)
        assert float(state.wait_probability) == pytest.approx(float(exact.wait_probability), abs=1e-12)
        assert float(state.service_level) == pytest.approx(float(exact.service_level), abs=1e-11)
        assert float(state.abandonment) == pytest.approx(float(exact.abandonment), rel=1e-10)
        assert float(state.asa_s) == pytest.approx(float(exact.asa_s), rel=1e-9)


def fewest_by_reference(
    load: float, level: float, *, handle_s: float, patience_s: float, within_s: float, got: int
) -> bool:
    """Tell whether `got` agents keep the service level and one fewer do not, in arbitrary precision."""

    def keeps(agents: int) -> bool:
        if math.isinf(patience_s):
            exact = erlang_reference.erlang_c(load, agents, handle_time_s=handle_s, answer_within_s=within_s)
        else:
            exact = erlang_reference.erlang_a(
                load, agents, handle_time_s=handle_s, patience_s=patience_s, answer_within_s=within_s
            )
        return bool(exact.service_level >= mp.mpf(level))

    return keeps(got) and not keeps(got - 1)


def random_staffing_cases(count: int, seed: int, *, patient: bool) -> Iterator[dict[str, float]]:
    rng = np.random.default_rng(seed)
    for index in range(count):
        largest = 10_000 if index % 100 == 0 else 1_000 if index % 10 == 0 else 60
        load = largest if index % 200 == 0 else float(np.exp(rng.uniform(np.log(0.01), np.log(largest))))
        yield {
            "load": float(round(load)) if index % 7 == 0 and load > 1 else load,
            "level": float(rng.uniform(0.3, 0.99)),
            "handle_s": float(rng.uniform(30, 900)),
            "patience_s": FOREVER if patient else float(np.exp(rng.uniform(np.log(5), np.log(3000)))),
            "within_s": float(rng.choice([0, 5, 10, 20, 60, 120, 500])),
        }


@pytest.mark.slow
@pytest.mark.parametrize("patient", [True, False], ids=["erlang_c", "erlang_a"])
def test_required_agents_are_the_exact_minimum_in_a_thousand_cases(patient: bool) -> None:
    cases = list(random_staffing_cases(1000, seed=11, patient=patient))
    needed = required_agents(
        [case["load"] for case in cases],
        Targets(
            service_level=np.array([case["level"] for case in cases]),
            answer_within_s=np.array([case["within_s"] for case in cases]),
        ),
        handle_time_s=[case["handle_s"] for case in cases],
        patience_s=[case["patience_s"] for case in cases],
    )
    wrong = [
        (case, got)
        for case, got in zip(cases, needed.tolist(), strict=True)
        if not fewest_by_reference(**case, got=got)
    ]
    assert wrong == []


@pytest.mark.parametrize(("calls", "expected"), [(4_800, 815), (30_000, 5_019), (60_000, 10_021)])
def test_large_loads_need_the_known_number(calls: int, expected: int) -> None:
    load = calls * 300 / 1800
    assert required_agents(load, Targets(service_level=0.8), handle_time_s=300) == expected


@pytest.mark.parametrize(
    ("calls", "handle_s", "level", "expected"),
    [(200, 180, 0.8, 24), (4, 180, 0.8, 2), (4.78, 600, 0.3, 2), (100, 180, 0.8, 14)],
)
def test_small_and_whole_loads_need_the_known_number(
    calls: float, handle_s: float, level: float, expected: int
) -> None:
    load = calls * handle_s / 1800
    assert required_agents(load, Targets(service_level=level), handle_time_s=handle_s) == expected


def test_fewer_agents_than_the_load_are_enough_when_customers_hang_up() -> None:
    targets = Targets(service_level=0.7, answer_within_s=0.1, abandonment=0.06)
    assert required_agents(100.0, targets, handle_time_s=1.0, patience_s=1.0) == 97


def test_rounding_does_not_cost_an_agent_when_the_target_is_met_exactly() -> None:
    # One agent, 0.2 erlangs, answered at once: exactly 80 %; 0.2 is not a binary number.
    load = 36 * 10 / 1800
    assert required_agents(load, Targets(service_level=0.8, answer_within_s=0), handle_time_s=10) == 1


def test_no_load_needs_only_the_minimum() -> None:
    targets = Targets(service_level=0.8, min_agents=2)
    assert required_agents([0.0, 0.0], targets, handle_time_s=180).tolist() == [2, 2]


def test_unstable_queue_is_refused_when_only_occupancy_is_promised() -> None:
    assert required_agents(8.0, Targets(max_occupancy=1.0), handle_time_s=180) == 9


def test_occupancy_alone_decides_when_it_is_strict() -> None:
    targets = Targets(service_level=0.5, max_occupancy=0.8)
    assert required_agents(80.0, targets, handle_time_s=180) == 100


targets_of_any_mix = st.builds(
    Targets,
    service_level=st.none() | st.floats(min_value=0.05, max_value=0.995),
    answer_within_s=st.sampled_from([0.0, 10.0, 20.0, 500.0]),
    short_abandon_s=st.sampled_from([0.0, 5.0]),
    asa_s=st.none() | st.floats(min_value=0.1, max_value=300),
    abandonment=st.none() | st.floats(min_value=0.001, max_value=0.9),
    max_occupancy=st.none() | st.floats(min_value=0.3, max_value=1.0),
    min_agents=st.integers(min_value=0, max_value=5),
)


@given(loads, targets_of_any_mix, handle_times, patiences | st.just(FOREVER))
def test_all_targets_hold_with_the_required_agents_and_not_with_one_fewer(
    load: float, targets: Targets, handle_s: float, patience_s: float
) -> None:
    needed = int(required_agents(load, targets, handle_time_s=handle_s, patience_s=patience_s))

    def broken(agents: int) -> bool:
        state = performance(
            load,
            agents,
            handle_time_s=handle_s,
            patience_s=patience_s,
            answer_within_s=targets.answer_within_s,
            short_abandon_s=targets.short_abandon_s,
        )
        unstable = math.isinf(patience_s) and agents <= load
        return unstable or any(where.any() for where in unmet(state, targets).values())

    assert not broken(needed)
    assert needed == 0 or broken(needed - 1)


@pytest.mark.parametrize(
    "arguments",
    [
        {"service_level": 1.0},
        {"service_level": -0.1},
        {"asa_s": 0.0},
        {"abandonment": 0.0},
        {"max_occupancy": 1.2},
        {"min_agents": -1},
        {"answer_within_s": -5.0},
        {"service_level": math.nan},
    ],
)
def test_target_is_refused_when_out_of_range(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="has to be"):
        Targets(**arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"load_erlangs": -1.0, "handle_time_s": 60.0},
        {"load_erlangs": math.nan, "handle_time_s": 60.0},
        {"load_erlangs": 1.0, "handle_time_s": 0.0},
        {"load_erlangs": 1.0, "handle_time_s": 60.0, "patience_s": 0.0},
    ],
)
def test_input_is_refused_when_it_has_no_meaning(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"load|time|patience"):
        required_agents(targets=Targets(service_level=0.8), **arguments)
