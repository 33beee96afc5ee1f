"""Other replicas hear how far the log has grown: each commit while they are few, the last of many."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from app.db import herald
from app.db.batch_writes import CHANNEL
from app.db.engine import OutageError
from app.db.herald import Herald
from app.settings import Settings
from tests.app.conftest import furnish, running
from tests.app.test_contacts import CALL, post


class Heard:
    """What a herald is to tell, with a fault the first time where one is given."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.told: list[int] = []
        self.any = asyncio.Event()
        self._fault = fault

    async def __call__(self, seq: int) -> None:
        self.told.append(seq)
        self.any.set()
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault


async def test_first_commit_tells_by_itself_and_the_last_of_many_is_told_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(herald, "EVERY_S", 0.01)
    heard = Heard()
    one = Herald(heard)
    assert one.takes_turn()
    # The pause after the next telling is not over before the test is, however slow this machine is.
    monkeypatch.setattr(herald, "EVERY_S", 3600.0)
    for seq in (2, 3, 4):
        assert not one.takes_turn()
        one.owes(seq)
    await asyncio.wait_for(heard.any.wait(), 10)
    assert heard.told == [4]
    assert not one.takes_turn(), "what was told just now makes the next one wait too"
    await one.close()
    assert heard.told == [4]


async def test_commit_that_took_longer_than_the_pause_is_told_when_it_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(herald, "EVERY_S", 0.001)
    heard = Heard()
    one = Herald(heard)
    assert one.takes_turn()
    assert not one.takes_turn()
    await asyncio.sleep(0.02)
    one.owes(7)
    await asyncio.wait_for(heard.any.wait(), 10)
    await one.close()
    assert heard.told == [7]


@pytest.mark.parametrize("fault", [OutageError(), RuntimeError("another operation is in progress")], ids=repr)
async def test_end_tells_what_is_owed_also_after_a_fault(
    fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(herald, "EVERY_S", 0.01)
    heard = Heard(fault)
    one = Herald(heard)
    assert one.takes_turn()
    one.owes(5)
    await asyncio.wait_for(heard.any.wait(), 10)
    one.owes(6)
    await one.close()
    assert heard.told == [5, 6]


@pytest.mark.postgres
async def test_many_commits_are_few_notices_and_the_last_one_is_among_them(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So long that only the end tells, however slow this machine is.
    monkeypatch.setattr(herald, "EVERY_S", 3600.0)
    heard: list[int] = []
    more = asyncio.Event()

    def on_notice(_: object, __: int, ___: str, seq: object) -> None:
        heard.append(int(str(seq)))
        more.set()

    listener = await asyncpg.connect(postgres_url.replace("postgresql+asyncpg://", "postgresql://"))
    settings = Settings(database_url=postgres_url, worker="off", scheduler=False, log_level="error")
    try:
        async with running(settings) as service:
            await furnish(service.house)
            async with service.client() as client:
                await post(client, "/v1/contacts", CALL)
                await listener.add_listener(CHANNEL, on_notice)
                for _ in range(20):
                    await post(client, "/v1/contacts", CALL)
                head = service.house.feed.head
        async with asyncio.timeout(20):
            while head not in heard:
                more.clear()
                await more.wait()
    finally:
        await listener.close()
    assert heard == [head]
