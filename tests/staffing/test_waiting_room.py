import pytest
from hypothesis import given
from hypothesis import strategies as st

from staffing.erlang import performance
from staffing.waiting_room import (
    WaitingRoom,
    abandoned_within,
    answered_within,
    room_figures,
    state_probabilities,
)

rooms = st.builds(
    WaitingRoom,
    rate_per_s=st.floats(min_value=0.001, max_value=2),
    agents=st.integers(min_value=1, max_value=60),
    room=st.integers(min_value=0, max_value=80),
    handle_time_s=st.floats(min_value=10, max_value=600),
    patience_s=st.floats(min_value=5, max_value=2000),
)


def whitt(patience: float) -> WaitingRoom:
    return WaitingRoom(rate_per_s=102, agents=100, room=200, handle_time_s=1, patience_s=patience)


@pytest.mark.parametrize(
    ("patience", "variance", "served", "lost"),
    [(1, 44.6, (0.7986, 0.9644), (0.7671, 0.9702)), (4, 214.5, (0.469, 0.687), (0.449, 0.737))],
)
def test_whitts_exact_column_is_reproduced(
    patience: float, variance: float, served: tuple[float, float], lost: tuple[float, float]
) -> None:
    # Whitt (2005), tables 1 to 4, column "exact"; .687 and .449 are printed a rounding away (.68648, .44932).
    queue = whitt(patience)
    assert room_figures(queue).queue_length_variance == pytest.approx(variance, abs=0.05)
    for within, answered, abandoned in zip((0.1, 0.2), served, lost, strict=True):
        assert answered_within(queue, within) == pytest.approx(answered, abs=6e-4)
        assert abandoned_within(queue, within) == pytest.approx(abandoned, abs=6e-4)


def test_long_room_equals_the_queue_of_any_length() -> None:
    queue = WaitingRoom(rate_per_s=0.5, agents=95, room=400, handle_time_s=200, patience_s=150)
    figures = room_figures(queue)
    unlimited = performance(100, 95, handle_time_s=200, patience_s=150, answer_within_s=20)
    assert figures.abandonment == pytest.approx(float(unlimited.abandonment), rel=1e-11)
    assert figures.answer_wait_s == pytest.approx(float(unlimited.asa_s), rel=1e-11)
    in_time = answered_within(queue, 20) * figures.answered
    assert in_time == pytest.approx(float(unlimited.service_level), rel=1e-11)


@given(rooms)
def test_every_contact_is_answered_lost_or_blocked(queue: WaitingRoom) -> None:
    figures = room_figures(queue)
    assert figures.answered + figures.abandonment + figures.blocked == pytest.approx(1)


@given(rooms)
def test_waits_add_up_to_the_queue(queue: WaitingRoom) -> None:
    figures = room_figures(queue)
    waited = figures.answered * figures.answer_wait_s + figures.abandonment * figures.abandon_wait_s
    assert waited * queue.rate_per_s == pytest.approx(figures.queue_length, abs=1e-9)
    assert figures.abandonment * queue.rate_per_s * queue.patience_s == pytest.approx(
        figures.queue_length, abs=1e-9
    )


@given(rooms)
def test_probabilities_add_up_to_one(queue: WaitingRoom) -> None:
    assert state_probabilities(queue).sum() == pytest.approx(1)


def test_nobody_waits_when_there_is_no_room() -> None:
    figures = room_figures(WaitingRoom(rate_per_s=0.1, agents=3, room=0, handle_time_s=60, patience_s=60))
    assert (figures.queue_length, figures.answer_wait_s) == (0, 0)


@pytest.mark.parametrize("wrong", [{"rate_per_s": 0.0}, {"room": -1}, {"patience_s": float("inf")}])
def test_room_is_refused_when_a_number_has_no_meaning(wrong: dict[str, float]) -> None:
    usual = {"rate_per_s": 1.0, "agents": 2, "room": 3, "handle_time_s": 4.0, "patience_s": 5.0}
    with pytest.raises(ValueError, match="above 0"):
        WaitingRoom(**{**usual, **wrong})
