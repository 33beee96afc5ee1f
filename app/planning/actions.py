"""What to do about a gap of today's roster: move a break, lend, extend a shift, overflow, time off, train.

Each action says what it does to the service level of the intervals it helps (or, for time off and training,
costs).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from app.db.plans import TRAINING, AssignmentRow
from app.planning.people import Person
from staffing.intervals import Starts, utc_iso

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MOST: Final = 12
_IDENTITY: Final = ("kind", "team", "agent", "to_team", "starts_at", "ends_at", "from", "to", "agents")
_OVERTIME_S: Final = 2 * 3600.0
_SPARE: Final = 2
_SPARE_S: Final = 3600.0
_LEAST_S: Final = 2 * 3600.0
"""What stays of a shift that is made shorter, at least."""
_WORTH_S: Final = 1800.0
"""Time off that is worth a change of the roster, at least."""
_TRAINING_S: Final = 3600


@dataclass(frozen=True, slots=True)
class Gaps:
    """A team's day, one value per interval.

    Args:
        team: The team.
        starts: Interval starts, UTC epoch seconds.
        step_s: Length of an interval.
        volume: Contacts expected.
        staffed: People on the roster.
        wanted: People needed, shrinkage included.
        gap: Staffed less wanted; below 0 somebody is missing.
        level: Service level by interval for people on the roster by interval.
    """

    team: str
    starts: Starts
    step_s: int
    volume: Floats
    staffed: Ints
    wanted: Ints
    gap: Ints
    level: Callable[[Floats], Floats]


def recommended(
    gaps: Gaps,
    others: Sequence[Gaps],
    shifts: Sequence[AssignmentRow],
    people: Sequence[Person],
    *,
    now: float,
    zone: str = "UTC",
) -> list[dict[str, Any]]:
    """Return actions for the intervals to come, in order of time, the most helpful of each gap first.

    Each has an `id` (the same for the same proposal), `kind` (move_break, lend, overtime, overflow,
    time_off, training), `agent` and `name` where it is about one, `on` (the date of that one's shift), `from`
    and `to` (where a break begins now and then, where a shift is made longer, or when a training is),
    `to_team` for an overflow, `starts_at` and `ends_at` of the intervals meant, `agents` (how many), `who`
    could take time off or be trained [{agent, name, on, from, to, text}], `text` with people's names
    and times of the site's clock, and the service level before and after.
    """
    words = _Words({person.id: person.name for person in people}, ZoneInfo(zone))
    found: list[dict[str, Any]] = []
    ahead = gaps.starts > now
    for span in _spans(ahead & (gaps.gap < 0)):
        options = [
            *_breaks(gaps, span, shifts, words),
            *_loans(gaps, span, others, shifts, people, words),
            *_overtime(gaps, span, shifts, people, words),
            *_overflows(gaps, span, others),
        ]
        found += [
            each | {"name": words.names.get(each["agent"])}
            for each in sorted(options, key=lambda each: -each["gain"])[:3]
        ]
    for span in _spans(ahead & _spare(gaps)):
        if len(span) * gaps.step_s >= _SPARE_S:
            found += [_time_off(gaps, span, shifts, words), *_training(gaps, span, shifts, words)]
    return [each | {"id": _id_of(each)} for each in found[:_MOST]]


@dataclass(frozen=True, slots=True)
class _Words:
    """People's names by id, and the clock that people read."""

    names: dict[str, str]
    zone: ZoneInfo

    def name(self, agent_id: str) -> str:
        return self.names.get(agent_id, agent_id)

    def clock(self, at: float) -> str:
        return datetime.fromtimestamp(at, self.zone).strftime("%H:%M")


def _breaks(
    gaps: Gaps, span: Ints, shifts: Iterable[AssignmentRow], words: _Words
) -> Iterable[dict[str, Any]]:
    """Yield breaks inside the span that could lie where people are to spare."""
    for shift in shifts:
        for name, since, until in shift.breaks:
            hit = span[(gaps.starts[span] < until) & (gaps.starts[span] + gaps.step_s > since)]
            if not len(hit) or not _works_for(shift, gaps.team, since):
                continue
            spare = np.flatnonzero(
                (gaps.gap >= 1)
                & (gaps.starts >= max(shift.starts_at + 3600, gaps.starts[span[0]] - _OVERTIME_S))
                & (
                    gaps.starts + gaps.step_s
                    <= min(shift.ends_at - 3600, gaps.starts[span[-1]] + _OVERTIME_S)
                )
            )
            if len(spare):
                to = int(gaps.starts[min(spare, key=lambda i: abs(gaps.starts[i] - since))])
                text = f"move the {name} of {words.name(shift.agent_id)} to {words.clock(to)}"
                yield _action(gaps, "move_break", hit, 1, text=text, shift=shift, edge=(since, to))


def _loans(
    gaps: Gaps,
    span: Ints,
    others: Iterable[Gaps],
    shifts: Sequence[AssignmentRow],
    people: Iterable[Person],
    words: _Words,
) -> Iterable[dict[str, Any]]:
    """Yield people who work for a team with people to spare and can work for this one too."""
    able = {person.id for person in people if gaps.team in person.teams}
    for other in others:
        free = np.zeros(len(gaps.starts), dtype=np.bool_)
        free[span] = other.gap[span] >= 1
        for part in sorted(_spans(free), key=len, reverse=True)[:1]:
            since, until = float(gaps.starts[part[0]]), float(gaps.starts[part[-1]] + gaps.step_s)
            lender = next(
                (
                    each
                    for each in shifts
                    if each.agent_id in able and _serves(each, other.team, since, until)
                ),
                None,
            )
            if lender is not None:
                text = f"{words.name(lender.agent_id)} helps out from {other.team}"
                yield _action(gaps, "lend", part, 1, text=text, shift=lender)


def _overtime(
    gaps: Gaps, span: Ints, shifts: Iterable[AssignmentRow], people: Iterable[Person], words: _Words
) -> Iterable[dict[str, Any]]:
    """Yield shifts that end shortly before the span, or begin shortly after it, and could be longer."""
    able = {person.id for person in people if gaps.team in person.teams}
    since, until = float(gaps.starts[span[0]]), float(gaps.starts[span[-1]] + gaps.step_s)
    if until - since > _OVERTIME_S:
        span = span[gaps.starts[span] < since + _OVERTIME_S]
        until = float(gaps.starts[span[-1]] + gaps.step_s)
    for shift in shifts:
        if shift.agent_id not in able:
            continue
        if since - 60 <= shift.ends_at < until and until - shift.ends_at <= _OVERTIME_S:
            text, edge = (
                f"{words.name(shift.agent_id)} stays until {words.clock(until)}",
                (shift.ends_at, until),
            )
        elif since < shift.starts_at <= until + 60 and shift.starts_at - since <= _OVERTIME_S:
            text, edge = (
                f"{words.name(shift.agent_id)} begins at {words.clock(since)}",
                (shift.starts_at, since),
            )
        else:
            continue
        yield _action(gaps, "overtime", span, 1, text=text, shift=shift, edge=edge)
        return


def _time_off(gaps: Gaps, span: Ints, shifts: Iterable[AssignmentRow], words: _Words) -> dict[str, Any]:
    """Return that people could go home or come late, and who."""
    spare = int(gaps.gap[span].min()) - 1
    who = list(_leavers(gaps, span, shifts, words))
    return _action(gaps, "time_off", span, -spare, text=f"{spare} could go home or come later") | {
        "name": None,
        "who": who,
    }


def _training(
    gaps: Gaps, span: Ints, shifts: Iterable[AssignmentRow], words: _Words
) -> Iterable[dict[str, Any]]:
    """Yield an hour in which people could be trained: where most are to spare, within their shifts."""
    long = max(_TRAINING_S // gaps.step_s, 1)
    starts = range(len(span) - long + 1)
    best = max(starts, key=lambda i: (int(gaps.gap[span[i : i + long]].min()), -i))
    hour = span[best : best + long]
    since, until = float(gaps.starts[hour[0]]), float(gaps.starts[hour[-1]] + gaps.step_s)
    spare = int(gaps.gap[hour].min()) - 1
    hours = f"from {words.clock(since)} to {words.clock(until)}"
    who = [
        {
            "agent": shift.agent_id,
            "name": words.name(shift.agent_id),
            "text": f"{words.name(shift.agent_id)} is trained {hours}",
            **_moved(shift, (since, until)),
        }
        for shift in shifts
        if _serves(shift, gaps.team, since, until) and all(name != TRAINING for name, _, _ in shift.breaks)
    ]
    if who:
        text = f"{min(spare, len(who))} could be trained {hours}"
        found = _action(gaps, "training", hour, -min(spare, len(who)), text=text)
        yield found | {"name": None, "who": who}


def _leavers(
    gaps: Gaps, span: Ints, shifts: Iterable[AssignmentRow], words: _Words
) -> Iterable[dict[str, Any]]:
    """Yield who could go home early or begin late, and when.

    The shift's end (or beginning) and every interval until then (from then on) must be such that one may be
    missing; all of them but single ones in between have more to spare. Two hours of the shift stay.
    """
    first, last = _reach(gaps, span)
    since, until = float(gaps.starts[first]), float(gaps.starts[last] + gaps.step_s)
    for shift in shifts:
        leaves = max(since, _up(shift.starts_at + _LEAST_S, gaps))
        comes = min(until, _down(shift.ends_at - _LEAST_S, gaps))
        name = words.name(shift.agent_id)
        if since < shift.ends_at <= until and shift.ends_at - leaves >= _WORTH_S:
            edge, text = (shift.ends_at, leaves), f"{name} goes home at {words.clock(leaves)}"
        elif since <= shift.starts_at < until and comes - shift.starts_at >= _WORTH_S:
            edge, text = (shift.starts_at, comes), f"{name} begins at {words.clock(comes)}"
        else:
            continue
        begin, end = sorted(edge)
        if {team for team, start, stop in shift.work if start < end and stop > begin} == {gaps.team}:
            yield {"agent": shift.agent_id, "name": name, "text": text, **_moved(shift, edge)}


def _spare(gaps: Gaps) -> NDArray[np.bool_]:
    """Return in which intervals people are to spare."""
    return np.asarray((gaps.gap >= _SPARE) & (gaps.staffed > 0))


def _reach(gaps: Gaps, span: Ints) -> tuple[int, int]:
    """Return the first and last interval of a spare span and of those beside it, past a single tight one."""
    spare = _spare(gaps)
    first, last = int(span[0]), int(span[-1])
    while last + 2 < len(spare) and spare[last + 2] and gaps.gap[last + 1] >= 1:
        last += 2
        while last + 1 < len(spare) and spare[last + 1]:
            last += 1
    return first, last


def _up(at: float, gaps: Gaps) -> float:
    """Return the first beginning of an interval from an instant on."""
    later = gaps.starts[gaps.starts >= at]
    return float(later[0]) if len(later) else float(gaps.starts[-1] + gaps.step_s)


def _down(at: float, gaps: Gaps) -> float:
    """Return the last beginning of an interval up to an instant."""
    earlier = gaps.starts[gaps.starts <= at]
    return float(earlier[-1]) if len(earlier) else float(gaps.starts[0])


def _overflows(gaps: Gaps, span: Ints, others: Iterable[Gaps]) -> Iterable[dict[str, Any]]:
    """Yield teams with people to spare who could take contacts that wait here, at what it costs them."""
    for other in others:
        free = np.zeros(len(gaps.starts), dtype=np.bool_)
        free[span] = other.gap[span] >= 1
        for part in sorted(_spans(free), key=len, reverse=True)[:1]:
            many = int(min(other.gap[part].min(), (-gaps.gap[part]).max()))
            text = f"let contacts that wait overflow to {other.team}, which has {many} to spare"
            found = _action(gaps, "overflow", part, many, text=text)
            cost = -_action(other, "overflow", part, -many, text=text)["gain"]
            yield found | {"to_team": other.team, "gain": round(found["gain"] - cost, 4)}


def _action(
    gaps: Gaps,
    kind: str,
    span: Ints,
    change: int,
    *,
    text: str,
    shift: AssignmentRow | None = None,
    edge: tuple[float, float] | None = None,
) -> dict[str, Any]:
    people = gaps.staffed.astype(np.float64)
    weights = gaps.volume[span]
    before = gaps.level(people)[span]
    people[span] = np.maximum(people[span] + change, 0)
    after = gaps.level(people)[span]
    total = float(weights.sum()) or 1.0
    levels = [float((each * weights).sum()) / total for each in (before, after)]
    return {
        "kind": kind,
        "team": gaps.team,
        "agent": shift.agent_id if shift is not None else None,
        "agents": abs(change),
        "starts_at": utc_iso(int(gaps.starts[span[0]])),
        "ends_at": utc_iso(int(gaps.starts[span[-1]] + gaps.step_s)),
        **_moved(shift, edge),
        "to_team": None,
        "who": [],
        "text": text,
        "service_level_before": round(levels[0], 4),
        "service_level_after": round(levels[1], 4),
        "gain": round(float(((after - before) * weights).sum()), 4),
    }


def _moved(shift: AssignmentRow | None, edge: tuple[float, float] | None) -> dict[str, str | None]:
    """Return which shift is changed, and what of it is moved from where to where."""
    source, target = (utc_iso(int(at)) for at in edge) if edge is not None else (None, None)
    return {"on": shift.on if shift is not None else None, "from": source, "to": target}


def _id_of(action: dict[str, Any]) -> str:
    said = (str(action[name]) for name in _IDENTITY)
    return hashlib.blake2s("|".join(said).encode(), digest_size=6).hexdigest()


def _serves(shift: AssignmentRow, team: str, since: float, until: float) -> bool:
    """Whether the agent works for the team all that time."""
    return any(each == team and begin <= since and end >= until for each, begin, end in shift.work)


def _works_for(shift: AssignmentRow, team: str, at: float) -> bool:
    """Whether the agent works for the team before or after a break."""
    return any(each == team for each, since, until in shift.work if since - 3600 <= at <= until + 3600)


def _spans(where: NDArray[np.bool_]) -> list[Ints]:
    """Return the runs of intervals where something holds, as positions."""
    marked = np.flatnonzero(where)
    if not len(marked):
        return []
    return [np.asarray(part) for part in np.split(marked, np.flatnonzero(np.diff(marked) > 1) + 1)]
