"""People in a real browser: contracts, time off, wishes, swaps and calendars by form."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from app.planning.terms import ContractTerms, ShiftLimits
from app.web.people import hours_words, windows
from tests.app.planning_rig import history_csv, import_history, run_to_end
from tests.web.conftest import copied, sign_in
from tests.web.service import Service, serving

ADA = "/planner/people/ada.abel"
WINDOW = {"start": "08:00", "end": "16:00"}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def coming(
    furnished: tuple[Path, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, str], date]:
    """A database in which the roster of the week after this one is published, and its first day."""
    database = copied(furnished[0], tmp_path_factory.mktemp("coming"))
    async with serving(database, furnished[1]) as service, service.client("admin") as client:
        on = datetime.fromtimestamp(service.house.clock.now(), UTC).date()
        week_on = on + timedelta(days=7 - on.weekday())
        async with service.working():
            await import_history(client, history_csv(before=on))
            await run_to_end(client, "forecast", first_on=week_on.isoformat(), weeks=1)
            run = await run_to_end(client, "roster", week=week_on.isoformat(), time_limit_s=1.0)
        await client.post(f"/v1/plans/{run['result']['plans'][0]['id']}/publish")
    return database, furnished[1], week_on


@pytest_asyncio.fixture(loop_scope="session")
async def service(coming: tuple[Path, dict[str, str], date], tmp_path: Path) -> AsyncIterator[Service]:
    async with serving(copied(coming[0], tmp_path), coming[1]) as service:
        yield service


@pytest.fixture
def tuesday(coming: tuple[Path, dict[str, str], date]) -> date:
    """The second day of the rostered week."""
    return coming[2] + timedelta(days=1)


def words(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b}"


async def published(service: Service) -> dict[str, Any]:
    """Return the plan in force, in full."""
    plans = await service.get("planner", "/v1/plans?state=published")
    return await service.get("planner", f"/v1/plans/{plans['items'][0]['id']}")


async def open_page(page: Page, service: Service, path: str, role: str = "planner") -> None:
    await sign_in(page, service, role)
    await page.goto(f"{service.url}{path}")


async def terms_of(service: Service, agent: str = "ada.abel") -> ContractTerms:
    found = await service.get("planner", f"/v1/contracts/{agent}")
    return ContractTerms.model_validate(found["terms"])


async def test_list_has_everybody_who_can_be_rostered(page: Page, service: Service) -> None:
    await open_page(page, service, "/planner/people")
    contracts = (await service.get("planner", "/v1/contracts"))["items"]
    await expect(page.get_by_role("table").locator("tbody tr")).to_have_count(len(contracts))
    await page.get_by_role("navigation", name="Team").get_by_text("Complaints").click()
    many = sum("complaints" in each["teams"] for each in contracts)
    await expect(page.get_by_role("table").locator("tbody tr")).to_have_count(many)


async def test_calendar_of_a_person_can_be_fetched(page: Page, service: Service) -> None:
    await open_page(page, service, "/planner/people")
    link = page.get_by_role("link", name="Calendar of Ada Abel")
    answer = await page.request.get(f"{service.url}{await link.get_attribute('href')}")
    assert answer.headers["content-type"].startswith("text/calendar")
    assert "SUMMARY:Shift" in await answer.text()


async def test_address_for_a_calendar_program_is_made_and_revoked(page: Page, service: Service) -> None:
    await open_page(page, service, ADA)
    await page.get_by_role("button", name="Make an address").click()
    field = page.get_by_label("Copy it now")
    await expect(field).to_have_value(re.compile(r"/calendars/.+\.ics$"))
    address = await field.input_value()
    async with httpx.AsyncClient(timeout=30) as program:
        assert "BEGIN:VCALENDAR" in (await program.get(address)).text
        await expect(page.get_by_text(re.compile("^Made "))).to_have_count(1)
        page.once("dialog", lambda dialog: dialog.accept())
        await page.get_by_role("button", name="Revoke").click()
        await expect(page.get_by_text("Revoked.", exact=True)).to_be_visible()
        assert (await program.get(address)).status_code == 404


async def test_contract_is_agreed_by_form(page: Page, service: Service) -> None:
    await open_page(page, service, ADA)
    await page.get_by_label("Hours a week, at least").fill("18.5")
    await page.get_by_label("Hours a week, at most").fill("18.5")
    await page.get_by_label("Weekends a period, at most", exact=True).fill("1")
    await page.get_by_label("Weekends whole or not at all").check()
    await page.get_by_role("button", name="Store contract").click()
    await expect(page.get_by_text("Contract stored")).to_be_visible()
    terms = await terms_of(service)
    assert (terms.week_hours_min, terms.week_hours_max, terms.max_weekends) == (18.5, 18.5, 1)
    assert terms.whole_weekends
    assert terms == ContractTerms.model_validate(terms.model_dump() | {"availability": (), "shifts": None})


async def test_rhythm_and_period_are_agreed_by_form(page: Page, service: Service) -> None:
    await open_page(page, service, ADA)
    for label, value in (
        ("Starts of a week within, hours", "2"),
        ("Days a week, at least", "3"),
        ("Days in a row, at least", "2"),
        ("Days off in a row, at least", "2"),
        ("Weekends in a row, at most", "1"),
        ("Weeks of a period", "2"),
        ("Hours a period, at least", "70"),
        ("Hours a period, at most", "75.5"),
        ("Days off a period, at least", "4"),
        ("Begins in the week of", "2026-03-04"),
        ("Shifts of a kind a period", "22:00-06:30: 2, 06:00-14:30: 1 to 3"),
    ):
        await page.get_by_label(label, exact=True).fill(value)
    await page.get_by_role("button", name="Store contract").click()
    await expect(page.get_by_text("Contract stored")).to_be_visible()
    assert await terms_of(service) == ContractTerms(
        start_variance_hours=2,
        week_days_min=3,
        min_days_in_row=2,
        min_days_off_in_row=2,
        max_weekends_in_row=1,
        period_weeks=2,
        period_hours_min=70,
        period_hours_max=75.5,
        period_days_off_min=4,
        period_from=date(2026, 3, 4),
        period_shifts={
            "22:00-06:30": ShiftLimits(most=2),
            "06:00-14:30": ShiftLimits(least=1, most=3),
        },
    )
    shown = page.get_by_label("Shifts of a kind a period")
    await expect(shown).to_have_value("22:00-06:30: 2, 06:00-14:30: 1 to 3")


async def test_times_at_which_somebody_can_work_are_agreed_by_form(page: Page, service: Service) -> None:
    await open_page(page, service, ADA)
    await expect(page.get_by_label("Monday from")).to_be_disabled()
    await page.get_by_label("Can work at certain times only").check()
    await page.get_by_label("Monday from").fill("08:00")
    await page.get_by_label("Monday until").fill("16:00")
    await page.get_by_label("Sunday", exact=True).uncheck()
    await page.get_by_role("button", name="Store contract").click()
    await expect(page.get_by_text("Contract stored")).to_be_visible()
    terms = (await terms_of(service)).model_dump()
    assert terms["availability"][0] == WINDOW
    assert terms["availability"][1] == {"start": "00:00", "end": "24:00"}
    assert terms["availability"][6] is None
    await expect(page.get_by_label("Sunday", exact=True)).not_to_be_checked()


async def test_contract_goes_back_to_the_preset_by_clicking(page: Page, service: Service) -> None:
    async with service.client("planner") as client:
        await client.put("/v1/contracts/ada.abel", json={"week_hours_min": 1})
    await open_page(page, service, ADA)
    page.on("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Back to the preset").click()
    await expect(page.get_by_text("preset; nothing was agreed")).to_be_visible()
    assert await terms_of(service) == ContractTerms()


async def test_contract_that_contradicts_itself_is_refused_with_a_reason(
    browser: Browser, service: Service
) -> None:
    page = await browser.new_page()  # its own, as browsers log what is refused
    await open_page(page, service, ADA)
    await page.get_by_label("Hours a week, at most").fill("20")
    await page.get_by_role("button", name="Store contract").click()
    await expect(page.get_by_role("alert")).to_contain_text("the fewest hours exceed the most")
    assert await terms_of(service) == ContractTerms()
    await page.close()


async def test_time_off_is_granted_and_taken_back_by_form(
    page: Page, service: Service, tuesday: date
) -> None:
    last = tuesday + timedelta(days=3)
    await open_page(page, service, ADA)
    form = page.get_by_role("form", name="Time off")
    await form.get_by_label("First day").fill(tuesday.isoformat())
    await form.get_by_label("Last day").fill(last.isoformat())
    await form.get_by_label("Kind").select_option("training")
    await form.get_by_role("button", name="Add time off").click()
    days = f"{words(tuesday)} to {words(last)}"
    await expect(page.get_by_text(f"{days} training")).to_be_visible()
    (found,) = (await service.get("planner", "/v1/time-off"))["items"]
    assert (found["agent"], found["kind"], found["state"]) == ("ada.abel", "training", "granted")
    await page.get_by_role("button", name=f"Take back: {days}").click()
    await expect(page.get_by_text("Taken back")).to_be_visible()
    assert (await service.get("planner", "/v1/time-off"))["items"] == []


async def test_request_for_time_off_shows_its_effect_at_once(
    page: Page, service: Service, tuesday: date
) -> None:
    plan = await published(service)
    shift = next(each for each in plan["assignments"] if each["on"] == tuesday.isoformat())
    await open_page(page, service, f"/planner/people/{shift['agent']}")
    form = page.get_by_role("form", name="Time off")
    for label in ("First day", "Last day"):
        await form.get_by_label(label).fill(tuesday.isoformat())
    await form.get_by_label(re.compile("^Is")).select_option("requested")
    await form.get_by_role("button", name="Add time off").click()
    await expect(page.get_by_role("heading", name="Asked for")).to_be_visible()
    await expect(page.locator("[aria-labelledby=asked-title] .tag")).to_have_text(re.compile("fit"))


async def test_swap_is_asked_for_and_granted_by_clicking(page: Page, service: Service) -> None:
    plan = await published(service)
    giver = plan["assignments"][0]
    taker = next(
        person
        for person in plan["people"]
        if person["agent"] != giver["agent"]
        and not any(a["agent"] == person["agent"] and a["on"] == giver["on"] for a in plan["assignments"])
    )
    await open_page(page, service, f"/planner/people/{giver['agent']}")
    form = page.get_by_role("form", name="Swap")
    await form.get_by_label("Gives").select_option(giver["on"])
    await form.get_by_label(re.compile("^To")).select_option(taker["agent"])
    await form.get_by_role("button", name="Ask for a swap").click()
    asked = page.locator("[aria-labelledby=asked-title]")
    await expect(asked).to_contain_text(f"with {taker['name']}")
    await asked.get_by_role("button", name="Grant").click()
    await expect(page.locator("[aria-labelledby=swaps-title] .state-granted")).to_be_visible()
    after = await published(service)
    assert any(a["agent"] == taker["agent"] and a["on"] == giver["on"] for a in after["assignments"])


async def test_wish_is_added_and_forgotten_by_form(page: Page, service: Service, tuesday: date) -> None:
    await open_page(page, service, ADA)
    form = page.get_by_role("form", name="Wish")
    await form.get_by_label(re.compile("^Day")).fill(tuesday.isoformat())
    await form.get_by_label("Wishes").select_option("to work")
    await form.get_by_label("Weight").fill("3")
    await form.get_by_role("button", name="Add wish").click()
    await expect(page.get_by_text(f"{words(tuesday)}: to work")).to_be_visible()
    (found,) = (await service.get("planner", "/v1/wishes"))["items"]
    assert (found["works"], found["shift"], found["weight"]) == (True, None, 3)
    await page.get_by_role("button", name=f"Forget the wish for {words(tuesday)}").click()
    await expect(page.get_by_text("Forgotten")).to_be_visible()
    assert (await service.get("planner", "/v1/wishes"))["items"] == []


async def test_published_shifts_of_a_person_are_listed(page: Page, service: Service) -> None:
    plan = await published(service)
    mine = [each for each in plan["assignments"] if each["agent"] == "ada.abel"]
    await open_page(page, service, ADA)
    await expect(page.locator("[aria-labelledby=shifts-title] tbody tr")).to_have_count(len(mine))


async def test_agent_may_ask_for_itself_and_change_nothing(page: Page, service: Service) -> None:
    async with service.client("admin") as client:
        await client.post("/v1/keys", json={"name": "ada", "role": "agent", "agent": "ada.abel"})
    await open_page(page, service, ADA, "ada")
    await page.get_by_role("button", name="Ask for time off").click()
    await expect(page.locator(".state-requested")).to_be_visible()
    await expect(page.get_by_role("button", name="Store contract")).to_have_count(0)
    await expect(page.get_by_label("Hours a week, at least")).to_be_disabled()
    await page.goto(f"{service.url}/planner/people/amir.brandt")
    await expect(page.get_by_role("heading", name="Amir Brandt")).to_be_visible()
    await expect(page.get_by_role("button", name=re.compile("Ask|Add|Grant"))).to_have_count(0)


@pytest.mark.parametrize("path", ["/planner/people", ADA])
@pytest.mark.parametrize("width", [360, 1280])
async def test_people_never_scroll_sideways(page: Page, service: Service, width: int, path: str) -> None:
    await page.set_viewport_size({"width": width, "height": 800})
    await open_page(page, service, path)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


def test_fixed_hours_are_told_once() -> None:
    assert hours_words({"week_hours_min": 38.5, "week_hours_max": 38.5}) == "38.5"
    assert hours_words({"week_hours_min": 30.0, "week_hours_max": 40.0}) == "30–40"


def test_day_off_in_a_contract_has_times_ready_for_when_it_is_ticked() -> None:
    rows = windows([WINDOW, None, *[WINDOW] * 5])
    assert rows[0] == {"name": "Monday", "works": True, **WINDOW}
    assert rows[1] == {"name": "Tuesday", "works": False, "start": "00:00", "end": "24:00"}
