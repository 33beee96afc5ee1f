"""What-if in a real browser: a simulation is asked for by a form, and its result can be read."""

import re
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from app.web.simulation import MEASURES, asked_words, bounds_said, by_interval, change_said, misses
from tests.app.planning_rig import run_to_end
from tests.web.conftest import copied, newest_plan, sign_in
from tests.web.service import Service, serving

LEVEL, ASA, *_ = MEASURES
PATH = "/planner/simulation"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def simulated(
    planned: tuple[Path, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, str]]:
    """The planned week, simulated with half as much again."""
    database = copied(planned[0], tmp_path_factory.mktemp("simulated"))
    async with serving(database, planned[1]) as service, service.client("admin") as client, service.working():
        plan = await newest_plan(service)
        run = await run_to_end(client, "simulate", plan=plan["id"], replications=3, volume=1.5)
        assert run["state"] == "done", run["error"]
    return database, planned[1]


@pytest_asyncio.fixture(loop_scope="session")
async def service(simulated: tuple[Path, dict[str, str]], tmp_path: Path) -> Any:
    async with serving(copied(simulated[0], tmp_path), simulated[1]) as service:
        yield service


async def open_page(page: Page, service: Service, *, role: str = "planner", query: str = "") -> None:
    await sign_in(page, service, role)
    await page.goto(f"{service.url}{PATH}{query}")


async def result_of(service: Service) -> dict[str, Any]:
    runs = await service.get("planner", "/v1/runs?kind=simulate&state=done")
    found: dict[str, Any] = runs["items"][0]["result"]
    return found


async def test_planner_asks_what_if_and_sees_the_answer(page: Page, planning: Service) -> None:
    await open_page(page, planning)
    await expect(page.get_by_text("This plan was not simulated yet.")).to_be_visible()
    await page.get_by_label("Volume").fill("120")
    await page.get_by_label("Handle time").fill("90")
    await page.get_by_label(re.compile(r"^Absence\s+%")).fill("12.5")
    await page.get_by_label("Weeks to simulate").select_option("5")
    await page.get_by_role("button", name="Simulate").click()
    await expect(page.get_by_role("progressbar", name="simulate")).to_be_visible()
    async with planning.working():
        heading = page.get_by_role("heading", name=re.compile("Result"))
        await expect(heading).to_contain_text(re.compile("120.%.*90.%.*1[23].%"), timeout=30_000)
    params = (await planning.get("planner", "/v1/runs?kind=simulate"))["items"][0]["params"]
    assert (params["volume"], params["handle_time"], params["absence"]) == (1.2, 0.9, 0.125)


async def test_every_team_shows_figures_and_bounds_of_both_sides(page: Page, service: Service) -> None:
    await open_page(page, service)
    result = await result_of(service)
    rows = page.get_by_role("table").locator("tbody tr")
    await expect(rows).to_have_count(3 * len(result["teams"]))
    row = rows.filter(has_text="General care").nth(1)
    await expect(row).to_contain_text("With the change")
    for measure in MEASURES:
        each = result["changed"]["teams"]["general"][measure.id]
        cell = row.locator(f"[data-label='{measure.name}']")
        await expect(cell.locator("small")).to_have_text(bounds_said(measure, each))


async def test_difference_is_shown_with_its_bounds(page: Page, service: Service) -> None:
    await open_page(page, service)
    each = (await result_of(service))["changed"]["difference"]["general"]["occupancy"]
    row = page.get_by_role("table").locator("tbody tr").filter(has_text="General care").nth(2)
    await expect(row).to_contain_text("Difference")
    cell = row.locator("[data-label='Occupancy']")
    await expect(cell.locator("span")).to_have_text(change_said(MEASURES[3], each["value"]))
    await expect(cell.locator("small")).to_contain_text(change_said(MEASURES[3], each["low"]))


async def test_intervals_of_the_team_chosen_are_drawn_and_read_out(page: Page, service: Service) -> None:
    await open_page(page, service)
    await page.get_by_role("link", name="Complaints").click()
    await expect(page.get_by_role("heading", name="Complaints per interval")).to_be_visible()
    for line in ("forecast", "band", "changed", "changed-band", "target"):
        assert await page.locator(f".line-{line}").get_attribute("d")
    await page.get_by_label("Chart; arrow keys move along the intervals").press("ArrowRight")
    await expect(page.locator("#readout")).to_contain_text("Mon 2 Mar 00:00 as planned –, with the change –")


@pytest.mark.parametrize("measure", MEASURES, ids=lambda each: each.id)
async def test_any_figure_can_be_shown_per_interval(page: Page, service: Service, measure: Any) -> None:
    await open_page(page, service)
    await page.get_by_role("navigation", name="Figure").get_by_text(measure.name).click()
    await expect(page.get_by_role("link", name=measure.name)).to_have_attribute("aria-current", "true")
    assert await page.locator(".line-forecast").get_attribute("d")
    assert await page.locator(".line-band").get_attribute("d")


async def test_agent_sees_results_without_the_form(page: Page, service: Service) -> None:
    await open_page(page, service, role="agent")
    await expect(page.get_by_role("heading", name=re.compile("Result"))).to_be_visible()
    await expect(page.get_by_role("button", name="Simulate")).to_have_count(0)


async def test_site_without_rosters_says_what_comes_first(
    page: Page, furnished: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    async with serving(copied(furnished[0], tmp_path), furnished[1]) as service:
        await open_page(page, service)
        await expect(page.get_by_text("There is no roster to simulate yet")).to_be_visible()
        await page.close()


@pytest.mark.parametrize("width", [360, 1280])
async def test_simulation_never_scrolls_sideways(page: Page, service: Service, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 800})
    await open_page(page, service)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


def test_asked_words_name_only_what_differs() -> None:
    assert asked_words({"plan": 1, "volume": 1.0}) == "as planned"
    assert re.match("handle time 80.%, absence 0.%", asked_words({"handle_time": 0.8, "absence": 0.0}))


def test_change_of_a_share_is_told_in_points_and_of_a_wait_as_time() -> None:
    assert change_said(LEVEL, -0.047) == "\N{MINUS SIGN}4.7 points"
    assert change_said(ASA, 6.2) == "+0:06"
    assert change_said(ASA, None) == "–"


def test_bounds_of_a_share_stay_between_nothing_and_all() -> None:
    assert re.match("0.0.% to 100.0.%", bounds_said(LEVEL, {"low": -0.1, "high": 1.2}))


def test_figure_without_bounds_shows_a_dash() -> None:
    assert bounds_said(ASA, {"value": 3.0, "low": None, "high": None}) == "–"


def test_service_level_misses_below_and_asa_above_its_target() -> None:
    assert [misses(LEVEL, level, 0.8) for level in (0.7, 0.8)] == [True, False]
    assert [misses(ASA, asa_s, 20.0) for asa_s in (20.0, 30.0)] == [False, True]


def test_figure_that_is_not_known_or_not_promised_misses_nothing() -> None:
    assert not misses(ASA, None, 20.0)
    assert not misses(ASA, 30.0, None)


def test_bounds_per_interval_are_taken_where_a_run_kept_them() -> None:
    columns = {"value": [0.5], "low": [0.4], "high": [0.6]}
    side = {"by_interval": {"general": {"asa_s": columns}}, "service_level": {"general": [0.9]}}
    assert by_interval(side, "asa_s", "general") == columns
    assert by_interval(side, "service_level", "general") == {"value": [0.9], "low": [None], "high": [None]}
    assert by_interval(side, "occupancy", "general")["value"] == []
