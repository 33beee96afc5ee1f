"""Commands carried out against a service that listens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.setting_up import set_up
from app.settings import Settings
from tests.web.service import Service, serving


@pytest.fixture
async def listening(tmp_path: Path, migrated_sqlite: bytes) -> AsyncIterator[Service]:
    """A service with the ready organisation on a port of 127.0.0.1; all its agents are offline."""
    path = tmp_path / "rondo.sqlite3"
    path.write_bytes(migrated_sqlite)
    settings = Settings(database_url=f"sqlite:///{path}", worker="off", scheduler=False, log_level="error")
    async with serving(path, await set_up(settings)) as service:
        yield service


async def rondo(service: Service, *arguments: str, role: str = "lead") -> tuple[int, str, str]:
    env = {"RONDO_URL": service.url, "RONDO_KEY": service.keys[role], "COLUMNS": "160"}
    done = await asyncio.to_thread(CliRunner().invoke, app, list(arguments), env=env)
    return done.exit_code, done.stdout, done.stderr


async def as_json(service: Service, *arguments: str) -> Any:
    code, out, err = await rondo(service, *arguments, "--json")
    assert code == 0, err
    return json.loads(out)
