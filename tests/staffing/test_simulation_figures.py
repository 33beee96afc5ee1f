"""Bounds of simulated figures, and how much of an interval stretches of time fill."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from staffing.simulation.confidence import Ratio, difference, estimate, mean_estimate
from staffing.simulation.spans import filled_s, union

Stretch = tuple[int, float, float]
stretches = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 100), st.integers(0, 30)).map(
        lambda each: (each[0], float(each[1]), float(each[1] + each[2]))
    ),
    min_size=1,
    max_size=25,
)


def columns(rows: list[Stretch]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    owner, since, until = zip(*rows, strict=True)
    return np.array(owner, dtype=np.int64), np.array(since), np.array(until)


def test_mean_has_students_bounds() -> None:
    # Five values of mean 3 and standard deviation 1.5811: t(4, 0.975) = 2.7764 (any table).
    found = mean_estimate([1.0, 2.0, 3.0, 4.0, 5.0])
    assert float(found.value) == 3
    assert float(found.half_width) == pytest.approx(2.7764 * 1.58114 / 5**0.5, abs=1e-4)


def test_share_weighs_each_contact_the_same_however_busy_its_day() -> None:
    busy_and_quiet = Ratio(np.array([50.0, 10.0]), np.array([100.0, 10.0]))
    assert float(estimate(busy_and_quiet).value) == pytest.approx(60 / 110)


def test_figure_without_contacts_is_not_a_number() -> None:
    nothing = Ratio(np.zeros((3, 2)), np.array([[1.0, 0.0]] * 3))
    assert np.isnan(estimate(nothing).value).tolist() == [False, True]


def test_single_replication_has_no_bounds() -> None:
    assert np.isnan(mean_estimate([[1.0, 2.0]]).half_width).all()


def test_bounds_hold_the_true_share_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    offered = rng.poisson(60, (30, 1000)).astype(float)
    answered = rng.binomial(offered.astype(int), 0.8).astype(float)
    found = estimate(Ratio(answered, offered), confidence=0.9)
    held = ((found.low <= 0.8) & (found.high >= 0.8)).mean()
    assert held == pytest.approx(0.9, abs=0.03)


def test_bounds_of_pairs_are_narrower_than_those_of_either_side() -> None:
    rng = np.random.default_rng(2)
    day = rng.normal(0.7, 0.1, 40)
    base, better = day + rng.normal(0, 0.01, 40), day + 0.03 + rng.normal(0, 0.01, 40)
    ones = np.ones(40)
    found = difference(Ratio(better, ones), Ratio(base, ones))
    assert float(found.low) < 0.03 < float(found.high)
    assert float(found.half_width) < 0.3 * float(mean_estimate(base).half_width)


def test_pairs_of_different_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="as many replications"):
        difference(Ratio(np.ones(3), np.ones(3)), Ratio(np.ones(2), np.ones(2)))


@given(stretches)
def test_union_fills_every_moment_once(rows: list[Stretch]) -> None:
    owner, since, until = union(*columns(rows))
    for agent in range(4):
        covered = {moment for who, a, b in rows if who == agent for moment in range(int(a), int(b))}
        mine = owner == agent
        assert (until - since)[mine].sum() == pytest.approx(len(covered))
        assert (since[mine][1:] > until[mine][:-1]).all()


@given(stretches, st.floats(0.5, 3))
def test_seconds_of_an_interval_are_those_that_overlap_it(rows: list[Stretch], weight: float) -> None:
    _, since, until = columns(rows)
    starts = np.array([0, 20, 90])
    found = filled_s(since, until, starts, step_s=20, weight=np.full(len(rows), weight))
    expected = [
        weight * sum(max(min(b, at + 20) - max(a, at), 0.0) for _, a, b in rows) for at in starts.tolist()
    ]
    assert found == pytest.approx(expected, abs=1e-6)


def test_no_stretch_fills_nothing() -> None:
    nothing = np.zeros(0), np.zeros(0)
    assert len(union(np.zeros(0, dtype=np.int64), *nothing)[0]) == 0
    assert filled_s(*nothing, np.array([0, 10]), step_s=10).tolist() == [0, 0]
