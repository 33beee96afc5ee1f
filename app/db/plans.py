"""Queries about plans: drafts and published rosters of a week, in versions, with their assignments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from app.db.engine import Connection
from app.db.schema import plan, plan_assignment


@dataclass(frozen=True, slots=True)
class PlanRow:
    """A plan without its assignments; `data` as app.planning.rostering writes it."""

    id: int
    week_on: str
    days: int
    version: int
    state: str
    run_id: int | None
    made_at: float
    made_by: str
    published_at: float | None
    published_by: str | None
    note: str
    data: dict[str, Any]


TRAINING: Final = "training"
"""Name of a training among a shift's breaks, and of the presence that keeps to it."""


@dataclass(frozen=True, slots=True)
class AssignmentRow:
    """One agent's shift on one date; breaks and work are [name, since, until]."""

    agent_id: str
    on: str
    shift: str
    starts_at: float
    ends_at: float
    locked: bool
    breaks: list[tuple[str, float, float]]
    work: list[tuple[str, float, float]]


_PLAN: Final[tuple[Any, ...]] = (
    plan.c.id,
    plan.c.week_on,
    plan.c.days,
    plan.c.version,
    plan.c.state,
    plan.c.run_id,
    plan.c.made_at,
    plan.c.made_by,
    plan.c.published_at,
    plan.c.published_by,
    plan.c.note,
    plan.c.data,
)
_ASSIGNMENT: Final[tuple[Any, ...]] = (
    plan_assignment.c.agent_id,
    plan_assignment.c.on,
    plan_assignment.c.shift,
    plan_assignment.c.starts_at,
    plan_assignment.c.ends_at,
    plan_assignment.c.locked,
    plan_assignment.c.data,
)


def add_plan(
    conn: Connection,
    week_on: str,
    days: int,
    data: dict[str, Any],
    assignments: list[AssignmentRow],
    *,
    run_id: int | None,
    made_at: float,
    made_by: str,
    note: str = "",
) -> tuple[int, int]:
    """Store a draft as the next version of its week; return its id and version."""
    latest = conn.scalar(sa.select(sa.func.max(plan.c.version)).where(plan.c.week_on == week_on))
    version = (latest or 0) + 1
    plan_id: int = conn.execute(
        sa.insert(plan)
        .values(
            week_on=week_on,
            days=days,
            version=version,
            state="draft",
            run_id=run_id,
            made_at=made_at,
            made_by=made_by,
            note=note,
            data=msgspec.json.encode(data).decode(),
        )
        .returning(plan.c.id)
    ).scalar_one()
    put_assignments(conn, plan_id, assignments)
    return plan_id, version


def put_assignments(conn: Connection, plan_id: int, assignments: list[AssignmentRow]) -> None:
    """Store all assignments of a plan in place of those before."""
    conn.execute(sa.delete(plan_assignment).where(plan_assignment.c.plan_id == plan_id))
    rows = [
        {
            "plan_id": plan_id,
            "agent_id": each.agent_id,
            "on": each.on,
            "shift": each.shift,
            "starts_at": each.starts_at,
            "ends_at": each.ends_at,
            "locked": each.locked,
            "data": msgspec.json.encode([each.breaks, each.work]).decode(),
        }
        for each in assignments
    ]
    if rows:
        conn.execute(sa.insert(plan_assignment), rows)


def put_plan_data(conn: Connection, plan_id: int, data: dict[str, Any]) -> None:
    """Store what was computed of a plan in place of what was."""
    encoded = msgspec.json.encode(data).decode()
    conn.execute(sa.update(plan).where(plan.c.id == plan_id).values(data=encoded))


def find_plan(conn: Connection, plan_id: int) -> PlanRow | None:
    """Return a plan, or None."""
    return _plan(conn.execute(sa.select(*_PLAN).where(plan.c.id == plan_id)).one_or_none())


def lock_published(conn: Connection, plan_id: int) -> bool:
    """Whether a plan is published; it stays so until the transaction ends."""
    query = sa.select(plan.c.id).where(plan.c.id == plan_id, plan.c.state == "published").with_for_update()
    return conn.execute(query).one_or_none() is not None


def published_plan(conn: Connection, week_on: str) -> PlanRow | None:
    """Return the published plan of a week, or None."""
    query = sa.select(*_PLAN).where(plan.c.week_on == week_on, plan.c.state == "published")
    return _plan(conn.execute(query).one_or_none())


def published_around(conn: Connection, first_on: str, last_on: str) -> list[PlanRow]:
    """Return the published plans whose first date lies in [first_on, last_on], by date."""
    query = (
        sa.select(*_PLAN)
        .where(plan.c.week_on >= first_on, plan.c.week_on <= last_on, plan.c.state == "published")
        .order_by(plan.c.week_on)
    )
    return [found for row in conn.execute(query) if (found := _plan(row)) is not None]


def list_plans(
    conn: Connection, *, before: int | None, limit: int, week_on: str | None = None, state: str | None = None
) -> list[PlanRow]:
    """Return up to `limit` plans with an id below `before`, newest first."""
    query = sa.select(*_PLAN).order_by(plan.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(plan.c.id < before)
    if week_on is not None:
        query = query.where(plan.c.week_on == week_on)
    if state is not None:
        query = query.where(plan.c.state == state)
    return [found for row in conn.execute(query) if (found := _plan(row)) is not None]


def list_assignments(conn: Connection, plan_id: int, agent_id: str | None = None) -> list[AssignmentRow]:
    """Return a plan's assignments, by agent and date."""
    t = plan_assignment.c
    query = sa.select(*_ASSIGNMENT).where(t.plan_id == plan_id).order_by(t.agent_id, t.on)
    if agent_id is not None:
        query = query.where(t.agent_id == agent_id)
    return [_assignment(row) for row in conn.execute(query)]


def published_shifts(
    conn: Connection, start: float, end: float, agent_id: str | None = None
) -> list[AssignmentRow]:
    """Return the shifts of published plans that touch [start, end), by agent and date."""
    t = plan_assignment.c
    query = (
        sa.select(*_ASSIGNMENT)
        .join(plan, plan.c.id == t.plan_id)
        .where(plan.c.state == "published", t.ends_at > start, t.starts_at < end)
        .order_by(t.agent_id, t.on)
    )
    if agent_id is not None:
        query = query.where(t.agent_id == agent_id)
    return [_assignment(row) for row in conn.execute(query)]


def publish_plan(conn: Connection, plan_id: int, *, now: float, actor: str) -> bool:
    """Publish a draft; the published plan of the same week is superseded. False when it is no draft."""
    week_on = conn.scalar(
        sa.select(plan.c.week_on).where(plan.c.id == plan_id, plan.c.state == "draft").with_for_update()
    )
    if week_on is None:
        return False
    conn.execute(
        sa.update(plan)
        .where(plan.c.week_on == week_on, plan.c.state == "published")
        .values(state="superseded")
    )
    conn.execute(
        sa.update(plan)
        .where(plan.c.id == plan_id)
        .values(state="published", published_at=now, published_by=actor)
    )
    return True


def delete_draft(conn: Connection, plan_id: int) -> bool:
    """Throw a draft away; False when it is no draft."""
    draft = conn.scalar(sa.select(plan.c.id).where(plan.c.id == plan_id, plan.c.state == "draft"))
    if draft is None:
        return False
    conn.execute(sa.delete(plan_assignment).where(plan_assignment.c.plan_id == plan_id))
    conn.execute(sa.delete(plan).where(plan.c.id == plan_id))
    return True


def _plan(row: Any) -> PlanRow | None:
    if row is None:
        return None
    values: tuple[Any, ...] = (*row[:11], msgspec.json.decode(row[11]))
    return PlanRow(*values)


def _assignment(row: Any) -> AssignmentRow:
    spells = msgspec.json.decode(row[6], type=list[list[tuple[str, float, float]]])
    values: tuple[Any, ...] = (*row[:6], *spells)
    return AssignmentRow(*values)
