"""Settles imports that count and clears what others left, so little at a time that no call waits for it."""

from __future__ import annotations

from typing import Final

from app.db import imports
from app.db.engine import Database

AT_ONCE: Final = 1000
"""Rows in one transaction: contacts are written between two of them."""


async def settle_imports(database: Database) -> None:
    """Settle every import that counts, and clear what runs have left that ended otherwise."""
    while await database.tx(imports.settle_some, most=AT_ONCE):
        pass
    for run_id in await database.read(imports.list_left):
        while await database.tx(imports.clear_left, run_id, most=AT_ONCE):
            pass
