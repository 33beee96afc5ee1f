"""A headless Chromium for the tests of the pages; they are skipped where there is none."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from tests.web.browser import FLAGS, find_chromium, watch_errors


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what uses the browser on the event loop that the browser is bound to."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)
            if pytest_asyncio.is_async_test(item):
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the Chromium to drive."""
    found = find_chromium()
    if found is None:
        pytest.skip("no Chromium: `make setup-dev` installs it as root, or set CHROMIUM to its path")
    return found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """One Chromium a worker."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page in a profile of its own. The test fails if the page logs an error or raises one."""
    context = await browser.new_context(locale="en-GB", timezone_id="UTC")
    context.set_default_timeout(10_000)
    page = await context.new_page()
    errors = watch_errors(page)
    yield page
    await context.close()
    assert errors == []
