"""The demonstration: a ready organisation with a past, a roster and live traffic, on a service of its own."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from app.auth import ROLES
from app.clock import Clock
from app.db import history, keys
from app.db.engine import open_database
from app.db.migrate import migrate
from app.demonstration import child
from app.demonstration.api import Api, RefusedError, connected
from app.demonstration.past import midnight, past_csv
from app.demonstration.people import Caller, Habits, Ledger, People, Turn
from app.demonstration.shifts import roster_turns, turns_from
from app.house import House
from app.main import open_house
from app.preset import preset_agents, preset_policy
from app.setting_up import put_organisation
from app.settings import Settings
from app.traffic import calls_from, opening_hours

_LEADS: Final = 4
_PAST_DAYS: Final = 42
_BEGINS: Final = timedelta(hours=9, minutes=30)
_ROSTER_S: Final = 6.0
"""How long the solver may look for a better roster."""
_LINK_VALID_S: Final = 12 * 3600.0
_LOOK_S: Final = 0.25
_HABITS: Final = Habits(ring_s=4.0, decline_share=0.01, miss_share=0.003, talk_s=180.0)

Tell = Callable[[float, str], None]
"""Told how far a step is (0 to 1) and what it does now."""


class DemoError(Exception):
    """A step of the demonstration failed; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to demonstrate.

    Args:
        directory: Where database, keys and log are kept.
        database_url: Another database than the SQLite file in `directory`.
        speed: Seconds of the demonstration per second.
        fresh: Begin with an empty database (SQLite only).
        seconds: End by itself after so much live traffic.
        seed: Of the traffic.
        scale: Factor on its volume.
    """

    directory: Path
    database_url: str | None = None
    host: str = "127.0.0.1"
    port: int = 8080
    speed: float = 10.0
    fresh: bool = False
    seconds: float | None = None
    seed: int = 1
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Access:
    """How to get in: the address, one that signs a browser in once, and a key for each role."""

    url: str
    sign_in_url: str
    keys: dict[str, str]


class Screen(Protocol):
    """Where progress is shown."""

    def step(self, text: str) -> AbstractContextManager[Tell]:
        """Show a step while it runs, and how long it took."""

    def say(self, text: str) -> None:
        """Show a line."""

    def access(self, access: Access) -> None:
        """Show how to get in."""

    def floor(self, at: float, queues: list[dict[str, Any]], ledger: Ledger) -> None:
        """Show the floor as it is at `at`; called about once a second."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    keys: dict[str, str]
    link: str
    now: float
    recorded_until: float | None


async def demonstrate(options: Options, screen: Screen, ledger: Ledger) -> None:
    """Set up what is missing, serve, and let live traffic run until cancelled or `options.seconds` are over.

    Raises NotStartedError, UnreachableError, StorageUnavailableError (the database is in use).
    """
    settings = _settings(options)
    zone = ZoneInfo(preset_policy().site.time_zone)
    with screen.step("database and organisation"):
        await _make_database(settings, fresh=options.fresh)
        prepared = await _prepare(settings, options.directory / "demo-keys.json")
    past = asyncio.create_task(_missing_past(prepared, zone, options))
    async with AsyncExitStack() as stack:
        stack.callback(past.cancel)
        with screen.step("service"):
            running = child.service(settings, options.directory / "demo.log")
            url = await stack.enter_async_context(running)
        screen.access(Access(url, f"{url}/sign-in?link={prepared.link}", prepared.keys))
        api = await stack.enter_async_context(connected(url, prepared.keys["admin"]))
        rostered = await _plan(api, screen, past, zone, seed=options.seed)
        await _live(api, options, screen, ledger, rostered, zone)


def _settings(options: Options) -> Settings:
    """Return the settings of the service; its clock begins on a working morning, or where the log ends."""
    zone = ZoneInfo(preset_policy().site.time_zone)
    day = datetime.fromtimestamp(Clock().now(), zone).date()
    while day.weekday() > 4:
        day += timedelta(days=1)
    path = options.directory.resolve() / "demo.sqlite3"
    return Settings(
        database_url=options.database_url or f"sqlite:///{path}",
        host=options.host,
        port=options.port,
        clock_speed=options.speed,
        clock_start_at=datetime.fromtimestamp(midnight(day, zone), UTC) + _BEGINS,
        log_level="warning",
    )


async def _make_database(settings: Settings, *, fresh: bool) -> None:
    if fresh and settings.is_sqlite:
        path = settings.sqlite_path
        # Opening it makes sure that nobody uses what is about to be deleted.
        await open_database(settings).close()
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    await asyncio.to_thread(migrate, settings.database_url)


async def _prepare(settings: Settings, keys_path: Path) -> _Prepared:
    async with open_house(settings) as house:
        await put_organisation(house, hours=opening_hours(preset_policy().site.time_zone))
        kept = await _keys(house, keys_path)
        link = await house.keyring.sign_in_link(kept["admin"]["id"], valid_s=_LINK_VALID_S)
        recorded = await house.database.read(history.coverage_of_history)
        return _Prepared(
            {role: each["secret"] for role, each in kept.items()},
            link,
            house.clock.now(),
            max((each["last_at"] for each in recorded), default=None),
        )


async def _keys(house: House, path: Path) -> dict[str, dict[str, str]]:
    """Return the demonstration's keys by role, those in `path` while they are valid, else new ones."""
    with suppress(OSError, ValueError):
        kept: dict[str, dict[str, str]] = json.loads(await asyncio.to_thread(path.read_text))
        stored = {row.id for row in await house.database.read(keys.list_keys) if row.revoked_at is None}
        if kept.keys() == ROLES.keys() and all(each["id"] in stored for each in kept.values()):
            return kept
    made = {}
    for role, scopes in ROLES.items():
        row, secret = await house.keyring.create_key(f"demo {role}", scopes)
        made[role] = {"id": row.id, "secret": secret}
    await asyncio.to_thread(_write_private, path, json.dumps(made, indent=1))
    return made


def _write_private(path: Path, text: str) -> None:
    """Write a file that nobody but its owner may ever read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(text)


async def _missing_past(prepared: _Prepared, zone: ZoneInfo, options: Options) -> str | None:
    """Return the CSV of the six weeks before today, less what is recorded, or None if nothing is missing."""
    today = datetime.fromtimestamp(prepared.now, zone).date()
    first = today - timedelta(days=_PAST_DAYS)
    if prepared.recorded_until is not None:
        first = max(first, datetime.fromtimestamp(prepared.recorded_until, zone).date() + timedelta(days=1))
    if first >= today:
        return None
    return await asyncio.to_thread(
        past_csv, first, today - timedelta(days=1), zone, seed=options.seed, scale=options.scale
    )


async def _plan(
    api: Api, screen: Screen, past: asyncio.Task[str | None], zone: ZoneInfo, *, seed: int
) -> dict[str, list[Turn]]:
    """Import what is missing of the past, forecast, publish this week's and the coming week's roster.

    Returns the turns of the agents by local date. Where planning fails, the day goes on by rule of thumb.
    """
    today = datetime.fromtimestamp((await api.clock()).now(), zone).date()
    try:
        with screen.step("history of six weeks") as tell:
            tell(0.1, "calls are made up")
            text = await past
            if text is not None:
                tell(0.6, "import")
                query = "/v1/history/import?format=intervals&minutes=15"
                run = await api.send("POST", query, text=text)
                await _ended(api, run, tell)
        monday = today - timedelta(days=today.weekday())
        wanted = [monday, monday + timedelta(days=7)]
        plans = await _published(api, wanted)
        if len(plans) < len(wanted):
            with screen.step("forecast") as tell:
                await _ended(api, await _start(api, "forecast", {}), tell)
            with screen.step("roster for this week and the coming one") as tell:
                params = {"week": monday.isoformat(), "weeks": len(wanted), "time_limit_s": _ROSTER_S}
                run = await _ended(api, await _start(api, "roster", params), tell)
                for plan in run["result"]["plans"]:
                    await api.send("POST", f"/v1/plans/{plan['id']}/publish")
            plans = await _published(api, wanted)
    except (DemoError, RefusedError) as error:
        screen.say(f"no roster: {error}; agents come by the time of day")
        return {}
    found: dict[str, list[Turn]] = {}
    for plan in plans:
        found |= roster_turns(await api.get(f"/v1/plans/{plan['id']}"), seed=seed)
    return found


async def _published(api: Api, weeks: list[date]) -> list[dict[str, Any]]:
    plans = []
    for week in weeks:
        listed = await api.get("/v1/plans", week=week.isoformat(), state="published", limit=1)
        plans += listed["items"]
    return plans


async def _start(api: Api, kind: str, params: dict[str, Any]) -> dict[str, Any]:
    run: dict[str, Any] = await api.send("POST", "/v1/runs", {"kind": kind, "params": params})
    return run


async def _ended(api: Api, run: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Return a planning run once it is done, showing how far it is; raises DemoError if it fails."""
    while run["state"] in ("queued", "running"):
        tell(run["progress"], run["message"])
        await asyncio.sleep(_LOOK_S)
        run = await api.get(f"/v1/runs/{run['id']}")
    if run["state"] != "done":
        raise DemoError((run["error"] or {}).get("detail") or f"the run was {run['state']}")
    return run


async def _live(
    api: Api,
    options: Options,
    screen: Screen,
    ledger: Ledger,
    rostered: dict[str, list[Turn]],
    zone: ZoneInfo,
) -> None:
    agent_ids = [agent.id for agent in preset_agents()[_LEADS:]]
    clock = await api.clock()
    people = People(
        api, clock, agent_ids=agent_ids, ledger=ledger, rng=random.Random(options.seed), habits=_HABITS
    )
    await people.adopt()
    now = clock.now()
    turns = turns_from(now, agent_ids, rostered, zone, seed=options.seed)
    callers = _callers(now, zone, options)
    with suppress(TimeoutError):
        async with asyncio.timeout(options.seconds), asyncio.TaskGroup() as tasks:
            tasks.create_task(people.live(callers, turns))
            tasks.create_task(_watch(api, clock, screen, ledger))


def _callers(now: float, zone: ZoneInfo, options: Options) -> Iterator[Caller]:
    for call in calls_from(now, zone, seed=options.seed, scale=options.scale):
        yield Caller(
            call_id=f"demo-{call.id}",
            at=call.at,
            body=call.body,
            talk_s=call.talk_s,
            wrap_up_s=call.wrap_up_s,
            patience_s=call.patience_s,
        )


async def _watch(api: Api, clock: Clock, screen: Screen, ledger: Ledger) -> None:
    while True:
        queues = (await api.get("/v1/queues"))["items"]
        screen.floor(clock.now(), queues, ledger)
        await asyncio.sleep(1.0)
