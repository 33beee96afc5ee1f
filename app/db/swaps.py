"""Queries about swaps: two agents who would like to change shifts of a published plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from app.db.engine import Connection
from app.db.schema import swap


@dataclass(frozen=True, slots=True)
class SwapRow:
    """A swap as asked for: `agent_id` gives the shift of `on`, and gets that of `other_on`, if any."""

    id: int
    plan_id: int
    agent_id: str
    on: str
    other_agent_id: str
    other_on: str | None
    state: str
    note: str
    asked_at: float
    asked_by: str
    decided_at: float | None
    decided_by: str | None
    reason: str


_SWAP: Final[tuple[Any, ...]] = (
    swap.c.id,
    swap.c.plan_id,
    swap.c.agent_id,
    swap.c.on,
    swap.c.other_agent_id,
    swap.c.other_on,
    swap.c.state,
    swap.c.note,
    swap.c.asked_at,
    swap.c.asked_by,
    swap.c.decided_at,
    swap.c.decided_by,
    swap.c.reason,
)


def add_swap(conn: Connection, values: dict[str, Any]) -> int:
    """Store a request and return its id."""
    new_id: int = conn.execute(sa.insert(swap).values(**values).returning(swap.c.id)).scalar_one()
    return new_id


def find_swap(conn: Connection, swap_id: int) -> SwapRow | None:
    """Return a swap, or None."""
    row = conn.execute(sa.select(*_SWAP).where(swap.c.id == swap_id)).one_or_none()
    return SwapRow(*row) if row is not None else None


def list_swaps(
    conn: Connection, *, state: str | None = None, agent_id: str | None = None, limit: int = 200
) -> list[SwapRow]:
    """Return the newest swaps, of one agent (on either side) or all."""
    query = sa.select(*_SWAP).order_by(swap.c.id.desc()).limit(limit)
    if state is not None:
        query = query.where(swap.c.state == state)
    if agent_id is not None:
        query = query.where(sa.or_(swap.c.agent_id == agent_id, swap.c.other_agent_id == agent_id))
    return [SwapRow(*row) for row in conn.execute(query)]


def decide_swap(conn: Connection, swap_id: int, state: str, *, now: float, actor: str, reason: str) -> bool:
    """End a request as `state`; return whether it still was one."""
    done = conn.execute(
        sa.update(swap)
        .where(swap.c.id == swap_id, swap.c.state == "requested")
        .values(state=state, decided_at=now, decided_by=actor, reason=reason)
    )
    return done.rowcount == 1
