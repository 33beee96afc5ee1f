"""A queue beside the floor: closed by hand and opened again, who waits by channel, callbacks for later."""

import re
from datetime import UTC, datetime

from playwright.async_api import Browser, Dialog, Page, expect

from tests.web.conftest import sign_in
from tests.web.service import Service

AT_HOME = {"menu": ["1"]}  # a call for complaints
PHONE = {"phone": "+442079460001"}


async def open_queue(floor: Page) -> None:
    """Open the drawer of the team complaints and wait until it is shown."""
    await floor.locator("#queue-complaints .standing").click()
    await expect(floor.get_by_role("dialog").get_by_role("heading", name="Complaints")).to_be_visible()


async def test_lead_closes_a_team_for_a_while_after_a_question_and_opens_it(
    floor: Page, service: Service
) -> None:
    asked: list[str] = []

    async def agree(dialog: Dialog) -> None:
        asked.append(dialog.message)
        await dialog.accept()

    floor.on("dialog", agree)
    await expect(floor.locator("#queue-complaints .standing")).to_have_text("open")
    await open_queue(floor)
    dialog = floor.get_by_role("dialog")
    await dialog.get_by_label("Close for").select_option(label="an hour")
    await dialog.get_by_label("Because").fill("fire drill")
    await dialog.get_by_role("button", name="Close it").click()
    await expect(dialog).to_contain_text("Closed by lead: fire drill")
    await expect(floor.locator("#queue-complaints .standing")).to_contain_text("closed by hand until")
    assert len(asked) == 1
    assert "Who waits already is still served" in asked[0]
    queue = await service.get("lead", "/v1/queues/complaints")
    until = datetime.fromisoformat(queue["closed_by_hand"]["until"]).timestamp()
    assert 3540 < until - service.house.clock.now() <= 3600
    await dialog.get_by_role("button", name="Open it").click()
    await expect(floor.locator("#queue-complaints .standing")).to_have_text("open")
    await expect(dialog.get_by_role("button", name="Open it")).to_have_count(0)


async def test_queue_shows_all_callbacks_for_later_with_their_times(floor: Page, service: Service) -> None:
    now = service.house.clock.now()
    later = [
        await service.contact(
            **AT_HOME,
            channel="callback",
            scheduled_at=datetime.fromtimestamp(now + 1800.0 * number, UTC).isoformat(),
            **{"from": {"phone": f"+44207946000{number}"}},
        )
        for number in range(5, 0, -1)
    ]
    await expect(floor.locator("#queue-complaints")).to_contain_text("5 for later")
    await open_queue(floor)
    rows = floor.get_by_role("dialog").locator("[id^=later-]")
    await expect(rows).to_have_count(5)
    assert [await row.get_attribute("id") for row in await rows.all()] == [
        f"later-{contact}" for contact in reversed(later)
    ]
    await rows.first.get_by_role("link").click()
    await expect(floor.get_by_role("dialog")).to_contain_text("It waits for its time, in 30 min.")


async def test_queue_follows_who_waits_by_channel(floor: Page, service: Service) -> None:
    await open_queue(floor)
    dialog = floor.get_by_role("dialog")
    await expect(dialog).to_contain_text("Nobody")
    await service.contact(**AT_HOME)
    await service.contact(**AT_HOME, channel="email")
    await expect(dialog).to_contain_text("1, longest 0:0")
    await expect(dialog).to_contain_text("target 4:00:00")


async def test_name_of_a_closed_team_keeps_to_one_line_on_a_phone(floor: Page, service: Service) -> None:
    await floor.set_viewport_size({"width": 360, "height": 800})
    await service.post("lead", "/v1/queues/technical/close")
    row = floor.locator("#queue-technical")
    await expect(row.locator(".standing")).to_contain_text("closed by hand until")
    name = row.get_by_role("link", name="Technical advice", exact=True)
    assert await name.evaluate("each => each.getClientRects().length") == 1
    await row.locator(".standing").click()
    tag = floor.get_by_role("dialog").locator("header .tag")
    await expect(tag).to_have_text(re.compile(r"^Closed by hand until [A-Z][a-z]+ \d\d:\d\d$"))


async def test_all_who_wait_are_counted_and_found_however_many(floor: Page, service: Service) -> None:
    contacts = [await service.contact(**AT_HOME) for _ in range(52)]
    await expect(floor.locator("[data-count=contacts]")).to_have_text("52")
    await floor.get_by_role("button", name="Show 50 of 52").click()
    await floor.get_by_role("link", name="and 2 more waiting for Complaints").click()
    dialog = floor.get_by_role("dialog")
    await dialog.locator("summary", has_text="52").click()
    await expect(dialog.locator("[id^=waits-]")).to_have_count(52)
    await dialog.locator(f"#waits-{contacts[-1]}").get_by_role("link").click()
    await expect(dialog.get_by_role("heading", name=f"Call {contacts[-1]}")).to_be_visible()


async def test_who_does_not_lead_sees_a_queue_but_closes_nothing(browser: Browser, service: Service) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    await sign_in(page, service, "agent")
    await page.goto(f"{service.url}/queues/complaints")
    await expect(page.get_by_text("Callbacks for later")).to_be_visible()
    await expect(page.get_by_role("button", name="Close it")).to_have_count(0)
    await page.goto(f"{service.url}/queues/nobody")
    await expect(page.get_by_text("There is no team 'nobody'.")).to_be_visible()
    await context.close()
