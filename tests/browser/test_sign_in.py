"""The journey of step 4: a guest signs in and stays where it is, on two devices, until it signs out everywhere."""

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import expect

from tests.browser.journey import check_accessibility, create_room, say, sees
from tests.browser.stage import Stage, is_user, skip_username
from tests.support.browser import Visitor

pytestmark = [pytest.mark.process, pytest.mark.browser, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="session")]

Enter = Callable[..., Awaitable[Visitor]]


async def test_a_guest_signs_in_with_the_oidc_provider_in_place_and_out_everywhere(stage: Stage, enter: Enter) -> None:
    ada, phone = await enter(), await enter()
    link = await create_room(ada)
    await say(ada, "As a guest")
    tab = Visitor(ada.context, await ada.context.new_page(), ada.url)
    await tab.page.goto(link)
    await sees(tab, "As a guest")
    await stage.by_school(ada, "ada")
    await skip_username(ada)
    await expect(ada.by("room-title")).to_have_text("Deep work")
    assert ada.page.url == link
    for one in (ada, tab):
        await _own_message_and_one_place(one)
    await _second_device(stage, phone, link)
    await ada.by("open-settings").click()
    await expect(ada.by("place")).to_have_count(2)
    await ada.by("sign-out-everywhere").click()
    for elsewhere in (phone, tab):
        await expect(elsewhere.by("ending")).to_have_attribute("data-ending", "signedOut")
    await stage.by_school(ada, "ada")
    await expect(ada.by("sign-in-link")).to_have_count(0)
    await _own_message_and_one_place(tab)
    assert tab.trouble == []


async def _own_message_and_one_place(one: Visitor) -> None:
    """The guest's message is one's own still, so it can be edited; and nobody is there twice."""
    await expect(one.by("sign-in-link")).to_have_count(0)
    await expect(one.by("person")).to_have_count(1)
    await expect(one.by("message")).to_have_attribute("data-own", "true")


async def _second_device(stage: Stage, phone: Visitor, link: str) -> None:
    await phone.page.goto(phone.url)
    await stage.by_school(phone, "ada")
    await is_user(phone)
    await phone.page.goto(link)
    await sees(phone, "As a guest")
    await expect(phone.by("person")).to_have_count(1)


async def test_a_provider_is_linked_signs_in_and_is_unlinked(stage: Stage, enter: Enter) -> None:
    ada, phone = await enter(), await enter()
    await ada.page.goto(ada.url)
    await stage.by_school(ada, "grace")
    await is_user(ada)
    await ada.by("open-settings").click()
    await ada.by("link-github").click()
    await ada.page.get_by_role("button", name="Authorize as ada").click()
    await expect(ada.by("notice")).to_contain_text("you can sign in with GitHub")
    await phone.page.goto(f"{phone.url}/login")
    await phone.by("provider-github").click()
    await phone.page.get_by_role("button", name="Authorize as ada").click()
    await is_user(phone)
    await expect(phone.by("open-settings")).to_contain_text("Grace Hopper")
    await ada.by("open-settings").click()
    await expect(ada.by("link-github")).to_have_text("Unlink GitHub")
    await ada.by("link-github").click()
    await expect(ada.by("link-github")).to_have_text("Link GitHub")


async def test_who_cancels_at_the_provider_is_a_guest_still_and_told_so(enter: Enter) -> None:
    ada = await enter()
    await create_room(ada)
    await ada.by("sign-in-link").click()
    await ada.by("provider-github").click()
    await ada.page.get_by_role("button", name="Cancel").click()
    await expect(ada.by("login-problem")).to_contain_text("cancelled")
    await expect(ada.by("stay-guest")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_signing_in_holds_no_accessibility_trouble(stage: Stage, enter: Enter, scheme: str, axe: str) -> None:
    ada = await enter(color_scheme=scheme)
    await ada.page.goto(f"{ada.url}/login")
    for way in ("link", "new", "forgot", "password"):
        await ada.by(f"way-{way}").click()
        await check_accessibility(ada, axe)
    await ada.by("provider-school").click()
    await ada.page.get_by_role("button", name=scheme, exact=True).click()
    await expect(ada.by("username")).to_be_visible()
    await check_accessibility(ada, axe)
    await ada.by("username-later").click()
    await ada.by("open-settings").click()
    await expect(ada.by("place")).to_have_count(1)
    await ada.page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true })")
    await check_accessibility(ada, axe)
    await ada.screenshot(f"settings-{scheme}")
