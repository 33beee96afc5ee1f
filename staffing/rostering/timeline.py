"""Decides when each shift of a period begins and ends, and which slots it covers."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, time, timedelta
from functools import cached_property

from staffing.intervals import day_start_at, local_instant
from staffing.rostering.model import RosterProblem
from staffing.shifts import ShiftKind

WEEK_DAYS = 7


@dataclass(frozen=True)
class Timeline:
    """The days and slots of a problem's period in epoch seconds, right on days of a clock change."""

    problem: RosterProblem

    @cached_property
    def starts_at(self) -> int:
        """First instant of the period, epoch seconds."""
        return day_start_at(self.problem.grid, self.problem.starts_on)

    @cached_property
    def ends_at(self) -> int:
        """Instant after the last of the period, epoch seconds."""
        return day_start_at(self.problem.grid, self.on(self.problem.days))

    @cached_property
    def slots(self) -> int:
        """Number of slots of the period."""
        return -(-(self.ends_at - self.starts_at) // self.problem.grid.step_s)

    @cached_property
    def weekends(self) -> tuple[tuple[int, ...], ...]:
        """Days of each weekend, Saturday and Sunday as far as they lie in the period."""
        return self.weekends_since(0)

    @cached_property
    def weeks(self) -> tuple[range, ...]:
        """Days of each week, blocks of seven from the first day; the last may be shorter."""
        days = self.problem.days
        return tuple(range(d, min(d + WEEK_DAYS, days)) for d in range(0, days, WEEK_DAYS))

    def weekends_since(self, first: int) -> tuple[tuple[int, ...], ...]:
        """Return the days of each weekend from the day `first` on, below 0 for days before the period."""
        pairs: dict[date, list[int]] = {}
        for day in range(first, self.problem.days):
            if self.weekday(day) >= 5:
                pairs.setdefault(self.on(day - self.weekday(day)), []).append(day)
        return tuple(tuple(days) for days in pairs.values())

    def granted_days(self, agent_id: str, span: Iterable[int]) -> int:
        """Return how many days of a span are granted time off of an agent."""
        own = [off for off in self.problem.time_off if off.agent_id == agent_id]
        return sum(any(off.first_day <= day <= off.last_day for off in own) for day in span)

    def on(self, day: int) -> date:
        """Return the local date of a day of the period; days before it are negative."""
        return self.problem.starts_on + timedelta(days=day)

    def weekday(self, day: int) -> int:
        """Return the weekday of a day, 0 for Monday."""
        return self.on(day).weekday()

    def midnight(self, day: int) -> int:
        """Return the instant at which a day begins, epoch seconds."""
        return day_start_at(self.problem.grid, self.on(day))

    def shift_at(self, kind: ShiftKind, day: int) -> tuple[int, int]:
        """Return start and end of a kind of shift on a day, epoch seconds."""
        start = self._starts.get((kind.start_s, day))
        if start is None:
            start = self._starts[kind.start_s, day] = self._start(kind, day)
        return start, start + kind.length_s

    @cached_property
    def _starts(self) -> dict[tuple[int, int], int]:
        return {}

    def _start(self, kind: ShiftKind, day: int) -> int:
        clock = time(kind.start_s // 3600, kind.start_s % 3600 // 60, kind.start_s % 60)
        return local_instant(self.problem.grid, self.on(day), clock)

    def slots_between(self, since: float, until: float) -> range:
        """Return the slots of the period that lie wholly between two instants."""
        step_s = self.problem.grid.step_s
        first = -(-(since - self.starts_at) // step_s)
        last = (until - self.starts_at) // step_s
        return range(max(0, int(first)), min(self.slots, int(last)))

    def day_of(self, slot: int) -> int:
        """Return the day of the period in which a slot begins."""
        return bisect_right(self._day_slots, slot) - 1

    @cached_property
    def _day_slots(self) -> list[int]:
        starts = (day_start_at(self.problem.grid, self.on(day)) for day in range(self.problem.days))
        return [(start - self.starts_at) // self.problem.grid.step_s for start in starts]

    def slot_at(self, slot: int) -> int:
        """Return the start of a slot, epoch seconds."""
        return self.starts_at + slot * self.problem.grid.step_s
