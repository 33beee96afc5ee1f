"""What is told of the past: finished intervals alone, imported and live as one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from app.db.schema import interval_stat
from app.settings import Settings
from tests.app.conftest import Service
from tests.app.planning_rig import import_history, planning_service, run_to_end

NOON = datetime(2026, 3, 3, 12, 5, tzinfo=UTC)
"""A Tuesday."""


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    changes = {"max_body_bytes": 4_000_000, "clock_start_at": NOON}
    async with planning_service(settings.model_copy(update=changes)) as service:
        yield service


@pytest.fixture
async def planner(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with service.client("planner") as client:
        yield client


async def came(service: Service, *clocks: str, channel: str = "voice") -> None:
    rows = [
        {
            "team_id": "general",
            "channel": channel,
            "starts_at": int(datetime.fromisoformat(f"2026-03-03T{clock}:00+00:00").timestamp()),
            "offered": 9,
        }
        for clock in clocks
    ]
    await service.house.database.tx(lambda conn: conn.execute(sa.insert(interval_stat), rows) and None)


async def test_interval_that_still_runs_is_not_told(service: Service, planner: httpx.AsyncClient) -> None:
    await came(service, "11:00", "11:30", "12:00")
    found = await planner.get("/v1/history/general", params={"start": "2026-03-03T00:00:00Z"})
    items: list[dict[str, Any]] = found.json()["items"]
    assert [item["starts_at"][11:16] for item in items] == ["11:00", "11:30"]
    assert [item["offered"] for item in items] == [9, 9]


async def test_day_that_is_not_over_is_nothing_to_learn_from(
    service: Service, planner: httpx.AsyncClient
) -> None:
    await import_history(planner)
    forecasts = []
    for clocks in ((), ("09:00",)):
        if clocks:
            await came(service, *clocks)
        run = await run_to_end(planner, "forecast", team="general", first_on="2026-03-09", weeks=1)
        assert run["state"] == "done", run["error"]
        answer = await planner.get("/v1/forecasts/general", params={"week": "2026-03-09"})
        forecasts.append([item["volume"] for item in answer.json()["items"]])
    assert forecasts[0] == forecasts[1]
