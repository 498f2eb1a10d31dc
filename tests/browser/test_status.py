"""How one is, as the page tells the server and shows it of others (FEATURES P20), and what one prefers (P22)."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Locator, WebSocket, expect

from commonroom.protocol.codec import MSGPACK
from commonroom.protocol.status import StatusWatch
from tests.browser.rooms import looks, open_room
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
    await looks(ada, axe)
    await ada.by("status-menu").click()
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
