"""What a lead may take back or end from the floor: offers that ring, contacts nobody serves any more."""

import re
from datetime import UTC, datetime
from typing import Any

from playwright.async_api import Browser, Dialog, Page, Route, expect

from tests.web.conftest import live, sign_in, sign_in_with
from tests.web.service import Service

ADA = "ada.abel"  # of the team complaints
PHONE = {"phone": "+442079460001"}
AT_HOME = {"menu": ["1"]}  # a call for complaints


async def offered(service: Service, **values: Any) -> tuple[int, int]:
    """Post a contact that rings at Ada Abel; return its id and that of the offer."""
    await service.presence(ADA)
    contact = await service.contact(**AT_HOME, **values)
    return contact, (await service.get("lead", f"/v1/contacts/{contact}"))["offers"][0]["id"]


async def test_lead_takes_an_offer_back_and_it_counts_against_nobody(floor: Page, service: Service) -> None:
    contact, _ = await offered(service)
    await floor.locator(f"#contact-{contact}").get_by_role("link", name="Why, act").click()
    dialog = floor.get_by_role("dialog")
    await expect(dialog).to_contain_text("Rings at Ada Abel")
    await dialog.get_by_role("button", name="Take back the offer from Ada Abel").click()
    await expect(floor.get_by_role("status")).to_contain_text("Offer taken back from Ada Abel.")
    await expect(dialog).not_to_contain_text("Rings at Ada Abel")
    await expect(floor.locator(f"#contact-{contact} [data-label=Now]")).to_have_text("own team")
    await expect(floor.locator("[data-list=agents-idle]")).to_contain_text("Ada Abel")
    asked = (await service.get("lead", f"/v1/agents/{ADA}"))["asked"]
    assert (asked["made"], asked["declined"], asked["unanswered"]) == (1, 0, 0)


async def test_lead_takes_back_what_rings_at_an_agent(floor: Page, service: Service) -> None:
    contact, _ = await offered(service)
    await floor.get_by_role("link", name="Ada Abel").click()
    await expect(floor.get_by_role("dialog")).to_contain_text(f"Call {contact} rings")
    await floor.get_by_role("button", name="Take back the offer from Ada Abel").click()
    await expect(floor.locator(f"#contact-{contact} [data-label=Now]")).to_have_text("own team")
    await expect(floor.get_by_role("button", name="Take back the offer")).to_have_count(0)


async def test_offer_that_was_answered_meanwhile_is_not_taken_back_and_says_why(
    browser: Browser, service: Service
) -> None:
    contact, offer = await offered(service)
    page = await browser.new_page()  # its own, as browsers log what is refused
    await sign_in(page, service, "lead")
    await live(page)
    await page.locator(f"#contact-{contact}").get_by_role("link", name="Why, act").click()

    async def late(route: Route) -> None:
        await service.post("telephony", f"/v1/offers/{offer}/accept")
        await route.continue_()

    await page.route("**/revoke", late)
    await page.get_by_role("button", name="Take back the offer").click()
    await expect(page.get_by_role("alert").filter(has_text="is not pending any more")).to_be_visible()
    await expect(page.get_by_role("dialog")).to_contain_text("Ada Abel has been in conversation since")
    await page.close()


async def test_lead_cancels_a_waiting_contact_by_keyboard_after_a_question(
    floor: Page, service: Service
) -> None:
    contact = await service.contact(**AT_HOME)
    asked: list[str] = []

    async def agree(dialog: Dialog) -> None:
        asked.append(dialog.message)
        await (dialog.accept() if len(asked) > 1 else dialog.dismiss())

    floor.on("dialog", agree)
    await floor.locator(f"#contact-{contact}").get_by_role("link", name="Why, act").focus()
    await floor.keyboard.press("Enter")
    await floor.get_by_label("Cancel, because").focus()
    await floor.keyboard.type("called the shop instead")
    await floor.keyboard.press("Enter")
    await expect(floor.get_by_label("Cancel, because")).to_have_value("called the shop instead")
    assert (await service.get("lead", f"/v1/contacts/{contact}"))["state"] == "queued"
    await floor.keyboard.press("Tab")
    await floor.keyboard.press("Enter")
    await expect(floor.get_by_role("status")).to_contain_text(f"Call {contact} cancelled.")
    await expect(floor.get_by_role("dialog")).to_contain_text(
        "It ended as cancelled: called the shop instead."
    )
    await expect(floor.locator(f"#contact-{contact}")).to_have_count(0)
    await expect(floor.get_by_role("button", name="Close")).to_be_focused()
    assert len(asked) == 2
    assert "can't be undone" in asked[0]
    assert "Its ticket stays with Vera Lind." in asked[0]


async def test_lead_cancels_a_callback_for_later(floor: Page, service: Service) -> None:
    at = datetime.fromtimestamp(service.house.clock.now() + 1800.0, UTC).isoformat()
    later = await service.contact(**AT_HOME, channel="callback", scheduled_at=at, **{"from": PHONE})
    floor.on("dialog", lambda dialog: dialog.accept())
    await floor.get_by_role("link", name=f"callback {later}").click()
    await expect(floor.get_by_role("button", name="Move")).to_have_count(0)
    await floor.get_by_role("button", name="Cancel it").click()
    await expect(floor.get_by_role("dialog")).to_contain_text("It ended as cancelled.")
    await expect(floor.locator("#queue-complaints")).not_to_contain_text("for later")
    assert (await service.get("lead", f"/v1/contacts/{later}"))["state"] == "cancelled"


async def test_contact_being_passed_on_with_an_agent_on_it_can_not_be_cancelled(
    floor: Page, service: Service
) -> None:
    contact, offer = await offered(service)
    await service.post("telephony", f"/v1/offers/{offer}/accept")
    await service.post("telephony", f"/v1/contacts/{contact}/transfer", team="ordering", warm=True)
    await floor.locator(f"#contact-{contact}").get_by_role("link", name="Why, act").click()
    await expect(floor.get_by_role("dialog")).to_contain_text("Ada Abel is still with the customer")
    await expect(floor.get_by_role("button", name="Cancel it")).to_be_disabled()


async def test_moves_that_a_key_may_not_make_are_disabled_or_not_there(
    browser: Browser, service: Service
) -> None:
    contact, _ = await offered(service)
    for scopes, take_back, cancel in (
        ("floor:lead", 1, "disabled"),
        ("contacts:write", 0, "enabled"),
        ("offers:write", 0, "absent"),
    ):
        key = await service.post(
            "admin", "/v1/keys", name=scopes, scopes=f"contacts:read queues:read agents:read {scopes}".split()
        )
        context = await browser.new_context()
        page = await context.new_page()
        await sign_in_with(page, service, key["id"])
        await page.goto(f"{service.url}/contacts/{contact}")
        await expect(page.get_by_role("heading", name=f"Call {contact}")).to_be_visible()
        await expect(page.get_by_role("button", name="Take back the offer")).to_have_count(take_back)
        button = page.get_by_role("button", name="Cancel it")
        if cancel == "absent":
            await expect(button).to_have_count(0)
        else:
            await expect(button).to_be_enabled(enabled=cancel == "enabled")
        await context.close()


async def test_conversation_shown_follows_what_becomes_of_it(floor: Page, service: Service) -> None:
    contact, offer = await offered(service)
    await service.post("telephony", f"/v1/offers/{offer}/accept")
    await floor.locator("#agent-ada\\.abel").get_by_role("link", name=f"Call {contact}").click()
    dialog = floor.get_by_role("dialog")
    await expect(dialog.get_by_role("button", name="End it")).to_be_visible()
    await service.post("telephony", f"/v1/contacts/{contact}/complete")
    await expect(dialog.get_by_role("button", name="End it")).to_have_count(0)
    await service.post("telephony", f"/v1/offers/{offer}/finish-wrap-up")
    await expect(dialog).to_contain_text("Completed")


async def test_move_begun_does_not_turn_into_another_when_the_contact_is_taken(
    floor: Page, service: Service
) -> None:
    contact, offer = await offered(service)
    await floor.locator(f"#contact-{contact}").get_by_role("link", name="Why, act").click()
    dialog = floor.get_by_role("dialog")
    await dialog.get_by_label("Move to team").select_option(label="Ordering")
    move = await dialog.get_by_role("button", name="Move").element_handle()
    await dialog.get_by_role("button", name="Move").focus()
    await service.post("telephony", f"/v1/offers/{offer}/accept")
    await expect(dialog.get_by_role("button", name="End it")).to_be_visible()
    await expect(dialog.get_by_role("button", name="Move")).to_have_count(0)
    assert move is not None
    assert await move.evaluate("button => !button.isConnected && button.textContent === 'Move'")


async def test_reason_being_typed_keeps_the_focus_when_the_offer_beside_it_ends(
    floor: Page, service: Service
) -> None:
    contact, offer = await offered(service)
    await floor.locator(f"#contact-{contact}").get_by_role("link", name="Why, act").click()
    reason = floor.get_by_label("Cancel, because")
    await reason.focus()
    await floor.keyboard.type("asked ")
    await service.post("telephony", f"/v1/offers/{offer}/decline")
    await expect(floor.get_by_role("button", name="Take back the offer")).to_have_count(0)
    await floor.keyboard.type("twice")
    await expect(reason).to_have_value("asked twice")


IN_FRONT = """each => {
    const { x, y } = each.getBoundingClientRect();
    return each.contains(document.elementFromPoint(x + 5, y + 5));
}"""


async def test_two_leads_at_once_the_second_sees_what_the_first_did_and_why_it_is_refused(
    browser: Browser, service: Service
) -> None:
    contact = await service.contact(**AT_HOME)
    page = await (await browser.new_context()).new_page()  # its own, as browsers log what is refused
    await sign_in(page, service, "lead")
    await live(page)
    await page.locator(f"#contact-{contact}").get_by_role("link", name="Why, act").click()
    await page.get_by_label("Move to team").select_option(label="Ordering")
    await service.post("admin", f"/v1/contacts/{contact}/move", team="ordering")
    await expect(page.get_by_role("dialog")).to_contain_text("It went to Ordering (moved).")
    await page.get_by_role("button", name="Move").click()
    refused = page.get_by_role("alert").filter(has_text="waits for that team already")
    await expect(refused).to_be_visible()
    assert await refused.evaluate(IN_FRONT)
    await page.get_by_role("button", name="Close").click()
    await expect(refused).to_be_visible()
    await page.context.close()


async def test_drawer_says_that_the_connection_is_lost_and_a_move_then_is_not_told_as_done(
    browser: Browser, service: Service
) -> None:
    contact = await service.contact(**AT_HOME)
    page = await (await browser.new_context()).new_page()  # its own, as browsers log failed connections
    await sign_in(page, service, "lead")
    await live(page)
    await page.locator(f"#contact-{contact}").get_by_role("link", name="Why, act").click()
    drawer = page.locator("#drawer")
    await expect(drawer.get_by_role("button", name="Change")).to_be_visible()
    await service.stop()
    await expect(drawer).to_have_attribute("data-stale", re.compile("No connection since"))
    await drawer.get_by_role("button", name="Change").click()
    unanswered = page.get_by_role("alert").filter(has_text="The service does not answer.")
    await expect(unanswered).to_be_visible()
    assert await unanswered.evaluate(IN_FRONT)
    await service.start()
    await expect(drawer).not_to_have_attribute("data-stale", re.compile(""))
    await page.context.close()
