import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from staffing.patience import survival_curve
from staffing.requirement import Demand
from staffing.simulation.durations import (
    ENDLESS,
    Duration,
    Empirical,
    Erlang,
    Exponential,
    Fixed,
    Lognormal,
    patience_of,
    with_mean,
)
from staffing.simulation.traffic import Changes, Recorded, Volume, draw, volume_of
from tests.staffing.simulated import BEGINS_AT, STEP_S, level_volume, starts, traffic

DRAWS = 100_000


@pytest.mark.parametrize(
    ("law", "variance"),
    [
        (Exponential(200), 200**2),
        (Lognormal(200, 1.5), 1.5 * 200**2),
        (Erlang(200, 2), 200**2 / 2),
        (Fixed(200), 0),
        (with_mean(Lognormal(1, 1.5), 200), 1.5 * 200**2),
    ],
)
def test_times_have_the_mean_and_the_variance_of_their_law(law: Duration, variance: float) -> None:
    times = law.draw(np.random.default_rng(1), DRAWS)
    assert law.mean_s == pytest.approx(200)
    assert times.mean() == pytest.approx(200, abs=5 * math.sqrt(variance / DRAWS))
    assert times.var() == pytest.approx(variance, rel=0.06)


def test_patience_follows_the_curve_of_those_who_hung_up() -> None:
    rng = np.random.default_rng(2)
    patience, offered = rng.exponential(300, DRAWS), rng.exponential(200, DRAWS)
    curve = survival_curve(np.minimum(patience, offered), patience < offered)
    again = patience_of(curve).draw(rng, DRAWS)
    assert [(again > wait).mean() for wait in (30, 100, 300, 600)] == pytest.approx(
        [math.exp(-wait / 300) for wait in (30, 100, 300, 600)], abs=0.01
    )


def test_times_that_were_seen_come_as_often_as_they_were_seen() -> None:
    law = Empirical((10.0, 20.0, 40.0), (0.5, 0.2, 0.0))
    times, counts = np.unique(law.draw(np.random.default_rng(3), DRAWS), return_counts=True)
    assert times.tolist() == [10, 20, 40]
    assert counts / DRAWS == pytest.approx([0.5, 0.3, 0.2], abs=0.01)
    assert law.mean_s == pytest.approx(0.5 * 10 + 0.3 * 20 + 0.2 * 40)


def test_nobody_who_never_hung_up_tells_a_patience() -> None:
    with pytest.raises(ValueError, match="somebody who hung up"):
        patience_of(survival_curve([5.0, 6.0], [False, False]))


def test_law_with_endless_mean_never_ends() -> None:
    assert with_mean(None, math.inf) is ENDLESS
    assert np.isinf(ENDLESS.draw(np.random.default_rng(1), 3)).all()


def test_arrivals_follow_the_expected_volume_and_skip_closed_hours() -> None:
    opened = np.array([BEGINS_AT, BEGINS_AT + STEP_S, BEGINS_AT + 20 * STEP_S])
    volume = Volume(starts=opened, expected=[4000, 1000, 2000], step_s=STEP_S)
    arrive_at = draw([traffic(volume)], seed=1).arrive_at
    counts = [np.count_nonzero((arrive_at >= at) & (arrive_at < at + STEP_S)) for at in opened]
    assert sum(counts) == len(arrive_at)
    assert counts == pytest.approx([4000, 1000, 2000], abs=300)
    assert (np.diff(arrive_at) > 0).all()


def test_counts_spread_as_wide_as_busyness_and_slot_noise_say() -> None:
    same_day = np.zeros(8, dtype=np.int64)
    volume = Volume(starts=starts(8), expected=400, step_s=STEP_S, days=same_day, day_cv=0.1, slot_cv=0.05)
    weeks = [draw([traffic(volume)], seed=4, replication=n).arrive_at - BEGINS_AT for n in range(800)]
    counts = np.array([np.bincount((after_s // STEP_S).astype(int), minlength=8) for after_s in weeks])
    of_a_slot = 400 + (0.1**2 + 0.05**2) * 400**2
    of_a_day = 3200 + 0.1**2 * 3200**2 + 8 * 0.05**2 * 400**2
    assert counts.var(axis=0).mean() == pytest.approx(of_a_slot, rel=0.1)
    assert counts.sum(axis=1).var() == pytest.approx(of_a_day, rel=0.15)
    assert counts.mean() == pytest.approx(400, rel=0.02)


def test_slot_noise_is_remembered_when_told_so() -> None:
    volume = Volume(starts=starts(1500), expected=1000, step_s=STEP_S, slot_cv=0.2, slot_memory=0.7)
    arrive_at = draw([traffic(volume)], seed=5).arrive_at
    counts = np.bincount(((arrive_at - BEGINS_AT) // STEP_S).astype(int))
    assert np.corrcoef(counts[1:], counts[:-1])[0, 1] == pytest.approx(0.7, abs=0.1)


@given(factor=st.floats(0.5, 3), seed=st.integers(0, 100))
def test_busier_period_has_the_same_contacts_earlier_and_more_of_them(factor: float, seed: int) -> None:
    kind = traffic(level_volume(40), patience=Exponential(90))
    few, many = (draw([kind], seed=seed, changes=Changes(volume=volume)) for volume in sorted((1.0, factor)))
    shared = len(few.arrive_at)
    assert len(many.arrive_at) >= shared
    assert (many.arrive_at[:shared] <= few.arrive_at + 1e-3).all()
    assert np.array_equal(many.handle_s[:shared], few.handle_s)
    assert np.array_equal(many.patience_s[:shared], few.patience_s)


def test_longer_handling_leaves_arrivals_and_patience_alone() -> None:
    kind = traffic(level_volume(40), patience=Exponential(90))
    base, longer = (draw([kind], seed=1, changes=Changes(handle_time=by)) for by in (1.0, 1.25))
    assert np.array_equal(base.arrive_at, longer.arrive_at)
    assert np.array_equal(base.patience_s, longer.patience_s)
    assert longer.handle_s == pytest.approx(1.25 * base.handle_s)


def test_handle_time_of_an_interval_is_its_own() -> None:
    kind = traffic(level_volume(3000, 2), handle_factors=np.array([1.0, 1.5]))
    drawn = draw([kind], seed=1)
    late = drawn.arrive_at >= BEGINS_AT + STEP_S
    assert drawn.handle_s[late].mean() / drawn.handle_s[~late].mean() == pytest.approx(1.5, rel=0.1)


def test_recorded_arrivals_come_as_recorded() -> None:
    recorded = Recorded(np.array([BEGINS_AT + 1.0, BEGINS_AT + 7.0]))
    assert draw([traffic(recorded)], seed=9).arrive_at.tolist() == recorded.arrive_at.tolist()


def test_recorded_arrivals_are_thinned_or_repeated_for_another_volume() -> None:
    recorded = Recorded(BEGINS_AT + np.arange(10_000.0))
    for factor in (0.5, 1.3, 2.0):
        changed = draw([traffic(recorded)], seed=9, changes=Changes(volume=factor)).arrive_at
        assert len(changed) == pytest.approx(10_000 * factor, rel=0.03)
        assert (np.diff(changed) >= 0).all()


def test_kinds_of_contacts_come_mixed_in_the_order_of_time() -> None:
    drawn = draw([traffic(level_volume(50)), traffic(level_volume(80), team_id="sales")], seed=1)
    assert (np.diff(drawn.arrive_at) >= 0).all()
    assert np.bincount(drawn.kind) == pytest.approx([200, 320], rel=0.2)


def test_volume_of_a_requirement_is_as_uncertain_as_its_rates() -> None:
    demand = Demand(starts=starts(2), offered=[10, 20], handle_time_s=180, step_s=STEP_S, rate_variation=0.07)
    volume = volume_of(demand)
    assert (list(volume.expected), volume.day_cv) == ([10, 20], pytest.approx(0.07))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Exponential(0),
        lambda: Lognormal(10, 0),
        lambda: Lognormal(math.inf, 1),
        lambda: Erlang(10, 0),
        lambda: Fixed(-1),
        lambda: Empirical((2.0, 1.0), (0.5, 0.0)),
        lambda: Empirical((1.0, 2.0), (0.5, 0.7)),
        lambda: Volume(starts=np.array([0, 100]), expected=1, step_s=200),
        lambda: Volume(starts=starts(1), expected=-1, step_s=STEP_S),
    ],
)
def test_law_or_volume_without_meaning_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        wrong()  # type: ignore[operator]
