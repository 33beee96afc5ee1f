"""Decides better rosters by solving small parts exactly while the rest stays (large neighbourhood search)."""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from staffing.rostering.linear import Floats, Matrix, restrict
from staffing.rostering.solvers import Answer, branch, search

_WALL_S = 10.0
_NODES = 1000
_GROW, _SHRINK = 1.2, 0.85
_ROUND = 2
"""Parts of a round, whatever the number of threads: it decides what is found."""
_LEAST_EFFORT = 0.02
"""Deterministic seconds that each part counts on top: to put it to the solver takes time as well."""


@dataclass(frozen=True, slots=True)
class Solution:
    """Values of all variables of a model and their price."""

    values: Floats
    price: float


@dataclass(frozen=True, slots=True)
class Part:
    """A kind of part to solve exactly.

    Attributes:
        days: Its length in days.
        size: Agents times days of the first such part; later ones grow while they are solved in time.
        effort: Time for each in CP-SAT's own deterministic seconds.
        on_shift: Whether only agents who work on these days take part; weekly hours mostly keep others off.
    """

    days: int
    size: float
    effort: float
    on_shift: bool = False


def settle(
    matrix: Matrix, start: Solution, *, overnight: bool, on_late: Callable[[], None] = lambda: None
) -> Solution:
    """Return a solution with breaks and teams at their best, day by day, who works when as it is.

    `on_late` is called when the clock ended a day.
    """
    values, price = start.values.copy(), start.price
    for day in range(int(matrix.day.max()) + 1):
        free = (matrix.agent < 0) & (matrix.day >= day) & (matrix.day <= day + overnight)
        part = restrict(matrix, values, free)
        answer = branch(part, time_limit_s=_WALL_S, nodes=_NODES, start=values[free])
        if answer.timed_out:
            on_late()
        if answer.values is not None and answer.objective < price:
            values[free], price = np.round(answer.values), answer.objective
    return Solution(values, price)


def improve(
    matrix: Matrix,
    parts: Sequence[Part],
    *,
    overnight: bool,
    seed: int,
    steps: int,
    busy: set[int],
    best: Callable[[], Solution],
    offer: Callable[[Solution, NDArray[np.bool_]], None],
    left_s: Callable[[], float],
    should_stop: Callable[[], bool],
) -> None:
    """Improve a solution by solving for some agents on some days at a time.

    Args:
        matrix: The model.
        parts: Kinds of part, taken at random.
        overnight: Whether shifts cover slots of the next day.
        seed: Seed of the search.
        steps: Number of parts to solve.
        busy: First days of parts that others are solving; kept up to date.
        best: Asked before each step for the solution to improve.
        offer: Given each better solution and which variables were free in it.
        left_s: Tells the seconds that are left.
        should_stop: Asked before each step and at each solution of a part.
    """
    chance = np.random.default_rng(seed)
    choice = _Choice(matrix, parts, overnight, chance)
    for _step in range(steps):
        if should_stop():
            return
        start = best()
        task = choice.draw(start, int(chance.integers(len(parts))), busy)
        busy.add(task.first)
        limit_s = max(0.1, min(_WALL_S * task.part.effort, left_s()))
        answer = _solve(matrix, task, start, limit_s, should_stop)
        busy.discard(task.first)
        choice.learn(task, answer)
        better = _better(task, start, answer)
        if better is not None:
            offer(better, task.free)


def improve_in_rounds(
    matrix: Matrix,
    parts: Sequence[Part],
    *,
    overnight: bool,
    seed: int,
    effort: float,
    threads: int,
    best: Callable[[], Solution],
    offer: Callable[[Solution, NDArray[np.bool_]], None],
    left_s: Callable[[], float],
    should_stop: Callable[[], bool],
) -> bool:
    """Improve a solution like `improve`, two parts at a time; return whether the clock ended no part.

    Both parts of a round begin with the same solution and are merged in order, so that neither the clock nor
    the number of threads decides what is found.

    Args:
        matrix: The model.
        parts: Kinds of part, taken at random.
        overnight: Whether shifts cover slots of the next day.
        seed: Seed of the search.
        effort: CP-SAT's deterministic seconds for all parts together, after which no round begins.
        threads: Threads; more than two have nothing to do.
        best: Asked before each round for the solution to improve.
        offer: Given each better solution and which variables were free in it.
        left_s: Tells the seconds that are left.
        should_stop: Asked before each round and while parts are solved.
    """
    chance = np.random.default_rng(seed)
    choice = _Choice(matrix, parts, overnight, chance)
    spent, on_time = 0.0, True
    with ThreadPoolExecutor(min(threads, _ROUND)) as pool:
        while spent < effort and not should_stop():
            start, number, taken = best(), int(chance.integers(len(parts))), set[int]()
            tasks = []
            for _part in range(_ROUND):
                tasks.append(choice.draw(start, number, taken))
                first, days = tasks[-1].first, parts[number].days
                taken |= set(range(first - days, first + days + 1))
            answers = list(
                pool.map(lambda task: _solve(matrix, task, start, left_s(), should_stop), tasks)  # noqa: B023
            )
            for task, answer in zip(tasks, answers, strict=True):
                spent += answer.effort + _LEAST_EFFORT
                on_time = on_time and not answer.timed_out
                choice.learn(task, answer)
                better = _better(task, start, answer)
                if better is not None:
                    offer(better, task.free)
    return on_time


@dataclass(frozen=True, slots=True)
class _Task:
    """A part to solve: its kind, first day, variables that are free, and the seed of its search."""

    number: int
    part: Part
    first: int
    free: NDArray[np.bool_]
    seed: int


class _Choice:
    """Which part comes next, and how large it is: parts grow while they are solved in time."""

    def __init__(
        self, matrix: Matrix, parts: Sequence[Part], overnight: bool, chance: np.random.Generator
    ) -> None:
        self._matrix, self._parts, self._overnight, self._chance = matrix, parts, overnight, chance
        self._agents, self._days = int(matrix.agent.max()) + 1, int(matrix.day.max()) + 1
        self._sizes = [part.size for part in parts]

    def draw(self, start: Solution, number: int, busy: Collection[int]) -> _Task:
        """Return a part of a kind, with a first day that is not busy where there is one."""
        part, chance = self._parts[number], self._chance
        starts = [day for day in range(self._days - part.days + 1) if day not in busy] or [0]
        first = starts[int(chance.integers(len(starts)))]
        able = np.arange(self._agents)
        if part.on_shift:
            able = on_shift(self._matrix, start, first, part.days)
        many = min(len(able), max(2, round(self._sizes[number] / part.days)))
        agents = chance.choice(able, size=many, replace=False)
        free = _free(self._matrix, agents, first, part, self._overnight)
        return _Task(number, part, first, free, int(chance.integers(1 << 30)))

    def learn(self, task: _Task, answer: Answer) -> None:
        """Let the next part of the kind be larger or smaller."""
        change = _GROW if answer.proven or answer.infeasible else _SHRINK
        grown, least = self._sizes[task.number] * change, 2.0 * task.part.days
        self._sizes[task.number] = min(max(grown, least), float(self._agents * task.part.days))


def _solve(
    matrix: Matrix, task: _Task, start: Solution, limit_s: float, should_stop: Callable[[], bool]
) -> Answer:
    return search(
        restrict(matrix, start.values, task.free),
        time_limit_s=max(0.1, limit_s),
        effort=task.part.effort,
        seed=task.seed,
        hint=start.values[task.free],
        better_than=start.price,
        should_stop=should_stop,
    )


def _better(task: _Task, start: Solution, answer: Answer) -> Solution | None:
    if answer.values is None or answer.objective >= start.price - 0.5:
        return None
    values = start.values.copy()
    values[task.free] = np.round(answer.values)
    return Solution(values, answer.objective)


def on_shift(matrix: Matrix, start: Solution, first: int, days: int) -> NDArray[np.int64]:
    """Return the agents who work on some days of a solution."""
    inside = (matrix.day >= first) & (matrix.day < first + days) & (matrix.agent >= 0)
    return np.asarray(np.unique(matrix.agent[inside & (start.values > 0.5)]), dtype=np.int64)


def _free(
    matrix: Matrix, agents: NDArray[np.int64], first: int, part: Part, overnight: bool
) -> NDArray[np.bool_]:
    """Return which variables are free when some agents' shifts from a first day on are."""
    chosen = np.zeros(int(matrix.agent.max()) + 2, dtype=np.bool_)
    chosen[agents] = True
    day, last = matrix.day, first + part.days - 1
    inside = (day >= first) & (day <= last)
    beside = (day >= first) & (day <= last + overnight)
    return np.where(matrix.agent >= 0, chosen[matrix.agent] & (inside | (day < 0)), beside | (day < 0))
