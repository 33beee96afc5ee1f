"""A housekeeping run: imports are settled; old answers to idempotency keys and dead sessions thrown away."""

from __future__ import annotations

from typing import Any, Final

from app.db import housekeeping
from app.db.engine import Connection
from app.planning.desk import Desk, Outcome
from app.planning.params import HousekeepingParams
from app.planning.settling import settle_imports

_AT_ONCE: Final = 2000
"""Rows in one transaction: contacts are written between two of them."""


async def keep_house(desk: Desk) -> Outcome:
    """Carry out a run of kind `housekeeping`."""
    params = HousekeepingParams.model_validate(desk.run.params)
    before = desk.now - 3600.0 * params.idempotency_hours
    answers = 0
    while deleted := await desk.database.tx(housekeeping.delete_answers, before, most=_AT_ONCE):
        answers += deleted
    await settle_imports(desk.database)

    def save(conn: Connection) -> dict[str, Any]:
        return {"sessions": housekeeping.delete_sessions(conn, desk.now)}

    return Outcome({"answers": answers}, save)
