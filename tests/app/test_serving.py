"""Connections taken over from another replica, on both loops, and what a server process may open."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.serving import widen
from app.settings import Settings
from tests.app.conftest import furnish, running
from tests.app.test_hot_protocol import LIMIT_S, VOICE, Served, answer, request, served
from tests.app.test_relay import holding, until

LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop, uvloop.new_event_loop]


@pytest.fixture
def alone(tmp_path: Path, migrated_sqlite: bytes) -> Settings:
    """Settings of a service on an embedded database."""
    path = tmp_path / "rondo.sqlite3"
    path.write_bytes(migrated_sqlite)
    return Settings(database_url=f"sqlite:///{path}", worker="off", scheduler=False, log_level="error")


def on(loop: Callable[[], asyncio.AbstractEventLoop], settings: Settings, work: Any) -> None:
    """Run `work(served)` with a service on a loop of that kind."""

    async def run() -> None:
        async with running(settings) as service:
            await furnish(service.house)
            async with served(service) as there:
                await there.ask(request(service, "GET", "/v1/agents"))
                await until(lambda: not there.server.server_state.connections)
                await work(there)

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(run())


async def handed_over(there: Served, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a caller's side of a connection that the server goes on with."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        connection, _ = listener.accept()
    there.server.welcome(connection, data)
    return reader, writer


@pytest.mark.parametrize("loop", LOOPS)
def test_caller_who_pipelines_is_not_read_on_while_it_waits(loop: Any, alone: Settings) -> None:
    async def work(there: Served) -> None:
        given = request(there.service, "POST", "/v1/contacts", VOICE)
        async with holding(there.service) as kept:
            reader, writer = await handed_over(there, given * 2)
            await until(lambda: kept)
            await asyncio.sleep(0.05)
            [protocol] = there.server.server_state.connections
            assert not protocol.transport.is_reading()
            writer.write(given)
            del there.service.house.switchboard.enqueue  # type: ignore[method-assign]
            there.service.house.switchboard.enqueue(kept.pop())
            assert [(await answer(reader))[0] for _ in range(3)] == [201] * 3
            there.service.house.switchboard.enqueue = kept.append  # type: ignore[method-assign]
        writer.close()

    on(loop, alone, work)


@pytest.mark.parametrize("loop", LOOPS)
def test_connection_that_can_not_be_gone_on_with_is_closed(
    loop: Any, alone: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(there: Served) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        with monkeypatch.context() as patch:
            patch.setattr(HttpToolsProtocol, "data_received", lambda *_: 1 / 0)
            reader, writer = await handed_over(there, b"GET /")
            async with asyncio.timeout(LIMIT_S):
                assert await reader.read() == b""
            writer.close()
        await until(lambda: not there.server.server_state.connections)

    on(loop, alone, work)


def test_process_may_open_what_the_system_grants() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    granted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(granted, 1024), hard))
        widen()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (granted, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
