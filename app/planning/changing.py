"""A planner's own changes of a plan: shifts put, moved, taken away and locked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, time

import numpy as np

from app.db.plans import AssignmentRow
from app.errors import UnknownReferenceError
from app.planning.standing import Standing, plan_grid, plan_starts, problem_of, staffed_by_team
from staffing.intervals import local_instant
from staffing.shifts import Break, ShiftKind


@dataclass(frozen=True, slots=True)
class Change:
    """An agent's day: a kind of shift, or None for a day off."""

    agent_id: str
    on: str
    shift: str | None
    locked: bool


def changed_shifts(standing: Standing, changes: Iterable[Change]) -> list[AssignmentRow]:
    """Return a plan's shifts after the changes; UnknownReferenceError names what does not exist.

    Breaks begin in the middle of their window, work is for the team that misses most people.
    """
    kinds = {kind.id: kind for kind in problem_of(standing).kinds}
    people = {person.id: person for person in standing.staff.people}
    first, last = date.fromisoformat(standing.row.week_on), standing.row.days
    shifts = {(each.agent_id, each.on): each for each in standing.shifts}
    for change in changes:
        if change.agent_id not in people:
            raise UnknownReferenceError(f"{change.agent_id!r} is nobody who can be rostered.")
        if not 0 <= (date.fromisoformat(change.on) - first).days < last:
            raise UnknownReferenceError(f"{change.on} is no day of the plan.")
        key = (change.agent_id, change.on)
        present = shifts.pop(key, None)
        if change.shift is None:
            continue
        if change.shift not in kinds:
            raise UnknownReferenceError(f"There is no shift {change.shift!r}.", known=sorted(kinds))
        if present is not None and present.shift == change.shift:
            shifts[key] = replace(present, locked=change.locked)
            continue
        team = _neediest(standing, shifts.values(), people[change.agent_id].teams, change.on)
        shifts[key] = _shift(standing, kinds[change.shift], change, team)
    return sorted(shifts.values(), key=lambda each: (each.agent_id, each.on))


def locked_days_off(standing: Standing, changes: Iterable[Change]) -> list[tuple[str, str]]:
    """Return the days off of a plan that stay in the next roster, as (agent, date), after the changes."""
    locked = {(agent_id, on) for agent_id, on in standing.row.data.get("locked_off", [])}
    for change in changes:
        locked.discard((change.agent_id, change.on))
        if change.shift is None and change.locked:
            locked.add((change.agent_id, change.on))
    return sorted(locked)


def _neediest(
    standing: Standing, shifts: Iterable[AssignmentRow], teams: Iterable[str], on: str
) -> str | None:
    row = standing.row
    staffed = staffed_by_team(row, shifts)
    starts = plan_starts(row)
    since = local_instant(plan_grid(row), date.fromisoformat(on), time())
    day = (starts >= since) & (starts < since + 86_400)
    missing = {
        team: int(
            np.maximum(np.array(row.data["teams"][team]["rostered"]) - np.array(staffed.get(team, 0)), 0)[
                day
            ].sum()
        )
        for team in teams
        if team in row.data["teams"]
    }
    return max(missing, key=lambda team: missing[team], default=None)


def _shift(standing: Standing, kind: ShiftKind, change: Change, team: str | None) -> AssignmentRow:
    grid = plan_grid(standing.row)
    clock = time(kind.start_s // 3600, kind.start_s % 3600 // 60)
    starts_at = float(local_instant(grid, date.fromisoformat(change.on), clock))
    ends_at = starts_at + kind.length_s
    breaks = [_pause(pause, starts_at, grid.step_s) for pause in kind.breaks]
    edges = [starts_at, *(edge for _, since, until in breaks for edge in (since, until)), ends_at]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    work = [(team, since, until) for since, until in pairs if team is not None and since < until]
    return AssignmentRow(change.agent_id, change.on, kind.id, starts_at, ends_at, change.locked, breaks, work)


def _pause(pause: Break, starts_at: float, step_s: int) -> tuple[str, float, float]:
    middle = (pause.earliest_s + pause.latest_s) // 2 // step_s * step_s
    since = starts_at + min(max(middle, pause.earliest_s), pause.latest_s)
    return pause.name, since, since + pause.length_s
