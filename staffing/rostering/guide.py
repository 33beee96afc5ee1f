"""Decides who works when from the relaxation: at its prices, and so that its numbers of agents come about.

The relaxation says how many agents of each group should be on shift in each slot, and what each shift is
worth to the cover when everybody else adapts. Agents take turns choosing their best schedule at these prices,
plus a price that grows with the distance from those numbers (an augmented Lagrangian of the relaxation).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from staffing.rostering.alike import groups
from staffing.rostering.cover import RosterModel
from staffing.rostering.linear import Floats, Matrix
from staffing.rostering.response import Block, Ints, Response, best_response, rows_by_agent
from staffing.rostering.solvers import Answer

_ALL, _GROUP = 0.05, 0.03
"""Price of the squared distance in one slot, for all agents and for each group, as a share of the grain."""
_TURNS = 4
_STEPS = 24
"""Steps, as a multiple of the agents, in which a few choose anew together."""
_MOST_AGENTS = 4
_WARMTH = 2.0
"""First temperature as a multiple of the grain."""


@dataclass(slots=True)
class _Plan:
    """Who has chosen what so far.

    Attributes:
        group: Number of each agent's group.
        worth: What the relaxation pays for each choice of each agent, negative where it is wanted.
        spans: First slot and slot after the last of each choice, for each agent two arrays.
        target: Agents of a group on shift in each slot in the relaxation, shape (groups, slots).
        present: The same as chosen so far.
        chosen: What each agent has chosen.
    """

    blocks: Sequence[Block]
    group: list[int]
    worth: list[Floats]
    spans: list[tuple[Ints, Ints]]
    target: Floats
    present: Floats
    chosen: list[Response]
    level: int
    grain: float
    seed: int


def follow_relaxation(
    model: RosterModel,
    matrix: Matrix,
    blocks: Sequence[Block],
    relaxed: Answer,
    *,
    grain: float,
    seed: int,
    elapsed: Callable[[], float],
    should_stop: Callable[[], bool],
    steps: int | None = None,
) -> list[Response] | None:
    """Return what each agent takes, or None when there was no time or no schedule for an agent.

    Args:
        model: The roster model.
        matrix: The same as arrays.
        blocks: Rules of each agent.
        relaxed: Solution of the relaxation with its prices.
        grain: Typical price of one agent short in one slot.
        seed: Seed of the search.
        elapsed: Tells the share of the time that has passed; where it runs ahead of the steps, it counts, and
            at 1 the search ends with what there is, once everybody has a schedule.
        should_stop: Asked before that, while there is nothing yet.
        steps: Most times that a few agents choose anew; None for as many as the agents deserve.
    """
    chance = np.random.default_rng(seed)
    plan = _new_plan(model, matrix, blocks, relaxed, grain, seed)
    many = len(blocks)
    for turn in range(_TURNS):
        for agent in chance.permutation(many):
            if should_stop():
                return None
            if turn:
                _drop(plan, int(agent))
            if not _choose(plan, int(agent)):
                return None
    most = _STEPS * many
    _vary(plan, chance, elapsed, most if steps is None else min(most, steps))
    return plan.chosen


def _vary(plan: _Plan, chance: np.random.Generator, elapsed: Callable[[], float], steps: int) -> None:
    """Let a few agents at a time choose anew; keep what is better, at first also what is a little worse."""
    many, price = len(plan.blocks), _price(plan)
    for step in range(steps):
        gone = max(step / steps, elapsed())
        if gone >= 1:
            return
        present, chosen = plan.present.copy(), list(plan.chosen)
        size = min(many, int(chance.integers(2, _MOST_AGENTS + 1)))
        agents = [int(agent) for agent in chance.choice(many, size=size, replace=False)]
        for agent in agents:
            _drop(plan, agent)
        found = all(_choose(plan, agent) for agent in agents)
        heat = _WARMTH * plan.grain * (1 - gone)
        new_price = _price(plan)
        if not found or new_price > price - heat * np.log(chance.uniform()):
            plan.present, plan.chosen = present, chosen
        else:
            price = new_price


def _new_plan(
    model: RosterModel, matrix: Matrix, blocks: Sequence[Block], relaxed: Answer, grain: float, seed: int
) -> _Plan:
    problem, timeline = model.scope.problem, model.scope.timeline
    if relaxed.values is None or relaxed.prices is None:
        raise ValueError("the relaxation has not been solved")
    by_group = groups(problem)
    number = {agent.id: index for index, members in enumerate(by_group.values()) for agent in members}
    shared = rows_by_agent(model, matrix) < 0
    paid = -(matrix.rows[shared].T @ relaxed.prices[shared])
    starts, lengths = _slots_of_kinds(model)
    spans = [_span(block, starts, lengths, timeline.slots) for block in blocks]
    group = [number[agent.id] for agent in problem.agents]
    steps = np.zeros((len(by_group), timeline.slots + 1))
    for agent, (block, (first, last)) in enumerate(zip(blocks, spans, strict=True)):
        np.add.at(steps[group[agent]], first, relaxed.values[block.columns])
        np.subtract.at(steps[group[agent]], last, relaxed.values[block.columns])
    target = np.cumsum(steps, axis=1)[:, :-1]
    return _Plan(
        blocks,
        group,
        [paid[block.columns] for block in blocks],
        spans,
        target,
        np.zeros_like(target),
        [Response(np.zeros(0, dtype=np.int64), 0.0)] * len(blocks),
        round(relaxed.values[model.level]) if model.level >= 0 else 0,
        grain,
        seed,
    )


def _slots_of_kinds(model: RosterModel) -> tuple[Ints, Ints]:
    """Return the first slot of each kind of shift on each day, (days, kinds), and the slots it lasts."""
    problem, timeline = model.scope.problem, model.scope.timeline
    step_s = problem.grid.step_s
    starts = [
        [-(-(timeline.shift_at(kind, day)[0] - timeline.starts_at) // step_s) for kind in problem.kinds]
        for day in range(problem.days)
    ]
    lengths = [kind.length_s // step_s for kind in problem.kinds]
    return np.array(starts, dtype=np.int64), np.array(lengths, dtype=np.int64)


def _span(block: Block, starts: Ints, lengths: Ints, slots: int) -> tuple[Ints, Ints]:
    first = starts[block.days, block.kinds]
    return np.clip(first, 0, slots), np.clip(first + lengths[block.kinds], 0, slots)


def _choose(plan: _Plan, agent: int) -> bool:
    """Let an agent take the best schedule at the present prices; return whether there was one."""
    group, (first, last) = plan.group[agent], plan.spans[agent]
    off_all = plan.present.sum(axis=0) - plan.target.sum(axis=0)
    off_group = plan.present[group] - plan.target[group]
    marginal = plan.grain * (_ALL * (2 * off_all + 1) + _GROUP * (2 * off_group + 1))
    total = np.concatenate(([0.0], np.cumsum(marginal)))
    prices = plan.worth[agent] + total[last] - total[first]
    response = best_response(plan.blocks[agent], prices, level=plan.level, seed=plan.seed)
    if response is None:
        return False
    plan.chosen[agent] = response
    _count(plan, agent, 1)
    return True


def _drop(plan: _Plan, agent: int) -> None:
    _count(plan, agent, -1)
    plan.chosen[agent] = Response(np.zeros(0, dtype=np.int64), 0.0)


def _count(plan: _Plan, agent: int, sign: int) -> None:
    first, last = plan.spans[agent]
    for choice in plan.chosen[agent].taken:
        plan.present[plan.group[agent], first[choice] : last[choice]] += sign


def _price(plan: _Plan) -> float:
    own = sum(response.cost for response in plan.chosen)
    worth = sum(float(w[r.taken].sum()) for w, r in zip(plan.worth, plan.chosen, strict=True))
    off: NDArray[np.float64] = plan.present - plan.target
    far = _ALL * float((off.sum(axis=0) ** 2).sum()) + _GROUP * float((off**2).sum())
    return own + worth + plan.grain * far
