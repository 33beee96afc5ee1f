"""Hot routes over real sockets: the short way answers as the long one does, in order, and loses nothing."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn

from app.api.hot import HotRoute
from app.batch import Errand
from app.hot_protocol import HotProtocol, protocol_for
from app.main import wrap
from app.serving import Server
from routing.floor import Floor
from tests.app.conftest import Service

LIMIT_S = 20.0


@dataclass
class Served:
    """A server of `service` and the errands that went the short way."""

    service: Service
    server: Server
    task: asyncio.Task[None]
    short: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        port: int = self.server.servers[0].sockets[0].getsockname()[1]
        return port

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(
        self, *requests: bytes, answers: int | None = None
    ) -> list[tuple[int, dict[str, str], Any]]:
        """Send the pieces one by one and return the answers that come."""
        reader, writer = await self.connect()
        try:
            for piece in requests:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.01)
            return [await answer(reader) for _ in range(len(requests) if answers is None else answers)]
        finally:
            writer.close()

    async def contacts(self) -> int:
        def count(floor: Floor) -> int:
            return len(floor.contacts)

        return int(await self.service.house.switchboard.read(count))


@asynccontextmanager
async def served(service: Service, *, hot: bool = True, **options: Any) -> AsyncIterator[Served]:
    whole = wrap(service.api, service.house.settings)
    short: list[str] = []

    class Seen(protocol_for(whole)):  # type: ignore[misc]
        def _carry_out(self, house: Any, route: HotRoute, who: Any, call: Any) -> None:
            short.append(call.path)
            HotProtocol._carry_out(self, house, route, who, call)

    http: Any = Seen if hot else "httptools"
    config = uvicorn.Config(
        whole,
        http=http,
        port=0,
        lifespan="off",
        log_level="error",
        access_log=False,
        server_header=False,
        **options,
    )
    server = Server(config, whole)
    task = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110  the server has no event for it
        await asyncio.sleep(0.01)
    try:
        yield Served(service, server, task, short)
    finally:
        server.should_exit = True
        await asyncio.wait_for(task, LIMIT_S)


@pytest.fixture
async def hot(service: Service) -> AsyncIterator[Served]:
    """The service behind the short way, with the admin's key known already."""
    async with served(service) as hot:
        await hot.ask(request(service, "GET", "/v1/agents"))
        yield hot


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], Any]:
    async with asyncio.timeout(LIMIT_S):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(re.split(r": ?", line, maxsplit=1) for line in head[1:] if line)
        if headers.get("transfer-encoding") == "chunked":
            pytest.fail("hot routes answer with a length")
        raw = await reader.readexactly(int(headers.get("content-length", 0)))
    return int(head[0].split()[1]), headers, json.loads(raw) if raw.startswith((b"{", b"[")) else raw


def request(
    service: Service,
    method: str,
    path: str,
    body: Any = b"",
    *,
    role: str | None = "admin",
    version: str = "1.1",
    **headers: str,
) -> bytes:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {"Host": "rondo", "Content-Length": str(len(raw))}
    if role is not None:
        named["Authorization"] = f"Bearer {service.keys[role]}"
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{method} {path} HTTP/{version}", *(f"{k}: {v}" for k, v in named.items() if v), "", ""]
    return "\r\n".join(lines).encode() + raw


VOICE = {"channel": "voice", "from": {"phone": "+442079460001"}}
SAME: list[tuple[str, str, Any, dict[str, Any]]] = [
    ("POST", "/v1/contacts", VOICE, {}),
    ("POST", "/v1/contacts", {"channel": "smoke"}, {}),
    ("POST", "/v1/contacts", b"{", {}),
    ("POST", "/v1/contacts", b"", {}),
    ("POST", "/v1/contacts", b'{"channel":"voice","text":"\\u0000"}', {}),
    ("POST", "/v1/contacts", VOICE, {"role": None}),
    ("POST", "/v1/contacts", VOICE, {"role": "planner"}),
    ("POST", "/v1/contacts", VOICE, {"Authorization": "Basic eDp5"}),
    ("POST", "/v1/contacts", VOICE, {"Idempotency_Key": "x" * 201}),
    ("POST", "/v1/contacts", VOICE, {"Connection": "close"}),
    ("POST", "/v1/contacts", VOICE, {"version": "1.0"}),
    ("POST", "/v1/contacts?x=1", VOICE, {}),
    ("POST", "/v1/contacts", b"x" * 70_000, {}),
    ("POST", "/v1/contacts/99999/complete", b"", {}),
    ("POST", "/v1/contacts/0x1/abandon", b"", {}),
    ("POST", "/v1/contacts/%31/abandon", b"", {}),
    ("POST", "/v1/contacts/%ff/abandon", b"", {}),
    ("POST", "/v1/contacts/%0d%0ax/abandon", b"", {}),
    ("POST", "/v1/offers/12/accept", b"", {}),
    ("PUT", "/v1/agents/ann/presence", {"presence": "available"}, {}),
    ("PUT", "/v1/agents/a%6en/presence", {"presence": "busy"}, {}),
    ("POST", "/v1/agents/zed/heartbeat", b"", {}),
    ("DELETE", "/v1/contacts", b"", {}),
    ("GET", "/v1/contacts/1/abandon", b"", {}),
]


async def test_both_ways_answer_alike(service: Service) -> None:
    async with AsyncExitStack() as stack:
        hot, plain = [await stack.enter_async_context(served(service, hot=each)) for each in (True, False)]
        for method, path, body, more in SAME:
            given = request(service, method, path, body, **more)
            ways = [(await side.ask(given))[0] for side in (plain, hot, hot)]
            status, headers, told = zip(*ways, strict=True)
            assert len(set(status)) == 1, (method, path, ways)
            for each in headers:
                each.pop("date"), each.pop("content-length")
            assert headers[0] == headers[1] == headers[2], (method, path)
            assert [shape(each) for each in told[1:]] == [shape(told[0])] * 2, (method, path)
        assert hot.short.count("/v1/contacts") >= 6
        assert not plain.short


def shape(told: Any) -> Any:
    """Return an answer without what differs from one contact to the next."""
    if isinstance(told, dict) and "problem" not in told.get("type", ""):
        return sorted(told)
    return told


async def test_body_in_pieces_is_one_request(hot: Served) -> None:
    given = request(hot.service, "POST", "/v1/contacts", VOICE)
    pieces = [given[at : at + 17] for at in range(0, len(given), 17)]
    [(status, _, told)] = await hot.ask(*pieces, answers=1)
    assert (status, told["channel"], await hot.contacts()) == (201, "voice", 1)
    assert hot.short == ["/v1/contacts"]


async def test_chunks_and_expectations_go_the_long_way(hot: Served) -> None:
    raw = json.dumps(VOICE).encode()
    chunked = request(hot.service, "POST", "/v1/contacts", Content_Length="", Transfer_Encoding="chunked")
    [(status, *_)] = await hot.ask(chunked, b"%x\r\n%s\r\n0\r\n\r\n" % (len(raw), raw), answers=1)
    assert status == 201
    asks = request(hot.service, "POST", "/v1/contacts", VOICE, Expect="100-continue")
    head, body = asks[: -len(raw)], asks[-len(raw) :]
    (told, *_), (status, *_) = await hot.ask(head, body)
    assert (told, status, hot.short) == (100, 201, [])


async def test_pipelined_requests_are_answered_in_order(hot: Served) -> None:
    wrong = request(hot.service, "POST", "/v1/contacts", b"{")
    right = request(hot.service, "POST", "/v1/contacts", VOICE)
    read = request(hot.service, "GET", "/v1/contacts?limit=1")
    several = [wrong, right, read, right, wrong, right]
    answers = await hot.ask(b"".join(several), answers=len(several))
    assert [status for status, *_ in answers] == [422, 201, 200, 201, 422, 201]
    assert await hot.contacts() == 3


@pytest.mark.parametrize(("body", "status"), [(VOICE, 201), (b"{", 422)])
async def test_nothing_is_done_after_the_caller_said_close(hot: Served, body: Any, status: int) -> None:
    last = request(hot.service, "POST", "/v1/contacts", body, Connection="close")
    more = request(hot.service, "POST", "/v1/contacts", VOICE)
    reader, writer = await hot.connect()
    writer.write(last + more)
    told, headers, _ = await answer(reader)
    assert (told, headers["connection"], await reader.read()) == (status, "close", b"")
    writer.close()
    assert await hot.contacts() == (status == 201)


async def test_caller_who_leaves_has_the_command_carried_out(hot: Served) -> None:
    _, writer = await hot.connect()
    writer.write(request(hot.service, "POST", "/v1/contacts", VOICE))
    await writer.drain()
    writer.transport.abort()
    async with asyncio.timeout(LIMIT_S):
        while await hot.contacts() != 1:  # noqa: ASYNC110  nobody is told
            await asyncio.sleep(0.01)
    assert not hot.server.server_state.connections


async def test_ended_contact_is_told_from_one_that_never_was(hot: Served) -> None:
    [(_, _, told)] = await hot.ask(request(hot.service, "POST", "/v1/contacts", VOICE))
    given = request(hot.service, "POST", f"/v1/contacts/{told['id']}/abandon")
    [(first, *_)] = await hot.ask(given)
    [(again, headers, problem)] = await hot.ask(given)
    assert (first, again, problem["type"]) == (200, 409, "/problems/wrong-state")
    assert headers["content-type"] == "application/problem+json"
    assert "abandoned" in problem["detail"]


async def test_fault_of_ours_is_a_problem_and_the_connection_goes_on(
    hot: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret")

    given = request(hot.service, "POST", "/v1/contacts", VOICE)
    with monkeypatch.context() as patch:
        patch.setattr(HotRoute, "errand", broken)
        answers = await hot.ask(given, given)
    assert [(status, told["type"]) for status, _, told in answers] == [(500, "/problems/internal-error")] * 2
    assert "secret" not in json.dumps(answers[0][2])
    [(status, *_)] = await hot.ask(given)
    assert status == 201


async def test_revoked_key_ends_at_once(hot: Served) -> None:
    given = request(hot.service, "POST", "/v1/contacts", VOICE, role="telephony")
    reader, writer = await hot.connect()
    writer.write(given)
    assert (await answer(reader))[0] == 201
    house = hot.service.house
    who = house.keyring.known(f"Bearer {hot.service.keys['telephony']}")
    assert who is not None
    await house.keyring.revoke(who.key_id)
    writer.write(given)
    assert (await answer(reader))[0] == 401
    writer.close()


async def test_stopping_server_answers_what_it_has_taken(
    hot: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    board, held = hot.service.house.switchboard, asyncio.Queue[Errand]()
    reader, writer = await hot.connect()
    idle_reader, idle_writer = await hot.connect()
    idle_writer.write(request(hot.service, "GET", "/v1/agents"))
    await answer(idle_reader)
    monkeypatch.setattr(board, "enqueue", held.put_nowait)
    writer.write(request(hot.service, "POST", "/v1/contacts", VOICE))
    async with asyncio.timeout(LIMIT_S):
        errand = await held.get()
        hot.server.should_exit = True
        assert await idle_reader.read() == b""
        assert not hot.task.done()
        monkeypatch.undo()
        board.enqueue(errand)
        status, headers, _ = await answer(reader)
        assert (status, headers["connection"], await reader.read()) == (201, "close", b"")
        await hot.task
    writer.close()
    idle_writer.close()


async def test_quiet_connection_is_hung_up_on_and_a_busy_one_is_not(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(service, timeout_keep_alive=1) as hot:
        reader, writer = await hot.connect()
        given = request(service, "POST", "/v1/contacts", VOICE)
        async with asyncio.timeout(LIMIT_S):
            for _ in range(4):
                writer.write(given)
                assert (await answer(reader))[0] == 201
                await asyncio.sleep(0.4)
            # Neither is one that waits for its answer for longer.
            board, held = service.house.switchboard, asyncio.Queue[Errand]()
            with monkeypatch.context() as patch:
                patch.setattr(board, "enqueue", held.put_nowait)
                writer.write(given)
                errand = await held.get()
                await asyncio.sleep(1.5)
            board.enqueue(errand)
            assert (await answer(reader))[0] == 201
            assert await reader.read() == b""
        writer.close()


async def test_caller_who_reads_nothing_is_not_answered_without_end(hot: Served) -> None:
    """What is written and not read is bounded: from then on requests wait as uvicorn makes them wait."""
    reader, writer = await hot.connect()
    # Far more than the system's own buffers hold, which grow to some 40 MB.
    wrong = request(hot.service, "POST", "/v1/contacts", {f"field{i}": "x" * 200 for i in range(20)})
    sent = 0
    with suppress(TimeoutError):
        while sent < 20_000:
            writer.write(wrong)
            sent += 1
            await asyncio.wait_for(writer.drain(), 0.5)
    connection = next(iter(hot.server.server_state.connections))
    assert connection.transport.get_write_buffer_size() < 1024 * 1024
    assert sent < 20_000
    for _ in range(300):
        assert (await answer(reader))[0] == 422
    writer.transport.abort()
