"""What people do in every journey."""

import re

from playwright.async_api import expect

from tests.support.browser import Visitor

__all__ = ["check_accessibility", "create_room", "join_by_link", "say", "sees"]


AXE_RUN = """
async (within) => {
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const {violations} = await axe.run(document.querySelector(within), {runOnly: tags, rules: {"target-size": {enabled: true}}});
  return violations.map(({impact, id, nodes}) => [impact, id, nodes.map(({target}) => target.join(" ")).join("; ")]);
}
"""


async def create_room(ada: Visitor) -> str:
    await ada.page.goto(ada.url)
    await ada.by("create-title").fill("Deep work")
    if await ada.by("name-input").count():  # a user has a name
        await ada.by("name-input").fill("Ada")
    await ada.by("create-room").click()
    await ada.page.wait_for_url(re.compile(r"/r/[0-9a-z]+"))
    await expect(ada.by("room-title")).to_have_text("Deep work")
    return ada.page.url


async def join_by_link(grace: Visitor, link: str) -> None:
    await grace.page.goto(link)
    await grace.by("name-input").fill("Grace")
    await grace.page.keyboard.press("Enter")
    await expect(grace.by("room-title")).to_have_text("Deep work")


async def say(visitor: Visitor, text: str) -> None:
    await visitor.by("composer").fill(text)
    await visitor.by("composer").press("Enter")


async def sees(visitor: Visitor, *texts: str) -> None:
    """Exactly these messages, in this order, all sent."""
    rows = visitor.by("message")
    await expect(rows).to_have_count(len(texts))
    for index, text in enumerate(texts):
        await expect(rows.nth(index)).to_contain_text(text)
        await expect(rows.nth(index)).to_have_attribute("data-state", "sent")


async def check_accessibility(visitor: Visitor, axe: str, within: str = ":root") -> None:
    if not await visitor.page.evaluate("'axe' in window"):  # half a megabyte, once a document
        await visitor.page.evaluate(axe)
    found = await visitor.page.evaluate(AXE_RUN, within)
    serious = [row for row in found if row[0] in {"serious", "critical"}]
    assert not serious, serious
