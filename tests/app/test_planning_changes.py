"""What planners do with a plan by hand, and what agents get of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest
from icalendar import Calendar

from app.api.calendars import calendar
from app.db.plans import AssignmentRow
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
    changes = {"max_body_bytes": 4_000_000, "clock_start_at": datetime(2026, 2, 27, 12, tzinfo=UTC)}
    async with planning_service(settings.model_copy(update=changes)) as service:
        yield service


@pytest.fixture
async def planner(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with service.client("planner") as client:
        await import_history(client, history_csv(before=date(2026, 2, 27)))
        yield client


async def change(planner: httpx.AsyncClient, plan: dict[str, Any], **values: Any) -> httpx.Response:
    return await planner.post(f"/v1/plans/{plan['id']}/changes", json={"changes": [values]})


async def test_shift_taken_away_lowers_the_coverage(planner: httpx.AsyncClient) -> None:
    plan = await make_plan(planner)
    shift = plan["assignments"][0]
    after = (await change(planner, plan, agent=shift["agent"], on=shift["on"], shift=None)).json()
    assert len(after["assignments"]) == len(plan["assignments"]) - 1
    before_h, after_h = (sum(sum(team["staffed"]) for team in p["coverage"].values()) for p in (plan, after))
    assert after_h < before_h
    assert (after["id"], after["status"]) == (plan["id"], "edited")


async def test_broken_rules_are_named_not_enforced(planner: httpx.AsyncClient) -> None:
    await planner.put("/v1/contracts/agent0", json={"week_days_max": 1, "week_hours_min": 0})
    plan = await make_plan(planner)
    kind = plan["shifts"][0]["id"]
    days = [{"agent": "agent0", "on": f"2026-03-0{day}", "shift": kind} for day in (3, 4)]
    answer = await planner.post(f"/v1/plans/{plan['id']}/changes", json={"changes": days})
    assert "Agent0: days of the week of 2026-03-02" in answer.json()["broken_rules"]
    worked = {each["on"] for each in answer.json()["assignments"] if each["agent"] == "agent0"}
    assert {"2026-03-03", "2026-03-04"} <= worked


async def test_locked_shift_stays_when_the_roster_is_made_anew(planner: httpx.AsyncClient) -> None:
    plan = await make_plan(planner)
    kind = plan["shifts"][-1]["id"]
    await change(planner, plan, agent="agent3", on="2026-03-06", shift=kind)
    again = await make_plan(planner)
    kept = [each for each in again["assignments"] if (each["agent"], each["on"]) == ("agent3", "2026-03-06")]
    assert [(each["shift"], each["locked"]) for each in kept] == [(kind, True)]


async def test_locked_day_off_stays_until_it_is_unlocked(planner: httpx.AsyncClient) -> None:
    plan = await make_plan(planner)
    shift = next(each for each in plan["assignments"] if each["agent"] == "agent3")
    day = {"agent": "agent3", "on": shift["on"]}
    after = (await change(planner, plan, **day, shift=None)).json()
    assert after["locked_days_off"] == [day]
    again = await make_plan(planner)
    assert again["locked_days_off"] == [day]
    assert (day["agent"], day["on"]) not in {(each["agent"], each["on"]) for each in again["assignments"]}
    back = (await change(planner, again, **day, shift=shift["shift"], locked=False)).json()
    assert back["locked_days_off"] == []
    assert not any("lock" in rule for rule in back["broken_rules"])


async def test_locked_shift_changed_on_purpose_breaks_no_lock(planner: httpx.AsyncClient) -> None:
    plan = await make_plan(planner)
    kinds = [each["id"] for each in plan["shifts"]]
    for kind in kinds[:2]:
        after = (await change(planner, plan, agent="agent3", on="2026-03-06", shift=kind)).json()
    assert not any("lock" in rule for rule in after["broken_rules"])


async def test_roster_made_anew_changes_no_more_of_the_published_one_than_it_must(
    planner: httpx.AsyncClient,
) -> None:
    plan = await make_plan(planner)
    await planner.post(f"/v1/plans/{plan['id']}/publish")
    shift = plan["assignments"][0]
    await change(planner, plan, agent=shift["agent"], on=shift["on"], shift=None)
    again = await make_plan(planner)
    found = await planner.get(f"/v1/plans/{again['id']}/difference", params={"since": plan["id"]})
    changed = [each for each in found.json()["items"] if "shift" in each["changed"]]
    assert (shift["agent"], shift["on"]) in {(each["agent"], each["on"]) for each in changed}
    assert len(changed) <= 4


async def test_change_of_a_published_plan_makes_a_new_draft(planner: httpx.AsyncClient) -> None:
    plan = await make_plan(planner)
    await planner.post(f"/v1/plans/{plan['id']}/publish")
    after = (await change(planner, plan, agent="agent0", on=WEEK, shift=None)).json()
    assert (after["state"], after["version"]) == ("draft", plan["version"] + 1)
    assert (await planner.get(f"/v1/plans/{plan['id']}")).json()["state"] == "published"


async def test_change_that_names_nothing_real_is_refused(planner: httpx.AsyncClient) -> None:
    plan = await make_plan(planner)
    for wrong in (
        {"agent": "nobody", "on": WEEK, "shift": None},
        {"agent": "agent0", "on": "2026-05-01", "shift": None},
        {"agent": "agent0", "on": WEEK, "shift": "never"},
    ):
        answer = await change(planner, plan, **wrong)
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/unknown-reference")


async def test_calendar_has_the_published_shifts_of_the_agent(planner: httpx.AsyncClient) -> None:
    plan = await make_plan(planner)
    await planner.post(f"/v1/plans/{plan['id']}/publish")
    agent = plan["assignments"][0]["agent"]
    answer = await planner.get(f"/v1/agents/{agent}/roster.ics")
    assert answer.headers["content-type"].startswith("text/calendar")
    begins = [event["dtstart"].dt for event in Calendar.from_ical(answer.content).walk("VEVENT")]
    own = [each for each in plan["assignments"] if each["agent"] == agent]
    assert begins == [datetime.fromisoformat(each["starts_at"]) for each in own]


async def test_breaks_in_a_calendar_are_on_the_sites_clock() -> None:
    nine = datetime(2026, 7, 1, 9, tzinfo=UTC).timestamp()
    shift = AssignmentRow(
        "ann", "2026-07-01", "day", nine, nine + 8 * 3600, False, [("meal", nine + 7200, nine + 9000)], []
    )
    found = Calendar.from_ical(calendar("Ann", [shift], now=nine, zone="Europe/Berlin")).walk("VEVENT")
    assert str(found[0]["description"]) == "meal 13:00-13:30"


async def test_draft_is_in_nobodys_calendar(planner: httpx.AsyncClient) -> None:
    plan = await make_plan(planner)
    answer = await planner.get(f"/v1/agents/{plan['assignments'][0]['agent']}/roster.ics")
    assert Calendar.from_ical(answer.content).walk("VEVENT") == []


async def test_design_covers_the_requirement_with_few_kinds_of_shift(planner: httpx.AsyncClient) -> None:
    run = await run_to_end(planner, "design", week=WEEK, most_kinds=3, time_limit_s=5)
    found = run["result"]
    assert run["state"] == "done", run["error"]
    assert 1 <= len(found["shifts"]) <= 3
    assert found["price"] >= found["bound"] - 1e-6
    missing = sum(max(need - have, 0) for need, have in zip(found["required"], found["staffed"], strict=True))
    assert missing * 0.5 == pytest.approx(found["short_hours"])
    assert found["short_hours"] <= found["surplus_hours"]


async def test_design_of_a_clock_change_week_has_its_hours(planner: httpx.AsyncClient) -> None:
    run = await run_to_end(planner, "design", week="2026-03-29", most_kinds=2, time_limit_s=2)
    found = run["result"]
    assert run["state"] == "done", run["error"]
    assert (len(found["required"]), len(found["staffed"])) == (334, 334)
    assert (found["week"], found["zone"], found["minutes"]) == ("2026-03-23", "Europe/London", 30)
    assert all(len(each["agents"]) == 7 and not any(each["agents"][5:]) for each in found["shifts"])


async def test_jobs_show_when_they_come_next(planner: httpx.AsyncClient) -> None:
    jobs = {each["name"]: each for each in (await planner.get("/v1/runs/jobs")).json()["items"]}
    assert jobs["nightly-forecast"]["next_at"] == "2026-02-28T02:10:00.000Z"
