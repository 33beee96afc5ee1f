"""A service that plans in a thread of the test, four weeks of history, and a few people."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from typing import Any

import httpx

from app.settings import Settings
from app.worker import Worker
from routing.hours import Hours, Span
from tests.app.conftest import Service, furnish, running
from tests.builders import make_agent, make_team

ZONE = "Europe/London"
MONDAY = date(2026, 3, 2)
"""The week that is planned; the four weeks before it are history."""
DAY_HOURS = Hours(time_zone=ZONE, week=(*((Span("09:00", "17:00"),) for _ in range(5)), (), ()))


@asynccontextmanager
async def planning_service(
    settings: Settings, *agents: Any, hours: Hours = DAY_HOURS
) -> AsyncIterator[Service]:
    """Run a service with two teams, open on weekdays from 9 to 17, and its worker in a thread."""
    async with running(settings) as service:
        teams = tuple(make_team(name, hours=hours) for name in ("general", "complaints"))
        await furnish(service.house, *(agents or people()), teams=teams)
        worker = service.house.worker = Worker(service.house.database, service.house.clock, processes=0)
        await worker.start()
        yield service


def people(many: int = 6) -> list[Any]:
    """Return agents, every second of whom can work for both teams."""
    both = ("general", "complaints")
    return [make_agent(f"agent{i}", teams=both if i % 2 else ("general",)) for i in range(many)]


def history_csv(*, weeks: int = 4, contacts: int = 12, before: date = MONDAY) -> str:
    """Return weeks of half hours on weekdays from 9 to 17, busier towards noon, for both teams."""
    lines = ["team,start,offered,abandoned,handle_s,wait_s"]
    for back in range(7 * weeks, 0, -1):
        on = before - timedelta(days=back)
        busyness = 1 + 0.12 * (back * 3 % 5 - 2)
        for slot in range(48):
            is_open = on.weekday() < 5 and 18 <= slot < 34
            for team, share in (("general", 1.0), ("complaints", 0.5)):
                shape = share * (1 - abs(slot - 25) / 11)
                many = round(contacts * shape * busyness) if is_open else 0
                start = datetime(on.year, on.month, on.day) + timedelta(minutes=30 * slot)  # noqa: DTZ001
                lines.append(f"{team},{start.isoformat()},{many},0,{200 * many},{5 * many}")
    return "\n".join(lines) + "\n"


def channel_csv(
    many: int,
    handle_s: int,
    *,
    hours: tuple[int, int] = (0, 24),
    team: str = "general",
    weekends: bool = False,
) -> str:
    """Return four weeks of half hours on weekdays or all days, `many` contacts in each within the hours."""
    lines = ["team,start,offered,abandoned,handle_s,wait_s"]
    for back in range(28, 0, -1):
        on = MONDAY - timedelta(days=back)
        for slot in range(48):
            count = many if (weekends or on.weekday() < 5) and 2 * hours[0] <= slot < 2 * hours[1] else 0
            start = datetime(on.year, on.month, on.day) + timedelta(minutes=30 * slot)  # noqa: DTZ001
            lines.append(f"{team},{start.isoformat()},{count},0,{handle_s * count},0")
    return "\n".join(lines) + "\n"


def early_csv(at_dawn: int = 6, at_night: int = 0) -> str:
    """Return `history_csv` with so many in the half hour before opening and at two in the night."""
    closed = {"08:30": at_dawn, "02:00": at_night}
    lines = []
    for line in history_csv().splitlines():
        team, start, *_ = line.split(",")
        many = closed.get(start[11:16], 0)
        if many and date.fromisoformat(start[:10]).weekday() < 5:
            line = f"{team},{start},{many},0,{200 * many},0"
        lines.append(line)
    return "\n".join(lines) + "\n"


async def import_history(client: httpx.AsyncClient, text: str | None = None) -> None:
    """Import history and see that it worked."""
    answer = await client.post("/v1/history/import", content=text or history_csv())
    assert answer.status_code == 200, answer.text


async def run_to_end(client: httpx.AsyncClient, kind: str, **params: Any) -> dict[str, Any]:
    """Start a run and return it as it ended; teams that share agents are simulated where the test asks."""
    if kind == "require":
        params.setdefault("pooling_s", 0.0)
    answer = await client.post("/v1/runs", json={"kind": kind, "params": params})
    assert answer.status_code == 202, answer.text
    # A run may have nothing to tell for a while where the machine is busy.
    async with client.stream("GET", f"/v1/runs/{answer.json()['id']}/stream", timeout=None) as stream:
        async for _ in stream.aiter_lines():
            pass
    run: dict[str, Any] = (await client.get(f"/v1/runs/{answer.json()['id']}")).json()
    return run


async def make_plan(client: httpx.AsyncClient, **params: Any) -> dict[str, Any]:
    """Make a roster of the planned week and return the plan in full."""
    run = await run_to_end(client, "roster", week=MONDAY.isoformat(), time_limit_s=2.0, **params)
    assert run["state"] == "done", run["error"]
    plan: dict[str, Any] = (await client.get(f"/v1/plans/{run['result']['plans'][0]['id']}")).json()
    return plan
