"""API keys and browser sessions. Only hashes of secrets are stored."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from app.db.engine import Connection
from app.db.schema import api_key, session


@dataclass(frozen=True, slots=True)
class KeyRow:
    """An API key as stored; `scopes` are separated by spaces."""

    id: str
    name: str
    scopes: str
    agent_id: str | None
    created_at: float
    expires_at: float | None
    revoked_at: float | None


_COLUMNS = (
    api_key.c.id,
    api_key.c.name,
    api_key.c.scopes,
    api_key.c.agent_id,
    api_key.c.created_at,
    api_key.c.expires_at,
    api_key.c.revoked_at,
)


def add_key(conn: Connection, row: KeyRow, *, secret_hash: str) -> None:
    """Store a key."""
    conn.execute(
        sa.insert(api_key).values(
            id=row.id,
            name=row.name,
            secret_hash=secret_hash,
            scopes=row.scopes,
            agent_id=row.agent_id,
            created_at=row.created_at,
            expires_at=row.expires_at,
        )
    )


def find_key(conn: Connection, secret_hash: str, now: float) -> KeyRow | None:
    """Return the valid key with this hash, or None."""
    query = sa.select(*_COLUMNS).where(
        api_key.c.secret_hash == secret_hash,
        api_key.c.revoked_at.is_(None),
        sa.or_(api_key.c.expires_at.is_(None), api_key.c.expires_at > now),
    )
    row = conn.execute(query).one_or_none()
    return KeyRow(*row) if row is not None else None


def list_keys(conn: Connection) -> list[KeyRow]:
    """Return every key, oldest first."""
    return [KeyRow(*row) for row in conn.execute(sa.select(*_COLUMNS).order_by(api_key.c.created_at))]


def revoke_key(conn: Connection, key_id: str, now: float) -> bool:
    """Revoke a key with all its sessions; return whether there was one to revoke."""
    conn.execute(sa.delete(session).where(session.c.api_key_id == key_id))
    done = conn.execute(
        sa.update(api_key)
        .where(api_key.c.id == key_id, api_key.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    return done.rowcount == 1


def add_session(
    conn: Connection, secret_hash: str, *, key_id: str, kind: str, now: float, expires_at: float
) -> None:
    """Store a browser session (`kind` browser) or a one-time sign-in link (`kind` link)."""
    conn.execute(sa.delete(session).where(session.c.expires_at <= now))
    conn.execute(
        sa.insert(session).values(
            secret_hash=secret_hash, api_key_id=key_id, kind=kind, created_at=now, expires_at=expires_at
        )
    )


def find_session(conn: Connection, secret_hash: str, now: float) -> KeyRow | None:
    """Return the key behind a valid browser session, or None."""
    return _behind(conn, secret_hash, kind="browser", now=now)


def take_link(conn: Connection, secret_hash: str, now: float) -> KeyRow | None:
    """Use up a one-time sign-in link; return the key behind it, or None."""
    row = _behind(conn, secret_hash, kind="link", now=now)
    used = conn.execute(sa.delete(session).where(session.c.secret_hash == secret_hash))
    return row if used.rowcount == 1 else None


def end_session(conn: Connection, secret_hash: str) -> None:
    """Sign a browser out."""
    conn.execute(sa.delete(session).where(session.c.secret_hash == secret_hash))


def _behind(conn: Connection, secret_hash: str, *, kind: str, now: float) -> KeyRow | None:
    query = (
        sa.select(*_COLUMNS)
        .join(session, session.c.api_key_id == api_key.c.id)
        .where(
            session.c.secret_hash == secret_hash,
            session.c.kind == kind,
            session.c.expires_at > now,
            api_key.c.revoked_at.is_(None),
            sa.or_(api_key.c.expires_at.is_(None), api_key.c.expires_at > now),
        )
    )
    row = conn.execute(query).one_or_none()
    return KeyRow(*row) if row is not None else None
