"""The one write path: what a batch promises to each of its commands, on both databases."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from app.batch import Errand
from app.clock import Clock
from app.db.batch_writes import telling
from app.db.engine import UnstorableError, open_database
from app.errors import AppError, OverloadedError, StorageUnavailableError, WrongStateError
from app.settings import Settings
from app.switchboard import Switchboard
from routing import commands as cmd
from routing.model import Channel, Presence
from tests.app.conftest import Service, furnish, running
from tests.builders import make_agent
from tests.faults.truth import check, read_truth

CALL = cmd.Receive(actor="pbx", channel=Channel.VOICE, identity=cmd.Identity())


@pytest.fixture(autouse=True)
def logged() -> Iterator[Any]:
    """What is logged meanwhile: tracebacks with every local value take seconds to write out."""
    with capture_logs() as entries:
        yield entries


def nothing(*_: Any) -> None:
    """A view for who does not look."""


def contact_id(_: Any, events: Any) -> int:
    return int(next(each.contact.id for each in events if hasattr(each, "contact")))


def head(floor: Any) -> int:
    return int(floor.seq)


async def carry_out(board: Switchboard, *commands: cmd.Command, view: Any = nothing) -> list[Any]:
    """Submit all at once, so that they share a batch; return each one's result or error."""
    return list(
        await asyncio.gather(*(board.submit(each, view) for each in commands), return_exceptions=True)
    )


async def present(board: Switchboard, *agents: str) -> None:
    for agent in agents:
        command = cmd.SetPresence(actor="test", agent_id=agent, presence=Presence.AVAILABLE)
        await board.submit(command, nothing)


async def expect_truth(service: Service) -> None:
    seen = await service.house.switchboard.read(lambda floor: floor.snapshot())
    truth = await service.house.database.tx(read_truth)
    check(truth)
    assert truth.floor == seen


async def test_refused_command_fails_alone(service: Service) -> None:
    board = service.house.switchboard
    wrong = cmd.Complete(actor="test", contact_id=await board.submit(CALL, contact_id))
    one, refused, other = await carry_out(board, CALL, wrong, CALL)
    assert (one, other) == (None, None)
    assert isinstance(refused, WrongStateError)


async def test_command_that_breaks_is_set_apart_and_the_rest_is_carried_out(service: Service) -> None:
    board = service.house.switchboard

    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    results = await asyncio.gather(
        board.submit(CALL, contact_id),
        board.submit(CALL, broken),
        board.carry_out(Errand(nothing, broken)),
        board.submit(CALL, contact_id),
        return_exceptions=True,
    )
    assert [type(each) for each in results] == [int, AppError, AppError, int]
    assert len(set(results)) == 4
    assert len(await board.read(lambda floor: list(floor.contacts))) == 2
    await expect_truth(service)


async def test_command_whose_data_the_database_refuses_fails_alone(service: Service) -> None:
    board = service.house.switchboard
    number = 2**70 if service.house.database.dialect == "sqlite" else 2**63
    poison = cmd.Receive(actor="pbx", channel=Channel.VOICE, identity=cmd.Identity(), customer_id=number)
    results = await carry_out(board, CALL, CALL, poison, CALL, CALL, view=contact_id)
    assert [type(each) for each in results] == [int, int, UnstorableError, int, int]
    assert len(set(await board.read(lambda floor: list(floor.contacts)))) == 4
    await expect_truth(service)


async def test_overload_is_refused_before_anything_is_queued(settings: Settings) -> None:
    async with running(settings.model_copy(update={"max_waiting_commands": 3})) as service:
        await furnish(service.house)
        board = service.house.switchboard
        results = await carry_out(board, *[CALL] * 10, view=contact_id)
        refused = [each for each in results if isinstance(each, OverloadedError)]
        assert len(refused) == 7
        assert {each.headers["Retry-After"] for each in refused} == {"1"}
        assert len(await board.read(lambda floor: list(floor.contacts))) == 3


async def test_overload_gives_503_with_retry_after_over_http(settings: Settings) -> None:
    async with (
        running(settings.model_copy(update={"max_waiting_commands": 2})) as service,
        service.client() as client,
    ):
        await furnish(service.house)
        await client.get("/v1/agents")
        answers = await asyncio.gather(
            *(client.post("/v1/contacts", json={"channel": "voice"}) for _ in range(8))
        )
    refused = [each for each in answers if each.status_code == 503]
    assert len(refused) == 6
    assert {(each.json()["type"], each.headers["retry-after"]) for each in refused} == {
        ("/problems/overloaded", "1")
    }


async def test_failed_commit_tells_nobody_yes_and_leaves_nothing_behind(service: Service) -> None:
    board = service.house.switchboard
    seq = await board.read(head)
    async with failing_commits(service):
        results = await carry_out(board, CALL, CALL, view=contact_id)
    assert [type(each).__mro__[1] for each in results] == [StorageUnavailableError] * 2
    assert {each.headers["Retry-After"] for each in results} == {"1"}
    assert await board.read(head) == seq
    assert await board.submit(CALL, contact_id) > 0
    await expect_truth(service)


@asynccontextmanager
async def failing_commits(service: Service) -> AsyncIterator[None]:
    """Have the database lose the connection of every commit before it is made."""
    database: Any = service.house.database
    if database.dialect == "postgresql":
        url = service.house.settings.database_url.replace("+asyncpg", "")
        holder = await asyncpg.connect(url)
        hold = holder.transaction()
        await hold.start()
        await holder.execute("SELECT FROM floor WHERE id = 1 FOR UPDATE")
        killing = asyncio.create_task(kill_who_waits(url))
        try:
            yield
        finally:
            killing.cancel()
            await asyncio.gather(killing, return_exceptions=True)
            await hold.rollback()
            await holder.close()
        return
    lost = sa.exc.OperationalError("COMMIT", None, OSError("gone"))

    def fail(_: Any) -> None:
        raise lost

    sa.event.listen(database._engine, "commit", fail)
    yield
    sa.event.remove(database._engine, "commit", fail)


async def kill_who_waits(url: str) -> None:
    """End every connection to the database that waits for a lock, until cancelled."""
    connection = await asyncpg.connect(url)
    try:
        while True:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            await asyncio.sleep(0.01)
    finally:
        await connection.close()


async def test_read_sees_what_was_committed_before_it(service: Service) -> None:
    board = service.house.switchboard
    posted = asyncio.create_task(board.submit(CALL, contact_id))
    await asyncio.sleep(0)
    known = await board.read(lambda floor: list(floor.contacts))
    assert known == [await posted]


async def test_offer_expires_by_itself(settings: Settings) -> None:
    async with running(settings.model_copy(update={"clock_speed": 400.0})) as service:
        await furnish(service.house)
        await present(service.house.switchboard, "ann")
        followed = service.house.feed.follow(service.house.feed.head)
        await service.house.switchboard.submit(CALL, contact_id)
        async with asyncio.timeout(10):
            async for _, data in followed:
                if b'"kind":"offer_ended"' in data:
                    break
        await followed.aclose()  # type: ignore[attr-defined]
        state = await service.house.switchboard.read(lambda floor: floor.agents["ann"].state.value)
        assert state == "not_responding"


async def test_stop_finishes_what_was_submitted_and_takes_no_more(settings: Settings) -> None:
    async with running(settings) as service:
        await furnish(service.house)
        board = service.house.switchboard
        posted = [asyncio.create_task(board.submit(CALL, contact_id)) for _ in range(20)]
        await asyncio.sleep(0)
        await board.stop()
        ids = await asyncio.gather(*posted)
        with pytest.raises(OverloadedError, match="stopping"):
            await board.submit(CALL, nothing)
    async with running(settings) as again:
        assert set(ids) <= set(await again.house.switchboard.read(lambda floor: list(floor.contacts)))


async def test_time_does_not_run_before_the_log_when_the_clock_was_set_back(settings: Settings) -> None:
    async with running(settings) as service:
        await furnish(service.house)
        service.house.clock._start += 5000.0
        await service.house.switchboard.submit(CALL, contact_id)
    async with running(settings) as again:
        await again.house.switchboard.submit(CALL, contact_id)
        truth = await again.house.database.tx(read_truth)
    times = [event.at for event in truth.events]
    assert times == sorted(times)


@pytest.mark.parametrize("kind", ["receive", "keyed", "ticket"])
async def test_batch_goes_to_the_database_as_often_as_one_command(
    service: Service, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = service.house
    async with service.client() as client:
        await client.get("/v1/agents")
        ended = []
        for number in range(13):
            answer = await client.post("/v1/contacts", json={"channel": "voice", "call_id": f"old{number}"})
            await client.post(f"/v1/contacts/{answer.json()['id']}/abandon")
            ended.append(answer.json()["ticket_id"])

        async def ask(number: int) -> Any:
            body = {"channel": "voice", "from": {"phone": f"+44207946{number:04d}"}}
            if kind == "ticket":
                return await client.patch(f"/v1/tickets/{ended[number]}", json={"state": "resolved"})
            headers = {"Idempotency-Key": f"k{number}"} if kind == "keyed" else {}
            return await client.post("/v1/contacts", json=body, headers=headers)

        # The keyring asks for a key again after five seconds: then the twelve would not come at once.
        now = house.clock.now()
        monkeypatch.setattr(house.clock, "now", lambda: now)
        await client.get("/v1/agents")
        calls = counted(house.switchboard, house.database, monkeypatch)
        assert (await ask(0)).is_success
        alone = calls.copy()
        calls.clear()
        answers = await asyncio.gather(*(ask(number) for number in range(1, 13)))
    assert all(each.is_success for each in answers)
    assert alone["store"] == 1
    assert 1 <= calls["store"] <= 2
    assert {name: n / calls["store"] for name, n in calls.items()} == alone


def counted(board: Switchboard, database: Any, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Return how often each way to the database is taken for commands from now on.

    Other tasks go there too, on a slow machine even between two commands: keys are checked again, the head of
    the log is read, the floor is looked at because time has passed, other replicas are told.
    """
    calls: Counter[str] = Counter()
    commands = ContextVar("commands", default=0)
    fly = board._fly

    async def flown(batch: list[Any]) -> bool:
        token = commands.set(len(batch))
        try:
            return await fly(batch)
        finally:
            commands.reset(token)

    def spy(name: str) -> Any:
        real = getattr(database, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            tells = name == "query" and args[0][0] == telling(0)[0]
            calls[name] += commands.get() > 0 and not tells
            return await real(*args, **kwargs)

        return call

    monkeypatch.setattr(board, "_fly", flown)
    for name in ("query", "store"):
        monkeypatch.setattr(database, name, spy(name))
    return calls


@asynccontextmanager
async def replica(settings: Settings, clock: Clock) -> AsyncIterator[Switchboard]:
    """Another switchboard on the same database, which hears of nothing but what it reads itself."""
    database = open_database(settings)
    board = Switchboard(database, clock, batch_size=8)
    await board.start()
    yield board
    await board.stop()
    await database.close()


@pytest.mark.postgres
async def test_two_replicas_lose_and_double_nothing(postgres_url: str) -> None:
    settings = Settings(database_url=postgres_url, worker="off", scheduler=False, log_level="error")
    async with running(settings) as service:
        await furnish(service.house, *(make_agent(f"a{i}") for i in range(6)))
        one = service.house.switchboard
        await present(one, *(f"a{i}" for i in range(6)))
        async with replica(settings, Clock()) as two:
            ids = await asyncio.gather(
                *(board.submit(CALL, contact_id) for _ in range(30) for board in (one, two))
            )
            assert len(set(ids)) == 60
            offers = await two.read(lambda floor: [each.id for each in floor.offers.values()])
            taken = await asyncio.gather(
                *(
                    board.submit(cmd.Accept(actor="test", offer_id=offer), nothing)
                    for offer in offers
                    for board in (one, two)
                ),
                return_exceptions=True,
            )
            assert [type(each).__name__ for each in taken].count("NoneType") == len(offers) == 6
            floors = [await board.read(lambda floor: floor.snapshot()) for board in (one, two)]
            assert floors[0] == floors[1]
            assert set(ids) == set(floors[0]["contacts"])
        await expect_truth(service)


@pytest.mark.postgres
async def test_time_runs_forward_between_replicas_whose_clocks_differ(postgres_url: str) -> None:
    settings = Settings(database_url=postgres_url, worker="off", scheduler=False, log_level="error")
    late = Clock(start_at=Clock().now() - 300.0)
    async with running(settings) as service:
        await furnish(service.house)
        async with replica(settings, late) as other:
            for board in (service.house.switchboard, other) * 3:
                await board.submit(CALL, contact_id)
        truth = await service.house.database.tx(read_truth)
    times = [event.at for event in truth.events]
    assert times == sorted(times)


async def test_look_up_that_breaks_in_whatever_way_does_not_end_the_loop(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    board, database = service.house.switchboard, service.house.database
    calls = [
        cmd.Receive(actor="pbx", channel=Channel.VOICE, identity=cmd.Identity(phone=f"+44207946000{each}"))
        for each in range(3)
    ]
    await carry_out(board, calls[0])
    broken: list[Any] = []

    async def query(literal: Any) -> Any:
        broken.append(literal)
        raise RuntimeError("another operation is in progress")

    with monkeypatch.context() as patch:
        patch.setattr(database, "query", query)
        results = await asyncio.wait_for(carry_out(board, *calls[1:], view=contact_id), 20)
    # An embedded database has no other writer to be asked about.
    assert bool(broken) or service.house.settings.is_sqlite
    assert [type(each) for each in results] == [int, int]
    await expect_truth(service)


@pytest.mark.postgres
async def test_driver_that_is_confused_counts_as_an_outage_and_gets_another_connection(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = open_database(Settings(database_url=postgres_url, worker="off"))

    async def confused(*_: Any) -> None:
        raise asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")

    with monkeypatch.context() as patch:
        patch.setattr(asyncpg.Connection, "fetch", confused)
        with pytest.raises(StorageUnavailableError):
            await database.query(("SELECT 1", ()))
    assert [tuple(row) for row in await database.query(("SELECT 1", ()))] == [(1,)]
    await database.close()
