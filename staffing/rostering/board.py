"""Decides what one more shift is worth: cover by team and slot, kept optimal while shifts come and go."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from staffing.rostering.alike import Group, families
from staffing.rostering.breaks import break_starts
from staffing.rostering.model import RosterProblem
from staffing.rostering.timeline import Timeline
from staffing.shifts import ShiftKind

Ints = NDArray[np.int64]

_FAR = 1 << 40


@dataclass(frozen=True, slots=True)
class FamilyTable:
    """Where the shifts of a family lie and where their breaks may be.

    Attributes:
        columns: Number of each kind in the problem, shape (kinds,).
        starts: First slot of each kind on each day, shape (days, kinds); may lie outside the period.
        length: Slots of a shift.
        offsets: For each break the slots after the start at which it may begin.
        lengths: Slots of each break.
        choices: Ways to place all breaks, shape (choices, breaks), indices into `offsets`.
    """

    columns: Ints
    starts: Ints
    length: int
    offsets: tuple[Ints, ...]
    lengths: tuple[int, ...]
    choices: Ints


@dataclass(slots=True)
class Board:
    """Who is present in each slot and for which team they work, at least cost.

    Attributes:
        slots: Number of slots.
        member: Whether a group can work for a team, shape (groups, teams).
        prices: Price of one more agent of a team in a slot by the number already there,
            shape (teams, slots, agents + 1).
        serving: Agents of a group who work for a team in a slot, shape (groups, teams, slots).
        wanted: Price of one more agent on a kind of shift on a day by the number already there,
            shape (days, kinds, agents + 1).
        on_kind: Agents on a kind of shift, shape (days, kinds).
        gains: Change of the cost by one more agent of a group in a slot, shape (groups, slots).
        tables: Families of kinds.
    """

    slots: int
    member: NDArray[np.bool_]
    prices: Ints
    serving: Ints
    wanted: Ints
    on_kind: Ints
    gains: Ints
    tables: tuple[FamilyTable, ...]
    reach: NDArray[np.bool_] = field(default_factory=lambda: np.zeros((0, 0, 0), dtype=np.bool_))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The changing part of a board, to go back to."""

    serving: Ints
    on_kind: Ints
    gains: Ints
    reach: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Shift:
    """A kind of shift on a day with its breaks placed.

    Attributes:
        day: The day.
        column: Number of the kind in the problem.
        slots: Slots of the period in which the agent works.
        start: Slot in which it starts; may lie outside the period.
        breaks: Slots in which the breaks start.
    """

    day: int
    column: int
    slots: Ints
    start: int
    breaks: tuple[int, ...]


def new_board(problem: RosterProblem, group_list: Sequence[Group]) -> Board:
    """Return the board of a problem before anybody is on shift."""
    timeline = Timeline(problem)
    teams = sorted({requirement.team for requirement in problem.requirements})
    slots = timeline.slots if teams else 0
    member = np.array([[team in group for team in teams] for group in group_list], dtype=np.bool_)
    member = member.reshape(len(group_list), len(teams))
    board = Board(
        slots,
        member,
        _team_prices(problem, teams, slots),
        np.zeros((len(group_list), len(teams), slots), dtype=np.int64),
        _kind_prices(problem),
        np.zeros((problem.days, len(problem.kinds)), dtype=np.int64),
        np.zeros((len(group_list), slots), dtype=np.int64),
        tuple(_table(timeline, family, breaks=bool(teams)) for family in families(problem)),
        np.zeros((len(teams), len(teams), slots), dtype=np.bool_),
    )
    _refresh(board, np.arange(slots))
    return board


def shift_prices(board: Board, group: int) -> tuple[NDArray[np.float64], list[NDArray[np.int64]]]:
    """Return the price of one more agent of a group on each kind of shift, breaks placed at their best.

    Returns:
        The prices, shape (days, kinds), and for each family the best way to place the breaks,
        shape (days, kinds of the family).
    """
    days, kinds = board.on_kind.shape
    prices = np.zeros((days, kinds))
    prices += np.take_along_axis(board.wanted, board.on_kind[:, :, None], axis=2)[:, :, 0]
    total = np.concatenate(([0], np.cumsum(board.gains[group])))
    best = []
    for table in board.tables:
        whole = _between(board, total, table.starts, table.length)
        relief = np.zeros((*table.starts.shape, len(table.choices)), dtype=np.int64)
        for number, (offsets, length) in enumerate(zip(table.offsets, table.lengths, strict=True)):
            saved = _between(board, total, table.starts[:, :, None] + offsets, length)
            relief += saved[:, :, table.choices[:, number]]
        choice = relief.argmax(axis=2)
        prices[:, table.columns] += whole - np.take_along_axis(relief, choice[:, :, None], axis=2)[:, :, 0]
        best.append(choice)
    return prices, best


def make_shift(board: Board, best: Sequence[Ints], *, day: int, column: int) -> Shift:
    """Return a shift with its breaks where `shift_prices` found them best."""
    number, table = next((i, t) for i, t in enumerate(board.tables) if column in t.columns)
    place = int(np.flatnonzero(table.columns == column)[0])
    start = int(table.starts[day, place])
    choice = table.choices[best[number][day, place]]
    breaks = [start + int(table.offsets[pause][index]) for pause, index in enumerate(choice)]
    return _shift(board, table, (day, column, start), breaks)


def with_breaks(board: Board, shift: Shift, breaks: Sequence[int]) -> Shift:
    """Return a shift with its breaks starting in other slots."""
    table = next(t for t in board.tables if shift.column in t.columns)
    return _shift(board, table, (shift.day, shift.column, shift.start), breaks)


def _shift(board: Board, table: FamilyTable, what: tuple[int, int, int], breaks: Sequence[int]) -> Shift:
    day, column, start = what
    works = np.ones(table.length, dtype=np.bool_)
    for at, length in zip(breaks, table.lengths, strict=True):
        works[at - start : at - start + length] = False
    slots = start + np.flatnonzero(works)
    inside = slots[(slots >= 0) & (slots < board.slots)]
    return Shift(day, column, inside, start, tuple(breaks))


def add(board: Board, group: int, shifts: Sequence[Shift]) -> int:
    """Put an agent of a group on shifts and return the change of the cost."""
    return _change(board, group, shifts, sign=1)


def remove(board: Board, group: int, shifts: Sequence[Shift]) -> int:
    """Take an agent of a group off shifts and return the change of the cost."""
    return _change(board, group, shifts, sign=-1)


def snapshot(board: Board) -> Snapshot:
    """Return the board as it is now."""
    return Snapshot(board.serving.copy(), board.on_kind.copy(), board.gains.copy(), board.reach.copy())


def restore(board: Board, saved: Snapshot) -> None:
    """Bring the board back to what it was."""
    board.serving[:], board.on_kind[:] = saved.serving, saved.on_kind
    board.gains[:], board.reach[:] = saved.gains, saved.reach


def _change(board: Board, group: int, shifts: Sequence[Shift], *, sign: int) -> int:
    change = 0
    for shift in shifts:
        present = board.on_kind[shift.day, shift.column]
        change += sign * int(board.wanted[shift.day, shift.column, present - (sign < 0)])
        board.on_kind[shift.day, shift.column] += sign
    if board.slots and shifts:
        slots = np.concatenate([shift.slots for shift in shifts])
        change += (_enter if sign > 0 else _leave)(board, group, slots)
        _refresh(board, slots)
    return change


def _enter(board: Board, group: int, slots: Ints) -> int:
    """Let an agent of a group work in slots; others move to other teams where that is cheapest."""
    if not board.member[group].any():
        return 0
    gain = board.gains[group, slots]
    price = _next_prices(board, slots)
    can = board.member[group][:, None] & (board.reach[:, :, slots] & (price == gain)).any(axis=1)
    # A team that the agent can join as the last one; else one from which somebody else moves on.
    last = board.member[group][:, None] & (price == gain)
    team = np.where(last.any(axis=0), last.argmax(axis=0), can.argmax(axis=0))
    board.serving[group, team, slots] += 1
    for place in np.flatnonzero(~last.any(axis=0)):
        slot = int(slots[place])
        ends = board.reach[team[place], :, slot] & (price[:, place] == gain[place])
        _move(board, _chain(board, int(team[place]), ends, slot, group), slot)
    return int(gain.sum())


def _leave(board: Board, group: int, slots: Ints) -> int:
    """Let an agent of a group stop working in slots; others fill the place where that is cheapest."""
    if not board.member[group].any():
        return 0
    saved = -_prices_at(board, slots, _present(board, slots) - 1)
    # A team whose place can be filled from another is as good as that other team.
    filled = np.where(board.reach[:, :, slots], saved[:, None, :], _FAR).min(axis=0)
    filled = np.where(board.serving[group][:, slots] > 0, filled, _FAR)
    cheapest = filled.min(axis=0)
    last = (filled == cheapest) & (saved == cheapest)
    team = np.where(last.any(axis=0), last.argmax(axis=0), filled.argmin(axis=0))
    for place in np.flatnonzero(~last.any(axis=0)):
        slot, empty = int(slots[place]), int(team[place])
        starts = np.flatnonzero(board.reach[:, empty, slot] & (saved[:, place] == cheapest[place]))
        ends = np.arange(len(saved)) == empty
        _move(board, _chain(board, int(starts[0]), ends, slot, -1), slot)
    board.serving[group, team, slots] -= 1
    return int(cheapest.sum())


def _chain(
    board: Board, first: int, ends: NDArray[np.bool_], slot: int, newcomer: int
) -> list[tuple[int, int, int]]:
    """Return the fewest moves (group, from team, to team) from a team to one of the ends.

    The newcomer has been counted at the first team and stays there while others can move instead.
    """
    serving = board.serving[:, :, slot].tolist()
    member = board.member.tolist()
    teams = range(len(ends))
    came: dict[int, tuple[int, int, int] | None] = {first: None}
    for team in (queue := [first]):
        if ends[team]:
            break
        for other in teams:
            movers = [g for g, row in enumerate(serving) if row[team] > 0 and member[g][other]]
            if other not in came and movers:
                others = [g for g in movers if g != newcomer]
                came[other] = ((others or movers)[0], team, other)
                queue.append(other)
    moves = []
    step = came[team]
    while step is not None:
        moves.append(step)
        step = came[step[1]]
    return moves[::-1]


def _move(board: Board, moves: Sequence[tuple[int, int, int]], slot: int) -> None:
    for group, team, other in moves:
        board.serving[group, team, slot] -= 1
        board.serving[group, other, slot] += 1


def _refresh(board: Board, slots: Ints) -> None:
    """Bring the gains of slots up to date."""
    groups, teams = board.member.shape
    if not teams:
        return
    price = _next_prices(board, slots)
    serves = board.serving[:, :, slots] > 0
    reach = np.zeros((teams, teams, len(slots)), dtype=np.bool_)
    for group in range(groups):
        reach |= serves[group][:, None, :] & board.member[group][None, :, None]
    reach |= np.eye(teams, dtype=np.bool_)[:, :, None]
    for middle in range(teams):
        reach |= reach[:, middle, None, :] & reach[None, middle, :, :]
    board.reach[:, :, slots] = reach
    best = np.where(reach, price[None, :, :], _FAR).min(axis=1)
    for group in range(groups):
        if board.member[group].any():
            board.gains[group, slots] = best[board.member[group]].min(axis=0)


def _present(board: Board, slots: Ints) -> Ints:
    return np.asarray(board.serving[:, :, slots].sum(axis=0))


def _next_prices(board: Board, slots: Ints) -> Ints:
    return _prices_at(board, slots, _present(board, slots))


def _prices_at(board: Board, slots: Ints, present: Ints) -> Ints:
    teams = np.arange(board.member.shape[1])[:, None]
    price = board.prices[teams, slots[None, :], np.maximum(present, 0)]
    return np.where(present < 0, -_FAR, price)


def _between(board: Board, total: Ints, starts: Ints, length: int) -> Ints:
    first = np.clip(starts, 0, board.slots)
    return np.asarray(total[np.clip(starts + length, 0, board.slots)] - total[first])


def _team_prices(problem: RosterProblem, teams: Sequence[str], slots: int) -> Ints:
    many = len(problem.agents) + 1
    prices = np.zeros((len(teams), slots, many), dtype=np.int64)
    for requirement in problem.requirements:
        required = np.array(requirement.required[:slots], dtype=np.int64)
        short = np.arange(many)[None, :] < required[:, None]
        team = teams.index(requirement.team)
        prices[team, : len(required)] += np.where(short, -requirement.under_cost, requirement.over_cost)
    return prices


def _kind_prices(problem: RosterProblem) -> Ints:
    columns = {kind.id: column for column, kind in enumerate(problem.kinds)}
    many = np.arange(len(problem.agents) + 1)
    prices = np.zeros((problem.days, len(problem.kinds), len(many)), dtype=np.int64)
    for want in problem.shift_requirements:
        prices[want.day, columns[want.kind_id]] += np.where(
            many < want.required, -want.under_cost, want.over_cost
        )
    return prices


def _table(timeline: Timeline, family: Sequence[ShiftKind], *, breaks: bool) -> FamilyTable:
    problem, kind = timeline.problem, family[0]
    step_s = problem.grid.step_s
    columns = [problem.kinds.index(member) for member in family]
    starts = [[_slot(timeline, member, day) for member in family] for day in range(problem.days)]
    pauses = kind.breaks if breaks else ()
    offsets = tuple(np.array(break_starts(pause, step_s), dtype=np.int64) // step_s for pause in pauses)
    lengths = tuple(pause.length_s // step_s for pause in pauses)
    return FamilyTable(
        np.array(columns, dtype=np.int64),
        np.array(starts, dtype=np.int64),
        kind.length_s // step_s,
        offsets,
        lengths,
        _choices(kind, offsets, lengths, step_s),
    )


def _slot(timeline: Timeline, kind: ShiftKind, day: int) -> int:
    return int(-(-(timeline.shift_at(kind, day)[0] - timeline.starts_at) // timeline.problem.grid.step_s))


def _choices(kind: ShiftKind, offsets: Sequence[Ints], lengths: Sequence[int], step_s: int) -> Ints:
    """Return the ways to place the breaks that leave enough and not too much work between them."""
    least = -(-kind.min_work_s // step_s)
    most = (kind.max_work_s if kind.max_work_s is not None else kind.length_s) // step_s
    ways: list[tuple[int, ...]] = [()]
    for number, starts in enumerate(offsets):
        ways = [
            (*way, index)
            for way in ways
            for index, at in enumerate(starts)
            if number == 0 or least <= at - offsets[number - 1][way[-1]] - lengths[number - 1] <= most
        ]
    return np.array(ways, dtype=np.int64).reshape(len(ways), len(offsets))
