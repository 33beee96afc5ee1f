"""Requests for time off and swaps: what granting one would do to the roster, and how it is carried out."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from app.db import plans
from app.db.engine import Connection
from app.db.plans import AssignmentRow, PlanRow
from app.errors import WrongStateError
from app.planning.periods import day_credit_s
from app.planning.standing import (
    Standing,
    assignments_of,
    changed_data,
    in_words,
    plan_grid,
    problem_of,
    with_teams,
)
from staffing.intervals import utc_iso
from staffing.rostering.model import TimeOff

if TYPE_CHECKING:
    from staffing.coverage import RequestCheck

# What checks a request loads a solver, a tenth of a gigabyte: imported where it is used.


def published_between(conn: Connection, first_on: str, last_on: str) -> list[PlanRow]:
    """Return the published plans that have a day from `first_on` to `last_on`."""
    earliest = (date.fromisoformat(first_on) - timedelta(days=6)).isoformat()
    return plans.published_around(conn, earliest, last_on)


def time_off_check(standing: Standing, agent_id: str, first_on: str, last_on: str) -> dict[str, Any]:
    """Return what days off of an agent would do to a plan; see `check_json`."""
    from staffing.coverage import check_time_off  # noqa: PLC0415

    problem = problem_of(standing)
    first, last = _days(standing.row, first_on, last_on)
    if all(agent.id != agent_id for agent in problem.agents):
        return check_json(standing, None)
    terms = next(person.terms for person in standing.staff.people if person.id == agent_id)
    off = TimeOff(agent_id, first, last, day_credit_s(terms))
    return check_json(standing, check_time_off(problem, assignments_of(standing, problem), off))


def swap_check(
    standing: Standing, *, agent_id: str, on: str, other_agent_id: str, other_on: str
) -> dict[str, Any]:
    """Return what a swap would do to a plan; WrongStateError where it can't be carried out."""
    from staffing.coverage import check_swap  # noqa: PLC0415

    problem = problem_of(standing)
    found = assignments_of(standing, problem)
    giver, taker = (agent_id, _day(standing.row, on)), (other_agent_id, _day(standing.row, other_on))
    known = {agent.id for agent in problem.agents}
    if {agent_id, other_agent_id} - known:
        raise WrongStateError("Both agents must be among those who can be rostered.")
    _check_swappable(standing, agent_id, on, other_on)
    return check_json(standing, check_swap(problem, found, giver=giver, taker=taker))


def check_json(standing: Standing, check: RequestCheck | None) -> dict[str, Any]:
    """Return a check as callers see it; None means that the agent is not on the roster at all."""
    from staffing.coverage import RequestCheck  # noqa: PLC0415

    row = standing.row
    check = check or RequestCheck(True, (), (), 0, {})
    first = date.fromisoformat(row.week_on)
    return {
        "plan": row.id,
        "fits": check.fits,
        "broken_rules": in_words(standing, check.broken_rules),
        "short": [
            {
                "team": each.team,
                "starts_at": utc_iso(each.at),
                "missing_before": each.missing_before,
                "missing_after": each.missing_after,
            }
            for each in check.short_slots
        ],
        "cost_change": check.cost_change,
        "stand_ins": {
            (first + timedelta(days=day)).isoformat(): list(agents) for day, agents in check.stand_ins.items()
        },
        "minutes": plan_grid(row).minutes,
    }


def without_shifts(standing: Standing, agent_id: str, first_on: str, last_on: str) -> list[AssignmentRow]:
    """Return a plan's shifts without those of an agent on some days."""
    return [
        each for each in standing.shifts if each.agent_id != agent_id or not first_on <= each.on <= last_on
    ]


def swapped_shifts(
    standing: Standing, *, agent_id: str, on: str, other_agent_id: str, other_on: str
) -> list[AssignmentRow]:
    """Return a plan's shifts after a swap; WrongStateError where it can't be carried out."""
    _check_swappable(standing, agent_id, on, other_on)
    kept = []
    for each in standing.shifts:
        if (each.agent_id, each.on) == (agent_id, on):
            kept.append(with_teams(standing, each, agent_id=other_agent_id))
        elif (each.agent_id, each.on) == (other_agent_id, other_on):
            kept.append(with_teams(standing, each, agent_id=agent_id))
        else:
            kept.append(each)
    if len({(each.agent_id, each.on) for each in kept}) < len(kept):
        raise WrongStateError("After the swap somebody would have two shifts on one day.")
    return kept


def _check_swappable(standing: Standing, agent_id: str, on: str, other_on: str) -> None:
    """Raise WrongStateError unless there is a shift to give, in one roster with the other day."""
    row = standing.row
    for day in (on, other_on):
        if not 0 <= _day(row, day) < row.days:
            raise WrongStateError(
                f"{day} is not in the roster of the week of {row.week_on}; a swap is of days of one roster."
            )
    if not any((each.agent_id, each.on) == (agent_id, on) for each in standing.shifts):
        raise WrongStateError(f"{agent_id} has no shift on {on} in the published roster.")


def replace_published(
    conn: Connection,
    standing: Standing,
    shifts: list[AssignmentRow],
    *,
    now: float,
    actor: str,
    note: str,
) -> int:
    """Publish changed shifts as the next version of the plan's week and return the new plan's id.

    WrongStateError when the plan that was changed is not the published one any more.
    """
    row = standing.row
    if not plans.lock_published(conn, row.id):
        raise WrongStateError("The roster was replaced meanwhile; look at it again.")
    plan_id, _ = plans.add_plan(
        conn,
        row.week_on,
        row.days,
        changed_data(standing, shifts),
        shifts,
        run_id=row.run_id,
        made_at=now,
        made_by=actor,
        note=note,
    )
    plans.publish_plan(conn, plan_id, now=now, actor=actor)
    return plan_id


def _day(row: PlanRow, on: str) -> int:
    return (date.fromisoformat(on) - date.fromisoformat(row.week_on)).days


def _days(row: PlanRow, first_on: str, last_on: str) -> tuple[int, int]:
    return max(_day(row, first_on), 0), min(_day(row, last_on), row.days - 1)
