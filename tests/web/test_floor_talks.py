"""What a lead does about conversations from the floor: ends them, passes them on, takes transfers back."""

from typing import Any

from playwright.async_api import Browser, Locator, Page, expect

from tests.web.conftest import live, sign_in_with
from tests.web.service import Service

ADA, VERA = "ada.abel", "vera.lind"  # an agent of the team complaints, and its lead
AT_HOME = {"menu": ["1"]}  # a call for complaints
PHONE = {"phone": "+442079460001"}


async def taken(service: Service, **values: Any) -> tuple[int, int]:
    """Post a contact that Ada Abel takes; return its id and that of the offer."""
    await service.presence(ADA)
    contact = await service.contact(**AT_HOME, **values)
    offer = (await service.get("lead", f"/v1/contacts/{contact}"))["offers"][0]["id"]
    await service.post("telephony", f"/v1/offers/{offer}/accept")
    return contact, offer


async def opened(floor: Page, contact: int) -> Locator:
    """Open a conversation from its agent; return the drawer once it shows it."""
    await floor.locator("#agent-ada\\.abel").get_by_role("link", name=f" {contact}").click()
    dialog = floor.get_by_role("dialog")
    await expect(dialog.get_by_role("heading", name=f" {contact}")).to_be_visible()
    return dialog


async def test_lead_takes_a_warm_transfer_back(floor: Page, service: Service) -> None:
    contact, _ = await taken(service)
    await service.post("telephony", f"/v1/contacts/{contact}/transfer", team="ordering", warm=True)
    row = floor.locator(f"#contact-{contact}")
    await expect(row.locator("[data-label=Now]")).to_contain_text("Ada Abel passes it on")
    await row.get_by_role("link", name="Why, act").click()
    dialog = floor.get_by_role("dialog")
    await expect(dialog).to_contain_text("Ada Abel is with the customer and passes the contact on")
    await dialog.get_by_role("button", name="Take back").click()
    await expect(dialog).to_contain_text("Ada Abel has been in conversation since")
    await expect(floor.get_by_role("status")).to_contain_text(f"Transfer of contact {contact} ended.")
    await expect(floor.locator(f"#contact-{contact}")).to_have_count(0)
    await expect(dialog.get_by_role("button", name="Take back")).to_have_count(0)


async def test_lead_passes_a_conversation_on_and_the_agent_stays_until_it_is_taken(
    floor: Page, service: Service
) -> None:
    contact, _ = await taken(service)
    dialog = await opened(floor, contact)
    await dialog.get_by_label("Pass on to").select_option(label="Ordering")
    await dialog.get_by_label("warm: Ada Abel stays").check()
    await dialog.get_by_role("button", name="Pass on").click()
    await expect(dialog).to_contain_text("Ada Abel is with the customer and passes the contact on")
    await expect(floor.locator(f"#contact-{contact} [data-label=Team]")).to_have_text("Ordering")


async def test_conversation_that_a_lead_ends_leaves_its_ticket_as_it_was(
    floor: Page, service: Service
) -> None:
    contact, _ = await taken(service)
    dialog = await opened(floor, contact)
    await dialog.get_by_role("button", name="End it").click()
    await expect(dialog.get_by_role("button", name="Finish the wrap-up of Ada Abel")).to_be_visible()
    ticket = (await service.get("lead", f"/v1/contacts/{contact}"))["ticket_id"]
    assert (await service.get("lead", f"/v1/tickets/{ticket}"))["state"] == "open"


async def test_lead_says_what_becomes_of_the_ticket_of_a_conversation(floor: Page, service: Service) -> None:
    contact, _ = await taken(service)
    dialog = await opened(floor, contact)
    await dialog.get_by_label("Its ticket is").select_option(label="resolved")
    await dialog.get_by_role("button", name="End it").click()
    await expect(floor.get_by_role("status")).to_contain_text(f"Conversation of contact {contact} ended.")
    await expect(dialog.get_by_label("State")).to_have_value("resolved")


async def test_lead_extends_and_ends_a_wrap_up(floor: Page, service: Service) -> None:
    contact, offer = await taken(service)
    await service.post("telephony", f"/v1/contacts/{contact}/complete")
    await floor.get_by_role("link", name="Ada Abel").click()
    dialog = floor.get_by_role("dialog")
    until = (await service.get("lead", "/v1/offers"))["items"][0]["wrap_up_until"]
    await dialog.get_by_role("button", name="Extend the wrap-up of Ada Abel").click()
    await expect(floor.get_by_role("status")).to_contain_text("Wrap-up of Ada Abel extended.")
    assert (await service.get("lead", "/v1/offers"))["items"][0]["wrap_up_until"] > until
    await dialog.get_by_role("button", name="Finish the wrap-up of Ada Abel").click()
    await expect(dialog.locator(f"#do-finish-{offer}")).to_have_count(0)
    await expect(floor.locator("[data-list=agents-idle]")).to_contain_text("Ada Abel")


async def test_waiting_caller_is_called_back_at_the_same_place(floor: Page, service: Service) -> None:
    contact = await service.contact(**AT_HOME, **{"from": PHONE})
    await floor.locator(f"#contact-{contact}").get_by_role("link", name="Why, act").click()
    await floor.get_by_role("button", name="Call back").click()
    await expect(floor.locator(f"#contact-{contact}")).to_have_count(0)
    row = floor.locator("[data-list=contacts] > tr")
    await expect(row).to_contain_text("Callback")
    await expect(row.locator("[data-label=Place]")).to_have_text("1")


async def test_callback_whose_customer_does_not_answer_is_tried_later(floor: Page, service: Service) -> None:
    contact, _ = await taken(service, channel="callback", **{"from": PHONE})
    dialog = await opened(floor, contact)
    await dialog.get_by_role("button", name="Try later").click()
    await expect(floor.get_by_role("status")).to_contain_text(f"Callback {contact} is tried again later.")
    await expect(floor.locator("#queue-complaints")).to_contain_text("1 for later")
    await expect(dialog.get_by_role("button", name="Try later")).to_have_count(0)


async def test_lead_gives_the_ticket_of_a_waiting_contact_to_somebody(floor: Page, service: Service) -> None:
    contact = await service.contact(**AT_HOME)
    await floor.locator(f"#contact-{contact}").get_by_role("link", name="Why, act").click()
    dialog = floor.get_by_role("dialog")
    await expect(dialog.get_by_label("Owner")).to_have_value(VERA)
    await dialog.get_by_label("Owner").select_option(label="Amir Brandt")
    await dialog.get_by_role("button", name="Give").click()
    await expect(floor.locator(f"#contact-{contact} [data-label=Owner]")).to_have_text("Amir Brandt")
    await expect(dialog).to_contain_text("answered for by Amir Brandt")


async def test_nobody_is_offered_a_contact_without_room_for_it(floor: Page, service: Service) -> None:
    await service.presence(ADA)
    chat = await service.contact(**AT_HOME, channel="chat")
    offer = (await service.get("lead", f"/v1/contacts/{chat}"))["offers"][0]["id"]
    await service.post("telephony", f"/v1/offers/{offer}/accept")
    call, second = await service.contact(menu=["2"]), await service.contact(menu=["2"], channel="chat")
    await floor.locator(f"#contact-{call}").get_by_role("link", name="Why, act").click()
    await expect(floor.get_by_label("Offer to agent")).to_be_disabled()
    await floor.get_by_role("button", name="Close").click()
    await floor.locator(f"#contact-{second}").get_by_role("link", name="Why, act").click()
    await expect(floor.get_by_label("Offer to agent")).to_contain_text("Ada Abel (other team)")


async def test_lead_who_is_an_agent_too_acts_for_others(browser: Browser, service: Service) -> None:
    contact, _ = await taken(service)
    key = await service.post("admin", "/v1/keys", name="vera", role="lead", agent=VERA)
    page = await (await browser.new_context()).new_page()
    await sign_in_with(page, service, key["id"])
    await live(page)
    dialog = await opened(page, contact)
    await dialog.get_by_role("button", name="End it").click()
    await expect(page.locator("[data-list=agents-wrap_up]")).to_contain_text("Ada Abel")
    await dialog.get_by_role("button", name="Close").click()
    await page.get_by_role("link", name="Ada Abel").click()
    await dialog.get_by_label("Presence").select_option("meal")
    await dialog.get_by_label("Because").fill("lunch with the team")
    await dialog.get_by_label("at once").check()
    await dialog.get_by_role("button", name="Set").click()
    await expect(dialog).to_contain_text("lunch with the team since")
    events = (await service.get("lead", f"/v1/contacts/{contact}/events"))["items"]
    assert VERA in [each["actor"] for each in events]
    await page.context.close()


async def test_who_saves_room_for_a_caller_is_told_with_the_caller_and_with_the_agent(
    floor: Page, service: Service
) -> None:
    await service.presence(ADA)
    chats = []
    for _ in range(3):
        contact = await service.contact(channel="chat", team="complaints")
        offer = (await service.get("lead", f"/v1/contacts/{contact}"))["offers"][0]["id"]
        await service.post("telephony", f"/v1/offers/{offer}/accept")
        chats.append((contact, offer))
    call = await service.contact(**AT_HOME)
    service.pass_time(600)
    first, offer = chats[0]
    await service.post("telephony", f"/v1/contacts/{first}/complete")
    if (await service.get("lead", f"/v1/contacts/{first}"))["state"] == "wrap_up":
        await service.post("telephony", f"/v1/offers/{offer}/finish-wrap-up")
    waiting = await service.contact(channel="chat", team="complaints")
    row = floor.locator(f"#contact-{call}")
    await row.get_by_role("link", name="Why, act").click()
    dialog = floor.get_by_role("dialog")
    await expect(dialog).to_contain_text("Ada Abel saves room for it and gets nothing smaller meanwhile.")
    await floor.goto(f"{service.url}/agents/{ADA}")
    await expect(floor.get_by_text("and gets nothing smaller meanwhile")).to_be_visible()
    await expect(floor.get_by_role("link", name=f"contact {call}")).to_be_visible()
    await floor.goto(f"{service.url}/contacts/{waiting}")
    await expect(floor.get_by_text(f"Ada Abel saves room for contact {call}").first).to_be_visible()
