"""The running parts of one process, built once at start and found on `app.state.house`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import Request

from app.auth import Keyring
from app.clock import Clock
from app.db.engine import Database
from app.feed import Feed
from app.reader import Reader
from app.scheduler import Scheduler
from app.settings import Settings
from app.switchboard import Switchboard
from app.worker import Worker

if TYPE_CHECKING:
    from app.relay import Relay


@dataclass(slots=True)
class House:
    """Settings, clock, database, and what runs on them."""

    settings: Settings
    clock: Clock
    database: Database
    switchboard: Switchboard
    keyring: Keyring
    feed: Feed
    reader: Reader
    worker: Worker | None = None
    """Carries out planning runs in this process; None when that is left to `rondo worker`."""
    scheduler: Scheduler | None = None
    relay: Relay | None = None
    """Passes hot calls on to the replica that decides; None where each decides for itself."""


def house_of(request: Request) -> House:
    """Return the running parts behind a request."""
    house: House = request.app.state.house
    return house
