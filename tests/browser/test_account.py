"""What one does with one's account on the page, and what the page says when something does not work."""

import re
from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Route, expect

from tests.browser.journey import check_accessibility, create_room
from tests.browser.stage import PASSWORD, Stage, is_user
from tests.support.browser import Visitor

pytestmark = [pytest.mark.process, pytest.mark.browser, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="session")]

Enter = Callable[..., Awaitable[Visitor]]


async def _on(stage: Stage, enter: Enter, email: str, devices: int) -> list[Visitor]:
    """The same user in some browsers, each in a room, so that it hears when it is signed out."""
    signed_in: list[Visitor] = []
    for number in range(1, devices + 1):
        one = await enter()
        await stage.by_letter(one, email, number)
        if signed_in:
            await one.page.goto(signed_in[0].page.url)
            await expect(one.by("room-title")).to_be_visible()
        else:
            await create_room(one)
        signed_in.append(one)
    return signed_in


async def test_one_place_is_signed_out_then_all_others(stage: Stage, enter: Enter) -> None:
    here, second, third = await _on(stage, enter, "places@example.org", 3)
    await here.by("open-settings").click()
    await expect(here.by("place")).to_have_count(3)
    await expect(here.by("place").filter(has_text="This device")).to_have_count(1)
    await here.by("end-place").first.click()  # the latest seen
    await expect(here.by("place")).to_have_count(2)
    await expect(third.by("ending")).to_have_attribute("data-ending", "signedOut")
    await here.by("end-others").click()
    await expect(here.by("place")).to_have_count(1)
    await expect(second.by("ending")).to_have_attribute("data-ending", "signedOut")
    await expect(here.by("end-others")).to_have_count(0)
    await here.page.keyboard.press("Escape")
    await expect(here.by("ending")).to_have_count(0)


async def test_a_new_name_reaches_ones_other_tabs(enter: Enter) -> None:
    ada = await enter()
    await create_room(ada)
    tab = Visitor(ada.context, await ada.context.new_page(), ada.url)
    await tab.page.goto(f"{ada.url}/rooms")
    await expect(tab.by("open-settings")).to_contain_text("Ada")
    await tab.by("open-settings").click()
    await tab.by("name-input").fill("Countess")
    await tab.by("save-name").click()
    await expect(ada.by("open-settings")).to_contain_text("Countess")
    await expect(tab.by("open-settings")).to_contain_text("Countess")
    assert tab.trouble == []


async def test_who_came_by_a_letter_is_asked_for_a_name(stage: Stage, enter: Enter, axe: str) -> None:
    ada = await enter()
    await ada.page.goto(f"{ada.url}/login?next=/rooms")
    await stage.in_by_code(ada, "unnamed@example.org")
    await expect(ada.by("username")).to_be_visible()
    await ada.by("name-input").fill("Ada")
    await check_accessibility(ada, axe)
    await ada.by("save-name").click()
    await expect(ada.by("open-settings")).to_contain_text("Ada")
    await ada.by("username-later").click()
    await ada.by("open-settings").click()
    await expect(ada.by("name-input")).to_have_value("Ada")


async def test_a_deleted_account_is_gone_everywhere_and_its_address_free(stage: Stage, enter: Enter) -> None:
    here, phone = await _on(stage, enter, "delete@example.org", 2)
    await here.by("open-settings").click()
    await here.by("delete-account").locator("xpath=ancestor::details").locator("summary").click()
    await here.by("delete-word").fill("yes")
    await here.by("delete-account").click()
    await expect(here.by("delete-word")).to_be_focused()
    await here.by("delete-word").fill("delete")
    await here.by("delete-account").click()
    await expect(here.by("sign-in-link")).to_be_visible()
    await expect(here.by("name-input").first).to_be_visible()
    await expect(phone.by("ending")).to_have_attribute("data-ending", "signedOut")
    await stage.by_letter(phone, "delete@example.org", 3)
    await phone.page.goto(phone.url)
    await expect(phone.by("open-settings")).to_contain_text("Newcomer")


async def test_forms_are_known_to_password_managers_and_a_password_can_be_looked_at(enter: Enter) -> None:
    ada = await enter()
    await ada.page.goto(f"{ada.url}/login")
    await expect(ada.by("email")).to_have_attribute("autocomplete", "username")
    await expect(ada.by("password")).to_have_attribute("autocomplete", "current-password")
    await ada.by("password").fill("visible")
    show = ada.page.get_by_role("button", name="Show the password")
    for state, kind in (("true", "text"), ("false", "password")):
        await show.click()
        await expect(show).to_have_attribute("aria-pressed", state)
        await expect(ada.by("password")).to_have_attribute("type", kind)
        await expect(ada.by("password")).to_have_value("visible")
    await ada.by("way-new").click()
    await expect(ada.by("new-password")).to_have_attribute("autocomplete", "new-password")
    await ada.page.goto(f"{ada.url}/login?way=forgot")
    await ada.by("email").fill("unknown@example.org")
    await ada.by("send-letter").click()
    await expect(ada.by("code")).to_have_attribute("autocomplete", "one-time-code")
    await expect(ada.by("code")).to_have_attribute("inputmode", "numeric")


async def _log_in(ada: Visitor, email: str) -> None:
    await ada.page.goto(f"{ada.url}/login")
    await ada.by("email").fill(email)
    await ada.by("password").fill(PASSWORD)


async def test_a_wrong_password_is_told_at_its_field_without_saying_what_is_wrong(enter: Enter) -> None:
    ada = await enter()
    ada.refusals = {401}
    await _log_in(ada, "nobody@example.org")
    await ada.page.keyboard.press("Enter")
    await expect(ada.page.locator("#password-note")).to_have_text("The address or the password is wrong.")
    await expect(ada.by("password")).to_be_focused()


async def test_who_tries_too_often_is_told_how_long_to_wait(enter: Enter) -> None:
    ada = await enter()
    ada.refusals = {401, 429}
    asked: list[str] = []
    ada.page.on("request", lambda request: asked.append(request.url))
    await ada.page.clock.install()
    await _log_in(ada, "often@example.org")
    wrong = {"email": "often@example.org", "password": PASSWORD}
    for _ in range(5):  # as many as may be tried at once
        assert (await ada.page.request.post(f"{ada.url}/v1/auth/login", data=wrong)).status == 401
    await ada.by("sign-in").click()
    await expect(ada.by("form-problem")).to_contain_text(re.compile(r"You are doing that too fast. Wait \d+ s."))
    await expect(ada.by("sign-in")).to_have_text(re.compile(r"^Wait \d+ s$"))
    await ada.by("password").press("Enter")
    await ada.page.clock.fast_forward(60_000)
    await expect(ada.by("sign-in")).to_have_text("Sign in")
    assert [url for url in asked if url.endswith("/login")].count(f"{ada.url}/v1/auth/login") == 1


async def test_a_form_is_sent_once_however_often_one_clicks_and_shows_that_it_is(enter: Enter) -> None:
    ada = await enter()
    ada.refusals = {401}
    held: list[Route] = []
    await ada.page.route("**/v1/auth/login", lambda route: held.append(route))  # noqa: PLW0108 - wants a function
    await _log_in(ada, "twice@example.org")
    await ada.by("sign-in").evaluate("button => { button.click(); button.click() }")
    await expect(ada.by("sign-in")).to_have_text("One moment…")
    await expect(ada.by("sign-in")).to_be_disabled()
    await ada.by("password").press("Enter")
    assert len(held) == 1
    await held[0].continue_()
    await expect(ada.by("password")).to_have_attribute("aria-invalid", "true")
    await expect(ada.by("sign-in")).to_have_text("Sign in")


async def test_a_server_that_is_away_is_said_and_the_next_try_goes_well(stage: Stage, enter: Enter) -> None:
    ada = await enter()
    ada.offline_expected = True  # the browser itself logs refused connections
    await ada.page.goto(ada.url)
    await ada.context.set_offline(offline=True)
    await ada.by("sign-in-link").click()
    await expect(ada.by("failed")).to_contain_text("cannot be reached")
    await ada.context.set_offline(offline=False)
    await ada.by("try-again").click()
    await ada.by("way-link").click()
    await ada.by("email").fill("away@example.org")
    await ada.context.set_offline(offline=True)
    await ada.by("send-letter").click()
    await expect(ada.by("form-problem")).to_contain_text("cannot be reached")
    await ada.context.set_offline(offline=False)
    await ada.by("send-letter").click()
    await ada.by("code").fill(await stage.code("away@example.org"))
    await ada.by("confirm-code").click()
    await is_user(ada)


async def test_without_letters_their_forms_are_absent_and_the_page_says_why(enter: Enter) -> None:
    ada = await enter()

    async def without_mail(route: Route) -> None:
        answer = await route.fetch()
        await route.fulfill(response=answer, json={**await answer.json(), "mail": False})

    await ada.page.route("**/v1/auth/providers", without_mail)
    await ada.page.goto(f"{ada.url}/login?way=new")
    await expect(ada.by("sign-in")).to_be_visible()
    await expect(ada.by("provider-school")).to_be_visible()
    await expect(ada.page.get_by_text("This server sends no letters")).to_be_visible()
    for way in ("link", "new", "forgot"):
        await expect(ada.by(f"way-{way}")).to_have_count(0)


async def test_nothing_overflows_at_320_pixels(stage: Stage, enter: Enter) -> None:
    ada = await enter(viewport={"width": 320, "height": 640})
    for path in ("/", "/login", "/login?way=new", "/login/link#reset=none"):
        await ada.page.goto(f"{ada.url}{path}")
        await _fits(ada, rows=1)
    await create_room(ada)
    await _fits(ada, rows=2)
    await stage.by_letter(ada, "narrow@example.org")
    await ada.page.goto(ada.url)
    await ada.by("open-settings").click()
    await expect(ada.by("place")).to_have_count(1)
    await ada.page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true })")
    await _fits(ada, rows=1)
    assert await ada.page.locator("dialog").evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth")


BOXES = "all => all.map(one => one.getBoundingClientRect()).map(box => [box.left, box.top, box.right, box.bottom])"


async def _fits(ada: Visitor, rows: int) -> None:
    """Nothing is wider than the page, and the top bar has as many rows of 48 pixels as it should, and no two things in one place."""
    await expect(ada.by("open-settings")).to_be_visible()
    await ada.page.evaluate("document.fonts.ready")
    assert await ada.page.evaluate("document.documentElement.scrollWidth") <= 320
    height = await ada.page.locator(".topbar").evaluate("bar => bar.getBoundingClientRect().height")
    assert height <= 16 + 48 * rows
    parts = ".topbar :is(.brand, h1, .status, .button, .icon-button, .chip)"
    boxes = await ada.page.locator(parts).evaluate_all(BOXES)
    for index, one in enumerate(boxes):
        assert 0 <= one[0] <= one[2] <= 320
        for other in boxes[:index]:
            assert one[2] <= other[0] + 1 or other[2] <= one[0] + 1 or one[3] <= other[1] + 1 or other[3] <= one[1] + 1
