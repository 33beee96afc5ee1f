"""Addresses of calendars: read without a key, made and revoked by the agent or a planner."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from icalendar import Calendar

from app.db.plans import AssignmentRow, add_plan, publish_plan
from app.db.schema import calendar_address
from app.edge import _loggable
from app.settings import Settings
from tests.app.conftest import Service, furnish, running
from tests.builders import make_agent

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
ADDRESSES = "/v1/agents/ann/calendar-addresses"


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    """A service in which Ann has one published shift."""
    async with running(settings.model_copy(update={"clock_start_at": START})) as service:
        await furnish(service.house, make_agent("ann"), make_agent("bob"))
        nine = START.timestamp() - 3 * 3600
        shift = AssignmentRow("ann", "2026-03-02", "day", nine, nine + 8 * 3600, False, [], [])
        times: dict[str, Any] = {"run_id": None, "made_at": nine, "made_by": "test"}
        database = service.house.database
        plan_id, _ = await database.tx(add_plan, "2026-03-02", 7, {}, [shift], **times)
        await database.tx(publish_plan, plan_id, now=nine, actor="test")
        yield service


async def agents_key(service: Service, agent: str) -> httpx.AsyncClient:
    """Return a client with a key of an agent's own."""
    async with service.client("admin") as admin:
        made = await admin.post("/v1/keys", json={"name": agent, "role": "agent", "agent": agent})
    client = service.client("admin")
    client.headers["Authorization"] = f"Bearer {made.json()['secret']}"
    return client


def path_of(answer: httpx.Response) -> str:
    assert answer.status_code == 201, answer.text
    return httpx.URL(answer.json()["address"]).path


async def read(service: Service, path: str) -> httpx.Response:
    """Read an address as a calendar program does, without a key."""
    async with service.client("admin") as client:
        del client.headers["Authorization"]
        return await client.get(path)


async def test_address_is_read_without_a_key_until_it_is_revoked(service: Service) -> None:
    async with await agents_key(service, "ann") as ann:
        made = await ann.post(ADDRESSES)
        path = path_of(made)
        answer = await read(service, path)
        assert answer.headers["content-type"].startswith("text/calendar")
        assert len(Calendar.from_ical(answer.content).walk("VEVENT")) == 1
        assert (await ann.delete(f"{ADDRESSES}/{made.json()['id']}")).status_code == 204
        assert (await ann.delete(f"{ADDRESSES}/{made.json()['id']}")).status_code == 404
        assert (await ann.get(ADDRESSES)).json()["items"] == []
    assert (await read(service, path)).status_code == 404


async def test_address_reads_and_does_nothing_else(service: Service) -> None:
    async with await agents_key(service, "ann") as ann:
        path = path_of(await ann.post(ADDRESSES))
        secret = path.removeprefix("/calendars/").removesuffix(".ics")
        ann.headers["Authorization"] = f"Bearer {secret}"
        assert (await ann.get("/v1/agents/ann/roster.ics")).status_code == 401
        assert (await ann.post(path)).status_code == 405


async def test_only_a_hash_of_the_secret_is_stored(service: Service) -> None:
    async with service.client("planner") as planner:
        path = path_of(await planner.post(ADDRESSES))
        listed = (await planner.get(ADDRESSES)).json()["items"]
    secret = path.removeprefix("/calendars/").removesuffix(".ics")
    assert len(secret) >= 43
    assert [each["created_by"] for each in listed] == ["planner"]
    rows = await service.house.database.read(lambda conn: conn.execute(sa.select(calendar_address)).all())
    assert secret not in str([*rows, *listed])


async def test_nobody_makes_or_revokes_an_address_of_another_agent(service: Service) -> None:
    async with service.client("planner") as planner:
        made = (await planner.post(ADDRESSES)).json()["id"]
        assert (await planner.post("/v1/agents/nobody/calendar-addresses")).status_code == 404
        assert (await planner.delete(f"/v1/agents/bob/calendar-addresses/{made}")).status_code == 404
    async with await agents_key(service, "bob") as bob:
        assert (await bob.post(ADDRESSES)).status_code == 403
        assert (await bob.get(ADDRESSES)).status_code == 403
        assert (await bob.delete(f"{ADDRESSES}/{made}")).status_code == 403


async def test_address_of_an_agent_who_is_made_inactive_is_gone(service: Service) -> None:
    async with service.client("planner") as planner:
        path = path_of(await planner.post(ADDRESSES))
    async with service.client("admin") as admin:
        await admin.put("/v1/agents/ann", json={"name": "Ann", "teams": ["general"], "active": False})
    assert (await read(service, path)).status_code == 404


async def test_addresses_of_an_agent_are_few(service: Service) -> None:
    async with service.client("planner") as planner:
        answers = [(await planner.post(ADDRESSES)).status_code for _ in range(11)]
    assert answers == [201] * 10 + [409]


def test_secret_of_an_address_is_not_logged() -> None:
    assert _loggable("/calendars/abc.ics") == "/calendars/..."
    assert _loggable("/v1/plans") == "/v1/plans"
