"""How a proposal of the day changes the roster: one shift moved, lengthened, shortened, lent, trained in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

from app.db import day_changes, plans
from app.db.engine import Connection
from app.db.plans import TRAINING, AssignmentRow, PlanRow
from app.errors import WrongStateError
from app.planning.requests import replace_published
from app.planning.standing import Standing, read_standing

Work = list[tuple[str, float, float]]


def plans_of(conn: Connection, on: str) -> list[PlanRow]:
    """Return the published plans with shifts on a date, one that begins the evening before included."""
    return plans.published_around(conn, (date.fromisoformat(on) - timedelta(days=7)).isoformat(), on)


def read_standing_of(conn: Connection, on: str, today_on: str, seen: Sequence[int]) -> Standing:
    """Return the published plan with the shifts of date `on`; WrongStateError unless it is one of `seen`."""
    rows = plans_of(conn, today_on)
    row = next((row for row in reversed(rows) if row.week_on <= on), None)
    if row is None or [each.id for each in rows] != list(seen):
        raise WrongStateError("The roster has changed since this was proposed; look at the day again.")
    return read_standing(conn, row)


def changed_by(
    standing: Standing, action: dict[str, Any], who: dict[str, Any], *, now: float
) -> list[AssignmentRow]:
    """Return a plan's shifts after a proposal about the shift of `who` (`agent` and `on`).

    WrongStateError where there is no such shift, or what would change has begun.
    """
    shift = next((s for s in standing.shifts if (s.agent_id, s.on) == (who["agent"], who["on"])), None)
    if shift is None:
        raise WrongStateError(f"{who['agent']} has no shift on {who['on']} any more.")
    source, target = (instant(who[name]) if who[name] else 0.0 for name in ("from", "to"))
    match action["kind"]:
        case "move_break":
            new, begins_at = with_break_moved(shift, source, target), min(source, target)
        case "lend":
            begins_at = instant(action["starts_at"])
            new = with_team(shift, action["team"], begins_at, instant(action["ends_at"]))
        case "training":
            new, begins_at = with_training(shift, source, target), source
        case _:
            new, begins_at = with_edge_moved(shift, action["team"], source, target), min(source, target)
    if begins_at <= now:
        raise WrongStateError("It is too late for that: what would change has begun. Look at the day again.")
    return [new if each is shift else each for each in standing.shifts]


def carry_out(
    conn: Connection, standing: Standing, shifts: list[AssignmentRow], values: dict[str, Any]
) -> int:
    """Publish the changed shifts as the next version and record what was done; return the record's id."""
    note = f"today: {values['text']}" + (f" ({values['reason']})" if values["reason"] else "")
    plan_id = replace_published(
        conn, standing, shifts, now=values["made_at"], actor=values["made_by"], note=note[:200]
    )
    return day_changes.add_change(conn, values | {"plan_id": plan_id})


def with_break_moved(shift: AssignmentRow, since: float, to: float) -> AssignmentRow:
    """Return a shift with the break that begins at `since` beginning at `to`."""
    moved = [
        (name, to, to + until - begin) if begin == since else (name, begin, until)
        for name, begin, until in shift.breaks
    ]
    breaks = sorted(moved, key=lambda each: each[1])
    if moved == shift.breaks:
        raise WrongStateError("There is no such break any more.")
    if any(until > begin for (_, _, until), (_, begin, _) in pairwise(breaks)) or (
        breaks[0][1] < shift.starts_at or breaks[-1][2] > shift.ends_at
    ):
        raise WrongStateError("The break would meet another one, or lie outside the shift.")
    return replace(shift, breaks=breaks, work=_without(_whole(shift), breaks))


def with_training(shift: AssignmentRow, since: float, until: float) -> AssignmentRow:
    """Return a shift with a training from `since` to `until` in place of work."""
    if not any(begin <= since and until <= end for _, begin, end in shift.work):
        raise WrongStateError("There is no work any more in place of which the training could be.")
    breaks = sorted([*shift.breaks, (TRAINING, since, until)], key=lambda each: each[1])
    return replace(shift, breaks=breaks, work=_without(list(shift.work), [(TRAINING, since, until)]))


def with_team(shift: AssignmentRow, team: str, since: float, until: float) -> AssignmentRow:
    """Return a shift whose work from `since` to `until` is for `team`; breaks stay."""
    work = [*_clipped(shift.work, 0.0, since), *_clipped(shift.work, until, shift.ends_at)]
    lent = [(team, begin, end) for _, begin, end in _clipped(shift.work, since, until)]
    return replace(shift, work=_joined([*work, *lent]))


def with_edge_moved(shift: AssignmentRow, team: str, source: float, target: float) -> AssignmentRow:
    """Return a shift whose beginning or end (`source`) lies at `target`; what is added is work for `team`."""
    if source not in (shift.starts_at, shift.ends_at):
        raise WrongStateError("The shift is not what it was any more.")
    begin, end = (target, shift.ends_at) if source == shift.starts_at else (shift.starts_at, target)
    breaks = [each for each in shift.breaks if begin < each[1] and each[2] < end]
    whole = [(team, begin, shift.starts_at), *_whole(shift), (team, shift.ends_at, end)]
    work = _without(_clipped(whole, begin, end), breaks)
    return replace(shift, starts_at=begin, ends_at=end, breaks=breaks, work=work)


def instant(text: str) -> float:
    """Return an RFC 3339 instant as epoch seconds."""
    return datetime.fromisoformat(text).timestamp()


def _whole(shift: AssignmentRow) -> Work:
    """Return a shift's work as if nobody took a break: each piece goes on until the next."""
    work = sorted(shift.work, key=lambda each: each[1])
    if not work:
        return []
    begins = [shift.starts_at, *(begin for _, begin, _ in work[1:]), shift.ends_at]
    return [(team, begin, end) for (team, _, _), (begin, end) in zip(work, pairwise(begins), strict=True)]


def _clipped(work: Iterable[tuple[str, float, float]], since: float, until: float) -> Work:
    """Return the parts of work between two instants."""
    parts = ((team, max(begin, since), min(end, until)) for team, begin, end in work)
    return [each for each in parts if each[1] < each[2]]


def _without(work: Work, breaks: Iterable[tuple[str, float, float]]) -> Work:
    for _, since, until in breaks:
        work = [*_clipped(work, 0.0, since), *_clipped(work, until, float("inf"))]
    return _joined(work)


def _joined(work: Work) -> Work:
    """Return work in order, pieces of one team that touch as one."""
    found: Work = []
    for team, begin, end in sorted(work, key=lambda each: each[1]):
        if found and found[-1][0] == team and found[-1][2] == begin:
            found[-1] = (team, found[-1][1], end)
        else:
            found.append((team, begin, end))
    return found
