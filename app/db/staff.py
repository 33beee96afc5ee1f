"""Queries about the people who are rostered: contracts, time off, wishes, and who they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from app.db.engine import Connection
from app.db.schema import agent, agent_contract, policy, time_off, wish
from app.db.upsert import upsert
from routing.model import Agent
from routing.policy import Policy

_agent: Final = msgspec.json.Decoder(Agent)
_policy: Final = msgspec.json.Decoder(Policy)


@dataclass(frozen=True, slots=True)
class TimeOffRow:
    """Days on which an agent is, or would like to be, off; dates are ISO, both included."""

    id: int
    agent_id: str
    first_on: str
    last_on: str
    kind: str
    state: str
    note: str
    asked_at: float
    asked_by: str
    decided_at: float | None
    decided_by: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class WishRow:
    """What an agent would like on a date: to work (maybe a certain shift) or not."""

    id: int
    agent_id: str
    on: str
    works: bool
    shift: str | None
    weight: int


_TIME_OFF: Final[tuple[Any, ...]] = (
    time_off.c.id,
    time_off.c.agent_id,
    time_off.c.first_on,
    time_off.c.last_on,
    time_off.c.kind,
    time_off.c.state,
    time_off.c.note,
    time_off.c.asked_at,
    time_off.c.asked_by,
    time_off.c.decided_at,
    time_off.c.decided_by,
    time_off.c.reason,
)
_WISH: Final[tuple[Any, ...]] = (
    wish.c.id,
    wish.c.agent_id,
    wish.c.on,
    wish.c.works,
    wish.c.shift,
    wish.c.weight,
)


def read_policy(conn: Connection) -> Policy | None:
    """Return the policy in force, or None in a database without an organisation."""
    data = conn.scalar(sa.select(policy.c.data).order_by(policy.c.version.desc()).limit(1))
    return _policy.decode(data) if data is not None else None


def first_policy_at(conn: Connection) -> float | None:
    """Return when the first policy was published, or None."""
    found: float | None = conn.scalar(sa.select(sa.func.min(policy.c.published_at)))
    return found


def list_agents(conn: Connection) -> list[Agent]:
    """Return the active agents who work for a team, by id."""
    query = sa.select(agent.c.data).where(agent.c.active.is_(sa.true())).order_by(agent.c.id)
    return [found for data in conn.scalars(query) if (found := _agent.decode(data)).teams]


def agent_names(conn: Connection) -> dict[str, str]:
    """Return the name of every agent, active or not, by id."""
    return {str(r[0]): str(r[1]) for r in conn.execute(sa.select(agent.c.id, agent.c.name))}


def list_contracts(conn: Connection) -> dict[str, str]:
    """Return the agreed contracts as stored JSON, by agent."""
    t = agent_contract.c
    return {str(r[0]): str(r[1]) for r in conn.execute(sa.select(t.agent_id, t.data).order_by(t.agent_id))}


def put_contract(conn: Connection, agent_id: str, data: str, *, now: float, actor: str) -> None:
    """Store an agent's contract in place of the one before."""
    row = {"agent_id": agent_id, "data": data, "changed_at": now, "changed_by": actor}
    upsert(conn, agent_contract, [row])


def delete_contract(conn: Connection, agent_id: str) -> bool:
    """Forget an agent's contract; the preset holds again. Return whether there was one."""
    gone = conn.execute(sa.delete(agent_contract).where(agent_contract.c.agent_id == agent_id))
    return gone.rowcount == 1


def add_time_off(conn: Connection, values: dict[str, Any]) -> int:
    """Store time off and return its id."""
    new_id: int = conn.execute(sa.insert(time_off).values(**values).returning(time_off.c.id)).scalar_one()
    return new_id


def find_time_off(conn: Connection, row_id: int) -> TimeOffRow | None:
    """Return time off by id, or None."""
    row = conn.execute(sa.select(*_TIME_OFF).where(time_off.c.id == row_id)).one_or_none()
    return TimeOffRow(*row) if row is not None else None


def list_time_off(
    conn: Connection,
    *,
    first_on: str = "",
    last_on: str = "9999",
    state: str | None = None,
    agent_id: str | None = None,
) -> list[TimeOffRow]:
    """Return time off that touches the dates from `first_on` to `last_on`, by first date."""
    t = time_off.c
    query = (
        sa.select(*_TIME_OFF).where(t.last_on >= first_on, t.first_on <= last_on).order_by(t.first_on, t.id)
    )
    if state is not None:
        query = query.where(t.state == state)
    if agent_id is not None:
        query = query.where(t.agent_id == agent_id)
    return [TimeOffRow(*row) for row in conn.execute(query)]


def decide_time_off(
    conn: Connection, row_id: int, state: str, *, now: float, actor: str, reason: str
) -> bool:
    """Grant or refuse what is asked for; return whether it still was."""
    done = conn.execute(
        sa.update(time_off)
        .where(time_off.c.id == row_id, time_off.c.state == "requested")
        .values(state=state, decided_at=now, decided_by=actor, reason=reason)
    )
    return done.rowcount == 1


def delete_time_off(conn: Connection, row_id: int) -> bool:
    """Forget time off; return whether there was some."""
    return conn.execute(sa.delete(time_off).where(time_off.c.id == row_id)).rowcount == 1


def add_wish(conn: Connection, values: dict[str, Any]) -> int:
    """Store a wish and return its id."""
    new_id: int = conn.execute(sa.insert(wish).values(**values).returning(wish.c.id)).scalar_one()
    return new_id


def find_wish(conn: Connection, row_id: int) -> WishRow | None:
    """Return a wish by id, or None."""
    row = conn.execute(sa.select(*_WISH).where(wish.c.id == row_id)).one_or_none()
    return WishRow(*row) if row is not None else None


def list_wishes(
    conn: Connection, *, first_on: str = "", last_on: str = "9999", agent_id: str | None = None
) -> list[WishRow]:
    """Return the wishes for the dates from `first_on` to `last_on`, by date."""
    query = (
        sa.select(*_WISH).where(wish.c.on >= first_on, wish.c.on <= last_on).order_by(wish.c.on, wish.c.id)
    )
    if agent_id is not None:
        query = query.where(wish.c.agent_id == agent_id)
    return [WishRow(*row) for row in conn.execute(query)]


def delete_wish(conn: Connection, row_id: int) -> bool:
    """Forget a wish; return whether there was one."""
    return conn.execute(sa.delete(wish).where(wish.c.id == row_id)).rowcount == 1
