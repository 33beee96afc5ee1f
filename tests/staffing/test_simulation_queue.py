"""The fast queue of one team: by hand, against Erlang, against published simulations."""

import csv
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffing.erlang import performance, wait_probability
from staffing.simulation.confidence import Estimate
from staffing.simulation.durations import ENDLESS, Duration, Erlang, Exponential, Lognormal
from staffing.simulation.long_run import LongRun, Queue, agents_for_level, long_run
from staffing.simulation.single_team import spells_of_counts, waits_at_level, waits_by_spells

PUBLISHED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "erlang" / "published_values.csv"
SHARE = 1e-9


def figures(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def test_contact_waits_for_the_agent_who_is_free_first() -> None:
    waits = waits_at_level(figures(0, 1, 2), figures(100, 50, 10), figures(999, 999, 999), [0.0, 0.0])
    assert waits.wait_s.tolist() == [0, 0, 49]
    assert waits.answered.all()


def test_contact_whose_patience_ends_before_is_lost_and_takes_no_agent() -> None:
    waits = waits_at_level(figures(0, 1, 2), figures(100, 50, 10), figures(9, 60, 999), [0.0])
    assert waits.answered.tolist() == [True, False, True]
    assert waits.wait_s.tolist() == [0, 60, 98]


def test_agent_finishes_what_runs_when_the_shift_ends() -> None:
    staff = [[(0.0, 10.0)], [(200.0, 300.0)]]
    waits = waits_by_spells(figures(5, 20, 250), figures(100, 10, 10), figures(999, 999, 999), staff)
    assert waits.wait_s.tolist() == [0, 180, 0]
    assert waits.agent is not None
    assert waits.agent.tolist() == [0, 1, 1]


def test_agent_who_sat_idle_through_a_break_is_back_from_its_end() -> None:
    staff = [[(0.0, 10.0), (50.0, 300.0)], [(40.0, 300.0)]]
    waits = waits_by_spells(figures(60, 61), figures(5, 5), figures(999, 999), staff)
    assert waits.agent is not None
    assert waits.agent.tolist() == [1, 0]


def test_contact_nobody_ever_comes_for_waits_without_end() -> None:
    waits = waits_by_spells(figures(5, 20), figures(1, 1), figures(np.inf, 7), [[(0.0, 10.0)]] * 0)
    assert (waits.wait_s.tolist(), waits.answered.tolist()) == ([np.inf, 7], [False, False])


def test_counts_become_spells_of_as_few_agents_as_possible() -> None:
    spells = spells_of_counts([0, 10, 20], [1, 2, 1], step_s=10)
    assert spells == [[(0, 30)], [(10, 20)]]


def test_last_agents_stay_for_who_still_waits_at_closing() -> None:
    spells = spells_of_counts([0, 10, 100], [1, 2, 1], step_s=10, stay_s=15)
    assert spells == [[(0, 35), (100, 125)], [(10, 35)]]


@given(
    gaps=st.lists(st.floats(0, 30), min_size=1, max_size=40),
    handle_s=st.floats(1, 100),
    patience_s=st.floats(1, 100),
    agents=st.integers(1, 5),
)
def test_agents_with_one_endless_shift_are_agents_who_are_always_there(
    gaps: list[float], handle_s: float, patience_s: float, agents: int
) -> None:
    arrive_at = np.cumsum(gaps)
    given_s = np.full(len(gaps), handle_s), np.full(len(gaps), patience_s)
    level = waits_at_level(arrive_at, *given_s, [0.0] * agents)
    spells = waits_by_spells(arrive_at, *given_s, [[(0.0, np.inf)]] * agents)
    assert np.array_equal(level.wait_s, spells.wait_s)
    assert np.array_equal(level.answered, spells.answered)


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), agents=st.integers(1, 6))
def test_one_agent_more_never_makes_a_contact_wait_longer_when_nobody_hangs_up(
    seed: int, agents: int
) -> None:
    rng = np.random.default_rng(seed)
    arrive_at, handle_s = np.cumsum(rng.exponential(30, 60)), rng.lognormal(4.5, 0.9, 60)
    forever = np.full(60, np.inf)
    few = waits_at_level(arrive_at, handle_s, forever, [0.0] * agents)
    more = waits_at_level(arrive_at, handle_s, forever, [0.0] * (agents + 1))
    assert (more.wait_s <= few.wait_s + SHARE).all()


def holds(found: Estimate, exact: float) -> bool:
    return bool(found.low <= exact <= found.high)


@pytest.mark.parametrize(
    ("load", "agents", "patience_s"), [(102.0, 100, 180.0), (8.0, 9, 120.0), (30.0, 34, np.inf)]
)
def test_long_run_of_exponential_times_is_erlangs(load: float, agents: int, patience_s: float) -> None:
    patience = Exponential(patience_s) if np.isfinite(patience_s) else ENDLESS
    queue = Queue(rate_per_s=load / 180, agents=agents, handle=Exponential(180), patience=patience)
    found = long_run(queue, contacts=50_000, within_s=(20.0,), seed=3, confidence=0.999)
    exact = performance(load, agents, handle_time_s=180, patience_s=patience_s)
    waits = wait_probability(load, agents) if np.isinf(patience_s) else exact.wait_probability
    assert holds(found.wait_probability, float(waits))
    assert holds(found.abandonment, float(exact.abandonment))
    assert holds(found.wait_answered_s, float(exact.asa_s))
    assert holds(found.queue_length, float(exact.queue_length))
    assert found.service_level.low[0] <= float(exact.service_level) <= found.service_level.high[0]
    assert found.wait_probability.half_width < 0.06


LAWS: dict[str, tuple[Duration, Duration]] = {
    "M/E2/100/200+E2 lam=102": (Erlang(1, 2), Erlang(1, 2)),
    "M/M/100/200+E2 lam=102": (Exponential(1), Erlang(1, 2)),
    "M/M/100/200+LN(1,1) lam=102": (Exponential(1), Lognormal(1, 1)),
    "M/M/100/200+LN(4,4) lam=102": (Exponential(1), Lognormal(4, 4)),
    "M/M/100/300+LN(4,0.25) lam=102": (Exponential(1), Lognormal(4, 0.25)),
}
"""LN(m, c2) is lognormal with mean m and squared coefficient of variation c2; the room for 200 or 300 waiting
never fills, so the queue may be of any length here."""


@cache
def published_long_run(model: str) -> LongRun:
    handle, patience = LAWS[model]
    queue = Queue(rate_per_s=102, agents=100, handle=handle, patience=patience)
    return long_run(queue, contacts=100_000, within_s=(0.1, 0.2), warm_up=4_000, seed=2004)


def published() -> list[tuple[str, str, float, float]]:
    if not PUBLISHED.exists():
        return []
    with PUBLISHED.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["model"].startswith("simulation (10 x 5M")]
    values = [row["published"].split("±") for row in rows]
    return [
        (row["params"], row["metric"], float(value), float(half_width))
        for row, (value, half_width) in zip(rows, values, strict=True)
    ]


FIGURES = {
    "P(W=0)": lambda run: Estimate(1 - run.wait_probability.value, run.wait_probability.half_width),
    "P(A)": lambda run: run.abandonment,
    "E[Q]": lambda run: run.queue_length,
    "E[N]": lambda run: run.in_system,
    "E[W|S]": lambda run: run.wait_answered_s,
    "E[W|A]": lambda run: run.wait_abandoned_s,
    "P(W<=.2|S)": lambda run: Estimate(run.answered_within.value[1], run.answered_within.half_width[1]),
}


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published values are not beside the repository")
def test_published_simulations_are_all_read() -> None:
    assert len(published()) == 13
    assert {model for model, *_ in published()} == set(LAWS)


@pytest.mark.parametrize(("model", "metric", "value", "half_width"), published())
def test_long_run_agrees_with_a_published_simulation(
    model: str, metric: str, value: float, half_width: float
) -> None:
    found = FIGURES[metric](published_long_run(model))
    # Two simulations: the bounds of the difference are those of both.
    assert abs(float(found.value) - value) <= np.hypot(float(found.half_width), half_width)
    assert float(found.half_width) < 0.12 * value or model.endswith("LN(4,0.25) lam=102")


def test_staffing_by_erlang_a_is_too_thin_where_times_are_not_exponential() -> None:
    # Whitt 2005: for E2 handle times and patience 80 % in 0.1 takes 104 agents; Erlang A says 99.
    queue = Queue(rate_per_s=100, agents=99, handle=Erlang(1, 2), patience=Erlang(1, 2))
    thin = long_run(queue, contacts=50_000, within_s=(0.1,), seed=7)
    assert float(thin.answered_within.value[0]) == pytest.approx(0.58, abs=0.04)
    assert agents_for_level(queue, 0.8, within_s=0.1, contacts=300_000, seed=7) in (103, 104)
