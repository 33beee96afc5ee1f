"""The lead's floor in a real browser: live, usable, honest about a lost connection."""

import asyncio
import re
from datetime import UTC, datetime

import pytest
from playwright.async_api import Browser, Page, Route, expect

from app.web.board import coarse
from app.web.words import duration
from tests.web.conftest import live, sign_in
from tests.web.service import Service

FREE = ("ada.abel", "amir.brandt")  # both of the team complaints
PHONE = {"phone": "+442079460001"}
AT_HOME = {"menu": ["1"]}  # a call for complaints


async def test_posted_contact_appears_without_reload(floor: Page, service: Service) -> None:
    await expect(floor.get_by_text("Nobody waits.")).to_be_visible()
    contact = await service.contact(**AT_HOME, subject="Parcel arrived broken")
    row = floor.locator(f"#contact-{contact}")
    await expect(row).to_contain_text("Parcel arrived broken")
    await expect(row.locator("[data-label=Team]")).to_have_text("Complaints")
    await expect(row.locator("[data-label=Owner]")).to_have_text("Vera Lind")
    await expect(floor.locator("#queue-complaints [data-label=Waiting]")).to_have_text("1")
    await expect(floor.get_by_text("Nobody waits.")).to_be_hidden()


async def test_page_shows_the_floor_before_any_script_ran(browser: Browser, service: Service) -> None:
    contact = await service.contact(**AT_HOME)
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await sign_in(page, service, "lead")
    await expect(page.locator(f"#contact-{contact}")).to_be_visible()
    await context.close()


async def test_agent_who_takes_a_contact_turns_busy(floor: Page, service: Service) -> None:
    await service.presence(FREE[0])
    agent = floor.locator(f"[id='agent-{FREE[0]}']")
    await expect(floor.locator("[data-list=agents-idle]")).to_contain_text("Ada Abel")
    contact = await service.contact(**AT_HOME)
    await expect(floor.locator(f"#contact-{contact}")).to_contain_text("offered to Ada Abel")
    offer = (await service.get("lead", f"/v1/contacts/{contact}"))["offers"][0]["id"]
    await service.post("telephony", f"/v1/offers/{offer}/accept")
    await expect(floor.locator("[data-list=agents-busy]")).to_contain_text("Ada Abel")
    await expect(agent).to_contain_text(f"Call {contact}")
    await expect(floor.locator(f"#contact-{contact}")).to_have_count(0)
    await expect(floor.locator("#queue-complaints [data-label=Answered]")).to_have_text("1")


async def test_caller_who_hangs_up_counts_as_abandoned(floor: Page, service: Service) -> None:
    contact = await service.contact(**AT_HOME)
    await expect(floor.locator(f"#contact-{contact}")).to_be_visible()
    await service.post("telephony", f"/v1/contacts/{contact}/abandon")
    await expect(floor.locator(f"#contact-{contact}")).to_have_count(0)
    await expect(floor.locator("#queue-complaints [data-label=Abandoned]")).to_contain_text("1")


async def test_words_of_a_customer_are_shown_as_words(floor: Page, service: Service) -> None:
    words = "<img src=x onerror=\"document.title='caught'\"> & <b>bold</b>"
    contact = await service.contact(**AT_HOME, subject=words, **{"from": {"name": words}})
    row = floor.locator(f"#contact-{contact}")
    await expect(row).to_contain_text(words)
    await row.get_by_role("link", name="Why, act").click()
    await expect(floor.get_by_role("dialog")).to_contain_text(words)
    assert await floor.title() == "Floor – Rondo"


async def test_wait_runs_on_and_turns_late(floor: Page, service: Service) -> None:
    contact = await service.contact(**AT_HOME)
    wait = floor.locator(f"#contact-{contact} time")
    await expect(wait).to_have_text(re.compile("0:0[1-9]"))
    service.pass_time(25)
    await expect(wait).to_have_class(re.compile("late"))
    await expect(wait).to_have_text(re.compile("0:[2-5][0-9]"))


async def test_mail_turns_late_by_its_own_target_and_hides_no_call(floor: Page, service: Service) -> None:
    mail = await service.contact(menu=["1"], channel="email", subject="An old mail")
    service.pass_time(3600)
    call = await service.contact(**AT_HOME)
    longest = floor.locator("#queue-complaints [data-label=Longest] time")
    await expect(floor.locator(f"#contact-{mail} time")).to_have_text(re.compile("^1:00:"))
    await expect(floor.locator(f"#contact-{mail} time")).not_to_have_class(re.compile("late"))
    service.pass_time(25)
    await expect(floor.locator(f"#contact-{call} time")).to_have_class(re.compile("late"))
    whole = floor.locator("#sum time")
    await expect(whole).to_have_text(re.compile("^0:[2-5][0-9]"))
    await expect(whole).to_have_class(re.compile("late"))
    await expect(longest).to_have_text(re.compile("^0:[2-5][0-9]"))
    await expect(longest).to_have_class(re.compile("late"))


async def test_lead_frees_an_agent_whose_call_has_died(floor: Page, service: Service) -> None:
    await service.presence("ada.abel")
    contact = await service.contact(menu=["1"])
    offer = (await service.get("lead", f"/v1/contacts/{contact}"))["offers"][0]["id"]
    await service.post("telephony", f"/v1/offers/{offer}/accept")
    await floor.locator("#agent-ada\\.abel").get_by_role("link", name=f"Call {contact}").click()
    dialog = floor.get_by_role("dialog")
    await expect(dialog).to_contain_text("Ada Abel has been in conversation since")
    await dialog.get_by_role("button", name="End it").click()
    await expect(dialog).to_contain_text("Wrap-up")
    await expect(floor.locator("[data-list=agents-wrap_up]")).to_contain_text("Ada Abel")
    await expect(dialog.get_by_role("button", name="End it")).to_have_count(0)


async def test_callback_for_later_is_shown_with_its_team_until_its_time(
    floor: Page, service: Service
) -> None:
    at = datetime.fromtimestamp(service.house.clock.now() + 1800.0, UTC).isoformat()
    later = await service.contact(**AT_HOME, channel="callback", scheduled_at=at, **{"from": PHONE})
    queue = floor.locator("#queue-complaints")
    await expect(queue).to_contain_text("1 for later")
    await queue.get_by_role("link", name=f"callback {later}").click()
    await expect(floor.get_by_role("dialog")).to_contain_text("It waits for its time, in 30 min.")
    await floor.get_by_role("button", name="Close").click()
    service.pass_time(1801)
    await expect(floor.locator(f"#contact-{later}")).to_contain_text("Callback")
    await expect(queue).not_to_contain_text("for later")


async def test_lead_moves_a_contact_by_clicking(floor: Page, service: Service) -> None:
    contact = await service.contact(**AT_HOME)
    await floor.locator(f"#contact-{contact}").get_by_role("link", name="Why, act").click()
    await floor.get_by_label("Move to team").select_option(label="Ordering")
    await floor.get_by_role("button", name="Move").click()
    await expect(floor.locator(f"#contact-{contact} [data-label=Team]")).to_have_text("Ordering")
    await expect(floor.get_by_role("status")).to_contain_text(f"Contact {contact} moved.")
    await expect(floor.get_by_role("dialog")).to_contain_text("Complaints: waited")


async def test_lead_changes_the_priority_by_clicking(floor: Page, service: Service) -> None:
    first, second = await service.contact(**AT_HOME), await service.contact(**AT_HOME)
    rows = floor.locator("[data-list=contacts] > tr")
    await expect(rows).to_have_count(2)
    await floor.locator(f"#contact-{second}").get_by_role("link", name="Why, act").click()
    await floor.get_by_label("Priority").select_option("5")
    await floor.get_by_role("button", name="Change").click()
    await expect(floor.locator(f"#contact-{second} [data-label=Priority]")).to_have_text("5")
    assert [await row.get_attribute("id") for row in await rows.all()] == [
        f"contact-{second}",
        f"contact-{first}",
    ]


async def test_lead_offers_a_contact_to_an_agent_by_clicking(floor: Page, service: Service) -> None:
    contact = await service.contact(menu=["2"])
    await service.presence(FREE[1])
    await floor.locator(f"#contact-{contact}").get_by_role("link", name="Why, act").click()
    await floor.get_by_label("Offer to agent").select_option(label="Amir Brandt (other team)")
    await floor.get_by_role("button", name="Offer").click()
    await expect(floor.locator(f"#contact-{contact}")).to_contain_text("offered to Amir Brandt")


async def test_refused_action_says_why(browser: Browser, service: Service) -> None:
    contact = await service.contact(**AT_HOME)
    page = await browser.new_page()  # its own, as browsers log what is refused
    await sign_in(page, service, "lead")
    await live(page)
    elsewhere = f"{service.url}/v1/contacts/999999/move"  # the page itself is kept right by the live floor
    await page.route("**/move", lambda route: route.continue_(url=elsewhere))
    await page.locator(f"#contact-{contact}").get_by_role("link", name="Why, act").click()
    await page.get_by_label("Move to team").select_option(label="Ordering")
    await page.get_by_role("button", name="Move").click()
    await expect(page.get_by_role("alert").filter(has_text="999999")).to_be_visible()
    await page.close()


async def test_agent_sees_the_floor_without_a_leads_actions(page: Page, service: Service) -> None:
    contact = await service.contact(**AT_HOME)
    await sign_in(page, service, "agent")
    await live(page)
    await page.locator(f"#contact-{contact}").get_by_role("link", name="Why, act").click()
    await expect(page.get_by_role("dialog")).to_contain_text("choice 1 of the menu: complaint")
    await expect(page.get_by_role("button", name="Move")).to_have_count(0)


async def test_team_chosen_stays_over_reload_and_new_contacts(floor: Page, service: Service) -> None:
    mine = await service.contact(**AT_HOME)
    await floor.get_by_role("navigation", name="Team").get_by_text("Complaints").click()
    await floor.reload()
    other, next_mine = await service.contact(menu=["2"]), await service.contact(**AT_HOME)
    await expect(floor.locator(f"#contact-{next_mine}")).to_be_visible()
    await expect(floor.locator(f"#contact-{mine}")).to_be_visible()
    await expect(floor.locator(f"#contact-{other}")).to_be_hidden()


async def test_all_tabs_of_a_browser_share_one_stream(floor: Page, service: Service) -> None:
    tabs = [floor]
    for _ in range(7):
        tabs.append(await floor.context.new_page())
        await tabs[-1].goto(service.url)
    contact = await service.contact(**AT_HOME)
    for tab in tabs:
        await expect(tab.locator(f"#contact-{contact}")).to_be_visible()
    assert service.streams_ever == 1


async def test_page_is_live_where_there_are_no_shared_workers(page: Page, service: Service) -> None:
    await page.add_init_script("delete window.SharedWorker")
    await sign_in(page, service, "lead")
    contact = await service.contact(**AT_HOME)
    await expect(page.locator(f"#contact-{contact}")).to_be_visible()


async def test_page_resumes_after_the_service_was_away(browser: Browser, service: Service) -> None:
    page = await browser.new_page()  # its own, as browsers log failed connections
    await sign_in(page, service, "lead")
    before = await service.contact(**AT_HOME)
    await expect(page.locator(f"#contact-{before}")).to_be_visible()
    await service.stop()
    await expect(page.locator("#stale")).to_contain_text("No connection since")
    await service.start()
    after = await service.contact(**AT_HOME)
    await service.post("telephony", f"/v1/contacts/{before}/abandon")
    await expect(page.locator(f"#contact-{after}")).to_be_visible()
    await expect(page.locator(f"#contact-{before}")).to_have_count(0)
    await expect(page.locator("#stale")).to_be_hidden()
    await page.close()


async def test_other_tabs_ask_to_sign_in_once_signed_out(floor: Page, service: Service) -> None:
    other = await floor.context.new_page()
    await other.goto(service.url)
    await expect(other.locator("#pulse")).to_contain_text("live")
    await floor.get_by_role("button", name="Sign out").click()
    await expect(floor.get_by_label("API key")).to_be_visible()
    await service.contact(**AT_HOME)
    await expect(other.get_by_label("API key")).to_be_visible()


async def test_no_stream_is_left_open_when_the_last_tab_closes(floor: Page, service: Service) -> None:
    await expect(floor.locator("#pulse")).to_contain_text("live")
    assert service.streams == 1
    keep = await floor.context.new_page()
    await floor.close()
    await keep.goto("about:blank")
    await asyncio.wait_for(service.no_streams.wait(), 10)


async def test_contact_has_a_page_of_its_own(floor: Page, service: Service) -> None:
    contact = await service.contact(**AT_HOME, text="It came in two halves.")
    await floor.goto(f"{service.url}/contacts/{contact}")
    await expect(floor.get_by_role("heading", name=f"Call {contact}")).to_be_visible()
    await expect(floor.locator("main")).to_contain_text("choice 1 of the menu: complaint")
    await expect(floor.locator("main")).to_contain_text("It came in two halves.")


async def test_rows_beyond_the_first_twenty_open_on_demand(floor: Page, service: Service) -> None:
    contacts = [await service.contact(**AT_HOME) for _ in range(22)]
    await expect(floor.get_by_role("button", name="Show all 22")).to_be_visible()
    await expect(floor.locator(f"#contact-{contacts[-1]}")).to_be_hidden()
    await floor.get_by_role("button", name="Show all 22").click()
    await expect(floor.locator(f"#contact-{contacts[-1]}")).to_be_visible()


@pytest.mark.parametrize("width", [360, 768, 1280])
async def test_floor_never_scrolls_sideways(floor: Page, service: Service, width: int) -> None:
    contact = await service.contact(menu=["2"], subject="x" * 200, text="the router shows an error")
    await floor.set_viewport_size({"width": width, "height": 800})
    await floor.locator(f"#contact-{contact}").get_by_role("link", name="Why, act").click()
    await expect(floor.get_by_role("dialog")).to_be_visible()
    assert await floor.evaluate("document.documentElement.scrollWidth") <= width
    assert await floor.evaluate("document.querySelector('dialog').scrollWidth") <= width


@pytest.mark.parametrize("width", [360, 768, 1100, 1400])
async def test_figures_of_the_whole_floor_fill_their_last_row(floor: Page, width: int) -> None:
    await floor.set_viewport_size({"width": width, "height": 800})
    script = "each => each.getBoundingClientRect().right"
    whole = await floor.locator("#sum").evaluate(script)
    assert whole - await floor.locator("#sum > div").last.evaluate(script) <= 2
    assert await floor.evaluate("document.documentElement.scrollWidth") <= width


async def test_scripts_and_service_write_durations_alike(floor: Page) -> None:
    seconds = [0, 0.9, 59.99, 60, 3599, 3600, 86_399, 172_799, 172_800, 1e6, -5]
    script = """async seconds => {
        const src = document.querySelector('script[type=module]').src;
        const { duration } = await import(src.replace(/[^/]+$/, 'clock.js'));
        return seconds.map(duration);
    }"""
    assert await floor.evaluate(script, seconds) == [duration(each) for each in seconds]


async def test_choice_of_a_lead_stays_while_the_floor_changes(floor: Page, service: Service) -> None:
    contact = await service.contact(menu=["2"])
    await service.presence(FREE[1])
    await floor.locator(f"#contact-{contact}").get_by_role("link", name="Why, act").click()
    agents = floor.get_by_label("Offer to agent")
    await agents.select_option(label="Amir Brandt (other team)")
    await service.presence(FREE[0])
    await service.post("lead", f"/v1/contacts/{contact}/priority", priority=4)
    await expect(floor.locator(".facts")).to_contain_text("Priority 4", use_inner_text=True)
    assert await agents.input_value() == FREE[1]


async def test_nothing_is_sent_before_a_lead_has_chosen(floor: Page, service: Service) -> None:
    contact = await service.contact(menu=["2"])
    await service.presence(FREE[1])
    await floor.locator(f"#contact-{contact}").get_by_role("link", name="Why, act").click()
    for label, button in (("Move to team", "Move"), ("Offer to agent", "Offer")):
        await expect(floor.get_by_label(label)).to_have_value("")
        await floor.get_by_role("button", name=button).click()
        assert await floor.get_by_label(label).evaluate("list => !list.checkValidity()")
    assert (await service.get("lead", f"/v1/contacts/{contact}"))["state"] == "queued"


async def test_what_was_held_back_while_choosing_is_shown_afterwards(floor: Page, service: Service) -> None:
    contact = await service.contact(menu=["2"])
    await floor.locator(f"#contact-{contact}").get_by_role("link", name="Why, act").click()
    await floor.get_by_label("Move to team").focus()
    async with floor.expect_response("**/contacts/*?part"):
        await service.post("lead", f"/v1/contacts/{contact}/priority", priority=4)
    await expect(floor.locator(".facts")).to_contain_text("Priority 0", use_inner_text=True)
    await floor.get_by_role("button", name="Close").focus()
    await expect(floor.locator(".facts")).to_contain_text("Priority 4", use_inner_text=True)
    await expect(floor.get_by_label("Priority")).to_have_value("4")


async def test_priority_shown_follows_another_lead_after_a_change(floor: Page, service: Service) -> None:
    contact = await service.contact(**AT_HOME)
    await floor.locator(f"#contact-{contact}").get_by_role("link", name="Why, act").click()
    await floor.get_by_label("Priority").select_option("5")
    await floor.get_by_role("button", name="Change").click()
    await expect(floor.locator(".facts")).to_contain_text("Priority 5", use_inner_text=True)
    await floor.get_by_role("button", name="Close").focus()
    await service.post("lead", f"/v1/contacts/{contact}/priority", priority=2)
    await expect(floor.get_by_label("Priority")).to_have_value("2")


async def test_slow_answer_does_not_undo_a_later_one(floor: Page, service: Service) -> None:
    first, second = await service.contact(**AT_HOME), await service.contact(**AT_HOME)
    held, release = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        held.set()
        await release.wait()
        await route.continue_()

    await floor.route(f"**/contacts/{first}?part", hold)
    await floor.locator(f"#contact-{first}").get_by_role("link", name="Why, act").click()
    await held.wait()
    await floor.locator(f"#contact-{second}").get_by_role("link", name="Why, act").click()
    release.set()
    await expect(floor.get_by_role("dialog")).to_contain_text(f"Call {second}")
    await expect(floor.get_by_role("dialog")).not_to_contain_text(f"Call {first}")


async def test_elements_with_an_id_stay_what_they_are_when_one_before_them_goes(floor: Page) -> None:
    script = """async () => {
        const src = document.querySelector('script[type=module]').src;
        const { morph } = await import(src.replace(/[^/]+$/, 'patch.js'));
        const list = (...ids) => {
            const found = document.createElement('ul');
            found.innerHTML = ids.map(id => `<li id="${id}"><button>${id}</button></li>`).join(' ');
            return found;
        };
        const present = list('a', 'b', 'c');
        const last = present.lastElementChild;
        morph(present, list('c', 'x', 'b'));
        return [present.textContent, present.firstElementChild === last, last.textContent];
    }"""
    assert await floor.evaluate(script) == ["c x b", True, "c"]


async def test_median_and_ninth_tenth_of_the_waits_stand_beside_the_mean(
    floor: Page, service: Service
) -> None:
    await service.presence(FREE[0])
    contact = await service.contact(**AT_HOME)
    offer = (await service.get("lead", f"/v1/contacts/{contact}"))["offers"][0]["id"]
    await service.post("telephony", f"/v1/offers/{offer}/accept")
    row = floor.locator("#queue-complaints")
    await expect(row.locator("[data-label=Answered]")).to_have_text("1")
    queues = (await service.get("lead", "/v1/queues"))["items"]
    today = next(each["today"] for each in queues if each["team"] == "complaints")
    await expect(row.locator("[data-label=Median]")).to_have_text(duration(today["wait_p50_s"]))
    await expect(row.locator("[data-label='90 % within']")).to_have_text(duration(today["wait_p90_s"]))


async def test_waiting_contact_shows_the_wait_to_expect_and_its_interval(
    floor: Page, service: Service
) -> None:
    await service.presence(FREE[0])
    await service.contact(**AT_HOME)
    contact = await service.contact(**AT_HOME)
    expected = floor.locator(f"#contact-{contact} [data-label=Expected]")
    await expect(expected).to_have_text(re.compile(r"^\d[\d:]*\d+:\d\d–\d[\d:]*$"))


async def test_contact_says_that_nothing_is_foretold_while_nobody_is_there(
    floor: Page, service: Service
) -> None:
    contact = await service.contact(**AT_HOME)
    await expect(floor.locator(f"#contact-{contact} [data-label=Expected]")).to_have_text("–")
    await floor.get_by_role("link", name=f"Call {contact}").click()
    await expect(floor.get_by_text("can't be foretold")).to_be_visible()


async def test_agent_opens_beside_the_floor_and_is_sent_on_a_break(floor: Page, service: Service) -> None:
    await service.presence(FREE[0])
    contact = await service.contact(**AT_HOME)
    await floor.get_by_role("link", name="Ada Abel").click()
    drawer = floor.locator("#drawer")
    await expect(drawer).to_contain_text(f"Call {contact}, rings")
    await expect(drawer).to_contain_text("100 of 100 used")
    await drawer.get_by_label("Presence").select_option("break")
    await drawer.get_by_role("button", name="Set").click()
    await expect(floor.locator("[data-list=agents-away]")).to_contain_text("Ada Abel")
    await expect(drawer).to_contain_text("Break since")


async def test_agent_is_drained_from_the_floor(floor: Page, service: Service) -> None:
    await service.presence(FREE[0])
    await floor.get_by_role("link", name="Ada Abel").click()
    await floor.get_by_role("button", name="Drain").click()
    await expect(floor.locator("[data-list=agents-offline]")).to_contain_text("Ada Abel")


async def test_contact_that_rings_shows_no_wait_to_expect(floor: Page, service: Service) -> None:
    await service.presence(FREE[0])
    contact = await service.contact(**AT_HOME)
    await expect(floor.locator(f"#contact-{contact} [data-label=Expected]")).to_have_text("–")


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, 0), (7.4, 5), (58, 60), (100, 105), (299, 300), (310, 300), (620, 600)]
)
def test_wait_to_expect_is_told_in_coarse_steps(seconds: float, shown: int) -> None:
    assert coarse(seconds) == shown
