"""Whether a team is open: weekly hours with breaks, special days and holidays in the site's time zone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

import msgspec
from msgspec.structs import replace

_HORIZON_DAYS = 370
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")


class Span(msgspec.Struct, frozen=True, array_like=True):
    """Open from `start` until `end`, local times `HH:MM`; `24:00` ends with the day."""

    start: str
    end: str


class Shut(msgspec.Struct, frozen=True, kw_only=True):
    """Closed by hand from `since` until `until` (epoch seconds): by whom, and why."""

    since: float
    until: float
    by: str = ""
    reason: str = ""
    anytime: bool = False
    """There are no hours besides: the week, always open, only carries this."""


class Hours(msgspec.Struct, frozen=True, kw_only=True):
    """Open spans for each weekday (Monday first); a break is the gap between two spans.

    `special` overrides single dates (ISO) with spans of their own; an empty tuple closes the day.
    `holidays` are closed dates of one's own. With `public_holidays` those in `calendar` are closed too: the
    dates of the site's country, in order, filled in whenever the policy is published and before they run out.
    `shut` closes for a while by hand, whatever the rest says.
    """

    time_zone: str
    week: tuple[tuple[Span, ...], ...]
    special: dict[str, tuple[Span, ...]] = {}
    holidays: tuple[str, ...] = ()
    public_holidays: bool = False
    calendar: tuple[str, ...] = ()
    shut: Shut | None = None


ALWAYS: Final = ((Span("00:00", "24:00"),),) * len(_DAYS)
"""A week without a closed minute."""


def lasting(hours: Hours | None) -> Hours | None:
    """Return the hours as they are without what was closed by hand for a while."""
    if hours is None or hours.shut is None:
        return hours
    return None if hours.shut.anytime else replace(hours, shut=None)


def is_open(hours: Hours | None, at: float) -> bool:
    """Return whether `at` (epoch seconds) lies in an open span; no hours at all means always open.

    Local times that a clock change skips or repeats follow the zone: a span is compared on the wall
    clock, so 01:00-04:00 lasts two hours on the short day and four on the long one.
    """
    if hours is None:
        return True
    if hours.shut is not None and hours.shut.since <= at < hours.shut.until:
        return False
    local = datetime.fromtimestamp(at, ZoneInfo(hours.time_zone))
    minute = local.hour * 60 + local.minute
    return any(start <= minute < end for start, end in _spans(hours, local.date()))


def next_opening(hours: Hours | None, at: float) -> float | None:
    """Return the first open instant at or after `at`, or None when none comes within a year."""
    if hours is None or is_open(hours, at):
        return at
    zone = ZoneInfo(hours.time_zone)
    first = datetime.fromtimestamp(at, zone).date()
    for offset in range(_HORIZON_DAYS):
        openings = _openings(hours, first + timedelta(days=offset), zone)
        opening = min((each for each in openings if each > at and is_open(hours, each)), default=None)
        if opening is not None:
            return opening
    return None


def find_faults(hours: Hours) -> list[str]:
    """Return what is wrong with `hours`: zone, number of weekdays, clock times, spans out of order."""
    faults = [] if hours.time_zone in available_timezones() else [f"no time zone {hours.time_zone!r}"]
    if len(hours.week) != len(_DAYS):
        faults.append("week needs seven days, Monday first")
    days = [*zip(_DAYS, hours.week, strict=False), *hours.special.items()]
    faults += [f"{name}: {fault}" for name, spans in days if (fault := _fault_of(spans)) is not None]
    if hours.shut is not None and not hours.shut.since < hours.shut.until:
        faults.append("shut ends before it begins")
    for text in (*hours.special, *hours.holidays, *hours.calendar):
        try:
            date.fromisoformat(text)
        except ValueError:
            faults.append(f"{text!r} is not a date")
    return faults


def _fault_of(spans: tuple[Span, ...]) -> str | None:
    last = 0
    for span in spans:
        if not _CLOCK.fullmatch(span.start) or not _CLOCK.fullmatch(span.end):
            return f"{span.start}-{span.end} is not HH:MM-HH:MM"
        start, end = _minute(span.start), _minute(span.end)
        if start >= end:
            return f"{span.start}-{span.end} ends before it starts; a night takes two spans"
        if start < last:
            return f"{span.start}-{span.end} begins before the span in front of it ends"
        last = end
    return None


def _openings(hours: Hours, day: date, zone: ZoneInfo) -> Iterator[float]:
    """Yield the instants of `day` at which it may open: starts of spans, a clock change, `shut` over."""
    midnight = _instant(day, 0, zone)
    for start, _ in _spans(hours, day):
        for fold in (0, 1):
            yield _instant(day, start, zone, fold=fold)
    last = _instant(day + timedelta(days=1), 0, zone)
    if _offset_s(midnight, zone) != _offset_s(last, zone):
        yield _clock_change(midnight, last, zone)
    if hours.shut is not None and midnight <= hours.shut.until < last:
        yield hours.shut.until


def _clock_change(before: float, after: float, zone: ZoneInfo) -> float:
    """Return the instant between the two (whole seconds) from which the later one's UTC offset holds."""
    old, low, high = _offset_s(before, zone), int(before), int(after)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset_s(middle, zone) == old:
            low = middle
        else:
            high = middle
    return float(high)


def _offset_s(at: float, zone: ZoneInfo) -> float:
    offset = datetime.fromtimestamp(at, zone).utcoffset()
    return offset.total_seconds() if offset is not None else 0.0


def _instant(day: date, minute: int, zone: ZoneInfo, *, fold: int = 0) -> float:
    return datetime.combine(day, time(minute // 60, minute % 60, fold=fold), zone).timestamp()


def _spans(hours: Hours, day: date) -> tuple[tuple[int, int], ...]:
    iso = day.isoformat()
    if iso in hours.special:
        spans = hours.special[iso]
    elif iso in hours.holidays or (hours.public_holidays and iso in hours.calendar):
        return ()
    else:
        spans = hours.week[day.weekday()]
    return tuple((_minute(span.start), _minute(span.end)) for span in spans)


@lru_cache(maxsize=512)
def _minute(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)
