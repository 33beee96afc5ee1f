"""Bring a database's schema to the newest version, or to a named one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from alembic import command
from app.db.engine import Connection, sqlite_engine
from app.db.schema import metadata

_SCRIPTS = Path(__file__).resolve().parents[2] / "alembic"


def migrate(database_url: str, revision: str = "head") -> None:
    """Migrate up or down to `revision`; blocks. Safe to run again, and from several processes at once."""
    _with_connection(database_url, lambda connection: _to(connection, revision))


def differences(database_url: str) -> list[object]:
    """Return how the database differs from the declared tables; empty when the migrations are complete."""
    found: list[object] = []

    def compare(connection: Connection) -> None:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found.extend(compare_metadata(context, metadata))

    _with_connection(database_url, compare)
    return found


def _with_connection(database_url: str, work: Callable[[Connection], None]) -> None:
    if database_url.startswith("sqlite"):
        path = Path(database_url.removeprefix("sqlite:///"))
        path.parent.mkdir(parents=True, exist_ok=True)
        engine = sqlite_engine(path, immediate=True)
        with engine.begin() as connection:
            work(connection)
        engine.dispose()
        return

    async def run() -> None:
        engine = create_async_engine(database_url, poolclass=NullPool)
        async with engine.begin() as connection:
            # One migration at a time, whoever starts it.
            await connection.execute(sa.text("SELECT pg_advisory_xact_lock(7216304)"))
            await connection.run_sync(work)
        await engine.dispose()

    asyncio.run(run())


def _to(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    current = MigrationContext.configure(connection).get_current_revision()
    if revision == "base" or (revision != "head" and current is not None and revision < current):
        command.downgrade(config, revision)
    else:
        command.upgrade(config, revision)
