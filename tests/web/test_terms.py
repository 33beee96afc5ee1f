"""Terms in a real browser: targets, special days, the site, the past, what runs by itself."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from app.scheduler import JOBS, add_job_run
from app.web.terms import when_words
from tests.app.planning_rig import history_csv
from tests.web.conftest import sign_in
from tests.web.service import Service

PATH = "/planner/terms?team=complaints"
UNUSUAL = {
    "service_level": 0.85,
    "answer_within_s": 30.0,
    "abandonment": 0.04,
    "max_occupancy": None,
    "min_agents": 2,
    "handle_s": 240.5,
    "shrinkage": {"absence": 0.075, "coaching": 0.01},
    "allow_for_uncertainty": False,
    "least_volume": 0.35,
    "forecast_weeks": 9,
    "patience_by": "kaplan_meier",
    "chat_concurrency": 3,
    "chat_slowdown": 0.25,
    "within_hours": {"callback": 1.5, "email": 8.0, "web": 48.0},
}
SITE = {
    "interval_minutes": 15,
    "week_starts_on": 6,
    "shift_starts": ["07:15", "22:00"],
    "shift_hours": [8.25, 4.0],
    "breaks": [
        {"name": "meal", "minutes": 45, "earliest_min": 120, "latest_min": 240, "paid": True},
        {"name": "tea", "minutes": 10, "earliest_min": 60, "latest_min": 90, "paid": False},
    ],
    "hour_cost": 3,
    "pooling": "staffed",
    "pooling_s": 12.5,
}


async def open_page(page: Page, service: Service, role: str = "planner") -> None:
    await sign_in(page, service, role)
    await page.goto(f"{service.url}{PATH}")


async def put(service: Service, path: str, body: dict[str, Any]) -> None:
    async with service.client("planner") as client:
        answer = await client.put(path, json=body)
    assert answer.is_success, answer.text


async def stored(service: Service) -> dict[str, Any]:
    return await service.get("planner", "/v1/planning")


async def test_targets_are_set_by_form(page: Page, service: Service) -> None:
    await open_page(page, service)
    await page.get_by_label("Service level, %").fill("92.5")
    await page.get_by_label("Answered within, s").fill("15")
    await page.get_by_label("ASA at most, s").fill("12")
    await page.get_by_label("Occupancy at most, %").fill("")
    await page.get_by_label("Absence, %").fill("")
    await page.get_by_label("Another kind").fill("coaching")
    await page.get_by_label("its share, %").fill("2.5")
    await page.get_by_role("button", name="Store targets").click()
    await expect(page.get_by_text("Targets stored")).to_be_visible()
    terms = (await stored(service))["teams"]["complaints"]
    assert (terms["service_level"], terms["answer_within_s"], terms["asa_s"]) == (0.925, 15.0, 12.0)
    assert terms["max_occupancy"] is None
    assert terms["shrinkage"] == {"meetings": 0.03, "training": 0.02, "coaching": 0.025}


async def test_targets_stored_unchanged_stay_as_they_were(page: Page, service: Service) -> None:
    await put(service, "/v1/planning/teams/complaints", UNUSUAL)
    before = await stored(service)
    await open_page(page, service)
    await page.get_by_role("button", name="Store targets").click()
    await expect(page.get_by_text("Targets stored")).to_be_visible()
    assert await stored(service) == before


async def test_team_without_targets_shows_what_the_policy_promises(page: Page, service: Service) -> None:
    await open_page(page, service)
    level = page.get_by_label("Service level, %")
    await expect(level).to_have_value("")
    await expect(level).to_have_attribute("placeholder", "80")


async def test_site_stored_unchanged_stays_as_it_was(page: Page, service: Service) -> None:
    await put(service, "/v1/planning/site", SITE)
    before = await stored(service)
    await open_page(page, service)
    await page.get_by_role("button", name="Store site").click()
    await expect(page.get_by_text("it holds from the next run on")).to_be_visible()
    assert await stored(service) == before


async def test_break_is_added_and_one_is_dropped_by_form(page: Page, service: Service) -> None:
    await open_page(page, service)
    await page.get_by_role("group", name="Break 1").get_by_label("Name").fill("")
    row = page.get_by_role("group", name="Break 2")
    values = {"Name": "tea", "Minutes": "15", "Begins after": "60", "at the latest": "90", "In shifts": "4"}
    for label, value in values.items():
        await row.get_by_label(label).fill(value)
    await row.get_by_label("Paid").select_option("yes")
    await page.get_by_role("button", name="Store site").click()
    await expect(page.get_by_text("it holds from the next run on")).to_be_visible()
    (found,) = (await stored(service))["site"]["breaks"]
    assert (found["name"], found["minutes"], found["paid"]) == ("tea", 15, True)


async def test_special_day_is_told_and_forgotten_by_form(page: Page, service: Service) -> None:
    await open_page(page, service)
    form = page.get_by_role("form", name="Special day")
    await form.get_by_label("Name").fill("Catalogue")
    await form.get_by_label("First day").fill("2027-03-01")
    await form.get_by_label("Last day").fill("2027-03-02")
    await form.get_by_label("Share of an ordinary day").fill("140")
    await form.get_by_label("Team").select_option("Ordering")
    await form.get_by_role("button", name="Add special day").click()
    await expect(page.get_by_text("Mon 1 Mar to Tue 2 Mar 2027")).to_be_visible()
    (found,) = (await service.get("planner", "/v1/special-days"))["items"]
    assert (found["name"], found["effect"], found["team"]) == ("Catalogue", 1.4, "ordering")
    await page.get_by_role("button", name="Forget Catalogue").click()
    await expect(page.get_by_text("Public holidays are known without")).to_be_visible()


async def test_history_is_imported_by_form(page: Page, service: Service, tmp_path: Path) -> None:
    past = tmp_path / "past.csv"
    past.write_text(history_csv(weeks=1))
    await open_page(page, service)
    await page.get_by_label("File").set_input_files(past)
    async with service.working():
        await page.get_by_role("button", name="Import").click()
        await expect(page.get_by_text("past.csv is imported")).to_be_visible()
    items = (await service.get("planner", "/v1/history"))["items"]
    rows = page.locator("[aria-labelledby=past-title] tbody tr")
    await expect(rows).to_have_count(len(items))
    assert {each["source"] for each in items} == {"imported"}


async def test_faulty_file_is_refused_with_its_lines(
    browser: Browser, service: Service, tmp_path: Path
) -> None:
    page = await browser.new_page()  # its own, as browsers log what is refused
    past = tmp_path / "past.csv"
    past.write_text(f"team,start,offered\ngeneral,{date(2026, 3, 2)}T09:00:00,many\n")
    await open_page(page, service)
    await page.get_by_label("File").set_input_files(past)
    async with service.working():
        await page.get_by_role("button", name="Import").click()
        await expect(page.get_by_role("alert")).to_contain_text("Line 2")
    await page.close()


async def test_training_that_found_nothing_to_learn_from_says_so_and_is_no_failure(
    page: Page, service: Service
) -> None:
    job = next(each for each in JOBS if each.kind == "train")
    now = service.house.clock.now()
    run_id = await service.house.database.tx(add_job_run, job, now, now=now)
    async with (
        service.working(),
        service.client("planner") as planner,
        planner.stream("GET", f"/v1/runs/{run_id}/stream") as ended,
    ):
        await ended.aread()
    await open_page(page, service)
    row = page.locator("[aria-labelledby=jobs-title] tbody tr").filter(has_text="Weekly training")
    await expect(row.locator(".tag")).to_have_text("done")
    await expect(row).to_contain_text("There was nothing to learn from: no ticket with a text is")


async def test_jobs_say_when_they_run_next(page: Page, service: Service) -> None:
    await open_page(page, service)
    jobs = (await service.get("planner", "/v1/runs/jobs"))["items"]
    rows = page.locator("[aria-labelledby=jobs-title] tbody tr")
    await expect(rows).to_have_count(len(jobs))
    await expect(rows.filter(has_text="Nightly forecast")).to_contain_text("every day at 2:10")


async def test_agent_sees_the_terms_and_changes_none(page: Page, service: Service) -> None:
    await open_page(page, service, "agent")
    await expect(page.get_by_label("Service level, %")).to_be_disabled()
    await expect(page.get_by_role("button", name="Store")).to_have_count(0)


@pytest.mark.parametrize("width", [360, 1280])
async def test_terms_never_scroll_sideways(page: Page, service: Service, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 800})
    await open_page(page, service)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ({"hour": "2", "minute": "10"}, "every day at 2:10"),
        ({"day_of_week": "sun", "hour": "4", "minute": "5"}, "every Sun at 4:05"),
        ({"minute": "1,16"}, "every hour at minute 1, 16"),
    ],
)
def test_times_of_a_job_read_as_words(when: dict[str, str], words: str) -> None:
    assert when_words(when) == words
