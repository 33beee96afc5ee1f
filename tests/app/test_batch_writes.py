"""What a batch stores comes back as it was, whatever characters and numbers it holds."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.db.engine import Connection, Database, open_database
from app.settings import Settings

TEXTS = [
    "",
    " ",
    "NULL",
    "null",
    "{}",
    '{"a",b}',
    "\\",
    "\\N",
    '"',
    "'",
    ",",
    "\n",
    "\x1f",
    "\x1e",
    "\x1e\x1f",
    "ü",
    "\U0001f600",
]


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    database = open_database(settings)
    yield database
    await database.close()


def customers(conn: Connection) -> list[tuple[Any, ...]]:
    text = "SELECT id, name, language, segment, created_at FROM customer ORDER BY id"
    return [tuple(row) for row in conn.exec_driver_sql(text)]


async def stored(database: Database, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    before = len(await database.read(customers))
    last = rows[-1][0]
    assert await database.store(
        {"customer": rows, "event": [], "floor": [(last, last + 1, 1)]}, after=rows[0][0] - 1
    )
    return (await database.read(customers))[before:]


@pytest.mark.parametrize("text", TEXTS)
async def test_each_text_comes_back_alone(database: Database, text: str) -> None:
    row = (1, text, None, text, 0.1)
    assert await stored(database, [row]) == [row]


async def test_texts_come_back_beside_each_other_and_beside_nothing(database: Database) -> None:
    pairs = itertools.product([*TEXTS, None], repeat=2)
    rows = [(i, name or "", name, segment, i / 3) for i, (name, segment) in enumerate(pairs, 1)]
    assert await stored(database, rows) == rows


async def test_ordinary_texts_come_back_beside_nothing(database: Database) -> None:
    ordinary = [each for each in TEXTS if "\x1e" not in each and "\x1f" not in each]
    pairs = itertools.product([*ordinary, None], repeat=2)
    rows = [(i, name or "", name, segment, i / 3) for i, (name, segment) in enumerate(pairs, 1)]
    assert await stored(database, rows) == rows


@pytest.mark.parametrize("at", [0.0, -0.0, 1e-300, 1.7976931348623157e308, 1785542400.123456, 2**53 + 1.0])
async def test_numbers_come_back_to_the_last_bit(database: Database, at: float) -> None:
    row = (2**62, "Ann", None, None, at)
    await stored(database, [(1, "Bob", None, None, 1.5), row])
    assert (await database.read(customers))[-1] == row
