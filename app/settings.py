"""What may be set from outside: environment variables `RONDO_*`, documented in docs/settings.md."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Settings of one process; immutable once read."""

    model_config = SettingsConfigDict(env_prefix="RONDO_", frozen=True, extra="ignore")

    database_url: str = Field(
        default="sqlite:///var/rondo.sqlite3",
        description="`sqlite:///path` or `postgresql+asyncpg://user:password@host:port/name`.",
    )
    host: str = Field(default="127.0.0.1", description="Address that `rondo serve` listens on.")
    port: int = Field(default=8080, ge=1, le=65535, description="Port that `rondo serve` listens on.")
    one_decider: Literal["machine", "network", "off"] = Field(
        default="machine",
        description="Whether one of several replicas decides for others, which is faster. `machine`: for "
        "those of its user on its machine, who hand connections over to it. `network`: for all; those of "
        "other machines pass calls on, unencrypted, at a port of its choice on the address that it reaches "
        "PostgreSQL from. `off`: each decides for itself.",
    )
    pool_size: int = Field(default=8, ge=1, le=200, description="Connections to PostgreSQL per process.")
    worker: Literal["embedded", "off"] = Field(
        default="embedded",
        description="`embedded` runs planning jobs in child processes of the service, `off` leaves them "
        "to `rondo worker`.",
    )
    worker_processes: int = Field(default=1, ge=1, le=64, description="Planning jobs at the same time.")
    solver_threads: int = Field(
        default=2,
        ge=1,
        le=64,
        description="Threads of a roster's search. More find better ones; with 1 the same seed gives the "
        "same roster, also by `threads` of a single run.",
    )
    scheduler: bool = Field(default=True, description="Whether this process may become scheduler leader.")
    max_body_bytes: int = Field(default=64 * 1024, ge=1024, description="Largest request body.")
    max_import_bytes: int = Field(
        default=64 * 1024 * 1024, ge=1024, description="Largest body of a history import."
    )
    max_waiting_commands: int = Field(
        default=2000, ge=1, description="Commands waiting for the switchboard before it answers 503."
    )
    batch_size: int = Field(default=256, ge=1, le=4096, description="Most commands in one transaction.")
    clock_speed: float = Field(
        default=1.0, gt=0, le=100_000, description="How many times faster than the wall clock time runs."
    )
    clock_start_at: AwareDatetime | None = Field(
        default=None,
        description="Where the clock of a demonstration or a replay begins, or at the newest event if that "
        "is later; without it the clock begins at the present.",
    )
    idempotency_hours: int = Field(
        default=24, ge=1, description="How long the answer to an Idempotency-Key is kept."
    )
    session_hours: int = Field(default=12, ge=1, description="How long a browser stays signed in.")
    secure_cookies: bool = Field(
        default=False, description="Send the session cookie over HTTPS only; on behind a TLS proxy."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe log line that is written."
    )

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is the embedded one."""
        return self.database_url.startswith("sqlite")

    @property
    def sqlite_path(self) -> Path:
        """Path of the SQLite file; raises ValueError for another database."""
        if not self.is_sqlite:
            raise ValueError("the database is not SQLite")
        return Path(self.database_url.removeprefix("sqlite:///"))
