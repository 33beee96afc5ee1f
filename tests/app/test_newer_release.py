"""A replica meets events of a newer release: it skips nothing, takes no commands, and says so."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa
import structlog

from app.db import schema
from app.db.engine import Connection, Database, open_database
from app.settings import Settings
from routing.events import KINDS, UnreadableEventError, decode
from tests.app.conftest import Service, furnish, running
from tests.app.test_contacts import CALL, post
from tests.faults.truth import read_truth

ODD = {
    "another kind": ("customer_praised", '{"kind":"customer_praised","at":1.0,"actor":"next","words":3}'),
    "another value": (
        "presence_changed",
        '{"kind":"presence_changed","at":1.0,"actor":"next","agent_id":"ann","presence":"dancing"}',
    ),
}


@pytest.fixture(params=ODD.values(), ids=ODD)
def odd(request: pytest.FixtureRequest) -> tuple[str, str]:
    """What this release can't read: the kind of an event and the event."""
    kind, data = request.param
    return str(kind), str(data)


async def write_as_newer_release(database: Database, kind: str, data: str) -> None:
    """Append an event as a replica of a newer release does."""

    def write(conn: Connection) -> None:
        seq = conn.scalar(sa.select(schema.floor.c.seq))
        assert seq is not None
        conn.execute(sa.insert(schema.event).values(seq=seq + 1, at=1.0, kind=kind, actor="next", data=data))
        conn.execute(sa.update(schema.floor).values(seq=seq + 1))

    await database.tx(write)


async def as_seen(service: Service) -> dict[str, Any]:
    """Return what callers of a replica see: statuses of some routes, and the answer to a call."""
    async with service.client() as client:
        answer = await client.post("/v1/contacts", json=CALL)
        paths = ("/healthz", "/readyz", "/v1/agents", "/v1/queues")
        return {"call": answer} | {path: (await client.get(path)).status_code for path in paths}


@pytest.mark.postgres
async def test_replica_takes_no_commands_once_a_newer_release_has_written(
    postgres_url: str, odd: tuple[str, str]
) -> None:
    settings = Settings(database_url=postgres_url, worker="off", scheduler=False, log_level="error")
    async with running(settings) as service:
        await furnish(service.house)
        async with service.client() as client:
            await post(client, "/v1/contacts", CALL)
        before = await service.house.database.tx(read_truth)
        await write_as_newer_release(service.house.database, *odd)
        with structlog.testing.capture_logs() as logs:
            seen = [await as_seen(service) for _ in range(2)]
        after = await service.house.database.tx(read_rows)
    for each in seen:
        call = each.pop("call")
        assert (call.status_code, call.headers["retry-after"]) == (503, "30")
        assert (call.json()["type"], call.json()["kind"]) == ("/problems/newer-release", odd[0])
        assert "ask another one" in call.json()["detail"]
        assert each["/healthz"] == 200
        assert each["/readyz"] == each["/v1/agents"] == 503
    assert [each["kind"] for each in logs if each["event"] == "newer_release_in_log"] == [odd[0]]
    assert after == (len(before.events) + 1, len(before.contacts))


@pytest.mark.postgres
async def test_idle_replica_notices_by_itself(postgres_url: str) -> None:
    settings = Settings(database_url=postgres_url, worker="off", scheduler=False, log_level="error")
    async with running(settings) as service:
        await furnish(service.house)
        board = service.house.switchboard
        await write_as_newer_release(service.house.database, *ODD["another kind"])
        board.nudge()
        for _ in range(200):
            if board._unreadable is not None:
                break
            await asyncio.sleep(0.02)
        async with service.client() as client:
            assert (await client.get("/readyz")).json()["type"] == "/problems/newer-release"


async def test_floor_that_is_loaded_anew_skips_nothing_either(settings: Settings) -> None:
    async with running(settings) as service:
        await furnish(service.house)
        await service.house.switchboard.read(lambda floor: floor.seq)
        await write_as_newer_release(service.house.database, *ODD["another kind"])
        service.house.switchboard._drop()
        seen = await as_seen(service)
    assert seen["call"].json()["type"] == "/problems/newer-release"
    assert (seen["/healthz"], seen["/readyz"]) == (200, 503)


async def test_older_release_starts_from_the_rows_and_warns_after_going_back(settings: Settings) -> None:
    async with running(settings) as service:
        await furnish(service.house)
    database = open_database(settings)
    await write_as_newer_release(database, *ODD["another kind"])
    await database.close()
    with structlog.testing.capture_logs() as logs:
        async with running(settings) as service:
            async with service.client() as client:
                await post(client, "/v1/contacts", CALL)
            service.house.switchboard._drop()
            async with service.client() as client:
                await post(client, "/v1/contacts", CALL)
    warned = [each["kind"] for each in logs if each["event"] == "newer_events_before_start"]
    assert warned == ["customer_praised"]


def test_every_kind_this_release_writes_is_known() -> None:
    assert {"contact_received", "customer_changed", "policy_published"} <= KINDS
    with pytest.raises(UnreadableEventError, match="customer_praised"):
        decode(ODD["another kind"][1])


def read_rows(conn: Connection) -> tuple[int, int]:
    """Return how many events and contacts there are."""
    counts = [
        conn.scalar(sa.select(sa.func.count()).select_from(each)) for each in (schema.event, schema.contact)
    ]
    return counts[0] or 0, counts[1] or 0
