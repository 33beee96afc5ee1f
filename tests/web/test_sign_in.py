"""Signing in and out in a real browser, and what keeps others out."""

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from tests.web.conftest import sign_in
from tests.web.service import Service


async def test_key_signs_a_browser_in(page: Page, service: Service) -> None:
    await page.goto(service.url)
    await page.get_by_label("API key").fill(service.keys["lead"])
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Queues")).to_be_visible()


async def test_page_asked_for_comes_after_signing_in(page: Page, service: Service) -> None:
    await page.goto(f"{service.url}/?team=ordering")
    await page.get_by_label("API key").fill(service.keys["lead"])
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(f"{service.url}/?team=ordering")


async def test_wrong_key_is_refused_with_a_reason(browser: Browser, service: Service) -> None:
    page = await browser.new_page()
    await page.goto(f"{service.url}/sign-in")
    await page.get_by_label("API key").fill("rondo_wrong")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("not valid")
    await page.close()


async def test_link_signs_a_browser_in_once(page: Page, service: Service) -> None:
    link = await service.link("lead")
    await page.goto(link)
    await expect(page.get_by_role("heading", name="Queues")).to_be_visible()
    async with httpx.AsyncClient(timeout=30) as other:
        assert (await other.get(link)).status_code == 401


async def test_used_link_leads_on_where_it_signed_in(page: Page, service: Service) -> None:
    link = await service.link("lead")
    await page.goto(link)
    await page.locator("header.top").wait_for()
    await page.goto(link)
    await expect(page.get_by_role("heading", name="Queues")).to_be_visible()


@pytest.mark.parametrize("already", [False, True])
async def test_link_from_another_site_arrives_signed_in(page: Page, service: Service, already: bool) -> None:
    target = await service.link("lead")
    if already:
        await sign_in(page, service, "lead")
        target = f"{service.url}/?team=ordering"
    await page.goto("about:blank")
    await page.set_content(f'<a href="{target}">go</a>')
    await page.get_by_text("go").click()
    await expect(page.get_by_role("heading", name="Queues")).to_be_visible()


async def test_session_can_be_read_by_no_script_and_goes_to_no_other_site(
    page: Page, service: Service
) -> None:
    await sign_in(page, service, "lead")
    cookie = next(each for each in await page.context.cookies() if each["name"] == "rondo_session")
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["secure"]) == (True, "Strict", False)


async def test_sign_out_ends_the_session_in_the_service(page: Page, service: Service) -> None:
    await sign_in(page, service, "lead")
    session = {each["name"]: each["value"] for each in await page.context.cookies()}
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("API key")).to_be_visible()
    async with httpx.AsyncClient(cookies=session, timeout=30) as thief:
        assert (await thief.get(f"{service.url}/live/who")).status_code == 401


async def test_missing_scope_is_said_on_the_page(service: Service) -> None:
    async with service.client("planner") as client:
        answer = await client.get("/contacts/1")
    assert answer.status_code == 403
    assert "contacts:read" in answer.text


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
async def test_form_of_another_site_is_refused(service: Service, path: str) -> None:
    async with httpx.AsyncClient(timeout=30) as client:
        answer = await client.post(service.url + path, headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "target", ["//evil.example", "/\\evil.example", "https://evil.example", "evil", "/a\nb"]
)
async def test_signing_in_leads_to_no_other_site(service: Service, target: str) -> None:
    async with httpx.AsyncClient(timeout=30) as client:
        answer = await client.get(f"{service.url}/sign-in", params={"next": target})
    assert 'name="next" value="/"' in answer.text


async def test_link_is_not_used_up_by_a_browser_that_looks_ahead(service: Service) -> None:
    link = await service.link("lead")
    async with httpx.AsyncClient(timeout=30) as client:
        await client.get(link, headers={"Sec-Purpose": "prefetch;prerender"})
        assert (await client.get(link)).status_code == 200
