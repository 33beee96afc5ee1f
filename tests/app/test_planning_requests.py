"""Requests on a published roster: time off and swaps are checked, granted ones become a new version."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.settings import Settings
from tests.app.conftest import Service
from tests.app.planning_rig import MONDAY, import_history, make_plan, planning_service

WEEK = MONDAY.isoformat()


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    async with planning_service(settings.model_copy(update={"max_body_bytes": 4_000_000})) as service:
        yield service


@pytest.fixture
async def planner(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with service.client("planner") as client:
        await import_history(client)
        yield client


async def publish(planner: httpx.AsyncClient) -> dict[str, Any]:
    plan = await make_plan(planner)
    await planner.post(f"/v1/plans/{plan['id']}/publish")
    return plan


async def ask_for_time_off(planner: httpx.AsyncClient, shift: dict[str, Any]) -> int:
    days = {"first_on": shift["on"], "last_on": shift["on"]}
    answer = await planner.post("/v1/time-off", json={"agent": shift["agent"], "state": "requested", **days})
    return int(answer.json()["id"])


def days_of(plan: dict[str, Any]) -> set[tuple[str, str]]:
    return {(shift["agent"], shift["on"]) for shift in plan["assignments"]}


async def latest(planner: httpx.AsyncClient, state: str = "published") -> dict[str, Any]:
    listed = (await planner.get("/v1/plans", params={"state": state})).json()["items"]
    plan: dict[str, Any] = (await planner.get(f"/v1/plans/{listed[0]['id']}")).json()
    return plan


async def test_check_names_where_the_roster_would_be_short(planner: httpx.AsyncClient) -> None:
    await planner.put("/v1/planning/teams/general", json={"min_agents": 6})
    plan = await publish(planner)
    row = await ask_for_time_off(planner, plan["assignments"][0])
    check = (await planner.get(f"/v1/time-off/{row}/check")).json()["items"][0]
    assert not check["fits"]
    assert {each["team"] for each in check["short"]} == {"general"}
    assert all(each["missing_after"] > each["missing_before"] for each in check["short"])


async def test_request_is_checked_at_once(service: Service, planner: httpx.AsyncClient) -> None:
    await planner.put("/v1/planning/teams/general", json={"min_agents": 6})
    plan = await publish(planner)
    shift = plan["assignments"][0]
    days = {"first_on": shift["on"], "last_on": shift["on"]}
    answer = await planner.post("/v1/time-off", json={"agent": shift["agent"], "state": "requested", **days})
    check = answer.json()["check"]
    assert (answer.status_code, check["fits"], check["items"][0]["plan"]) == (201, False, plan["id"])


async def test_time_off_granted_outright_leaves_the_published_roster(planner: httpx.AsyncClient) -> None:
    plan = await publish(planner)
    shift = plan["assignments"][0]
    days = {"first_on": shift["on"], "last_on": shift["on"]}
    answer = await planner.post("/v1/time-off", json={"agent": shift["agent"], "state": "granted", **days})
    after = await latest(planner)
    assert answer.json()["new_plans"] == [after["id"]]
    assert (shift["agent"], shift["on"]) not in days_of(after)


async def test_request_before_any_roster_is_published_fits(planner: httpx.AsyncClient) -> None:
    row = await ask_for_time_off(planner, {"agent": "agent0", "on": WEEK})
    assert (await planner.get(f"/v1/time-off/{row}/check")).json() == {
        "items": [],
        "fits": True,
        "next": None,
    }


async def test_granted_time_off_leaves_the_published_roster_in_a_new_version(
    planner: httpx.AsyncClient,
) -> None:
    plan = await publish(planner)
    shift = plan["assignments"][0]
    row = await ask_for_time_off(planner, shift)
    granted = (await planner.post(f"/v1/time-off/{row}/grant", json={})).json()
    after = await latest(planner)
    assert granted["new_plans"] == [after["id"]]
    assert days_of(plan) - days_of(after) == {(shift["agent"], shift["on"])}
    assert after["version"] == plan["version"] + 1


async def test_difference_names_the_days_that_change(planner: httpx.AsyncClient) -> None:
    plan = await publish(planner)
    shift = plan["assignments"][0]
    await planner.post(f"/v1/time-off/{await ask_for_time_off(planner, shift)}/grant", json={})
    after = await latest(planner)
    found = await planner.get(f"/v1/plans/{after['id']}/difference", params={"since": plan["id"]})
    assert [(each["agent"], each["on"], each["before"], each["after"]) for each in found.json()["items"]] == [
        (shift["agent"], shift["on"], shift["shift"], None)
    ]


async def test_decided_request_cannot_be_decided_again(planner: httpx.AsyncClient) -> None:
    row = await ask_for_time_off(planner, {"agent": "agent0", "on": WEEK})
    await planner.post(f"/v1/time-off/{row}/refuse", json={"reason": "fair"})
    answer = await planner.post(f"/v1/time-off/{row}/grant", json={})
    assert (answer.status_code, answer.json()["state"]) == (409, "refused")


def swappable(plan: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return a shift and an agent who is off on its day."""
    agents = {shift["agent"] for shift in plan["assignments"]}
    for shift in plan["assignments"]:
        free = agents - {each["agent"] for each in plan["assignments"] if each["on"] == shift["on"]}
        if free:
            return shift, min(free)
    raise AssertionError("everybody works every day")


async def test_granted_swap_gives_the_shift_to_the_other_agent(planner: httpx.AsyncClient) -> None:
    await planner.put("/v1/contracts/agent0", json={"week_hours_min": 0, "week_days_max": 3})
    await planner.put("/v1/contracts/agent2", json={"week_hours_min": 0, "week_days_max": 3})
    plan = await publish(planner)
    shift, other = swappable(plan)
    asked = await planner.post(
        "/v1/swaps", json={"agent": shift["agent"], "on": shift["on"], "other_agent": other}
    )
    assert (asked.status_code, asked.json()["check"]["plan"]) == (201, plan["id"])
    await planner.post(f"/v1/swaps/{asked.json()['id']}/grant", json={})
    after = await latest(planner)
    assert (other, shift["on"]) in days_of(after)
    assert (shift["agent"], shift["on"]) not in days_of(after)


async def test_swap_of_a_day_off_is_refused(planner: httpx.AsyncClient) -> None:
    await publish(planner)
    answer = await planner.post(
        "/v1/swaps", json={"agent": "agent0", "on": "2026-03-08", "other_agent": "agent1"}
    )
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/wrong-state")


async def test_swap_of_an_agent_who_does_not_exist_is_refused(planner: httpx.AsyncClient) -> None:
    plan = await publish(planner)
    shift = plan["assignments"][0]
    answer = await planner.post(
        "/v1/swaps", json={"agent": shift["agent"], "on": shift["on"], "other_agent": "nobody"}
    )
    assert answer.status_code in (409, 422)
    assert (await planner.get("/v1/swaps")).json()["items"] == []


def pair(plan: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return a shift and another agent, who may work on its day or not."""
    shift = plan["assignments"][0]
    return shift, next(each["agent"] for each in plan["assignments"] if each["agent"] != shift["agent"])


async def test_swap_of_one_with_oneself_is_refused(planner: httpx.AsyncClient) -> None:
    shift = (await publish(planner))["assignments"][0]
    body = {"agent": shift["agent"], "on": shift["on"], "other_agent": shift["agent"]}
    answer = await planner.post("/v1/swaps", json=body)
    assert (answer.status_code, "another agent" in answer.text) == (422, True)


async def test_swap_with_a_day_of_another_week_is_refused(planner: httpx.AsyncClient) -> None:
    shift, other = pair(await publish(planner))
    body = {"agent": shift["agent"], "on": shift["on"], "other_agent": other, "other_on": "2026-03-12"}
    answer = await planner.post("/v1/swaps", json=body)
    assert (answer.status_code, "days of one roster" in answer.json()["detail"]) == (409, True)


async def test_same_request_twice_is_refused_with_the_first(planner: httpx.AsyncClient) -> None:
    shift, other = pair(await publish(planner))
    swap = {"agent": shift["agent"], "on": shift["on"], "other_agent": other}
    days = {"agent": shift["agent"], "first_on": WEEK, "last_on": WEEK, "state": "requested"}
    for path, body, name in (("/v1/swaps", swap, "swap"), ("/v1/time-off", days, "time_off")):
        first = (await planner.post(path, json=body)).json()
        again = await planner.post(path, json=body)
        assert (again.status_code, again.json()[name]) == (409, first["id"])
        await planner.post(f"{path}/{first['id']}/refuse", json={})
        assert (await planner.post(path, json=body)).status_code == 201


async def test_swap_whose_shift_is_gone_says_so_and_is_not_carried_out(planner: httpx.AsyncClient) -> None:
    shift, other = pair(await publish(planner))
    body = {"agent": shift["agent"], "on": shift["on"], "other_agent": other}
    swap = (await planner.post("/v1/swaps", json=body)).json()["id"]
    days = {"first_on": shift["on"], "last_on": shift["on"]}
    await planner.post("/v1/time-off", json={"agent": shift["agent"], "state": "granted", **days})
    found = (await planner.get(f"/v1/swaps/{swap}")).json()
    assert (found["check"], "has no shift" in found["obstacle"]) == (None, True)
    before = await latest(planner)
    assert (await planner.post(f"/v1/swaps/{swap}/grant", json={})).status_code == 409
    assert (await latest(planner))["id"] == before["id"]
    assert (await planner.post(f"/v1/swaps/{swap}/refuse", json={})).status_code == 200
