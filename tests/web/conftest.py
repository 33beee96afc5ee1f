"""A headless Chromium for the tests of the pages; they are skipped where there is none."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from app.db.migrate import migrate
from app.setting_up import set_up
from app.settings import Settings
from tests.app.planning_rig import MONDAY, import_history, run_to_end
from tests.web.browser import FLAGS, find_chromium, watch_errors
from tests.web.service import Service, serving

expect.set_options(timeout=15_000)  # machines that run the tests may be busy


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what uses the browser on the event loop that the browser is bound to."""
    here = Path(__file__).parent
    # Hazard: every conftest is given the items of the whole run, whichever folder they are in.
    for item in (each for each in items if each.path.is_relative_to(here)):
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)
            if pytest_asyncio.is_async_test(item):
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
        names = getattr(item, "fixturenames", [])
        for service in {"service", "planning"} & set(names):
            # Started first, it is stopped last: a page must not outlive the service it is connected to.
            names.remove(service)
            names.insert(0, service)
            if pytest_asyncio.is_async_test(item) and "browser" not in names:
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
    """A page in a profile of its own.

    The test fails if a page of the profile logs an error, raises one, breaks the content security policy
    (which is logged), or asks any other machine for anything.
    """
    context = await browser.new_context(locale="en-GB", timezone_id="UTC")
    context.set_default_timeout(20_000)
    hosts: set[str | None] = set()
    context.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
    errors: list[list[str]] = []
    context.on("page", lambda page: errors.append(watch_errors(page)))
    yield await context.new_page()
    await context.close()
    assert [error for each in errors for error in each] == []
    assert hosts <= {"127.0.0.1", None}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def furnished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A database with the ready organisation, to be copied, and the secret of a key for each role."""
    path = tmp_path_factory.mktemp("furnished") / "rondo.sqlite3"
    settings = Settings(database_url=f"sqlite:///{path}", worker="off", scheduler=False, log_level="error")
    migrate(settings.database_url)
    return path, await set_up(settings)


@pytest_asyncio.fixture(loop_scope="session")
async def service(furnished: tuple[Path, dict[str, str]], tmp_path: Path) -> AsyncIterator[Service]:
    """A running service with the ready organisation; all its agents are offline."""
    template, keys = furnished
    async with serving(copied(template, tmp_path), keys) as service:
        yield service


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def planned(
    furnished: tuple[Path, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, str]]:
    """The same with four weeks of history, a forecast and a draft roster of the week after them."""
    template, keys = furnished
    database = copied(template, tmp_path_factory.mktemp("planned"))
    async with serving(database, keys) as service, service.client("admin") as client, service.working():
        await import_history(client)
        week = MONDAY.isoformat()
        for kind, params in (("forecast", {"first_on": week, "weeks": 1}), ("roster", {"week": week})):
            limit = {"time_limit_s": 1.0} if kind == "roster" else {}
            run = await run_to_end(client, kind, **params, **limit)
            assert run["state"] == "done", run["error"]
    return database, keys


@pytest_asyncio.fixture(loop_scope="session")
async def planning(planned: tuple[Path, dict[str, str]], tmp_path: Path) -> AsyncIterator[Service]:
    """A running service in which the week of MONDAY is forecast and rostered."""
    template, keys = planned
    async with serving(copied(template, tmp_path), keys) as service:
        yield service


@pytest_asyncio.fixture(loop_scope="session")
async def floor(page: Page, service: Service) -> Page:
    """The floor as a signed-in lead sees it, live."""
    await sign_in(page, service, "lead")
    await live(page)
    return page


def copied(template: Path, folder: Path) -> Path:
    """Return a copy of a database, in a folder."""
    return Path(shutil.copy(template, folder / "rondo.sqlite3"))


async def sign_in(page: Page, service: Service, role: str) -> None:
    """Sign the browser in as a role and wait for its first page."""
    await page.goto(await service.link(role))
    await page.locator("header.top").wait_for()


async def live(page: Page) -> None:
    """Wait until the floor's page follows the floor; until then its links are links and open no drawer."""
    await page.locator("#pulse[data-state=live]").wait_for()


async def sign_in_with(page: Page, service: Service, key_id: str) -> None:
    """Sign the browser in as a key and wait for its first page."""
    await page.goto(f"{service.url}/sign-in?link={await service.house.keyring.sign_in_link(key_id)}")
    await page.locator("header.top").wait_for()


async def newest_plan(service: Service) -> dict[str, Any]:
    """Return the newest plan of the planned week, in full."""
    plans = await service.get("planner", f"/v1/plans?week={MONDAY}")
    return await service.get("planner", f"/v1/plans/{plans['items'][0]['id']}")
