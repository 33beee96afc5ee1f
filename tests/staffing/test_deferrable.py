import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffing.deferrable import DeferrableWork, due_index, place_deferrable, whole_agents

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


def done_in_time(agents: np.ndarray, kinds: list[DeferrableWork], idle: float) -> bool:
    """Whether agents who do what is due first finish each kind when it is due."""
    waiting: list[list[float]] = []
    for now, count in enumerate(agents):
        for kind in kinds:
            due = due_index(hours(len(agents)), kind.within_s, step_s=HOUR_S)[now]
            waiting.append([float(due), float(np.asarray(kind.arrives_s)[now]) / HOUR_S])
        left = count + idle
        for entry in sorted(waiting):
            taken = min(left, entry[1])
            entry[1] -= taken
            left -= taken
        waiting = sorted(waiting)
        if any(work > 1e-5 and due <= now for due, work in waiting):
            return False
    return True


@given(
    mails=st.lists(st.floats(min_value=0, max_value=3), min_size=1, max_size=12),
    calls=st.lists(st.floats(min_value=0, max_value=3), min_size=12, max_size=12),
    within=st.integers(1, 14),
    idle=st.sampled_from([0.0, 0.3, 1.5]),
)
@settings(deadline=None)
def test_whole_agents_finish_all_work_in_time(
    mails: list[float], calls: list[float], within: int, idle: float
) -> None:
    kinds = [mail(mails, within), mail(calls[: len(mails)], 1, name="callback")]
    starts, live = hours(len(mails)), [4.0] * len(mails)
    placed = place_deferrable(starts, live, kinds, step_s=HOUR_S, idle_agents=idle)
    agents = whole_agents(placed, starts, kinds, step_s=HOUR_S, idle_agents=idle)
    assert done_in_time(agents, kinds, idle)


def test_a_little_work_in_every_interval_adds_few_agents() -> None:
    kinds = [mail([0.25] * 16, 16)]
    placed = place_deferrable(hours(16), [4.0] * 16, kinds, step_s=HOUR_S)
    assert whole_agents(placed, hours(16), kinds, step_s=HOUR_S).sum() == 4
