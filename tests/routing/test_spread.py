"""The interval around a foretold wait: the shortest that holds its share, by what is ahead in the queue."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.spread import COVERAGE, corrected, error, interval

LONGEST_S = 7200.0


def gamma_waits(rng: random.Random, turns: int, count: int) -> list[float]:
    """Return waits for the `turns`-th of agents who come free every 60 s in the mean."""
    return [rng.gammavariate(turns, 60.0) for _ in range(count)]


def learnt(turns: int) -> list[float]:
    rng = random.Random(1)
    return [error(turns * 60.0, wait_s, turns) for wait_s in gamma_waits(rng, turns, 256)]


def told(errors: list[float], *, wait_s: float, turns: float) -> tuple[float, float]:
    return interval(errors, COVERAGE, wait_s=wait_s, turns=turns, longest_s=LONGEST_S)


@pytest.mark.parametrize("before", [2, 20])
@pytest.mark.parametrize("behind", [2, 20])
def test_errors_of_a_short_queue_serve_a_long_one_and_the_other_way_round(before: int, behind: int) -> None:
    low_s, high_s = told(learnt(before), wait_s=behind * 60.0, turns=behind)
    waits = gamma_waits(random.Random(2), behind, 4000)
    held = sum(low_s <= wait_s <= high_s for wait_s in waits) / len(waits)
    assert held == pytest.approx(COVERAGE, abs=0.08)


def test_interval_is_shorter_than_one_that_cuts_both_tails_alike() -> None:
    errors = learnt(1)
    low_s, high_s = told(errors, wait_s=60.0, turns=1)
    waits = sorted(gamma_waits(random.Random(3), 1, 10_001))
    assert high_s - low_s < 0.85 * (waits[9000] - waits[1000])


@pytest.mark.parametrize("turns", [1, 3, 10])
def test_before_errors_are_known_it_is_that_of_exponential_talks_and_more(turns: int) -> None:
    low_s, high_s = told([], wait_s=turns * 60.0, turns=turns)
    waits = gamma_waits(random.Random(4), turns, 4000)
    held = sum(low_s <= wait_s <= high_s for wait_s in waits) / len(waits)
    assert COVERAGE <= held <= 0.97
    assert high_s <= 2.5 * turns * 60.0


def test_ten_errors_make_the_interval_alone() -> None:
    assert told([0.0] * 9, wait_s=60.0, turns=1) != pytest.approx((60.0, 60.0))
    assert told([0.0] * 10, wait_s=60.0, turns=1) == pytest.approx((60.0, 60.0))


def test_miss_widens_four_times_as_much_as_a_hit_narrows() -> None:
    assert corrected(0.8, held=False) - 0.8 == pytest.approx(4 * (0.8 - corrected(0.8, held=True)))


@given(
    errors=st.lists(st.floats(-4, 4), max_size=300),
    level=st.floats(0.5, 0.99),
    wait_s=st.floats(0, 10_000),
    turns=st.floats(0, 500),
    longest_s=st.floats(0, 10_000),
)
def test_interval_is_one_within_the_longest_wait(
    errors: list[float], level: float, wait_s: float, turns: float, longest_s: float
) -> None:
    low_s, high_s = interval(errors, level, wait_s=min(wait_s, longest_s), turns=turns, longest_s=longest_s)
    assert 0.0 <= low_s <= high_s <= longest_s
