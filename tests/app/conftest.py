"""The service on both databases: `service` runs it in this process, `client` talks to it."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.auth import ROLES
from app.db.migrate import migrate
from app.house import House
from app.main import create_api, wrap
from app.settings import Settings
from routing.commands import PublishPolicy, PutAgent
from tests.builders import make_agent, make_policy, make_team


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A migrated empty SQLite file, as bytes to copy."""
    path = tmp_path_factory.mktemp("template") / "empty.sqlite3"
    migrate(f"sqlite:///{path}")
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()
    return path.read_bytes()


@pytest.fixture(scope="session")
def postgres_template(postgres: Any) -> str:
    """The database that every PostgreSQL test copies: migrated, empty."""
    return str(postgres.template("migrated", migrate))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path, migrated_sqlite: bytes) -> Iterator[str]:
    """A migrated database of the test's own, on each of the two kinds."""
    if request.param == "postgres":
        yield request.getfixturevalue("postgres_url")
        return
    path = tmp_path / "rondo.sqlite3"
    path.write_bytes(migrated_sqlite)
    yield f"sqlite:///{path}"


@pytest.fixture
def settings(database_url: str) -> Settings:
    """Settings of a service whose planning worker and scheduler are off."""
    return Settings(database_url=database_url, worker="off", scheduler=False, log_level="error")


@dataclass
class Service:
    """A running service, its parts, and a key for each role."""

    api: FastAPI
    house: House
    keys: dict[str, str]

    def client(self, role: str = "admin") -> httpx.AsyncClient:
        """Return a client that carries the role's key."""
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(wrap(self.api, self.house.settings)),
            base_url="http://rondo",
            headers={"Authorization": f"Bearer {self.keys[role]}"} if role else {},
        )


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Service]:
    """Start a service in this process, with keys, without an organisation."""
    api = create_api(settings)
    async with api.router.lifespan_context(api):
        house: House = api.state.house
        keys = {role: (await house.keyring.create_key(role, scopes))[1] for role, scopes in ROLES.items()}
        yield Service(api, house, {**keys, "": ""})


async def furnish(house: House, *agents: Any, **policy: Any) -> None:
    """Give the floor two teams (general, complaints), their lead and some agents."""
    nothing = lambda *_: None  # noqa: E731
    board = house.switchboard
    await board.submit(PutAgent(actor="test", agent=make_agent("lead", teams=())), nothing)
    teams = policy.pop("teams", (make_team("general"), make_team("complaints")))
    await board.submit(PublishPolicy(actor="test", policy=make_policy(*teams, **policy)), nothing)
    for agent in agents or (make_agent("ann", teams=("general", "complaints")),):
        await board.submit(PutAgent(actor="test", agent=agent), nothing)


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    """A running service with two teams and agent ann, who is offline."""
    async with running(settings) as service:
        await furnish(service.house)
        yield service


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A client that may do everything."""
    async with service.client() as client:
        yield client
