"""A roster run: requirement, contracts, time off and wishes to a draft plan of named people for each week."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from math import isfinite
from typing import Any, Final

from app.clock import stopwatch
from app.db import plans, staff
from app.db.engine import Connection
from app.db.plans import AssignmentRow
from app.errors import CannotPlanError
from app.planning.desk import CancelledRunError, Desk, Outcome, Report
from app.planning.kinds import shift_kinds_for
from app.planning.params import RosterParams
from app.planning.past import coming_week
from app.planning.requiring import Needed, require_teams, save_requirements
from app.planning.terms import ContractTerms, SiteTerms, read_planning, week_of
from staffing.intervals import Grid, week_intervals
from staffing.rostering.check import staffed
from staffing.rostering.findings import find_findings
from staffing.rostering.model import (
    Agent,
    Conflict,
    Contract,
    Lock,
    Progress,
    Roster,
    RosterProblem,
    TeamRequirement,
    TimeOff,
    Wish,
)
from staffing.shifts import ShiftKind, clock_text

_HOUR_S: Final = 3600
_DAYS_BEFORE: Final = 14
_WISH_COST: Final = 20


@dataclass(frozen=True, slots=True)
class Person:
    """An agent who may be rostered."""

    id: str
    name: str
    teams: tuple[str, ...]
    terms: ContractTerms


@dataclass(frozen=True, slots=True)
class Staff:
    """Everything about people that a roster of some weeks needs."""

    people: list[Person]
    time_off: list[staff.TimeOffRow] = field(default_factory=list)
    wishes: list[staff.WishRow] = field(default_factory=list)
    published: list[AssignmentRow] = field(default_factory=list)
    locked: list[AssignmentRow] = field(default_factory=list)
    before: list[AssignmentRow] = field(default_factory=list)
    before_known: bool = False


@dataclass(frozen=True, slots=True)
class RosterTask:
    """A roster to be made; `rostered` agents by team and interval of the whole period."""

    grid: Grid
    week_on: date
    weeks: int
    site: SiteTerms
    staff: Staff
    rostered: dict[str, list[int]]
    seed: int
    time_limit_s: float


@dataclass(frozen=True, slots=True)
class WeekPlan:
    """A draft of one week, ready to be stored."""

    week_on: date
    data: dict[str, Any]
    assignments: list[AssignmentRow]


async def roster_weeks(desk: Desk) -> Outcome:
    """Carry out a run of kind `roster`."""
    params = RosterParams.model_validate(desk.run.params)
    planning = await desk.database.read(read_planning)
    grid = planning.grid
    week_on = week_of(grid, params.week) if params.week else coming_week(grid, desk.now)
    needed = await require_teams(
        desk,
        planning,
        list(planning.policy.teams),
        week_on=week_on,
        weeks=params.weeks,
        reforecast=params.reforecast,
        part=(0.0, 0.3),
    )
    people = await desk.database.read(read_staff, week_on, 7 * params.weeks)
    if not people.people:
        raise CannotPlanError("There is no active agent with a team to put on a roster.")
    task = RosterTask(
        grid,
        week_on,
        params.weeks,
        planning.site,
        people,
        {team: data["rostered"] for team, data in needed.requirements.items()},
        params.seed,
        params.time_limit_s,
    )
    if params.check_only:
        return await _checked(desk, task, needed)
    found: tuple[dict[str, Any], list[AssignmentRow]] = await desk.compute(make_roster, task, part=(0.3, 1.0))
    weeks = split_weeks(task, needed, *found)

    def save(conn: Connection) -> dict[str, Any]:
        return save_plans(conn, desk, needed, weeks, note=params.note)

    names = ("status", "objective", "bound", "gap", "elapsed_s", "conflicts", "findings")
    summary = {name: found[0][name] for name in names}
    return Outcome(summary | {"without_history": needed.skipped}, save)


async def _checked(desk: Desk, task: RosterTask, needed: Needed) -> Outcome:
    found: dict[str, Any] = await desk.compute(check_roster, task, part=(0.3, 1.0))
    return Outcome(
        {"status": "checked", "plans": [], **found, "without_history": needed.skipped},
        lambda conn: {"requirements": save_requirements(conn, desk, needed, task.week_on)},
    )


def save_plans(
    conn: Connection, desk: Desk, needed: Needed, weeks: list[WeekPlan], *, note: str
) -> dict[str, Any]:
    """Store the requirement and a draft per week; return what was stored."""
    requirement_ids = save_requirements(conn, desk, needed, weeks[0].week_on)
    stored = []
    for week in weeks:
        on = week.week_on.isoformat()
        plan_id, version = plans.add_plan(
            conn,
            on,
            7,
            week.data,
            week.assignments,
            run_id=desk.run.id,
            made_at=desk.now,
            made_by=desk.run.actor,
            note=note,
        )
        stored.append({"id": plan_id, "week": on, "version": version, "shifts": len(week.assignments)})
    return {"plans": stored, "requirements": requirement_ids}


def read_staff(conn: Connection, week_on: date, days: int) -> Staff:
    """Return the people, their contracts and what is known of their days from `week_on` on."""
    contracts = staff.list_contracts(conn)
    people = []
    for agent in staff.list_agents(conn):
        terms = ContractTerms.model_validate_json(contracts.get(agent.id, "{}"))
        if terms.rostered:
            people.append(Person(agent.id, agent.name, agent.teams, terms))
    first, last = week_on.isoformat(), (week_on + timedelta(days=days - 1)).isoformat()
    earlier = (week_on - timedelta(days=_DAYS_BEFORE)).isoformat()
    eve = (week_on - timedelta(days=1)).isoformat()
    published = _assignments(conn, plans.published_around(conn, first, last))
    before_plans = plans.published_around(conn, earlier, eve)
    before = _assignments(conn, before_plans)
    return Staff(
        people,
        staff.list_time_off(conn, first_on=first, last_on=last, state="granted"),
        staff.list_wishes(conn, first_on=first, last_on=last),
        published,
        [each for each in _latest(conn, first, last) if each.locked],
        before,
        bool(before_plans),
    )


def check_roster(report: Report, task: RosterTask) -> dict[str, Any]:
    """Return which rules can't all hold (`conflicts`) and what else is doubtful (`findings`)."""
    # The solvers weigh 100 MB: only the process that computes loads them.
    from staffing.rostering.conflicts import find_conflicts  # noqa: PLC0415

    report(0.0, "looking for rules that can't all hold")
    problem = roster_problem(task)
    return {"conflicts": conflicts_json(task, find_conflicts(problem)), "findings": _findings(task, problem)}


def make_roster(report: Report, task: RosterTask) -> tuple[dict[str, Any], list[AssignmentRow]]:
    """Return what is known of the whole period's roster, and its assignments by agent and day."""
    # The solvers weigh 100 MB: only the process that computes loads them.
    from staffing.roster import solve_roster  # noqa: PLC0415

    report(0.0, "looking for rules that can't all hold")
    problem = roster_problem(task)

    def name(conflicts: tuple[Conflict, ...]) -> None:
        many = len({each.agent_id for each in conflicts})
        report(0.05, f"{many} people have rules that can't all hold" if many else "all rules can hold")

    def tell(progress: Progress) -> None:
        share = min(progress.elapsed_s / task.time_limit_s, 1.0)
        report(0.05 + 0.95 * share, _progress_text(progress))

    roster = solve_roster(
        problem,
        clock=stopwatch(),
        seed=task.seed,
        time_limit_s=task.time_limit_s,
        on_conflicts=name,
        on_progress=tell,
        should_stop=report.cancelled,
    )
    if report.cancelled():
        raise CancelledRunError
    assignments = [_assignment_row(task, each) for each in roster.assignments]
    return roster_json(task, problem, roster), assignments


def roster_problem(task: RosterTask, kinds: tuple[ShiftKind, ...] | None = None) -> RosterProblem:
    """Return the roster problem of a task in the words of staffing; `kinds` in place of the site's."""
    kinds = kinds or shift_kinds_for(task.site, task.grid, task.rostered)
    days = 7 * task.weeks
    known = {person.id for person in task.staff.people}
    names = {kind.id for kind in kinds}
    return RosterProblem(
        grid=task.grid,
        starts_on=task.week_on,
        days=days,
        kinds=kinds,
        contracts=tuple(_contract(person, task.site) for person in task.staff.people),
        agents=tuple(_agent(task, person, names) for person in task.staff.people),
        requirements=tuple(
            TeamRequirement(team, tuple(values), task.site.under_cost, task.site.over_cost)
            for team, values in sorted(task.rostered.items())
        ),
        time_off=tuple(
            each for row in task.staff.time_off if row.agent_id in known for each in _time_off(task, row)
        ),
        wishes=tuple(
            Wish(row.agent_id, _day(task, row.on), _WISH_COST * row.weight, row.works, row.shift)
            for row in task.staff.wishes
            if row.agent_id in known and row.shift in (None, *names)
        ),
        locks=tuple(
            Lock(row.agent_id, _day(task, row.on), row.shift)
            for row in task.staff.locked
            if row.agent_id in known and row.shift in names
        ),
        published={
            (row.agent_id, _day(task, row.on)): row.shift
            for row in task.staff.published
            if row.agent_id in known and row.shift in names
        },
        change_cost=task.site.change_cost,
        fairness_cost=task.site.fairness_cost,
    )


def roster_json(task: RosterTask, problem: RosterProblem, roster: Roster) -> dict[str, Any]:
    """Return a roster as it is stored, without its assignments."""
    return {
        "status": roster.status,
        "objective": roster.objective,
        "bound": round(float(roster.bound), 3) if isfinite(roster.bound) else None,
        "gap": round(float(roster.gap), 6) if isfinite(roster.gap) else None,
        "costs": dict(roster.costs),
        "seed": roster.seed,
        "elapsed_s": round(roster.elapsed_s, 3),
        "conflicts": conflicts_json(task, roster.conflicts),
        "findings": _findings(task, problem),
        "shifts": [_kind_json(kind) for kind in problem.kinds],
        "staffed": staffed(problem, roster.assignments),
        "people": {person.id: person.name for person in task.staff.people},
    }


def conflicts_json(task: RosterTask, conflicts: Iterable[Conflict]) -> list[dict[str, Any]]:
    """Return conflicts with the names of people, and dates for days of the period."""
    names = {person.id: person.name for person in task.staff.people}
    return [
        {
            "agent": each.agent_id,
            "name": names.get(each.agent_id, each.agent_id),
            "rules": [dated(task.week_on, rule) for rule in each.rules],
            "given_up": [dated(task.week_on, rule) for rule in each.given_up],
        }
        for each in conflicts
    ]


def dated(week_on: date, text: str) -> str:
    """Return a text about a roster from `week_on` with dates in place of its days and weeks."""

    def date_of(found: re.Match[str]) -> str:
        days = int(found[2]) - 1
        if found[1] == "day":
            return (week_on + timedelta(days=days)).isoformat()
        return f"the week of {week_on + timedelta(days=7 * days)}"

    return re.sub(r"\b(day|week) (\d+)\b", date_of, text)


def split_weeks(
    task: RosterTask, needed: Needed, found: dict[str, Any], assignments: list[AssignmentRow]
) -> list[WeekPlan]:
    """Return one draft per week, each with its part of the coverage."""
    weeks, begin = [], 0
    for number in range(task.weeks):
        first = task.week_on + timedelta(days=7 * number)
        last = (first + timedelta(days=6)).isoformat()
        span = slice(begin, begin + len(week_intervals(task.grid, first)))
        begin = span.stop
        data = {key: value for key, value in found.items() if key != "staffed"} | {
            "minutes": task.grid.minutes,
            "zone": task.grid.zone,
            "week_starts_on": task.grid.week_starts_on,
            "weeks_together": task.weeks,
            "teams": {
                team: _coverage(requirement, found["staffed"].get(team), span)
                for team, requirement in needed.requirements.items()
            },
        }
        own = [each for each in assignments if first.isoformat() <= each.on <= last]
        weeks.append(WeekPlan(first, data, own))
    return weeks


def _findings(task: RosterTask, problem: RosterProblem) -> list[dict[str, Any]]:
    names = {person.id: person.name for person in task.staff.people}
    return [
        {
            "name": each.name,
            "severity": each.severity.value,
            "subject": each.subject,
            "text": dated(
                task.week_on, each.text.replace(each.subject, names.get(each.subject, each.subject))
            ),
        }
        for each in find_findings(problem)
    ]


def _coverage(requirement: dict[str, Any], working: list[int] | None, span: slice) -> dict[str, Any]:
    names = ("volume", "handle_s", "load", "required", "rostered")
    part = {name: requirement[name][span] for name in names}
    many = len(part["rostered"])
    staffed_now = (working or [0] * many)[span] if working else [0] * many
    return part | {
        "staffed": [*staffed_now, *[0] * (many - len(staffed_now))],
        "chat": _chats(requirement.get("chat"), span),
        "targets": requirement["targets"],
        "patience_s": requirement["patience_s"],
        "shrinkage": requirement["shrinkage"],
        "day_cv": requirement["day_cv"],
        "slot_cv": requirement["slot_cv"],
    }


def _chats(chat: dict[str, Any] | None, span: slice) -> dict[str, Any] | None:
    """Return the chats of a week: contacts, and how long each takes beside no other."""
    if chat is None:
        return None
    beside = 1 + chat["slowdown"] * (chat["concurrency"] - 1)
    handle_s = [None if value is None else round(value / beside, 1) for value in chat["handle_s"][span]]
    return {"volume": chat["volume"][span], "handle_s": handle_s, "slowdown": chat["slowdown"]}


def _contract(person: Person, site: SiteTerms) -> Contract:
    terms = person.terms
    return Contract(
        id=person.id,
        day_s=(_seconds(terms.day_hours_min), _seconds(terms.day_hours_max)),
        week_s=(_seconds(terms.week_hours_min), _seconds(terms.week_hours_max)),
        min_rest_s=_seconds(terms.min_rest_hours),
        week_rest_s=_seconds(terms.week_rest_hours) if terms.week_rest_hours is not None else None,
        week_days=(0, terms.week_days_max),
        max_days_in_row=terms.max_days_in_row,
        min_days_off_in_row=terms.min_days_off_in_row,
        max_weekends=terms.max_weekends,
        whole_weekends=terms.whole_weekends,
        hour_cost=site.hour_cost,
    )


def _agent(task: RosterTask, person: Person, names: set[str]) -> Agent:
    terms = person.terms
    own = frozenset(terms.shifts) & names if terms.shifts is not None else None
    return Agent(
        id=person.id,
        contract_id=person.id,
        teams=frozenset(person.teams),
        kind_ids=own or None,
        windows=tuple(
            (_clock_s(window.start), _end_s(window.start, window.end)) if window is not None else None
            for window in terms.availability
        ),
        worked_before=_worked_before(task, person.id, names),
    )


def _worked_before(task: RosterTask, agent_id: str, names: set[str]) -> tuple[str | None, ...]:
    """Return the shift of each of the days before, None for a day off; empty when nothing was published."""
    if not task.staff.before_known:
        return ()
    worked = {row.on: row.shift for row in task.staff.before if row.agent_id == agent_id}
    days = [(task.week_on - timedelta(days=back)).isoformat() for back in range(_DAYS_BEFORE, 0, -1)]
    if any(worked.get(on) not in (None, *names) for on in days):
        return ()
    return tuple(worked.get(on) for on in days)


def _time_off(task: RosterTask, row: staff.TimeOffRow) -> Iterable[TimeOff]:
    first = max(_day(task, row.first_on), 0)
    last = min(_day(task, row.last_on), 7 * task.weeks - 1)
    terms = next(person.terms for person in task.staff.people if person.id == row.agent_id)
    credit_s = round(_seconds(terms.week_hours_min) / max(terms.week_days_max, 1))
    if first <= last:
        yield TimeOff(row.agent_id, first, last, credit_s)


def _assignment_row(task: RosterTask, each: Any) -> AssignmentRow:
    on = (task.week_on + timedelta(days=each.day)).isoformat()
    locked = any((row.agent_id, row.on) == (each.agent_id, on) for row in task.staff.locked)
    return AssignmentRow(
        each.agent_id,
        on,
        each.kind_id,
        each.starts_at,
        each.ends_at,
        locked,
        [(spell.activity, spell.since, spell.until) for spell in each.breaks],
        [(spell.activity, spell.since, spell.until) for spell in each.work],
    )


def _kind_json(kind: ShiftKind) -> dict[str, Any]:
    return {
        "id": kind.id,
        "start": clock_text(kind.start_s),
        "end": clock_text(kind.end_s),
        "hours": round(kind.length_s / _HOUR_S, 2),
        "paid_hours": round(kind.paid_s / _HOUR_S, 2),
        "unpopularity": kind.unpopularity,
        "start_s": kind.start_s,
        "length_s": kind.length_s,
        "breaks": [
            {
                "name": each.name,
                "length_s": each.length_s,
                "earliest_s": each.earliest_s,
                "latest_s": each.latest_s,
                "paid": each.paid,
            }
            for each in kind.breaks
        ],
    }


def _progress_text(progress: Progress) -> str:
    if progress.objective is None:
        return f"{progress.phase}: no roster yet"
    known = progress.gap is not None and isfinite(progress.gap)
    gap = f", gap {progress.gap:.1%}" if known else ""
    return f"{progress.phase}: price {progress.objective}{gap}"


def _assignments(conn: Connection, rows: Iterable[plans.PlanRow]) -> list[AssignmentRow]:
    return [each for row in rows for each in plans.list_assignments(conn, row.id)]


def _latest(conn: Connection, first_on: str, last_on: str) -> list[AssignmentRow]:
    """Return the assignments of the newest plan of each week; locks are set there."""
    newest: dict[str, int] = {}
    day = date.fromisoformat(first_on)
    while day.isoformat() <= last_on:
        for row in plans.list_plans(conn, before=None, limit=1, week_on=day.isoformat()):
            newest[row.week_on] = row.id
        day += timedelta(days=7)
    return [each for plan_id in newest.values() for each in plans.list_assignments(conn, plan_id)]


def _day(task: RosterTask, on: str) -> int:
    return (date.fromisoformat(on) - task.week_on).days


def _seconds(hours: float) -> int:
    return round(hours * _HOUR_S)


def _clock_s(text: str) -> int:
    return int(text[:2]) * _HOUR_S + int(text[3:]) * 60


def _end_s(start: str, end: str) -> int:
    until = _clock_s(end)
    return until if until > _clock_s(start) else until + 86_400


def names_of(data: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of the people of a stored plan, by id."""
    return dict(data.get("people", {}))
