"""A stored plan as staffing sees it: the problem it answers and its shifts, to check or change it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np

from app.db import plans
from app.db.engine import Connection
from app.db.plans import TRAINING, AssignmentRow, PlanRow
from app.planning.people import Staff, read_staff
from app.planning.posing import RosterTask, dated, roster_problem
from app.planning.terms import Planning, read_planning
from staffing.intervals import Grid, Starts, intervals_between
from staffing.rostering.check import broken_rules, costs
from staffing.rostering.model import Assignment, RosterProblem, Spell
from staffing.shifts import Break, ShiftKind


@dataclass(frozen=True, slots=True)
class Standing:
    """A plan with everything that a change of it is checked against."""

    row: PlanRow
    shifts: list[AssignmentRow]
    planning: Planning
    staff: Staff


def read_standing(conn: Connection, row: PlanRow) -> Standing:
    """Return a plan with the people as they are now; locks are its own."""
    shifts = plans.list_assignments(conn, row.id)
    staff = read_staff(conn, date.fromisoformat(row.week_on), row.days)
    standing = Standing(row, shifts, read_planning(conn), staff)
    return with_locks(standing, shifts, row.data.get("locked_off", []))


def with_locks(
    standing: Standing, shifts: Iterable[AssignmentRow], locked_off: Iterable[Sequence[str]]
) -> Standing:
    """Return a plan whose locks are those of some shifts, and days off as (agent, date)."""
    locked = [each for each in shifts if each.locked]
    off = [(agent_id, on) for agent_id, on in locked_off]
    return replace(standing, staff=replace(standing.staff, locked=locked, locked_off=off))


def plan_grid(row: PlanRow) -> Grid:
    """Return the intervals that a plan was made in."""
    return Grid(row.data["zone"], row.data["minutes"], row.data["week_starts_on"])


def plan_starts(row: PlanRow) -> Starts:
    """Return the interval starts of a plan's days, UTC epoch seconds."""
    first = date.fromisoformat(row.week_on)
    return intervals_between(plan_grid(row), first, first + timedelta(days=row.days - 1))


def problem_of(standing: Standing) -> RosterProblem:
    """Return the problem that a plan answers, with the contracts and time off of today."""
    row = standing.row
    task = RosterTask(
        plan_grid(row),
        date.fromisoformat(row.week_on),
        row.days // 7,
        standing.planning.site,
        standing.staff,
        {team: each["rostered"] for team, each in row.data["teams"].items()},
        0,
        1.0,
    )
    return roster_problem(task, tuple(_kind(each) for each in row.data["shifts"]))


def assignments_of(
    standing: Standing, problem: RosterProblem, shifts: Iterable[AssignmentRow] | None = None
) -> list[Assignment]:
    """Return the shifts (by default the plan's) of the people and kinds that the problem knows.

    A training is work elsewhere, no break that a kind of shift has.
    """
    agents = {agent.id for agent in problem.agents}
    kinds = {kind.id for kind in problem.kinds}
    return [
        Assignment(
            each.agent_id,
            (date.fromisoformat(each.on) - problem.starts_on).days,
            each.shift,
            each.starts_at,
            each.ends_at,
            tuple(Spell(*spell) for spell in each.breaks if spell[0] != TRAINING),
            tuple(Spell(*spell) for spell in each.work),
        )
        for each in (standing.shifts if shifts is None else shifts)
        if each.agent_id in agents and each.shift in kinds
    ]


def changed_data(standing: Standing, shifts: Sequence[AssignmentRow]) -> dict[str, Any]:
    """Return the plan's data with coverage and price of other shifts; the proven bound is given up."""
    row, problem = standing.row, problem_of(standing)
    staffed = staffed_by_team(row, shifts)
    prices = costs(problem, assignments_of(standing, problem, shifts))
    teams = {
        team: each | {"staffed": staffed.get(team, [0] * len(each["rostered"]))}
        for team, each in row.data["teams"].items()
    }
    return row.data | {
        "teams": teams,
        "status": "edited",
        "costs": prices,
        "objective": sum(prices.values()),
        "bound": None,
        "gap": None,
        "elapsed_s": 0.0,
        "repeatable": None,
        "cut_short": None,
    }


def rules_broken(standing: Standing, shifts: Sequence[AssignmentRow]) -> list[str]:
    """Return the rules that a set of shifts breaks, in words."""
    problem = problem_of(standing)
    return in_words(standing, broken_rules(problem, assignments_of(standing, problem, shifts)))


def in_words(standing: Standing, rules: Iterable[str]) -> list[str]:
    """Return broken rules (`agent: rule`) with people's names, and dates for days of the plan."""
    week_on = date.fromisoformat(standing.row.week_on)
    names = {person.id: person.name for person in standing.staff.people}
    parts = [rule.partition(": ") for rule in rules]
    return [names.get(agent, agent) + colon + dated(week_on, rule) for agent, colon, rule in parts]


def staffed_by_team(row: PlanRow, shifts: Iterable[AssignmentRow]) -> dict[str, list[int]]:
    """Return how many people work for each team in every interval of a plan, breaks left out."""
    starts = plan_starts(row)
    step_s = plan_grid(row).step_s
    counts: dict[str, np.ndarray] = {}
    for each in shifts:
        for team, since, until in each.work:
            count = counts.setdefault(team, np.zeros(len(starts), dtype=np.int64))
            count[(starts >= since) & (starts + step_s <= until)] += 1
    return {team: count.tolist() for team, count in counts.items()}


def with_teams(standing: Standing, each: AssignmentRow, *, agent_id: str) -> AssignmentRow:
    """Return a shift as another agent works it: the same teams where possible, else the first of his."""
    person = next((p for p in standing.staff.people if p.id == agent_id), None)
    own = [team for team in (person.teams if person else ()) if team in standing.row.data["teams"]]
    work = [(team if team in own else own[0], since, until) for team, since, until in each.work if own]
    return AssignmentRow(
        agent_id, each.on, each.shift, each.starts_at, each.ends_at, each.locked, each.breaks, work
    )


def _kind(each: dict[str, Any]) -> ShiftKind:
    return ShiftKind(
        each["id"],
        each["start_s"],
        each["length_s"],
        tuple(Break(**pause) for pause in each["breaks"]),
        unpopularity=each["unpopularity"],
    )
