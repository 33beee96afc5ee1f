"""How a batch's rows reach the database: one executemany a table on SQLite, one statement on PostgreSQL.

Statements are literal and few, so that nothing is compiled per batch. On PostgreSQL every table is a
data-modifying CTE over `unnest` of one array a column: a batch costs one round trip however much it holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import sqlalchemy as sa

from app.db import schema
from app.db.engine import Connection, execute_many

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Write:
    """How rows of one table are written: inserted, upserted on its key, or updated by the last column."""

    table: sa.Table
    columns: tuple[str, ...]
    changing: tuple[str, ...] = ()
    adding: tuple[str, ...] = ()
    skip_known: bool = False
    update: bool = False


STAT_COLUMNS: Final = (
    "offered",
    "answered",
    "answered_in_target",
    "abandoned",
    "abandoned_in_target",
    "short_abandoned",
    "flowed_out",
    "wait_s",
    "excess_s",
    "abandon_wait_s",
    "handled",
    "handle_s",
)
TIME_COLUMNS: Final = ("busy_s", "idle_s", "used_s", "capacity_s")

WRITES: Final = {
    "policy": Write(schema.policy, ("version", "published_at", "published_by", "note", "data")),
    "customer": Write(schema.customer, ("id", "name", "language", "segment", "created_at")),
    "customer_key": Write(schema.customer_key, ("kind", "value", "customer_id"), skip_known=True),
    "agent": Write(
        schema.agent,
        ("id", "index", "name", "active", "presence", "state", "data"),
        changing=("name", "active", "presence", "state", "data"),
    ),
    "ticket": Write(
        schema.ticket,
        (
            "id",
            "customer_id",
            "team_id",
            "owner_id",
            "state",
            "subject",
            "opened_at",
            "changed_at",
            "resolved_at",
            "closed_at",
            "data",
        ),
        changing=(
            "customer_id",
            "team_id",
            "owner_id",
            "state",
            "changed_at",
            "resolved_at",
            "closed_at",
            "data",
        ),
    ),
    "contact": Write(
        schema.contact,
        (
            "id",
            "customer_id",
            "ticket_id",
            "channel",
            "state",
            "team_id",
            "agent_id",
            "received_at",
            "closed_at",
            "source",
            "source_id",
            "subject",
            "text",
            "dialled",
            "details",
            "classification",
            "data",
        ),
    ),
    "contact_change": Write(
        schema.contact,
        ("customer_id", "state", "team_id", "agent_id", "closed_at", "data", "id"),
        update=True,
    ),
    "offer": Write(
        schema.offer,
        ("id", "contact_id", "agent_id", "team_id", "state", "made_at", "released_at", "data"),
        changing=("state", "released_at", "data"),
    ),
    "segment": Write(
        schema.segment,
        (
            "contact_id",
            "number",
            "team_id",
            "channel",
            "queued_at",
            "answered_at",
            "ended_at",
            "outcome",
            "reason",
            "short",
            "agent_id",
        ),
    ),
    "stat": Write(
        schema.interval_stat, ("team_id", "channel", "starts_at", *STAT_COLUMNS), adding=STAT_COLUMNS
    ),
    "wait": Write(
        schema.wait_stat, ("team_id", "channel", "starts_at", "wait_s", "answered"), adding=("answered",)
    ),
    "time": Write(schema.agent_stat, ("team_id", "starts_at", *TIME_COLUMNS), adding=TIME_COLUMNS),
    "answer": Write(schema.idempotency, ("scope", "key", "fingerprint", "status", "body", "at")),
    "event": Write(
        schema.event, ("seq", "at", "kind", "actor", "contact_id", "ticket_id", "agent_id", "data")
    ),
    "floor": Write(schema.floor, ("seq", "next_id", "id"), update=True),
}
"""In the order of the foreign keys."""


def write_rows(conn: Connection, rows: Mapping[str, Sequence[Row]]) -> None:
    """Write the rows given for each name in WRITES; names without rows may be missing."""
    if conn.dialect.name == "postgresql":
        _write_at_once(conn, rows)
        return
    for name in WRITES:
        if rows.get(name):
            execute_many(conn, _sqlite_text(name), rows[name])


def _write_at_once(conn: Connection, rows: Mapping[str, Sequence[Row]]) -> None:
    parameters: list[Any] = []
    named = tuple(name for name in WRITES if name in _ALWAYS or rows.get(name))
    for name in named:
        given = rows.get(name)
        columns = WRITES[name].columns
        parameters += map(list, zip(*given, strict=True)) if given else ([] for _ in columns)
    parameters.append(str(rows["floor"][0][0]))
    conn.exec_driver_sql(_postgres_text(named), tuple(parameters))


_ALWAYS: Final = frozenset(WRITES) - {"policy", "customer", "customer_key", "answer"}
"""Tables that nearly every batch writes; the others make variants of the statement, sixteen at most."""


@cache
def _sqlite_text(name: str) -> str:
    write = WRITES[name]
    table = _quoted(write.table.name)
    if write.update:
        sets = ", ".join(f"{_quoted(each)} = ?" for each in write.columns[:-1])
        return f"UPDATE {table} SET {sets} WHERE {write.columns[-1]} = ?"  # noqa: S608
    places = ", ".join("?" for _ in write.columns)
    return f"INSERT INTO {table} ({_list(write.columns)}) VALUES ({places}){_conflict(write)}"  # noqa: S608


@cache
def _postgres_text(names: tuple[str, ...]) -> str:
    number, parts = 0, []
    for name in names:
        write = WRITES[name]
        arrays = []
        for column in write.columns:
            number += 1
            arrays.append(f"${number}::{_array_type(write.table.c[column])}")
        parts.append(f"w_{name} AS ({_postgres_part(write, ', '.join(arrays))})")
    # Other replicas hear of the commit by the sequence number it ended with.
    return f"WITH {', '.join(parts)} SELECT pg_notify('rondo_events', ${number + 1})"


def _postgres_part(write: Write, arrays: str) -> str:
    table = _quoted(write.table.name)
    if write.update:
        sets = ", ".join(f"{_quoted(each)} = v.{_quoted(each)}" for each in write.columns[:-1])
        key = write.columns[-1]
        return (
            f"UPDATE {table} SET {sets} FROM unnest({arrays}) AS v({_list(write.columns)}) "  # noqa: S608
            f"WHERE {table}.{key} = v.{key}"
        )
    return (
        f"INSERT INTO {table} ({_list(write.columns)}) SELECT * FROM unnest({arrays})"  # noqa: S608
        f"{_conflict(write)}"
    )


def _conflict(write: Write) -> str:
    key = _list(column.name for column in write.table.primary_key)
    if write.skip_known:
        return f" ON CONFLICT ({key}) DO NOTHING"
    table = _quoted(write.table.name)
    sets = [f"{_quoted(each)} = excluded.{_quoted(each)}" for each in write.changing]
    sets += [f"{_quoted(each)} = {table}.{_quoted(each)} + excluded.{_quoted(each)}" for each in write.adding]
    return f" ON CONFLICT ({key}) DO UPDATE SET {', '.join(sets)}" if sets else ""


def _array_type(column: sa.Column[Any]) -> str:
    kinds: tuple[tuple[type[Any], str], ...] = (
        (sa.Text, "text[]"),
        (sa.Boolean, "boolean[]"),
        (sa.Double, "float8[]"),
        (sa.BigInteger, "bigint[]"),
        (sa.Integer, "integer[]"),
    )
    return next(name for kind, name in kinds if isinstance(column.type, kind))


def _list(names: Iterable[str]) -> str:
    return ", ".join(_quoted(name) for name in names)


def _quoted(name: str) -> str:
    return f'"{name}"'
