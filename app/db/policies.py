"""Queries about policy versions."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from app.clock import isoformat
from app.db.engine import Connection
from app.db.schema import policy


def find_policy(conn: Connection, version: int) -> str | None:
    """Return a version's JSON, or None."""
    return conn.scalar(sa.select(policy.c.data).where(policy.c.version == version))


def list_policies(conn: Connection, *, limit: int = 200) -> list[dict[str, Any]]:
    """Return the newest versions: number, when and by whom published, note."""
    query = (
        sa.select(policy.c.version, policy.c.published_at, policy.c.published_by, policy.c.note)
        .order_by(policy.c.version.desc())
        .limit(limit)
    )
    return [
        {"version": r.version, "at": isoformat(r.published_at), "by": r.published_by, "note": r.note}
        for r in conn.execute(query)
    ]
