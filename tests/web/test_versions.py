"""Versions of a roster in a real browser: what changes between two, and one on paper."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.async_api import Page, expect

from app.db import plans
from app.db.plans import AssignmentRow
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
    await expect(row.locator("del")).to_have_text(shift["shift"].replace("-", "–"))
    await expect(row.locator("[data-label=After]")).to_have_text("off")


async def put_otherwise(service: Service, plan: dict[str, Any]) -> list[AssignmentRow]:
    """Make one shift of a plan an hour longer, give another one a break, and lend a third; return them."""
    database = service.house.database
    shifts = await database.read(plans.list_assignments, plan["id"])
    rows = [each for each in shifts if {team for team, _, _ in each.work} == {"general"}][:3]
    longer, paused, lent = rows
    pause = ("meal", paused.starts_at + 7200, paused.starts_at + 9000)
    changed = [
        replace(longer, ends_at=longer.ends_at + 3600),
        replace(paused, breaks=[pause]),
        replace(lent, work=[("complaints", since, until) for _, since, until in lent.work]),
    ]
    others = [each for each in shifts if each not in rows]
    await database.tx(plans.put_assignments, plan["id"], [*others, *changed])
    return rows


async def test_longer_shifts_moved_breaks_and_other_teams_are_changes_too(
    page: Page, planning: Service
) -> None:
    before, after = await changed(planning)
    longer, paused, lent = await put_otherwise(planning, after)
    path = f"/v1/plans/{after['id']}/difference?since={before['id']}"
    found = {(each["agent"], each["on"]): each for each in (await planning.get("planner", path))["items"]}
    expected = ((longer, ["times"]), (paused, ["breaks"]), (lent, ["teams"]))
    assert [found[each.agent_id, each.on]["changed"] for each, _ in expected] == [how for _, how in expected]
    assert found[longer.agent_id, longer.on]["before"] == found[longer.agent_id, longer.on]["after"]

    await sign_in(page, planning, "planner")
    await page.goto(f"{planning.url}/planner/difference?plan={after['id']}&since={before['id']}")
    rows = page.locator(".changes").first.locator("tbody tr")
    await expect(rows).to_have_count(3)
    end = datetime.fromtimestamp(longer.ends_at + 3600, UTC)
    await expect(rows.locator("ins").filter(has_text=f"–{end:%H:%M}")).to_have_count(1)
    moved = datetime.fromtimestamp(paused.starts_at + 7200, UTC)
    await expect(rows.filter(has_text=f"meal {moved:%H:%M}")).to_have_count(1)
    await page.get_by_text("1 more work the same hours for other teams").click()
    await expect(page.locator(".changes").nth(1)).to_contain_text("Complaints")


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
    await expect(page.locator(".changes ins")).to_have_text(
        before["assignments"][0]["shift"].replace("-", "–")
    )


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
