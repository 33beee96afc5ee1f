"""Today in a real browser: how the day goes, what is proposed, who keeps the roster."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from app.clock import Clock
from app.db import forecasts
from app.db.engine import Connection
from app.web.words import change
from tests.app.planning_rig import history_csv, import_history, run_to_end
from tests.web.conftest import copied, sign_in
from tests.web.service import Service, serving


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def underway(
    furnished: tuple[Path, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, str]]:
    """A database whose week under way is forecast, rostered and published, and looked at."""
    database = copied(furnished[0], tmp_path_factory.mktemp("underway"))
    async with (
        serving(database, furnished[1], clock_start_at=wednesday_noon()) as service,
        service.client("admin") as client,
        service.working(),
    ):
        on = datetime.fromtimestamp(service.house.clock.now(), UTC).date()
        week = (on - timedelta(days=on.weekday())).isoformat()
        await import_history(client, history_csv(before=on))
        await run_to_end(client, "forecast", first_on=week, weeks=1)
        roster = await run_to_end(client, "roster", week=week, time_limit_s=1.0)
        await client.post(f"/v1/plans/{roster['result']['plans'][0]['id']}/publish")
        looked = await run_to_end(client, "intraday")
        assert looked["state"] == "done", looked["error"]
    return database, furnished[1]


@pytest_asyncio.fixture(loop_scope="session")
async def service(underway: tuple[Path, dict[str, str]], tmp_path: Path) -> AsyncIterator[Service]:
    path = copied(underway[0], tmp_path)
    async with serving(path, underway[1], clock_start_at=wednesday_noon()) as service:
        yield service


def wednesday_noon() -> datetime:
    """Return noon of the Wednesday after next Sunday: what is seen must not depend on when the tests run."""
    today = datetime.fromtimestamp(Clock().now(), UTC)
    noon = today.replace(hour=12, minute=5, second=0, microsecond=0)
    return noon + timedelta(days=9 - today.weekday())


async def propose(service: Service, **values: Any) -> None:
    """Add a proposal for General care that is about the last shift of the day."""
    plans = await service.get("planner", "/v1/plans?state=published")
    plan = await service.get("planner", f"/v1/plans/{plans['items'][0]['id']}")
    on = wednesday_noon().date().isoformat()
    shifts = [
        each
        for each in plan["assignments"]
        if each["on"] == on and each["work"] and {work["team"] for work in each["work"]} == {"general"}
    ]
    shift = max(shifts, key=lambda each: str(each["ends_at"]))
    edge = {"on": on, "from": shift["ends_at"], "to": f"{on}T23:00:00Z"}
    leaver = {"agent": shift["agent"], "text": f"{shift['name']} goes home"}
    proposal = {
        "id": "p1",
        "kind": "overtime",
        "team": "general",
        "agent": shift["agent"],
        "to_team": None,
        "starts_at": shift["ends_at"],
        "ends_at": edge["to"],
        "text": "Somebody stays until 23:00",
        "service_level_before": 0.61,
        "service_level_after": 0.78,
        "who": [leaver | edge | {"to": f"{on}T15:00:00Z"}],
        **edge,
        **values,
    }

    def add(conn: Connection) -> None:
        found = forecasts.find_intraday(conn, "general", on)
        row = forecasts.find_forecast(conn, "general", first_on=on, last_on=on)
        assert found is not None
        assert row is not None
        data = found[1] | {"actions": [proposal]}
        forecasts.put_intraday(conn, "general", on, data, made_at=found[0], forecast_id=row.id)

    await service.house.database.tx(add)


async def open_general(page: Page, service: Service, role: str) -> Locator:
    await sign_in(page, service, role)
    await page.goto(f"{service.url}/today?team=general")
    return page.locator("[aria-labelledby=actions-title]")


async def test_lead_carries_out_a_proposal_by_clicking(page: Page, service: Service) -> None:
    await propose(service)
    panel = await open_general(page, service, "lead")
    await panel.get_by_text("Carry out", exact=True).click()
    await panel.get_by_label("Because").fill("half the team is ill")
    await panel.get_by_role("button", name="Lengthen the shift").click()
    await expect(page.get_by_text("Done, in the next version of the roster")).to_be_visible()
    async with service.working():
        await expect(panel).to_contain_text("Somebody stays until 23:00 by lead: half the team is ill")
        await expect(panel.locator("#proposal-p1")).to_have_count(0)
    plans = (await service.get("planner", "/v1/plans"))["items"]
    assert [each["state"] for each in plans][:2] == ["published", "superseded"]


async def test_time_off_is_given_to_the_one_chosen(page: Page, service: Service) -> None:
    await propose(service, kind="time_off", agent=None, text="1 could go home or be trained")
    panel = await open_general(page, service, "planner")
    await panel.get_by_text("Carry out", exact=True).click()
    await panel.get_by_role("button", name="Give time off").click()
    await expect(panel.get_by_label("Who")).to_have_value("")
    await panel.get_by_label("Who").select_option(index=1)
    await panel.get_by_role("button", name="Give time off").click()
    async with service.working():
        await expect(panel).to_contain_text("goes home by planner")


async def test_overflow_is_begun_and_ended_by_clicking(page: Page, service: Service) -> None:
    words = "let contacts that wait overflow to ordering, which has 1 to spare"
    noon = wednesday_noon().isoformat()
    await propose(service, kind="overflow", agent=None, to_team="ordering", text=words, starts_at=noon)
    before = (await service.get("lead", "/v1/policies/current"))["teams"]
    panel = await open_general(page, service, "lead")
    await expect(panel).to_contain_text("overflow to Ordering, which")
    await panel.get_by_text("Carry out", exact=True).click()
    await panel.get_by_role("button", name="Let them overflow").click()
    async with service.working():
        await expect(panel.locator(".state-running")).to_have_text("until 23:00")
        during = (await service.get("lead", "/v1/policies/current"))["teams"]
        assert any("ordering" in step["teams"] for step in during["general"]["steps"])
        await panel.get_by_role("button", name="End now").click()
        await expect(panel).to_contain_text("ended 12:")
        await expect(panel.locator("[id^=done-]")).to_contain_text("overflow to Ordering, which")
    after = (await service.get("lead", "/v1/policies/current"))["teams"]
    assert (before == after, before == during) == (True, False)


async def test_training_is_planned_for_the_one_chosen(page: Page, service: Service) -> None:
    await propose(service)
    shift = (await service.get("planner", "/v1/intraday/general"))["actions"][0]
    ends = datetime.fromisoformat(shift["from"])
    hour = {"from": (ends - timedelta(hours=1)).isoformat(), "to": shift["from"]}
    who = {"agent": shift["agent"], "on": shift["on"], "text": "Somebody is trained", **hour}
    await propose(service, kind="training", agent=None, text="1 could be trained", who=[who])
    panel = await open_general(page, service, "lead")
    await panel.get_by_text("Carry out", exact=True).click()
    await panel.get_by_label("Who").select_option(label="Somebody is trained")
    await panel.get_by_role("button", name="Plan the training").click()
    await expect(page.get_by_text("Done, in the next version of the roster")).to_be_visible()


async def test_agent_sees_proposals_without_the_forms(page: Page, service: Service) -> None:
    await propose(service)
    panel = await open_general(page, service, "agent")
    await expect(panel).to_contain_text("Somebody stays until 23:00")
    await expect(panel.get_by_text("Carry out", exact=True)).to_have_count(0)


async def test_every_team_is_seen_at_a_glance(page: Page, service: Service) -> None:
    await sign_in(page, service, "planner")
    await page.goto(f"{service.url}/today")
    found = (await service.get("planner", "/v1/intraday"))["items"]
    rows = page.get_by_role("table").first.locator("tbody tr")
    await expect(rows).to_have_count(len(found))
    for i, each in enumerate(found):
        expected = "–" if each["expected_so_far"] is None else f"{each['expected_so_far']:.0f}"
        await expect(rows.nth(i).locator("[data-label=Expected]")).to_have_text(expected)


async def test_before_the_first_whole_interval_nothing_is_said_of_the_day(
    page: Page, service: Service
) -> None:
    await sign_in(page, service, "planner")
    await page.goto(f"{service.url}/today?team=general")
    row = page.get_by_role("table").first.locator("tr.chosen")
    for name in ("Came", "Expected", "Busier"):
        await expect(row.locator(f"[data-label={name}]")).to_have_text("–")
    await expect(page.get_by_text("no whole interval of today was seen yet")).to_be_visible()


async def test_team_chosen_is_shown_interval_by_interval(page: Page, service: Service) -> None:
    await sign_in(page, service, "planner")
    await page.goto(f"{service.url}/today")
    await page.get_by_role("link", name="General care").click()
    await expect(page.get_by_role("heading", name="General care")).to_be_visible()
    for line in ("forecast", "updated", "needed"):
        assert await page.locator(f".line-{line}").get_attribute("d")
    await expect(page.locator(".present")).to_have_count(2)


async def test_page_stays_with_the_team_it_began_with(page: Page, service: Service) -> None:
    await sign_in(page, service, "planner")
    await page.goto(f"{service.url}/today")
    team = re.search(r"team=(\w+)$", page.url)
    assert team is not None
    assert team[1] in (await service.get("lead", "/v1/policies/current"))["teams"]


async def test_proposals_speak_of_names_and_clock_times(page: Page, service: Service) -> None:
    await sign_in(page, service, "planner")
    await page.goto(f"{service.url}/today?team=general")
    await expect(page.get_by_role("heading", name="What to do")).to_be_visible()
    words = await page.locator(".pair").inner_text()
    assert not re.search(r"\d{4}-\d\d-\d\dT", words)


async def test_people_who_are_not_where_planned_come_first(page: Page, service: Service) -> None:
    found = (await service.get("planner", "/v1/adherence"))["items"]
    departed = sum(each["departs_since"] is not None for each in found)
    await sign_in(page, service, "planner")
    await page.goto(f"{service.url}/today")
    heading = page.get_by_role("heading", name="Who keeps the roster")
    await expect(heading).to_contain_text(f"{departed} not where planned")
    await expect(page.locator(".keeping tbody tr")).to_have_count(len(found))


async def test_day_nobody_has_looked_at_says_so(page: Page, planning: Service) -> None:
    await sign_in(page, planning, "planner")
    await page.goto(f"{planning.url}/today")
    await expect(page.get_by_text("Nobody has looked at this day yet.")).to_be_visible()


@pytest.mark.parametrize("width", [360, 1280])
async def test_today_never_scrolls_sideways(page: Page, service: Service, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 800})
    await sign_in(page, service, "planner")
    await page.goto(f"{service.url}/today?team=general")
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(
    ("factor", "words"),
    [(None, "–"), (1.0, "±0 %"), (0.996, "±0 %"), (1.124, "+12 %"), (0.7, "\N{MINUS SIGN}30 %")],
)
def test_busyness_reads_as_a_change_with_its_sign(factor: float | None, words: str) -> None:
    assert change(factor).replace("\N{NO-BREAK SPACE}", " ") == words
