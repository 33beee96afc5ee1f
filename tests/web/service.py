"""A real service for browsers: uvicorn in this process, on a free port, over a SQLite file of its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from app.hot_protocol import protocol_for
from app.house import House
from app.main import create_api, wrap
from app.settings import Settings
from app.worker import Worker


class Service:
    """The service, which can be stopped and started again on the same port."""

    def __init__(self, settings: Settings, keys: dict[str, str]) -> None:
        self.settings = settings
        self.keys = keys
        self.url = f"http://127.0.0.1:{settings.port}"
        self.streams = 0
        """Open streams of the floor."""
        self.streams_ever = 0
        self.no_streams = asyncio.Event()
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None
        self._api: FastAPI | None = None

    async def start(self) -> None:
        self._api = create_api(self.settings)
        whole = wrap(self._api, self.settings)
        config = uvicorn.Config(
            self._counting(whole),
            http=protocol_for(whole),
            port=self.settings.port,
            log_level="error",
            access_log=False,
            timeout_graceful_shutdown=5,
        )
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve())
        await asyncio.wait_for(self._server.up.wait(), 20)

    async def stop(self) -> None:
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await self._task
        self._server = None

    @property
    def house(self) -> House:
        assert self._api is not None
        house: House = self._api.state.house
        return house

    def client(self, role: str) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.keys[role]}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=30)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Carry out planning runs in a thread of this process."""
        worker = self.house.worker = Worker(self.house.database, self.house.clock, processes=0)
        await worker.start()
        try:
            yield
        finally:
            await worker.stop()
            self.house.worker = None

    async def link(self, role: str) -> str:
        """Return an address that signs a browser in once."""
        async with self.client("admin") as client:
            me = next(k for k in (await client.get("/v1/keys")).json()["items"] if k["name"] == role)
        return f"{self.url}/sign-in?link={await self.house.keyring.sign_in_link(me['id'])}"

    async def post(self, role: str, path: str, /, **body: Any) -> dict[str, Any]:
        """Post to the API and return its answer, which must be a success."""
        return await self._send("POST", role, path, body)

    async def get(self, role: str, path: str) -> dict[str, Any]:
        """Return what the API answers, which must be a success."""
        return await self._send("GET", role, path, None)

    async def contact(self, **values: Any) -> int:
        """Post a contact; return its id."""
        answer = await self.post("telephony", "/v1/contacts", **{"channel": "voice", **values})
        return int(answer["id"])

    def pass_time(self, seconds: float) -> None:
        """Put the service's clock forward."""
        self.house.clock._start += seconds

    async def presence(self, agent: str, presence: str = "available") -> None:
        await self._send("PUT", "admin", f"/v1/agents/{agent}/presence", {"presence": presence})

    async def _send(self, method: str, role: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        async with self.client(role) as client:
            answer = await client.request(method, path, json=body)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def _counting(self, app: ASGIApp) -> ASGIApp:
        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or scope["path"] != "/live/floor":
                await app(scope, receive, send)
                return
            self.streams += 1
            self.streams_ever += 1
            self.no_streams.clear()
            try:
                await app(scope, receive, send)
            finally:
                self.streams -= 1
                if not self.streams:
                    self.no_streams.set()

        return counted


class _Server(uvicorn.Server):
    """A server that tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


@asynccontextmanager
async def serving(database: Path, keys: dict[str, str], **settings: Any) -> AsyncIterator[Service]:
    """Run a service over a database; it is stopped at the end."""
    given = {"worker": "off", "scheduler": False, "log_level": "error", **settings}
    service = Service(Settings(database_url=f"sqlite:///{database}", port=free_port(), **given), keys)
    await service.start()
    try:
        yield service
    finally:
        await service.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
