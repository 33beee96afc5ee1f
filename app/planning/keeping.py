"""How closely people keep to the published roster today, from their presences."""

from __future__ import annotations

from datetime import date
from typing import Any

from app.db import plans, presences, staff
from app.db.engine import Connection
from app.db.plans import AssignmentRow
from app.planning.past import week_span
from app.planning.terms import Planning
from staffing.adherence import adherence, departure_at, schedule
from staffing.intervals import utc_iso
from staffing.rostering.model import Assignment, Spell


def adherence_of_day(
    conn: Connection, planning: Planning, on: date, *, now: float, grace_s: float
) -> list[dict[str, Any]]:
    """Return for everybody with a shift on a date how the schedule was kept up to `now`.

    Of the time before the organisation was set up nothing is known, so it counts neither way.
    """
    since, until = week_span(planning.grid, on, 1)
    known_at = staff.first_policy_at(conn) or since
    shifts = [each for each in plans.published_shifts(conn, since, until) if each.on == on.isoformat()]
    names = staff.agent_names(conn)
    real = presences.presences_since(conn, [each.agent_id for each in shifts], since)
    return [
        _kept(
            shift,
            names.get(shift.agent_id, shift.agent_id),
            real.get(shift.agent_id, []),
            known_at=known_at,
            now=now,
            grace_s=grace_s,
        )
        for shift in shifts
    ]


def _kept(
    shift: AssignmentRow,
    name: str,
    changes: list[tuple[float, str]],
    *,
    known_at: float,
    now: float,
    grace_s: float,
) -> dict[str, Any]:
    whole = schedule(
        Assignment(
            shift.agent_id,
            0,
            shift.shift,
            shift.starts_at,
            shift.ends_at,
            tuple(Spell(*spell) for spell in shift.breaks),
        )
    )
    planned = [Spell(x.activity, max(x.since, known_at), x.until) for x in whole if x.until > known_at]
    end = max(now, shift.ends_at)
    ends = [*(at for at, _ in changes[1:]), end] if changes else []
    actual = [
        Spell(presence, at, until) for (at, presence), until in zip(changes, ends, strict=True) if until > at
    ]
    cut = min(now, shift.ends_at)
    kept = adherence(planned, actual, until=cut, grace_s=grace_s)
    off = departure_at(planned, actual, now) if shift.starts_at <= now < shift.ends_at else None
    scheduled = next((spell.activity for spell in planned if spell.since <= now < spell.until), None)
    return {
        "agent": shift.agent_id,
        "name": name,
        "shift": shift.shift,
        "starts_at": utc_iso(shift.starts_at),
        "ends_at": utc_iso(shift.ends_at),
        "scheduled": scheduled,
        "presence": changes[-1][1] if changes else "offline",
        "departs_since": utc_iso(off.since) if off is not None else None,
        "adherence": _rounded(kept.adherence),
        "conformance": _rounded(kept.conformance),
        "scheduled_s": round(kept.scheduled_s),
        "adherent_s": round(kept.adherent_s),
        "departures": [
            {
                "scheduled": each.scheduled,
                "actual": each.actual,
                "since": utc_iso(each.since),
                "until": utc_iso(each.until),
            }
            for each in kept.departures
        ],
    }


def _rounded(value: float | None) -> float | None:
    return round(value, 4) if value is not None else None
