"""A roster run: requirement, contracts, time off and wishes to a draft plan of named people for each week."""

from __future__ import annotations

from math import isfinite
from typing import Any

from app.clock import stopwatch
from app.db.engine import Connection
from app.db.plans import AssignmentRow
from app.errors import CannotPlanError
from app.planning.desk import CancelledRunError, Desk, Outcome, Report
from app.planning.drafts import (
    assignment_row,
    conflicts_json,
    findings_json,
    roster_json,
    save_plans,
    split_weeks,
)
from app.planning.params import RosterParams
from app.planning.past import coming_week
from app.planning.people import read_staff
from app.planning.posing import RosterTask, roster_problem
from app.planning.requiring import Needed, require_teams, save_requirements
from app.planning.terms import read_planning, week_of
from staffing.rostering.model import Conflict, Progress


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
        params.threads or desk.threads,
        params.repeatable,
    )
    if params.check_only:
        return await _checked(desk, task, needed)
    found: tuple[dict[str, Any], list[AssignmentRow]] = await desk.compute(make_roster, task, part=(0.3, 1.0))
    weeks = split_weeks(task, needed, *found)

    def save(conn: Connection) -> dict[str, Any]:
        return save_plans(conn, desk, needed, weeks, note=params.note)

    names = ["status", "objective", "bound", "gap", "elapsed_s"]
    names += ["repeatable", "cut_short", "conflicts", "findings"]
    summary = {name: found[0][name] for name in names}
    return Outcome(summary | {"without_history": needed.skipped}, save)


async def _checked(desk: Desk, task: RosterTask, needed: Needed) -> Outcome:
    found: dict[str, Any] = await desk.compute(check_roster, task, part=(0.3, 1.0))
    return Outcome(
        {"status": "checked", "plans": [], **found, "without_history": needed.skipped},
        lambda conn: {"requirements": save_requirements(conn, desk, needed, task.week_on)},
    )


def check_roster(report: Report, task: RosterTask) -> dict[str, Any]:
    """Return which rules can't all hold (`conflicts`) and what else is doubtful (`findings`)."""
    # The solvers weigh 100 MB: only the process that computes loads them.
    from staffing.rostering.conflicts import find_conflicts  # noqa: PLC0415

    report(0.0, "looking for rules that can't all hold")
    problem = roster_problem(task)
    return {
        "conflicts": conflicts_json(task, find_conflicts(problem)),
        "findings": findings_json(task, problem),
    }


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

    try:
        roster = solve_roster(
            problem,
            clock=stopwatch(),
            seed=task.seed,
            workers=task.threads,
            repeatable=task.repeatable,
            time_limit_s=task.time_limit_s,
            on_conflicts=name,
            on_progress=tell,
            should_stop=report.cancelled,
        )
    except ValueError:
        # Cancelled before there was any roster.
        if report.cancelled():
            raise CancelledRunError from None
        raise
    if report.cancelled():
        raise CancelledRunError
    assignments = [assignment_row(task, each) for each in roster.assignments]
    return roster_json(task, problem, roster), assignments


def _progress_text(progress: Progress) -> str:
    if progress.objective is None:
        return f"{progress.phase}: no roster yet"
    known = progress.gap is not None and isfinite(progress.gap)
    gap = f", gap {progress.gap:.1%}" if known else ""
    return f"{progress.phase}: price {progress.objective}{gap}"
