"""The path of a roster: history, forecast, requirement, plan, through the API on both databases."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from app.settings import Settings
from tests.app.conftest import Service
from tests.app.planning_rig import (
    MONDAY,
    history_csv,
    import_history,
    make_plan,
    planning_service,
    run_to_end,
)

WEEK = MONDAY.isoformat()


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    settings = settings.model_copy(update={"max_body_bytes": 4_000_000})
    async with planning_service(settings) as service:
        yield service


@pytest.fixture
async def planner(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with service.client("planner") as client:
        yield client


async def test_week_of_history_becomes_a_roster_of_named_people(planner: httpx.AsyncClient) -> None:
    await import_history(planner)
    plan = await make_plan(planner)
    assert plan["state"] == "draft"
    assert {shift["name"] for shift in plan["assignments"]} <= {f"Agent{i}" for i in range(6)}
    assert sum(plan["coverage"]["general"]["staffed"]) > 0
    assert len(plan["intervals"]) == len(plan["coverage"]["general"]["rostered"]) == 7 * 48
    assert plan["objective"] >= (plan["bound"] or 0)


async def test_requirement_is_zero_while_a_team_is_closed(planner: httpx.AsyncClient) -> None:
    await import_history(planner)
    await run_to_end(planner, "require", week=WEEK)
    found = (await planner.get("/v1/requirements", params={"week": WEEK})).json()
    needed = dict(zip(found["intervals"], found["teams"]["general"]["required"], strict=True))
    assert needed[f"{WEEK}T08:30:00Z"] == 0
    assert needed[f"{WEEK}T12:30:00Z"] > 0
    assert sum(found["teams"]["general"]["required"][5 * 48 :]) == 0


async def test_shrinkage_adds_people_to_the_agents_needed(planner: httpx.AsyncClient) -> None:
    await import_history(planner)
    await planner.put("/v1/planning/teams/general", json={"shrinkage": {"absence": 0.5}})
    await run_to_end(planner, "require", week=WEEK)
    team = (await planner.get("/v1/requirements", params={"week": WEEK})).json()["teams"]["general"]
    assert team["rostered"] == [2 * needed for needed in team["required"]]


async def test_csv_has_one_line_per_shift_on_the_sites_clock(planner: httpx.AsyncClient) -> None:
    await import_history(planner)
    plan = await make_plan(planner)
    answer = await planner.get(f"/v1/plans/{plan['id']}.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["agent"], row["date"], row["shift"]) for row in rows] == [
        (shift["agent"], shift["on"], shift["shift"]) for shift in plan["assignments"]
    ]
    assert all(row["start"].startswith(f"{row['date']}T{row['shift'][:5]}") for row in rows)


async def test_publishing_supersedes_the_version_before(planner: httpx.AsyncClient) -> None:
    await import_history(planner)
    first, second = await make_plan(planner), await make_plan(planner)
    for plan in (first, second):
        assert (await planner.post(f"/v1/plans/{plan['id']}/publish")).status_code == 200
    states = {plan["version"]: plan["state"] for plan in (await planner.get("/v1/plans")).json()["items"]}
    assert states == {1: "superseded", 2: "published"}


async def test_published_plan_cannot_be_published_again(planner: httpx.AsyncClient) -> None:
    await import_history(planner)
    plan = await make_plan(planner)
    await planner.post(f"/v1/plans/{plan['id']}/publish")
    answer = await planner.post(f"/v1/plans/{plan['id']}/publish")
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/wrong-state")


async def test_granted_time_off_keeps_the_agent_off_the_roster(planner: httpx.AsyncClient) -> None:
    await import_history(planner)
    last_on = (MONDAY + timedelta(days=4)).isoformat()
    answer = await planner.post(
        "/v1/time-off", json={"agent": "agent1", "first_on": WEEK, "last_on": last_on}
    )
    assert answer.json()["state"] == "granted"
    plan = await make_plan(planner)
    assert "agent1" not in {shift["agent"] for shift in plan["assignments"]}


async def test_agent_without_a_roster_contract_gets_no_shift(planner: httpx.AsyncClient) -> None:
    await import_history(planner)
    await planner.put("/v1/contracts/agent0", json={"rostered": False})
    plan = await make_plan(planner)
    assert "agent0" not in {shift["agent"] for shift in plan["assignments"]}


async def test_starts_of_a_week_stay_as_close_as_the_contract_says(planner: httpx.AsyncClient) -> None:
    await import_history(planner)
    await planner.put("/v1/planning/site", json={"shift_starts": ["09:00", "11:00"], "shift_hours": [6.0]})
    for number in range(6):
        body = {"start_variance_hours": 0, "week_hours_min": 0}
        await planner.put(f"/v1/contracts/agent{number}", json=body)
    plan = await make_plan(planner)
    starts: dict[str, set[str]] = {}
    for shift in plan["assignments"]:
        starts.setdefault(shift["agent"], set()).add(shift["starts_at"][11:16])
    assert len(set().union(*starts.values())) == 2
    assert {len(own) for own in starts.values()} == {1}


async def test_run_names_fewest_days_in_a_row_that_availability_rules_out(planner: httpx.AsyncClient) -> None:
    await import_history(planner)
    tuesday_and_thursday = [{"start": "09:00", "end": "17:00"} if day in (1, 3) else None for day in range(7)]
    contract: dict[str, Any] = {"min_days_in_row": 2, "week_days_min": 1, "week_hours_min": 0}
    contract["availability"] = tuesday_and_thursday
    await planner.put("/v1/contracts/agent2", json=contract)
    run = await run_to_end(planner, "roster", week=WEEK, check_only=True)
    rules = [rule for each in run["result"]["conflicts"] for rule in each["rules"]]
    assert any("at least 2 days in a row" in rule for rule in rules), rules
    assert any("1 to 5 days" in rule for rule in rules), rules


CONTRADICTIONS: list[tuple[dict[str, Any], str]] = [
    ({"week_days_min": 4, "week_days_max": 3}, "fewest days of a week"),
    ({"min_days_in_row": 3, "max_days_in_row": 2}, "fewest days in a row"),
    ({"period_hours_min": 120, "period_hours_max": 119}, "period's fewest hours"),
    ({"period_weeks": 1, "period_hours_min": 41}, "period's fewest hours"),
    ({"period_weeks": 2, "period_hours_max": 59}, "period's most hours"),
    ({"period_weeks": 1, "period_days_off_min": 8}, "period's fewest days off"),
    ({"period_days_off_min": 9, "period_days_off_max": 8}, "period's fewest days off"),
    ({"period_shifts": {"late": {"least": 3, "most": 2}}}, "fewest shifts"),
]


async def test_contracts_that_contradict_themselves_are_refused(planner: httpx.AsyncClient) -> None:
    for body, why in CONTRADICTIONS:
        answer = await planner.put("/v1/contracts/agent0", json=body)
        assert answer.status_code == 422, body
        assert why in answer.text, answer.text
    assert (await planner.get("/v1/contracts/agent0")).json()["preset"]


async def test_run_names_the_rules_that_cannot_all_hold(planner: httpx.AsyncClient) -> None:
    await import_history(planner)
    days = {"first_on": WEEK, "last_on": (MONDAY + timedelta(days=3)).isoformat()}
    await planner.post("/v1/time-off", json={"agent": "agent2", **days})
    contract = {"week_hours_min": 40, "week_days_max": 5, "availability": [None] * 7}
    contract["availability"][4] = {"start": "09:00", "end": "17:00"}
    await planner.put("/v1/contracts/agent2", json=contract)
    run = await run_to_end(planner, "roster", week=WEEK, check_only=True)
    assert (run["state"], run["result"]["plans"]) == ("done", [])
    assert {each["name"] for each in run["result"]["conflicts"]} == {"Agent2"}
    rules = [rule for each in run["result"]["conflicts"] for rule in each["rules"]]
    assert any(f"the week of {WEEK}" in rule for rule in rules), rules
    plan = await make_plan(planner)
    made = (await planner.get(f"/v1/runs/{plan['run_id']}")).json()["result"]
    assert made["conflicts"] == plan["conflicts"]
    assert plan["conflicts"][0]["given_up"]


async def test_finding_names_a_team_that_nobody_can_work_for(planner: httpx.AsyncClient) -> None:
    await import_history(planner)
    for number in (1, 3, 5):
        await planner.put(f"/v1/contracts/agent{number}", json={"rostered": False})
    run = await run_to_end(planner, "roster", week=WEEK, check_only=True)
    found = {(each["name"], each["subject"]) for each in run["result"]["findings"]}
    assert ("team_without_agents", "complaints") in found


async def test_override_changes_this_forecast_and_the_next(planner: httpx.AsyncClient) -> None:
    await import_history(planner)
    span = {"since": f"{WEEK}T09:00:00Z", "until": f"{WEEK}T17:00:00Z"}
    await planner.post("/v1/overrides", json={"team": "general", "factor": 2.0, **span})
    for _ in range(2):
        await run_to_end(planner, "forecast", team="general", first_on=WEEK, weeks=1)
        items = (await planner.get("/v1/forecasts/general", params={"week": WEEK})).json()["items"]
        changed = [item for item in items if item["overridden"]]
        assert len(changed) == 16
        assert all(item["volume"] == pytest.approx(2 * item["forecast"], abs=0.02) for item in changed)


async def test_forecast_says_how_busy_each_interval_will_be(planner: httpx.AsyncClient) -> None:
    await import_history(planner)
    await run_to_end(planner, "forecast", team="general", first_on=WEEK, weeks=1)
    found = (await planner.get("/v1/forecasts/general", params={"week": WEEK})).json()
    busyness = {item["clock"]: item["busyness"] for item in found["items"] if item["on"] == WEEK}
    assert (busyness["03:00"], busyness["09:00"]) == ("closed", "quiet")
    assert busyness["12:30"] in ("busy", "peak")
    assert {score["model"] for score in found["backtest"]["scores"]} > {"naive"}


async def test_forecast_without_history_fails_with_a_reason(planner: httpx.AsyncClient) -> None:
    run = await run_to_end(planner, "forecast")
    assert (run["state"], run["error"]["type"]) == ("failed", "/problems/no-history")


async def test_broken_line_is_named_and_nothing_imported(planner: httpx.AsyncClient) -> None:
    text = history_csv(weeks=1)
    lines = text.splitlines()
    lines[2] = lines[2].replace(",0,0,0,0", ",minus one,0,0,0")
    answer = await planner.post("/v1/history/import", content="\n".join(lines))
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-import")
    assert [error["line"] for error in answer.json()["errors"]] == [3]
    assert (await planner.get("/v1/history")).json()["items"] == []


async def test_unknown_team_in_a_file_is_refused_with_those_that_exist(planner: httpx.AsyncClient) -> None:
    text = history_csv(weeks=1).replace("complaints", "moaning")
    answer = await planner.post("/v1/history/import", content=text)
    assert (answer.status_code, answer.json()["unknown"]) == (422, ["moaning"])


async def test_file_team_is_renamed_when_told(planner: httpx.AsyncClient) -> None:
    text = history_csv(weeks=1).replace("complaints", "moaning")
    answer = await planner.post("/v1/history/import", content=text, params={"team": "moaning:complaints"})
    assert set(answer.json()["result"]["teams"]) == {"general", "complaints"}


async def test_gzip_file_is_unpacked(planner: httpx.AsyncClient) -> None:
    answer = await planner.post("/v1/history/import", content=gzip.compress(history_csv(weeks=1).encode()))
    assert answer.json()["result"]["format"] == "intervals"


async def test_second_import_replaces_the_same_intervals(planner: httpx.AsyncClient) -> None:
    await import_history(planner, history_csv(weeks=1))
    before = (await planner.get("/v1/history")).json()["items"]
    await import_history(planner, history_csv(weeks=1))
    assert (await planner.get("/v1/history")).json()["items"] == before


async def test_import_may_be_larger_than_other_bodies(settings: Settings) -> None:
    text = history_csv(weeks=4)
    assert len(text) > settings.max_body_bytes
    async with planning_service(settings) as service, service.client("planner") as client:
        assert (await client.post("/v1/history/import", content=text)).status_code == 200


BAD_BODIES: list[tuple[str, str, dict[str, Any], str]] = [
    ("POST", "/v1/runs", {"kind": "guess"}, "/kind"),
    ("POST", "/v1/runs", {"kind": "roster", "params": {"weeks": 9}}, "/params/weeks"),
    ("POST", "/v1/runs", {"kind": "roster", "params": {"hurry": True}}, "/params/hurry"),
    ("PUT", "/v1/contracts/agent0", {"week_hours_max": 200}, "/week_hours_max"),
    ("PUT", "/v1/contracts/agent0", {"start_variance_hours": 25}, "/start_variance_hours"),
    ("PUT", "/v1/contracts/agent0", {"period_weeks": 5}, "/period_weeks"),
    ("PUT", "/v1/planning/site", {"interval_minutes": 20}, "/interval_minutes"),
    ("PUT", "/v1/planning/teams/general", {"service_level": 1.5}, "/service_level"),
    ("POST", "/v1/time-off", {"agent": "agent0", "first_on": "2026-03-02"}, "/last_on"),
    (
        "POST",
        "/v1/overrides",
        {"team": "general", "factor": 1, "since": "2026-03-02T09:00:00", "until": "2026-03-02T17:00:00Z"},
        "/since",
    ),
]


async def test_malformed_bodies_are_refused_with_pointers(planner: httpx.AsyncClient) -> None:
    for method, path, body, pointer in BAD_BODIES:
        answer = await planner.request(method, path, json=body)
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
        assert answer.json()["errors"][0]["pointer"] == pointer, answer.text


async def test_things_that_do_not_exist_are_not_found(planner: httpx.AsyncClient) -> None:
    for path in (
        "/v1/runs/9",
        "/v1/plans/9",
        "/v1/plans/9.csv",
        "/v1/forecasts/none",
        "/v1/contracts/none",
        "/v1/time-off/9",
    ):
        assert (await planner.get(path)).status_code == 404, path
    for path in ("/v1/time-off/9", "/v1/wishes/9", "/v1/overrides/9", "/v1/special-days/9", "/v1/plans/9"):
        assert (await planner.delete(path)).status_code == 404, path


async def test_week_that_is_none_is_malformed(planner: httpx.AsyncClient) -> None:
    answer = await planner.get("/v1/requirements", params={"week": "2026-02-31"})
    assert answer.status_code == 422
    answer = await planner.post("/v1/runs", json={"kind": "require", "params": {"week": "2026-02-31"}})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/params/week")


async def test_agents_key_reads_plans_but_starts_nothing(service: Service) -> None:
    async with service.client("agent") as client:
        assert (await client.get("/v1/plans")).status_code == 200
        assert (await client.post("/v1/runs", json={"kind": "roster"})).status_code == 403
        body = {"agent": "agent0", "first_on": WEEK, "last_on": WEEK}
        assert (await client.post("/v1/time-off", json=body)).status_code == 403
