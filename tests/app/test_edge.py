"""The outermost layer and the hot routes: bounded bodies, safe headers, faults as problems."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from app.edge import Edge
from app.errors import OverloadedError


async def pieces(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * 1024


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/contacts"), ("PUT", "/v1/agents/zed"), ("POST", "/v1/policies")],
)
async def test_body_beyond_the_limit_is_refused_whether_announced_or_not(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    whole = await client.request(method, path, content=b"x" * 70_000)
    in_pieces = await client.request(method, path, content=pieces(70))
    for answer in (whole, in_pieces):
        assert (answer.status_code, answer.json()["type"]) == (413, "/problems/body-too-large"), answer.text
        assert answer.json()["limit_bytes"] == 65536


async def test_answers_tell_browsers_to_guess_and_keep_nothing(client: httpx.AsyncClient) -> None:
    for path in ("/v1/agents", "/v1/nothing", "/healthz", "/v1/contacts/1/abandon"):
        answer = await client.post(path) if path.endswith("abandon") else await client.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"


async def test_hot_path_under_another_root_is_not_found(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v2/contacts", json={"channel": "voice"})
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")


@pytest.mark.parametrize("wrong", ["0x1", "-1", "1.5", "9" * 30, "%00", "%ff"])
async def test_id_that_can_be_none_is_not_found(client: httpx.AsyncClient, wrong: str) -> None:
    answer = await client.post(f"/v1/contacts/{wrong}/abandon")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")


@pytest.mark.parametrize(
    "body",
    [
        {"channel": "voice", "text": "a\0b"},
        {"channel": "voice", "from": {"name": "a\\\0b"}},
        {"channel": "voice", "details": {"a": ["\0"]}},
        {"channel": "voice", "received_at": "0001-01-01T00:00:00+14:00"},
        {"channel": "email", "scheduled_at": "9999-12-31T23:59:59-14:00"},
    ],
    ids=["text", "name", "details", "before time", "after time"],
)
async def test_what_can_not_be_stored_or_shown_is_malformed(client: httpx.AsyncClient, body: Any) -> None:
    answer = await client.post("/v1/contacts", json=body)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/malformed-request")


async def test_text_that_only_looks_like_an_escaped_nul_is_taken(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/contacts", json={"channel": "voice", "text": "a\\u0000b"})
    assert answer.status_code == 201


async def test_interval_at_the_end_of_time_is_malformed(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/queues/general/intervals", params={"start": "9999-12-31T23:00:00Z"})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/malformed-request")


async def test_fault_of_ours_is_a_problem_that_tells_nothing() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError("secret")

    answer = await ask(Edge(broken, max_body=10))
    assert (answer.status_code, answer.json()["type"]) == (500, "/problems/internal-error")
    assert "secret" not in answer.text


async def test_headers_of_an_error_reach_the_caller() -> None:
    async def busy(scope: Scope, receive: Receive, send: Send) -> None:
        raise OverloadedError(headers={"Retry-After": "1"})

    answer = await ask(Edge(busy, max_body=10))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_fault_after_the_answer_began_does_not_begin_another() -> None:
    sent: list[Message] = []

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ZeroDivisionError

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    await Edge(late, max_body=10)({"type": "http", "path": "/", "headers": []}, receive, send)
    assert [each["type"] for each in sent] == ["http.response.start"]


async def ask(app: Any) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://rondo") as client:
        return await client.get("/")
