"""One way to run a transaction on either database: `await database.tx(f, *args)`.

SQLite: synchronous Core in one writer thread (the only writer of the file) and a few reader threads.
PostgreSQL: asyncpg; the same synchronous functions run through `AsyncConnection.run_sync`.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import asyncpg
import sqlalchemy as sa
import sqlalchemy.exc
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool, QueuePool

from app.errors import MalformedRequestError, StorageUnavailableError
from app.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")
Connection = sa.Connection
Query = Callable[Concatenate[Connection, P], R]

FAILURES = (sqlalchemy.exc.SQLAlchemyError, OSError)
"""What a transaction raises when the database did not take it."""

_READERS = 2
_BAD_DATA = "22"
_OUR_FAULT = ("23", "42")
"""Classes of SQLSTATE that blame the statement: a broken constraint, a wrong statement."""


class OutageError(StorageUnavailableError, ConnectionError):
    """The database is away: 503 to a caller, an OSError to what runs in the background."""

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


class UnstorableError(MalformedRequestError):
    """A number beyond 64 bits, or a text with a character that the database does not take."""

    def __init__(self) -> None:
        super().__init__("A number or a text in the request is outside of what can be stored.")


class Database(Protocol):
    """A database that runs query functions as transactions; raises OutageError while it is away."""

    dialect: str

    async def tx(self, f: Query[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `f(connection, ...)` in one transaction; committed when this returns."""

    async def read(self, f: Query[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `f(connection, ...)`, which only reads."""

    async def close(self) -> None:
        """Let go of every connection."""


def open_database(settings: Settings) -> Database:
    """Return the database the settings name; raises StorageUnavailableError if it is in use elsewhere."""
    if settings.is_sqlite:
        return SqliteDatabase(settings.sqlite_path)
    return PostgresDatabase(settings.database_url, pool_size=settings.pool_size)


class SqliteDatabase:
    """A SQLite file: one process, one writer, durable commits (WAL, synchronous=FULL)."""

    dialect = "sqlite"

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = _take_lock(path)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="sqlite-writer")
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="sqlite-reader")
        self._engine = sqlite_engine(path, immediate=True)
        self._read_engine = sqlite_engine(path, immediate=False, pool_size=_READERS)

    async def tx(self, f: Query[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `f` in the writer thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._writer, lambda: _run(self._engine, f, *args, **kwargs))

    async def read(self, f: Query[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `f` in a reader thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, lambda: _run(self._read_engine, f, *args, **kwargs))

    async def close(self) -> None:
        """Finish what runs, then release the file."""
        await asyncio.to_thread(self._writer.shutdown)
        await asyncio.to_thread(self._readers.shutdown)
        self._engine.dispose()
        self._read_engine.dispose()
        os.close(self._lock)


class PostgresDatabase:
    """A PostgreSQL server, shared with other replicas."""

    dialect = "postgresql"

    def __init__(self, url: str, *, pool_size: int) -> None:
        self._engine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_pre_ping=False,
            connect_args={"server_settings": {"application_name": "rondo", "jit": "off"}},
        )
        # Reads see what is committed, statement by statement; without a transaction they cost one round trip.
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    async def tx(self, f: Query[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `f` on a pooled connection, in one transaction."""
        with _outages():
            async with self._engine.begin() as connection:
                return await connection.run_sync(f, *args, **kwargs)

    async def read(self, f: Query[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `f` on a pooled connection, each statement for itself."""
        with _outages():
            async with self._reading.connect() as connection:
                return await connection.run_sync(f, *args, **kwargs)

    async def close(self) -> None:
        """Close the pool."""
        await self._engine.dispose()


def sqlite_engine(path: Path, *, immediate: bool, pool_size: int = 1) -> sa.Engine:
    """Return a synchronous engine on a SQLite file whose transactions begin as they should.

    `immediate` takes the write lock at the beginning, so that a transaction never fails half way.
    """
    engine = sa.create_engine(
        f"sqlite:///{path}",
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=0,
        connect_args={"check_same_thread": False, "timeout": 30.0, "cached_statements": 256},
    )

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "busy_timeout=30000",
            "cache_size=-32768",
            "temp_store=MEMORY",
            "wal_autocheckpoint=4000",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def execute_many(conn: Connection, text: str, rows: Sequence[Sequence[Any]]) -> None:
    """Run a literal statement of SQLite for each row, without the bookkeeping that costs as much again."""
    cursor = conn.connection.cursor()
    try:
        cursor.executemany(text, rows)
    finally:
        cursor.close()


def null_pool_engine(url: str) -> Any:
    """Return an asynchronous engine that keeps no connection, for migrations and tools."""
    return create_async_engine(url, poolclass=NullPool)


def _run(engine: sa.Engine, f: Any, *args: Any, **kwargs: Any) -> Any:
    with _outages(), engine.begin() as connection:
        return f(connection, *args, **kwargs)


@contextmanager
def _outages() -> Iterator[None]:
    """Raise OutageError for what the database can't help, UnstorableError for values it does not take.

    What a statement of ours is to blame for passes.
    """
    try:
        yield
    except sqlalchemy.exc.DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None)
        if isinstance(error, sqlalchemy.exc.DataError) or (state or "").startswith(_BAD_DATA):
            raise UnstorableError from error
        to_blame = isinstance(error, _BLAMING) if state is None else state.startswith(_OUR_FAULT)
        if to_blame and not error.connection_invalidated:
            raise
        raise OutageError from error
    except (OverflowError, sqlite3.DataError) as error:
        raise UnstorableError from error
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
        raise
    except sqlite3.Error as error:
        raise OutageError from error
    except (sqlalchemy.exc.TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        # Drivers raise their own errors while a connection is made.
        raise OutageError from error


_BLAMING = (sqlalchemy.exc.IntegrityError, sqlalchemy.exc.ProgrammingError)


def _take_lock(path: Path) -> int:
    lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise StorageUnavailableError(
            f"Another Rondo process uses {path}; SQLite takes one process, PostgreSQL takes many."
        ) from None
    return lock
