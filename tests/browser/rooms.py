"""What people do about rooms in the journeys of step 6, and how pages are looked at in every size and theme."""

from typing import Literal

from playwright.async_api import expect

from tests.browser.journey import check_accessibility
from tests.support.browser import Visitor

__all__ = ["enter_as_guest", "in_both_themes", "looks", "open_dialog", "open_room"]

WIDE, NARROW = 1280, 360
WIDTHS = (NARROW, 768, 1024, WIDE)
"""Of the window: the ends are looked at closely, between them only what does not fit."""
SCHEMES: tuple[Literal["dark", "light"], ...] = ("dark", "light")
DRAWN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
"""Answers once the page is drawn as it is now."""


async def open_room(host: Visitor, title: str, *, visibility: str = "unlisted", topic: str = "", tags: str = "") -> str:
    """A room of its own for a journey; the host, who has a name, is in it. Answers its address."""
    await host.page.goto(host.url)
    await host.by("create-title").fill(title)
    await host.by("create-topic").fill(topic)
    await host.by("visibility").select_option(visibility)
    if visibility == "public":
        await host.by("create-tags").fill(tags)
    await host.by("create-room").click()
    await expect(host.by("room-title")).to_have_text(title)
    return host.page.url


async def enter_as_guest(guest: Visitor, link: str, name: str) -> None:
    """Through the door of a room, by telling a name."""
    await guest.page.goto(link)
    await guest.by("name-input").fill(name)
    await guest.by("enter-room").click()


async def open_dialog(host: Visitor, item: str) -> None:
    """What the menu of a room leads to."""
    await host.by("room-menu").click()
    await host.by(item).click()


async def looks(visitor: Visitor, axe: str, within: str = ":root") -> None:
    """Nothing in it is inaccessible, small and wide, dark and light; and nothing wider than the page, at any width."""
    for width in WIDTHS:
        await visitor.page.set_viewport_size({"width": width, "height": 800})
        await visitor.page.evaluate(DRAWN)
        if width in (NARROW, WIDE):
            await in_both_themes(visitor, axe, within)
        assert await visitor.page.evaluate("document.documentElement.scrollWidth") <= width


async def in_both_themes(visitor: Visitor, axe: str, within: str = ":root") -> None:
    """As `looks`, at the width that it has: an open menu closes when the window changes."""
    for scheme in SCHEMES:
        await visitor.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # no colour in between
        await visitor.page.evaluate(DRAWN)
        await check_accessibility(visitor, axe, within)
