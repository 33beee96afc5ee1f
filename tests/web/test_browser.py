"""The browser that the tests of the pages rely on."""

import pytest
from playwright.async_api import Browser, Page

from tests.web.browser import watch_errors


async def test_scripts_run_in_the_page(page: Page) -> None:
    await page.set_content("<button onclick=\"this.textContent = 'pressed'\">press</button>")
    await page.get_by_role("button").click()
    assert await page.get_by_role("button").text_content() == "pressed"


@pytest.mark.parametrize("script", ["missing()", "console.error('missing')"])
async def test_error_in_a_page_is_noticed(browser: Browser, script: str) -> None:
    page = await browser.new_page()
    errors = watch_errors(page)
    await page.set_content(f"<script>{script}</script>")
    assert len(errors) == 1
    assert "missing" in errors[0]
    await page.close()
