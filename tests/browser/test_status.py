"""How one is, as the page tells the server and shows it of others (FEATURES P20), and what one prefers (P22)."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Locator, Route, WebSocket, expect

from commonroom.protocol.codec import MSGPACK
from commonroom.protocol.status import StatusWatch
from tests.browser.rooms import in_both_themes, looks, open_room
from tests.browser.stage import Stage
from tests.support.browser import Visitor

pytestmark = [pytest.mark.process, pytest.mark.browser, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="session")]

Enter = Callable[..., Awaitable[Visitor]]

IDLE_MS = 300_000


class Looks:
    """About how many people a page asks, question by question."""

    def __init__(self, visitor: Visitor) -> None:
        self._asked: asyncio.Queue[int] = asyncio.Queue()
        visitor.page.on("websocket", self._follow)

    def _follow(self, socket: WebSocket) -> None:
        socket.on("framesent", self._sent)

    def _sent(self, payload: bytes | str) -> None:
        command = MSGPACK.decode(payload) if isinstance(payload, bytes) else None
        if isinstance(command, StatusWatch):
            self._asked.put_nowait(len(command.users))

    async def until(self, count: int) -> None:
        """It asks about so many."""
        while await self._asked.get() != count:
            pass


async def _is(mark: Locator, status: str) -> None:
    await expect(mark).to_have_attribute("data-status", status)


async def test_P20_one_chooses_a_status_is_idle_or_busy_by_itself_and_whoever_looks_sees_it(stage: Stage, enter: Enter, axe: str) -> None:
    ada, bob = await enter(), await enter()
    looks_of_ada = Looks(ada)
    await bob.page.clock.install()
    await stage.by_letter(ada, "here@example.org")
    await stage.by_letter(bob, "there@example.org")
    link = await open_room(ada, "How are you")
    await bob.page.goto(link)
    other = ada.by("person").nth(1).get_by_test_id("status-mark")
    await _is(other, "online")
    await looks_of_ada.until(2)
    await _chosen(ada, bob, axe)
    await _idle(bob, other)
    await _busy(ada, bob, other)
    await _in_sight(ada, other, looks_of_ada)


async def _chosen(ada: Visitor, bob: Visitor, axe: str) -> None:
    """For all devices, until something else is chosen."""
    host = bob.by("person").nth(1).get_by_test_id("status-mark")
    await _is(ada.by("status-menu"), "online")
    await ada.by("status-menu").click()
    await expect(ada.by("status-online")).to_have_attribute("aria-checked", "true")
    await in_both_themes(ada, axe)
    await ada.by("status-dnd").click()
    await _is(ada.by("status-menu"), "dnd")
    await _is(host, "dnd")
    await expect(host).to_have_accessible_name("Do not disturb")
    await looks(bob, axe)
    await ada.page.reload()
    await _is(ada.by("status-menu"), "dnd")
    await ada.by("status-menu").click()
    await ada.by("status-online").click()
    await _is(host, "online")


async def _idle(bob: Visitor, other: Locator) -> None:
    """After five minutes without a touch, on the next connection too."""
    await bob.page.clock.fast_forward(IDLE_MS)
    await _is(other, "idle")
    await bob.page.evaluate("dispatchEvent(new Event('pagehide'))")
    await _is(bob.by("status-menu"), "offline")
    await bob.page.evaluate("dispatchEvent(new Event('pageshow'))")
    await _is(bob.by("status-menu"), "idle")
    await _is(other, "idle")
    await bob.page.mouse.move(20, 20)
    await _is(bob.by("status-menu"), "online")
    await _is(other, "online")


async def _busy(ada: Visitor, bob: Visitor, other: Locator) -> None:
    """Of both, as a timer runs in their room."""
    await ada.by("timer-start").click()
    await _is(other, "busy")
    await _is(bob.by("status-menu"), "busy")


async def _in_sight(ada: Visitor, other: Locator, looks_of_ada: Looks) -> None:
    """Who is not shown is not asked about: where the list is folded away there is only oneself."""
    await ada.page.set_viewport_size({"width": 360, "height": 800})
    await expect(other).to_be_hidden()
    await looks_of_ada.until(1)
    await ada.page.get_by_role("button", name="Who is here").click()
    await looks_of_ada.until(2)
    await _is(other, "busy")


TONES = """
window.tones = 0;
window.OscillatorNode = class extends OscillatorNode { constructor(...args) { super(...args); window.tones += 1; } };
"""


async def test_P22_what_one_prefers_holds_at_once_and_on_all_devices(stage: Stage, enter: Enter, axe: str) -> None:
    desk, phone = await enter(timezone_id="Asia/Tokyo"), await enter()
    await desk.page.add_init_script(TONES)
    await stage.by_letter(desk, "prefers@example.org")
    await stage.by_letter(phone, "prefers@example.org", 2)
    desk.refusals = {503}
    await desk.page.route(PREFERENCES, _unavailable, times=1)
    await desk.page.goto(desk.url)
    await desk.by("status-menu").click()
    await desk.page.route(PREFERENCES, _unavailable, times=1)
    await desk.by("status-settings").click()
    await desk.by("preferences").get_by_test_id("try-again").click()
    await expect(desk.by("prefer-zone")).to_have_value("UTC")
    await looks(desk, axe, "dialog")
    await _preferred(desk)
    await phone.page.goto(phone.url)
    await expect(phone.page.locator("html")).to_have_attribute("data-theme", "dark")
    await _same(phone)
    await phone.page.keyboard.press("Escape")
    await phone.page.get_by_role("button", name="Switch to light").click()
    await expect(phone.page.locator("html")).to_have_attribute("data-theme", "light")
    await desk.page.reload()
    await expect(desk.page.locator("html")).to_have_attribute("data-theme", "light")


PREFERENCES = "**/v1/me/preferences"


async def _unavailable(route: Route) -> None:
    await route.fulfill(status=503, json={"code": 160, "name": "RETRY"}, content_type="application/problem+json")


async def _preferred(desk: Visitor) -> None:
    listen = desk.page.get_by_role("button", name="Listen")
    await listen.click()
    await desk.by("prefer-sounds").uncheck()
    await listen.click(force=True)  # it says that it is off
    assert await desk.page.evaluate("window.tones") == 2
    await desk.by("prefer-busy").select_option("focus")
    await desk.by("prefer-hideStatus").check()
    await desk.by("zone-here").click()
    await expect(desk.by("zone-here")).to_have_count(0)
    await expect(desk.by("unsaved")).to_have_count(0)
    await desk.page.route(PREFERENCES, _unavailable, times=1)
    await desk.by("theme-dark").check()
    await expect(desk.page.locator("html")).to_have_attribute("data-theme", "dark")
    await expect(desk.by("unsaved")).to_contain_text("Not saved. The server is busy.")
    async with desk.page.expect_response(lambda response: response.request.method == "PATCH" and response.ok):
        await desk.by("save-again").click()
    await expect(desk.by("unsaved")).to_have_count(0)


async def _same(phone: Visitor) -> None:
    await phone.by("open-settings").click()
    await expect(phone.by("theme-dark")).to_be_checked()
    await expect(phone.by("prefer-busy")).to_have_value("focus")
    await expect(phone.by("prefer-hideStatus")).to_be_checked()
    await expect(phone.by("prefer-hideRoom")).not_to_be_checked()
    await expect(phone.by("prefer-zone")).to_have_value("Asia/Tokyo")
    await expect(phone.by("prefer-sounds")).not_to_be_checked()
