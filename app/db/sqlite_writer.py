"""The writer process of a SQLite file: stores batches of the floor beside the event loop, not in its way.

A thread would do, but for the interpreter's lock: a thread takes it anew for every row, each time against an
event loop that wants it too, so that storing and deciding take turns instead of going on side by side.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "busy_timeout=30000",
    "cache_size=-32768",
    "temp_store=MEMORY",
    "wal_autocheckpoint=4000",
)
"""How every connection to the file is set up: durable commits, one writer, readers who never wait."""

_SIZE_BYTES: Final = 4
_FAULTS: Final = {
    each.__name__: each
    for each in (
        OverflowError,
        sqlite3.DataError,
        sqlite3.IntegrityError,
        sqlite3.OperationalError,
        sqlite3.ProgrammingError,
    )
}


class WriterGoneError(OSError):
    """The writer process has ended; whether its last transaction was stored is not known."""


class SqliteWriter:
    """The parent's end: starts the process when it is first needed, and anew where it has ended.

    `lock` is the descriptor of the locked file beside the database. The process shares it, so that nobody
    opens the database while it still stores what its killed parent had sent. One call at a time.
    """

    def __init__(self, path: Path, lock: int) -> None:
        self._path = path
        self._lock = lock
        self._process: subprocess.Popen[bytes] | None = None
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    @property
    def started(self) -> bool:
        """Whether the process runs."""
        return self._streams is not None

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return self._process.pid if self._process is not None else None

    async def store(self, steps: Sequence[tuple[str, Sequence[Sequence[Any]]]]) -> None:
        """Run each statement for its rows, all in one durable transaction.

        Raises what SQLite raises, with nothing stored; OverflowError for a number beyond 64 bits;
        WriterGoneError where the process has ended meanwhile.
        """
        data = _encode(steps)
        try:
            reader, writer = self._streams or await self._start()
            writer.writelines((len(data).to_bytes(_SIZE_BYTES, "big"), data))
            size = int.from_bytes(await reader.readexactly(_SIZE_BYTES), "big")
            fault = (await reader.readexactly(size)).decode() if size else ""
        except (OSError, EOFError) as error:
            await self.close()
            raise WriterGoneError("the writer process has ended") from error
        except BaseException:
            await self.close()  # what comes next on the stream would be the answer to this
            raise
        if fault:
            kind, _, text = fault.partition(" ")
            raise _FAULTS.get(kind, sqlite3.OperationalError)(text)

    async def _start(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        ours, theirs = socket.socketpair()
        with theirs:
            # Hazard: in a session of its own, as an interrupt from the terminal must not reach it.
            self._process = subprocess.Popen(  # noqa: ASYNC220, S603 - our own module; forking takes a moment
                [sys.executable, "-m", __name__, str(theirs.fileno()), str(self._path)],
                pass_fds=(theirs.fileno(), self._lock),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._streams = await asyncio.open_connection(sock=ours)
        return self._streams

    async def close(self) -> None:
        """Let the process finish what it has begun, and end it."""
        process, self._process = self._process, None
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()
        if process is not None:
            await asyncio.to_thread(process.wait)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[str, list[tuple[Any, ...]]]]).decode


def connect(path: str | Path) -> sqlite3.Connection:
    """Return the driver's own connection to a SQLite file, for literal statements from any one thread."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30.0)
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    return connection


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...

    def write(self, data: bytes, /) -> Any: ...

    def flush(self) -> None: ...


def serve(stream: _Stream, path: str) -> None:
    """Store what comes, transaction after transaction, until the other end is closed."""
    conn = connect(path)
    while size := stream.read(_SIZE_BYTES):
        fault = _store(conn, _decode(stream.read(int.from_bytes(size, "big"))))
        stream.write(len(fault).to_bytes(_SIZE_BYTES, "big") + fault)
        stream.flush()
    conn.close()


def _store(conn: sqlite3.Connection, steps: list[tuple[str, list[tuple[Any, ...]]]]) -> bytes:
    """Return nothing, or which fault it was: the name of its class and what it says."""
    try:
        conn.execute("BEGIN IMMEDIATE")
        for text, rows in steps:
            conn.executemany(text, rows)
        conn.execute("COMMIT")
    except (sqlite3.Error, OverflowError) as error:
        if conn.in_transaction:
            conn.rollback()
        return f"{type(error).__name__} {error}".encode()
    return b""


def _main() -> None:
    # The end of its parent ends it, nothing else: a stop stores what was promised first.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as channel, channel.makefile("rwb") as stream:
        serve(stream, sys.argv[2])


if __name__ == "__main__":
    _main()
