"""What was answered with 2xx survives: the service killed under load, and the database killed under it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import sqlalchemy as sa

from app.db import schema
from app.db.migrate import migrate
from app.settings import Settings
from routing.commands import SetPresence
from routing.model import Presence
from tests.app.conftest import Service, furnish, running
from tests.builders import make_agent
from tests.faults.callers import Callers, Told, repeat
from tests.faults.truth import Truth, check, read_truth
from tests.postgres import Server

AGENTS = [make_agent(f"agent{i}") for i in range(24)]
CALLERS = 32
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
async def test_what_was_answered_survives_when_the_service_is_killed(
    durable_url: str, tmp_path: Path
) -> None:
    settings = _settings(durable_url)
    async with running(settings) as first:
        await _staff(first)
        key = first.keys["admin"]
    with _process(durable_url, tmp_path) as (process, address):
        async with _client(address, key) as client:
            callers = Callers(client, "first")
            load = asyncio.create_task(callers.run(CALLERS))
            await asyncio.wait_for(callers.enough.wait(), 30)
            process.kill()
            process.wait()
            callers.stop = True
            await load
    assert len(callers.yes) >= callers.yes_wanted

    with _process(durable_url, tmp_path) as (process, address):
        async with _client(address, key) as client:
            await _expect_the_same_answers(client, callers)
            seqs = await _events_until_the_end(client, process)

    async with running(settings) as last:
        truth = await _check_the_house(last)
        await _expect_no_calls_doubled(last, callers)
    _expect_what_was_promised(truth, callers)
    assert seqs == truth.seqs


@pytest.mark.slow
async def test_database_killed_under_load_gives_503_and_nothing_half_done(own_postgres: Server) -> None:
    url = own_postgres.url("postgres")
    await asyncio.to_thread(migrate, url)
    async with running(_settings(url)) as service:
        await _staff(service)
        async with service.client() as client:
            callers = Callers(client, "first")
            load = asyncio.create_task(callers.run(CALLERS))
            await asyncio.wait_for(callers.enough.wait(), 30)
            await asyncio.to_thread(own_postgres.crash)
            refused = [await client.get(path) for path in ("/readyz", "/v1/contacts", "/v1/events/page")]
            await asyncio.to_thread(own_postgres.start)
            callers.want_more(50)
            await asyncio.wait_for(callers.enough.wait(), 30)
            callers.stop = True
            await load
            told = Counter(each.status for each in callers.told)
            assert told[503] > 0
            assert set(told) <= {200, 201, 503, 404, 409}
            for answer in [*refused, *(each for each in callers.told if each.status == 503)]:
                _expect_unavailable(answer)
            await _expect_the_same_answers(client, callers)
        truth = await _check_the_house(service)
        await _expect_no_calls_doubled(service, callers)
    _expect_what_was_promised(truth, callers)


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.parametrize("far", [False, True])
async def test_what_was_answered_survives_when_the_replica_that_decides_is_killed(
    durable_postgres_url: str, tmp_path: Path, far: bool
) -> None:
    await asyncio.to_thread(migrate, durable_postgres_url)
    settings = _settings(durable_postgres_url)
    async with running(settings) as first:
        await _staff(first)
        key = first.keys["admin"]
    with (
        _process(durable_postgres_url, tmp_path, one_decider="machine") as (decider, _),
        _process(durable_postgres_url, tmp_path, one_decider="machine", far=far) as (_, address),
    ):
        async with _client(address, key) as client:
            callers = Callers(client, "first")
            load = asyncio.create_task(callers.run(CALLERS))
            await asyncio.wait_for(callers.enough.wait(), 30)
            decider.send_signal(signal.SIGSTOP)
            await asyncio.sleep(0.3)
            decider.kill()
            decider.wait()
            callers.want_more(100)
            await asyncio.wait_for(callers.enough.wait(), 30)
            callers.stop = True
            await load
            lost = [each for each in callers.told if each.status == 503]
            for each in lost:
                assert b"/problems/answer-lost" in each.content, each
                each.status = None
            assert {each.status for each in callers.told} <= {200, 201, 404, 409, None}
            await _expect_the_same_answers(client, callers)
    async with running(settings) as last:
        truth = await _check_the_house(last)
        await _expect_no_calls_doubled(last, callers)
    _expect_what_was_promised(truth, callers)
    # From afar their calls were passed on, else their connections went to whom was killed.
    assert bool(lost) == far
    assert callers.unanswered


async def _events_until_the_end(client: httpx.AsyncClient, process: subprocess.Popen[bytes]) -> list[int]:
    """Follow the log from its beginning, tell the service to stop, and return what came until it did."""
    seqs: list[int] = []
    newest = (await client.get("/readyz")).json()["seq"]
    async with client.stream("GET", "/v1/events", params={"after": 0}) as answer:
        # A stream has no end of its own: to a client it is broken off.
        with contextlib.suppress(httpx.RemoteProtocolError):
            async for line in answer.aiter_lines():
                if line.startswith("id: "):
                    seqs.append(int(line[4:]))
                    if seqs[-1] == newest:
                        process.terminate()
    assert await asyncio.to_thread(process.wait, 20) == 0
    return seqs


def _expect_unavailable(answer: Any) -> None:
    status = answer.status_code if isinstance(answer, httpx.Response) else answer.status
    assert status == 503, answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "1"


async def _expect_the_same_answers(client: httpx.AsyncClient, callers: Callers) -> None:
    """The same key gives the same answer; what got none is now done, or refused with a reason, once."""
    yes = callers.yes
    for one, answer in zip(yes, await repeat(client, yes), strict=True):
        assert (answer.status_code, answer.content) == (one.status, one.content), one
    for answer in await repeat(client, callers.unanswered):
        assert answer.status_code in (200, 201, 404, 409), answer.text


async def _check_the_house(service: Service) -> Truth:
    seen = await service.house.switchboard.read(lambda floor: floor.snapshot())
    truth: Truth = await service.house.database.tx(read_truth)
    check(truth)
    assert truth.floor == seen
    return truth


async def _expect_no_calls_doubled(service: Service, callers: Callers) -> None:
    posted = [each for each in callers.told if each.path == "/v1/contacts"]
    texts = await service.house.database.read(
        lambda conn: conn.scalars(sa.select(schema.contact.c.text)).all()
    )
    assert [text for text, count in Counter(texts).items() if count > 1] == []
    assert set(texts) >= {each.body["text"] for each in posted if each.status == 201}
    assert set(texts) <= {each.body["text"] for each in posted}


def _expect_what_was_promised(truth: Truth, callers: Callers) -> None:
    accepted = {event.offer_id for event in truth.events if type(event).__name__ == "ContactConnected"}
    for one in callers.yes:
        kind, verb = _meaning(one)
        if kind == "contacts" and not verb:
            assert _id_in(one.content) in truth.contacts
        elif verb == "accept":
            assert int(one.path.split("/")[3]) in accepted
        elif verb == "abandon":
            assert truth.contacts[int(one.path.split("/")[3])] == "abandoned"
        elif verb == "complete":
            assert truth.contacts[int(one.path.split("/")[3])] in ("wrap_up", "completed")


def _meaning(one: Told) -> tuple[str, str]:
    parts = one.path.split("/")
    return parts[2], parts[4] if len(parts) > 4 else ""


def _id_in(content: bytes) -> int:
    return int(msgspec.json.decode(content)["id"])


def _settings(url: str) -> Settings:
    return Settings(database_url=url, worker="off", scheduler=False, log_level="error")


async def _staff(service: Service) -> None:
    await furnish(service.house, *AGENTS)
    for agent in AGENTS:
        command = SetPresence(actor="test", agent_id=agent.id, presence=Presence.AVAILABLE)
        await service.house.switchboard.submit(command, lambda *_: None)


@contextlib.contextmanager
def _process(
    url: str, directory: Path, *, one_decider: str = "off", far: bool = False
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run the real service as a process of its own; yield it and its address once it is ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {
        "PATH": os.defpath,
        "RONDO_DATABASE_URL": url,
        "RONDO_WORKER": "off",
        "RONDO_SCHEDULER": "false",
        "RONDO_LOG_LEVEL": "error",
        "RONDO_ONE_DECIDER": one_decider,
    }
    command = [
        sys.executable,
        "-m",
        "tests.faults.far_replica" if far else "app.cli",
        "serve",
        "--port",
        str(port),
    ]
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=log, stderr=log)
    try:
        _wait_until_ready(process, f"http://127.0.0.1:{port}", directory / "log")
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(f"{address}/readyz").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    pytest.fail(f"the service was not ready in time:\n{log.read_text()}")


@contextlib.asynccontextmanager
async def _client(address: str, key: str) -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=CALLERS)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=address, headers=headers, limits=limits, timeout=20) as client:
        yield client
