"""Decides who takes which break and works for which team, once the counts of a solution are known."""

from collections.abc import Mapping, Sequence

from staffing.rostering.cover import Group, RosterModel, groups
from staffing.rostering.linear import Floats
from staffing.rostering.model import Agent, Assignment, Spell
from staffing.rostering.timeline import Timeline


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
            for kind in problem.kinds:
                on_shift = [a for a in agents if _is_on(model, values, a, day, kind.id)]
                for agent, breaks in _with_breaks(model, values, group, day, kind.id, on_shift):
                    start, end = model.scope.timeline.shift_at(kind, day)
                    found[agent.id, day] = Assignment(agent.id, day, kind.id, start, end, breaks)
    if problem.requirements:
        _add_work(model, values, found)
    return tuple(found[key] for agent in problem.agents for key in sorted(found) if key[0] == agent.id)


def _is_on(model: RosterModel, values: Floats, agent: Agent, day: int, kind_id: str) -> bool:
    variable = model.agents[agent.id].shift[day].get(kind_id)
    return variable is not None and values[variable] > 0.5


def _with_breaks(
    model: RosterModel, values: Floats, group: Group, day: int, kind_id: str, agents: Sequence[Agent]
) -> list[tuple[Agent, tuple[Spell, ...]]]:
    """Return each agent of a shift with breaks: the i-th agent takes the i-th earliest of each break."""
    kind = model.scope.kinds[kind_id]
    start, _end = model.scope.timeline.shift_at(kind, day)
    columns = []
    for number, pause in enumerate(kind.breaks):
        counts = model.breaks.get((group, day, kind_id, number))
        starts = [at for at, v in counts.items() for _ in range(round(values[v]))] if counts else []
        starts = sorted(starts) or [pause.earliest_s] * len(agents)
        columns.append([Spell(pause.name, start + at, start + at + pause.length_s) for at in starts])
    turn = day % len(agents) if agents else 0
    rotated = [*agents[turn:], *agents[:turn]]
    return [(agent, tuple(column[i] for column in columns)) for i, agent in enumerate(rotated)]


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
            found[key] = _with_work(shifts[key], _spells(timeline, work))


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


def _with_work(shift: Assignment, work: tuple[Spell, ...]) -> Assignment:
    return Assignment(
        shift.agent_id, shift.day, shift.kind_id, shift.starts_at, shift.ends_at, shift.breaks, work
    )
