"""What is thrown away because nobody can ask for it any more."""

from __future__ import annotations

import sqlalchemy as sa

from app.db.engine import Connection
from app.db.schema import api_key, idempotency, session


def delete_answers(conn: Connection, before: float, *, most: int) -> int:
    """Delete about `most` of the answers to idempotency keys given before an instant; return how many."""
    at = idempotency.c.at
    last = conn.scalar(sa.select(at).where(at < before).order_by(at).offset(most - 1).limit(1))
    old = at < before if last is None else at <= last
    return conn.execute(sa.delete(idempotency).where(old)).rowcount


def delete_sessions(conn: Connection, now: float) -> int:
    """Delete sessions and sign-in links that let nobody in: expired, or of a key that is; return how many."""
    dead_keys = sa.select(api_key.c.id).where(
        sa.or_(api_key.c.expires_at <= now, api_key.c.revoked_at <= now)
    )
    dead = sa.or_(session.c.expires_at <= now, session.c.api_key_id.in_(dead_keys))
    return conn.execute(sa.delete(session).where(dead)).rowcount
