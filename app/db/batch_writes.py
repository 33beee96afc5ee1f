"""How a batch's rows reach the database: one executemany a table on SQLite, one statement on PostgreSQL.

Statements are literal and few, so that nothing is compiled per batch. On PostgreSQL every table is a
data-modifying CTE over `unnest` of one array a column, and all depend on the floor's row being where the
batch was decided on: a batch costs one round trip however much it holds, needs no transaction around it, and
does nothing at all where another replica was quicker. A column travels as one text: the driver's encoder of
arrays looks at each element several times, which costs the event loop more than the rest of the statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from app.db import schema

Row = tuple[Any, ...]
Rows = Mapping[str, Sequence[Row]]
"""Rows to write, by their name in WRITES."""
Literal = tuple[str, Sequence[Any]]
"""A statement in the driver's own words, and its parameters: nothing is compiled or kept for it."""
Step = tuple[str, Sequence[Row]]
"""A statement of SQLite in its own words, and the rows it is run for."""


@dataclass(frozen=True, slots=True)
class Write:
    """How rows of one table are written: inserted, upserted on its key, or updated by the last column."""

    table: sa.Table
    columns: tuple[str, ...]
    changing: tuple[str, ...] = ()
    adding: tuple[str, ...] = ()
    filling: tuple[str, ...] = ()
    """Columns that are changed unless the row has NULL there."""
    skip_known: bool = False
    update: bool = False


CHANNEL: Final = "rondo_events"
"""By which replicas hear of each other's commits."""

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
    "converted_in_target",
)
TIME_COLUMNS: Final = ("busy_s", "idle_s", "used_s", "capacity_s")

WRITES: Final = {
    "policy": Write(schema.policy, ("version", "published_at", "published_by", "note", "data")),
    "customer": Write(
        schema.customer,
        ("id", "name", "language", "segment", "created_at"),
        filling=("name", "language", "segment"),
    ),
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


def write_rows(conn: sa.Connection, rows: Rows, *, after: int) -> bool:
    """Write the rows given for each name in WRITES; names without rows may be missing, but not `floor`.

    Return False, and write nothing, where the log does not end at `after` any more; SQLite, with one writer,
    does not ask.
    """
    if conn.dialect.name == "postgresql":
        return conn.exec_driver_sql(*at_once(rows, after)).one_or_none() is not None
    cursor = conn.connection.cursor()
    try:
        for text, given in one_by_one(rows):
            # Past the toolkit, whose bookkeeping costs as much again.
            cursor.executemany(text, given)
    finally:
        cursor.close()
    return True


def one_by_one(rows: Rows) -> list[Step]:
    """Return the statements of SQLite that write `rows`, each with the rows it is run for."""
    return [(_sqlite_text(name), rows[name]) for name in WRITES if rows.get(name)]


def at_once(rows: Rows, after: int, *, tell: bool = True) -> Literal:
    """Return the statement of PostgreSQL that writes `rows`; it returns a row unless the log has grown.

    Other replicas hear of the commit where it is to `tell`.
    """
    named = tuple(name for name in WRITES if name in _ALWAYS or (rows.get(name) and name != "floor"))
    columns = [column for name in named for column in _columns(name, rows.get(name))]
    joined = True
    try:
        given: list[Any] = [
            _joined(column) if text else _numbers(column)
            for text, column in zip(_are_texts(named), columns, strict=True)
        ]
    except _NotJoinableError:
        joined, given = False, columns
    told = str(rows["floor"][0][0]) if tell else None
    return _postgres_text(named, joined=joined), (*rows["floor"][0], after, *given, told)


def telling(seq: int) -> Literal:
    """Return the statement of PostgreSQL by which other replicas hear that the log has grown to `seq`."""
    return f"SELECT pg_notify('{CHANNEL}', $1)", (str(seq),)


class _NotJoinableError(ValueError):
    """A text holds one of the characters that stand between texts."""


_NEXT: Final = "\x1f"
_NULL: Final = "\x1e"


def _columns(name: str, rows: Sequence[Row] | None) -> Iterable[Sequence[Any]]:
    if not rows:
        return ((),) * len(WRITES[name].columns)
    return map(list, zip(*rows, strict=True))


def _joined(column: Sequence[str | None]) -> str:
    """Return texts as PostgreSQL's string_to_array takes them apart, less the first; nothing for none."""
    if not column:
        return ""
    nulls = column.count(None)
    # The members of an enumeration are texts too; join takes them as such.
    texts: Any = [_NULL if each is None else each for each in column] if nulls else column
    line = _NEXT + _NEXT.join(texts)
    if line.count(_NEXT) != len(column) or line.count(_NULL) != nulls:
        raise _NotJoinableError
    return line


def _numbers(column: Sequence[float | None]) -> str:
    """Return finite numbers and truth values as PostgreSQL writes an array: JSON's, in other brackets."""
    return f"{{{_JSON.encode(column)[1:-1].decode()}}}"


_JSON: Final = msgspec.json.Encoder()
"""Writes a float in a twentieth of the time that the interpreter takes."""


_ALWAYS: Final = frozenset(WRITES) - {"policy", "customer", "customer_key", "answer", "floor"}
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
def _are_texts(names: tuple[str, ...]) -> tuple[bool, ...]:
    """Return for each column of the tables whether it holds texts."""
    tables = (WRITES[name] for name in names)
    return tuple(isinstance(each.table.c[name].type, sa.Text) for each in tables for name in each.columns)


@cache
def _postgres_text(names: tuple[str, ...], *, joined: bool) -> str:
    number = len(WRITES["floor"].columns) + 1
    parts = [_POSTGRES_FLOOR]
    for name in names:
        write = WRITES[name]
        arrays = []
        for column in write.columns:
            number += 1
            arrays.append(_array(number, _array_type(write.table.c[column]), joined=joined))
        parts.append(f"w_{name} AS ({_postgres_part(write, ', '.join(arrays))})")
    # Other replicas hear of the commit by the sequence number it ended with.
    told = f"${number + 1}::text"
    heard = f"CASE WHEN {told} IS NOT NULL THEN pg_notify('{CHANNEL}', {told})::text END"
    return f"WITH {', '.join(parts)} SELECT {heard} FROM w_floor"  # noqa: S608


_POSTGRES_FLOOR: Final = (
    "w_floor AS (UPDATE floor SET seq = $1, next_id = $2 WHERE id = $3 AND seq = $4 RETURNING seq)"
)
"""First of all parts: it takes the floor's lock, and without its row none of the others does anything."""
_POSTGRES_IF: Final = "EXISTS (SELECT FROM w_floor)"


def _postgres_part(write: Write, arrays: str) -> str:
    table = _quoted(write.table.name)
    if write.update:
        sets = ", ".join(f"{_quoted(each)} = v.{_quoted(each)}" for each in write.columns[:-1])
        key = write.columns[-1]
        return (
            f"UPDATE {table} SET {sets} FROM unnest({arrays}) AS v({_list(write.columns)}) "  # noqa: S608
            f"WHERE {table}.{key} = v.{key} AND {_POSTGRES_IF}"
        )
    return (
        f"INSERT INTO {table} ({_list(write.columns)}) SELECT * FROM unnest({arrays}) "  # noqa: S608
        f"WHERE {_POSTGRES_IF}{_conflict(write)}"
    )


def _conflict(write: Write) -> str:
    key = _list(column.name for column in write.table.primary_key)
    if write.skip_known:
        return f" ON CONFLICT ({key}) DO NOTHING"
    table = _quoted(write.table.name)
    sets = [f"{_quoted(each)} = excluded.{_quoted(each)}" for each in write.changing]
    sets += [f"{_quoted(c)} = COALESCE(excluded.{_quoted(c)}, {table}.{_quoted(c)})" for c in write.filling]
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


def _array(number: int, kind: str, *, joined: bool) -> str:
    """Return what makes an array of a parameter."""
    if not joined:
        return f"${number}::{kind}"
    if kind == "text[]":
        # The text begins with a separator: without it, one empty text would be no text.
        return f"(string_to_array(${number}::text, E'\\x1f', E'\\x1e'))[2:]"
    return f"${number}::text::{kind}"


def _list(names: Iterable[str]) -> str:
    return ", ".join(_quoted(name) for name in names)


def _quoted(name: str) -> str:
    return f'"{name}"'
