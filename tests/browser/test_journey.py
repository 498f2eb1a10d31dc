"""The journey of step 1: two people, two browsers, one room, a killed server."""

import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.support.browser import Visitor, open_browser
from tests.support.client import until
from tests.support.server import ServerProcess

pytestmark = [pytest.mark.process, pytest.mark.browser, pytest.mark.timeout(180)]


async def _create_room(ada: Visitor) -> str:
    await ada.page.goto(ada.url)
    await ada.by("name-input").fill("Ada")
    await ada.by("create-title").fill("Deep work")
    await ada.by("create-room").click()
    await ada.page.wait_for_url(re.compile(r"/r/[0-9a-z]+"))
    await expect(ada.by("room-title")).to_have_text("Deep work")
    return ada.page.url


async def _join_by_link(grace: Visitor, link: str) -> None:
    await grace.page.goto(link)
    await grace.by("name-input").fill("Grace")
    await grace.page.keyboard.press("Enter")
    await expect(grace.by("room-title")).to_have_text("Deep work")


async def _say(visitor: Visitor, text: str) -> None:
    await visitor.by("composer").fill(text)
    await visitor.by("composer").press("Enter")


async def _sees(visitor: Visitor, *texts: str) -> None:
    """Exactly these messages, in this order, all sent."""
    rows = visitor.by("message")
    await expect(rows).to_have_count(len(texts))
    for index, text in enumerate(texts):
        await expect(rows.nth(index)).to_contain_text(text)
        await expect(rows.nth(index)).to_have_attribute("data-state", "sent")


async def _remaining_s(visitor: Visitor) -> int:
    minutes, seconds = (await visitor.by("timer-remaining").inner_text()).strip().split(":")
    return int(minutes) * 60 + int(seconds)


async def _same_second(one: Visitor, other: Visitor) -> None:
    assert abs(await _remaining_s(one) - await _remaining_s(other)) <= 1


async def test_two_people_study_together_through_a_killed_server(server: ServerProcess) -> None:
    async with open_browser() as browser:
        ada, grace = await Visitor.open(browser, server.url), await Visitor.open(browser, server.url)
        link = await _create_room(ada)
        await _join_by_link(grace, link)
        await expect(ada.by("person")).to_have_count(2)
        await _say(ada, "Hello Grace")
        await _sees(grace, "Hello Grace")
        await _say(grace, "Hello Ada")
        await _sees(ada, "Hello Grace", "Hello Ada")
        await _shared_timer(ada, grace)
        await _reload_keeps_place(grace)
        await _killed_server(server, ada, grace)
        await ada.screenshot("journey")
        assert ada.trouble + grace.trouble == []


async def _shared_timer(ada: Visitor, grace: Visitor) -> None:
    await expect(ada.by("timer-remaining")).to_have_text(re.compile(r"25:00"))
    await ada.by("timer-start").click()
    await expect(grace.by("timer-pause")).to_be_visible()
    await expect(grace.by("timer-remaining")).to_have_text(re.compile(r"24:5\d"))
    await _same_second(ada, grace)
    await grace.by("timer-pause").click()
    await expect(ada.by("timer-resume")).to_be_visible()
    assert await _remaining_s(ada) == await _remaining_s(grace)
    await ada.by("timer-resume").click()
    await expect(grace.by("timer-pause")).to_be_visible()


async def _reload_keeps_place(grace: Visitor) -> None:
    await grace.page.reload()
    await expect(grace.by("room-title")).to_have_text("Deep work")
    await _sees(grace, "Hello Grace", "Hello Ada")
    await expect(grace.by("timer-pause")).to_be_visible()
    await expect(grace.by("person")).to_have_count(2)


async def _killed_server(server: ServerProcess, ada: Visitor, grace: Visitor) -> None:
    ada.offline_expected = grace.offline_expected = True  # the browser itself logs refused connections
    await server.kill()
    await expect(ada.by("reconnect-banner")).to_be_visible()
    await _say(ada, "Typed while the server was down")
    await server.start()
    await expect(ada.by("reconnect-banner")).to_be_hidden(timeout=30_000)
    await _sees(ada, "Hello Grace", "Hello Ada", "Typed while the server was down")
    await _sees(grace, "Hello Grace", "Hello Ada", "Typed while the server was down")
    await expect(grace.by("timer-pause")).to_be_visible()
    await _same_second(ada, grace)
    await expect(grace.by("person")).to_have_count(2)
    await expect(ada.by("person")).to_have_count(2)


async def test_the_page_of_a_room_names_that_room_when_it_connects(server: ServerProcess) -> None:
    async with open_browser() as browser:
        ada, grace = await Visitor.open(browser, server.url), await Visitor.open(browser, server.url)
        link = await _create_room(ada)
        urls: list[str] = []
        grace.page.on("websocket", lambda opened: urls.append(opened.url))
        await _join_by_link(grace, link)
        assert urls == [f"{server.ws_url}/{link.rpartition('/')[2]}"]


async def test_hostile_text_is_shown_as_text(server: ServerProcess) -> None:
    async with open_browser() as browser:
        ada = await Visitor.open(browser, server.url)
        dialogs: list[str] = []
        ada.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        await _create_room(ada)
        hostile = "<script>alert(1)</script><img src=x onerror=alert(2)> javascript:alert(3)"
        await _say(ada, hostile)
        await _sees(ada, hostile)
        assert dialogs == []
        assert ada.trouble == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_pages_hold_no_serious_accessibility_trouble(server: ServerProcess, scheme: str, axe: str) -> None:
    async with open_browser() as browser:
        ada = await Visitor.open(browser, server.url, color_scheme=scheme)
        await ada.page.goto(server.url)
        await _check_accessibility(ada, axe)
        await _create_room(ada)
        await _say(ada, "A message to look at")
        await _sees(ada, "A message to look at")
        await _check_accessibility(ada, axe)


async def _check_accessibility(visitor: Visitor, axe: str) -> None:
    await visitor.page.evaluate(axe)
    found = await visitor.page.evaluate(
        "async () => (await axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],"
        " rules: {'target-size': {enabled: true}}})).violations.map(v => [v.impact, v.id, v.nodes.map(n => n.target.join(' ')).join('; ')])"
    )
    assert [row for row in found if row[0] in {"serious", "critical"}] == []


async def test_the_readme_example_works_in_the_console(server: ServerProcess) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    example = re.search(r"```js\n(.*?)```", readme, re.DOTALL)
    assert example is not None
    async with open_browser() as browser:
        ada = await Visitor.open(browser, server.url)
        said: list[str] = []
        ada.page.on("console", lambda message: said.append(message.text))
        await ada.page.goto(server.url)
        await ada.page.evaluate(f"async () => {{ {example[1]} }}")
        await until(lambda: "focus running" in said, "the timer's start")
        assert "2 Hello" in said
        assert ada.trouble == []
