"""Decides who takes which break and works for which team, once the counts of a solution are known."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from staffing.rostering.alike import Group, families, groups
from staffing.rostering.breaks import Steps, begun_slot
from staffing.rostering.cover import RosterModel
from staffing.rostering.linear import Floats
from staffing.rostering.model import Agent, Assignment, Spell
from staffing.rostering.timeline import Timeline
from staffing.shifts import ShiftKind


def place(model: RosterModel, values: Floats) -> tuple[Assignment, ...]:
    """Return the shifts of a solution with breaks and teams, ordered by agent and day.

    Args:
        model: The model that was solved.
        values: Value of each of its variables, whole numbers.
    """
    problem = model.scope.problem
    found: dict[tuple[str, int], Assignment] = {}
    for group, agents in groups(problem).items():
        for day in range(problem.days):
            for number, family in enumerate(families(problem)):
                shifts = _on_shift(model, values, agents, day, family)
                pauses = model.breaks.get((group, day, number), [])
                for i, shift in enumerate(shifts):
                    breaks = _breaks(model, values, family[0], pauses, i, shift)
                    found[shift.agent_id, day] = replace(shift, breaks=breaks)
    if problem.requirements:
        _add_work(model, values, found)
    return tuple(
        found[agent.id, day]
        for agent in problem.agents
        for day in range(problem.days)
        if (agent.id, day) in found
    )


def _on_shift(
    model: RosterModel, values: Floats, agents: Sequence[Agent], day: int, family: Sequence[ShiftKind]
) -> list[Assignment]:
    """Return the shifts of a family on a day, the earliest first, agents taking turns from day to day."""
    turn = day % len(agents)
    shifts = []
    for kind in family:
        start, end = model.scope.timeline.shift_at(kind, day)
        for agent in (*agents[turn:], *agents[:turn]):
            variable = model.agents[agent.id].shift[day].get(kind.id)
            if variable is not None and values[variable] > 0.5:
                shifts.append(Assignment(agent.id, day, kind.id, start, end))
    return shifts


def _breaks(
    model: RosterModel,
    values: Floats,
    kind: ShiftKind,
    pauses: Sequence[Steps],
    rank: int,
    shift: Assignment,
) -> tuple[Spell, ...]:
    """Return the breaks of the shift that started as number `rank`: it takes each break as that number."""
    timeline, spells = model.scope.timeline, []
    for number, pause in enumerate(kind.breaks):
        since = shift.starts_at + pause.earliest_s
        if pauses:
            since = timeline.slot_at(begun_slot(pauses[number], values, rank))
        spells.append(Spell(pause.name, since, since + pause.length_s))
    return tuple(spells)


def _add_work(model: RosterModel, values: Floats, found: dict[tuple[str, int], Assignment]) -> None:
    """Give every agent on shift a team in every slot, the same as in the slot before where possible."""
    timeline = model.scope.timeline
    for group, agents in groups(model.scope.problem).items():
        members = {agent.id for agent in agents}
        shifts = {key: shift for key, shift in found.items() if key[0] in members}
        by_slot = _by_slot(timeline, shifts)
        teams: dict[tuple[str, int], list[tuple[int, str]]] = {key: [] for key in shifts}
        for slot in sorted(by_slot):
            wanted = _wanted(model, values, group, slot, len(by_slot[slot]))
            _share_out(by_slot[slot], teams, wanted, slot)
        for key, work in teams.items():
            found[key] = replace(shifts[key], work=_spells(timeline, work))


def _by_slot(
    timeline: Timeline, shifts: Mapping[tuple[str, int], Assignment]
) -> dict[int, list[tuple[str, int]]]:
    by_slot: dict[int, list[tuple[str, int]]] = {}
    for key, shift in shifts.items():
        paused = {s for pause in shift.breaks for s in timeline.slots_between(pause.since, pause.until)}
        for slot in timeline.slots_between(shift.starts_at, shift.ends_at):
            if slot not in paused:
                by_slot.setdefault(slot, []).append(key)
    return by_slot


def _wanted(model: RosterModel, values: Floats, group: Group, slot: int, many: int) -> dict[str, int]:
    if len(group) == 1:
        return dict.fromkeys(group, many)
    shares = model.serves.get((group, slot), {})
    return {team: round(values[variable]) for team, variable in shares.items()}


def _share_out(
    present: Sequence[tuple[str, int]],
    teams: dict[tuple[str, int], list[tuple[int, str]]],
    wanted: dict[str, int],
    slot: int,
) -> None:
    """Fill the teams' places, first with those who stay where they are."""
    moving = []
    for key in present:
        last = teams[key][-1][1] if teams[key] else None
        if last is not None and wanted.get(last, 0) > 0:
            wanted[last] -= 1
            teams[key].append((slot, last))
        else:
            moving.append(key)
    places = [team for team, count in wanted.items() for _ in range(count)]
    for key, team in zip(moving, places, strict=False):
        teams[key].append((slot, team))


def _spells(timeline: Timeline, work: Sequence[tuple[int, str]]) -> tuple[Spell, ...]:
    spells: list[Spell] = []
    for slot, team in work:
        since, until = timeline.slot_at(slot), timeline.slot_at(slot + 1)
        if spells and spells[-1].activity == team and spells[-1].until == since:
            spells[-1] = Spell(team, spells[-1].since, until)
        else:
            spells.append(Spell(team, since, until))
    return tuple(spells)
