"""The journey of step 1: two people, two browsers, one room, a killed server."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import expect

from tests.browser.journey import check_accessibility, create_room, join_by_link, say, sees
from tests.browser.stage import Stage
from tests.support.browser import Visitor, open_browser
from tests.support.client import until
from tests.support.server import ServerProcess

pytestmark = [pytest.mark.process, pytest.mark.browser, pytest.mark.timeout(180)]
SHARED = pytest.mark.asyncio(loop_scope="session")
"""For tests that harm nothing: at the stage that all of them share."""

Enter = Callable[..., Awaitable[Visitor]]


async def _remaining_s(visitor: Visitor) -> int:
    minutes, seconds = (await visitor.by("timer-remaining").inner_text()).strip().split(":")
    return int(minutes) * 60 + int(seconds)


async def _same_second(one: Visitor, other: Visitor) -> None:
    assert abs(await _remaining_s(one) - await _remaining_s(other)) <= 1


async def test_two_people_study_together_through_a_killed_server(server: ServerProcess) -> None:
    async with open_browser() as browser:
        ada, grace = await Visitor.open(browser, server.url), await Visitor.open(browser, server.url)
        link = await create_room(ada)
        await join_by_link(grace, link)
        await expect(ada.by("person")).to_have_count(2)
        await say(ada, "Hello Grace")
        await sees(grace, "Hello Grace")
        await say(grace, "Hello Ada")
        await sees(ada, "Hello Grace", "Hello Ada")
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
    await sees(grace, "Hello Grace", "Hello Ada")
    await expect(grace.by("timer-pause")).to_be_visible()
    await expect(grace.by("person")).to_have_count(2)


async def _killed_server(server: ServerProcess, ada: Visitor, grace: Visitor) -> None:
    ada.offline_expected = grace.offline_expected = True  # the browser itself logs refused connections
    await server.kill()
    await expect(ada.by("reconnect-banner")).to_be_visible()
    await say(ada, "Typed while the server was down")
    await server.start()
    for visitor in (ada, grace):
        await expect(visitor.by("reconnect-banner")).to_be_hidden(timeout=30_000)
    await sees(ada, "Hello Grace", "Hello Ada", "Typed while the server was down")
    await sees(grace, "Hello Grace", "Hello Ada", "Typed while the server was down")
    await expect(grace.by("timer-pause")).to_be_visible()
    await _same_second(ada, grace)
    await expect(grace.by("person")).to_have_count(2)
    await expect(ada.by("person")).to_have_count(2)


@SHARED
async def test_the_page_of_a_room_names_that_room_when_it_connects(enter: Enter) -> None:
    ada, grace = await enter(), await enter()
    link = await create_room(ada)
    urls: list[str] = []
    grace.page.on("websocket", lambda opened: urls.append(opened.url))
    await join_by_link(grace, link)
    assert urls == [f"{ada.url.replace('http', 'ws', 1)}/v1/ws/{link.rpartition('/')[2]}"]


HOSTILE = "<img src=//evil.example/x onerror=alert(1)><script>alert(2)</script>"
"""As a name, a room's title (80 characters) and a topic; a page that took it for markup would ask the other site, and ours asks none."""


@SHARED
async def test_A7_hostile_text_is_shown_as_text_wherever_people_write(stage: Stage, enter: Enter) -> None:
    ada, grace = await enter(), await enter()
    dialogs: list[str] = []
    for one in (ada, grace):
        one.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    await ada.page.goto(ada.url)
    await ada.by("create-title").fill(HOSTILE)
    await ada.by("name-input").fill(HOSTILE[:64])
    await ada.by("create-room").click()
    await expect(ada.by("room-title")).to_have_text(HOSTILE)
    await grace.page.goto(ada.page.url)
    await grace.by("name-input").fill("Grace")
    await grace.page.keyboard.press("Enter")
    await expect(grace.by("room-title")).to_have_text(HOSTILE)
    await expect(grace.by("person").filter(has_text=HOSTILE[:64])).to_have_count(1)
    said = f"{HOSTILE} javascript:alert(3) http://evil.example/{'e' + chr(0x301) * 500}"
    await say(ada, said)
    await sees(grace, said)
    await expect(grace.by("message")).to_contain_text(HOSTILE[:64])
    await _listed(stage, ada, HOSTILE)
    await expect(ada.by("room-card").filter(has_text=HOSTILE)).to_have_count(2)
    for one in (ada, grace):
        assert await one.page.locator("img, script:not([src])").count() == 0
    assert dialogs == []


async def _listed(stage: Stage, ada: Visitor, title: str) -> None:
    """A public room of a user with this title and topic, and Ada at the list; the topic shows beside it."""
    async with aiohttp.ClientSession(headers={"X-Forwarded-For": "198.51.100.250"}) as http:
        address = f"public-{len(stage.mail.letters)}@example.org"
        await http.post(f"{ada.url}/v1/auth/magic", json={"email": address})
        proof = {"email": address, "code": await stage.code(address), "cookie": False}
        async with http.post(f"{ada.url}/v1/auth/confirm", json=proof) as answer:
            bearer = {"Authorization": f"Bearer {(await answer.json())['accessToken']}"}
        for topic in (title, ""):
            room = {"title": title, "topic": topic, "visibility": "public"}
            async with http.post(f"{ada.url}/v1/rooms", json=room, headers=bearer) as answer:
                assert answer.status == 201
    await ada.page.goto(f"{ada.url}/rooms")


@SHARED
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_pages_hold_no_serious_accessibility_trouble(enter: Enter, scheme: str, axe: str) -> None:
    ada = await enter(color_scheme=scheme)
    await ada.page.goto(ada.url)
    await check_accessibility(ada, axe)
    await create_room(ada)
    await say(ada, "A message to look at")
    await sees(ada, "A message to look at")
    await check_accessibility(ada, axe)


@SHARED
async def test_the_readme_example_works_in_the_console(enter: Enter) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    example = re.search(r"```js\n(.*?)```", readme, re.DOTALL)
    assert example is not None
    ada = await enter()
    said: list[str] = []
    ada.page.on("console", lambda message: said.append(message.text))
    await ada.page.goto(ada.url)
    await ada.page.evaluate(f"async () => {{ {example[1]} }}")
    await until(lambda: "focus running" in said, "the timer's start")
    assert "2 Hello" in said
