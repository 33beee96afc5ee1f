"""Decides how well a roster covers the requirement, and whether a request for time off or a swap fits."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from staffing.rostering.alike import groups
from staffing.rostering.board import Board, Shift, add, new_board
from staffing.rostering.check import Breach, breaches_of, staffed
from staffing.rostering.model import Agent, Assignment, RosterProblem, TimeOff
from staffing.rostering.timeline import Timeline


@dataclass(frozen=True, slots=True)
class TeamCoverage:
    """Cover of one team over the slots of the period.

    Args:
        team: The team.
        staffed: Agents at work for the team in each slot.
        required: Agents needed in each slot.
        slot_s: Length of a slot.
    """

    team: str
    staffed: tuple[int, ...]
    required: tuple[int, ...]
    slot_s: int

    @property
    def gaps(self) -> tuple[int, ...]:
        """Agents staffed less agents required in each slot: negative where agents are missing."""
        return tuple(have - need for have, need in zip(self.staffed, self.required, strict=True))

    @property
    def under_s(self) -> int:
        """Agent-seconds missing."""
        return self.slot_s * sum(max(0, -gap) for gap in self.gaps)

    @property
    def over_s(self) -> int:
        """Agent-seconds too many."""
        return self.slot_s * sum(max(0, gap) for gap in self.gaps)

    @property
    def covered_share(self) -> float | None:
        """Share of the required agent-time that is staffed; None when nothing is required."""
        required_s = self.slot_s * sum(self.required)
        return 1 - self.under_s / required_s if required_s else None


@dataclass(frozen=True, slots=True)
class ShortSlot:
    """A slot in which a request leaves a team shorter than before.

    Args:
        team: The team.
        at: Start of the slot, epoch seconds.
        missing_before: Agents missing without the request.
        missing_after: Agents missing with it.
    """

    team: str
    at: float
    missing_before: int
    missing_after: int


@dataclass(frozen=True, slots=True)
class RequestCheck:
    """What granting a request would do.

    Args:
        fits: Whether no team gets shorter than is tolerated and no further rule is broken.
        broken_rules: Rules that would be broken and are not now, or further than now, in words.
        short_slots: Slots in which a team would be shorter than now.
        cost_change: Change of the price of the cover.
        stand_ins: Agents who could take over the shifts without breaking a rule, by day.
    """

    fits: bool
    broken_rules: tuple[str, ...]
    short_slots: tuple[ShortSlot, ...]
    cost_change: int
    stand_ins: Mapping[int, tuple[str, ...]]


def coverage(problem: RosterProblem, assignments: Sequence[Assignment]) -> tuple[TeamCoverage, ...]:
    """Return the cover of each team with the teams' work as assigned, ordered by team."""
    present = staffed(problem, assignments)
    needed = _required(problem)
    return tuple(
        TeamCoverage(team, tuple(present[team]), needed[team], problem.grid.step_s) for team in sorted(needed)
    )


def check_time_off(
    problem: RosterProblem,
    assignments: Sequence[Assignment],
    off: TimeOff,
    *,
    tolerated: int = 0,
) -> RequestCheck:
    """Return what giving an agent days off would do to a roster.

    Those who stay change teams where that helps; shifts and breaks stay as they are.

    Args:
        problem: The problem that the roster answers.
        assignments: The roster.
        off: The days asked for; `credit_s` counts towards the agent's hours.
        tolerated: Agents that may be missing in a slot because of the request.
    """
    days = range(off.first_day, off.last_day + 1)
    gone = [shift for shift in assignments if shift.agent_id == off.agent_id and shift.day in days]
    after = [shift for shift in assignments if shift not in gone]
    granted = replace(problem, time_off=(*problem.time_off, off))
    broken = _newly_broken(problem, assignments, granted, after, [off.agent_id])
    stand_ins = {shift.day: _stand_ins(problem, assignments, shift) for shift in gone}
    return _check(
        problem, assignments, after, days=set(days), broken=broken, tolerated=tolerated, stand_ins=stand_ins
    )


def check_swap(
    problem: RosterProblem,
    assignments: Sequence[Assignment],
    *,
    giver: tuple[str, int],
    taker: tuple[str, int],
    tolerated: int = 0,
) -> RequestCheck:
    """Return what it would do to a roster if two agents swapped what they do on two days.

    The giver's shift on the giver's day goes to the taker; the taker's shift on the taker's day, if there is
    one, goes to the giver. Both may be the same day.

    Args:
        problem: The problem that the roster answers.
        assignments: The roster.
        giver: Agent and day of the shift that is given away.
        taker: Agent and day of what is given in return, a shift or a day off.
        tolerated: Agents that may be missing in a slot because of the swap.

    Raises:
        ValueError: When the giver has no shift on that day.
    """
    after = swapped(assignments, giver=giver, taker=taker)
    agents = [giver[0], taker[0]]
    broken = _newly_broken(problem, assignments, problem, after, agents)
    days = {giver[1], taker[1]}
    return _check(problem, assignments, after, days=days, broken=broken, tolerated=tolerated, stand_ins={})


def swapped(
    assignments: Iterable[Assignment], *, giver: tuple[str, int], taker: tuple[str, int]
) -> tuple[Assignment, ...]:
    """Return a roster after a swap (see `check_swap`); the swapped shifts have no teams yet.

    Raises:
        ValueError: When the giver has no shift on that day.
    """
    kept = list(assignments)
    given = [shift for shift in kept if (shift.agent_id, shift.day) == giver]
    returned = [shift for shift in kept if (shift.agent_id, shift.day) == taker]
    if not given:
        raise ValueError(f"{giver[0]} has no shift on day {giver[1] + 1}")
    moved = [replace(shift, agent_id=taker[0], work=()) for shift in given]
    moved += [replace(shift, agent_id=giver[0], work=()) for shift in returned]
    return tuple([shift for shift in kept if shift not in (*given, *returned)] + moved)


def _check(
    problem: RosterProblem,
    before: Sequence[Assignment],
    after: Sequence[Assignment],
    *,
    days: Collection[int],
    broken: tuple[str, ...],
    tolerated: int,
    stand_ins: Mapping[int, tuple[str, ...]],
) -> RequestCheck:
    # A shift over midnight covers slots of the next day, so its neighbours count.
    near = {day + step for day in days for step in (-1, 0, 1)}
    board, price = _attendance(problem, before, near)
    new_board_, new_price = _attendance(problem, after, near)
    short = tuple(_shorter(problem, board, new_board_))
    fits = not broken and all(slot.missing_after - slot.missing_before <= tolerated for slot in short)
    return RequestCheck(fits, broken, short, new_price - price, stand_ins)


def _attendance(
    problem: RosterProblem, assignments: Sequence[Assignment], days: Collection[int]
) -> tuple[Board, int]:
    """Return the cover of the shifts of some days, teams shared out at their best, and its price."""
    by_group = groups(problem)
    number = {agent.id: index for index, members in enumerate(by_group.values()) for agent in members}
    board, timeline, price = new_board(problem, list(by_group)), Timeline(problem), 0
    columns = {kind.id: column for column, kind in enumerate(problem.kinds)}
    for shift in assignments:
        if shift.day in days:
            price += add(board, number[shift.agent_id], [_worked(timeline, shift, columns)])
    return board, price


def _worked(timeline: Timeline, shift: Assignment, columns: Mapping[str, int]) -> Shift:
    paused = {slot for pause in shift.breaks for slot in timeline.slots_between(pause.since, pause.until)}
    slots = [s for s in timeline.slots_between(shift.starts_at, shift.ends_at) if s not in paused]
    return Shift(shift.day, columns[shift.kind_id], np.array(slots, dtype=np.int64), 0, ())


def _shorter(problem: RosterProblem, before: Board, after: Board) -> Iterable[ShortSlot]:
    timeline, needed = Timeline(problem), _required(problem)
    have, left = before.serving.sum(axis=0), after.serving.sum(axis=0)
    for row, team in enumerate(sorted(needed)):
        for slot in np.flatnonzero(left[row] < have[row]):
            need = needed[team][slot]
            missing = max(0, need - int(have[row, slot])), max(0, need - int(left[row, slot]))
            if missing[1] > missing[0]:
                yield ShortSlot(team, timeline.slot_at(int(slot)), *missing)


def _required(problem: RosterProblem) -> dict[str, tuple[int, ...]]:
    """Return the agents each team needs in each slot: the most where it has several requirements."""
    needed: dict[str, tuple[int, ...]] = {}
    for requirement in problem.requirements:
        other = needed.get(requirement.team, requirement.required)
        needed[requirement.team] = tuple(map(max, requirement.required, other))
    return needed


def _newly_broken(
    before_problem: RosterProblem,
    before: Sequence[Assignment],
    after_problem: RosterProblem,
    after: Sequence[Assignment],
    agent_ids: Iterable[str],
) -> tuple[str, ...]:
    found: list[str] = []
    for agent_id in agent_ids:
        agent = _agent(before_problem, agent_id)
        old = breaches_of(before_problem, agent, _shifts_of(before, agent_id))
        new = breaches_of(after_problem, agent, _shifts_of(after, agent_id))
        found += [f"{agent_id}: {breach.text}" for breach in _worse(old, new)]
    return tuple(found)


def _worse(old: Iterable[Breach], new: Iterable[Breach]) -> list[Breach]:
    """Return the breaches of rules that held before, or were less broken."""
    before = {breach.rule: breach.excess for breach in old}
    return [breach for breach in new if breach.excess > before.get(breach.rule, -1.0) + 1e-9]


def _stand_ins(
    problem: RosterProblem, assignments: Sequence[Assignment], shift: Assignment
) -> tuple[str, ...]:
    """Return the agents off on the day who could work the shift for one of its agent's teams."""
    teams = _agent(problem, shift.agent_id).teams
    found = []
    for agent in problem.agents:
        own = _shifts_of(assignments, agent.id)
        if not agent.teams & teams or any(other.day == shift.day for other in own):
            continue
        taken = [*own, replace(shift, agent_id=agent.id, work=())]
        if not _worse(breaches_of(problem, agent, own), breaches_of(problem, agent, taken)):
            found.append(agent.id)
    return tuple(found)


def _shifts_of(assignments: Iterable[Assignment], agent_id: str) -> list[Assignment]:
    return [shift for shift in assignments if shift.agent_id == agent_id]


def _agent(problem: RosterProblem, agent_id: str) -> Agent:
    return next(agent for agent in problem.agents if agent.id == agent_id)
