"""The API's description: complete, valid, and true of the service that runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from structlog.testing import capture_logs

from app.hot_protocol import protocol_for
from app.main import create_api, wrap
from app.openapi import OPEN
from app.settings import Settings
from tests.app.conftest import furnish, running

DOCUMENT = create_api(Settings(database_url="sqlite:///none")).openapi()
OPERATIONS = [
    (method, path, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]
ENDLESS = {"/v1/events", "/v1/runs/{run_id}/stream", "/v1/history/import"}
"""Streams, and what waits for a worker, which does not run here."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def test_description_is_valid() -> None:
    schemathesis.openapi.from_dict(DOCUMENT).validate()
    assert DOCUMENT["openapi"].startswith("3.1")


def test_every_operation_says_what_it_does_who_may_ask_and_what_it_answers() -> None:
    for method, path, operation in OPERATIONS:
        assert operation["summary"].endswith("."), (method, path)
        assert bool(operation["security"]) == (path not in OPEN), (method, path)
        assert any(status.startswith("2") for status in operation["responses"]), (method, path)
        assert "503" in operation["responses"], (method, path)
        if path not in OPEN:
            assert {"401", "403", "422"} <= set(operation["responses"]), (method, path)


def test_no_two_operations_have_one_name() -> None:
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(names) == len(set(names))


@pytest.mark.slow
def test_every_answer_is_one_that_the_description_allows(settings: Settings) -> None:
    secret = asyncio.run(_set_up(settings))
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    faults: list[str] = []
    with capture_logs(), _serving(settings) as address:
        for result in schema.get_all_operations():
            operation = result.ok()
            if operation.path not in ENDLESS:
                for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                    faults += _faults_of(operation, mode, address, secret)
    assert not faults, "\n\n".join(faults)


def _faults_of(operation: Any, mode: GenerationMode, address: str, secret: str) -> list[str]:
    """Return what `operation` answered against its description, at most one fault."""

    @hypothesis_settings(
        max_examples=2,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        case.call_and_validate(
            base_url=address, checks=CHECKS, headers={"Authorization": f"Bearer {secret}"}, timeout=10
        )

    try:
        ask()
    except Unsatisfiable:
        return []  # nothing can be sent that is wrong
    except (Exception, BaseExceptionGroup) as fault:
        return [f"{operation.label} {mode}: {fault}"]
    return []


async def _set_up(settings: Settings) -> str:
    async with running(settings) as service:
        await furnish(service.house)
        return service.keys["admin"]


@contextmanager
def _serving(settings: Settings) -> Iterator[str]:
    """Serve the application from a thread of this process; yield its address."""
    app = wrap(create_api(settings), settings)
    config = uvicorn.Config(
        app, http=protocol_for(app), port=0, log_level="error", lifespan="on", ws="none", access_log=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            threading.Event().wait(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
