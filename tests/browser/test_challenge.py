"""Where guests prove being a person, they see the widget when they open a room, and nobody else ever does (FEATURES P9)."""

import re
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Route, expect

from tests.browser.journey import check_accessibility
from tests.browser.stage import Stage
from tests.support.browser import Visitor, open_browser
from tests.support.github import GithubServer
from tests.support.mail import MailServer
from tests.support.server import ServerProcess
from tests.support.siteverify import SiteverifyServer

pytestmark = [pytest.mark.process, pytest.mark.browser, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="session")]

ROOM = re.compile(r"/r/[0-9a-z]+")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def provider() -> AsyncIterator[SiteverifyServer]:
    async with SiteverifyServer() as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def proving(own_dsn: str, tmp_path_factory: pytest.TempPathFactory, provider: SiteverifyServer) -> AsyncIterator[Stage]:
    data: Path = tmp_path_factory.mktemp("challenge") / "data"
    keys = {
        f"COMMONROOM_CHALLENGE__{name.upper()}": getattr(provider.settings, name)
        for name in ("site_key", "secret", "verify_url", "script_url")
    }
    async with MailServer() as mail, open_browser() as browser:
        letters = {"COMMONROOM_MAIL__SMTP_URL": mail.url, "COMMONROOM_MAIL__SENDER": "Commonroom <rooms@example.org>"}
        server = ServerProcess(data, {**keys, **letters, "COMMONROOM_POSTGRES_URL": own_dsn, "COMMONROOM_LIMITS__SCALE": "1000"})
        await server.start()
        yield Stage(server, browser, mail, GithubServer(), "", count(1))
        await server.close()


@pytest_asyncio.fixture(loop_scope="session")
async def ada(proving: Stage, provider: SiteverifyServer) -> AsyncIterator[Visitor]:
    """Somebody whose browser may go to the provider; at the end nothing went wrong, the policy being obeyed included."""
    provider.page = None
    visitor = await Visitor.open(proving.browser, proving.server.url)
    visitor.elsewhere = (provider.url,)
    yield visitor
    await visitor.context.close()
    assert visitor.trouble == []


async def _begin(ada: Visitor) -> None:
    await ada.page.goto(ada.url)
    await ada.by("create-title").fill("Deep work")
    await ada.by("name-input").fill("Ada")


async def _become(ada: Visitor, state: str) -> None:
    await expect(ada.by("challenge")).to_have_attribute("data-state", state)


async def _answer(ada: Visitor, button: str, state: str) -> None:
    """What a person does in the widget, or what becomes of it."""
    await ada.page.frame_locator("iframe").get_by_role("button", name=button).click()
    await _become(ada, state)


async def _open(ada: Visitor) -> None:
    await ada.by("create-room").click()
    await ada.page.wait_for_url(ROOM)
    await expect(ada.by("room-title")).to_have_text("Deep work")


async def test_P9_a_guest_passes_the_check_and_opens_a_room(ada: Visitor, provider: SiteverifyServer, axe: str) -> None:
    before = provider.scripts
    await ada.page.goto(ada.url)
    await expect(ada.by("create-title")).to_be_visible()
    await expect(ada.by("challenge")).to_have_count(0)
    assert provider.scripts == before  # who only looks is not sent anywhere
    await _begin(ada)
    await _become(ada, "open")
    await ada.by("create-room").click()
    await expect(ada.by("challenge-problem")).to_have_text("Pass this check first.")
    await check_accessibility(ada, axe)
    await _answer(ada, "I am a person", "passed")
    await expect(ada.by("challenge-problem")).to_have_count(0)
    await _open(ada)
    await expect(ada.page.locator("iframe")).to_have_count(0)
    assert provider.scripts == before + 1


async def test_a_check_that_fails_or_expires_is_taken_again(ada: Visitor) -> None:
    await _begin(ada)
    await _answer(ada, "Fail", "failed")
    await expect(ada.by("challenge-state")).to_have_text("The check did not work.")
    for button in ("Expire", "Time out"):
        await ada.by("challenge-again").click()
        await _answer(ada, "I am a person", "passed")
        await _answer(ada, button, "expired")
    await ada.by("create-room").click()
    await expect(ada.by("create-room")).to_be_enabled()
    assert ROOM.search(ada.page.url) is None
    await ada.by("challenge-again").click()
    await _answer(ada, "I am a person", "passed")
    await _open(ada)


async def test_a_token_that_does_not_hold_is_told_and_another_one_taken(ada: Visitor, provider: SiteverifyServer) -> None:
    async def refuse(_request: web.Request) -> web.Response:
        return web.json_response({"success": False, "error-codes": ["timeout-or-duplicate"]})

    ada.refusals = {403}
    provider.page = refuse
    await _begin(ada)
    await _answer(ada, "I am a person", "passed")
    await ada.by("create-room").click()
    await expect(ada.by("challenge-problem")).to_have_text("The check did not hold. Pass it again, then open the room.")
    provider.page = None
    await _answer(ada, "I am a person", "passed")
    await _open(ada)


async def test_a_provider_that_is_silent_costs_no_second_check(ada: Visitor, provider: SiteverifyServer) -> None:
    async def fail(_request: web.Request) -> web.Response:
        return web.Response(status=500)

    ada.refusals = {503}
    provider.page = fail
    await _begin(ada)
    await _answer(ada, "I am a person", "passed")
    await ada.by("create-room").click()
    await expect(ada.by("form-problem")).to_contain_text("busy")
    await _become(ada, "passed")
    provider.page = None
    await _open(ada)


async def test_a_script_that_does_not_come_is_told_and_asked_for_again(ada: Visitor, provider: SiteverifyServer) -> None:
    async def refuse(route: Route) -> None:
        await route.abort()

    await ada.page.route(f"{provider.url}/**", refuse)
    await _begin(ada)
    await _become(ada, "unreachable")
    await expect(ada.by("challenge-state")).to_contain_text("could not be loaded")
    await ada.page.unroute(f"{provider.url}/**")
    await ada.by("challenge-again").click()
    await _answer(ada, "I am a person", "passed")
    await _open(ada)


async def test_a_user_never_sees_it(ada: Visitor, proving: Stage, provider: SiteverifyServer) -> None:
    before = provider.scripts
    await proving.by_letter(ada, "ada@example.org")
    await ada.page.goto(ada.url)
    await expect(ada.by("sign-in-link")).to_have_count(0)
    await ada.by("create-title").fill("Deep work")
    await _open(ada)
    assert provider.scripts == before
