"""The journey of step 4: a guest signs in and stays where it is, on two devices, until it signs out everywhere."""

import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import expect

from tests.browser.journey import check_accessibility, create_room, say, sees
from tests.support.browser import Visitor, open_browser
from tests.support.github import GithubServer
from tests.support.mail import MailServer
from tests.support.server import ServerProcess

pytestmark = [pytest.mark.process, pytest.mark.browser, pytest.mark.timeout(180)]

CODE = re.compile(r"\b([0-9]{6})\b")


@pytest.fixture
async def github() -> AsyncIterator[GithubServer]:
    async with GithubServer() as github:
        yield github


@pytest.fixture
async def mail() -> AsyncIterator[MailServer]:
    async with MailServer() as mail:
        yield mail


@pytest.fixture
def environment(github: GithubServer, mail: MailServer) -> dict[str, str]:
    """A server with a provider and with letters."""
    provider = {
        f"COMMONROOM_PROVIDERS__GITHUB__{name.upper()}": getattr(github.settings, name) for name in github.settings.__struct_fields__
    }
    return {**provider, "COMMONROOM_MAIL__SMTP_URL": mail.url, "COMMONROOM_MAIL__SENDER": "Commonroom <rooms@example.org>"}


async def visitor(browser: object, server: ServerProcess, github: GithubServer, **options: object) -> Visitor:
    opened = await Visitor.open(browser, server.url, **options)  # type: ignore[arg-type]
    opened.elsewhere = (github.url,)
    github.redirect_uris.add(f"{server.url}/v1/auth/github/callback")
    return opened


async def by_provider(one: Visitor, login: str) -> None:
    """From any page: the link in the top bar, the provider's button, and "later" where a username is offered."""
    await one.by("sign-in-link").click()
    await one.by("provider-github").click()
    await one.page.get_by_role("button", name=f"Authorize as {login}").click()


async def code_of(mail: MailServer, count: int) -> str:
    found = CODE.search((await mail.received(count))[count - 1].text)
    assert found is not None
    return found[1]


async def is_user(one: Visitor) -> None:
    await expect(one.by("sign-in-link")).to_have_count(0)


async def test_a_guest_signs_in_with_a_provider_in_place_and_out_everywhere(server: ServerProcess, github: GithubServer) -> None:
    async with open_browser() as browser:
        ada, phone = await visitor(browser, server, github), await visitor(browser, server, github)
        link = await create_room(ada)
        await say(ada, "As a guest")
        tab = Visitor(ada.context, await ada.context.new_page(), ada.url)
        await tab.page.goto(link)
        await sees(tab, "As a guest")
        await by_provider(ada, "ada")
        await ada.by("username-later").click()
        await expect(ada.by("room-title")).to_have_text("Deep work")
        assert ada.page.url == link
        await is_user(ada)
        await _own_message_and_one_place(ada)
        await is_user(tab)
        await _own_message_and_one_place(tab)
        await _second_device(phone, link)
        await ada.by("open-settings").click()
        await expect(ada.by("place")).to_have_count(2)
        await ada.by("sign-out-everywhere").click()
        for elsewhere in (phone, tab):
            await expect(elsewhere.by("ending")).to_have_attribute("data-ending", "signedOut")
        await by_provider(ada, "ada")
        await is_user(ada)
        await _own_message_and_one_place(tab)
        assert ada.trouble + tab.trouble + phone.trouble == []


async def _own_message_and_one_place(one: Visitor) -> None:
    """The guest's message is one's own still, so it can be edited; and nobody is there twice."""
    await expect(one.by("person")).to_have_count(1)
    await expect(one.by("message")).to_have_attribute("data-own", "true")


async def _second_device(phone: Visitor, link: str) -> None:
    await phone.page.goto(phone.url)
    await by_provider(phone, "ada")
    await phone.by("username-later").click()
    await is_user(phone)
    await phone.page.goto(link)
    await sees(phone, "As a guest")
    await expect(phone.by("person")).to_have_count(1)


async def test_an_account_is_made_by_letter_and_keyboard(server: ServerProcess, github: GithubServer, mail: MailServer) -> None:
    async with open_browser() as browser:
        ada = await visitor(browser, server, github)
        link = await create_room(ada)
        await say(ada, "As a guest")
        tab = Visitor(ada.context, await ada.context.new_page(), ada.url)
        await tab.page.goto(link)
        await sees(tab, "As a guest")
        await ada.by("sign-in-link").focus()
        keyboard = ada.page.keyboard
        await keyboard.press("Enter")
        await ada.by("way-new").focus()
        await keyboard.press("Enter")
        await expect(ada.page.locator("#new-name")).to_be_focused()
        for typed in ("ada@example.org", "correct horse battery"):
            await keyboard.press("Tab")
            await keyboard.type(typed)
        await keyboard.press("Enter")
        await expect(ada.by("letter-sent")).to_be_focused()
        await keyboard.press("Tab")
        await keyboard.type(await code_of(mail, 1))
        await keyboard.press("Enter")
        await _choose_username(ada)
        assert ada.page.url == link
        for one in (ada, tab):
            await is_user(one)
            await _own_message_and_one_place(one)
        assert ada.trouble + tab.trouble == []


async def _choose_username(ada: Visitor) -> None:
    await ada.by("username").fill("1 x")
    await ada.page.keyboard.press("Enter")
    await expect(ada.by("username")).to_have_attribute("aria-invalid", "true")
    await expect(ada.by("username")).to_be_focused()
    await ada.by("username").fill("ada")
    await ada.page.keyboard.press("Enter")
    await expect(ada.by("room-title")).to_have_text("Deep work")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_signing_in_holds_no_accessibility_trouble(server: ServerProcess, github: GithubServer, scheme: str, axe: str) -> None:
    async with open_browser() as browser:
        ada = await visitor(browser, server, github, color_scheme=scheme)
        await ada.page.goto(server.url)
        await ada.by("sign-in-link").click()
        for way in ("link", "new", "forgot", "password"):
            await ada.by(f"way-{way}").click()
            await check_accessibility(ada, axe)
        await ada.by("provider-github").click()
        await ada.page.get_by_role("button", name="Authorize as ada").click()
        await expect(ada.by("username")).to_be_visible()
        await check_accessibility(ada, axe)
        await ada.by("username-later").click()
        await ada.by("open-settings").click()
        await expect(ada.by("place")).to_have_count(1)
        await check_accessibility(ada, axe)
        await ada.screenshot(f"settings-{scheme}")
        assert ada.trouble == []
