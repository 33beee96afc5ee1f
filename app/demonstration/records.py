"""Decides what a file of call records means: the bank's layout or plain CSV, all or nothing."""

from __future__ import annotations

import csv
import gzip
import io
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import BinaryIO, Final, cast
from zoneinfo import ZoneInfo

from routing.model import PRIORITY_MAX, Channel

BANK_COLUMNS: Final = (
    "call_id",
    "customer",
    "priority",
    "type",
    "arrival",
    "vru_s",
    "queue_start",
    "wait_s",
    "outcome",
    "service_s",
    "agent",
)
PLAIN_NEEDED: Final = ("id", "arrived_at", "team", "service_s")
PLAIN_COLUMNS: Final = (
    *PLAIN_NEEDED,
    "channel",
    "customer",
    "priority",
    "outcome",
    "wait_s",
    "patience_s",
    "wrap_up_s",
    "agent",
)

_MOST_FAULTS: Final = 100
_TEAM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_LONGEST_S: Final = 7 * 86_400.0
_Row = Mapping[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One contact that asked for a team, as it was recorded.

    Args:
        id: Its id in the file, unique there.
        at: UTC epoch seconds at which it began to wait for the team.
        answered: An agent took it; otherwise the customer hung up.
        wait_s: Seconds it waited, or None where the file does not say.
        service_s: Seconds with the agent, or None where nobody knows.
        patience_s: Seconds the customer would have waited, or None where nobody knows.
        wrap_up_s: Seconds of wrap-up, or None where nobody knows.
        agent: Who took it, or None.
        customer: The customer's id in the file, or None.
    """

    id: str
    at: float
    team: str
    answered: bool
    wait_s: float | None
    service_s: float | None
    patience_s: float | None = None
    wrap_up_s: float | None = None
    agent: str | None = None
    customer: str | None = None
    priority: int = 0
    channel: Channel = Channel.VOICE


@dataclass(frozen=True, slots=True)
class Fault:
    """A line that can't be read: its number in the file, from 1, and why."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Recording:
    """What a file holds, oldest first; `left_out` counts what never asked for a team, by reason.

    `faults` names the first hundred broken lines; where there are any, there are no records.
    """

    records: tuple[Record, ...]
    left_out: Mapping[str, int]
    faults: tuple[Fault, ...] = ()
    days: tuple[date, ...] = ()


def read_recording(path: Path, zone: ZoneInfo, *, day: date | None = None) -> Recording:
    """Return the records of a .csv or .csv.gz file, of one local day if `day` is given.

    Times without an offset are the clock of `zone`. Raises OSError when the file can't be read; what is wrong
    inside it comes back as faults.
    """
    with path.open("rb") as raw:
        data = cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if path.suffix == ".gz" else raw
        lines = io.TextIOWrapper(data, encoding="utf-8-sig", newline="")
        return read_lines(_readable(lines), zone, day=day)


def read_lines(lines: Iterable[str], zone: ZoneInfo, *, day: date | None = None) -> Recording:
    """Return the records in lines of comma-separated values, the first of which names the columns."""
    reader = csv.DictReader(lines, strict=True)
    try:
        read, faults = _layout(reader.fieldnames or ())
    except csv.Error as error:
        return Recording((), {}, (Fault(1, str(error)),))
    if faults:
        return Recording((), {}, faults)
    return _read_rows(reader, read, zone, day=day)


def _readable(lines: Iterable[str]) -> Iterator[str]:
    """Turn what is no text or no gzip into a fault of its line instead of a traceback."""
    try:
        yield from lines
    except (UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
        raise csv.Error(f"the file can't be read on from here: {error}") from None


def _layout(names: Iterable[str]) -> tuple[Callable[[_Row, ZoneInfo], Record | str], tuple[Fault, ...]]:
    given = set(names)
    if set(BANK_COLUMNS) <= given:
        return _bank_record, ()
    missing = [name for name in PLAIN_NEEDED if name not in given]
    if not missing:
        unknown = sorted(given - set(PLAIN_COLUMNS))
        text = f"unknown columns: {', '.join(unknown)}; known are {', '.join(PLAIN_COLUMNS)}"
        return _plain_record, (Fault(1, text),) if unknown else ()
    text = f"columns missing: {', '.join(missing)} (plain layout needs {', '.join(PLAIN_NEEDED)})"
    return _plain_record, (Fault(1, text),)


def _read_rows(
    reader: csv.DictReader[str],
    read: Callable[[_Row, ZoneInfo], Record | str],
    zone: ZoneInfo,
    *,
    day: date | None,
) -> Recording:
    records: list[Record] = []
    faults: list[Fault] = []
    left_out: dict[str, int] = {}
    days: set[date] = set()
    seen: dict[str, int] = {}
    rows = iter(reader)
    while len(faults) < _MOST_FAULTS:
        try:
            row = next(rows, None)
            if row is None:
                break
            found = _checked(row, read, zone)
            on = None if isinstance(found, str) else datetime.fromtimestamp(found.at, zone).date()
            if isinstance(found, Record):
                first = seen.setdefault(found.id, reader.line_num)
                if first != reader.line_num:
                    raise ValueError(f"the id {found.id!r} is on line {first} already")
        except csv.Error as error:
            faults.append(Fault(reader.line_num, str(error)))
            break
        except (ValueError, OverflowError) as error:
            faults.append(Fault(reader.line_num, str(error)))
            continue
        if isinstance(found, str):
            if day is None or (row.get("arrival") or "").startswith(day.isoformat()):
                left_out[found] = left_out.get(found, 0) + 1
            continue
        assert on is not None  # noqa: S101
        days.add(on)
        if day is None or on == day:
            records.append(found)
    kept = () if faults else tuple(sorted(records, key=lambda each: (each.at, each.id)))
    return Recording(kept, left_out, tuple(faults), tuple(sorted(days)))


def _checked(row: _Row, read: Callable[[_Row, ZoneInfo], Record | str], zone: ZoneInfo) -> Record | str:
    if None in row or None in row.values():
        raise ValueError("has more or fewer fields than the first line names")
    return read(row, zone)


def _bank_record(row: _Row, zone: ZoneInfo) -> Record | str:
    """Return a call of the bank, or why it is left out.

    A caller who hung up in the voice menu asked for nobody; phantom calls are an artefact. Menu times below 0
    are a known fault and count as 0. The priority moves a caller ahead only at 2.
    """
    outcome = _one_of(row, "outcome", ("AGENT", "HANG", "PHANTOM"))
    arrived_at, menu_s = _instant(row, "arrival", zone), _number(row, "vru_s", least=-_LONGEST_S)
    queued = _text(row, "queue_start")
    at = _instant(row, "queue_start", zone) if queued else arrived_at + max(menu_s or 0.0, 0.0)
    wait_s, service_s = _number(row, "wait_s"), _number(row, "service_s")
    priority = _whole(row, "priority", most=2)
    team, number = _team(row, "type"), _required(row, "call_id")
    if outcome == "PHANTOM":
        return "phantom calls"
    if outcome == "HANG" and not queued:
        return "hung up in the menu"
    agent, customer = _text(row, "agent"), _text(row, "customer")
    answered = outcome == "AGENT"
    return Record(
        id=number,
        at=at,
        team=team,
        answered=answered,
        wait_s=wait_s or 0.0,
        service_s=service_s if answered else None,
        patience_s=None if answered else wait_s or 0.0,
        agent=agent if answered and agent != "NO_SERVER" else None,
        customer=customer if customer != "0" else None,
        priority=1 if priority == 2 else 0,
    )


def _plain_record(row: _Row, zone: ZoneInfo) -> Record | str:
    """Return a contact of the plain layout (docs/replay.md)."""
    service_s, wait_s, patience_s = (_number(row, name) for name in ("service_s", "wait_s", "patience_s"))
    if row.get("outcome"):
        answered = _one_of(row, "outcome", ("answered", "abandoned")) == "answered"
    else:
        answered = service_s is not None
    if not answered and patience_s is None:
        patience_s = wait_s
        if patience_s is None:
            raise ValueError("an abandoned contact needs wait_s or patience_s")
    channel = _one_of(row, "channel", tuple(Channel)) if row.get("channel") else Channel.VOICE
    return Record(
        id=_required(row, "id"),
        at=_instant(row, "arrived_at", zone),
        team=_team(row, "team"),
        answered=answered,
        wait_s=wait_s,
        service_s=service_s,
        patience_s=patience_s,
        wrap_up_s=_number(row, "wrap_up_s"),
        agent=_text(row, "agent") or None,
        customer=_text(row, "customer") or None,
        priority=_whole(row, "priority", most=PRIORITY_MAX),
        channel=Channel(channel),
    )


def _text(row: _Row, name: str) -> str:
    return (row.get(name) or "").strip()


def _required(row: _Row, name: str) -> str:
    text = _text(row, name)
    if not 0 < len(text) <= 100:
        raise ValueError(f"{name} must have 1 to 100 characters")
    return text


def _team(row: _Row, name: str) -> str:
    text = _text(row, name)
    if _TEAM.fullmatch(text) is None:
        raise ValueError(f"{name} is {text[:40]!r}, not a name of letters, digits and . _ @ -")
    return text


def _one_of(row: _Row, name: str, known: Iterable[str]) -> str:
    text = _text(row, name)
    if text not in known:
        raise ValueError(f"{name} is {text[:40]!r}, not one of {', '.join(known)}")
    return text


def _number(row: _Row, name: str, *, least: float = 0.0) -> float | None:
    text = _text(row, name)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= _LONGEST_S:
        raise ValueError(f"{name} is {text[:40]!r}, not a number of seconds")
    return value


def _whole(row: _Row, name: str, *, most: int) -> int:
    text = _text(row, name)
    if not text:
        return 0
    if not (text.isdecimal() and int(text) <= most):
        raise ValueError(f"{name} is {text[:40]!r}, not a whole number from 0 to {most}")
    return int(text)


def _instant(row: _Row, name: str, zone: ZoneInfo) -> float:
    text = _text(row, name)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{name} is {text[:40]!r}, not a time like 1999-01-05 08:30:00") from None
    if not 1970 <= at.year < 9998:
        raise ValueError(f"{name} is {text[:40]!r}, outside the years that can be replayed")
    return (at if at.tzinfo is not None else at.replace(tzinfo=zone)).timestamp()
