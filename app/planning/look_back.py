"""What people worked before a roster, as far back as the rules of their contracts look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from app.db.plans import AssignmentRow
from app.planning.periods import WorkedWeek
from app.planning.terms import ContractTerms
from staffing.intervals import Grid, utc_offsets_s
from staffing.shifts import DAY_S, ShiftKind, clock_text

if TYPE_CHECKING:
    from app.planning.people import Person

_LEAST_DAYS: Final = 14
_WEEK: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Past:
    """The published weeks around a roster from `week_on`, and the kinds of shift that the roster has."""

    grid: Grid
    week_on: date
    around: Mapping[date, WorkedWeek]
    kinds: tuple[ShiftKind, ...]


def days_back(terms: ContractTerms) -> int:
    """Return how many days before a roster the rules of a contract look at, in whole weeks."""
    weekends = 0 if terms.max_weekends_in_row is None else 7 * (terms.max_weekends_in_row + 1)
    runs = 1 + max(terms.max_days_in_row, terms.min_days_in_row, terms.min_days_off_in_row)
    return -(-max(_LEAST_DAYS, runs, weekends) // 7) * 7


def worked_before(past: Past, person: Person) -> tuple[str | None, ...]:
    """Return the shift of each day before a roster, None for a day off, latest day last.

    Only weeks count whose published roster the person was on, back to the first gap: of others nothing is
    known. A shift counts by the times at which it was worked, whatever the kinds of shift are by now.
    """
    found: list[str | None] = []
    week = past.week_on - _WEEK
    while len(found) < days_back(person.terms) and week in past.around:
        if person.id not in past.around[week].agents:
            break
        shifts = {each.on: _kind(past, each).id for each in past.around[week].shifts.get(person.id, ())}
        found[:0] = [shifts.get((week + timedelta(days=day)).isoformat()) for day in range(7)]
        week -= _WEEK
    return tuple(found)


def past_kinds(past: Past) -> tuple[ShiftKind, ...]:
    """Return the kinds of shift that were worked in the weeks before a roster and that it does not have."""
    weeks = [worked for week, worked in past.around.items() if week < past.week_on]
    rows = [each for worked in weeks for own in worked.shifts.values() for each in own]
    found = {kind.id: kind for kind in (_kind(past, each) for each in rows)}
    return tuple(found[name] for name in sorted(found.keys() - {kind.id for kind in past.kinds}))


def _kind(past: Past, row: AssignmentRow) -> ShiftKind:
    """Return the roster's kind of shift with the times of a worked one, else a kind for those times."""
    offset = int(utc_offsets_s(past.grid, row.starts_at))
    start_s = int(row.starts_at + offset) % DAY_S
    length_s = min(max(1, round(row.ends_at - row.starts_at)), DAY_S)
    for kind in past.kinds:
        if kind.id == row.shift and (kind.start_s, kind.length_s) == (start_s, length_s):
            return kind
    return ShiftKind(f"worked {clock_text(start_s)} for {length_s // 60} min", start_s, length_s)
