import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffing.deferrable import DeferrableWork, due_index, place_deferrable

HOUR_S = 3600.0


def hours(count: int) -> np.ndarray:
    return np.arange(count) * HOUR_S


def mail(agent_hours: list[float], within_h: float, name: str = "e-mail") -> DeferrableWork:
    return DeferrableWork(
        name=name, arrives_s=[HOUR_S * work for work in agent_hours], within_s=within_h * HOUR_S
    )


def test_quiet_intervals_are_filled_to_one_level() -> None:
    placed = place_deferrable(hours(4), [10, 2, 4, 10], [mail([8, 0, 0, 0], 24)], step_s=HOUR_S)
    assert placed.total == pytest.approx([10, 7, 7, 10], abs=0.35)
    assert placed.agents.sum() == pytest.approx(8)


def test_busy_interval_takes_work_that_is_due_in_it() -> None:
    placed = place_deferrable(hours(3), [10, 2, 2], [mail([3, 0, 0], 1)], step_s=HOUR_S)
    assert placed.total == pytest.approx([13, 2, 2])


def test_urgent_kind_keeps_patient_kind_out_of_its_only_interval() -> None:
    kinds = [mail([4, 0, 0], 3), mail([2, 0, 0], 1, name="callback")]
    placed = place_deferrable(hours(3), [0, 0, 0], kinds, step_s=HOUR_S)
    assert placed.total == pytest.approx([2, 2, 2], abs=0.2)
    assert placed.work_s["callback"] == pytest.approx([2 * HOUR_S, 0, 0])


def test_idle_time_of_live_agents_is_used_first() -> None:
    placed = place_deferrable(hours(2), [5, 5], [mail([3, 0], 2)], step_s=HOUR_S, idle_agents=[1.0, 1.0])
    assert placed.agents.sum() == pytest.approx(1)


def test_nothing_is_added_when_there_is_no_work() -> None:
    placed = place_deferrable(hours(2), [5, 6], [mail([0, 0], 2)], step_s=HOUR_S)
    assert placed.total.tolist() == [5, 6]


def test_work_is_due_before_the_night_when_its_limit_falls_into_it() -> None:
    starts = np.array([0, 1, 2, 20, 21]) * HOUR_S
    assert due_index(starts, 5 * HOUR_S, step_s=HOUR_S).tolist() == [2, 2, 2, 4, 4]


def test_work_is_due_at_once_when_its_limit_is_shorter_than_an_interval() -> None:
    assert due_index(hours(3), 600.0, step_s=HOUR_S).tolist() == [0, 1, 2]


work_lists = st.lists(st.floats(min_value=0, max_value=20), min_size=1, max_size=12)


@settings(max_examples=50)
@given(work_lists, st.integers(min_value=1, max_value=6), st.data())
def test_work_is_done_after_it_arrives_and_before_it_is_due(
    work: list[float], within_h: int, data: st.DataObject
) -> None:
    live = data.draw(st.lists(st.floats(0, 40), min_size=len(work), max_size=len(work)))
    placed = place_deferrable(hours(len(work)), live, [mail(work, within_h)], step_s=HOUR_S)
    done = np.cumsum(placed.work_s["e-mail"]) / HOUR_S
    arrived = np.cumsum(work)
    due = np.concatenate([np.zeros(within_h - 1), arrived])[: len(work)]
    assert (done <= arrived + 1e-6).all()
    assert (done >= due - 1e-6).all()
    assert done[-1] == pytest.approx(arrived[-1], abs=1e-6)
    assert placed.total == pytest.approx(np.array(live) + np.diff(done, prepend=0), abs=1e-5)


@settings(max_examples=50)
@given(work_lists, st.data())
def test_no_flatter_placement_moves_work_between_two_intervals(
    work: list[float], data: st.DataObject
) -> None:
    live = data.draw(st.lists(st.floats(0, 40), min_size=len(work), max_size=len(work)))
    placed = place_deferrable(hours(len(work)), live, [mail(work, 1000)], step_s=HOUR_S)
    band = (np.add(live, work).max() - min(live)) / 48
    for early in range(len(work)):
        for late in range(early + 1, len(work)):
            if placed.agents[early] > 1e-6:
                assert placed.total[early] <= placed.total[late] + 2 * band + 1e-6


@pytest.mark.parametrize(
    "kinds",
    [
        [mail([1, -1], 2)],
        [mail([1], 2)],
        [mail([1, 1], 0)],
        [mail([1, 1], 2), mail([1, 1], 2)],
    ],
)
def test_work_is_refused_when_it_has_no_meaning(kinds: list[DeferrableWork]) -> None:
    with pytest.raises(ValueError, match="work"):
        place_deferrable(hours(2), [1, 1], kinds, step_s=HOUR_S)
