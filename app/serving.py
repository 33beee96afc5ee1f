"""The server process: uvicorn, with connections taken over from replicas of the same machine."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import sys
from contextlib import suppress
from functools import partial
from typing import Any

import structlog
import uvicorn

from app.api.hot import HotRoutes
from app.hot_protocol import protocol_for
from app.settings import Settings

if sys.platform != "win32":
    import resource

log = structlog.get_logger()

_STARTUP_FAILED = 3
_DESCRIPTORS_MAX = 65_536


class Server(uvicorn.Server):
    """A server that also answers on connections which other replicas hand over."""

    def __init__(self, config: uvicorn.Config, routes: HotRoutes) -> None:
        super().__init__(config)
        self._routes = routes
        self._arriving: set[asyncio.Task[Any]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the door once everything else is open."""
        await super().startup(sockets)
        relay = self._routes.house_of().relay if self.started else None
        if relay is not None:
            relay.take_over(self.welcome)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Leave the deciding to another replica first: what is under way to here still comes in."""
        relay = self._routes.house_of().relay
        if relay is not None:
            await relay.leave()
        await asyncio.gather(*self._arriving, return_exceptions=True)
        await super().shutdown(sockets)

    def welcome(self, connection: socket.socket, data: bytes) -> None:
        """Go on with a connection of which `data` was read elsewhere."""
        make: Any = self.config.http_protocol_class
        protocol = partial(
            make,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            read_already=data,
        )
        task = asyncio.create_task(self._go_on(protocol, connection))
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)

    async def _go_on(self, protocol: Any, connection: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(protocol, connection)
        except (OSError, ValueError) as error:
            # Its caller has left, or it is no connection.
            log.debug("handed_over_in_vain", error=type(error).__name__)
            connection.close()


def widen() -> None:
    """Allow as many open connections as the system grants: who decides has those of all replicas."""
    if sys.platform == "win32":
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS_MAX if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS_MAX)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def serve(settings: Settings, service: HotRoutes) -> None:
    """Run one server process; blocks until it is told to stop."""
    # What was imported stays, and what requests leave goes without the collector: let it look seldom.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    widen()
    config = uvicorn.Config(
        service,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=protocol_for(service),
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    server = Server(config, service)
    # The server raises what told it to stop once more when it has stopped: to do so is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(_STARTUP_FAILED)
