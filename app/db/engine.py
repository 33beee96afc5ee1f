"""One way to run a transaction on either database: `await database.tx(f, *args)`.

SQLite: synchronous Core in one writer thread and a few reader threads; large batches by a process.
PostgreSQL: asyncpg; the same synchronous functions run through `AsyncConnection.run_sync`.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import asyncpg
import sqlalchemy as sa
import sqlalchemy.exc
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool, QueuePool

from app.db.batch_writes import Literal, Rows, at_once, one_by_one, telling, write_rows
from app.db.herald import Herald
from app.db.sqlite_writer import PRAGMAS, SqliteWriter, connect
from app.errors import MalformedRequestError, StorageUnavailableError
from app.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")
Connection = sa.Connection
Query = Callable[Concatenate[Connection, P], R]
Ask = Callable[[Literal], Awaitable[Sequence[Any]]]
"""Runs a literal statement and returns its rows."""

FAILURES = (sqlalchemy.exc.SQLAlchemyError, OSError)
"""What a transaction raises when the database did not take it."""

_READERS = 2
_BY_KEY = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off"
"""Literal statements go by keys. Plans are kept: one made while a table was new would read all of it."""
_LOCK_S, _LOCK_PAUSE_S = 1.0, 0.02
_CONNECT_S, _LEAVE_S = 10.0, 1.0
_WORTH_A_PROCESS = 32
"""How many events a batch must have for the writer process to be started: below, a thread does as well."""
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

    async def query(self, literal: Literal) -> Sequence[Any]:
        """Run one reading statement as it stands, for itself, and return its rows."""

    async def store(self, rows: Rows, *, after: int) -> bool:
        """Write a batch's rows in a transaction of their own.

        Return False, with nothing written, where the log does not end at `after` any more.
        """

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
        self._turn = asyncio.Lock()
        self._process = SqliteWriter(path, self._lock)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="sqlite-writer")
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="sqlite-reader")
        self._looker = ThreadPoolExecutor(1, thread_name_prefix="sqlite-looker")
        self._engine = sqlite_engine(path, immediate=True)
        self._read_engine = sqlite_engine(path, immediate=False, pool_size=_READERS)
        self._line = connect(path)

    async def tx(self, f: Query[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `f` in the writer thread."""
        loop = asyncio.get_running_loop()
        async with self._turn:
            return await loop.run_in_executor(self._writer, lambda: _run(self._engine, f, *args, **kwargs))

    async def read(self, f: Query[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `f` in a reader thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, lambda: _run(self._read_engine, f, *args, **kwargs))

    async def query(self, literal: Literal) -> Sequence[Any]:
        """Run a reading statement by the driver alone, in a thread that no long read holds up."""
        return await asyncio.get_running_loop().run_in_executor(self._looker, self._query, *literal)

    def _query(self, text: str, parameters: Sequence[Any]) -> Sequence[Any]:
        with _outages():
            return self._line.execute(text, parameters).fetchall()

    async def store(self, rows: Rows, *, after: int) -> bool:
        """Write the rows in the writer process once a batch was large enough for one, else in the thread."""
        if not self._process.started and len(rows["event"]) < _WORTH_A_PROCESS:
            return await self.tx(write_rows, rows, after=after)
        async with self._turn:
            with _outages():
                await self._process.store(one_by_one(rows))
        return True

    async def close(self) -> None:
        """Finish what runs, then release the file."""
        await self._process.close()
        await asyncio.to_thread(self._writer.shutdown)
        await asyncio.to_thread(self._readers.shutdown)
        await asyncio.to_thread(self._looker.shutdown)
        self._line.close()
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
            connect_args={
                "server_settings": {"application_name": "rondo", "jit": "off"},
                "async_creator_fn": _opened,
            },
        )
        # Each statement for itself: reads see what is committed, and none costs a round trip to begin or end.
        self._alone = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._lines: list[tuple[AsyncConnection, Any]] = []
        self._herald = Herald(lambda seq: self.query(telling(seq)))

    async def tx(self, f: Query[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `f` on a pooled connection, in one transaction."""
        with _outages():
            async with self._engine.begin() as connection:
                return await connection.run_sync(f, *args, **kwargs)

    async def read(self, f: Query[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `f` on a pooled connection, each statement for itself."""
        with _outages():
            async with self._alone.connect() as connection:
                return await connection.run_sync(f, *args, **kwargs)

    async def store(self, rows: Rows, *, after: int) -> bool:
        """Write the rows by one statement, which is a transaction."""
        tell = self._herald.takes_turn()
        stored = bool(await self.query(at_once(rows, after, tell=tell)))
        if stored and not tell:
            self._herald.owes(rows["floor"][0][0])
        return stored

    async def query(self, literal: Literal) -> Sequence[Any]:
        """Run a statement by the driver alone: the toolkit costs three times the statement itself."""
        text, parameters = literal
        with _outages():
            async with self._line() as driver:
                found: Sequence[Any] = await driver.fetch(text, *parameters)
                return found

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Ask]:
        """Yield what runs literal statements in one transaction, by the driver alone."""
        with _outages():
            async with self._line() as driver:
                await driver.execute("BEGIN")
                yield lambda literal: driver.fetch(literal[0], *literal[1])
                await driver.execute("COMMIT")

    @asynccontextmanager
    async def _line(self) -> AsyncIterator[Any]:
        """Lend the driver's end of a connection kept for literal statements; what fails on one closes it."""
        line, driver = self._lines.pop() if self._lines else (await self._alone.connect(), None)
        try:
            if driver is None:
                driver = (await line.get_raw_connection()).driver_connection
                assert driver is not None  # noqa: S101 - it is only after invalidate()
                await driver.execute(_BY_KEY)
            yield driver
        except BaseException:
            await line.invalidate()
            await line.close()
            raise
        self._lines.append((line, driver))

    async def close(self) -> None:
        """Close the pool."""
        await self._herald.close()
        while self._lines:
            line, _ = self._lines.pop()
            await line.close()
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
        for pragma in PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def null_pool_engine(url: str) -> Any:
    """Return an asynchronous engine that keeps no connection, for what has one of its own."""
    return create_async_engine(url, poolclass=NullPool, connect_args={"async_creator_fn": _opened})


async def _opened(*args: Any, **options: Any) -> Any:
    """Return a driver's connection; one that nobody waits for any more is opened all the same, and ended.

    Cut off half way, the driver leaves an error that nobody fetches, and its server a client that vanished.
    """
    opening = asyncio.ensure_future(asyncpg.connect(*args, **{"timeout": _CONNECT_S} | options))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        await asyncio.wait({opening}, timeout=_LEAVE_S)
        if not opening.done():
            opening.cancel()
        elif opening.exception() is None:
            opening.result().terminate()
        raise


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
    except (sqlalchemy.exc.DBAPIError, sqlite3.Error, asyncpg.PostgresError, OverflowError) as error:
        cut = isinstance(error, sqlalchemy.exc.DBAPIError) and error.connection_invalidated
        kind = _blamed(error)
        if kind == "values":
            raise UnstorableError from error
        if kind == "statement" and not cut:
            raise
        raise OutageError from error
    except _AWAY as error:
        raise OutageError from error


def _blamed(error: Exception) -> str | None:
    """Return whether an error, a driver's or the toolkit's, blames `values`, `statement` or neither."""
    original = getattr(error, "orig", None)
    state = getattr(original if original is not None else error, "sqlstate", None)
    if isinstance(error, _BAD_VALUES) or (state or "").startswith(_BAD_DATA):
        return "values"
    to_blame = isinstance(error, _BLAMING) if state is None else state.startswith(_OUR_FAULT)
    return "statement" if to_blame else None


_AWAY = (sqlalchemy.exc.TimeoutError, OSError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""The last of them is the driver's own confusion, as over a session that the server ended."""
_BAD_VALUES = (sqlalchemy.exc.DataError, sqlite3.DataError, OverflowError)
_BLAMING = (
    sqlalchemy.exc.IntegrityError,
    sqlalchemy.exc.ProgrammingError,
    sqlite3.IntegrityError,
    sqlite3.ProgrammingError,
)


def _take_lock(path: Path) -> int:
    lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    tries = round(_LOCK_S / _LOCK_PAUSE_S)
    for left in reversed(range(tries)):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if left:
                # The writer process of a service that was killed stores what it had begun, and ends.
                time.sleep(_LOCK_PAUSE_S)
        else:
            return lock
    os.close(lock)
    raise StorageUnavailableError(
        f"Another Rondo process uses {path}; SQLite takes one process, PostgreSQL takes many."
    )
