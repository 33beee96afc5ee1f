"""Decides better rosters by solving small parts exactly while the rest stays (large neighbourhood search)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from staffing.rostering.linear import Floats, Matrix, restrict
from staffing.rostering.solvers import branch, search

_WALL_S = 10.0
_NODES = 1000
_GROW, _SHRINK = 1.2, 0.85


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


def settle(matrix: Matrix, start: Solution, *, overnight: bool) -> Solution:
    """Return a solution with breaks and teams at their best, day by day, who works when as it is."""
    values, price = start.values.copy(), start.price
    for day in range(int(matrix.day.max()) + 1):
        free = (matrix.agent < 0) & (matrix.day >= day) & (matrix.day <= day + overnight)
        part = restrict(matrix, values, free)
        answer = branch(part, time_limit_s=_WALL_S, nodes=_NODES, start=values[free])
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
    agents, days = int(matrix.agent.max()) + 1, int(matrix.day.max()) + 1
    sizes = [part.size for part in parts]
    for _step in range(steps):
        if should_stop():
            return
        number = int(chance.integers(len(parts)))
        part, start = parts[number], best()
        starts = [day for day in range(days - part.days + 1) if day not in busy] or [0]
        first = starts[int(chance.integers(len(starts)))]
        busy.add(first)
        able = on_shift(matrix, start, first, part.days) if part.on_shift else np.arange(agents)
        many = min(len(able), max(2, round(sizes[number] / part.days)))
        free = _free(matrix, chance.choice(able, size=many, replace=False), first, part, overnight)
        answer = search(
            restrict(matrix, start.values, free),
            time_limit_s=max(0.1, min(_WALL_S * part.effort, left_s())),
            effort=part.effort,
            seed=int(chance.integers(1 << 30)),
            hint=start.values[free],
            better_than=start.price,
            should_stop=should_stop,
        )
        busy.discard(first)
        grown = sizes[number] * (_GROW if answer.proven or answer.infeasible else _SHRINK)
        sizes[number] = min(max(grown, 2.0 * part.days), float(agents * part.days))
        if answer.values is not None and answer.objective < start.price - 0.5:
            values = start.values.copy()
            values[free] = np.round(answer.values)
            offer(Solution(values, answer.objective), free)


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
