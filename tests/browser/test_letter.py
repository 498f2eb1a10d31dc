"""What a letter does on the page: a new account, a sign-in, a forgotten password, a new address."""

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import expect

from tests.browser.journey import check_accessibility, create_room, say, sees
from tests.browser.stage import PASSWORD, Stage, is_user, skip_username
from tests.support.browser import Visitor

pytestmark = [pytest.mark.process, pytest.mark.browser, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="session")]

Enter = Callable[..., Awaitable[Visitor]]


async def test_an_account_is_made_by_keyboard_and_code_in_place(stage: Stage, enter: Enter) -> None:
    ada = await enter()
    link = await create_room(ada)
    await say(ada, "As a guest")
    await ada.by("sign-in-link").focus()
    keyboard = ada.page.keyboard
    await keyboard.press("Enter")
    await ada.by("way-new").focus()
    await keyboard.press("Enter")
    await expect(ada.page.locator("#new-name")).to_be_focused()
    for typed in ("keys@example.org", PASSWORD):
        await keyboard.press("Tab")
        await keyboard.type(typed)
    await keyboard.press("Enter")
    await expect(ada.by("letter-sent")).to_be_focused()
    await keyboard.press("Tab")
    await keyboard.type(await stage.code("keys@example.org"))
    await keyboard.press("Enter")
    await _choose_username(ada)
    assert ada.page.url == link
    await expect(ada.by("sign-in-link")).to_have_count(0)
    await sees(ada, "As a guest")
    await expect(ada.by("message")).to_have_attribute("data-own", "true")
    await expect(ada.by("notice")).to_have_count(0)


async def _choose_username(ada: Visitor) -> None:
    await ada.by("username").fill("1 x")
    await ada.page.keyboard.press("Enter")
    await expect(ada.by("username")).to_have_attribute("aria-invalid", "true")
    await expect(ada.by("username")).to_be_focused()
    await ada.by("username").fill("keys")
    await ada.page.keyboard.press("Enter")
    await expect(ada.by("room-title")).to_have_text("Deep work")


async def register(one: Visitor, email: str) -> None:
    await one.page.goto(f"{one.url}/login?way=new")
    await one.page.locator("#new-name").fill("Ada")
    await one.by("email").fill(email)
    await one.by("new-password").fill(PASSWORD)
    await one.page.keyboard.press("Enter")
    await expect(one.by("letter-sent")).to_be_visible()


async def log_in(one: Visitor, email: str, password: str) -> None:
    await one.page.goto(f"{one.url}/login")
    await one.by("email").fill(email)
    await one.by("password").fill(password)
    await one.page.keyboard.press("Enter")


async def test_a_letter_opened_in_the_same_browser_makes_the_account_with_its_password(stage: Stage, enter: Enter) -> None:
    ada, phone = await enter(), await enter()
    await register(ada, "same@example.org")
    tab = Visitor(ada.context, await ada.context.new_page(), ada.url)
    await tab.page.goto(await stage.link("same@example.org"))
    assert "#" not in tab.page.url
    await tab.by("confirm-link").click()
    await is_user(tab)
    await expect(tab.by("notice")).to_have_count(0)
    assert await tab.page.evaluate("localStorage.getItem('commonroom:registration')") is None
    await log_in(phone, "same@example.org", PASSWORD)
    await is_user(phone)
    assert tab.trouble == []


async def test_a_letter_opened_in_another_browser_makes_the_account_without_a_password_and_says_so(
    stage: Stage, enter: Enter, axe: str
) -> None:
    ada, phone = await enter(), await enter()
    await register(ada, "other@example.org")
    await phone.page.goto(await stage.link("other@example.org"))
    await phone.by("confirm-link").click()
    await is_user(phone)
    await expect(phone.by("notice")).to_contain_text("no password yet")
    await check_accessibility(phone, axe)
    await phone.by("notice-action").click()
    await expect(phone.by("settings-password")).to_be_focused()
    await phone.by("settings-password").fill("one of my own choice")
    await phone.by("change-password").click()
    await expect(phone.by("password-part")).to_contain_text("Change the password")
    ada.refusals = {401}
    await log_in(ada, "other@example.org", PASSWORD)
    await expect(ada.by("password")).to_have_attribute("aria-invalid", "true")
    await ada.by("password").fill("one of my own choice")
    await ada.page.keyboard.press("Enter")
    await is_user(ada)
    await expect(phone.by("notice")).to_have_count(0)


async def test_a_link_signs_in_once_and_then_says_how_to_get_another(stage: Stage, enter: Enter) -> None:
    ada, again = await enter(), await enter()
    await ada.page.goto(f"{ada.url}/login?way=link")
    await ada.by("email").fill("link@example.org")
    await ada.by("send-letter").click()
    link = await stage.link("link@example.org")
    await ada.page.goto(link)
    await ada.by("confirm-link").click()
    await is_user(ada)
    again.refusals = {401}
    await again.page.goto(link)
    await again.by("confirm-link").click()
    await expect(again.by("link-refused")).to_contain_text("used or is too old")
    await again.page.get_by_role("link", name="Ask for a new letter").click()
    await again.by("email").fill("link@example.org")
    await again.by("send-letter").click()
    await again.by("code").fill("000000" if await stage.code("link@example.org", 2) != "000000" else "111111")
    await again.by("confirm-code").click()
    await expect(again.by("code")).to_have_attribute("aria-invalid", "true")
    await expect(again.by("code")).to_be_focused()
    await again.by("code").fill(await stage.code("link@example.org", 2))
    await again.by("confirm-code").click()
    await is_user(again)


async def test_a_forgotten_password_is_set_anew_by_link_and_by_code(stage: Stage, enter: Enter) -> None:
    ada, phone = await enter(), await enter()
    await stage.by_letter(ada, "forgot@example.org")
    room = await create_room(ada)
    ada.refusals = phone.refusals = {401}  # each is signed out by what happens on the other
    await phone.page.goto(f"{phone.url}/login?way=forgot")
    await phone.by("email").fill("forgot@example.org")
    await phone.by("send-letter").click()
    await phone.page.goto(await stage.link("forgot@example.org", 2))
    await phone.by("new-password").fill("short")
    await phone.by("reset-password").click()
    await expect(phone.by("new-password")).to_be_focused()
    await phone.by("new-password").fill("by the link of a letter")
    await phone.by("reset-password").click()
    await is_user(phone)
    await expect(ada.by("ending")).to_have_attribute("data-ending", "signedOut")
    await ada.page.goto(f"{ada.url}/login?way=forgot&next={room.removeprefix(ada.url)}")
    await ada.by("email").fill("forgot@example.org")
    await ada.by("send-letter").click()
    await ada.by("new-password").fill("by the code of a letter")
    await ada.by("code").fill(await stage.code("forgot@example.org", 4))  # the third tells of the change
    await ada.by("confirm-code").click()
    await skip_username(ada)
    await expect(ada.by("room-title")).to_have_text("Deep work")
    await log_in(phone, "forgot@example.org", "by the code of a letter")
    await expect(phone.by("sign-in-link")).to_have_count(0)


async def test_a_new_address_counts_once_its_letter_is_answered_where_it_was_asked_for(stage: Stage, enter: Enter) -> None:
    ada, stranger = await enter(), await enter()
    await stage.by_letter(ada, "old@example.org")
    await ada.page.goto(ada.url)
    await ada.by("open-settings").click()
    address = ada.by("address")
    await address.locator("summary").click()
    await ada.by("new-email").fill("new@example.org")
    await ada.page.keyboard.press("Enter")
    link = await stage.link("new@example.org")
    await stranger.page.goto(link)
    await expect(stranger.by("link-refused")).to_contain_text("where you asked for the new address")
    tab = Visitor(ada.context, await ada.context.new_page(), ada.url)
    await tab.page.goto(link)
    await tab.by("confirm-link").click()
    await expect(tab.by("notice")).to_contain_text("address was changed")
    await tab.by("open-settings").click()
    await expect(tab.by("address")).to_contain_text("new@example.org")
    await tab.by("address").locator("summary").click()
    await tab.by("new-email").fill("newest@example.org")
    await tab.page.keyboard.press("Enter")
    await tab.by("email-code").fill(await stage.code("newest@example.org"))
    await tab.page.keyboard.press("Enter")
    await expect(tab.by("address").locator("summary")).to_contain_text("newest@example.org")
    assert "Letters no longer come here" in (await stage.mail.sent_to("new@example.org", 2)).text
    assert tab.trouble == []


async def test_another_letter_can_be_asked_for_after_half_a_minute(stage: Stage, enter: Enter) -> None:
    ada = await enter()
    await ada.page.clock.install()
    await ada.page.goto(f"{ada.url}/login?way=link")
    await ada.by("email").fill("slow@example.org")
    await ada.by("send-letter").click()
    await expect(ada.by("send-again")).to_be_disabled()
    await expect(ada.by("send-again")).to_contain_text("s")
    await ada.page.clock.fast_forward(31_000)
    await expect(ada.by("send-again")).to_have_text("Send another letter")
    await ada.by("send-again").click()
    await expect(ada.by("send-again")).to_be_disabled()
    await ada.by("code").fill(await stage.code("slow@example.org", 2))
    await ada.by("confirm-code").click()
    await skip_username(ada)
