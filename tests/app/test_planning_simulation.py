"""A plan is simulated with the routing itself; what-if shows beside it what would change."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import numpy as np
import pytest

from app.db.engine import Connection
from app.db.plans import find_plan
from app.db.staff import list_agents
from app.planning.simulating import Staged, scenario_of
from app.planning.standing import read_standing
from app.settings import Settings
from tests.app.conftest import Service
from tests.app.planning_rig import (
    channel_csv,
    history_csv,
    import_history,
    make_plan,
    planning_service,
    run_to_end,
)


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    settings = settings.model_copy(update={"max_body_bytes": 4_000_000})
    async with planning_service(settings) as service:
        yield service


@pytest.fixture
async def planner(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with service.client("planner") as client:
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


async def test_every_interval_with_contacts_has_its_figures_and_bounds(planner: httpx.AsyncClient) -> None:
    plan = await make_plan(planner)
    run = await run_to_end(planner, "simulate", plan=plan["id"], replications=4)
    columns = run["result"]["by_interval"]["general"]["service_level"]
    assert len(columns["value"]) == len(columns["low"]) == len(run["result"]["intervals"])
    known = [each for each in zip(*columns.values(), strict=True) if each[0] is not None]
    assert known
    assert all(0 <= low <= value <= high <= 1 for value, low, high in known)
    assert set(run["result"]["by_interval"]["general"]) == {
        "service_level",
        "asa_s",
        "abandonment",
        "occupancy",
    }


@pytest.mark.parametrize("change", [{"handle_time": 2.0}, {"more_absence": 0.5}])
async def test_difference_from_the_plan_has_bounds(
    planner: httpx.AsyncClient, change: dict[str, float]
) -> None:
    plan = await make_plan(planner)
    run = await run_to_end(planner, "simulate", plan=plan["id"], replications=4, **change)
    assert run["state"] == "done", run["error"]
    difference = run["result"]["changed"]["difference"]["general"]["service_level"]
    assert difference["low"] <= difference["value"] <= difference["high"]
    assert difference["value"] < 0


async def test_other_policy_is_simulated_beside_the_one_in_force(
    service: Service, planner: httpx.AsyncClient
) -> None:
    plan = await make_plan(planner)
    async with service.client("admin") as admin:
        policy = (await admin.get("/v1/policies/current")).json() | {"version": 2}
        for team in policy["teams"].values():
            team["target_s"] = 0.001
        answer = await admin.post("/v1/policies", json=policy)
    assert answer.status_code == 201, answer.text
    run = await run_to_end(planner, "simulate", plan=plan["id"], replications=2, policy=1)
    assert run["state"] == "done", run["error"]
    assert level(run["result"]["changed"]) >= level(run["result"])
    run = await run_to_end(planner, "simulate", plan=plan["id"], replications=2, policy=99)
    assert (run["state"], run["error"]["type"]) == ("failed", "/problems/cannot-plan")


async def test_list_of_runs_leaves_the_long_columns_to_the_run_itself(planner: httpx.AsyncClient) -> None:
    plan = await make_plan(planner)
    run = await run_to_end(planner, "simulate", plan=plan["id"], replications=2)
    listed = (await planner.get("/v1/runs", params={"kind": "simulate"})).json()["items"][0]["result"]
    assert "by_interval" in run["result"]
    assert "by_interval" not in listed
    assert listed["teams"] == run["result"]["teams"]


async def test_chats_are_simulated_on_their_own_channel_with_the_load_unchanged(
    service: Service, planner: httpx.AsyncClient
) -> None:
    chats = history_csv(contacts=30)
    await planner.post("/v1/history/import", params={"channel": "chat"}, content=chats)
    plan = await make_plan(planner)

    def staged(conn: Connection) -> Staged:
        row = find_plan(conn, plan["id"])
        assert row is not None
        return Staged(read_standing(conn, row), list_agents(conn))

    scenario = scenario_of(await service.house.database.read(staged), None)
    sides = {each.channel: each for each in scenario.traffic if each.team_id == "general"}
    assert set(sides) == {"voice", "chat"}
    contacts = {name: float(np.sum(side.volume.expected)) for name, side in sides.items()}
    assert contacts["chat"] == pytest.approx(2.5 * contacts["voice"], rel=0.1)
    assert sum(contacts.values()) == pytest.approx(
        sum(each or 0 for each in plan["coverage"]["general"]["forecast"]), rel=0.01
    )


async def test_letters_of_a_plan_are_served_by_its_people_and_counted_apart(
    planner: httpx.AsyncClient,
) -> None:
    letters = channel_csv(2, 450)
    await planner.post("/v1/history/import", params={"channel": "email"}, content=letters)
    plan = await make_plan(planner)
    run = await run_to_end(planner, "simulate", plan=plan["id"], replications=2)
    assert run["state"] == "done", run["error"]
    deferred = run["result"]["deferred"]
    assert set(deferred) == {"general"}
    assert deferred["general"]["contacts"] == pytest.approx(5 * 48 * 2, rel=0.2)
    assert deferred["general"]["in_time"]["value"] > 0.99


async def test_who_waits_at_the_door_comes_at_opening(service: Service, planner: httpx.AsyncClient) -> None:
    await planner.put("/v1/planning/teams/general", json={"waiting_at_opening": 4.0})
    plan = await make_plan(planner)

    def staged(conn: Connection) -> Staged:
        row = find_plan(conn, plan["id"])
        assert row is not None
        return Staged(read_standing(conn, row), list_agents(conn))

    scenario = scenario_of(await service.house.database.read(staged), None)
    door = next(each.volume for each in scenario.traffic if each.volume.step_s == 1.0)
    assert door.expected.tolist() == [4.0] * 5
    assert (door.starts % 86_400).tolist() == [9 * 3600] * 5


async def test_same_seed_gives_the_same_figures(planner: httpx.AsyncClient) -> None:
    plan = await make_plan(planner)
    runs = [await run_to_end(planner, "simulate", plan=plan["id"], replications=2, seed=5) for _ in range(2)]
    assert runs[0]["result"] == runs[1]["result"]


async def test_plan_that_does_not_exist_is_not_simulated(planner: httpx.AsyncClient) -> None:
    run = await run_to_end(planner, "simulate", plan=99)
    assert (run["state"], run["error"]["type"]) == ("failed", "/problems/cannot-plan")
