"""Decides how a queue of limited length behaves: M/M/n/n+K+M, by its states' probabilities.

For one queue at a time; `staffing.erlang` is faster where the queue may be of any length. It also gives what
has no closed form there: the spread of the queue, and the waits of those answered and those lost apart.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRoom:
    """A queue that holds at most `room` waiting contacts; one more is turned away.

    Args:
        rate_per_s: Arrivals per second, above 0.
        agents: Agents taking work, at least 1.
        room: Most contacts that may wait, at least 0.
        handle_time_s: Mean handle time.
        patience_s: Mean patience, finite.

    Raises:
        ValueError: When a number is outside its range.
    """

    rate_per_s: float
    agents: int
    room: int
    handle_time_s: float
    patience_s: float

    def __post_init__(self) -> None:
        positive = min(self.rate_per_s, self.handle_time_s, self.patience_s, self.agents) > 0
        if not positive or self.room < 0 or not np.isfinite(self.patience_s):
            raise ValueError(
                "rate, times and agents are above 0, the patience is finite, the room at least 0"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomFigures:
    """The long run of a `WaitingRoom`. Shares are of all arrivals; "mean of answered" leaves out the others.

    Attributes:
        blocked: Share turned away.
        at_once: Share answered without a wait.
        abandonment: Share that hangs up in the queue.
        answered: Share answered.
        queue_length: Mean number waiting.
        queue_length_variance: Its variance.
        in_system: Mean number waiting or being handled.
        answer_wait_s: Mean wait of answered contacts.
        answer_wait_variance: Its variance, in seconds squared.
        abandon_wait_s: Mean wait of those who hung up.
    """

    blocked: float
    at_once: float
    abandonment: float
    answered: float
    queue_length: float
    queue_length_variance: float
    in_system: float
    answer_wait_s: float
    answer_wait_variance: float
    abandon_wait_s: float


def state_probabilities(queue: WaitingRoom) -> Floats:
    """Return the probability of each number of contacts in the system, 0 to agents + room."""
    count = np.arange(1, queue.agents + queue.room + 1)
    leaving = np.minimum(count, queue.agents) / queue.handle_time_s
    leaving = leaving + np.maximum(count - queue.agents, 0) / queue.patience_s
    logs = np.concatenate([[0.0], np.cumsum(np.log(queue.rate_per_s / leaving))])
    weights = np.exp(logs - logs.max())
    return np.asarray(weights / weights.sum())


def room_figures(queue: WaitingRoom) -> RoomFigures:
    """Return the long-run figures of the queue.

    A contact that finds j waiting passes j + 1 stages, in stage i of which something happens at the rate
    n/handle time + i/patience; it is answered with probability r/(r + j + 1), r = n patience / handle time,
    and its wait is the sum of the stages whether it is answered or not, which gives the variance.
    """
    states = state_probabilities(queue)
    waiting = np.maximum(np.arange(len(states)) - queue.agents, 0)
    joins, answered = _joining(queue, states)
    at_once = float(states[: queue.agents].sum())
    lost = float((joins - answered).sum())
    stage_s = queue.patience_s / (_order(queue) + 1 + np.arange(queue.room))
    mean_s, variance = np.cumsum(stage_s), np.cumsum(stage_s**2)
    served = at_once + float(answered.sum())
    wait_s = float(answered @ mean_s) / served
    square = float(answered @ (variance + mean_s**2)) / served
    length = float(states @ waiting)
    all_waits_s = length / queue.rate_per_s
    return RoomFigures(
        blocked=float(states[-1]),
        at_once=at_once,
        abandonment=lost,
        answered=served,
        queue_length=length,
        queue_length_variance=float(states @ waiting**2) - length**2,
        in_system=float(states @ np.arange(len(states))),
        answer_wait_s=wait_s,
        answer_wait_variance=square - wait_s**2,
        abandon_wait_s=(all_waits_s - wait_s * served) / lost if lost > 0 else 0.0,
    )


def answered_within(queue: WaitingRoom, wait_s: float) -> float:
    """Return the share of answered contacts whose wait was at most `wait_s`."""
    states = state_probabilities(queue)
    _, answered = _joining(queue, states)
    at_once = states[: queue.agents].sum()
    in_time = answered @ (1 - _still_waiting(queue, wait_s, own_stage=1))
    return float((at_once + in_time) / (at_once + answered.sum()))


def abandoned_within(queue: WaitingRoom, wait_s: float) -> float:
    """Return the share of contacts that hung up whose wait was at most `wait_s`."""
    joins, answered = _joining(queue, state_probabilities(queue))
    patient = np.exp(-wait_s / queue.patience_s)
    still = joins @ (patient * _still_waiting(queue, wait_s, own_stage=0))
    later = still - answered @ _still_waiting(queue, wait_s, own_stage=1)
    return float(1 - later / (joins - answered).sum())


def _order(queue: WaitingRoom) -> float:
    return queue.agents * queue.patience_s / queue.handle_time_s


def _joining(queue: WaitingRoom, states: Floats) -> tuple[Floats, Floats]:
    """Return for each number already waiting the share that joins, and the share answered."""
    joins = states[queue.agents : -1]
    order = _order(queue)
    return joins, joins * order / (order + 1 + np.arange(queue.room))


def _still_waiting(queue: WaitingRoom, wait_s: float, *, own_stage: int) -> Floats:
    """Return for each number already waiting the chance that its stages take longer than `wait_s`.

    The sum of exponential times with rates (r + own_stage + i)/patience, i = 0..j, exceeds T with probability
    I_x(r + own_stage, j + 1), x = exp(-T/patience), I being the regularised incomplete beta function.
    Counting the contact's own abandonment (own_stage 1) gives the wait of the answered, not counting it the
    offered wait.
    """
    kept = np.exp(-wait_s / queue.patience_s)
    ahead = np.arange(queue.room)
    return np.asarray(betainc(_order(queue) + own_stage, ahead + 1.0, kept))
