"""A plan is simulated with the routing itself; what-if shows beside it what would change."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.settings import Settings
from tests.app.planning_rig import import_history, make_plan, planning_service, run_to_end


@pytest.fixture
async def planner(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings.model_copy(update={"max_body_bytes": 4_000_000})
    async with planning_service(settings) as service, service.client("planner") as client:
        await import_history(client)
        yield client


def level(figures: dict[str, Any]) -> float:
    return float(figures["teams"]["general"]["service_level"]["value"])


async def test_more_contacts_lower_the_simulated_service_level(planner: httpx.AsyncClient) -> None:
    plan = await make_plan(planner)
    run = await run_to_end(planner, "simulate", plan=plan["id"], replications=3, volume=3.0)
    assert run["state"] == "done", run["error"]
    bounds = run["result"]["teams"]["general"]["service_level"]
    assert 0 <= bounds["low"] <= bounds["value"] <= bounds["high"]
    assert level(run["result"]["changed"]) < level(run["result"])


async def test_same_seed_gives_the_same_figures(planner: httpx.AsyncClient) -> None:
    plan = await make_plan(planner)
    runs = [await run_to_end(planner, "simulate", plan=plan["id"], replications=2, seed=5) for _ in range(2)]
    assert runs[0]["result"] == runs[1]["result"]


async def test_plan_that_does_not_exist_is_not_simulated(planner: httpx.AsyncClient) -> None:
    run = await run_to_end(planner, "simulate", plan=99)
    assert (run["state"], run["error"]["type"]) == ("failed", "/problems/cannot-plan")
