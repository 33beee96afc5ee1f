"""Whether a team is open: weekly hours with breaks, special days and holidays in the site's time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

_HORIZON_DAYS = 370


class Span(msgspec.Struct, frozen=True, array_like=True):
    """Open from `start` until `end`, local times `HH:MM`; `24:00` ends with the day."""

    start: str
    end: str


class Hours(msgspec.Struct, frozen=True, kw_only=True):
    """Open spans for each weekday (Monday first); a break is the gap between two spans.

    `special` overrides single dates (ISO) with spans of their own; an empty tuple closes the day.
    `holidays` are closed dates, filled in from the calendar of the site's country.
    """

    time_zone: str
    week: tuple[tuple[Span, ...], ...]
    special: dict[str, tuple[Span, ...]] = {}
    holidays: tuple[str, ...] = ()


def is_open(hours: Hours | None, at: float) -> bool:
    """Return whether `at` (epoch seconds) lies in an open span; no hours at all means always open.

    Local times that a clock change skips or repeats follow the zone: a span is compared on the wall
    clock, so 01:00-04:00 lasts two hours on the short day and four on the long one.
    """
    if hours is None:
        return True
    local = datetime.fromtimestamp(at, ZoneInfo(hours.time_zone))
    minute = local.hour * 60 + local.minute
    return any(start <= minute < end for start, end in _spans(hours, local.date()))


def next_opening(hours: Hours | None, at: float) -> float | None:
    """Return the first open instant at or after `at`, or None when none comes within a year."""
    if hours is None or is_open(hours, at):
        return at
    zone = ZoneInfo(hours.time_zone)
    local = datetime.fromtimestamp(at, zone)
    for offset in range(_HORIZON_DAYS):
        day = local.date() + timedelta(days=offset)
        for start, _ in _spans(hours, day):
            opening = datetime.combine(day, time(start // 60, start % 60), zone).astimezone(UTC).timestamp()
            if opening >= at:
                return opening
    return None


def _spans(hours: Hours, day: date) -> tuple[tuple[int, int], ...]:
    iso = day.isoformat()
    if iso in hours.special:
        spans = hours.special[iso]
    elif iso in hours.holidays:
        return ()
    else:
        spans = hours.week[day.weekday()]
    return tuple((_minute(span.start), _minute(span.end)) for span in spans)


@lru_cache(maxsize=512)
def _minute(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)
