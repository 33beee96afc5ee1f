"""Decides better rosters by solving small parts exactly while the rest stays (large neighbourhood search)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from staffing.rostering.linear import Floats, Matrix, restrict
from staffing.rostering.solvers import Answer, search

_FIRST_SIZE = 100.0
_EFFORT = 2.0
_GROW, _SHRINK = 1.2, 0.85
_OVERNIGHT = 1


@dataclass(slots=True)
class Solution:
    """Values of all variables of a model and their price."""

    values: Floats
    price: float


def improve(
    matrix: Matrix,
    start: Solution,
    *,
    seed: int,
    steps: int,
    on_better: Callable[[float], None],
    take: Callable[[], Solution | None],
    should_stop: Callable[[], bool],
) -> Solution:
    """Return the best solution found by solving for some agents on some days at a time.

    Args:
        matrix: The model.
        start: A solution to begin with.
        seed: Seed of the search.
        steps: Number of parts to solve.
        on_better: Called with the price of each better solution.
        take: Asked before each step for a better solution found elsewhere.
        should_stop: Asked before each step.
    """
    chance = np.random.default_rng(seed)
    best = start
    agents, days = int(matrix.agent.max()) + 1, int(matrix.day.max()) + 1
    sizes = dict.fromkeys(_spans(days), _FIRST_SIZE)
    for _step in range(steps):
        if should_stop():
            break
        other = take()
        if other is not None and other.price < best.price - 0.5:
            best = other
        span = list(sizes)[int(chance.integers(len(sizes)))]
        free = _part(matrix, chance, sizes[span], span)
        answer = _solve_part(matrix, best, free, int(chance.integers(1 << 30)))
        solved = answer.proven or answer.infeasible
        limit = agents * span
        sizes[span] = min(max(sizes[span] * (_GROW if solved else _SHRINK), 2 * span), limit)
        if answer.values is not None and answer.objective < best.price - 0.5:
            values = best.values.copy()
            values[free] = np.round(answer.values)
            best = Solution(values, answer.objective)
            on_better(best.price)
    return best


def _spans(days: int) -> list[int]:
    """Return the lengths in days of the parts to solve: few days of many agents to all days of a few."""
    return sorted({min(days, span) for span in (3, 5, 8, 14, days)})


def _part(matrix: Matrix, chance: np.random.Generator, size: float, span: int) -> NDArray[np.bool_]:
    """Return the variables of some agents on `span` days in a row, `size` agent's days in all."""
    agents, days = int(matrix.agent.max()) + 1, int(matrix.day.max()) + 1
    many = min(agents, max(2, round(size / span)))
    chosen = np.zeros(agents + 1, dtype=np.bool_)
    chosen[chance.choice(agents, size=many, replace=False)] = True
    first = int(chance.integers(0, days - span + 1))
    inside = (matrix.day >= first) & (matrix.day < first + span)
    beside = (matrix.day >= first) & (matrix.day < first + span + _OVERNIGHT)
    own = matrix.agent >= 0
    return np.where(own, chosen[matrix.agent] & (inside | (matrix.day < 0)), beside | (matrix.day < 0))


def _solve_part(matrix: Matrix, best: Solution, free: NDArray[np.bool_], seed: int) -> Answer:
    part = restrict(matrix, best.values, free)
    return search(
        part,
        time_limit_s=5 * _EFFORT,
        effort=_EFFORT,
        seed=seed,
        hint=best.values[free],
        better_than=best.price,
    )
