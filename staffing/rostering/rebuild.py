"""Decides rosters by taking a few agents off and giving each the best schedule that is left.

Each agent gets the exact best response to what the others work (`response`), priced by what one more shift
is worth to the cover (`board`). Worse rosters are accepted at first and ever less so (simulated annealing,
Kirkpatrick et al. 1983; ruin and recreate, Schrimpf et al. 2000).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from staffing.rostering.alike import Group, groups
from staffing.rostering.board import (
    Board,
    Ints,
    Shift,
    Snapshot,
    add,
    make_shift,
    new_board,
    remove,
    restore,
    shift_prices,
    snapshot,
    with_breaks,
)
from staffing.rostering.breaks import Steps, begun_slot
from staffing.rostering.cover import Miss, RosterModel
from staffing.rostering.improve import Solution, settle
from staffing.rostering.linear import Floats, Matrix
from staffing.rostering.response import Block, Response, best_response, follow

_NOTHING: Ints = np.zeros(0, dtype=np.int64)
_MOST_AGENTS = 3
_SETTLE_EVERY = 8
"""Steps, as a multiple of the agents, after which breaks and teams are settled together."""
_WARMTH = 2.0
"""First temperature as a multiple of the price of one slot's shortage, the grain of the objective."""


@dataclass(slots=True)
class Draft:
    """A roster under construction.

    Attributes:
        board: Its cover.
        blocks: Rules of each agent.
        group: Number of each agent's group.
        taken: What each agent has taken, as indices into the choices of the block.
        shifts: Each agent's shifts.
        own: Each agent's price of wishes, hours and changes.
        points: Each agent's points of unpopular shifts.
        cover: Price of the cover, up to a constant.
        on_late: Called when the clock ended the settling of a day.
    """

    model: RosterModel
    board: Board
    blocks: list[Block]
    group: list[int]
    chance: np.random.Generator
    on_late: Callable[[], None]
    taken: list[Ints] = field(default_factory=list)
    shifts: list[list[Shift]] = field(default_factory=list)
    own: list[float] = field(default_factory=list)
    points: list[int] = field(default_factory=list)
    cover: float = 0.0


@dataclass(frozen=True, slots=True)
class _Saved:
    board: Snapshot
    taken: list[Ints]
    shifts: list[list[Shift]]
    own: list[float]
    points: list[int]
    cover: float


def rebuild(
    model: RosterModel,
    matrix: Matrix,
    blocks: list[Block],
    *,
    seed: int,
    steps: int,
    elapsed: Callable[[], float],
    on_better: Callable[[Solution], None],
    should_stop: Callable[[], bool],
    on_late: Callable[[], None] = lambda: None,
) -> Solution:
    """Return the best roster found.

    Args:
        model: The roster model.
        matrix: The same as arrays.
        blocks: Rules of each agent.
        seed: Seed of the search.
        steps: Times that some agents are taken off and put back.
        elapsed: Tells the share of the time that has passed; where it runs ahead of the steps, it counts.
        on_better: Called with each better roster.
        should_stop: Asked before each step.
        on_late: Called when the clock ended the settling of a day's breaks and teams.
    """
    draft = _new_draft(model, blocks, seed, on_late)
    for agent in draft.chance.permutation(len(draft.blocks)):
        _put(draft, int(agent))
    price, best = _price(draft), _settled(draft, matrix)
    on_better(best)
    warmth, rhythm = _WARMTH * grain(model), _SETTLE_EVERY * len(draft.blocks)
    for step in range(1, steps + 1):
        if should_stop():
            break
        saved = _save(draft)
        _rebuild_some(draft)
        new_price = _price(draft)
        heat = warmth * max(0.0, 1 - max(step / steps, elapsed()))
        if new_price > price - heat * np.log(draft.chance.uniform()):
            _go_back(draft, saved)
        else:
            price = new_price
        if step % rhythm == 0 or (price < best.price - 0.5 and not draft.model.starts):
            best, price = _keep(draft, matrix, best, on_better)
    return _keep(draft, matrix, best, on_better)[0]


def compose(
    model: RosterModel,
    matrix: Matrix,
    blocks: list[Block],
    taken: Sequence[Response],
    *,
    seed: int,
    on_late: Callable[[], None] = lambda: None,
) -> Solution:
    """Return the roster of what each agent takes, breaks and teams at their best (see `rebuild`)."""
    draft = _new_draft(model, blocks, seed, on_late)
    for agent, response in enumerate(taken):
        _take(draft, agent, response, shift_prices(draft.board, draft.group[agent])[1])
    return _settled(draft, matrix)


def grain(model: RosterModel) -> float:
    """Return the typical price of one agent short: of a slot, or of a shift."""
    problem = model.scope.problem
    prices = [r.under_cost for r in problem.requirements]
    prices += [want.under_cost for want in problem.shift_requirements]
    return float(np.median(prices)) if prices else 1.0


def _keep(
    draft: Draft, matrix: Matrix, best: Solution, on_better: Callable[[Solution], None]
) -> tuple[Solution, float]:
    """Settle breaks and teams, and return the better roster and the price of the present one."""
    now = _settled(draft, matrix)
    if now.price < best.price - 0.5:
        on_better(now)
        return now, now.price
    return best, now.price


def _settled(draft: Draft, matrix: Matrix) -> Solution:
    """Put the breaks where they are best together, and return the roster so far."""
    solution = Solution(fill(draft, matrix), _price(draft))
    if not draft.model.starts:
        return solution
    overnight = draft.model.scope.problem.overnight
    solution = settle(matrix, solution, overnight=overnight, on_late=draft.on_late)
    _move_breaks(draft, solution.values)
    return solution


def _move_breaks(draft: Draft, values: Floats) -> None:
    """Take the breaks of a solution with the same shifts."""
    moved = [list(shifts) for shifts in draft.shifts]
    for where in draft.model.starts:
        pauses = draft.model.breaks[where]
        for rank, (agent, index) in enumerate(_on_shift(draft, where)):
            shift = draft.shifts[agent][index]
            breaks = [begun_slot(begun, values, rank) for begun in pauses]
            moved[agent][index] = with_breaks(draft.board, shift, breaks)
    for agent, shifts in enumerate(draft.shifts):
        draft.cover += remove(draft.board, draft.group[agent], shifts)
    for agent, shifts in enumerate(moved):
        draft.cover += add(draft.board, draft.group[agent], shifts)
    draft.shifts = moved


def _on_shift(draft: Draft, where: tuple[Group, int, int]) -> list[tuple[int, int]]:
    """Return the shifts of a group, day and family as (agent, number of its shift), the earliest first."""
    group, day, family = where
    number = list(groups(draft.model.scope.problem)).index(group)
    columns = set(draft.board.tables[family].columns.tolist())
    found = [
        (shift.start, agent, index)
        for agent, shifts in enumerate(draft.shifts)
        if draft.group[agent] == number
        for index, shift in enumerate(shifts)
        if shift.day == day and shift.column in columns
    ]
    return [(agent, index) for _start, agent, index in sorted(found)]


def _new_draft(model: RosterModel, blocks: list[Block], seed: int, on_late: Callable[[], None]) -> Draft:
    problem = model.scope.problem
    by_group = groups(problem)
    number = {agent.id: index for index, members in enumerate(by_group.values()) for agent in members}
    many = len(problem.agents)
    return Draft(
        model,
        new_board(problem, list(by_group)),
        blocks,
        [number[agent.id] for agent in problem.agents],
        np.random.default_rng(seed),
        on_late,
        [_NOTHING] * many,
        [[] for _ in range(many)],
        [0.0] * many,
        [agent.points_before for agent in problem.agents],
        _nothing_covered(model),
    )


def _nothing_covered(model: RosterModel) -> float:
    """Return the constant part of the price: everything short, no wish to work granted."""
    problem = model.scope.problem
    under = sum(r.under_cost * sum(r.required[: model.scope.timeline.slots]) for r in problem.requirements)
    under += sum(want.under_cost * want.required for want in problem.shift_requirements)
    granted = sum(wish.cost for wish in problem.wishes if wish.on)
    known = {agent.id for agent in problem.agents}
    kept = sum(agent_id in known and day < problem.days for agent_id, day in problem.published)
    return float(under + granted + problem.change_cost * kept)


def _rebuild_some(draft: Draft) -> None:
    many = min(int(draft.chance.integers(2, _MOST_AGENTS + 1)), len(draft.blocks))
    agents = draft.chance.choice(len(draft.blocks), size=many, replace=False)
    for agent in agents:
        _take_off(draft, int(agent))
    for agent in agents:
        _put(draft, int(agent))


def _take_off(draft: Draft, agent: int) -> None:
    draft.cover += remove(draft.board, draft.group[agent], draft.shifts[agent])
    draft.shifts[agent], draft.taken[agent], draft.own[agent] = [], _NOTHING, 0.0
    _count_points(draft, agent)


def _put(draft: Draft, agent: int) -> None:
    """Give an agent the best schedule that is left."""
    block, group = draft.blocks[agent], draft.group[agent]
    prices, best = shift_prices(draft.board, group)
    # The noise lets equally good schedules take turns.
    wanted = prices[block.days, block.kinds] + draft.chance.uniform(0, 1, len(block.days))
    seed = int(draft.chance.integers(1 << 30))
    response = best_response(block, wanted, level=_level(draft), seed=seed)
    if response is None:
        raise ValueError(f"no schedule found for agent number {agent}")
    _take(draft, agent, response, best)


def _take(draft: Draft, agent: int, response: Response, best: Sequence[Ints]) -> None:
    """Put an agent on the shifts taken, breaks where they are best."""
    block = draft.blocks[agent]
    draft.shifts[agent] = [
        make_shift(draft.board, best, day=int(block.days[i]), column=int(block.kinds[i]))
        for i in response.taken
    ]
    draft.taken[agent] = response.taken
    draft.own[agent] = response.cost
    draft.cover += add(draft.board, draft.group[agent], draft.shifts[agent])
    _count_points(draft, agent)


def _price(draft: Draft) -> float:
    return draft.cover + sum(draft.own) + _unfairness(draft)


def _points(draft: Draft) -> list[int]:
    return [draft.points[agent] for agent in draft.model.fairness]


def _count_points(draft: Draft, agent: int) -> None:
    problem = draft.model.scope.problem
    worked = sum(problem.kinds[shift.column].unpopularity for shift in draft.shifts[agent])
    draft.points[agent] = problem.agents[agent].points_before + worked


def _level(draft: Draft) -> int:
    points = sorted(_points(draft))
    return points[len(points) // 2] if points else 0


def _unfairness(draft: Draft) -> float:
    level = _level(draft)
    return float(draft.model.scope.problem.fairness_cost * sum(abs(p - level) for p in _points(draft)))


def _save(draft: Draft) -> _Saved:
    return _Saved(
        snapshot(draft.board),
        list(draft.taken),
        list(draft.shifts),
        list(draft.own),
        list(draft.points),
        draft.cover,
    )


def _go_back(draft: Draft, saved: _Saved) -> None:
    restore(draft.board, saved.board)
    draft.taken, draft.shifts, draft.own = list(saved.taken), list(saved.shifts), list(saved.own)
    draft.points, draft.cover = list(saved.points), saved.cover


def fill(draft: Draft, matrix: Matrix) -> Floats:
    """Return the values of all variables of the model that say what the draft says."""
    values = np.zeros(matrix.shape[1])
    level = _level(draft)
    for agent, block in enumerate(draft.blocks):
        values[matrix.agent == agent] = follow(block, draft.taken[agent], level=level)
    if draft.model.level >= 0:
        values[draft.model.level] = level
    _fill_counts(draft, values)
    _fill_cover(draft, values)
    return values


def _fill_counts(draft: Draft, values: Floats) -> None:
    """Set how many agents have started, and begun their breaks, by each slot."""
    for where, started in draft.model.starts.items():
        here = [draft.shifts[agent][index] for agent, index in _on_shift(draft, where)]
        _count(values, started, [shift.start for shift in here])
        for number, begun in enumerate(draft.model.breaks[where]):
            _count(values, begun, [shift.breaks[number] for shift in here])


def _count(values: Floats, steps: Steps, slots: list[int]) -> None:
    values[steps.variables] = np.searchsorted(np.sort(slots), steps.times, side="right")


def _fill_cover(draft: Draft, values: Floats) -> None:
    """Set who works for which team, and what is missing or too many."""
    model, board, problem = draft.model, draft.board, draft.model.scope.problem
    numbers = {group: number for number, group in enumerate(groups(problem))}
    teams = sorted({requirement.team for requirement in problem.requirements})
    for (group, slot), shares in model.serves.items():
        for team, variable in shares.items():
            values[variable] = board.serving[numbers[group], teams.index(team), slot]
    present = board.serving.sum(axis=0)
    for miss in model.slot_misses:
        _fill_miss(values, miss, int(present[teams.index(miss.what), miss.at]))
    columns = {kind.id: column for column, kind in enumerate(problem.kinds)}
    for miss in model.kind_misses:
        _fill_miss(values, miss, int(board.on_kind[miss.at, columns[miss.what]]))


def _fill_miss(values: Floats, miss: Miss, present: int) -> None:
    values[miss.under] = max(0, miss.required - present)
    values[miss.over] = max(0, present - miss.required)
