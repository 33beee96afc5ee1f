"""Intraday: the rest of the day, given what has come so far."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffing import intraday
from staffing.forecast import Forecast, forecast
from staffing.intraday import updated
from tests.staffing.traffic import MONDAY, OPEN, history_of, poisson

DAY = MONDAY + timedelta(days=84)
PLAIN = forecast(history_of(poisson(84, busyness_cv=0.1)), first_on=DAY, days=2)


def known(*, day_cv: float, slot_cv: float = 0.0, memory: float = 0.0) -> Forecast:
    """Return a flat forecast of 100 contacts an hour with a chosen spread."""
    size = len(PLAIN.starts)
    return replace(
        PLAIN,
        volume=np.where(PLAIN.volume > 0, 100.0, 0.0),
        day_cv=np.full(size, day_cv),
        slot_cv=np.full(size, slot_cv),
        slot_memory=np.full(size, memory),
    )


def after_hours(expected: Forecast, hours: int, ratio: float):
    rows = slice(OPEN.start, OPEN.start + hours)
    return updated(expected, expected.starts[rows], ratio * expected.volume[rows])


def test_a_busier_morning_raises_the_rest_of_the_day_by_the_gamma_poisson_rule() -> None:
    # Prior variance 0.01, one hour of 100 contacts with Poisson variance 1/100: half of the gap is believed,
    # and hardly more for the chance that the day is an unusual one.
    update = after_hours(known(day_cv=0.1), 1, 1.2)
    assert update.busyness == pytest.approx(1.1, abs=0.002)
    assert update.unusual < 0.02
    assert update.forecast.volume[OPEN.start + 1 : OPEN.stop] == pytest.approx(110, abs=0.2)


def test_contacts_where_none_was_expected_are_told_and_say_nothing_of_the_day() -> None:
    expected = known(day_cv=0.1)
    update = updated(expected, expected.starts[:2], np.array([0.0, 3.0]))
    assert (update.busyness, update.expected_so_far, update.actual_so_far) == (None, 0.0, 3.0)
    assert update.forecast.volume == pytest.approx(expected.volume)


def test_the_longer_the_day_the_more_it_is_believed_and_the_surer_the_rest() -> None:
    updates = [after_hours(known(day_cv=0.1), hours, 1.2) for hours in (1, 4, 8)]
    assert updates[0].busyness < updates[1].busyness < updates[2].busyness <= 1.2
    left = [update.forecast.rate_cv[OPEN.stop - 1] for update in updates]
    assert left[0] > left[1] > left[2]


def test_noise_that_fades_moves_the_next_hours_more_than_the_evening() -> None:
    volume = after_hours(known(day_cv=0.02, slot_cv=0.1, memory=0.5), 3, 1.3).forecast.volume
    rest = volume[OPEN.start + 3 : OPEN.stop]
    assert np.all(np.diff(rest) < 0)


def test_a_morning_as_forecast_changes_no_volume() -> None:
    expected = known(day_cv=0.1)
    assert after_hours(expected, 4, 1.0).forecast.volume == pytest.approx(expected.volume)


def test_finished_intervals_and_other_days_stay_as_they_were() -> None:
    expected = known(day_cv=0.1)
    volume = after_hours(expected, 4, 1.5).forecast.volume
    untouched = np.r_[0 : OPEN.start + 4, OPEN.stop : len(volume)]
    assert volume[untouched].tolist() == expected.volume[untouched].tolist()


@given(st.floats(0.0, 5.0), st.integers(1, 9), st.floats(0.0, 0.3), st.floats(0.0, 0.3), st.floats(0.0, 0.9))
@settings(max_examples=60)
def test_the_rest_is_never_negative_nor_less_sure_than_before(
    ratio: float, hours: int, day_cv: float, slot_cv: float, memory: float
) -> None:
    expected = known(day_cv=day_cv, slot_cv=slot_cv, memory=memory)
    update = after_hours(expected, hours, ratio)
    assert np.all(update.forecast.volume >= 0)
    if update.unusual < 0.5:
        assert np.all(update.forecast.rate_cv <= expected.rate_cv + 1e-9)


def test_day_unlike_all_that_were_learnt_from_is_believed_and_named() -> None:
    update = after_hours(known(day_cv=0.02), 3, 1.6)
    assert update.unusual > 0.99
    assert update.forecast.volume[OPEN.start + 3] == pytest.approx(160, rel=0.02)
    assert "unusual day" in update.reason
    calm = after_hours(known(day_cv=0.02), 3, 1.05)
    assert calm.unusual < 0.01
    assert calm.forecast.volume[OPEN.start + 3] == pytest.approx(100.5, rel=0.005)


@pytest.mark.parametrize(("factor", "least", "most"), [(1.0, 0.98, 1.03), (1.5, 0.0, 0.5), (0.6, 0.0, 0.5)])
def test_rest_of_unusual_days_is_foretold_far_better_and_of_others_as_well(
    factor: float, least: float, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance, expected = np.random.default_rng(1), known(day_cv=0.04)
    rest = slice(OPEN.start + 3, OPEN.stop)
    days = [factor * chance.gamma(625, 1 / 625) for _ in range(200)]
    mornings = [chance.poisson(busy * expected.volume[OPEN.start : rest.start]) for busy in days]

    def error(share: float) -> float:
        monkeypatch.setattr(intraday, "_UNUSUAL_SHARE", share)
        starts = expected.starts[OPEN.start : rest.start]
        found = [updated(expected, starts, each.astype(float)).forecast.volume[rest] for each in mornings]
        return sum(float(np.abs(f - 100 * busy).sum()) for f, busy in zip(found, days, strict=True))

    ratio = error(0.02) / error(1e-300)
    assert least <= ratio <= most


def test_nothing_changes_before_the_doors_open() -> None:
    update = updated(PLAIN, PLAIN.starts[:3], np.zeros(3))
    assert update.forecast is PLAIN


def test_intervals_of_two_days_are_refused() -> None:
    with pytest.raises(ValueError, match="one day"):
        updated(PLAIN, PLAIN.starts[20:30], np.zeros(10))


def test_an_interval_that_is_not_forecast_is_refused() -> None:
    with pytest.raises(ValueError, match="not one of the forecast"):
        updated(PLAIN, PLAIN.starts[:1] + 60, np.zeros(1))
