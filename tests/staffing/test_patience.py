import csv
import gzip
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from staffing.erlang import performance
from staffing.patience import (
    exponential_misfit,
    exponential_patience,
    matched_mean_s,
    median_patience_s,
    patience_by_class,
    restricted_mean_s,
    restricted_mean_variance,
    slope_patience,
    survival_curve,
)

CALLS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "calls"
BANK = CALLS / "bank1999_calls_jan_feb.csv.gz"

# Freireich et al. (1963), 6-MP group: weeks in remission, the textbook case.
WEEKS = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
ENDED = [t in {1, 2, 3, 5, 7, 10, 11, 15, 16} for t in range(1, 22)]

waits_and_ends = st.lists(
    st.tuples(st.integers(min_value=0, max_value=600), st.booleans()), min_size=1, max_size=60
).map(lambda pairs: ([float(wait) for wait, _ in pairs], [end for _, end in pairs]))


def test_curve_is_the_textbooks() -> None:
    curve = survival_curve(WEEKS, ENDED)
    assert curve.times_s.tolist() == [6, 7, 10, 13, 16, 22, 23]
    assert curve.still_patient == pytest.approx([0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448], abs=5e-4)
    errors = np.sqrt(curve.variance)
    assert errors == pytest.approx([0.0764, 0.0869, 0.0963, 0.1068, 0.1141, 0.1282, 0.1346], abs=5e-5)


def test_median_and_restricted_mean_are_the_textbooks() -> None:
    curve = survival_curve(WEEKS, ENDED)
    assert median_patience_s(curve) == 23
    assert restricted_mean_s(curve) == pytest.approx(23.29, abs=5e-3)
    assert math.sqrt(restricted_mean_variance(curve)) == pytest.approx(2.83, abs=5e-3)


def test_restricted_mean_is_the_cut_when_nobody_hung_up_before() -> None:
    assert restricted_mean_s(survival_curve(WEEKS, ENDED), until_s=5) == 5


def test_median_is_unknown_when_most_are_answered() -> None:
    assert median_patience_s(survival_curve([5, 9, 9, 12], [True, False, False, False])) is None


def test_curve_ends_at_zero_when_the_longest_wait_hung_up() -> None:
    curve = survival_curve([5, 9, 12], [False, True, True])
    assert curve.still_patient[-1] == 0
    assert curve.variance[-1] == 0


def test_patience_is_time_waited_per_contact_that_hung_up() -> None:
    fit = exponential_patience([0, 10, 20, 30, 0], [False, True, False, True, True])
    assert (fit.mean_s, fit.abandoned, fit.waited) == (30, 2, 3)
    assert fit.standard_error_s == pytest.approx(30 / math.sqrt(2))


def test_patience_is_endless_when_nobody_hung_up() -> None:
    assert exponential_patience([10.0, 20.0], [False, False]).mean_s == math.inf


def test_each_class_has_its_own_patience() -> None:
    fits = patience_by_class([10, 20, 30], [True, True, False], ["new", "regular", "new"])
    assert {name: fit.mean_s for name, fit in fits.items()} == {"new": 40, "regular": 20}


@given(waits_and_ends)
def test_curve_never_rises_and_stays_a_share(case: tuple[list[float], list[bool]]) -> None:
    curve = survival_curve(*case)
    assert (np.diff(curve.still_patient, prepend=1.0) <= 0).all()
    assert (curve.still_patient >= 0).all()
    assert (curve.variance >= 0).all()


@given(st.lists(st.floats(min_value=1, max_value=600), min_size=1, max_size=40))
def test_restricted_mean_is_the_plain_mean_when_nothing_is_censored(waits_s: list[float]) -> None:
    curve = survival_curve(waits_s, [True] * len(waits_s))
    assert restricted_mean_s(curve) == pytest.approx(float(np.mean(waits_s)))
    assert restricted_mean_variance(curve) == pytest.approx(float(np.var(waits_s)) / len(waits_s), abs=1e-9)


def test_exponential_patience_is_found_again_through_censoring() -> None:
    rng = np.random.default_rng(7)
    patience_s, offered_wait_s = rng.exponential(240, 40_000), rng.exponential(60, 40_000)
    waits_s, lost = np.minimum(patience_s, offered_wait_s), patience_s < offered_wait_s
    fit = exponential_patience(waits_s, lost)
    assert fit.mean_s == pytest.approx(240, abs=4 * fit.standard_error_s)
    assert exponential_misfit(survival_curve(waits_s, lost), fit.mean_s) < 0.05


def test_misfit_is_large_when_everybody_leaves_at_the_same_time() -> None:
    curve = survival_curve([100.0] * 50, [True] * 50)
    assert exponential_misfit(curve, 100) == pytest.approx(1 - math.exp(-1))


def test_slope_gives_the_patience_of_erlang_a() -> None:
    load = np.array([30.0, 40.0, 50.0, 60.0])
    state = performance(load, 45, handle_time_s=180, patience_s=200)
    mean_wait_s = state.queue_length / (load / 180)
    fit = slope_patience(mean_wait_s, state.abandonment, offered=load)
    assert fit.patience_s == pytest.approx(200)
    assert fit.intercept == pytest.approx(0, abs=1e-9)


def test_line_is_refused_when_all_periods_wait_the_same() -> None:
    with pytest.raises(ValueError, match="two periods"):
        slope_patience([5, 5, 9], [0.1, 0.2, 0.3], offered=[10, 10, 0])


@pytest.mark.parametrize(
    ("waits", "ends"), [([-1.0], [True]), ([math.nan], [True]), ([1.0, 2.0], [True]), ([math.inf], [False])]
)
def test_waits_are_refused_when_they_have_no_meaning(waits: list[float], ends: list[bool]) -> None:
    with pytest.raises(ValueError, match="wait"):
        exponential_patience(waits, ends)


def bank_waits(month: str) -> tuple[list[float], list[bool], list[str]]:
    if not BANK.exists():
        pytest.skip(f"the bank's calls are not at {BANK}")
    with gzip.open(BANK, "rt", encoding="utf-8", newline="") as file:
        calls = [
            call
            for call in csv.DictReader(file)
            if call["queue_start"] and call["outcome"] != "PHANTOM" and call["arrival"][5:7] == month
        ]
    return (
        [float(call["wait_s"]) for call in calls],
        [call["outcome"] == "HANG" for call in calls],
        [call["type"] for call in calls],
    )


@pytest.mark.parametrize(("month", "mean_s"), [("01", 369), ("02", 348)])
def test_patience_of_a_real_bank_is_the_known_one(month: str, mean_s: int) -> None:
    waits_s, lost, _ = bank_waits(month)
    assert round(exponential_patience(waits_s, lost).mean_s) == mean_s


def test_real_patience_differs_by_class_and_is_not_exponential() -> None:
    waits_s, lost, types = bank_waits("01")
    fits = patience_by_class(waits_s, lost, types)
    assert fits["NW"].mean_s < fits["PS"].mean_s < fits["NE"].mean_s
    curve = survival_curve(waits_s, lost)
    assert median_patience_s(curve) == 311
    assert exponential_misfit(curve, exponential_patience(waits_s, lost).mean_s) > 0.1


def test_matched_mean_is_the_mean_of_exponential_patience() -> None:
    rng = np.random.default_rng(3)
    patience, cut = rng.exponential(200.0, 40_000), rng.exponential(60.0, 40_000)
    curve = survival_curve(np.minimum(patience, cut), patience < cut)
    assert matched_mean_s(curve) == pytest.approx(200.0, rel=0.1)


def test_matched_mean_is_endless_when_nobody_hangs_up() -> None:
    assert matched_mean_s(survival_curve([5.0] * 50, [False] * 50)) == math.inf


def test_matched_mean_is_finite_when_all_hang_up() -> None:
    assert 0 < matched_mean_s(survival_curve([float(n) for n in range(1, 60)], [True] * 59)) < math.inf
