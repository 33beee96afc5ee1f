import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from staffing.erlang import required_agents
from staffing.offered_load import door_queue, door_queues, moving_load
from staffing.performance import Targets

HALF_HOUR_S = 1800.0
NOBODY_WAITS_LONG = Targets(service_level=0.8, answer_within_s=0)


def starts(count: int) -> np.ndarray:
    return np.arange(count) * HALF_HOUR_S


def worst_wait_probability(agents: np.ndarray, erlangs: float, swing: float, handle_s: float) -> float:
    """Return the second day's worst half hour of an M_t/M/s_t queue, by integrating its states."""
    step_s, room = 4.0, int(agents.max()) + 80
    count = np.arange(room + 1)
    share = np.zeros(room + 1)
    share[0] = 1.0
    slots = len(agents)
    waits = np.zeros(slots)
    for day in range(2):
        for slot in range(slots):
            leave = np.minimum(count, agents[slot]) / handle_s * step_s
            busy = 0.0
            for tick in range(int(HALF_HOUR_S / step_s)):
                at = (slot * HALF_HOUR_S + tick * step_s) / 86_400
                enter = erlangs / handle_s * (1 + swing * math.sin(2 * math.pi * at)) * step_s
                flow_up, flow_down = share[:-1] * enter, share[1:] * leave[1:]
                share[:-1] += flow_down - flow_up
                share[1:] += flow_up - flow_down
                busy += share[agents[slot] :].sum()
            if day == 1:
                waits[slot] = busy / (HALF_HOUR_S / step_s)
    return float(waits.max())


def sine_rate(erlangs: float, swing: float, handle_s: float) -> np.ndarray:
    edges = np.cos(2 * np.pi * np.arange(49) / 48) * 48 / (2 * np.pi)
    return erlangs / handle_s * (1 + swing * -np.diff(edges))


def test_moving_load_keeps_the_target_that_the_average_rate_misses() -> None:
    # 30 erlangs +-80 % over a day, calls of an hour: the average rate's worst half hour is known to be .83.
    handle_s = 3600.0
    rate = sine_rate(30, 0.8, handle_s)
    by_average = required_agents(rate * handle_s, NOBODY_WAITS_LONG, handle_time_s=handle_s)
    two_days = moving_load(starts(96), np.tile(rate, 2), handle_time_s=handle_s, step_s=HALF_HOUR_S)
    by_moving = required_agents(two_days.peak[48:], NOBODY_WAITS_LONG, handle_time_s=handle_s)
    assert worst_wait_probability(by_average, 30, 0.8, handle_s) == pytest.approx(0.83, abs=0.01)
    assert worst_wait_probability(by_moving, 30, 0.8, handle_s) <= 0.2
    assert by_moving.sum() <= 1.05 * by_average.sum()


def test_load_follows_the_rate_with_the_handle_time() -> None:
    step_s = 600 * math.log(2)
    load = moving_load([0.0, step_s], [0.1, 0.0], handle_time_s=600, step_s=step_s)
    assert load.at_end == pytest.approx([30, 15])
    assert load.peak == pytest.approx([30, 30])


def test_load_stays_level_when_the_rate_does() -> None:
    load = moving_load(starts(3), 0.1, handle_time_s=300, step_s=HALF_HOUR_S, load_before=30)
    assert load.peak == pytest.approx([30, 30, 30])
    assert load.mean == pytest.approx([30, 30, 30])


def test_door_adds_its_contacts_at_opening() -> None:
    load = moving_load(
        starts(2), [0.0, 0.0], handle_time_s=300, step_s=HALF_HOUR_S, waiting_at_start=[12.0, 0.0]
    )
    assert load.peak[0] == 12
    assert load.at_start[1] == pytest.approx(12 * math.exp(-6))


def test_load_dies_away_while_closed() -> None:
    load = moving_load([0.0, 36_000.0], [0.1, 0.0], handle_time_s=300, step_s=HALF_HOUR_S)
    assert load.at_start[1] == pytest.approx(0, abs=1e-10)


@given(
    st.lists(st.floats(min_value=0, max_value=2), min_size=1, max_size=30),
    st.floats(min_value=20, max_value=7200),
)
def test_work_is_neither_lost_nor_made(rates: list[float], handle_s: float) -> None:
    load = moving_load(starts(len(rates)), rates, handle_time_s=handle_s, step_s=HALF_HOUR_S)
    arrived_s = sum(rates) * HALF_HOUR_S * handle_s
    done_s = load.mean.sum() * HALF_HOUR_S
    assert done_s + load.at_end[-1] * handle_s == pytest.approx(arrived_s, abs=1e-6)
    assert (load.peak <= max(rates) * handle_s + 1e-9).all()


def test_intervals_are_refused_when_they_overlap() -> None:
    with pytest.raises(ValueError, match="overlap"):
        moving_load([0.0, 900.0], 0.1, handle_time_s=300, step_s=HALF_HOUR_S)


def test_door_holds_all_who_came_when_nobody_leaves() -> None:
    assert door_queue(0.1, patience_s=math.inf, early_s=600) == 60


def test_door_holds_what_patience_lets_it() -> None:
    assert door_queue(0.1, patience_s=300, early_s=1e9) == pytest.approx(30)


def test_queue_at_the_door_is_what_came_shortly_before_opening_and_has_not_left() -> None:
    volume = np.array([8.0, 6.0, 4.0, 9.0, 9.0, 3.0, 5.0])
    opened = np.array([False, False, False, True, True, False, True])
    terms = {"step_s": HALF_HOUR_S, "early_s": HALF_HOUR_S * 1.5}
    patient = door_queues(volume, opened, patience_s=math.inf, **terms)
    assert patient == pytest.approx([0, 0, 0, 4 + 3, 0, 0, 3])
    hasty = door_queues(volume, opened, patience_s=60, **terms)
    assert hasty[3] == pytest.approx(4 / HALF_HOUR_S * 60, rel=1e-6)
