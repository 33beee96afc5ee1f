"""Shift design in a real browser: asked for, read, and put into use."""

from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from app.planning.terms import SiteTerms
from app.web.shift_design import local_starts, taken_over
from staffing.intervals import Grid
from tests.app.planning_rig import MONDAY, run_to_end
from tests.web.conftest import copied, sign_in
from tests.web.service import Service, serving


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def designed(
    planned: tuple[Path, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, str]]:
    """The planned week with shifts designed for it."""
    database = copied(planned[0], tmp_path_factory.mktemp("designed"))
    async with serving(database, planned[1]) as service, service.client("admin") as client, service.working():
        run = await run_to_end(client, "design", week=MONDAY.isoformat(), most_kinds=3, time_limit_s=2.0)
        assert run["state"] == "done", run["error"]
    return database, planned[1]


@pytest_asyncio.fixture(loop_scope="session")
async def service(designed: tuple[Path, dict[str, str]], tmp_path: Path) -> Any:
    async with serving(copied(designed[0], tmp_path), designed[1]) as service:
        yield service


async def open_page(page: Page, service: Service, role: str = "planner") -> None:
    await sign_in(page, service, role)
    await page.goto(f"{service.url}/planner/shifts?week={MONDAY}")


async def test_planner_asks_for_shifts_and_sees_them(page: Page, planning: Service) -> None:
    await open_page(page, planning)
    await expect(page.get_by_text("No shifts were designed yet.")).to_be_visible()
    await page.get_by_label("Kinds of shift at most").fill("2")
    await page.get_by_label("Search for").select_option("5")
    await page.get_by_role("button", name="Design shifts").click()
    await expect(page.get_by_role("progressbar", name="design")).to_be_visible()
    async with planning.working():
        heading = page.get_by_role("heading", name="Shifts for the week of 2 March 2026")
        await expect(heading).to_be_visible(timeout=30_000)


async def test_table_has_each_kind_with_its_people_per_day(page: Page, service: Service) -> None:
    await open_page(page, service)
    result = (await service.get("planner", "/v1/runs/4"))["result"]
    rows = page.get_by_role("table").locator("tbody tr")
    in_use = [each for each in result["shifts"] if each["shifts"]]
    await expect(rows).to_have_count(len(in_use) + 1)
    total = sum(sum(each["agents"]) for each in in_use)
    await expect(rows.last.locator("[data-label=Week]")).to_have_text(str(total))


async def test_requirement_and_cover_are_drawn_and_read_out(page: Page, service: Service) -> None:
    await open_page(page, service)
    for line in ("needed", "staffed"):
        assert await page.locator(f".line-{line}").get_attribute("d")
    await page.get_by_label("Chart; arrow keys move along the intervals").press("ArrowRight")
    await expect(page.locator("#readout")).to_have_text("Mon 2 Mar 00:00 needed 0, covered 0")


async def test_designed_shifts_are_put_into_use_by_clicking(page: Page, service: Service) -> None:
    await open_page(page, service)
    page.on("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Use these shifts").click()
    await expect(page.get_by_text("Rosters use these shifts from now on")).to_be_visible()
    result = (await service.get("planner", "/v1/runs/4"))["result"]
    site = (await service.get("planner", "/v1/planning"))["site"]
    assert site["shift_starts"] == sorted({each["start"] for each in result["shifts"] if each["shifts"]})
    assert site["breaks"][0]["name"] == "meal"


async def test_agent_sees_the_design_without_the_forms(page: Page, service: Service) -> None:
    await open_page(page, service, "agent")
    await expect(page.get_by_role("heading", name="Shifts for the week")).to_be_visible()
    for name in ("Design shifts", "Use these shifts"):
        await expect(page.get_by_role("button", name=name)).to_have_count(0)


@pytest.mark.parametrize("width", [360, 1280])
async def test_shifts_never_scroll_sideways(page: Page, service: Service, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 800})
    await open_page(page, service)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


def test_design_of_a_clock_change_week_is_read_by_the_local_clock() -> None:
    result = {"week": "2026-03-23", "zone": "Europe/London", "minutes": 30, "required": [0] * 334}
    starts = local_starts(result, Grid("UTC", 15))
    shown = [f"{at:%a %H:%M}" for at in starts[288:291]]
    assert shown == ["Sun 00:00", "Sun 00:30", "Sun 02:00"]
    assert f"{starts[-1]:%a %H:%M}" == "Sun 23:30"


def test_design_made_before_its_zone_was_kept_is_read_in_the_sites() -> None:
    starts = local_starts({"week": "2026-03-02", "required": [0] * 336}, Grid("Europe/London"))
    assert (len(starts), f"{starts[-1]:%a %H:%M}") == (336, "Sun 23:30")


def test_terms_taken_over_keep_the_commonest_lengths() -> None:
    shifts = [{"start": f"{8 + i:02}:00", "hours": 4.0 + i / 2, "shifts": i + 1} for i in range(9)]
    terms = taken_over(SiteTerms(over_cost=7), shifts)
    assert SiteTerms.model_validate(terms).over_cost == 7
    assert terms["shift_hours"] == [8.0, 7.5, 7.0, 6.5, 6.0, 5.5, 5.0, 4.5]
