"""What it takes to drive a Chromium that is already on the machine."""

import os
import shutil

from playwright.async_api import ConsoleMessage, Page

FLAGS = [
    "--no-sandbox",  # containers lack what the sandbox needs
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


def find_chromium() -> str | None:
    """Return the path of the Chromium to drive: $CHROMIUM, or what the path offers."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


def watch_errors(page: Page) -> list[str]:
    """Return a list that grows with every error that the page logs or raises from now on."""
    errors: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            errors.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: errors.append(str(error)))
    return errors
