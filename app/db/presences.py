"""Queries about what agents' presence was, from the event log."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from app.db.engine import Connection
from app.db.schema import event

KIND = "presence_changed"


def presences_since(
    conn: Connection, agent_ids: list[str], start: float
) -> dict[str, list[tuple[float, str]]]:
    """Return (since, presence) of each agent from `start` on, oldest first.

    The first one is the presence that held at `start`, if the log knows it.
    """
    e = event.c
    mine = sa.and_(e.kind == KIND, e.agent_id.in_(agent_ids))
    before = (
        sa.select(e.agent_id, sa.func.max(e.seq).label("seq"))
        .where(mine, e.at <= start)
        .group_by(e.agent_id)
        .subquery()
    )
    held = sa.select(e.agent_id, e.at, e.data).join(before, before.c.seq == e.seq)
    later = sa.select(e.agent_id, e.at, e.data).where(mine, e.at > start).order_by(e.seq)
    found: dict[str, list[tuple[float, str]]] = {}
    for query in (held, later):
        for agent_id, at, data in conn.execute(query):
            presence = str(msgspec.json.decode(data)["presence"])
            found.setdefault(str(agent_id), []).append((max(float(at), start), presence))
    return found
