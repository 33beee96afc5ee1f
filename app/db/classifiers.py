"""Text classifiers as trained, and the texts they learn from."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from app.clock import isoformat
from app.db.engine import Connection
from app.db.schema import classifier, contact, ticket
from routing.classifier import Model

_KEPT = 5


def add_classifier(conn: Connection, model: Model, now: float) -> int:
    """Store a model and return its id; only the newest five are kept."""
    added = conn.execute(
        sa.insert(classifier)
        .values(
            trained_at=now,
            scores=msgspec.json.encode(model.scores).decode(),
            data=msgspec.msgpack.encode(model),
        )
        .returning(classifier.c.id)
    ).scalar_one()
    newest = sa.select(classifier.c.id).order_by(classifier.c.id.desc()).limit(_KEPT)
    conn.execute(sa.delete(classifier).where(classifier.c.id.not_in(newest)))
    return int(added)


def find_newer(conn: Connection, than_id: int) -> tuple[int, Model] | None:
    """Return the newest model with its id if it is newer than `than_id`, or None."""
    query = (
        sa.select(classifier.c.id, classifier.c.data)
        .where(classifier.c.id > than_id)
        .order_by(classifier.c.id.desc())
        .limit(1)
    )
    row = conn.execute(query).one_or_none()
    return (int(row[0]), msgspec.msgpack.decode(row[1], type=Model)) if row is not None else None


def list_classifiers(conn: Connection) -> list[dict[str, Any]]:
    """Return the stored models, newest first, without their weights."""
    query = sa.select(classifier.c.id, classifier.c.trained_at, classifier.c.scores)
    return [
        {"id": row[0], "trained_at": isoformat(row[1]), "scores": msgspec.json.decode(row[2])}
        for row in conn.execute(query.order_by(classifier.c.id.desc()))
    ]


def list_examples(conn: Connection, *, limit: int) -> list[tuple[str, str]]:
    """Return (text, team) of the newest contacts with a text whose ticket is resolved.

    The team is the one that had the contact last: a misroute that was moved teaches where it belonged.
    """
    text = sa.func.trim(contact.c.subject + " " + contact.c.text)
    query = (
        sa.select(text, contact.c.team_id)
        .join(ticket, ticket.c.id == contact.c.ticket_id)
        .where(ticket.c.state.in_(("resolved", "closed")), contact.c.state == "completed", text != "")
        .order_by(contact.c.id.desc())
        .limit(limit)
    )
    return [(row[0], row[1]) for row in conn.execute(query)]
