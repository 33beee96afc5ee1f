"""Servers for benchmarks: Rondo itself, a peer, PostgreSQL; all on 127.0.0.1, all ended by their owner."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.postgres import Server


@contextmanager
def postgres() -> Iterator[str]:
    """Yield the URL of an empty database on a durable PostgreSQL (fsync on) of this run's own.

    A server that has run for a while writes its log into segments that are there. A new one fills each with
    zeros first, twice a second under this load: 16 MB, for which a busy disk takes 20 to 120 ms while nothing
    else is written. That is left out; it is not fsync, and new blocks cost more than ones used before.
    """
    directory = Path(tempfile.mkdtemp(prefix="rondo-bench-pg-"))
    server = Server(directory, durable=True, wal_init_zero="off")
    server.start()
    try:
        yield server.url("postgres")
    finally:
        server.close()


@contextmanager
def process(module: str, *arguments: str, path: str = "/healthz", **environment: str) -> Iterator[int]:
    """Start `python -m module PORT arguments`; yield its port once `path` answers; end it afterwards."""
    port = free_port()
    env = os.environ | environment
    started = subprocess.Popen([sys.executable, "-m", module, str(port), *arguments], env=env)
    try:
        wait_for(port, path, started)
        yield port
    finally:
        started.send_signal(signal.SIGINT)
        try:
            started.wait(10)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def wait_for(port: int, path: str, started: subprocess.Popen[bytes], *, limit_s: float = 30.0) -> None:
    """Return once the server answers; raises TimeoutError, or RuntimeError if it has ended."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if started.poll() is not None:
            raise RuntimeError(f"the server ended with {started.returncode}")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=1).read()
            return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"no answer on port {port}")


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
