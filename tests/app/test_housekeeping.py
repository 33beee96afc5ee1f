"""Every night what nobody can ask for any more is thrown away, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from app.db import housekeeping
from app.db.engine import Connection
from app.db.schema import idempotency, session
from app.settings import Settings
from tests.app.conftest import Service
from tests.app.planning_rig import planning_service, run_to_end

HOUR_S = 3600.0


def add_answers(conn: Connection, ages_h: list[float], now: float) -> None:
    rows = [
        {
            "scope": "key",
            "key": f"k{number}",
            "fingerprint": "",
            "status": 201,
            "body": "",
            "at": now - age * HOUR_S,
        }
        for number, age in enumerate(ages_h)
    ]
    conn.execute(sa.insert(idempotency), rows)


def keys_left(conn: Connection) -> list[str]:
    return list(conn.scalars(sa.select(idempotency.c.key).order_by(idempotency.c.key)))


async def test_answers_older_than_the_setting_go_and_younger_ones_stay(settings: Settings) -> None:
    async with planning_service(settings.model_copy(update={"idempotency_hours": 5})) as service:
        database, now = service.house.database, service.house.clock.now()
        await database.tx(add_answers, [4.9, 5.1, 30.0], now)
        async with service.client("planner") as planner:
            run = await run_to_end(planner, "housekeeping")
        assert (run["state"], run["result"]) == ("done", {"answers": 2, "sessions": 0})
        assert await database.read(keys_left) == ["k0"]


async def test_answers_go_a_part_at_a_time(service: Service) -> None:
    database, now = service.house.database, service.house.clock.now()
    await database.tx(add_answers, [30.0 + number for number in range(5)], now)
    deleted = [await database.tx(housekeeping.delete_answers, now - HOUR_S, most=2) for _ in range(4)]
    assert deleted == [2, 2, 1, 0]


async def add_session(service: Service, *, expires_in_s: float) -> None:
    house = service.house
    now = house.clock.now()
    key, _ = await house.keyring.create_key("page", "plans:read")
    row: dict[str, Any] = {
        "secret_hash": "secret",
        "api_key_id": key.id,
        "kind": "browser",
        "created_at": now,
        "expires_at": now + expires_in_s,
    }
    await house.database.tx(lambda conn: conn.execute(sa.insert(session).values(**row)) and None)


@pytest.mark.parametrize(("expires_in_s", "left"), [(-1.0, 0), (3600.0, 1)])
async def test_session_goes_when_it_has_expired(service: Service, expires_in_s: float, left: int) -> None:
    await add_session(service, expires_in_s=expires_in_s)
    database = service.house.database
    await database.tx(housekeeping.delete_sessions, service.house.clock.now())
    count = sa.select(sa.func.count()).select_from(session)
    assert await database.read(lambda conn: conn.scalar(count)) == left
