"""Decides when work that can wait (e-mail, callbacks) is done: in quiet intervals, and before it is due.

Chosen is the placement with the flattest total of agents, the smallest sum of squares, that finishes every
kind in time. The idle time that live contacts leave may be used first. Solved as a flow of work through
time: the cumulative work done of each kind lies between what is due and what has arrived.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linprog
from scipy.sparse import coo_array

Floats = NDArray[np.float64]

_ROUNDING = 1e-6
_BANDS = 48  # steps of the piecewise-linear square; the flatness is exact to the band's height


@dataclass(frozen=True, slots=True, kw_only=True)
class DeferrableWork:
    """Work of one kind that may wait.

    Args:
        name: Such as "e-mail".
        arrives_s: Agent-seconds of work that arrive in each interval (what arrives while closed belongs to
            the first interval after it); at least 0.
        within_s: Time from the start of the interval of arrival in which the work has to be done. What has no
            whole interval left by then is due in the interval of arrival.
    """

    name: str
    arrives_s: ArrayLike
    within_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where work that can wait is done.

    Attributes:
        work_s: Agent-seconds done of each kind in each interval, by name.
        agents: Agents to add to those of live contacts in each interval, not whole.
        total: Live agents and added ones together.
    """

    work_s: dict[str, Floats]
    agents: Floats
    total: Floats


def place_deferrable(
    starts: ArrayLike,
    live_agents: ArrayLike,
    kinds: Sequence[DeferrableWork],
    *,
    step_s: float,
    idle_agents: ArrayLike = 0.0,
) -> Placement:
    """Return the flattest placement of the work into the intervals.

    Args:
        starts: Ascending interval starts in UTC epoch seconds, closed hours left out.
        live_agents: Agents that live contacts need in each interval.
        kinds: The work, with names that differ.
        step_s: Length of an interval.
        idle_agents: Of the live agents, how many (not whole) are idle on average and may do such work between
            contacts.

    Raises:
        ValueError: When work is negative, names repeat, or a list has the wrong length.
    """
    begin = np.asarray(starts, dtype=np.float64)
    live = np.array(np.broadcast_to(np.asarray(live_agents, dtype=np.float64), begin.shape))
    idle = np.array(np.broadcast_to(np.asarray(idle_agents, dtype=np.float64), begin.shape))
    arrived = [_arrivals(kind, begin) for kind in kinds]
    if len({kind.name for kind in kinds}) != len(kinds):
        raise ValueError("each kind of work needs a name of its own")
    if not kinds or not any(work.any() for work in arrived):
        work = {kind.name: np.zeros_like(live) for kind in kinds}
        return Placement(work_s=work, agents=np.zeros_like(live), total=live)
    done = _flattest(begin, live, idle, kinds, [work / step_s for work in arrived], step_s)
    added = np.maximum(done.sum(axis=0) - idle, 0.0)
    return Placement(
        work_s={kind.name: row * step_s for kind, row in zip(kinds, done, strict=True)},
        agents=added,
        total=live + added,
    )


def whole_agents(
    placed: Placement,
    starts: ArrayLike,
    kinds: Sequence[DeferrableWork],
    *,
    step_s: float,
    idle_agents: ArrayLike = 0.0,
) -> NDArray[np.int64]:
    """Return whole agents to add in each interval, of shape (intervals,), that do all work in time.

    They keep the placement's pace without being ahead of it: one is added when the placement has done a whole
    agent's work more, or when work falls due. What is due first is done first. Rounding every interval up
    instead would add an agent wherever there is a minute of work.

    Args:
        placed: From `place_deferrable` with the same other arguments.
        starts: As there.
        kinds: As there.
        step_s: As there.
        idle_agents: As there.
    """
    begin = np.asarray(starts, dtype=np.float64)
    idle = np.array(np.broadcast_to(np.asarray(idle_agents, dtype=np.float64), begin.shape))
    arrives = np.array([_arrivals(kind, begin) for kind in kinds]).reshape(len(kinds), len(begin)) / step_s
    due = [due_index(begin, kind.within_s, step_s=step_s) for kind in kinds]
    pace = np.cumsum(np.sum(list(placed.work_s.values()), axis=0) / step_s)
    waiting, agents, done = np.zeros(len(begin)), np.zeros(len(begin), dtype=np.int64), 0.0
    for now in range(len(begin)):
        for kind in range(len(kinds)):
            waiting[due[kind][now]] += arrives[kind, now]
        must, want = waiting[now], pace[now] - done
        agents[now] = max(
            int(np.ceil(must - idle[now] - _ROUNDING)), int(np.floor(want - idle[now] + _ROUNDING)), 0
        )
        done += _work_off(waiting, agents[now] + idle[now])
    return agents


def _work_off(waiting: Floats, work: float) -> float:
    """Take up to `work` off what waits, by due interval, the first due first; return how much it was."""
    before = np.cumsum(waiting) - waiting
    taken = np.clip(work - before, 0.0, waiting)
    waiting -= taken
    return float(taken.sum())


def due_index(starts: Floats, within_s: float, *, step_s: float) -> NDArray[np.int64]:
    """Return for work arriving in each interval the last interval in which it may be done."""
    last = np.searchsorted(starts + step_s, starts + within_s, side="right") - 1
    return np.maximum(last, np.arange(len(starts))).astype(np.int64)


def _arrivals(kind: DeferrableWork, starts: Floats) -> Floats:
    work = np.asarray(kind.arrives_s, dtype=np.float64)
    if work.shape != starts.shape:
        raise ValueError(f"{kind.name}: {work.shape} values of work for {starts.shape} intervals")
    if not np.all(work >= 0) or not kind.within_s > 0:
        raise ValueError(f"{kind.name}: work is at least 0 and its time limit above 0")
    return work


def _flattest(
    starts: Floats,
    live: Floats,
    idle: Floats,
    kinds: Sequence[DeferrableWork],
    arrived: Sequence[Floats],
    step_s: float,
) -> Floats:
    """Return the agents' worth of each kind done in each interval, of shape (kinds, intervals).

    Unknown are the cumulative work of each kind, bounded by what is due and what has arrived, and the height
    of each band above the live agents, whose price rises with the level: together the least sum of squares.
    """
    count, slots = len(kinds), len(starts)
    bounds: list[tuple[float, float]] = []
    for kind, work in zip(kinds, arrived, strict=True):
        due = np.bincount(due_index(starts, kind.within_s, step_s=step_s), weights=work, minlength=slots)
        total = np.cumsum(work)
        bounds += list(zip(np.minimum(np.cumsum(due), total), total, strict=True))
    # Doing all work in its interval of arrival is always possible, so no level above that is needed.
    floor, ceiling = live.min(), (live + np.sum(arrived, axis=0)).max()
    edges = np.linspace(floor, ceiling, _BANDS + 1)
    height = np.clip(edges[1:, None] - np.maximum(edges[:-1, None], live), 0, None)
    height[-1] = np.inf  # rounding must not make the least work impossible
    prices = np.concatenate([np.repeat((edges[:-1] + edges[1:]) / 2 - floor + 1, slots), np.zeros(slots)])
    bounds += [(0.0, top) for top in height.ravel()] + [(0.0, top) for top in idle]
    answer = linprog(
        np.concatenate([np.zeros(count * slots), prices]),
        A_eq=_balance(count, slots),
        b_eq=np.zeros(slots),
        A_ub=_never_undone(count, slots),
        b_ub=np.zeros(count * (slots - 1)),
        bounds=np.array(bounds),
        method="highs",
    )
    if answer.x is None:
        raise ValueError(f"no placement was found: {answer.message}")
    level = answer.x[: count * slots].reshape(count, slots)
    return np.asarray(np.maximum(np.diff(level, axis=1, prepend=0.0), 0.0), dtype=np.float64)


def _balance(count: int, slots: int) -> coo_array:
    """Return rows saying: work done in an interval, of all kinds, equals its bands and the idle time used."""
    rows, columns, values = [], [], []
    each = np.arange(slots)
    for kind in range(count):
        rows += [each, each[1:]]
        columns += [kind * slots + each, kind * slots + each[:-1]]
        values += [np.ones(slots), -np.ones(slots - 1)]
    for band in range(_BANDS + 1):
        rows.append(each)
        columns.append((count + band) * slots + each)
        values.append(-np.ones(slots))
    shape = (slots, (count + _BANDS + 1) * slots)
    return coo_array((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=shape)


def _never_undone(count: int, slots: int) -> coo_array:
    """Return rows saying: the cumulative work of a kind never falls."""
    each = np.arange(count * (slots - 1))
    before = each + each // max(slots - 1, 1)
    values = np.concatenate([np.ones(len(each)), -np.ones(len(each))])
    places = (np.concatenate([each, each]), np.concatenate([before, before + 1]))
    return coo_array((values, places), shape=(len(each), (count + _BANDS + 1) * slots))
