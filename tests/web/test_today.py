"""Today in a real browser: how the day goes, what is proposed, who keeps the roster."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

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
        serving(database, furnished[1]) as service,
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
    async with serving(copied(underway[0], tmp_path), underway[1]) as service:
        yield service


async def test_every_team_is_seen_at_a_glance(page: Page, service: Service) -> None:
    await sign_in(page, service, "planner")
    await page.goto(f"{service.url}/today")
    found = (await service.get("planner", "/v1/intraday"))["items"]
    rows = page.get_by_role("table").first.locator("tbody tr")
    await expect(rows).to_have_count(len(found))
    for i, each in enumerate(found):
        expected = "–" if each["expected_so_far"] is None else f"{each['expected_so_far']:.0f}"
        await expect(rows.nth(i).locator("[data-label=Expected]")).to_have_text(expected)


async def test_team_chosen_is_shown_interval_by_interval(page: Page, service: Service) -> None:
    await sign_in(page, service, "planner")
    await page.goto(f"{service.url}/today")
    await page.get_by_role("link", name="General care").click()
    await expect(page.get_by_role("heading", name="General care")).to_be_visible()
    for line in ("forecast", "updated", "needed"):
        assert await page.locator(f".line-{line}").get_attribute("d")
    await expect(page.locator(".present")).to_have_count(2)


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
