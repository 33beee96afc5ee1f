"""Literal queries in the words of each driver."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec

from app.db.batch_writes import Literal

_encode = msgspec.json.Encoder().encode


def literal(
    dialect: str, statement: str, *parameters: Any, values: Sequence[str | int] | None = None
) -> Literal:
    """Return a query as the driver takes it; `values`, one or more, fill the place `IN ?*`, the last."""
    if values is None:
        return _driver_text(dialect, statement), parameters
    if dialect == "postgresql":
        kind = "text" if isinstance(values[0], str) else "bigint"
        return _driver_text(dialect, statement, kind), (*parameters, values)
    text = statement.replace("IN ?*", "IN (SELECT value FROM json_each(?))")
    return text, (*parameters, _encode(values).decode())


@cache
def _driver_text(dialect: str, statement: str, kind: str = "") -> str:
    """Return `statement` with the driver's own placeholders: `?` on SQLite, `$1` on PostgreSQL."""
    if dialect != "postgresql":
        return statement
    parts = statement.replace("IN ?*", f"= ANY(?::{kind}[])").split("?")
    return parts[0] + "".join(f"${i}{part}" for i, part in enumerate(parts[1:], 1))
