"""Decides the best days and shifts of one agent at given prices, all rules of the agent kept."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from staffing.rostering.cover import RosterModel
from staffing.rostering.linear import Floats, Matrix
from staffing.rostering.solvers import branch, load, search

import highspy  # isort: skip  # after ortools, which the solvers load

Ints = NDArray[np.int64]

_WHOLE = 1e-6
_WALL_S, _NODES = 10.0, 500
_SCALE = 8


@dataclass(frozen=True, slots=True)
class Block:
    """The rules of one agent alone, ready to be solved again and again at other prices.

    Attributes:
        matrix: The agent's variables and rows.
        choices: Which of the variables are shifts on days of the period.
        columns: Where these choices are in the whole model.
        days: Day of each choice.
        kinds: Number of the kind of shift of each choice.
        level_row: Row that measures points of unpopular shifts against the common level, -1 for none.
        own: Prices of the variables without fairness: wishes, hours, changes.
        highs: The same rows in HiGHS, whole numbers not demanded.
    """

    matrix: Matrix
    choices: Ints
    columns: Ints
    days: Ints
    kinds: Ints
    level_row: int
    own: Floats
    highs: highspy.Highs


@dataclass(frozen=True, slots=True)
class Response:
    """Choices of an agent, as indices into the block's, and their price without cover and fairness."""

    taken: Ints
    cost: float


def make_blocks(model: RosterModel, whole: Matrix) -> list[Block]:
    """Return the blocks of all agents of a model."""
    kind_of = _kinds_of_variables(model, whole)
    rows_of = rows_by_agent(model, whole)
    return [
        _block(model, whole, kind_of, np.flatnonzero(rows_of == number), number)
        for number in range(len(model.scope.problem.agents))
    ]


def best_response(block: Block, prices: Floats, *, level: int, seed: int) -> Response | None:
    """Return which choices the agent takes at least cost, or None when that was not found.

    Args:
        block: The agent's rules.
        prices: Price of each choice on top of the agent's own.
        level: Common level of points of unpopular shifts.
        seed: Seed of the search, where one is needed.
    """
    cost = block.matrix.cost.copy()
    cost[block.choices] += prices
    highs = block.highs
    highs.changeColsCost(len(cost), np.arange(len(cost), dtype=np.int32), cost)
    if block.level_row >= 0:
        target = float(block.matrix.row_lower[block.level_row] + level)
        highs.changeRowBounds(block.level_row, target, target)
    highs.run()
    if highs.getModelStatus() == highspy.HighsModelStatus.kOptimal:
        values = np.array(highs.getSolution().col_value)
        if np.all(np.abs(values[block.choices] - np.round(values[block.choices])) < _WHOLE):
            return _response(block, values)
    return _search(block, cost, level, seed)


def follow(block: Block, taken: Ints, *, level: int) -> Floats:
    """Return the values of all variables of an agent who has taken these choices."""
    matrix = _at_level(block, level)
    lower, upper = matrix.lower.copy(), matrix.upper.copy()
    lower[block.choices] = upper[block.choices] = 0.0
    lower[block.choices[taken]] = upper[block.choices[taken]] = 1.0
    fixed = replace(matrix, lower=lower, upper=upper, implied=np.zeros_like(matrix.implied))
    answer = branch(fixed, time_limit_s=60)
    if answer.values is None:
        raise ValueError("the choices break the agent's rules")
    return np.round(answer.values)


def _at_level(block: Block, level: int) -> Matrix:
    """Return the block's matrix with points measured against a level."""
    if block.level_row < 0:
        return block.matrix
    lower, upper = block.matrix.row_lower.copy(), block.matrix.row_upper.copy()
    lower[block.level_row] += level
    upper[block.level_row] += level
    return replace(block.matrix, row_lower=lower, row_upper=upper)


def _search(block: Block, cost: Floats, level: int, seed: int) -> Response | None:
    matrix = replace(_at_level(block, level), cost=cost)
    answer = branch(matrix, time_limit_s=_WALL_S, nodes=_NODES, seed=seed, exact=False)
    if answer.values is None:
        answer = search(replace(matrix, cost=np.round(cost * _SCALE)), time_limit_s=60, seed=seed)
    return None if answer.values is None else _response(block, np.round(answer.values))


def _response(block: Block, values: Floats) -> Response:
    return Response(np.flatnonzero(values[block.choices] > 0.5), float(block.own @ values))


def _kinds_of_variables(model: RosterModel, whole: Matrix) -> Ints:
    kind_of = np.full(whole.shape[1], -1, dtype=np.int64)
    numbers = {kind.id: number for number, kind in enumerate(model.scope.problem.kinds)}
    for days in model.agents.values():
        for day in range(model.scope.problem.days):
            for kind_id, variable in days.shift[day].items():
                kind_of[variable] = numbers[kind_id]
    return kind_of


def rows_by_agent(model: RosterModel, whole: Matrix) -> Ints:
    """Return for each row the agent whose variables alone it holds (the common level aside), else -1."""
    owner = whole.agent.copy()
    many = len(model.scope.problem.agents)
    owner[owner < 0] = many
    rows = whole.rows
    entries = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    counted = rows.indices != model.level
    highest = np.full(rows.shape[0], -1, dtype=np.int64)
    lowest = np.full(rows.shape[0], many + 1, dtype=np.int64)
    np.maximum.at(highest, entries[counted], owner[rows.indices[counted]])
    np.minimum.at(lowest, entries[counted], owner[rows.indices[counted]])
    return np.where((highest == lowest) & (highest < many), highest, -1)


def _block(model: RosterModel, whole: Matrix, kind_of: Ints, rows: Ints, number: int) -> Block:
    columns = np.flatnonzero(whole.agent == number)
    part = whole.rows[rows]
    level_row = -1
    if model.level >= 0:
        found = np.flatnonzero(part[:, [model.level]].toarray()[:, 0])
        level_row = int(found[0]) if len(found) else -1
    matrix = Matrix(
        part[:, columns],
        whole.row_lower[rows],
        whole.row_upper[rows],
        whole.lower[columns],
        whole.upper[columns],
        whole.cost[columns],
        whole.implied[columns],
        whole.agent[columns],
        whole.day[columns],
        0.0,
    )
    own = matrix.cost.copy()
    own[np.isin(columns, model.fairness.get(number, ()))] = 0.0
    choices = np.flatnonzero(kind_of[columns] >= 0)
    places = columns[choices]
    highs = load(matrix, whole=False)
    return Block(matrix, choices, places, whole.day[places], kind_of[places], level_row, own, highs)
