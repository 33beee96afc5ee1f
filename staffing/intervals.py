"""Decides what an interval is: 15, 30 or 60 minutes of a site's wall clock, named by its UTC start."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import ArrayLike, NDArray

INTERVAL_MINUTES = (15, 30, 60)

Starts = NDArray[np.int64]

_DAY_S = 86_400
_QUARTER_S = 900
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Grid:
    """How a site cuts its time into intervals.

    An interval starts where the local clock shows a whole multiple of `minutes`, and where the clock is
    changed. It is identified by its start in UTC epoch seconds, so the hour that a clock change repeats is
    two different intervals with the same slot, and the hour that it skips is none.

    Args:
        zone: IANA name of the site's time zone, such as "Europe/Berlin".
        minutes: Length of an interval: 15, 30 or 60.
        week_starts_on: First day of the site's week, 0 for Monday to 6 for Sunday.

    Raises:
        ValueError: When the zone is unknown or the length or the weekday is none of those.
    """

    zone: str
    minutes: int = 30
    week_starts_on: int = 0

    def __post_init__(self) -> None:
        if self.minutes not in INTERVAL_MINUTES:
            raise ValueError(f"an interval has {INTERVAL_MINUTES} minutes, not {self.minutes}")
        if not 0 <= self.week_starts_on <= 6:
            raise ValueError(f"a week starts on day 0 to 6, not {self.week_starts_on}")
        _zone(self.zone)

    @property
    def step_s(self) -> int:
        """Length of an interval in seconds (shorter only where a clock change of 30 minutes cuts an hour)."""
        return self.minutes * 60

    @property
    def slots_per_day(self) -> int:
        """Slots of the local clock in a day of 24 hours: 96, 48 or 24."""
        return _DAY_S // self.step_s


def day_start_at(grid: Grid, on: date) -> int:
    """Return the UTC epoch second at which the local date `on` begins."""
    midnight = datetime.combine(on, time(), tzinfo=_zone(grid.zone))
    return round(midnight.timestamp())


def day_intervals(grid: Grid, on: date) -> Starts:
    """Return the starts of the intervals of the local date `on`: 23 or 25 hours of them at a clock change."""
    return intervals_between(grid, on, on)


def week_intervals(grid: Grid, on: date) -> Starts:
    """Return the starts of all intervals of the site's week that holds the local date `on`."""
    first_on = week_start_on(grid, on)
    return intervals_between(grid, first_on, first_on + timedelta(days=6))


def intervals_between(grid: Grid, first_on: date, last_on: date) -> Starts:
    """Return the starts of all intervals of the local dates `first_on` to `last_on` inclusive, ascending.

    Raises:
        ValueError: When `last_on` is before `first_on`.
    """
    if last_on < first_on:
        raise ValueError(f"the last day {last_on} is before the first day {first_on}")
    since, until = day_start_at(grid, first_on), day_start_at(grid, last_on + timedelta(days=1))
    quarters = np.arange(since, until, _QUARTER_S, dtype=np.int64)
    return np.unique(interval_starts(grid, quarters)) if len(quarters) else quarters


def interval_starts(grid: Grid, at: ArrayLike) -> Starts:
    """Return the start of the interval that holds each instant.

    Args:
        grid: The site's grid.
        at: Instants in UTC epoch seconds, any shape.

    Returns:
        The interval starts, UTC epoch seconds, same shape.
    """
    instants = np.floor(np.asarray(at, dtype=np.float64)).astype(np.int64)
    offsets = utc_offsets_s(grid, instants)
    starts = np.asarray(instants - (instants + offsets) % grid.step_s)
    for index in np.argwhere(utc_offsets_s(grid, starts) != offsets):
        where = tuple(index)
        starts[where] = _first_with_offset(grid, int(starts[where]), int(offsets[where]))
    return starts


def durations_s(grid: Grid, starts: ArrayLike) -> NDArray[np.int64]:
    """Return the length in seconds of each interval; `starts` are interval starts of this grid."""
    begins = np.asarray(starts, dtype=np.int64)
    last = begins + grid.step_s - 1
    last_starts = interval_starts(grid, last)
    return np.where(last_starts == begins, grid.step_s, last_starts - begins)


def interval_index(starts: Starts, at: ArrayLike, *, step_s: int) -> NDArray[np.int64]:
    """Return the position in `starts` of the interval that holds each instant, or -1 when none does.

    Args:
        starts: Ascending interval starts; gaps (closed hours, left-out days) are allowed.
        at: Instants in UTC epoch seconds, any shape.
        step_s: Length of an interval in seconds.
    """
    instants = np.asarray(at, dtype=np.float64)
    index = np.asarray(np.searchsorted(starts, instants, side="right") - 1, dtype=np.int64)
    if len(starts) == 0:
        return index
    inside = (index >= 0) & (instants < starts[index] + step_s)
    return np.where(inside, index, -1)


def utc_offsets_s(grid: Grid, at: ArrayLike) -> NDArray[np.int64]:
    """Return the local clock minus UTC in seconds at each instant (UTC epoch seconds, any shape)."""
    instants = np.floor(np.asarray(at, dtype=np.float64)).astype(np.int64)
    flat = instants.ravel()
    days, which = np.unique(flat // _DAY_S, return_inverse=True)
    offsets_at_start = _lookup(grid.zone, days * _DAY_S)
    changing = offsets_at_start != _lookup(grid.zone, (days + 1) * _DAY_S)
    offsets = offsets_at_start[which]
    on_change_day = changing[which]
    if on_change_day.any():
        quarters, inverse = np.unique(flat[on_change_day] // _QUARTER_S, return_inverse=True)
        offsets[on_change_day] = _lookup(grid.zone, quarters * _QUARTER_S)[inverse]
    return offsets.reshape(instants.shape)


def local_days(grid: Grid, at: ArrayLike) -> NDArray[np.int64]:
    """Return the local date of each instant as days since 1970-01-01 (see `date_of_day`)."""
    instants = np.asarray(at, dtype=np.float64)
    return np.asarray((instants + utc_offsets_s(grid, instants)) // _DAY_S, dtype=np.int64)


def local_slots(grid: Grid, at: ArrayLike) -> NDArray[np.int64]:
    """Return the slot of the local clock of each instant: 0 at 00:00 up to `slots_per_day - 1`.

    08:00 is the same slot on every day of the year; a repeated hour has the same slots twice.
    """
    instants = np.asarray(at, dtype=np.float64)
    local = instants + utc_offsets_s(grid, instants)
    return np.asarray((local % _DAY_S) // grid.step_s, dtype=np.int64)


def local_weekdays(grid: Grid, at: ArrayLike) -> NDArray[np.int64]:
    """Return the weekday of each instant on the local calendar, 0 for Monday to 6 for Sunday."""
    return (local_days(grid, at) + 3) % 7


def date_of_day(day: int) -> date:
    """Return the date that `local_days` numbers `day`."""
    return date.fromordinal(_EPOCH_ORDINAL + int(day))


def day_of_date(on: date) -> int:
    """Return the number that `local_days` gives to the date `on`."""
    return on.toordinal() - _EPOCH_ORDINAL


def local_date(grid: Grid, at: float) -> date:
    """Return the local date of the instant `at` (UTC epoch seconds)."""
    return datetime.fromtimestamp(at, tz=_zone(grid.zone)).date()


def local_instant(grid: Grid, on: date, clock: time) -> int:
    """Return the UTC epoch second at which the local clock first shows `clock` on the date `on`.

    A time that a clock change skips is taken as that long after the change: 02:30 becomes 03:30.
    """
    return round(datetime.combine(on, clock, tzinfo=_zone(grid.zone)).timestamp())


def local_instants(grid: Grid, on: date, clock: time) -> tuple[int, ...]:
    """Return the UTC epoch seconds at which the local clock shows `clock` on the date `on`, ascending.

    One, as a rule; two in an hour that a clock change repeats, none in one that it skips.
    """
    zone = _zone(grid.zone)
    shown = datetime.combine(on, clock)
    found = {round(shown.replace(tzinfo=zone, fold=fold).timestamp()) for fold in (0, 1)}
    return tuple(sorted(at for at in found if datetime.fromtimestamp(at, zone).replace(tzinfo=None) == shown))


def week_start_on(grid: Grid, on: date) -> date:
    """Return the first date of the site's week that holds the local date `on`."""
    return on - timedelta(days=(on.weekday() - grid.week_starts_on) % 7)


def slot_clock(grid: Grid, slot: int) -> str:
    """Return the local time at which a slot begins, as "08:30"."""
    minutes = slot * grid.minutes
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def utc_iso(at: float) -> str:
    """Return an instant as ISO 8601 in UTC, such as "2026-03-29T01:00:00Z"."""
    return datetime.fromtimestamp(at, tz=UTC).isoformat().replace("+00:00", "Z")


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"unknown time zone {name!r}") from error


def _lookup(zone: str, at: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.array([_offset_s(zone, int(instant)) for instant in at], dtype=np.int64)


@lru_cache(maxsize=65_536)
def _offset_s(zone: str, at: int) -> int:
    offset = datetime.fromtimestamp(at, tz=_zone(zone)).utcoffset()
    return round(offset.total_seconds()) if offset is not None else 0


def _first_with_offset(grid: Grid, since: int, offset: int) -> int:
    # Clocks are changed on quarter hours of UTC, so the change is found by stepping through them.
    at = since - since % _QUARTER_S
    while at <= since or _offset_s(grid.zone, at) != offset:
        at += _QUARTER_S
    return at
