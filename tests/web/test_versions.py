"""Versions of a roster in a real browser: what changes between two, and one on paper."""

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.app.planning_rig import MONDAY
from tests.web.conftest import newest_plan, sign_in
from tests.web.service import Service


async def changed(service: Service) -> tuple[dict[str, Any], dict[str, Any]]:
    """Publish the roster, give somebody a day off in a new version, and return both plans."""
    plan = await newest_plan(service)
    await service.post("planner", f"/v1/plans/{plan['id']}/publish")
    shift = plan["assignments"][0]
    change = {"agent": shift["agent"], "on": shift["on"], "shift": None}
    after = await service.post("planner", f"/v1/plans/{plan['id']}/changes", changes=[change])
    return plan, after


async def test_planner_sees_what_a_new_version_changes(page: Page, planning: Service) -> None:
    before, after = await changed(planning)
    shift = before["assignments"][0]
    await sign_in(page, planning, "planner")
    await page.goto(f"{planning.url}/planner?week={MONDAY}&plan={after['id']}")
    await page.get_by_role("link", name="What changes").click()
    row = page.locator(".changes tbody tr")
    await expect(row).to_have_count(1)
    await expect(row).to_contain_text(shift["name"])
    await expect(row.locator("del")).to_have_text(shift["shift"])
    await expect(row.locator("[data-label=After]")).to_have_text("off")


async def test_cover_is_compared_team_by_team(page: Page, planning: Service) -> None:
    before, after = await changed(planning)
    await sign_in(page, planning, "planner")
    await page.goto(f"{planning.url}/planner/difference?plan={after['id']}&since={before['id']}")
    row = page.get_by_role("row", name="Complaints")
    for label, plan in (("Short before", before), ("Short after", after)):
        hours = plan["coverage"]["complaints"]["short_hours"]
        await expect(row.locator(f"[data-label='{label}']")).to_have_text(f"{hours:.1f} h")


async def test_versions_compared_are_chosen_by_list(page: Page, planning: Service) -> None:
    before, after = await changed(planning)
    await sign_in(page, planning, "planner")
    await page.goto(f"{planning.url}/planner/difference?plan={after['id']}")
    await page.get_by_label("to version").select_option(str(before["id"]))
    await expect(page).to_have_url(
        f"{planning.url}/planner/difference?since={before['id']}&plan={before['id']}"
    )
    await expect(page.get_by_label("From version")).to_have_value(str(after["id"]))
    await expect(page.locator(".changes ins")).to_have_text(before["assignments"][0]["shift"])


async def test_week_with_one_version_has_nothing_to_compare(page: Page, planning: Service) -> None:
    plan = await newest_plan(planning)
    await sign_in(page, planning, "planner")
    await page.goto(f"{planning.url}/planner/difference?plan={plan['id']}")
    await expect(page.get_by_text("There is only one version of this week.")).to_be_visible()


async def test_roster_is_printed_with_everybody_and_their_breaks(page: Page, planning: Service) -> None:
    plan = await newest_plan(planning)
    await sign_in(page, planning, "planner")
    await page.goto(f"{planning.url}/planner?week={MONDAY}")
    await page.get_by_role("link", name="Print").click()
    await expect(page.get_by_role("heading", name="Roster, week of 2 March 2026")).to_be_visible()
    await expect(page.locator("td b")).to_have_count(len(plan["assignments"]))
    breaks = sum(len(each["breaks"]) for each in plan["assignments"])
    await expect(page.locator("td small")).to_have_count(breaks)
    await page.emulate_media(media="print")
    await expect(page.get_by_role("navigation")).to_be_hidden()


async def test_one_team_is_printed_alone(page: Page, planning: Service) -> None:
    plan = await newest_plan(planning)
    names = {
        each["name"] for each in plan["assignments"] if any(w["team"] == "complaints" for w in each["work"])
    }
    await sign_in(page, planning, "planner")
    await page.goto(f"{planning.url}/planner/print?plan={plan['id']}&team=complaints")
    assert set(await page.locator("tbody th[scope=row]").all_inner_texts()) == names


@pytest.mark.parametrize("path", ["difference", "print"])
@pytest.mark.parametrize("width", [360, 1280])
async def test_versions_never_scroll_sideways(page: Page, planning: Service, width: int, path: str) -> None:
    _, after = await changed(planning)
    await page.set_viewport_size({"width": width, "height": 800})
    await sign_in(page, planning, "planner")
    await page.goto(f"{planning.url}/planner/{path}?plan={after['id']}")
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
