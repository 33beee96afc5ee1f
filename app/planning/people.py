"""People who can be put on a roster, with their contracts and what is known of their days."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta

from app.db import plans, staff
from app.db.engine import Connection
from app.db.plans import AssignmentRow, PlanRow
from app.planning.look_back import days_back
from app.planning.periods import MOST_WEEKS, WorkedWeek, worked_week
from app.planning.terms import ContractTerms


@dataclass(frozen=True, slots=True)
class Person:
    """An agent who may be rostered."""

    id: str
    name: str
    teams: tuple[str, ...]
    terms: ContractTerms


@dataclass(frozen=True, slots=True)
class Staff:
    """Everything about people that a roster of some weeks needs.

    `locked_off` are days off that stay: (agent, date).
    """

    people: list[Person]
    time_off: list[staff.TimeOffRow] = field(default_factory=list)
    wishes: list[staff.WishRow] = field(default_factory=list)
    published: list[AssignmentRow] = field(default_factory=list)
    locked: list[AssignmentRow] = field(default_factory=list)
    locked_off: list[tuple[str, str]] = field(default_factory=list)
    around: dict[date, WorkedWeek] = field(default_factory=dict)


def read_staff(conn: Connection, week_on: date, days: int) -> Staff:
    """Return the people, their contracts and what is known of their days from `week_on` on."""
    contracts = staff.list_contracts(conn)
    people = []
    for agent in staff.list_agents(conn):
        terms = ContractTerms.model_validate_json(contracts.get(agent.id, "{}"))
        if terms.rostered:
            people.append(Person(agent.id, agent.name, agent.teams, terms))
    first, last = week_on.isoformat(), (week_on + timedelta(days=days - 1)).isoformat()
    reach = timedelta(days=7 * (MOST_WEEKS - 1))
    back = timedelta(days=max((days_back(person.terms) for person in people), default=0))
    since = (week_on - max(reach, back)).isoformat()
    until = (week_on + timedelta(days=days - 1) + reach).isoformat()
    rows = plans.published_around(conn, since, until)
    shifts = {row.id: plans.list_assignments(conn, row.id) for row in rows}
    latest = _latest(conn, first, last)
    inside = [row for row in rows if first <= row.week_on <= last]
    return Staff(
        people,
        staff.list_time_off(conn, first_on=since, last_on=until, state="granted"),
        staff.list_wishes(conn, first_on=first, last_on=last),
        [each for row in inside for each in shifts[row.id]],
        [each for row in latest for each in plans.list_assignments(conn, row.id) if each.locked],
        [(agent_id, on) for row in latest for agent_id, on in row.data.get("locked_off", [])],
        {
            date.fromisoformat(row.week_on): worked_week(row, shifts[row.id])
            for row in rows
            if row not in inside
        },
    )


def _latest(conn: Connection, first_on: str, last_on: str) -> list[PlanRow]:
    """Return the newest plan of each week; locks are set there."""
    newest: list[PlanRow] = []
    day = date.fromisoformat(first_on)
    while day.isoformat() <= last_on:
        newest += plans.list_plans(conn, before=None, limit=1, week_on=day.isoformat())
        day += timedelta(days=7)
    return newest
