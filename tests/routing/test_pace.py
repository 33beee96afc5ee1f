"""How fast a line moves of late, and how long who joins it will wait."""

from math import log

import pytest

from routing.pace import Pace
from routing.wait import QueueBook


def paced(gap_s: float, answers: int, *, places: int = 1, handle_s: float = 100.0) -> Pace:
    """Return the pace of a line that was answered every `gap_s`."""
    pace = Pace()
    for number in range(answers):
        pace.answered(gap_s * (number + 1), began_at=0.0, places=places, handle_s=handle_s)
    return pace


def test_each_turn_takes_the_handle_time_by_places_before_anything_was_seen():
    assert Pace().wait_s(6, places=3, handle_s=100.0) == pytest.approx(200.0)


def test_line_that_moves_as_promised_changes_nothing():
    assert paced(50.0, 40, places=2).wait_s(6, places=2, handle_s=100.0) == pytest.approx(300.0)


def test_slower_line_is_noticed_within_a_dozen_answers():
    """Half of the agents work for somebody else: the wait is twice the promised one."""
    told_s = [paced(200.0, answers).wait_s(5, places=1, handle_s=100.0) for answers in (0, 12, 200)]
    assert told_s[0] == 500.0
    assert told_s[1] > 750.0
    assert told_s[2] == pytest.approx(1000.0, rel=0.15)


def test_agent_who_goes_home_lengthens_the_wait_at_once():
    pace = paced(50.0, 40, places=2)
    assert pace.wait_s(6, places=1, handle_s=100.0) == pytest.approx(600.0)


def test_those_who_leave_shorten_the_wait():
    pace = Pace()
    for _ in range(400):
        pace.ended(100.0, left=True)
        pace.ended(300.0, left=False)
    assert pace.wait_s(10, places=1, handle_s=100.0) == pytest.approx(
        400.0 * log(1 + 1000.0 / 400.0), rel=0.03
    )


def test_queue_that_breaks_off_in_one_moment_says_little_of_patience():
    pace = paced(100.0, 40)
    for number in range(50):
        pace.left_unanswered(5000.0 + number / 10, wait_s=5.0)
    assert pace.left == 1.0
    assert pace.wait_s(20, places=1, handle_s=100.0) > 1000.0


def test_gap_begins_with_who_waited_where_the_line_was_empty_before():
    pace = Pace()
    pace.answered(10_050.0, began_at=10_000.0, places=1, handle_s=100.0)
    assert pace.work_s == 50.0


def test_gap_of_a_night_counts_for_ten_at_most():
    pace = paced(100.0, 40)
    pace.answered(60_000.0, began_at=5_000.0, places=1, handle_s=100.0)
    assert pace.wait_s(1, places=1, handle_s=100.0) < 125.0


def test_predictor_that_the_release_before_did_not_know_begins_anew():
    book = QueueBook(scores={})
    assert book.best == "pace"
    assert book.score("pace").count == 0
