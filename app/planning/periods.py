"""What is left of a contract's period for the weeks of a roster, given what other weeks have published."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from app.db.plans import AssignmentRow, PlanRow
from app.db.staff import TimeOffRow
from app.planning.terms import ContractTerms
from staffing.intervals import Grid, week_start_on
from staffing.rostering.model import Limits, PeriodPart

MOST_WEEKS: Final = 4
"""Weeks of the longest period."""
_FIRST_ON: Final = date(2024, 1, 1)
_HOUR_S: Final = 3600
_WEEK: Final = timedelta(days=7)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class WorkedWeek:
    """A published week outside a roster: who was on it, and the shifts and paid seconds of each."""

    agents: frozenset[str]
    paid_s: Mapping[str, int]
    shifts: Mapping[str, Sequence[AssignmentRow]]


@dataclass(frozen=True, slots=True)
class Horizon:
    """The weeks of a roster, with the published weeks and granted time off around it."""

    grid: Grid
    week_on: date
    weeks: int
    around: Mapping[date, WorkedWeek]
    time_off: Sequence[TimeOffRow]


@dataclass(frozen=True, slots=True)
class _Done:
    """What an agent has in the other weeks of a period: known weeks summed, the rest counted as open."""

    paid_s: int
    days_off: int
    granted: int
    weekends: int
    shifts: Sequence[AssignmentRow]
    open_weeks: int


def worked_week(row: PlanRow, shifts: Iterable[AssignmentRow]) -> WorkedWeek:
    """Return what a published plan tells of its week."""
    paid = {each["id"]: round(each["paid_hours"] * _HOUR_S) for each in row.data["shifts"]}
    by_agent: dict[str, list[AssignmentRow]] = {}
    for shift in shifts:
        by_agent.setdefault(shift.agent_id, []).append(shift)
    people: dict[str, Any] = row.data.get("people", {})
    return WorkedWeek(
        frozenset((*people, *by_agent)),
        {agent: sum(paid.get(each.shift, 0) for each in own) for agent, own in by_agent.items()},
        by_agent,
    )


def period_parts(horizon: Horizon, agent: str, terms: ContractTerms, longest_s: int) -> list[PeriodPart]:
    """Return what each period that a roster touches leaves for its weeks.

    Published weeks of a period count as they are. Weeks that are neither published nor on this roster share
    what is left with it: evenly, give or take a shift (`longest_s`) or a day, and so that weekly limits can
    still reach the period's in them.
    """
    if not _agreed(terms):
        return []
    anchor = week_start_on(horizon.grid, terms.period_from or _FIRST_ON)
    own = [horizon.week_on + number * _WEEK for number in range(horizon.weeks)]
    length = terms.period_weeks
    firsts = sorted({anchor + (week - anchor).days // (7 * length) * length * _WEEK for week in own})
    return [_part(horizon, agent, terms, longest_s, own, first) for first in firsts]


def seconds(hours: float) -> int:
    """Return hours of a contract as whole seconds."""
    return round(hours * _HOUR_S)


def day_credit_s(terms: ContractTerms) -> int:
    """Return the paid seconds that a day of granted time off counts."""
    return round(terms.week_hours_min * _HOUR_S / max(terms.week_days_max, 1))


def _agreed(terms: ContractTerms) -> bool:
    limits = (terms.period_hours, terms.period_days_off, terms.max_weekends)
    return any(limit is not None for limit in limits) or bool(terms.period_shifts)


def _part(
    horizon: Horizon, agent: str, terms: ContractTerms, longest_s: int, own: Sequence[date], first: date
) -> PeriodPart:
    weeks = [first + number * _WEEK for number in range(terms.period_weeks)]
    inside = [week for week in weeks if week in own]
    done = _done(horizon, agent, terms, [week for week in weeks if week not in own])
    share = len(inside), done.open_weeks
    hours, off = terms.period_hours, terms.period_days_off
    by_week = seconds(terms.week_hours_min), seconds(terms.week_hours_max)
    off_by_week = 7 - terms.week_days_max, 7 - terms.week_days_min
    return PeriodPart(
        (inside[0] - horizon.week_on).days,
        (inside[-1] - horizon.week_on).days + 6,
        _name(weeks, whole=len(inside) == len(weeks), done=done),
        paid_s=hours
        and _left(
            (seconds(hours[0]) - done.paid_s, seconds(hours[1]) - done.paid_s), share, by_week, longest_s
        ),
        days_off=off
        and _left((off[0] - done.days_off, off[1] + done.granted - done.days_off), share, off_by_week, 1),
        max_weekends=None if terms.max_weekends is None else max(0, terms.max_weekends - done.weekends),
        shifts={
            kind: _left(
                (
                    limits.least - many,
                    (7 * terms.period_weeks if limits.most is None else limits.most) - many,
                ),
                share,
                (0, 7),
                1,
            )
            for kind, limits in terms.period_shifts.items()
            for many in [sum(each.shift == kind for each in done.shifts)]
        },
    )


def _left(left: Limits, share: tuple[int, int], by_week: Limits, slack: int) -> Limits:
    """Return the limits for some weeks of a period with so much left, other weeks being open.

    Args:
        left: Least and most that is left.
        share: Weeks that are planned, and open ones.
        by_week: Least and most that an open week can take.
        slack: How far the planned weeks may be off their even share.
    """
    least, most = max(0, left[0]), max(0, left[1])
    planned, opened = share
    if not opened:
        return least, most
    even = planned / (planned + opened)
    low = max(0, least - opened * by_week[1], math.floor(least * even) - slack)
    high = min(most - opened * by_week[0], math.ceil(most * even) + slack)
    return low, max(low, high)


def _done(horizon: Horizon, agent: str, terms: ContractTerms, weeks: Sequence[date]) -> _Done:
    known = [week for week in weeks if week in horizon.around and agent in horizon.around[week].agents]
    shifts = [each for week in known for each in horizon.around[week].shifts.get(agent, ())]
    paid_s = sum(horizon.around[week].paid_s.get(agent, 0) for week in known)
    granted = sum(_granted(horizon.time_off, agent, week) for week in known)
    weekends = {on - on.weekday() * _DAY for on in map(_date, shifts) if on.weekday() >= 5}
    return _Done(
        paid_s + granted * day_credit_s(terms),
        7 * len(known) - len({each.on for each in shifts}),
        granted,
        len(weekends),
        shifts,
        len(weeks) - len(known),
    )


def _granted(time_off: Sequence[TimeOffRow], agent: str, week: date) -> int:
    days = [(week + number * _DAY).isoformat() for number in range(7)]
    own = [row for row in time_off if row.agent_id == agent]
    return sum(any(row.first_on <= on <= row.last_on for row in own) for on in days)


def _name(weeks: Sequence[date], *, whole: bool, done: _Done) -> str:
    period = f"the period {weeks[0]} to {weeks[-1] + 6 * _DAY}"
    if whole:
        return f"in {period}"
    return f"in this part of {period} ({done.paid_s / _HOUR_S:g} h in its other published weeks)"


def _date(shift: AssignmentRow) -> date:
    return date.fromisoformat(shift.on)
