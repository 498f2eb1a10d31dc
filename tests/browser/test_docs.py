"""/docs: every route of /openapi.json, readable by everybody, under the content policy of every page."""

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import expect

from tests.browser.journey import check_accessibility
from tests.support.browser import Visitor

pytestmark = [pytest.mark.process, pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

Enter = Callable[..., Awaitable[Visitor]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_routes_are_explained_to_everybody(enter: Enter, scheme: str, axe: str) -> None:
    ada = await enter(color_scheme=scheme)
    await ada.page.goto(f"{ada.url}/docs#create_room")
    await expect(ada.page.locator("#create_room")).to_have_attribute("open", "")
    document = await (await ada.page.request.get(f"{ada.url}/openapi.json")).json()
    await expect(ada.page.locator("details")).to_have_count(sum(map(len, document["paths"].values())))
    await ada.page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true })")
    await expect(ada.page.get_by_text("Found a room; answered once it is durable.")).to_be_visible()
    await check_accessibility(ada, axe)


async def test_a_route_opens_by_keyboard(enter: Enter) -> None:
    ada = await enter()
    await ada.page.goto(f"{ada.url}/docs")
    room = ada.page.locator("#create_room")
    await room.locator("summary").focus()
    await ada.page.keyboard.press("Enter")
    await expect(room.get_by_role("cell", name="at least 1 long, at most 80 long")).to_be_visible()
