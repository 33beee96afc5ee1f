"""Decides what a shift is: when it starts, how long it lasts, where its breaks may lie."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Break:
    """A pause inside a shift whose start may be moved within a window.

    Args:
        name: Activity shown in the schedule, such as "break" or "meal".
        length_s: Length in seconds.
        earliest_s: Earliest start, seconds after the start of the shift.
        latest_s: Latest start, seconds after the start of the shift.
        paid: Whether the pause counts towards the contract's hours.

    Raises:
        ValueError: When the length is not positive or the window is empty.
    """

    name: str
    length_s: int
    earliest_s: int
    latest_s: int
    paid: bool = True

    def __post_init__(self) -> None:
        if self.length_s <= 0 or not 0 <= self.earliest_s <= self.latest_s:
            raise ValueError(f"break {self.name!r} has no length or an empty window")


@dataclass(frozen=True, slots=True)
class ShiftKind:
    """A kind of shift that agents can be given on a day.

    Args:
        id: Name, unique within a roster problem.
        start_s: Start on the local clock, seconds after midnight; below 86,400.
        length_s: Length from start to end in seconds, breaks included.
        breaks: Its pauses in the order in which they are taken.
        min_work_s: Least work between two pauses, seconds.
        max_work_s: Most work between two pauses, seconds; None for no limit.
        weekdays: Days on which it may start, 0 for Monday to 6 for Sunday.
        not_followed_by: Kinds that may not start on the day after, on top of the rest rule.
        unpopularity: Points that count in the fair sharing of unpopular shifts; 0 for none.

    Raises:
        ValueError: When the start, the length or a break lies outside what is possible.
    """

    id: str
    start_s: int
    length_s: int
    breaks: tuple[Break, ...] = ()
    min_work_s: int = 0
    max_work_s: int | None = None
    weekdays: frozenset[int] = frozenset(range(7))
    not_followed_by: frozenset[str] = frozenset()
    unpopularity: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.start_s < DAY_S or not 0 < self.length_s <= DAY_S:
            raise ValueError(f"shift {self.id!r} starts or ends outside what a day allows")
        if any(pause.latest_s + pause.length_s > self.length_s for pause in self.breaks):
            raise ValueError(f"shift {self.id!r} has a break that cannot end before the shift does")

    @property
    def end_s(self) -> int:
        """End in seconds after the midnight before its start; above 86,400 for a shift over midnight."""
        return self.start_s + self.length_s

    @property
    def paid_s(self) -> int:
        """Seconds that count towards the contract: the length less unpaid pauses."""
        return self.length_s - sum(pause.length_s for pause in self.breaks if not pause.paid)


def shift_kinds(
    starts_s: Iterable[int], lengths_s: Sequence[int], *, template: ShiftKind | None = None
) -> tuple[ShiftKind, ...]:
    """Return one kind for each start and length, named like "08:00-16:30".

    Args:
        starts_s: Starts on the local clock, seconds after midnight.
        lengths_s: Lengths in seconds.
        template: Everything else (breaks, weekdays, points); breaks that do not fit a length are left out.
    """
    kind = template or ShiftKind("", 0, DAY_S)
    return tuple(_kind_at(kind, start_s, length_s) for start_s in starts_s for length_s in lengths_s)


def clock_text(seconds: int) -> str:
    """Return seconds after midnight as a clock time such as "08:30"; the next day starts at 00:00 again."""
    minutes = seconds // 60 % 1440
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _kind_at(template: ShiftKind, start_s: int, length_s: int) -> ShiftKind:
    fitting = tuple(
        replace(pause, latest_s=min(pause.latest_s, length_s - pause.length_s))
        for pause in template.breaks
        if pause.earliest_s + pause.length_s <= length_s
    )
    name = f"{clock_text(start_s)}-{clock_text(start_s + length_s)}"
    return replace(template, id=name, start_s=start_s, length_s=length_s, breaks=fitting)
