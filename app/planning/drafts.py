"""A roster found becomes a draft of each week: what is stored of it, and with which coverage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from math import isfinite
from typing import Any, Final

from app.db import plans
from app.db.engine import Connection
from app.db.plans import AssignmentRow
from app.planning.desk import Desk
from app.planning.posing import RosterTask, dated
from app.planning.requiring import Needed, save_requirements
from staffing.intervals import week_intervals
from staffing.rostering.check import staffed
from staffing.rostering.findings import find_findings
from staffing.rostering.model import Assignment, Conflict, Roster, RosterProblem
from staffing.shifts import ShiftKind, clock_text

_HOUR_S: Final = 3600


@dataclass(frozen=True, slots=True)
class WeekPlan:
    """A draft of one week, ready to be stored."""

    week_on: date
    data: dict[str, Any]
    assignments: list[AssignmentRow]


def roster_json(task: RosterTask, problem: RosterProblem, roster: Roster) -> dict[str, Any]:
    """Return a roster as it is stored, without its assignments."""
    return {
        "status": roster.status,
        "objective": roster.objective,
        "bound": round(float(roster.bound), 3) if isfinite(roster.bound) else None,
        "gap": round(float(roster.gap), 6) if isfinite(roster.gap) else None,
        "costs": dict(roster.costs),
        "seed": roster.seed,
        "repeatable": roster.repeatable,
        "cut_short": roster.cut_short,
        "elapsed_s": round(roster.elapsed_s, 3),
        "conflicts": conflicts_json(task, roster.conflicts),
        "findings": findings_json(task, problem),
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


def findings_json(task: RosterTask, problem: RosterProblem) -> list[dict[str, Any]]:
    """Return what is doubtful about a problem, with the names of people, and dates for days of the period."""
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


def assignment_row(task: RosterTask, each: Assignment) -> AssignmentRow:
    """Return an assignment as it is stored."""
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
            "locked_off": [pair for pair in task.staff.locked_off if first.isoformat() <= pair[1] <= last],
            "teams": {
                team: _coverage(requirement, found["staffed"].get(team), span)
                for team, requirement in needed.requirements.items()
            },
        }
        own = [each for each in assignments if first.isoformat() <= each.on <= last]
        weeks.append(WeekPlan(first, data, own))
    return weeks


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


def names_of(data: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of the people of a stored plan, by id."""
    return dict(data.get("people", {}))


def _coverage(requirement: dict[str, Any], working: list[int] | None, span: slice) -> dict[str, Any]:
    names = ("volume", "handle_s", "load", "required", "rostered")
    part = {name: requirement[name][span] for name in names}
    many = len(part["rostered"])
    staffed_now = (working or [0] * many)[span] if working else [0] * many
    return part | {
        "staffed": [*staffed_now, *[0] * (many - len(staffed_now))],
        "chat": _chats(requirement.get("chat"), span),
        "door": requirement["door"][span],
        "deferrable": {
            channel: each | {name: each[name][span] for name in ("volume", "arrives", "done")}
            for channel, each in requirement["deferrable"].items()
        },
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
