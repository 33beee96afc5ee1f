"""What every page shares: its frame, and what is said where there is none."""

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from tests.web.conftest import sign_in
from tests.web.service import Service

HTML = {"accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}


async def test_browser_that_asks_for_nothing_gets_a_page(browser: Browser, service: Service) -> None:
    page = await browser.new_page()  # its own, as browsers log what is not found
    await sign_in(page, service, "lead")
    answer = await page.goto(f"{service.url}/no/such/page")
    assert answer is not None
    assert answer.status == 404
    await expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    await page.get_by_role("main").get_by_role("link", name="Floor").click()
    await expect(page.locator("#queues-title")).to_be_visible()
    await page.close()


@pytest.mark.parametrize(
    ("path", "accept", "kind"),
    [
        ("/no/such/page", HTML["accept"], "text/html; charset=utf-8"),
        ("/no/such/page", "*/*", "application/problem+json"),
        ("/v1/no/such/thing", HTML["accept"], "application/problem+json"),
    ],
)
async def test_what_is_missing_is_said_as_it_was_asked_for(
    service: Service, path: str, accept: str, kind: str
) -> None:
    async with httpx.AsyncClient(base_url=service.url, timeout=30) as client:
        answer = await client.get(path, headers={"accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (404, kind)


@pytest.mark.parametrize(
    "path",
    [
        "/contacts/٣",
        "/contacts/-1",
        "/contacts/" + "9" * 40,
        "/contacts/%00",
        "/agents/%3Cscript%3E",
        "/agents/%00",
    ],
)
async def test_hostile_id_gets_a_page_that_says_there_is_none(service: Service, path: str) -> None:
    await service.contact()
    async with service.client("lead") as client:
        answer = await client.get(path, headers={"accept": HTML["accept"]})
    assert answer.status_code == 404
    assert "<script>alert" not in answer.text
    assert "<script>" not in answer.text.partition("<main")[2].partition("</main>")[0]


async def test_parts_of_planning_can_be_reached_from_each_other(page: Page, planning: Service) -> None:
    await sign_in(page, planning, "planner")
    parts = page.get_by_role("navigation", name="Planning")
    for name in ("What if", "Shifts", "People", "Terms", "Week"):
        await parts.get_by_role("link", name=name).click()
        await expect(parts.get_by_role("link", name=name)).to_have_attribute("aria-current", "page")
