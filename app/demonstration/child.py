"""A service as a child process, which ends with its parent whatever happens to that one.

The child reads its standard input, a pipe whose other end only the parent holds: when the parent is gone, the
pipe ends and so does the child. It runs in a session of its own, so that Ctrl-C reaches the parent alone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx

from app.settings import Settings

_READY_S: Final = 60.0
_STOP_S: Final = 15.0


class NotStartedError(Exception):
    """The service did not come up; the message says why, as far as its log tells."""


@asynccontextmanager
async def service(settings: Settings, log_path: Path) -> AsyncIterator[str]:
    """Run a service with these settings and yield its address once it is ready; stop it afterwards.

    Its log goes to `log_path`. Raises NotStartedError.
    """
    url = f"http://{settings.host}:{settings.port}"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "app.demonstration.child",
            stdin=asyncio.subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=_environment(settings),
            start_new_session=True,
        )
    finally:
        os.close(log)
    try:
        await _ready(child, url, log_path)
        yield url
    finally:
        await _stop(child)


def free_port(host: str) -> int:
    """Return a port of `host` that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def is_free(host: str, port: int) -> bool:
    """Return whether a service could listen on `port`."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


async def _ready(child: asyncio.subprocess.Process, url: str, log_path: Path) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=5.0) as http:
        try:
            async with asyncio.timeout(_READY_S):
                while child.returncode is None:
                    try:
                        if (await http.get("/readyz")).is_success:
                            return
                    except httpx.TransportError:
                        pass
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise NotStartedError(
                f"the service is not ready after {_READY_S:.0f} s, see {log_path}"
            ) from None
    raise NotStartedError(f"the service ended at once: {_last_line(log_path)}")


async def _stop(child: asyncio.subprocess.Process) -> None:
    if child.returncode is not None:
        return
    child.terminate()
    try:
        async with asyncio.timeout(_STOP_S):
            await child.wait()
    except TimeoutError:
        child.kill()
        await child.wait()


def _environment(settings: Settings) -> dict[str, str]:
    given = {
        f"RONDO_{name.upper()}": str(value)
        for name, value in settings.model_dump(mode="json").items()
        if value is not None
    }
    return {name: value for name, value in os.environ.items() if not name.startswith("RONDO_")} | given


def _last_line(log_path: Path) -> str:
    lines = log_path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Serve until told to stop, or until the parent is gone."""
    from app.cli import serve_forever  # noqa: PLC0415

    threading.Thread(target=_end_with_parent, daemon=True, name="lifeline").start()
    serve_forever(Settings())


if __name__ == "__main__":
    main()
