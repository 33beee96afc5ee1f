"""What a database must tell whatever happened: rows, event log and figures, compared with each other."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa

from app.db import floor_rows, schema
from app.db.batch_writes import STAT_COLUMNS
from app.db.engine import Connection
from routing import events as ev
from routing.floor import Floor
from routing.model import Channel, OfferState
from routing.policy import target_s

Key = tuple[str, str, int]


@dataclass
class Truth:
    """Everything that a test compares, read in one transaction."""

    floor: dict[str, Any]
    """The floor as it is loaded from the rows."""
    replayed: dict[str, Any]
    """The floor that the whole event log makes of an empty one."""
    figures: dict[Key, dict[str, float]]
    recounted: dict[Key, dict[str, float]]
    waits: dict[tuple[str, str, int, int], int]
    """How many waits of a whole number of seconds were answered, by team, channel, interval and wait."""
    recounted_waits: dict[tuple[str, str, int, int], int]
    events: list[Any]
    seqs: list[int]
    contacts: dict[int, Any]
    """State of every contact ever, by id, from its row."""
    loose: dict[str, int] = field(default_factory=dict)
    """How many rows break a rule, by the rule's name; empty when none does."""


def read_truth(conn: Connection) -> Truth:
    """Read and recount everything."""
    rows = floor_rows.events_after(conn, 0, 10_000_000)
    events = [ev.decode(data) for _, data in rows]
    replayed = replay(events)
    stored = conn.execute(sa.select(schema.interval_stat)).mappings()
    waits = schema.wait_stat.c
    columns = (waits.team_id, waits.channel, waits.starts_at, waits.wait_s, waits.answered)
    recounted, recounted_waits = recount(events)
    return Truth(
        floor=floor_rows.load_floor(conn).snapshot(),
        replayed=replayed.snapshot(),
        figures={
            (row["team_id"], row["channel"], row["starts_at"]): {n: row[n] for n in STAT_COLUMNS}
            for row in stored
        },
        recounted=recounted,
        waits={tuple(row[:4]): row[4] for row in conn.execute(sa.select(*columns))},
        recounted_waits=recounted_waits,
        events=events,
        seqs=[seq for seq, _ in rows],
        contacts={
            row[0]: row[1] for row in conn.execute(sa.select(schema.contact.c.id, schema.contact.c.state))
        },
        loose=_loose(conn),
    )


def check(truth: Truth) -> None:
    """Assert that rows, log and figures tell the same."""
    assert truth.seqs == list(range(1, len(truth.seqs) + 1))
    assert truth.floor == truth.replayed
    assert truth.loose == {}
    assert truth.waits == truth.recounted_waits
    assert set(truth.figures) == set(truth.recounted)
    for key, figures in truth.figures.items():
        assert figures == _near(truth.recounted[key]), key


def replay(events: list[Any]) -> Floor:
    """Return the floor that `events` make of an empty one."""
    floor = Floor(floor_rows.START)
    for event in events:
        floor.apply(event)
    return floor


def recount(events: list[Any]) -> tuple[dict[Key, dict[str, float]], dict[tuple[str, str, int, int], int]]:
    """Return figures and waits per team, channel and quarter of an hour, counted from the log alone."""
    waits: Counter[tuple[str, str, int, int]] = Counter()
    book: dict[Key, dict[str, float]] = defaultdict(lambda: dict.fromkeys(STAT_COLUMNS, 0.0))
    targets: dict[tuple[str, str], float] = {}
    channels: dict[int, str] = {}
    waiting: dict[int, tuple[str, float]] = {}
    taken: dict[int, tuple[Key, float]] = {}

    def row(contact_id: int, team_id: str, since: float) -> tuple[Key, dict[str, float]]:
        key = (team_id, channels[contact_id], int(since // 900) * 900)
        return key, book[key]

    for e in events:
        match e:
            case ev.PolicyPublished():
                targets = {
                    (team.id, channel.value): target_s(e.policy, team, channel)
                    for team in e.policy.teams.values()
                    for channel in Channel
                }
            case ev.ContactReceived():
                channels[e.contact.id] = str(e.contact.channel)
            case ev.ContactQueued():
                waiting[e.contact_id] = (e.team_id, e.at)
                row(e.contact_id, e.team_id, e.at)[1]["offered"] += 1
            case ev.ContactConnected():
                team_id, since = waiting.pop(e.contact_id)
                key, figures = row(e.contact_id, team_id, since)
                taken[e.offer_id] = (key, e.at)
                waits[*key, int(e.at - since)] += 1
                figures["answered"] += 1
                figures["wait_s"] += e.at - since
                aim_s = targets[team_id, channels[e.contact_id]]
                figures["answered_in_target"] += e.at - since <= aim_s
                figures["excess_s"] += max(e.at - since - aim_s, 0)
            case ev.SegmentClosed() | ev.TransferTakenBack() if e.contact_id in waiting:
                row(e.contact_id, *waiting.pop(e.contact_id))[1]["flowed_out"] += 1
            case ev.ContactEnded() if e.contact_id in waiting:
                team_id, since = waiting.pop(e.contact_id)
                figures = row(e.contact_id, team_id, since)[1]
                if e.state == "abandoned":
                    figures["abandoned"] += 1
                    figures["abandon_wait_s"] += e.at - since
                    figures["abandoned_in_target"] += e.at - since <= targets[team_id, channels[e.contact_id]]
                    figures["short_abandoned"] += e.short
                else:
                    figures["flowed_out"] += 1
                    aim_s = targets[team_id, channels[e.contact_id]]
                    figures["converted_in_target"] += e.state == "converted" and e.at - since <= aim_s
            case ev.OfferReleased():
                key, at = taken.pop(e.offer_id)
                book[key]["handled"] += 1
                book[key]["handle_s"] += e.at - at
    return dict(book), dict(waits)


def _loose(conn: Connection) -> dict[str, int]:
    ticket, offer, contact = schema.ticket.c, schema.offer.c, schema.contact.c
    rules = {
        "ticket without an owner": sa.select(ticket.id).where(
            sa.or_(ticket.owner_id.is_(None), ticket.owner_id == "")
        ),
        "contact offered without a pending offer": sa.select(contact.id).where(
            contact.state == "offered",
            ~sa.exists().where(offer.contact_id == contact.id, offer.state == OfferState.PENDING),
        ),
        "pending offer of a contact that is not offered": sa.select(offer.id)
        .join(schema.contact, contact.id == offer.contact_id)
        .where(offer.state == OfferState.PENDING, contact.state != "offered"),
        "open contact past its end": sa.select(contact.id).where(
            contact.closed_at.is_not(None),
            contact.state.in_(("received", "scheduled", "queued", "offered", "connected", "wrap_up")),
        ),
    }
    counted = {name: len(conn.execute(query).all()) for name, query in rules.items()}
    return {name: count for name, count in counted.items() if count}


def _near(figures: dict[str, float]) -> Any:
    return pytest.approx(figures, abs=1e-6)
