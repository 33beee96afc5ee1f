"""The event log as a stream: every event once and in order, resumed anywhere, until the service stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn

from app.feed import Feed
from app.main import create_api, wrap
from app.settings import Settings
from tests.app.conftest import Service, furnish, running
from tests.app.test_contacts import CALL, post

LIMIT_S = 15


async def busy(client: httpx.AsyncClient, calls: int) -> None:
    """Make some events: calls that come and hang up."""
    contacts = await asyncio.gather(*(post(client, "/v1/contacts", CALL) for _ in range(calls)))
    await asyncio.gather(*(post(client, f"/v1/contacts/{each['id']}/abandon") for each in contacts))


async def head(client: httpx.AsyncClient) -> int:
    return int((await client.get("/readyz")).json()["seq"])


async def followed(feed: Feed, after: int, until: int) -> list[int]:
    """Return the sequence numbers that a follower gets after `after`, up to `until`."""
    seen = []
    async with asyncio.timeout(LIMIT_S), aclosing(feed.follow(after)) as stream:  # type: ignore[type-var]
        async for seq, _ in stream:
            seen.append(seq)
            if seq >= until:
                break
    return seen


async def test_follower_gets_every_event_once_and_in_order_while_they_come(
    service: Service, client: httpx.AsyncClient
) -> None:
    feed = service.house.feed
    first = feed.head
    followers = [asyncio.create_task(followed(feed, after, first + 60)) for after in (0, first - 2, first)]
    await busy(client, 20)
    assert await head(client) >= first + 60
    seen = [await each for each in followers]
    assert [each[0] for each in seen] == [1, first - 1, first + 1]
    for each in seen:
        assert each == list(range(each[0], first + 61))


@pytest.mark.parametrize("kept", [1, 7, 50])
async def test_resuming_anywhere_crosses_from_the_database_to_memory_without_gap(
    service: Service, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    feed = service.house.feed
    await busy(client, 5)
    newest = list(feed._recent)[-kept:]
    feed._recent.clear()
    feed._recent.extend(newest)
    last = feed.head
    for after in range(0, last, 3):
        assert await followed(feed, after, last) == list(range(after + 1, last + 1))


async def test_follower_of_a_restarted_service_goes_on_where_it_was(settings: Settings) -> None:
    async with running(settings) as service, service.client() as client:
        await furnish(service.house)
        await busy(client, 3)
        middle = await head(client)
        seen = await followed(service.house.feed, 0, middle)
    async with running(settings) as again, again.client() as client:
        await busy(client, 3)
        seen += await followed(again.house.feed, seen[-1], await head(client))
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) > middle


async def test_follower_waits_where_memory_is_behind_the_log(service: Service) -> None:
    """Another replica's commit may be heard of before our own is published: memory ends before the head."""
    feed = service.house.feed
    last = feed.head
    feed._recent.clear()
    feed.advance(last + 4)
    feed.publish(last + 1, [b"{}", b"{}"])
    assert await followed(feed, last, last + 2) == [last + 1, last + 2]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await followed(feed, last + 2, last + 4)


async def test_hole_left_by_another_replica_is_read_from_the_database(
    service: Service, client: httpx.AsyncClient
) -> None:
    feed = service.house.feed
    await busy(client, 2)
    last = feed.head
    recent = list(feed._recent)
    first = last - len(recent) + 1
    feed._recent.clear()
    feed.publish(first, recent[:3])
    feed.publish(first + 6, recent[6:])
    assert await followed(feed, first - 1, last) == list(range(first, last + 1))


async def test_followers_end_when_the_service_stops(settings: Settings) -> None:
    async with running(settings) as service:
        await furnish(service.house)

        async def to_the_end() -> int:
            return len([seq async for seq, _ in service.house.feed.follow(0)])

        follower = asyncio.create_task(to_the_end())
        await followed(service.house.feed, 0, service.house.feed.head)
    async with asyncio.timeout(LIMIT_S):
        assert await follower > 0


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Serve over a socket, which streams as the transport in memory does not."""
    api = create_api(settings)
    config = uvicorn.Config(wrap(api, settings), port=0, log_level="error", lifespan="on", ws="none")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110  the server has no event for it
        await asyncio.sleep(0.01)
    _, secret = await api.state.house.keyring.create_key("test", "events:read contacts:write")
    port = server.servers[0].sockets[0].getsockname()[1]
    headers = {"Authorization": f"Bearer {secret}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30) as client:
        yield client
    server.should_exit = True
    await task


async def messages(client: httpx.AsyncClient, **request: Any) -> AsyncIterator[dict[str, str]]:
    """Yield the messages of the stream as dictionaries of their fields."""
    async with client.stream("GET", "/v1/events", **request) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        message: dict[str, str] = {}
        async for line in answer.aiter_lines():
            if line.startswith(":"):
                continue
            if line:
                name, _, value = line.partition(": ")
                message[name] = value
            elif message:
                yield message
                message = {}


async def take(stream: AsyncIterator[dict[str, str]], until: int) -> list[dict[str, str]]:
    taken = []
    async with asyncio.timeout(LIMIT_S), aclosing(stream):  # type: ignore[type-var]
        async for message in stream:
            taken.append(message)
            if int(message["id"]) >= until:
                break
    return taken


async def test_stream_over_http_resumes_after_last_event_id_and_filters(settings: Settings) -> None:
    async with running(settings) as service:
        await furnish(service.house)
    async with served(settings) as client:
        await busy(client, 3)
        last = await head(client)
        whole = await take(messages(client, params={"after": 0}), last)
        assert [int(each["id"]) for each in whole] == list(range(1, last + 1))
        rest = await take(messages(client, headers={"Last-Event-ID": "7"}, params={"after": 2}), last)
        assert rest == whole[7:]
        ended = [each for each in whole if each["event"] == "contact_ended"]
        some = await take(
            messages(client, params={"after": 0, "kind": "contact_ended"}), int(ended[-1]["id"])
        )
        assert some == ended
        assert len(some) == 3


async def test_page_gives_past_events_without_gap(client: httpx.AsyncClient) -> None:
    await busy(client, 4)
    last, after, seen = await head(client), 0, []
    while after is not None:
        page = (await client.get("/v1/events/page", params={"after": after, "limit": 7})).json()
        seen += [each["seq"] for each in page["items"]]
        assert all({"kind", "at", "actor"} <= set(each) for each in page["items"])
        after = page["next"]
    assert seen == list(range(1, last + 1))


@pytest.mark.parametrize(
    "query", [{"after": -1}, {"after": "x"}, {"limit": 0}, {"limit": 501}, {"after": 2**64}]
)
async def test_page_that_can_not_be_is_refused(client: httpx.AsyncClient, query: dict[str, Any]) -> None:
    answer = await client.get("/v1/events/page", params=query)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/malformed-request")
