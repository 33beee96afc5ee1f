"""Queries about contacts, their offers, segments and decisions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from app.db.engine import Connection
from app.db.schema import contact, event, segment
from routing.commands import snake
from routing.course import TOLD
from routing.events import Event, decode
from routing.model import Contact

_contact = msgspec.json.Decoder(Contact)


@dataclass(frozen=True, slots=True)
class StoredContact:
    """A contact's row: the value and what only the row knows."""

    contact: Contact
    extras: dict[str, Any]


def find_contact(conn: Connection, contact_id: int) -> StoredContact | None:
    """Return a contact with its subject, text, details, classification and closed segments, or None."""
    c = contact.c
    row = conn.execute(
        sa.select(
            c.data,
            c.customer_id,
            c.subject,
            c.text,
            c.dialled,
            c.source,
            c.source_id,
            c.details,
            c.classification,
        ).where(c.id == contact_id)
    ).one_or_none()
    if row is None:
        return None
    segments = conn.execute(
        sa.select(segment).where(segment.c.contact_id == contact_id).order_by(segment.c.number)
    )
    extras = {
        "subject": row.subject,
        "text": row.text,
        "to": row.dialled,
        "source": row.source,
        "call_id": row.source_id,
        "details": msgspec.json.decode(row.details),
        "classification": msgspec.json.decode(row.classification),
        "segments": [_segment_json(each) for each in segments.mappings()],
    }
    return StoredContact(_decoded(row.data, row.customer_id), extras)


def list_contacts(
    conn: Connection,
    *,
    before: int | None,
    limit: int,
    states: list[str],
    team_id: str | None,
    channel: str | None,
    customer_id: int | None,
    ticket_id: int | None,
) -> list[Contact]:
    """Return contacts, newest first, that fit every filter given."""
    query = sa.select(contact.c.data, contact.c.customer_id).order_by(contact.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(contact.c.id < before)
    if states:
        query = query.where(contact.c.state.in_(states))
    for column, value in (
        (contact.c.team_id, team_id),
        (contact.c.channel, channel),
        (contact.c.customer_id, customer_id),
        (contact.c.ticket_id, ticket_id),
    ):
        if value is not None:
            query = query.where(column == value)
    return [_decoded(data, owner) for data, owner in conn.execute(query)]


def list_course(conn: Connection, contact_id: int, *, limit: int = 1000) -> list[Event]:
    """Return the contact's events that tell what became of it, decision records included, oldest first."""
    query = (
        sa.select(event.c.data)
        .where(event.c.contact_id == contact_id, event.c.kind.in_([snake(kind.__name__) for kind in TOLD]))
        .order_by(event.c.seq)
        .limit(limit)
    )
    return [decode(data) for data in conn.scalars(query)]


def list_events(conn: Connection, contact_id: int, *, limit: int = 1000) -> list[tuple[int, str]]:
    """Return the contact's events, oldest first, as (sequence number, JSON)."""
    query = (
        sa.select(event.c.seq, event.c.data)
        .where(event.c.contact_id == contact_id)
        .order_by(event.c.seq)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in conn.execute(query)]


def _decoded(data: str, customer_id: int) -> Contact:
    found = _contact.decode(data)
    # A merge changes the column alone for contacts that are not on the floor.
    found.customer_id = customer_id
    return found


def _segment_json(row: Any) -> dict[str, Any]:
    ended = row["answered_at"] if row["answered_at"] is not None else row["ended_at"]
    return {
        "number": row["number"],
        "team": row["team_id"],
        "outcome": row["outcome"],
        "reason": row["reason"],
        "agent": row["agent_id"],
        "wait_s": round(ended - row["queued_at"], 3),
        "talk_s": round(row["ended_at"] - row["answered_at"], 3) if row["answered_at"] is not None else None,
    }
