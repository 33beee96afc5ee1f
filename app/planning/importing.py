"""An import: a file of past contacts to intervals and waits, all or nothing."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import msgspec

from app.db import history, imports, runs
from app.db.engine import Connection
from app.db.runs import Run, find_input
from app.errors import InvalidImportError
from app.planning.desk import CancelledRunError, Desk, Outcome, Report
from app.planning.params import ImportParams
from app.planning.settling import AT_ONCE, settle_imports
from app.planning.terms import read_planning
from staffing.history import CallRecord, History, histories_from_records
from staffing.history_import import (
    Rejected,
    interval_minutes_of,
    read_call_csv,
    read_interval_csv,
    read_queue_log,
)
from staffing.intervals import Grid, local_date, utc_iso

_MOST_UNPACKED: Final = 1 << 29
_READ: Final = 0.9
"""Share of an import's progress at which its file is read."""
_DAYS_AT_ONCE: Final = 100
_REPORT_LINES: Final = 20_000
_CALL_MINUTES: Final = 15
_LOOKED_AT: Final = 2_000
"""Lines that tell how long a file's intervals are."""
_GZIP: Final = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class ImportFile:
    """What a file holds, ready to be stored.

    Rows are packed, a part for each transaction: what comes from another process is unpacked all at once.
    """

    format: str
    lines: int
    intervals: list[bytes]
    waits: list[bytes]
    teams: dict[str, dict[str, Any]]


async def import_history(desk: Desk) -> Outcome:
    """Carry out a run of kind `import`.

    What it stores counts with the transaction that ends the run. Imports before it are settled first, so that
    readers rarely have several to look through.
    """
    await settle_imports(desk.database)
    params = ImportParams.model_validate(desk.run.params)
    data = await desk.database.read(find_input, desk.run.id)
    if data is None:
        raise InvalidImportError("There is no file with this run.")
    planning = await desk.database.read(read_planning)
    grid = planning.grid
    found: ImportFile = await desk.compute(
        read_file,
        data,
        params,
        grid,
        sorted(planning.policy.teams),
        desk.now,
        part=(0.0, _READ),
    )

    await _store(desk, found)

    def save(conn: Connection) -> dict[str, Any]:
        imports.count_import(conn, desk.run.id)
        return {}

    return Outcome({"format": found.format, "lines": found.lines, "teams": found.teams}, save)


async def _store(desk: Desk, found: ImportFile) -> None:
    """Store the rows of a file part by part, in place of what an earlier attempt has left."""
    while await desk.database.tx(_clear, desk.run):
        desk.tell(_READ, "clearing what was stored before")
    parts = [(_put_intervals, part) for part in found.intervals] + [
        (_put_waits, part) for part in found.waits
    ]
    for number, (put, part) in enumerate(parts):
        desk.tell(_READ + (1.0 - _READ) * number / len(parts), f"storing part {number + 1} of {len(parts)}")
        await desk.database.tx(put, desk.run, part)


def _clear(conn: Connection, run: Run) -> bool:
    _check_held(conn, run)
    return imports.clear_own(conn, run.id, most=AT_ONCE)


def _put_intervals(conn: Connection, run: Run, part: bytes) -> None:
    _check_held(conn, run)
    history.put_intervals(conn, run.id, msgspec.msgpack.decode(part, type=list[history.IntervalRow]))


def _put_waits(conn: Connection, run: Run, part: bytes) -> None:
    _check_held(conn, run)
    history.put_waits(conn, run.id, msgspec.msgpack.decode(part, type=list[history.DayWaits]))


def _check_held(conn: Connection, run: Run) -> None:
    if not runs.hold(conn, run):
        raise CancelledRunError


def _packed(rows: Iterable[Any], at_once: int) -> list[bytes]:
    left = iter(rows)
    return [msgspec.msgpack.encode(part) for part in iter(lambda: list(islice(left, at_once)), [])]


def read_file(
    report: Report, data: bytes, params: ImportParams, grid: Grid, known: list[str], now: float
) -> ImportFile:
    """Return what a file (plain or gzip) holds; raises InvalidImportError that names the bad lines."""
    text = _text(data)
    lines = text.splitlines()
    kind = _format_of(lines, params.format)
    if kind == "intervals":
        grid = Grid(grid.zone, _minutes(lines, params.minutes, grid))
    told = _told(report, lines)
    records: list[CallRecord] = []
    if kind == "intervals":
        by_team = _accepted(read_interval_csv(told, grid, now=now))
        _check_teams({params.teams.get(team, team) for team in by_team}, known)
        if len({params.teams.get(team, team) for team in by_team}) < len(by_team):
            raise InvalidImportError("Two teams of the file are mapped to one; add their intervals first.")
        histories = {params.teams.get(team, team): each for team, each in by_team.items()}
    else:
        quarters = Grid(grid.zone, _CALL_MINUTES)
        records = _accepted(
            read_queue_log(told, now=now)
            if kind == "queue_log"
            else read_call_csv(told, quarters, teams=params.teams, now=now)
        )
        records = [_renamed(record, params.teams) for record in records]
        _check_teams({record.team for record in records}, known)
        histories = histories_from_records(quarters, records)
    if not histories:
        raise InvalidImportError("The file holds no contacts.")
    return ImportFile(
        kind,
        len(lines),
        _packed(
            (row for team, each in histories.items() for row in _rows(team, each, params.channel)), AT_ONCE
        ),
        _packed(_waits(grid, records) if params.channel in history.WAITING else [], _DAYS_AT_ONCE),
        {team: _summary(each) for team, each in sorted(histories.items())},
    )


def _minutes(lines: list[str], said: int | None, grid: Grid) -> int:
    """Return how long the intervals of a file are: as said, or as its first lines show, else the site's.

    InvalidImportError where they are longer than those that the site plans in.
    """
    minutes = said or interval_minutes_of(lines[:_LOOKED_AT], grid) or grid.minutes
    if minutes > grid.minutes:
        raise InvalidImportError(
            f"Intervals of {minutes} minutes can't be planned in intervals of {grid.minutes} minutes. "
            "Plan in longer ones (the site's `interval_minutes`)"
            + ("." if said else f", or say that these are of {grid.minutes} (`minutes`, `--minutes`).")
        )
    return minutes


def _text(data: bytes) -> str:
    if data[:2] == _GZIP:
        data = _unpacked(data)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _rejected([{"line": line, "detail": "is not UTF-8; save the file as UTF-8 text"}]) from None


def _unpacked(data: bytes) -> bytes:
    """Return what all parts of a gzip file hold; one that was cut off is refused."""
    parts, size = [], 0
    while data[:2] == _GZIP:
        unpack = zlib.decompressobj(wbits=31)
        try:
            parts.append(unpack.decompress(data, _MOST_UNPACKED - size))
        except zlib.error as error:
            raise InvalidImportError(f"The gzip file is broken: {error}.") from None
        size += len(parts[-1])
        if unpack.unconsumed_tail or size >= _MOST_UNPACKED:
            raise InvalidImportError(f"Unpacked, the file exceeds {_MOST_UNPACKED} bytes.")
        if not unpack.eof:
            raise InvalidImportError("The gzip file is broken: its end is missing.")
        data = unpack.unused_data
    return b"".join(parts)


def _format_of(lines: list[str], wanted: str) -> str:
    if wanted != "auto":
        return wanted
    first = next((line for line in lines if line.strip()), "")
    if first.count("|") >= 4:
        return "queue_log"
    return "calls" if "queue_start" in first else "intervals"


def _told(report: Report, lines: list[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if number % _REPORT_LINES == 0:
            report(0.8 * number / len(lines), f"reading line {number + 1} of {len(lines)}")
        yield line


def _accepted(found: Any) -> Any:
    if isinstance(found, Rejected):
        raise _rejected([{"line": each.line, "detail": each.text} for each in found.problems])
    return found


def _rejected(errors: list[dict[str, Any]]) -> InvalidImportError:
    first = errors[0]
    more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
    return InvalidImportError(f"Line {first['line']}: {first['detail']}{more}.", errors=errors)


def _check_teams(names: set[str], known: list[str]) -> None:
    unknown = sorted(names - set(known))
    if unknown:
        raise InvalidImportError(
            f"The file names teams that do not exist: {', '.join(unknown[:20])}. "
            "Say which of ours each one is: `team=NAME:ours`, on the command line `--team NAME=ours`.",
            unknown=unknown[:100],
            known=known,
        )


def _renamed(record: CallRecord, teams: dict[str, str]) -> CallRecord:
    if record.team not in teams:
        return record
    return CallRecord(
        teams[record.team],
        record.offered_at,
        record.wait_s,
        record.handle_s,
        record.answered,
        record.abandoned,
    )


def _rows(team: str, each: History, channel: str) -> Iterator[history.IntervalRow]:
    columns = (each.offered, each.answered, each.abandoned, each.handled, each.handle_s, each.wait_s)
    sums = zip(*(column.tolist() for column in columns), strict=True)
    for start, values in zip(each.starts.tolist(), sums, strict=True):
        yield history.IntervalRow(team, channel, each.grid.step_s, start, values)


def _waits(grid: Grid, records: list[CallRecord]) -> list[history.DayWaits]:
    days: dict[tuple[str, str], tuple[Counter[int], Counter[int]]] = {}
    for record in records:
        if record.answered or record.abandoned:
            key = (record.team, local_date(grid, record.offered_at).isoformat())
            waits = days.setdefault(key, (Counter(), Counter()))
            waits[record.abandoned][round(record.wait_s)] += 1
    return [history.DayWaits(team, on, dict(a), dict(b)) for (team, on), (a, b) in sorted(days.items())]


def _summary(each: History) -> dict[str, Any]:
    return {
        "intervals": len(each.starts),
        "minutes": each.grid.minutes,
        "offered": int(each.offered.sum()),
        "answered": int(each.answered.sum()),
        "abandoned": int(each.abandoned.sum()),
        "first_at": utc_iso(float(each.starts[0])),
        "last_at": utc_iso(float(each.starts[-1])),
    }
