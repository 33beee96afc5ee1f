"""The fixtures of the service's own tests, and durable databases that may be broken off at any moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.db.migrate import migrate
from tests.app.conftest import database_url, migrated_sqlite, postgres_template

__all__ = ["database_url", "durable_url", "migrated_sqlite", "postgres_template"]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def durable_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated database that keeps what it has committed: SQLite on the disk, PostgreSQL with fsync."""
    if request.param == "postgres":
        url: str = request.getfixturevalue("durable_postgres_url")
    else:
        url = f"sqlite:///{tmp_path / 'rondo.sqlite3'}"
    migrate(url)
    return url
