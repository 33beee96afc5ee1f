"""How values read on a page: durations, shares, counts, times of day and the words for states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

NONE: Final = "–"
"""What stands where there is no data; never a 0."""

LABELS: Final = {
    "voice": "Call",
    "callback": "Callback",
    "chat": "Chat",
    "email": "E-mail",
    "web": "Web form",
    "queued": "Waiting",
    "offered": "Offered",
    "connected": "In conversation",
    "wrap_up": "Wrap-up",
    "not_responding": "Not responding",
    "busy": "Busy",
    "idle": "Free",
    "available": "Available",
    "break": "Break",
    "meal": "Meal",
    "training": "Training",
    "away": "Away",
    "offline": "Offline",
}


def label(value: object) -> str:
    """Return the word for a state, presence, channel or outcome."""
    text = str(value)
    return LABELS.get(text) or text.replace("_", " ").capitalize()


def duration(seconds: float | None) -> str:
    """Return `4:05`, `1:02:09` or `3 d 4 h`; rounded down like a clock. `static/clock.js` does the same."""
    if seconds is None:
        return NONE
    whole = max(int(seconds), 0)
    if whole >= 2 * 86_400:
        return f"{whole // 86_400} d {whole % 86_400 // 3600} h"
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def percent(share: float | None, digits: int = 0) -> str:
    """Return a share as `83 %`."""
    return NONE if share is None else f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%"


def change(factor: float | None) -> str:
    """Return what a factor does as `+12 %` or `±0 %`."""
    if factor is None:
        return NONE
    percents = round(100 * (factor - 1))
    sign = "±" if percents == 0 else "+" if percents > 0 else "\N{MINUS SIGN}"
    return f"{sign}{abs(percents)}\N{NO-BREAK SPACE}%"


def count(value: float | None, digits: int = 0) -> str:
    """Return a number with thin spaces between thousands."""
    if value is None:
        return NONE
    return f"{value:,.{digits}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def clock_labels(starts: Sequence[float], zone: ZoneInfo) -> list[str]:
    """Return instants as local times of day; where a clock change repeats one, with the zone's name then."""
    clocks = [datetime.fromtimestamp(at, zone) for at in starts]
    plain = [f"{clock:%a %H:%M}" for clock in clocks]
    many = Counter(plain)
    return [
        f"{clock:%H:%M %Z}" if many[text] > 1 else f"{clock:%H:%M}"
        for clock, text in zip(clocks, plain, strict=True)
    ]


def clock_time(at: float | None, zone: ZoneInfo, pattern: str = "%H:%M") -> str:
    """Return an epoch instant as local time of day."""
    return NONE if at is None else datetime.fromtimestamp(at, zone).strftime(pattern)


def soon(at: float, now: float, zone: ZoneInfo) -> str:
    """Return an instant to come as local time, with its day: `15:00` today, `Mon 15:00`, `2 Jan 15:00`."""
    then, today = datetime.fromtimestamp(at, zone), datetime.fromtimestamp(now, zone)
    days = (then.date() - today.date()).days
    day = "" if days == 0 else f"{then:%a} " if 0 < days < 7 else f"{then.day} {then:%b} "
    return f"{day}{then:%H:%M}"
