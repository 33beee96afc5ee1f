"""Batches that follow each other at once: one is decided while the one before is being stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from app.clock import Clock
from app.db.engine import UnstorableError
from app.settings import Settings
from routing import commands as cmd
from routing.model import Channel
from tests.app.conftest import Service, furnish, running
from tests.app.test_contacts import CALL
from tests.app.test_switchboard import contact_id, expect_truth, head, logged, replica  # noqa: F401 - a fixture


@pytest.fixture
async def narrow(settings: Settings) -> AsyncIterator[Service]:
    """A service whose batches hold one command each."""
    async with running(settings.model_copy(update={"batch_size": 1})) as service:
        await furnish(service.house)
        yield service


async def send(service: Service, *requests: tuple[str, Any, dict[str, str]]) -> list[Any]:
    """Post all at once; return the answers."""
    async with service.client() as client:
        posts = [client.post(path, json=body, headers=headers) for path, body, headers in requests]
        return list(await asyncio.gather(*posts))


async def test_customer_known_since_the_batch_before_is_not_added_again(narrow: Service) -> None:
    answers = await send(narrow, *[("/v1/contacts", CALL, {})] * 8)
    assert len({each.json()["id"] for each in answers}) == 8
    assert len({each.json()["customer_id"] for each in answers}) == 1
    assert len({each.json()["ticket_id"] for each in answers}) == 1
    await expect_truth(narrow)


async def test_ticket_resolved_in_the_batch_before_is_joined_as_it_stands_now(narrow: Service) -> None:
    first = (await send(narrow, ("/v1/contacts", CALL, {})))[0].json()
    ended, again = await send(
        narrow, (f"/v1/contacts/{first['id']}/abandon", None, {}), ("/v1/contacts", CALL, {})
    )
    assert ended.status_code == 200
    assert again.json()["ticket_id"] == first["ticket_id"]
    async with narrow.client() as client:
        ticket = (await client.get(f"/v1/tickets/{first['ticket_id']}")).json()
    assert (ticket["contacts"], ticket["state"]) == (2, "open")
    await expect_truth(narrow)


async def test_idempotency_key_of_the_batch_before_gives_the_same_answer(narrow: Service) -> None:
    answers = await send(narrow, *[("/v1/contacts", CALL, {"Idempotency-Key": "once"})] * 5)
    assert len({each.content for each in answers}) == 1
    assert len(await narrow.house.switchboard.read(lambda floor: list(floor.contacts))) == 1


async def test_merge_is_seen_by_the_batch_after_it(narrow: Service) -> None:
    one, other = await send(
        narrow, ("/v1/contacts", CALL, {}), ("/v1/contacts", {**CALL, "from": {"phone": "+442079460777"}}, {})
    )
    kept, gone = one.json()["customer_id"], other.json()["customer_id"]
    merged, *calls = await send(
        narrow,
        (f"/v1/customers/{kept}/merge", {"customer_id": gone}, {}),
        *[("/v1/contacts", {**CALL, "from": {"phone": "+442079460777"}}, {})] * 3,
    )
    assert merged.is_success, merged.text
    last = (await send(narrow, ("/v1/contacts", {**CALL, "from": {"phone": "+442079460777"}}, {})))[0]
    assert last.json()["customer_id"] == kept
    assert all(each.is_success for each in calls)
    await expect_truth(narrow)


async def test_batch_after_one_that_could_not_be_stored_is_decided_anew(narrow: Service) -> None:
    board = narrow.house.switchboard
    number = 2**70 if narrow.house.database.dialect == "sqlite" else 2**63
    call = cmd.Receive(actor="pbx", channel=Channel.VOICE, identity=cmd.Identity())
    poison = cmd.Receive(actor="pbx", channel=Channel.VOICE, identity=cmd.Identity(), customer_id=number)
    commands = [call, poison, call, poison, poison, call, call]
    results = await asyncio.gather(
        *(board.submit(each, contact_id) for each in commands), return_exceptions=True
    )
    good = [int, UnstorableError, int, UnstorableError, UnstorableError, int, int]
    assert [type(each) for each in results] == good
    assert sorted(each for each in results if isinstance(each, int)) == sorted(
        await board.read(lambda floor: list(floor.contacts))
    )
    await expect_truth(narrow)


async def test_stop_stores_what_is_on_its_way(settings: Settings) -> None:
    async with running(settings.model_copy(update={"batch_size": 1})) as service:
        await furnish(service.house)
        board = service.house.switchboard
        call = cmd.Receive(actor="pbx", channel=Channel.VOICE, identity=cmd.Identity())
        waiting = [asyncio.create_task(board.submit(call, contact_id)) for _ in range(5)]
        await asyncio.sleep(0)
        await board.stop()
        stored = await asyncio.gather(*waiting)
    async with running(settings) as service:
        floor = await service.house.switchboard.read(lambda floor: list(floor.contacts))
    assert sorted(stored) == sorted(floor)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection past everything of ours."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    yield connection
    await connection.close()


async def until_waiting(url: str, count: int) -> None:
    """Return once `count` connections to the database wait for a lock."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with connected(url) as watcher, asyncio.timeout(10):
        for _ in range(1000):
            if await watcher.fetchval(waiting) >= count:
                return
            await asyncio.sleep(0.01)
    raise TimeoutError


@pytest.mark.postgres
async def test_batch_is_decided_anew_when_another_replica_was_quicker(postgres_url: str) -> None:
    settings = Settings(database_url=postgres_url, worker="off", scheduler=False, log_level="error")
    call = cmd.Receive(actor="pbx", channel=Channel.VOICE, identity=cmd.Identity())
    async with running(settings) as service:
        await furnish(service.house)
        one = service.house.switchboard
        async with replica(settings, Clock()) as two:
            await asyncio.gather(one.read(head), two.read(head))
            # Both decide on the same floor and wait to store; only one of them can be right.
            async with connected(postgres_url) as holder, holder.transaction():
                await holder.execute("SELECT FROM floor WHERE id = 1 FOR UPDATE")
                posted = [asyncio.create_task(board.submit(call, contact_id)) for board in (one, two)]
                await until_waiting(postgres_url, 2)
            ids = await asyncio.gather(*posted)
            assert len(set(ids)) == 2
            floors = [await board.read(lambda floor: floor.snapshot()) for board in (one, two)]
            assert floors[0] == floors[1]
            assert set(ids) == set(floors[0]["contacts"])
        await expect_truth(service)


@pytest.mark.postgres
async def test_read_sees_what_another_replica_has_stored_before_it(postgres_url: str) -> None:
    settings = Settings(database_url=postgres_url, worker="off", scheduler=False, log_level="error")
    call = cmd.Receive(actor="pbx", channel=Channel.VOICE, identity=cmd.Identity())
    async with running(settings) as service:
        await furnish(service.house)
        async with replica(settings, Clock()) as other:
            for _ in range(3):
                posted = await service.house.switchboard.submit(call, contact_id)
                assert posted in await other.read(lambda floor: list(floor.contacts))


@pytest.mark.postgres
async def test_batches_are_whole_while_the_floor_is_shared(postgres_url: str) -> None:
    settings = Settings(database_url=postgres_url, worker="off", scheduler=False, log_level="error")
    async with running(settings) as service:
        await furnish(service.house)
        board: Any = service.house.switchboard
        board._shared_until = service.house.clock.now() + 600.0
        other = {**CALL, "from": {"phone": "+442079460777"}}
        one, two = await send(service, ("/v1/contacts", CALL, {}), ("/v1/contacts", other, {}))
        kept, gone = one.json()["customer_id"], two.json()["customer_id"]
        merged, *calls = await send(
            service,
            (f"/v1/customers/{kept}/merge", {"customer_id": gone}, {}),
            *[("/v1/contacts", other, {"Idempotency-Key": "once"})] * 3,
        )
        assert merged.is_success, merged.text
        assert len({each.content for each in calls}) == 1
        assert (await send(service, ("/v1/contacts", other, {})))[0].json()["customer_id"] == kept
        poison = cmd.Receive(actor="pbx", channel=Channel.VOICE, identity=cmd.Identity(), customer_id=2**63)
        good = cmd.Receive(actor="pbx", channel=Channel.VOICE, identity=cmd.Identity())
        commands = [board.submit(each, contact_id) for each in (good, poison, good)]
        results = await asyncio.gather(*commands, return_exceptions=True)
        assert [type(each) for each in results] == [int, UnstorableError, int]
        await expect_truth(service)
