"""What a simulated interval promises: which are judged together, and where handling falls."""

import numpy as np
import pytest

from staffing.simulation.confidence import Ratio, estimate
from staffing.simulation.promises import Promise, groups_of, handling_s, in_groups

STEP_S = 1800


def groups(expected, *, starts=None, least=10.0, together=True):
    starts = np.arange(len(expected)) * STEP_S if starts is None else np.array(starts) * STEP_S
    promise = Promise(service_level=0.8, least_contacts=least, together=together)
    return groups_of(promise, np.array(expected, dtype=float), starts, STEP_S).tolist()


def test_large_interval_is_judged_by_itself():
    assert groups([11, 12, 30]) == [0, 1, 2]


def test_small_intervals_are_joined_until_they_are_large_enough():
    assert groups([4, 4, 4, 6, 6]) == [0, 0, 0, 3, 3]


def test_rest_of_a_run_is_judged_with_what_was_before():
    assert groups([4, 4, 4, 3, 20, 2]) == [0, 0, 0, 0, 4, -1]


def test_small_intervals_are_not_joined_across_closed_hours():
    assert groups([6, 6, 6], starts=[0, 10, 11]) == [-1, 1, 1]


def test_small_intervals_promise_nothing_by_themselves():
    assert groups([6, 6, 11], together=False) == [-1, -1, 2]


def test_figure_of_a_group_is_that_of_all_its_contacts():
    ratio = Ratio(np.array([[1.0, 3.0, 9.0]]), np.array([[2.0, 4.0, 10.0]]))
    found = estimate(in_groups(ratio, np.array([0, 0, -1]), np.array([0])))
    assert found.value.tolist() == [pytest.approx(4 / 6)]


def test_handling_falls_into_the_intervals_in_which_it_happens():
    begin_at, handle_s = np.array([1700.0, 1800.0, 5000.0]), np.array([300.0, 60.0, 1000.0])
    starts = np.array([0, 1800, 3600])
    assert handling_s(begin_at, handle_s, starts, STEP_S).tolist() == [100.0, 260.0, 400.0]


def test_misses_are_shares_in_points_and_waits_as_a_share_of_the_promise():
    promise = Promise(service_level=0.8, asa_s=20.0, abandonment=0.05, max_occupancy=0.9)
    at = np.array([0])
    found = [
        promise.excess(name, np.array([value]), at)[0]
        for name, value in (
            ("service_level", 0.7),
            ("asa", 25.0),
            ("abandonment", 0.06),
            ("occupancy", 0.8),
            ("asa", np.nan),
        )
    ]
    assert found == pytest.approx([0.1, 0.25, 0.01, -0.1, 0.0])
    assert promise.names == ("service_level", "asa", "abandonment", "occupancy")
