"""Decides the roster that keeps most of the published one: what a search for few changes begins with."""

from collections.abc import Callable, Sequence

import numpy as np

from staffing.rostering.cover import RosterModel
from staffing.rostering.improve import Solution
from staffing.rostering.linear import Floats, Matrix
from staffing.rostering.model import Agent, RosterProblem
from staffing.rostering.rebuild import compose
from staffing.rostering.response import Block, best_response

_KEEP = 10_000.0
"""Price of an agent's day that differs: above wishes and hours, so that only rules change a published day."""
_WEEK_DAYS = 7


def keep_published(
    model: RosterModel,
    matrix: Matrix,
    blocks: Sequence[Block],
    *,
    seed: int,
    on_late: Callable[[], None] = lambda: None,
) -> Solution | None:
    """Return the roster with as many published days as rules and locks allow; None where none is published.

    Breaks and teams are at their best. Weeks and agents of which nothing is published are only made to keep
    the rules; the search does the rest.
    """
    problem = model.scope.problem
    if not problem.published:
        return None
    taken = []
    for agent, block in zip(problem.agents, blocks, strict=True):
        response = best_response(block, _prices(problem, agent, block), level=0, seed=seed)
        if response is None:
            return None
        taken.append(response)
    return compose(model, matrix, list(blocks), taken, seed=seed, on_late=on_late)


def _prices(problem: RosterProblem, agent: Agent, block: Block) -> Floats:
    """Return the price of each choice of an agent: that of a change, or minus that of a day kept."""
    own = {day: kind for (agent_id, day), kind in problem.published.items() if agent_id == agent.id}
    weeks = {day // _WEEK_DAYS for _, day in problem.published} if own else set[int]()
    return np.array(
        [
            (-_KEEP if own.get(int(day)) == problem.kinds[int(kind)].id else _KEEP)
            if int(day) // _WEEK_DAYS in weeks
            else 0.0
            for day, kind in zip(block.days, block.kinds, strict=True)
        ]
    )
