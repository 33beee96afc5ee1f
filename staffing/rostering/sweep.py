"""Decides the kinds of shift, breaks and teams of each day together, for all who work on it.

With everybody on shift free at once the relaxation of a day is close to its best whole solution, so that
branch and bound among the whole numbers next to the relaxation's finds a good one soon (relaxation enforced
neighbourhood search, Berthold 2014); with a few agents at a time it is not. Only the counts of agents who
have started or begun a break are demanded to be whole: who takes which shift is then a transportation
problem, whose vertices are whole.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from staffing.rostering.improve import Solution, on_shift
from staffing.rostering.linear import Floats, Matrix, holds, restrict
from staffing.rostering.solvers import Answer, branch, relax

_NODES = 30
_WHOLE = 1e-6
_LEAST_SAVING = 1e-5
"""Saving as a share of the price below which a day is left as it is."""
_TRIES = 2
_POLL_S = 0.05


@dataclass(slots=True)
class _Days:
    """What the threads of a sweep share: the roster so far, days to do and days being done."""

    now: Solution
    waiting: list[int]
    busy: list[int] = field(default_factory=list)
    tries: dict[int, int] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)


def sweep(
    matrix: Matrix,
    start: Solution,
    counted: NDArray[np.bool_],
    *,
    overnight: bool,
    workers: int,
    seed: int,
    left_s: Callable[[], float],
    offer: Callable[[Solution], None],
    should_stop: Callable[[], bool],
) -> bool:
    """Improve a roster day by day and offer each better one; return whether the clock ended no day.

    Args:
        matrix: The model.
        start: The roster to begin with.
        counted: Which variables count agents.
        overnight: Whether shifts cover slots of the next day.
        workers: Days solved at once; never two in a row, as their rests meet.
        seed: Seed of the search.
        left_s: Tells the seconds that are left for all days.
        offer: Given each better roster.
        should_stop: Asked before each day and during it.
    """
    count = int(matrix.day.max()) + 1
    relaxed = replace(matrix, implied=~counted)
    shared = _Days(start, [*range(0, count, 2), *range(1, count, 2)])
    clocked = threading.Event()

    def work() -> None:
        while (day := _next_day(shared, should_stop)) is not None:
            base = shared.now
            many = len(shared.waiting) + len(shared.busy)
            limit_s = max(0.5, left_s() * workers / max(many, workers))
            free = _free(matrix, base, day, overnight=overnight)
            answer = _near_relaxation(
                restrict(relaxed, base.values, free),
                base.price,
                time_limit_s=min(limit_s, max(0.1, left_s())),
                seed=seed,
                should_stop=should_stop,
            )
            if answer.timed_out:
                clocked.set()
            found = None
            if answer.values is not None and answer.objective < base.price - 0.5:
                found = base.values.copy()
                found[free] = answer.values
            _finish(matrix, shared, day, found, free, offer)

    threads = [threading.Thread(target=work) for _ in range(workers - 1)]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join()
    return not clocked.is_set()


def sweep_in_waves(
    matrix: Matrix,
    start: Solution,
    counted: NDArray[np.bool_],
    *,
    overnight: bool,
    threads: int,
    seed: int,
    left_s: Callable[[], float],
    offer: Callable[[Solution], None],
    should_stop: Callable[[], bool],
) -> bool:
    """Improve a roster like `sweep`, every other day at once; return whether the clock ended no day.

    All days of a wave begin with the same roster and are merged in order, so that neither the clock nor the
    number of threads decides what is found.
    """
    days = range(int(matrix.day.max()) + 1)
    relaxed, now, on_time = replace(matrix, implied=~counted), start, True

    def solve(base: Solution, day: int) -> tuple[NDArray[np.bool_], Answer]:
        free = _free(matrix, base, day, overnight=overnight)
        if should_stop():
            return free, Answer(None, float("inf"), -float("inf"))
        return free, _near_relaxation(
            restrict(relaxed, base.values, free),
            base.price,
            time_limit_s=max(0.1, left_s()),
            seed=seed,
            should_stop=should_stop,
        )

    again: list[int] = []
    with ThreadPoolExecutor(threads) as pool:
        for wave in (days[0::2], days[1::2], again):
            base = now
            answers = list(pool.map(solve, [base] * len(wave), wave))
            for day, (free, answer) in zip(list(wave), answers, strict=True):
                on_time = on_time and not answer.timed_out
                if answer.values is None or answer.objective > base.price - 0.5:
                    continue
                found = base.values.copy()
                found[free] = answer.values
                merged = _merged(matrix, now, found, free)
                if merged is not None and merged.price < now.price - 0.5:
                    now = merged
                    offer(now)
                elif wave is not again:
                    again.append(day)
    return on_time


def _near_relaxation(
    part: Matrix, price: float, *, time_limit_s: float, seed: int, should_stop: Callable[[], bool]
) -> Answer:
    """Return the best solution whose counts are next to the relaxation's, none where nothing can be saved."""
    relaxed = relax(part, time_limit_s=time_limit_s, corner=True, should_stop=should_stop)
    if relaxed.values is None or relaxed.bound > price - _LEAST_SAVING * abs(price):
        return replace(relaxed, values=None)
    lower, upper = part.lower.copy(), part.upper.copy()
    counts = ~part.implied
    lower[counts] = np.maximum(lower[counts], np.floor(relaxed.values[counts] + _WHOLE))
    upper[counts] = np.minimum(upper[counts], np.ceil(relaxed.values[counts] - _WHOLE))
    return branch(
        replace(part, lower=lower, upper=upper),
        time_limit_s=time_limit_s,
        nodes=_NODES,
        seed=seed,
        exact=False,
        should_stop=should_stop,
    )


def _next_day(shared: _Days, should_stop: Callable[[], bool]) -> int | None:
    """Wait for a day that no other thread works next to, and take it."""
    with shared.changed:
        while not should_stop():
            for day in shared.waiting:
                if all(abs(day - other) > 1 for other in shared.busy):
                    shared.waiting.remove(day)
                    shared.busy.append(day)
                    return day
            if not shared.waiting:
                return None
            shared.changed.wait(_POLL_S)
    return None


def _finish(
    matrix: Matrix,
    shared: _Days,
    day: int,
    found: Floats | None,
    free: NDArray[np.bool_],
    offer: Callable[[Solution], None],
) -> None:
    """Take over a better day; when other days have changed meanwhile and the rules clash, do it again."""
    with shared.changed:
        shared.busy.remove(day)
        if found is not None:
            merged = _merged(matrix, shared.now, found, free)
            if merged is not None and merged.price < shared.now.price - 0.5:
                shared.now = merged
            elif shared.tries.get(day, 1) < _TRIES:
                shared.tries[day] = shared.tries.get(day, 1) + 1
                shared.waiting.append(day)
        shared.changed.notify_all()
        now = shared.now
    offer(now)


def _merged(matrix: Matrix, now: Solution, found: Floats, free: NDArray[np.bool_]) -> Solution | None:
    """Return the roster so far with the day of another, what follows from an agent's days worked out anew."""
    values = np.where(free & (matrix.day >= 0), np.round(found), now.values)
    follows = (matrix.agent >= 0) & (matrix.day < 0)
    answer = branch(restrict(matrix, values, follows), time_limit_s=10)
    if answer.values is None:
        return None
    values[follows] = np.round(answer.values)
    price = float(matrix.cost @ values) + matrix.offset
    return Solution(values, price) if holds(matrix, values) else None


def _free(matrix: Matrix, start: Solution, day: int, *, overnight: bool) -> NDArray[np.bool_]:
    """Return which variables are free on a day: those of agents who work on it, breaks and teams."""
    chosen = np.zeros(int(matrix.agent.max()) + 2, dtype=np.bool_)
    chosen[on_shift(matrix, start, day, 1)] = True
    beside = (matrix.day >= day) & (matrix.day <= day + overnight)
    own = chosen[matrix.agent] & ((matrix.day == day) | (matrix.day < 0))
    return np.where(matrix.agent >= 0, own, beside)
