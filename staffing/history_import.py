"""Decides what text from outside means as history: CSV of intervals, CSV of calls, Asterisk's queue_log.

Every reader is all or nothing: it returns the whole content, or every line that is wrong and why.
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise

import numpy as np

from staffing.history import CallRecord, History
from staffing.intervals import Grid, interval_starts, local_instants, utc_iso

INTERVAL_COLUMNS = ("team", "start", "offered", "answered", "abandoned", "handled", "handle_s", "wait_s")
CALL_COLUMNS = ("type", "arrival", "vru_s", "queue_start", "wait_s", "outcome", "service_s")

_MOST_PROBLEMS = 100
_QUEUE_LOG_FIELDS = 5
_SEPARATORS = ",;\t"
_FOR_EVER = float("inf")

_Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Problem:
    """One line that can't be read: its number, from 1, and why."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """Nothing was taken over because of these lines (the first hundred)."""

    problems: tuple[Problem, ...]


def read_interval_csv(
    lines: Iterable[str], grid: Grid, *, now: float = _FOR_EVER
) -> dict[str, History] | Rejected:
    """Return a history per team from lines of separated values, one interval each.

    The first line names the columns, in any order, separated by commas, semicolons or tabs: `team`, `start`
    and `offered`, and where known `answered` (those not abandoned when it is missing), `abandoned`, `handled`
    (contacts with a known handle time; the answered when it is missing), `handle_s` and `wait_s` (seconds in
    all, of the abandoned too). `start` is ISO 8601; without an offset it is the site's clock: in an hour that
    a clock change repeats the first line of a team is the earlier interval, its second one the later.
    Left-out intervals are unknown, so write zeros for quiet ones. What begins after `now` is no history.
    """
    rows: dict[str, dict[int, list[float]]] = {}

    def take(row: _Row) -> None:
        team, starts, values = _interval_row(row, grid)
        own = rows.setdefault(team, {})
        start = next((each for each in starts if each not in own), None)
        if start is None:
            raise ValueError(f"{team!r} already has the interval {row['start']}")
        _check_past(start, now)
        own[start] = values

    problems = _each_row(lines, {"team", "start", "offered"}, take)
    if problems:
        return Rejected(problems)
    return {team: _history(team, grid, intervals) for team, intervals in sorted(rows.items())}


def interval_minutes_of(lines: Iterable[str], grid: Grid) -> int | None:
    """Return how long the intervals of `read_interval_csv`'s lines are, by where they begin.

    15 or 30 where a line begins at such a part of an hour of the site's clock; 60 where all begin with an
    hour and some of a team follow each other by an hour; None where that can't be told.
    """
    starts: dict[str, set[int]] = {}

    def take(row: _Row) -> None:
        starts.setdefault(row["team"], set()).add(round(_instants(row["start"], grid)[0]))

    _each_row(lines, {"team", "start"}, take)
    quarters = Grid(grid.zone, 15)
    all_of_them = sorted({at for each in starts.values() for at in each})
    if any(at != int(interval_starts(quarters, at)) for at in all_of_them):
        return None
    for minutes in (60, 30):
        if all(at == int(interval_starts(Grid(grid.zone, minutes), at)) for at in all_of_them):
            gaps = {b - a for each in starts.values() for a, b in pairwise(sorted(each))}
            return minutes if minutes == 30 or 3600 in gaps else None
    return 15


def read_call_csv(
    lines: Iterable[str], grid: Grid, *, teams: Mapping[str, str] | None = None, now: float = _FOR_EVER
) -> list[CallRecord] | Rejected:
    """Return the calls that asked for an agent, from a CSV laid out as the Anonymous Bank's call records.

    Columns used: `type` (names the team, through `teams` where given), `arrival` and `queue_start` (site's
    clock), `vru_s`, `wait_s`, `outcome` (AGENT, HANG, PHANTOM) and `service_s`. A caller who hung up without
    a `queue_start` never asked for an agent and is left out, as are phantoms. What comes after `now` is no
    history.
    """
    records: list[CallRecord] = []

    def take(row: _Row) -> None:
        record = _call_row(row, grid, teams or {})
        if record is not None:
            _check_past(record.offered_at, now)
            records.append(record)

    problems = _each_row(lines, set(CALL_COLUMNS), take)
    return Rejected(problems) if problems else records


def read_queue_log(lines: Iterable[str], *, now: float = _FOR_EVER) -> list[CallRecord] | Rejected:
    """Return the calls of an Asterisk queue_log, in order of their end; the queue is the team.

    A line is `time|call|queue|agent|event|data...`, time in UTC epoch seconds. A call counts where it entered
    a queue (ENTERQUEUE). CONNECT answers it; COMPLETEAGENT and COMPLETECALLER end it with its talk time;
    transfers end it at their time; ABANDON is an abandonment; EXITEMPTY, EXITWITHKEY and EXITWITHTIMEOUT flow
    it out. Calls that entered before the log begins are left out; those still waiting at its end count as
    flowed out, those still talking as answered with an unknown handle time. Events of agents (PAUSE and so
    on) are passed over. What comes after `now` is no history.
    """
    waiting: dict[tuple[str, str], float] = {}
    talking: dict[tuple[str, str], tuple[float, float, float]] = {}
    records: list[CallRecord] = []
    problems = []
    last = 0.0
    for number, line in enumerate(lines, start=1):
        fields = line.strip().split("|")
        if fields == [""]:
            continue
        try:
            last = _queue_event(fields, waiting, talking, records)
            _check_past(last, now)
        except ValueError as error:
            problems.append(Problem(number, str(error)))
    if problems:
        return Rejected(tuple(problems[:_MOST_PROBLEMS]))
    for (_, queue), (entered, wait_s, _) in talking.items():
        records.append(CallRecord(queue, entered, wait_s))
    for (_, queue), entered in waiting.items():
        records.append(CallRecord(queue, entered, max(last - entered, 0.0), None, False, False))
    return records


def _each_row(lines: Iterable[str], needed: set[str], take: Callable[[_Row], None]) -> tuple[Problem, ...]:
    """Give each row to `take` by lower-case column names; return what is wrong with the file, if anything."""
    rest = iter(lines)
    header = next(rest, "")
    separator = max(_SEPARATORS, key=header.count)
    names = [name.strip().lower() for name in next(csv.reader([header], delimiter=separator), [])]
    if needed - set(names):
        missing = ", ".join(sorted(needed - set(names)))
        return (Problem(1, f"columns missing: {missing}; the first line names {', '.join(names)[:200]}"),)
    twice = [name for name, times in Counter(names).items() if name and times > 1]
    if twice:
        return (Problem(1, f"columns named twice: {', '.join(twice)}"),)
    problems: list[Problem] = []
    reader = csv.reader(rest, delimiter=separator)

    def line() -> int:
        return reader.line_num + 1

    for row in _rows_of(reader, problems, line):
        try:
            if len(row) > len(names):
                raise ValueError(f"{len(row)} fields where the first line names {len(names)}")
            take(dict(zip(names, [*row, *[""] * (len(names) - len(row))], strict=True)))
        except ValueError as error:
            problems.append(Problem(line(), str(error)))
    return tuple(problems[:_MOST_PROBLEMS])


def _rows_of(
    reader: Iterable[list[str]], problems: list[Problem], line: Callable[[], int]
) -> Iterator[list[str]]:
    """Yield the rows that are not empty; where the text stops being CSV, say so and end."""
    try:
        yield from (row for row in reader if row)
    except csv.Error as error:
        problems.append(Problem(line(), f"is no CSV ({error}); a quotation mark may be open"))


def _check_past(at: float, now: float) -> None:
    if at > now:
        raise ValueError(f"{utc_iso(round(at))} is still to come, so it can't be history")


def _interval_row(row: _Row, grid: Grid) -> tuple[str, tuple[int, ...], list[float]]:
    """Return the team, the intervals that a row may mean, and its sums."""
    team = row["team"].strip()
    if not team:
        raise ValueError("team is empty")
    starts = _interval_of(row["start"], grid)
    offered = _number(row, "offered")
    abandoned = _number(row, "abandoned", 0.0)
    answered = _number(row, "answered", max(offered - abandoned, 0.0))
    if answered + abandoned > offered:
        raise ValueError("more answered and abandoned than offered")
    handle_s = _number(row, "handle_s", 0.0)
    handled = _number(row, "handled", answered if row.get("handle_s") else 0.0)
    if handle_s > 0 and handled == 0:
        raise ValueError("handle seconds without a contact")
    return team, starts, [offered, answered, abandoned, handled, handle_s, _number(row, "wait_s", 0.0)]


@lru_cache(maxsize=100_000)
def _interval_of(text: str, grid: Grid) -> tuple[int, ...]:
    starts = tuple(round(at) for at in _instants(text, grid))
    if any(at != int(interval_starts(grid, at)) for at in starts):
        raise ValueError(f"{text} is not the start of an interval of {grid.minutes} minutes")
    return starts


def _history(team: str, grid: Grid, intervals: Mapping[int, list[float]]) -> History:
    starts = sorted(intervals)
    columns = np.array([intervals[start] for start in starts]).T
    return History(team, grid, np.array(starts, dtype=np.int64), *columns)


def _call_row(row: _Row, grid: Grid, teams: Mapping[str, str]) -> CallRecord | None:
    outcome = row["outcome"]
    if outcome not in ("AGENT", "HANG", "PHANTOM"):
        raise ValueError(f"outcome is {outcome!r}, not AGENT, HANG or PHANTOM")
    queued = row["queue_start"]
    if outcome == "PHANTOM" or (outcome == "HANG" and not queued):
        return None
    kind = row["type"]
    menu_s = 0.0 if queued else _menu_s(row)
    at = _instants(queued or row["arrival"], grid)[0] + menu_s
    wait_s = _number(row, "wait_s")
    answered = outcome == "AGENT"
    handle_s = _number(row, "service_s") if answered else None
    return CallRecord(teams.get(kind, kind), at, wait_s, handle_s, answered, not answered)


def _queue_event(
    fields: list[str],
    waiting: dict[tuple[str, str], float],
    talking: dict[tuple[str, str], tuple[float, float, float]],
    records: list[CallRecord],
) -> float:
    """Apply one line to the open calls, add the call that it ends to `records`, and return its time."""
    if len(fields) < _QUEUE_LOG_FIELDS:
        raise ValueError(f"{len(fields)} fields; a line has time|call|queue|agent|event|data")
    try:
        at = float(fields[0])
    except ValueError:
        raise ValueError(f"the time {fields[0]!r} is no number of seconds") from None
    call, queue, event, data = (fields[1], fields[2]), fields[2], fields[4], fields[5:]
    if event == "ENTERQUEUE":
        waiting[call] = at
    elif event == "CONNECT" and call in waiting:
        entered = waiting.pop(call)
        talking[call] = (entered, _field(data, 0, event, default=at - entered), at)
    elif event in _ENDS and call in talking:
        entered, wait_s, connected = talking.pop(call)
        records.append(CallRecord(queue, entered, wait_s, _ENDS[event](data, event, at - connected)))
    elif event in _LEAVES and call in waiting:
        entered = waiting.pop(call)
        wait_s = _field(data, _LEAVES[event], event, default=at - entered)
        records.append(CallRecord(queue, entered, wait_s, None, False, event == "ABANDON"))
    return at


def _talk_time(data: list[str], event: str, since_connect_s: float) -> float:
    return _field(data, 1, event, default=since_connect_s)


def _time_since_connect(data: list[str], event: str, since_connect_s: float) -> float:
    return since_connect_s


_ENDS: dict[str, Callable[[list[str], str, float], float]] = {
    "COMPLETEAGENT": _talk_time,
    "COMPLETECALLER": _talk_time,
    "TRANSFER": _time_since_connect,
    "BLINDTRANSFER": _time_since_connect,
    "ATTENDEDTRANSFER": _time_since_connect,
}
_LEAVES = {"ABANDON": 2, "EXITEMPTY": 2, "EXITWITHTIMEOUT": 2, "EXITWITHKEY": 3}
"""Events that end a wait, with the place of the wait among their data."""


def _menu_s(row: _Row) -> float:
    """Return the seconds in the voice menu; the recorded ones are negative now and then."""
    try:
        return max(float(row["vru_s"] or 0), 0.0)
    except ValueError:
        raise ValueError(f"vru_s is {row['vru_s']!r}, not a number") from None


def _field(data: list[str], place: int, event: str, *, default: float) -> float:
    if place >= len(data) or not data[place]:
        return default
    try:
        seconds = float(data[place])
    except ValueError:
        raise ValueError(f"{event} has {data[place]!r} where seconds stand") from None
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"{event} has {data[place]} seconds")
    return seconds


def _number(row: _Row, name: str, default: float | None = None) -> float:
    text = row.get(name, "").strip()
    if not text and default is not None:
        return default
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r}, not a number") from None
    if not 0 <= value < float("inf"):
        raise ValueError(f"{name} is {text}, not a number from 0")
    return value


def _instants(text: str, grid: Grid) -> tuple[float, ...]:
    """Return the instant that a text names; two of them where the site's clock shows it twice."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text!r} is no ISO 8601 time, such as 2026-03-02T08:00") from None
    if moment.tzinfo is not None:
        return (moment.astimezone(UTC).timestamp(),)
    found = local_instants(grid, moment.date(), moment.time())
    if not found:
        raise ValueError(f"the clock of {grid.zone} skips {text}; write it with its offset, as +01:00")
    return found
