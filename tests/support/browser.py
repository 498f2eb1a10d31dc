"""A real Chromium, the one on PATH."""

import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, async_playwright

__all__ = ["FLAGS", "Visitor", "chromium_path", "open_browser"]

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
]
REFUSED = re.compile(r"Failed to load resource: the server responded with a status of (\d+)")
ARTIFACTS = Path(__file__).parents[2] / "test-artifacts"


def chromium_path() -> str:
    """The browser on PATH; `make test` installs one or says what to install."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    raise AssertionError(f"no Chromium on PATH (looked for {', '.join(NAMES)}): apt-get install chromium-headless-shell")


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else FLAGS
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=flags)
        yield browser
        await browser.close()


class Visitor:
    """One person in a browser context of their own.

    Collects console errors, page errors and requests to other origins: a journey
    ends by asserting that there were none.
    """

    def __init__(self, context: BrowserContext, page: Page, url: str) -> None:
        self.context = context
        self.page = page
        self.url = url
        self.trouble: list[str] = []
        self.offline_expected = False
        self.refusals: set[int] = set()
        """Statuses that this journey is about: the browser itself logs them as errors."""
        self.elsewhere: tuple[str, ...] = ()
        """Other origins that are part of the journey, as a sign-in provider."""
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.trouble.append(f"page error: {error}"))
        page.on("request", self._on_request)

    @classmethod
    async def open(cls, browser: Browser, url: str, **options: object) -> "Visitor":
        context = await browser.new_context(**options)  # type: ignore[arg-type]
        await context.grant_permissions(["clipboard-read", "clipboard-write"], origin=url)
        page = await context.new_page()
        page.set_default_timeout(15_000)
        return cls(context, page, url)

    def by(self, testid: str) -> Locator:
        return self.page.get_by_test_id(testid)

    async def screenshot(self, name: str) -> None:
        ARTIFACTS.mkdir(exist_ok=True)
        await self.page.screenshot(path=ARTIFACTS / f"{name}.png")

    def _on_console(self, message: ConsoleMessage) -> None:
        where = message.location["url"]
        if message.type != "error" or self.offline_expected or (self.elsewhere and where.startswith(self.elsewhere)):
            return
        refused = REFUSED.match(message.text)
        if refused is None or int(refused[1]) not in self.refusals:
            self.trouble.append(f"console: {message.text} {where}")

    def _on_request(self, request: Request) -> None:
        local = (self.url, self.url.replace("http", "ws", 1), "data:", "blob:", *self.elsewhere)
        if not request.url.startswith(local):
            self.trouble.append(f"request to a third party: {request.url}")
