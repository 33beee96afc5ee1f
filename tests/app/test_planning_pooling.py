"""Teams that share agents are counted together, nobody twice, and what that saves is simulated."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.planning.pooling import VERIFIED, groups_of, pools_of
from app.settings import Settings
from tests.app.planning_rig import MONDAY, import_history, planning_service, run_to_end

WEEK = MONDAY.isoformat()
MANY = 3600


@pytest.fixture
async def planner(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings.model_copy(update={"max_body_bytes": 4_000_000})
    async with planning_service(settings) as service, service.client("planner") as client:
        await import_history(client)
        yield client


async def required(client: httpx.AsyncClient, **params: Any) -> dict[str, Any]:
    run = await run_to_end(client, "require", week=WEEK, **params)
    assert run["state"] == "done", run["error"]
    found: dict[str, Any] = (await client.get("/v1/requirements", params={"week": WEEK})).json()
    return found | {"result": run["result"]}


def test_teams_are_joined_directly_or_through_others() -> None:
    people = [("a",), ("a", "c"), ("c", "d"), ("b",), ("e",)]
    assert pools_of(["a", "b", "c", "d", "e"], people) == [["a", "c", "d"]]


def test_people_are_grouped_by_what_they_can_work_for() -> None:
    groups = groups_of(["a", "b"], [("a",), ("a", "x"), ("b", "a"), ("x",)])
    assert [(set(group.teams), group.most) for group in groups] == [({"a"}, 2), ({"a", "b"}, 1)]


async def test_requirement_shows_who_is_shared_and_who_is_missing(planner: httpx.AsyncClient) -> None:
    found = await required(planner)
    (pool,) = found["pools"]
    assert set(pool["teams"]) == {"general", "complaints"}
    assert {tuple(group["teams"]): group["people"] for group in pool["groups"]} == {
        ("general",): 3,
        ("complaints", "general"): 3,
    }
    assert pool["separate"] == pool["together"]
    assert all(least <= most for least, most in zip(pool["least"], pool["separate"], strict=True))
    assert (pool["simulated_share"], pool["verified"]) == (0.0, [])
    assert pool["unreached"] > 0


async def test_simulation_shows_what_sharing_saves_and_what_it_gives(planner: httpx.AsyncClient) -> None:
    found = await required(planner, pooling_s=MANY)
    (pool,) = found["pools"]
    (summary,) = found["result"]["pools"]
    assert pool["simulated_share"] == 1.0
    assert (pool["unreached"], pool["unverified"], pool["not_followed"]) == (0, 0, {})
    assert sum(pool["together"]) < sum(pool["separate"])
    assert summary["saved_hours"] == pool["saved_hours"] > 0
    assert summary["corrected_intervals"] == sum(each != 0 for each in pool["corrected"])
    busiest = max(range(len(pool["together"])), key=pool["together"].__getitem__)
    for team in pool["teams"]:
        level = pool["levels"][team]
        assert level["value"][busiest] >= level["wanted"] - 0.005 or pool["missing"][busiest]
        assert 0 < level["half_width"][busiest] < 0.1
    # Shown, not staffed: each team keeps what it needs on its own.
    both = zip(*(found["teams"][team]["required"] for team in pool["teams"]), strict=True)
    assert [sum(each) for each in both] == pool["separate"]


async def test_worst_intervals_are_checked_through_the_routing(planner: httpx.AsyncClient) -> None:
    await planner.put("/v1/planning/site", json={"pooling": "staffed"})
    found = await required(planner, pooling_s=MANY)
    (pool,) = found["pools"]
    assert len(pool["verified"]) == found["result"]["pools"][0]["verified"] == VERIFIED
    for each in pool["verified"]:
        assert pool["simulated"][each["interval"]]
        assert set(each["levels"]) == set(pool["teams"])
    # Staffed together, the teams need what they need together.
    both = zip(*(found["teams"][team]["required"] for team in pool["teams"]), strict=True)
    assert [sum(each) for each in both] == pool["together"]
    assert sum(pool["together"]) < sum(pool["separate"])


async def test_run_is_cancelled_while_it_simulates(planner: httpx.AsyncClient) -> None:
    answer = await planner.post("/v1/runs", json={"kind": "require", "params": {"week": WEEK}})
    run = answer.json()
    while "share" not in run["message"] and run["state"] in ("queued", "running"):
        run = (await planner.get(f"/v1/runs/{run['id']}")).json()
    assert 0 < run["progress"] < 1
    await planner.post(f"/v1/runs/{run['id']}/cancel")
    while run["state"] in ("queued", "running"):
        run = (await planner.get(f"/v1/runs/{run['id']}")).json()
    assert run["state"] == "cancelled"
    assert (await planner.get("/v1/requirements", params={"week": WEEK})).json()["teams"] == {}


async def test_site_that_pools_nothing_shows_nothing(planner: httpx.AsyncClient) -> None:
    await planner.put("/v1/planning/site", json={"pooling": "off"})
    assert (await required(planner))["pools"] == []
