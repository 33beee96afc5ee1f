"""A roster to be made, put in the words of staffing: contracts, availability, time off, wishes, locks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from app.db import staff
from app.planning.kinds import shift_kinds_for
from app.planning.look_back import Past, past_kinds, worked_before
from app.planning.people import Person, Staff
from app.planning.periods import Horizon, day_credit_s, period_parts, seconds
from app.planning.terms import SiteTerms
from staffing.intervals import Grid
from staffing.rostering.model import (
    Agent,
    Contract,
    Lock,
    RosterProblem,
    TeamRequirement,
    TimeOff,
    Wish,
)
from staffing.shifts import ShiftKind

_HOUR_S: Final = 3600
_WISH_COST: Final = 20


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
    threads: int = 1
    repeatable: bool = False


def roster_problem(task: RosterTask, kinds: tuple[ShiftKind, ...] | None = None) -> RosterProblem:
    """Return the roster problem of a task in the words of staffing; `kinds` in place of the site's."""
    kinds = kinds or shift_kinds_for(task.site, task.grid, task.week_on, task.rostered)
    days = 7 * task.weeks
    past = Past(task.grid, task.week_on, task.staff.around, kinds)
    known = {person.id for person in task.staff.people}
    names = {kind.id for kind in kinds}
    return RosterProblem(
        grid=task.grid,
        starts_on=task.week_on,
        days=days,
        kinds=kinds,
        contracts=tuple(_contract(task, person, kinds) for person in task.staff.people),
        agents=tuple(_agent(person, names, worked_before(past, person)) for person in task.staff.people),
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
        locks=(
            *(
                Lock(row.agent_id, _day(task, row.on), row.shift)
                for row in task.staff.locked
                if row.agent_id in known and row.shift in names
            ),
            *(
                Lock(agent_id, _day(task, on), None)
                for agent_id, on in task.staff.locked_off
                if agent_id in known
            ),
        ),
        published={
            (row.agent_id, _day(task, row.on)): row.shift
            for row in task.staff.published
            if row.agent_id in known and row.shift in names
        },
        change_cost=task.site.change_cost,
        fairness_cost=task.site.fairness_cost,
        past_kinds=past_kinds(past),
    )


def dated(week_on: date, text: str) -> str:
    """Return a text about a roster from `week_on` with dates in place of its days and weeks."""

    def date_of(found: re.Match[str]) -> str:
        days = int(found[2]) - 1
        if found[1] == "day":
            return (week_on + timedelta(days=days)).isoformat()
        return f"the week of {week_on + timedelta(days=7 * days)}"

    return re.sub(r"\b(day|week) (\d+)\b", date_of, text)


def _contract(task: RosterTask, person: Person, kinds: tuple[ShiftKind, ...]) -> Contract:
    terms = person.terms
    horizon = Horizon(task.grid, task.week_on, task.weeks, task.staff.around, task.staff.time_off)
    longest_s = max((kind.paid_s for kind in kinds), default=0)
    return Contract(
        id=person.id,
        day_s=(seconds(terms.day_hours_min), seconds(terms.day_hours_max)),
        week_s=(seconds(terms.week_hours_min), seconds(terms.week_hours_max)),
        min_rest_s=seconds(terms.min_rest_hours),
        week_rest_s=_seconds_if(terms.week_rest_hours),
        week_days=(terms.week_days_min, terms.week_days_max),
        max_days_in_row=terms.max_days_in_row,
        min_days_in_row=terms.min_days_in_row,
        min_days_off_in_row=terms.min_days_off_in_row,
        max_weekends_in_row=terms.max_weekends_in_row,
        whole_weekends=terms.whole_weekends,
        start_variance_s=_seconds_if(terms.start_variance_hours),
        parts=tuple(period_parts(horizon, person.id, terms, longest_s)),
        hour_cost=task.site.hour_cost,
    )


def _agent(person: Person, names: set[str], before: tuple[str | None, ...]) -> Agent:
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
        worked_before=before,
    )


def _time_off(task: RosterTask, row: staff.TimeOffRow) -> Iterable[TimeOff]:
    first = max(_day(task, row.first_on), 0)
    last = min(_day(task, row.last_on), 7 * task.weeks - 1)
    terms = next(person.terms for person in task.staff.people if person.id == row.agent_id)
    if first <= last:
        yield TimeOff(row.agent_id, first, last, day_credit_s(terms))


def _day(task: RosterTask, on: str) -> int:
    return (date.fromisoformat(on) - task.week_on).days


def _seconds_if(hours: float | None) -> int | None:
    return None if hours is None else seconds(hours)


def _clock_s(text: str) -> int:
    return int(text[:2]) * _HOUR_S + int(text[3:]) * 60


def _end_s(start: str, end: str) -> int:
    until = _clock_s(end)
    return until if until > _clock_s(start) else until + 86_400
