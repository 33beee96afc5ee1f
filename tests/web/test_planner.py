"""The planner's week in a real browser: what is shown agrees with the API, and buttons do what they say."""

import csv
import re
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from playwright.async_api import Browser, Page, expect

from app.db import runs
from app.db.engine import Connection
from app.db.schema import forecast
from app.planning import pooling
from staffing.pool_search import Effort
from staffing.simulation import shared_agents
from tests.app.planning_rig import MONDAY, run_to_end
from tests.web.conftest import newest_plan, sign_in
from tests.web.service import Service

WEEK = f"/planner?week={MONDAY}"
BEYOND = """() => [...document.querySelectorAll('.panel :is(select, input, button, td)')]
    .filter(each => each.getBoundingClientRect().right > each.closest('.panel').getBoundingClientRect().right
        && !each.closest('.wide:has(.roster)'))
    .map(each => each.outerHTML.slice(0, 80))"""
"""What its panel cuts off; the roster of a week is scrolled."""


async def open_week(page: Page, service: Service, *, role: str = "planner", query: str = "") -> None:
    await sign_in(page, service, role)
    await page.goto(f"{service.url}{WEEK}{query}")


async def test_week_shows_forecast_requirement_and_staff(page: Page, planning: Service) -> None:
    await open_week(page, planning, query="&team=general")
    await expect(page.get_by_role("heading", name="Week of 2 March 2026")).to_be_visible()
    for line in ("forecast", "band", "needed", "staffed"):
        assert await page.locator(f".line-{line}").get_attribute("d")
    forecast = await planning.get("planner", f"/v1/forecasts/general?week={MONDAY}")
    monday = sum(item["volume"] for item in forecast["items"] if item["on"] == MONDAY.isoformat())
    row = page.get_by_role("row", name=re.compile("Monday 2"))
    await expect(row.locator("[data-label=Forecast]")).to_have_text(f"{monday:.0f}")


async def test_pointer_tells_the_figures_of_an_interval(page: Page, planning: Service) -> None:
    await open_week(page, planning, query=f"&team=general&day={MONDAY}")
    await page.locator("[data-plot]").first.hover(position={"x": 1, "y": 20})
    await expect(page.locator("#readout")).to_contain_text("Mon 2 Mar 00:00")
    await page.get_by_label("Chart; arrow keys move along the intervals").press("ArrowRight")
    await expect(page.locator("#readout")).to_contain_text("Mon 2 Mar 00:30")


async def test_roster_names_everybody_with_shifts_and_hours(page: Page, planning: Service) -> None:
    await open_week(page, planning)
    plan = await newest_plan(planning)
    table = page.get_by_role("table").filter(has=page.get_by_role("columnheader", name="Person"))
    shift = plan["assignments"][0]
    row = table.get_by_role("row", name=re.compile(shift["name"]))
    await expect(row).to_contain_text("–")
    per_day = [sum(a["on"] == f"2026-03-0{2 + i}" for a in plan["assignments"]) for i in range(7)]
    cells = table.locator("tfoot td")
    assert [int(await cells.nth(i).inner_text()) for i in range(7)] == per_day


async def test_day_shows_shifts_as_bars_with_breaks(page: Page, planning: Service) -> None:
    await open_week(page, planning)
    await page.get_by_role("link", name="Monday 2").click()
    await expect(page.get_by_role("heading", name="Monday 2 March 2026")).to_be_visible()
    plan = await newest_plan(planning)
    today = [each for each in plan["assignments"] if each["on"] == MONDAY.isoformat()]
    await expect(page.locator(".gantt-row")).to_have_count(len(today))
    breaks = sum(len(each["breaks"]) for each in today)
    await expect(page.locator(".gantt rect.break")).to_have_count(breaks)


async def test_team_chosen_narrows_the_roster(page: Page, planning: Service) -> None:
    await open_week(page, planning)
    await page.get_by_role("navigation", name="Team").get_by_text("Complaints").click()
    plan = await newest_plan(planning)
    people = {
        each["name"] for each in plan["assignments"] if any(w["team"] == "complaints" for w in each["work"])
    }
    names = page.locator(".roster tbody tr:not(.group-row) th")
    assert set(await names.all_inner_texts()) == people


async def test_roster_comes_as_csv(page: Page, planning: Service, tmp_path: Path) -> None:
    await open_week(page, planning)
    async with page.expect_download() as download:
        await page.get_by_role("link", name="CSV").click()
    path = tmp_path / (await download.value).suggested_filename
    await (await download.value).save_as(path)
    with path.open() as lines:
        rows = list(csv.DictReader(lines))
    assert path.name == f"roster-{MONDAY}-v1.csv"
    assert len(rows) == len((await newest_plan(planning))["assignments"])


async def test_draft_is_published_by_clicking(page: Page, planning: Service) -> None:
    await open_week(page, planning)
    await page.get_by_role("button", name="Publish").click()
    await expect(page.locator("#roster .state-published")).to_be_visible()
    await expect(page.get_by_role("button", name="Publish")).to_have_count(0)
    assert (await newest_plan(planning))["state"] == "published"


async def test_draft_is_thrown_away_after_a_question(page: Page, planning: Service) -> None:
    await open_week(page, planning)
    page.once("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Throw away").click()
    await expect(page.get_by_text("No roster of this week yet.")).to_be_visible()


async def test_roster_run_shows_its_progress_and_then_its_roster(page: Page, planning: Service) -> None:
    await open_week(page, planning)
    limit = page.get_by_label("search for")
    await limit.evaluate("each => { each.options[0].value = 1; each.selectedIndex = 0; }")
    await page.get_by_role("button", name="Roster").click()
    await expect(page.get_by_role("progressbar", name="roster")).to_be_visible()
    async with planning.working():
        await expect(page.get_by_role("progressbar")).to_have_count(0, timeout=30_000)
        await expect(page.get_by_label("Version")).to_contain_text("2 – draft")


@pytest.mark.parametrize("detail", [None, "no contact was ever recorded"])
async def test_failed_run_says_why(page: Page, planning: Service, detail: str | None) -> None:
    await planning.house.database.tx(
        fail_a_run, {"title": "It broke"} | ({"detail": detail} if detail else {})
    )
    await open_week(page, planning)
    await expect(page.locator("[data-state=failed]")).to_contain_text(detail or "It broke")


async def test_run_is_cancelled_by_clicking(page: Page, planning: Service) -> None:
    await open_week(page, planning)
    await page.get_by_role("button", name="Forecast").click()
    await page.get_by_role("button", name="Cancel").click()
    await expect(page.get_by_role("alert")).to_contain_text("was cancelled")
    await expect(page.get_by_role("progressbar")).to_have_count(0)


async def test_request_for_time_off_is_granted_by_clicking(page: Page, planning: Service) -> None:
    asked = {"agent": "ada.abel", "first_on": "2026-03-03", "last_on": "2026-03-04", "state": "requested"}
    await planning.post("planner", "/v1/time-off", **asked)
    await open_week(page, planning)
    await expect(page.get_by_text("Tue 3 Mar to Wed 4 Mar")).to_be_visible()
    await page.get_by_role("button", name="Grant").click()
    await expect(page.get_by_role("heading", name="Requests")).to_have_count(0)
    items = (await planning.get("planner", "/v1/time-off"))["items"]
    assert [each["state"] for each in items] == ["granted"]


async def test_request_says_what_it_would_do_to_the_published_roster(page: Page, planning: Service) -> None:
    plan = await newest_plan(planning)
    await planning.post("planner", f"/v1/plans/{plan['id']}/publish")
    agent = next(each["agent"] for each in plan["assignments"] if each["on"] == "2026-03-03")
    asked = {"agent": agent, "first_on": "2026-03-03", "last_on": "2026-03-03", "state": "requested"}
    await planning.post("planner", "/v1/time-off", **asked)
    await open_week(page, planning)
    request = page.locator(".request")
    await expect(request.locator(".tag")).to_have_text(re.compile("fit"))


async def test_forecast_is_corrected_by_clicking(page: Page, planning: Service) -> None:
    await open_week(page, planning, query=f"&team=general&day={MONDAY}")
    await page.get_by_label("times").fill("2")
    await page.get_by_label("because").fill("a letter goes out")
    await page.get_by_role("button", name="Correct").click()
    await expect(page.get_by_text("a letter goes out")).to_be_visible()
    forecast = await planning.get("planner", f"/v1/forecasts/general?week={MONDAY}")
    item = next(each for each in forecast["items"] if each["overridden"])
    assert item["volume"] == pytest.approx(2 * item["forecast"], abs=0.02)


async def test_forecast_is_corrected_until_the_end_of_the_day(page: Page, planning: Service) -> None:
    await open_week(page, planning, query=f"&team=general&day={MONDAY}")
    await page.get_by_label("From").select_option("00:00")
    await page.get_by_label("until before").select_option("24:00")
    await page.get_by_label("times").fill("1.5")
    await page.get_by_role("button", name="Correct").click()
    await expect(page.get_by_text("Mon 2 Mar 00:00 to Tue 3 Mar 00:00")).to_be_visible()


async def test_shift_changed_by_hand_is_marked_as_locked(page: Page, planning: Service) -> None:
    plan = await newest_plan(planning)
    await open_week(page, planning)
    await expect(page.locator(".lock")).to_have_count(0)
    shift = plan["assignments"][0]
    change = {name: shift[name] for name in ("agent", "on", "shift")}
    await planning.post("planner", f"/v1/plans/{plan['id']}/changes", changes=[change])
    await open_week(page, planning)
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name=shift["name"]))
    await expect(row.locator(".lock")).to_have_count(1)
    await expect(page.get_by_text("locked: stays so in the next roster")).to_be_visible()
    await open_week(page, planning, query=f"&day={shift['on']}")
    await expect(page.locator(".gantt .lock")).to_have_count(1)


async def test_run_that_ends_takes_nothing_away_that_is_being_written(page: Page, planning: Service) -> None:
    await open_week(page, planning, query=f"&team=general&day={MONDAY}")
    await page.get_by_label("because").fill("a letter goes out")
    await page.get_by_role("button", name="Requirement").click()
    async with planning.working():
        await expect(page.get_by_text("There is a new result.")).to_be_visible(timeout=30_000)
        await expect(page.get_by_label("because")).to_have_value("a letter goes out")
        await page.get_by_role("button", name="Show it").click()
        await expect(page.get_by_label("because")).to_have_value("")


async def test_contacts_and_handle_time_are_set_by_hand(page: Page, planning: Service) -> None:
    await open_week(page, planning, query=f"&team=general&day={MONDAY}")
    await page.get_by_label("or contacts an interval").fill("31")
    await page.get_by_label("handle time, s").fill("250")
    await page.get_by_role("button", name="Correct").click()
    await expect(page.get_by_text("Correction stored")).to_be_visible()
    await expect(page.get_by_text("Mon 2 Mar 09:00 to Mon 2 Mar 12:00")).to_be_visible()
    forecast = await planning.get("planner", f"/v1/forecasts/general?week={MONDAY}")
    item = next(each for each in forecast["items"] if each["overridden"])
    assert (item["volume"], item["handle_s"]) == (31.0, 250.0)


async def test_busy_and_quiet_intervals_are_explained(page: Page, planning: Service) -> None:
    await open_week(page, planning, query="&team=general")
    peak = page.locator(".map-peak title").first
    assert "peak" in (await peak.text_content() or "")


async def test_backtest_marks_the_model_that_was_taken(page: Page, planning: Service) -> None:
    await open_week(page, planning, query="&team=general")
    await expect(page.get_by_role("heading", name="How good the forecast is")).to_be_visible()
    assert await page.locator("td.taken").count() >= 1


async def test_special_day_of_which_nothing_is_known_is_told_as_an_assumption(
    page: Page, planning: Service
) -> None:
    day = MONDAY.isoformat()
    async with planning.client("planner") as client, planning.working():
        await client.post("/v1/special-days", json={"name": "audit", "first_on": day, "last_on": day})
        await run_to_end(client, "forecast", first_on=day, weeks=1)
    await open_week(page, planning, query="&team=general")
    told = page.get_by_role("listitem").filter(has_text="audit")
    await expect(told).to_have_text(f"{day} audit: no such day in the history; an ordinary day is assumed")


async def test_agent_sees_the_week_without_the_planners_buttons(page: Page, planning: Service) -> None:
    await open_week(page, planning, role="agent")
    await expect(page.get_by_role("heading", name="Roster")).to_be_visible()
    for name in ("Forecast", "Publish", "Throw away"):
        await expect(page.get_by_role("button", name=name)).to_have_count(0)


async def test_planner_begins_at_the_first_page_open_to_planners(page: Page, planning: Service) -> None:
    await sign_in(page, planning, "planner")
    await expect(page).to_have_url(f"{planning.url}/planner")
    await expect(page.get_by_role("navigation", name="Pages").get_by_role("link")).to_have_text(
        ["Planner", "Today"]
    )


async def test_week_of_which_nothing_is_known_says_so(page: Page, planning: Service) -> None:
    await sign_in(page, planning, "planner")
    await page.goto(f"{planning.url}/planner?week=2030-01-07")
    await expect(page.get_by_text("Nothing is known of this week yet.")).to_be_visible()
    await expect(page.get_by_text("No roster of this week yet.")).to_be_visible()


async def test_nonsense_for_a_week_is_answered_with_a_page(browser: Browser, planning: Service) -> None:
    page = await browser.new_page()  # its own, as browsers log what is refused
    await sign_in(page, planning, "planner")
    await page.goto(f"{planning.url}/planner?week=soon")
    await expect(page.get_by_text("is no date and no week")).to_be_visible()
    await page.close()


@pytest.mark.parametrize("query", ["", f"&team=general&day={MONDAY}"])
@pytest.mark.parametrize("width", [360, 768, 1280])
async def test_planner_never_scrolls_sideways(page: Page, planning: Service, width: int, query: str) -> None:
    await page.set_viewport_size({"width": width, "height": 800})
    await open_week(page, planning, query=query)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    assert await page.evaluate(BEYOND) == []


def fail_a_run(conn: Connection, error: dict[str, str]) -> None:
    """Store a run that has failed with an error."""
    run_id = runs.add_run(conn, runs.NewRun("forecast", {}, "test", 0.0))
    claimed = runs.claim_run(conn, "test", now=0.0, heartbeat_at=0.0, run_id=run_id)
    assert claimed is not None
    runs.finish_run(conn, claimed, state="failed", now=1.0, took_s=1.0, error=msgspec.json.encode(error))


async def test_requirement_of_a_day_is_told_interval_by_interval(page: Page, planning: Service) -> None:
    await open_week(page, planning, query=f"&team=general&day={MONDAY}")
    found = await planning.get("planner", f"/v1/requirements?week={MONDAY}")
    need = found["teams"]["general"]
    first = next(i for i, many in enumerate(need["rostered"]) if many)
    row = page.locator(".need tbody tr").first
    await expect(row.get_by_role("rowheader")).to_have_text(found["intervals"][first][11:16])
    await expect(row.locator("[data-label='At work']")).to_have_text(str(need["required"][first]))
    await expect(row.locator("[data-label='On the roster']")).to_have_text(str(need["rostered"][first]))
    await expect(page.get_by_text("Shrinkage absence")).to_be_visible()
    await expect(page.get_by_text("simulated weeks at worst: calls:")).to_be_visible()


async def test_teams_that_share_agents_are_counted_together(page: Page, planning: Service) -> None:
    async with planning.client("planner") as client, planning.working():
        run = await run_to_end(client, "require", week=MONDAY.isoformat())
        assert run["state"] == "done", run["error"]
    await open_week(page, planning)
    (pool,) = (await planning.get("planner", f"/v1/requirements?week={MONDAY}"))["pools"]
    panel = page.locator("[aria-labelledby=pools-title]")
    for words, name in (("Needed apart", "separate"), ("At best", "least")):
        value = panel.locator("div", has_text=words).locator("dd")
        await expect(value).to_have_text(f"{sum(pool[name]) / 2:.1f} h")


async def test_simulated_pool_says_what_was_corrected_and_checked(
    page: Page, planning: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The page is tested here, not the simulation: few short runs, so that no machine is too slow for them.
    monkeypatch.setitem(shared_agents._REPLICATIONS, Effort.CHECK, 4)
    monkeypatch.setitem(shared_agents._REPLICATIONS, Effort.JUDGE, 4)
    monkeypatch.setattr(pooling, "_ROUTED", {"hours": 1.0, "warm_up_hours": 0.25, "replications": 2})
    async with planning.client("planner") as client, planning.working():
        run = await run_to_end(client, "require", week=MONDAY.isoformat(), pooling_s=3600)
        assert run["state"] == "done", run["error"]
    await open_week(page, planning)
    (pool,) = (await planning.get("planner", f"/v1/requirements?week={MONDAY}"))["pools"]
    panel = page.locator("[aria-labelledby=pools-title]")
    await expect(panel).to_contain_text(f"added {pool['cuts']} agents")
    await panel.get_by_text("closest to a miss").click()
    rows = panel.locator("tbody tr")
    await expect(rows).to_have_count(len(pool["verified"]))
    first = pool["verified"][0]
    agents = sum(group["agents"][first["interval"]] for group in pool["groups"])
    await expect(rows.first.locator("[data-label='Agents']")).to_have_text(str(agents))
    value = first["levels"][pool["teams"][0]]["value"]
    await expect(rows.first.locator("td.num").nth(2)).to_contain_text(f"{100 * value:.1f}")


async def test_backtest_says_what_is_gained_on_seasonal_naive(page: Page, planning: Service) -> None:
    await open_week(page, planning, query="&team=general")
    backtest = (await planning.get("planner", f"/v1/forecasts/general?week={MONDAY}"))["backtest"]
    wape = {(each["first_day"], each["model"]): each["wape"] for each in backtest["scores"]}
    choice = min(backtest["choices"], key=lambda each: each["first_day"])
    day = choice["first_day"]
    gain = 1 - wape[day, choice["model"]] / wape[day, "naive"]
    row = page.get_by_role("row", name="Saved on seasonal naive")
    await expect(row.locator("td").first).to_have_text(re.compile(f"^{100 * gain:.0f}\\s%$"))


async def test_shift_is_changed_by_hand_and_the_rules_it_breaks_are_named(
    page: Page, planning: Service
) -> None:
    plan = await newest_plan(planning)
    shift = next(each for each in plan["assignments"] if each["on"] == MONDAY.isoformat())
    await open_week(page, planning, query=f"&day={MONDAY}")
    form = page.get_by_role("form", name="Change a shift")
    await form.get_by_label("On this day").select_option(shift["agent"])
    await form.get_by_label("works").select_option("")
    await form.get_by_role("button", name="Change").click()
    await expect(page.get_by_text("edited")).to_be_visible()
    after = await newest_plan(planning)
    assert len(after["assignments"]) == len(plan["assignments"]) - 1
    rules = page.locator(".conflicts", has_text="Rules that this version breaks")
    await expect(rules).to_contain_text(shift["name"])


async def test_published_roster_is_changed_in_a_new_version(page: Page, planning: Service) -> None:
    plan = await newest_plan(planning)
    await planning.post("planner", f"/v1/plans/{plan['id']}/publish")
    await open_week(page, planning, query=f"&day={MONDAY}")
    form = page.get_by_role("form", name="Change a shift")
    await form.get_by_label("works").select_option(plan["shifts"][0]["id"])
    await form.get_by_role("button", name="Change in a new version").click()
    await expect(page.get_by_label("Version")).to_contain_text("2 – draft")
    await expect(page.locator("#roster .state-draft")).to_be_visible()
    shift = next(a for a in (await newest_plan(planning))["assignments"] if a["locked"])
    assert (shift["on"], shift["shift"]) == (MONDAY.isoformat(), plan["shifts"][0]["id"])


async def test_rules_are_checked_without_making_a_roster(page: Page, planning: Service) -> None:
    async with planning.client("planner") as client:
        terms = {"week_hours_min": 60, "week_hours_max": 60, "day_hours_max": 4}
        await client.put("/v1/contracts/ada.abel", json=terms)
    await open_week(page, planning)
    await page.get_by_role("button", name="Check rules").click()
    async with planning.working():
        await expect(page.locator("#runs")).to_contain_text("Ada Abel", timeout=20_000)
    await expect(page.get_by_label("Version")).not_to_contain_text("2 – draft")


async def test_roster_of_several_weeks_can_be_asked_for(page: Page, planning: Service) -> None:
    await open_week(page, planning)
    await page.get_by_label("of", exact=True).select_option("2 weeks")
    await page.get_by_role("button", name="Roster").click()
    await expect(page.get_by_role("progressbar", name="roster")).to_be_visible()
    run = (await planning.get("planner", "/v1/runs?kind=roster"))["items"][0]
    assert run["params"]["weeks"] == 2


async def test_outliers_set_aside_are_listed(page: Page, planning: Service) -> None:
    def put(conn: Connection) -> None:
        query = sa.select(forecast.c.id, forecast.c.data).where(forecast.c.team_id == "general")
        row = conn.execute(query).one()
        counts = {"actual": 680.0, "expected": 277.7}
        outlier = {"on": "2026-02-11", "slot": None, "reason": "2.45 of it", **counts}
        data = msgspec.json.decode(row[1]) | {"outliers": [outlier]}
        change = sa.update(forecast).where(forecast.c.id == row[0])
        conn.execute(change.values(data=msgspec.json.encode(data).decode()))

    await planning.house.database.tx(put)
    await open_week(page, planning, query="&team=general")
    await page.get_by_text("1 outlier set aside").click()
    await expect(page.get_by_text("2026-02-11: 680 instead of 278 2.45 of it")).to_be_visible()
