"""The stream of the floor as a client of the service sees it: what is sent, when, and after a break."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx
import pytest

from app.web.live import Broadcaster, Message
from tests.web.service import Service


@asynccontextmanager
async def watching(service: Service, last_id: str | None = None) -> AsyncIterator[AsyncIterator[Message]]:
    """Follow the floor with a broadcaster of the test's own."""
    async with (
        Broadcaster(service.house).running() as broadcaster,
        aclosing(broadcaster.follow(last_id)) as stream,
    ):
        yield stream


async def test_watcher_gets_everything_then_changes_alone(service: Service) -> None:
    async with watching(service) as stream:
        first = await following(stream)
        contact = await service.contact(menu=["1"])
        second = await following(stream)
    assert first.event == "all"
    assert {"sum", "queue-complaints", "agent-ada.abel"} <= set(body(first)["set"])
    assert second.event == "change"
    assert set(body(second)["set"]) == {"sum", "queue-complaints", f"contact-{contact}"}


async def test_contact_that_leaves_is_named_as_gone(service: Service) -> None:
    contact = await service.contact(menu=["1"])
    async with watching(service) as stream:
        await following(stream)
        await service.post("telephony", f"/v1/contacts/{contact}/abandon")
        assert body(await following(stream))["gone"] == [f"contact-{contact}"]


async def test_watcher_who_comes_back_gets_what_was_missed(service: Service) -> None:
    async with Broadcaster(service.house).running() as broadcaster:
        async with aclosing(broadcaster.follow(None)) as stream:
            seen = await following(stream)
        contact = await service.contact(menu=["1"])
        async with aclosing(broadcaster.follow(seen.id)) as stream:
            missed = await following(stream)
    assert missed.event == "change"
    assert f"contact-{contact}" in body(missed)["set"]


@pytest.mark.parametrize("last_id", ["other-1", "nonsense", "-", "99", ""])
async def test_watcher_with_an_unknown_id_gets_everything(service: Service, last_id: str) -> None:
    async with watching(service, last_id) as stream:
        assert (await following(stream)).event == "all"


async def test_watcher_from_the_future_gets_everything(service: Service) -> None:
    async with Broadcaster(service.house).running() as broadcaster:
        async with aclosing(broadcaster.follow(None)) as stream:
            seen = await following(stream)
        run = seen.id.partition("-")[0]
        async with aclosing(broadcaster.follow(f"{run}-999")) as stream:
            assert (await following(stream)).event == "all"


async def test_many_contacts_of_one_moment_make_few_messages(service: Service) -> None:
    async with watching(service) as stream:
        await following(stream)
        contacts = await asyncio.gather(*(service.contact(menu=["1"]) for _ in range(30)))
        messages, seen = 0, set[str]()
        while not {f"contact-{each}" for each in contacts} <= seen:
            seen |= set(body(await following(stream))["set"])
            messages += 1
    assert messages <= 10


async def test_streams_end_when_the_service_stops(service: Service) -> None:
    async with httpx.AsyncClient(
        headers={"Authorization": f"Bearer {service.keys['lead']}"}, timeout=30
    ) as client:
        async with client.stream("GET", f"{service.url}/live/floor", timeout=20) as answer:
            lines = answer.aiter_lines()
            assert (await anext(lines)).startswith("id: ")
            stopping = asyncio.create_task(service.stop())
            rest = [line async for line in lines]
        await asyncio.wait_for(stopping, 10)
    assert "event: all" in rest


@pytest.mark.parametrize(("role", "status"), [("", 401), ("planner", 403)])
async def test_stream_is_refused_without_the_scopes_of_the_floor(
    service: Service, role: str, status: int
) -> None:
    headers = {"Authorization": f"Bearer {service.keys[role]}"} if role else {}
    async with httpx.AsyncClient(headers=headers, timeout=30) as client:
        assert (await client.get(f"{service.url}/live/floor")).status_code == status


async def test_script_is_kept_under_its_version_and_asked_for_again_under_another(service: Service) -> None:
    from app.web.static_files import static_url

    async with httpx.AsyncClient(base_url=service.url, timeout=30) as client:
        ours = await client.get(static_url("floor.js"))
        other = await client.get("/static/older/floor.js")
        missing = await client.get("/static/older/nothing.js")
    assert ours.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "immutable" in ours.headers["cache-control"]
    assert (other.status_code, other.headers["cache-control"]) == (200, "no-cache")
    assert missing.status_code == 404


async def following(stream: AsyncIterator[Message]) -> Message:
    """Return the next message that says more than the time."""
    async with asyncio.timeout(10):
        while True:
            message = await anext(stream)
            if message.event != "clock":
                return message


def body(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(message.data)
    return found
