"""Connections handed over on one machine: over real sockets, callers notice nothing, and no other gets in."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app import door, link, main, relay
from app.db import deciders, schema
from app.door import Door, Passage, machine
from app.settings import Settings
from tests.app.conftest import Service, furnish, running
from tests.app.test_hot_protocol import LIMIT_S, VOICE, Served, answer, request, served
from tests.app.test_relay import announced, dial, holding, settings, until
from tests.faults.truth import check, read_truth

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(machine() is None, reason="only Linux has abstract sockets"),
]
CALLS = 40
BOTH = pytest.mark.parametrize("pair", ["machine", "network"], indirect=True)


@asynccontextmanager
async def replica(settings: Settings, *, first: bool = False) -> AsyncIterator[Served]:
    """A replica behind a server of its own, with the admin's key known already."""
    async with running(settings) as service:
        if first:
            await furnish(service.house)
        async with served(service, timeout_keep_alive=1) as there:
            await there.ask(request(service, "GET", "/v1/agents"))
            yield there


@pytest.fixture
async def pair(
    request: pytest.FixtureRequest, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Served, Served]]:
    """The replica that decides, and one that hands over to it."""
    monkeypatch.setattr(relay, "_CHECK_S", 0.05)
    both = settings(postgres_url, one_decider=getattr(request, "param", "machine"))
    async with replica(both, first=True) as first, replica(both) as second:
        assert relay_of(first).decides
        await until(lambda: relay_of(second).hands_over)
        second.service.keys = first.service.keys
        await second.ask(call(second, "GET", "/v1/agents"))
        yield first, second


def relay_of(there: Served) -> relay.Relay:
    found = there.service.house.relay
    assert found is not None
    return found


def call(there: Served, method: str = "POST", path: str = "/v1/contacts", body: Any = None) -> bytes:
    given = VOICE if body is None and method == "POST" else body
    return request(there.service, method, path, b"" if given is None else given)


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def connections(there: Served) -> int:
    return len(there.server.server_state.connections)


@BOTH
async def test_connection_goes_to_the_decider_with_its_first_hot_call(pair: tuple[Served, Served]) -> None:
    first, second = pair
    await until(lambda: connections(first) == connections(second) == 0)
    reader, writer = await second.connect()
    writer.write(call(second, "GET", "/v1/agents"))
    assert (await answer(reader))[0] == 200
    assert (connections(first), connections(second)) == (0, 1)
    for asked in (call(second), call(second, body=b"{"), call(second, "GET", "/v1/agents"), call(second)):
        writer.write(asked)
        status, headers, told = await answer(reader)
        assert status in (200, 201, 422), told
        assert "connection" not in headers
        assert connections(first) == 1
        await until(lambda: connections(second) == 0)
    assert (len(first.short), second.short) == (3, [])
    # It is as quiet as any other now.
    async with asyncio.timeout(LIMIT_S):
        assert await reader.read() == b""
    writer.close()


async def test_pieces_and_pipelines_are_answered_as_ever(pair: tuple[Served, Served]) -> None:
    first, second = pair
    given = call(second)
    pieces = [given[:7], given[7:90], given[90:]]
    [(status, *_)] = await second.ask(*pieces, answers=1)
    assert status == 201
    # Its first line was not all there, so it was passed on; here it is, and the rest comes there.
    assert second.short == ["/v1/contacts"]
    [(status, *_)] = await second.ask(given[:60], given[60:90], given[90:], answers=1)
    assert (status, second.short) == (201, ["/v1/contacts"])
    wrong, read = call(second, body=b"{"), call(second, "GET", "/v1/contacts?limit=1")
    several = [wrong, given, read, given, wrong, given]
    answers = await second.ask(b"".join(several), answers=len(several))
    assert [status for status, *_ in answers] == [422, 201, 200, 201, 422, 201]
    # A call behind a request that is being answered stays where that is.
    answers = await second.ask(read + given + wrong, answers=3)
    assert [status for status, *_ in answers] == [200, 201, 422]
    check(await first.service.house.database.tx(read_truth))


async def test_call_behind_one_that_waits_stays_with_it(pair: tuple[Served, Served]) -> None:
    _, second = pair
    reader, writer = await second.connect()
    given = call(second)
    writer.write(given[:5])
    await until(lambda: any(each._within for each in second.server.server_state.connections))
    async with holding(pair[0].service) as kept:
        writer.write(given[5:])
        await until(lambda: kept)
        writer.write(given)
        await asyncio.sleep(0.05)
        assert connections(second) == 1
        enqueue = type(pair[0].service.house.switchboard).enqueue
        for errand in list(kept):
            enqueue(pair[0].service.house.switchboard, errand)
    assert [(await answer(reader))[0] for _ in range(2)] == [201, 201]
    writer.close()


@pytest.mark.parametrize("why", ["full", "broken", "large"])
async def test_connection_that_can_not_go_stays_and_its_calls_are_passed_on(
    pair: tuple[Served, Served], monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    first, second = pair
    given = call(second)
    reader, writer = await second.connect()
    with monkeypatch.context() as patch:
        if why == "large":
            patch.setattr(door, "_READ_MAX", 10)
        else:
            error = BlockingIOError if why == "full" else BrokenPipeError
            patch.setattr(socket, "send_fds", lambda *_: (_ for _ in ()).throw(error()))
        writer.write(given)
        assert (await answer(reader))[0] == 201
        assert (first.short, second.short) == ([], ["/v1/contacts"])
    await until(lambda: (found := relay_of(second)._passage) is not None and found.open)
    writer.write(given)
    assert (await answer(reader))[0] == 201
    assert first.short == ["/v1/contacts"]
    writer.close()


async def test_decider_that_leaves_answers_what_was_handed_over_and_another_takes_over(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every call is answered, or its connection ends without a word and the call can be made again."""
    monkeypatch.setattr(relay, "_CHECK_S", 0.05)
    both = settings(postgres_url)
    async with AsyncExitStack() as stack:
        leaving = AsyncExitStack()
        first = await leaving.enter_async_context(replica(both, first=True))
        second = await stack.enter_async_context(replica(both))
        second.service.keys = first.service.keys
        await second.ask(call(second, "GET", "/v1/agents"))
        stop = asyncio.Event()
        told: Counter[Any] = Counter()

        async def caller() -> None:
            while not stop.is_set():
                reader, writer = await second.connect()
                with suppress(ConnectionError, asyncio.IncompleteReadError):
                    for _ in range(5):
                        writer.write(call(second))
                        told["asked"] += 1
                        told[(await answer(reader))[0]] += 1
                writer.close()

        load = [asyncio.create_task(caller()) for _ in range(CALLS)]
        await until(lambda: told[201] > 100)
        assert len(first.short) > 100
        await leaving.aclose()
        before = told[201]
        await until(lambda: relay_of(second).decides and told[201] > before + 100)
        stop.set()
        await asyncio.gather(*load)
        truth = await second.service.house.database.tx(read_truth)
    check(truth)
    assert set(told) == {"asked", 201}
    assert told[201] <= len(truth.contacts) <= told["asked"]
    assert told["asked"] - told[201] <= CALLS


async def test_decider_that_says_nothing_is_given_up_though_nobody_waits_here(
    pair: tuple[Served, Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, second = pair
    monkeypatch.setattr(link, "_LOOKS", 3)
    monkeypatch.setattr(link.Follower, "take", lambda *_: None)
    await until(lambda: not relay_of(second).follows)
    assert not relay_of(second).hands_over
    [(status, *_)] = await second.ask(call(second))
    assert (status, second.short) == (201, ["/v1/contacts"])


async def test_who_does_not_know_the_token_brings_nothing_in(pair: tuple[Served, Served]) -> None:
    first, second = pair
    name = (await announced(first.service)).door
    here, there = socket.socketpair()
    with here, there:
        for words in ([b"wrong"], [b"", b"x"], [(await announced(first.service)).token.encode()[:-1]]):
            with door.connected(name, socket.SOCK_SEQPACKET) as guest:
                guest.send(words[0] or b" ")
                await until(lambda: relay_of(first)._door.guests == 1)  # type: ignore[union-attr]
                with suppress(BrokenPipeError):
                    socket.send_fds(guest, [call(second)], [there.fileno()])
        with door.connected(name, socket.SOCK_SEQPACKET) as guest:
            # The token itself does not come with a connection.
            socket.send_fds(guest, [(await announced(first.service)).token.encode()], [there.fileno()])
            await until(lambda: relay_of(first)._door.guests == 1)  # type: ignore[union-attr]
        here.setblocking(False)
        with pytest.raises(BlockingIOError):
            here.recv(1)
    assert connections(first) == 0
    [(status, *_)] = await second.ask(call(second))
    assert status == 201


async def test_guest_who_knows_the_token_and_brings_nonsense_is_sent_away(
    pair: tuple[Served, Served],
) -> None:
    first, second = pair
    found = await announced(first.service)
    here, there = socket.socketpair()
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with here, there, datagrams, Path(os.devnull).open() as nothing:  # noqa: ASYNC230  never waits
        open_before = descriptors()
        for brought, words in (
            ([nothing.fileno()], b"GET /"),
            ([datagrams.fileno()], b"GET /"),
            ([], b"GET /"),
            ([there.fileno()] * 2, b"x"),
            ([there.fileno()], b"x" * 70_000),
        ):
            with door.connected(found.door, socket.SOCK_SEQPACKET) as guest:
                guest.send(found.token.encode())
                socket.send_fds(guest, [words], brought)
                await until(lambda: relay_of(first)._door.guests == 1)  # type: ignore[union-attr]
        await until(lambda: descriptors() == open_before)
    [(status, *_)] = await second.ask(call(second))
    assert status == 201


async def test_other_users_get_in_nowhere(
    pair: tuple[Served, Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = pair
    found = await announced(first.service)
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: 12345)
        with pytest.raises(PermissionError):
            Passage(found.door, found.token)
    guest = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    guest.setblocking(False)
    with guest, monkeypatch.context() as patch:
        guest.connect(f"\0{found.door}")
        patch.setattr(os, "geteuid", lambda: 12345)
        async with asyncio.timeout(LIMIT_S):
            assert await asyncio.get_running_loop().sock_recv(guest, 1) == b""
    if not found.host.startswith("@"):
        return
    with monkeypatch.context() as patch:
        reader, writer = await dial(found)
        patch.setattr(os, "geteuid", lambda: 12345)
        # Not only after it had its time to show the token.
        patch.setattr(link, "HELLO_S", 3600.0)
        async with asyncio.timeout(LIMIT_S):
            assert await reader.read() == b""
        writer.close()


async def test_door_is_closed_with_its_guests() -> None:
    opened = Door("rondo-test-door", "token", lambda *_: None)
    passage = Passage("rondo-test-door", "token")
    await until(lambda: opened.guests == 1)
    with pytest.raises(OSError, match="in use"):
        Door("rondo-test-door", "token", lambda *_: None)
    opened.close()
    with pytest.raises(ConnectionRefusedError):
        Passage("rondo-test-door", "token")
    passage.close()


async def test_who_has_come_before_the_door_is_shut_is_let_in_with_what_it_brings() -> None:
    brought: list[tuple[socket.socket, bytes]] = []
    opened = Door("rondo-test-door", "token", lambda *given: brought.append(given))
    guest = door.connected("rondo-test-door", socket.SOCK_SEQPACKET)
    here, there = socket.socketpair()
    with here, there:
        guest.send(b"token")
        socket.send_fds(guest, [b"GET /"], [there.fileno()])
        guest.close()
        opened.shut()
        assert opened.guests == 1
        with pytest.raises(ConnectionRefusedError):
            Passage("rondo-test-door", "token")
        await until(lambda: opened.guests == 0)
        opened.close()
        [(connection, data)] = brought
        with connection:
            assert data == b"GET /"
            assert not os.get_inheritable(connection.fileno())
            connection.send(b"!")
            assert here.recv(10) == b"!"


async def test_connections_wait_where_no_descriptor_is_to_be_had(
    pair: tuple[Served, Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were they taken, the kernel would drop them, and their callers hear nothing."""
    first, second = pair
    monkeypatch.setattr(door, "_REST_S", 0.02)
    reader, writer = await second.connect()
    with monkeypatch.context() as patch:
        patch.setattr(door, "_room", lambda _: False)
        writer.write(call(second))
        await until(lambda: connections(second) == 0)
        await asyncio.sleep(0.1)
        assert connections(first) == 0
    assert (await answer(reader))[0] == 201
    assert len(first.short) == 1
    writer.close()


async def test_restored_copy_does_not_go_to_the_deciders_of_the_original(pair: tuple[Served, Served]) -> None:
    first, _ = pair
    database, number = first.service.house.database, relay_of(first)._number
    assert await database.read(deciders.find_decider, number) is not None

    def restored(conn: Any) -> deciders.Decider | None:
        conn.execute(schema.decider.update().values(origin="1764404460.123456 5"))
        return deciders.find_decider(conn, number)

    assert await database.tx(restored) is None


@BOTH
async def test_machines_where_nobody_decides_are_forgotten(pair: tuple[Served, Served]) -> None:
    first, _ = pair
    database, number = first.service.house.database, relay_of(first)._number
    known = await announced(first.service)
    await database.tx(deciders.save_decider, 77, known)
    await database.tx(deciders.save_decider, deciders.EVERYWHERE, known)
    ids = await database.read(lambda conn: set(conn.scalars(sa.select(schema.decider.c.id))))
    assert ids == {number, deciders.EVERYWHERE}


async def test_replicas_of_other_machines_decide_for_themselves(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = settings(postgres_url)
    async with running(both) as first:
        await furnish(first.house)
        monkeypatch.setattr(main, "machine", lambda: 7)
        async with running(both) as second:
            for each in (first, second):
                assert each.house.relay is not None
                assert each.house.relay.decides
            assert await announced(first) != await announced(second)
        monkeypatch.setattr(main, "machine", lambda: None)
        async with running(both) as third:
            assert third.house.relay is None


async def test_door_opens_with_the_server_and_not_before(postgres_url: str) -> None:
    both = settings(postgres_url)
    async with running(both) as first:
        found = await announced(first)
        with pytest.raises(ConnectionRefusedError):
            Passage(found.door, found.token)
        async with served(first):
            Passage(found.door, found.token).close()


def test_embedded_database_needs_no_relay(service: Service) -> None:
    assert (service.house.relay is None) == service.house.settings.is_sqlite
