"""One replica decides for all: calls passed on are answered alike, and no end of a decider loses any."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from app import link, relay
from app.db import deciders
from app.door import connected
from app.link import Link
from app.settings import Settings
from tests.app.conftest import Service, furnish, running
from tests.app.test_contacts import CALL, be_available, post
from tests.faults.truth import check, read_truth

pytestmark = pytest.mark.postgres
LIMIT_S = 20.0
BOTH = pytest.mark.parametrize("pair", ["machine", "network"], indirect=True)


def settings(url: str, **more: Any) -> Settings:
    given = {"worker": "off", "scheduler": False, "log_level": "error", "one_decider": "machine", **more}
    return Settings(database_url=url, **given)


@pytest.fixture
async def pair(
    request: pytest.FixtureRequest, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Service, Service]]:
    """The replica that decides and one that follows it."""
    monkeypatch.setattr(relay, "_CHECK_S", 0.05)
    both = settings(postgres_url, one_decider=getattr(request, "param", "machine"))
    async with running(both) as first:
        await furnish(first.house)
        async with running(both) as second:
            assert first.house.relay is not None
            assert second.house.relay is not None
            assert (first.house.relay.decides, first.house.relay.follows) == (True, False)
            assert (second.house.relay.decides, second.house.relay.follows) == (False, True)
            yield first, second


async def until(holds: Any) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not holds():  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(0.01)


async def announced(service: Service) -> deciders.Decider:
    """Return what the database says of the decider of a replica's place."""
    assert service.house.relay is not None
    found = await service.house.database.read(deciders.find_decider, service.house.relay._number)
    assert found is not None
    return found


async def dial(found: deciders.Decider) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if found.host.startswith("@"):
        return await asyncio.open_unix_connection(sock=connected(found.host[1:], socket.SOCK_STREAM))
    return await asyncio.open_connection(found.host, found.port)


def batches(service: Service) -> list[list[Any]]:
    """Note the batches that a replica decides from now on, less those that only look."""
    board, seen = service.house.switchboard, []  # type: ignore[var-annotated]
    decide = board._decide

    def noted(floor: Any, batch: list[Any], *rest: Any) -> Any:
        if any(each.make is not None for each in batch):
            seen.append(batch)
        return decide(floor, batch, *rest)

    board._decide = noted  # type: ignore[method-assign]
    return seen


@BOTH
async def test_follower_decides_nothing_and_answers_as_the_decider_does(
    pair: tuple[Service, Service],
) -> None:
    first, second = pair
    decided = batches(second)
    asked: list[tuple[str, str, Any, dict[str, str]]] = [
        ("PUT", "/v1/agents/ann/presence", {"presence": "available"}, {}),
        ("POST", "/v1/contacts", {"channel": "smoke"}, {}),
        ("POST", "/v1/contacts", CALL, {"Idempotency-Key": "x" * 201}),
        ("POST", "/v1/contacts/99999/abandon", None, {}),
        ("POST", "/v1/contacts/x/abandon", None, {}),
        ("POST", "/v1/agents/zed/heartbeat", None, {}),
        ("POST", "/v1/contacts", CALL, {}),
    ]
    async with first.client() as one, second.client() as two:
        for method, path, body, headers in asked:
            answers = [await each.request(method, path, json=body, headers=headers) for each in (one, two)]
            assert answers[0].status_code == answers[1].status_code
            assert answers[0].headers["content-type"] == answers[1].headers["content-type"]
            if answers[0].is_error:
                assert answers[0].json() == answers[1].json()
            else:
                assert sorted(answers[0].json()) == sorted(answers[1].json())
        contact = await post(two, "/v1/contacts", CALL)
        await post(two, f"/v1/contacts/{contact['id']}/abandon")
        ended = await two.post(f"/v1/contacts/{contact['id']}/abandon")
        assert (ended.status_code, ended.json()["type"]) == (409, "/problems/wrong-state")
    async with second.client("planner") as two:
        assert (await two.post("/v1/contacts", json=CALL)).status_code == 403
    assert decided == []


async def test_follower_shows_what_it_has_passed_on(pair: tuple[Service, Service]) -> None:
    first, second = pair
    async with second.client() as two:
        await be_available(two)
        contact = await post(two, "/v1/contacts", CALL)
        shown = (await two.get(f"/v1/contacts/{contact['id']}")).json()
        assert (shown["state"], shown["id"]) == ("offered", contact["id"])
        await post(two, f"/v1/offers/{contact['offers'][0]['id']}/accept")
        agent = (await two.get("/v1/agents/ann")).json()
        assert agent["state"] == "busy"
    seqs = [await each.house.switchboard.read(lambda floor: floor.seq) for each in (first, second)]
    assert seqs[0] == seqs[1]


async def test_same_key_gives_the_same_answer_at_both(pair: tuple[Service, Service]) -> None:
    first, second = pair
    async with first.client() as one, second.client() as two:
        one.headers["Authorization"] = two.headers["Authorization"]
        key = {"Idempotency-Key": "once"}
        answers = [await each.post("/v1/contacts", json=CALL, headers=key) for each in (two, one, two)]
        other = await two.post("/v1/contacts", json={**CALL, "priority": 3}, headers=key)
    assert {answer.content for answer in answers} == {answers[0].content}
    assert other.json()["type"] == "/problems/idempotency-mismatch"


async def test_what_is_no_hot_call_is_decided_by_the_follower_itself(pair: tuple[Service, Service]) -> None:
    first, second = pair
    async with first.client() as one, second.client() as two:
        await two.put("/v1/agents/bob", json={"name": "Bob", "teams": ["general"]})
        await two.put("/v1/agents/bob/presence", json={"presence": "available"})
        contact = await post(one, "/v1/contacts", CALL)
        assert contact["offers"][0]["agent"]["id"] == "bob"
    check(await first.house.database.tx(read_truth))


async def test_decider_that_stops_answers_what_it_was_given_and_another_takes_over(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "_CHECK_S", 0.05)
    async with AsyncExitStack() as stack:
        leaving = AsyncExitStack()
        first = await leaving.enter_async_context(running(settings(postgres_url)))
        await furnish(first.house)
        second = await stack.enter_async_context(running(settings(postgres_url)))
        follower, two = second.house.relay, await stack.enter_async_context(second.client())
        assert follower is not None
        assert follower.follows
        asked = [asyncio.create_task(two.post("/v1/contacts", json=CALL)) for _ in range(50)]
        await until(lambda: first.house.switchboard.waiting)
        await leaving.aclose()
        assert {(await each).status_code for each in asked} == {201}
        await until(lambda: follower.decides)
        await post(two, "/v1/contacts", CALL)
        truth = await second.house.database.tx(read_truth)
    check(truth)
    assert len(truth.contacts) == 51


@asynccontextmanager
async def holding(service: Service) -> AsyncIterator[list[Any]]:
    """Keep a replica from answering; yield what it keeps."""
    board, kept = service.house.switchboard, []  # type: ignore[var-annotated]
    board.enqueue = kept.append  # type: ignore[method-assign]
    try:
        yield kept
    finally:
        del board.enqueue  # type: ignore[method-assign]


@BOTH
async def test_decider_that_dies_leaves_callers_who_know_that_nobody_knows(
    pair: tuple[Service, Service],
) -> None:
    first, second = pair
    follower = second.house.relay
    assert follower is not None
    assert follower._link is not None
    async with second.client() as two, holding(first) as kept:
        asked = asyncio.create_task(two.post("/v1/contacts", json=CALL, headers={"Idempotency-Key": "a"}))
        await until(lambda: kept)
        follower._link.drop()
        answer = await asked
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/answer-lost")
        assert answer.headers["retry-after"] == "1"
        # Here it was not carried out; with the key the caller may ask again in any case.
        again = await two.post("/v1/contacts", json=CALL, headers={"Idempotency-Key": "a"})
        assert again.status_code == 201
    await until(lambda: follower.follows)


async def test_silent_decider_is_given_up(
    pair: tuple[Service, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = pair
    monkeypatch.setattr(link, "_LOOKS", 3)
    async with second.client() as two, holding(first) as kept:
        answer = await two.post("/v1/contacts", json=CALL)
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/answer-lost")
        assert len(kept) == 1
    async with second.client() as two:
        assert (await two.post("/v1/contacts", json=CALL)).status_code == 201


@BOTH
async def test_lost_lock_ends_the_decider_and_one_of_them_takes_it_again(
    pair: tuple[Service, Service],
) -> None:
    first, second = pair
    relays = [each.house.relay for each in pair]
    held = sa.text(
        "SELECT pg_terminate_backend(pid) FROM pg_locks "
        "WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE "
        "datname = current_database()) AND 7216306 IN (classid, objid)"
    )
    token = await announced(first)
    assert await first.house.database.read(lambda conn: conn.scalar(held))
    while await announced(first) == token:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await until(
        lambda: sorted((each.decides, each.follows) for each in relays) == [(False, True), (True, False)]
    )
    async with first.client() as one, second.client() as two:
        for client in (one, two):
            await post(client, "/v1/contacts", CALL)
    check(await first.house.database.tx(read_truth))


async def test_what_falls_due_is_the_deciders_and_after_it_the_followers(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "_CHECK_S", 0.05)
    fast = settings(postgres_url, clock_speed=20)
    async with AsyncExitStack() as stack:
        leaving = AsyncExitStack()
        first = await leaving.enter_async_context(running(fast))
        await furnish(first.house)
        second = await stack.enter_async_context(running(fast))
        decided = batches(second)
        async with second.client() as two:
            await be_available(two)
            for rounds in range(2):
                contact = await post(two, "/v1/contacts", CALL)
                assert contact["state"] == "offered", rounds
                if rounds:
                    # Nobody asks the follower for anything, and the decider leaves.
                    await leaving.aclose()
                offer = contact["offers"][0]["id"]
                async with asyncio.timeout(LIMIT_S):
                    async for _, data in second.house.feed.follow(0):
                        event = msgspec.json.decode(data)
                        if event["kind"] == "offer_ended" and event["offer_id"] == offer:
                            break
                if not rounds:
                    assert decided == []
                    await post(two, f"/v1/contacts/{contact['id']}/abandon")
                    await be_available(two)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x00\x00\x05wrong",
        b"\xff\xff\xff\xff",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00\x00\x01\x01" + b"x" * 257,
        b"\x00\x00\x00\x00",
    ],
    ids=["token", "length", "http", "long", "empty"],
)
async def test_who_does_not_know_the_token_is_hung_up_on(pair: tuple[Service, Service], sent: bytes) -> None:
    first, _ = pair
    found = await announced(first)
    before = await first.house.switchboard.read(lambda floor: floor.seq)
    reader, writer = await dial(found)
    writer.write(sent)
    async with asyncio.timeout(LIMIT_S):
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()
    assert await first.house.switchboard.read(lambda floor: floor.seq) == before


@BOTH
async def test_who_says_nothing_is_hung_up_on(
    pair: tuple[Service, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "HELLO_S", 0.1)
    reader, writer = await dial(await announced(pair[0]))
    async with asyncio.timeout(LIMIT_S):
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()


async def test_frame_that_means_nothing_ends_the_link_and_calls_are_decided_here(
    pair: tuple[Service, Service],
) -> None:
    _, second = pair
    follower = second.house.relay
    assert follower is not None
    one = follower._link
    assert isinstance(one, Link)
    one.send(b"\x93\x01\x02")
    await until(lambda: not one.open)
    async with second.client() as two:
        await post(two, "/v1/contacts", CALL)
    await until(lambda: follower.follows)


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": 1},
        {"token": "old"},
        {"api": "of another release"},
        {"host": "no.such.host.invalid"},
        {"host": "@rondo-nobody"},
    ],
    ids=str,
)
async def test_decider_that_is_not_reached_or_of_another_release_is_done_without(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any]
) -> None:
    monkeypatch.setattr(relay, "_CHECK_S", 0.05)
    both = settings(postgres_url, one_decider="network")
    async with running(both) as first:
        await furnish(first.house)
        assert first.house.relay is not None
        told = (await announced(first))._replace(**wrong)
        async with first.house.relay._turn:
            # A look that began before would write what was right over it.
            first.house.relay._decider = told
            await first.house.database.tx(deciders.save_decider, 1, told)
        async with running(both) as second, second.client() as two:
            assert second.house.relay is not None
            assert not second.house.relay.follows
            await post(two, "/v1/contacts", CALL)


async def test_decider_that_can_not_read_the_log_any_more_leaves_it_to_another(
    pair: tuple[Service, Service],
) -> None:
    first, second = pair
    first.house.switchboard._unreadable = "of a newer release"
    one, two = first.house.relay, second.house.relay
    assert one is not None
    assert two is not None
    await until(lambda: two.decides and one.follows)
    async with first.client() as client:
        assert (await client.post("/v1/contacts", json=CALL)).status_code == 201


async def test_decider_says_again_where_it_is_after_one_that_lost_the_lock_wrote_over_it(
    pair: tuple[Service, Service],
) -> None:
    first, second = pair
    known = await announced(first)
    one, two = first.house.relay, second.house.relay
    assert one is not None
    assert two is not None
    wrong = known._replace(host="@rondo-gone", token="another", door="rondo-gone-door")
    await first.house.database.tx(deciders.save_decider, one._number, wrong)
    async with asyncio.timeout(LIMIT_S):
        while await announced(second) != known:  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(0.01)
    assert two._link is not None
    two._link.drop()
    await until(lambda: two.follows)


async def test_who_leaves_while_it_becomes_the_decider_is_it_no_more(pair: tuple[Service, Service]) -> None:
    first, second = pair
    one, two = first.house.relay, second.house.relay
    assert one is not None
    assert two is not None
    entered, go_on, take = asyncio.Event(), asyncio.Event(), two._leadership.take

    async def slowly() -> bool:
        entered.set()
        await go_on.wait()
        return await take()

    two._leadership.take = slowly  # type: ignore[method-assign]
    await one.leave()
    await asyncio.wait_for(entered.wait(), LIMIT_S)
    leaving = asyncio.create_task(two.leave())
    await asyncio.sleep(0)
    go_on.set()
    await leaving
    assert not two.decides
    async with running(first.house.settings) as third:
        assert third.house.relay is not None
        assert third.house.relay.decides
        await until(lambda: one.follows and two.follows)
