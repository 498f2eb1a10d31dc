"""Blocking, reporting, being too fast, and what is locked for guests: what the page does about it."""

import re
from collections.abc import Awaitable, Callable

import pytest
import pytest_asyncio
from playwright.async_api import Route, expect

from tests.browser.journey import create_room, say, sees
from tests.browser.rooms import in_both_themes, looks
from tests.browser.stage import PASSWORD, Stage, skip_username
from tests.support.browser import Visitor
from tests.support.server import run_cli

pytestmark = [pytest.mark.process, pytest.mark.browser, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="session")]

Enter = Callable[..., Awaitable[Visitor]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def admin(stage: Stage) -> str:
    """The address of the server's admin, who has `PASSWORD`."""
    made = await run_cli("user", "create-admin", "root@example.org", "--password-stdin", data=stage.server.data, typed=PASSWORD)
    assert made[0] == 0, made
    return "root@example.org"


async def _together(ada: Visitor, grace: Visitor) -> str:
    """Ada, a user, and Grace, a guest, in one room, where Grace has said something."""
    link = await create_room(ada)
    await grace.page.goto(link)
    await grace.by("name-input").fill("Grace")
    await grace.page.keyboard.press("Enter")
    await say(grace, "Hello Ada")
    await sees(ada, "Hello Ada")
    await expect(ada.by("person")).to_have_count(2)
    await expect(grace.by("person")).to_have_count(2)
    return link


async def test_who_is_blocked_vanishes_at_both_and_comes_back_when_it_is_undone(stage: Stage, enter: Enter) -> None:
    ada, grace = await enter(), await enter()
    await stage.by_letter(ada, "blocks@example.org")
    await _together(ada, grace)
    await ada.by("person-menu").focus()
    await ada.page.keyboard.press("Enter")
    await expect(ada.by("block")).to_be_focused()
    await ada.page.keyboard.press("Escape")
    await expect(ada.by("menu")).to_have_count(0)
    await expect(ada.by("person-menu")).to_be_focused()
    await ada.page.keyboard.press("Enter")
    await ada.page.keyboard.press("Enter")
    await expect(grace.by("person")).to_have_count(1)
    await expect(ada.by("person")).to_have_count(1)
    await expect(ada.by("message")).to_have_count(0)
    await expect(ada.by("notice")).to_contain_text("You and Grace no longer see each other")
    await say(grace, "Can you hear me?")
    await sees(grace, "Hello Ada", "Can you hear me?")
    await ada.by("notice-action").click()
    await sees(ada, "Hello Ada", "Can you hear me?")
    await expect(ada.by("person")).to_have_count(2)
    await expect(grace.by("person")).to_have_count(2)


async def test_a_blocked_person_is_in_the_settings_until_they_are_unblocked(stage: Stage, enter: Enter) -> None:
    ada, grace = await enter(), await enter()
    await stage.by_letter(ada, "list@example.org")
    await _together(ada, grace)
    await ada.by("author").click()
    await ada.by("block").click()
    await expect(ada.by("message")).to_have_count(0)
    ada.refusals = {503}
    await ada.page.route("**/v1/blocks", _unavailable, times=1)
    await ada.by("open-settings").click()
    await ada.by("blocked-people").get_by_test_id("try-again").click()
    await expect(ada.by("blocked")).to_contain_text("Grace")
    await ada.by("unblock").click()
    await expect(ada.by("blocked-people")).to_contain_text("You have blocked nobody")
    await ada.page.keyboard.press("Escape")
    await sees(ada, "Hello Ada")


async def _unavailable(route: Route) -> None:
    await route.fulfill(status=503, json={"code": 160, "name": "RETRY", "detail": "no database"}, content_type="application/problem+json")


async def test_a_report_reaches_an_admin_who_sees_what_was_said_and_mutes(stage: Stage, enter: Enter, admin: str, axe: str) -> None:
    ada, grace, root = await enter(), await enter(), await enter()
    await stage.by_letter(ada, "reports@example.org")
    await _together(ada, grace)
    await _report(ada, axe)
    await stage.by_password(root, admin)
    await root.page.goto(f"{root.url}/admin")
    report = root.by("admin-report").filter(has_text="Insults")
    await expect(report.get_by_test_id("reported-message")).to_contain_text("Hello Ada")
    await expect(report).to_contain_text("Rude, is it not?")
    await report.get_by_test_id("open-resolve").click()
    await report.get_by_test_id("outcome-acted").click()
    await report.get_by_test_id("with-sanction").click()
    await looks(root, axe)
    await report.get_by_test_id("resolve").click()
    reason = report.get_by_label("Reason")
    await expect(reason).to_be_focused()
    await reason.fill("Be kind")
    await report.get_by_test_id("resolve").click()
    await expect(report).to_have_count(0)
    await say(grace, "And now?")
    await expect(grace.by("composer-note")).to_contain_text(re.compile(r"You are muted until .+\. You can read, but not write\."))
    await expect(grace.by("message").last).to_have_attribute("data-state", "failed")
    await grace.page.reload()
    await expect(grace.by("message").last).to_have_attribute("data-state", "failed")
    await expect(grace.by("message").last).to_contain_text("And now?")
    await root.by("admin-sanctions").click()
    await root.by("sanction").filter(has_text="Be kind").get_by_test_id("lift").click()
    await expect(root.by("sanction").filter(has_text="Be kind")).to_have_count(0)
    await grace.by("retry").click()
    await sees(grace, "Hello Ada", "And now?")
    await expect(grace.by("composer-note")).not_to_contain_text("muted")


async def _report(ada: Visitor, axe: str) -> None:
    await ada.by("message").hover()
    await ada.by("message-menu").click()
    await in_both_themes(ada, axe)
    await ada.by("report-message").click()
    await ada.by("send-report").click()
    await expect(ada.by("report-spam")).to_be_focused()
    await ada.by("report-abuse").check()
    await ada.by("report-text").fill("Rude, is it not?")
    await looks(ada, axe, "dialog")
    await ada.by("send-report").click()
    await expect(ada.by("report-sent")).to_contain_text("Your report was sent")
    await expect(ada.by("report-close")).to_be_focused()
    await ada.page.keyboard.press("Enter")
    await expect(ada.by("message-menu")).to_be_focused()
    await ada.page.keyboard.press("Enter")
    await ada.page.keyboard.press("Enter")
    await ada.by("report-spam").check()
    await ada.by("send-report").click()
    await expect(ada.by("report-sent")).to_contain_text("You have reported this already")
    await ada.page.keyboard.press("Escape")


async def test_what_admins_search_for_follows_back(stage: Stage, enter: Enter, admin: str) -> None:
    root = await enter()
    await stage.by_password(root, admin)
    await root.page.goto(f"{root.url}/admin?part=people&q=first")
    await root.by("people-search").fill("second")
    await root.page.keyboard.press("Enter")
    await expect(root.page).to_have_url(re.compile("q=second"))
    await root.page.go_back()
    await expect(root.by("people-search")).to_have_value("first")
    await root.page.goto(f"{root.url}/admin?part=audit&actor=&action=room.ban")
    await root.by("audit-action").fill("room.kick")
    await root.by("audit-search").click()
    await expect(root.page).to_have_url(re.compile("room.kick"))
    await root.page.go_back()
    await expect(root.by("audit-action")).to_have_value("room.ban")


async def test_who_is_banned_is_signed_out_and_reads_why_and_until_when(stage: Stage, enter: Enter, admin: str, axe: str) -> None:
    ada, root = await enter(), await enter()
    await stage.by_letter(ada, "banned@example.org")
    await create_room(ada)
    await stage.by_password(root, admin)
    await root.page.goto(f"{root.url}/admin?part=people")
    await root.by("people-search").fill("banned@")
    await root.page.keyboard.press("Enter")
    await root.by("admin-user").get_by_role("link").click()
    await expect(root.by("person-name")).to_be_focused()
    await root.by("open-impose").click()
    await root.by("impose-kind").select_option("ban")
    await root.by("impose-reason").fill("Sold essays")
    await root.by("impose").click()
    await expect(root.by("sanction")).to_contain_text("Sold essays")
    await expect(root.by("admin-session")).to_have_count(0)
    await expect(ada.by("ending")).to_have_attribute("data-ending", "signedOut")
    ada.refusals = {403}
    await ada.by("ending").get_by_role("button").click()
    await ada.by("way-link").click()
    await ada.by("email").fill("banned@example.org")
    await ada.by("send-letter").click()
    await ada.by("code").fill(await stage.code("banned@example.org", 2))
    await ada.by("confirm-code").click()
    await expect(ada.by("ending")).to_contain_text(re.compile(r"You are banned until .+\. Reason: Sold essays"))
    await looks(ada, axe)


async def test_who_writes_too_fast_waits_and_loses_nothing(enter: Enter) -> None:
    ada = await enter()
    await create_room(ada)
    texts = [f"Message {number}" for number in range(12)]
    for one in texts:
        await say(ada, one)
    await expect(ada.by("failure").last).to_have_text(re.compile(r"You are writing too fast. Retry in \d+ s"))
    await expect(ada.by("retry").last).to_be_disabled()
    await expect(ada.by("message").and_(ada.page.locator("[data-state=pending]"))).to_have_count(0)
    await ada.page.reload()
    await expect(ada.by("message")).to_have_count(len(texts))
    refused = ada.by("message").and_(ada.page.locator("[data-state=failed]"))
    count = await refused.count()
    await refused.first.get_by_test_id("retry").click()
    await expect(refused).to_have_count(count - 1)
    await expect(ada.by("message").and_(ada.page.locator("[data-state=pending]"))).to_have_count(0)
    assert await refused.count() == count - 1


async def test_the_server_is_not_asked_for_a_token_before_the_time_it_told(enter: Enter) -> None:
    ada = await enter()
    ada.refusals = {429}
    link = await create_room(ada)
    asked: list[str] = []

    async def refuse(route: Route) -> None:
        asked.append(route.request.url)
        problem = {"code": 151, "name": "RATE_LIMITED", "detail": "too fast", "retryAfterMs": 60_000}
        await route.fulfill(status=429, json=problem, content_type="application/problem+json")

    await ada.page.route("**/v1/ws-token", refuse)
    await ada.page.clock.install()
    async with ada.page.expect_response("**/v1/ws-token"):
        await ada.page.goto(link)
    await expect(ada.by("opening")).to_be_visible()
    for _ in range(5):
        await ada.page.clock.fast_forward(9_000)
    await expect(ada.by("reconnect-banner")).to_be_visible()
    assert len(asked) == 1
    await ada.page.unroute("**/v1/ws-token")
    await ada.page.clock.fast_forward(60_000)  # the page's count began with the answer, perhaps after the first step
    await expect(ada.by("room-title")).to_be_visible()


async def test_what_is_locked_for_guests_leads_to_signing_in_and_back(stage: Stage, enter: Enter, axe: str) -> None:
    ada, grace = await enter(), await enter()
    await grace.page.goto(grace.url)
    await grace.by("create-title").fill("Thesis evenings")
    await expect(grace.by("visibility").locator("option[value=public]")).to_be_disabled()
    await expect(grace.by("visibility")).to_have_accessible_description(re.compile("people with an account"))
    await grace.by("open-settings").click()
    await expect(grace.by("unlock").last).to_contain_text("With an account")
    await looks(grace, axe, "dialog")
    await grace.page.keyboard.press("Escape")
    await grace.by("unlock").get_by_role("link").click()
    await stage.in_by_code(grace, "unlock@example.org")
    await skip_username(grace)
    await expect(grace.by("unlock")).to_have_count(0)
    await expect(grace.by("create-title")).to_have_value("Thesis evenings")
    await grace.by("visibility").select_option("public")
    await grace.by("create-room").click()
    await expect(grace.by("room-title")).to_have_text("Thesis evenings")
    room = grace.page.url
    await say(grace, "Welcome")
    await ada.page.goto(room)
    await ada.by("name-input").fill("Ada")
    await ada.page.keyboard.press("Enter")
    await ada.by("author").click()
    await ada.by("unlock-block").click()
    await stage.in_by_code(ada, "locked@example.org")
    await skip_username(ada)
    assert ada.page.url == room
    await ada.by("author").click()
    await expect(ada.by("block")).to_be_visible()


async def test_the_server_wanting_somebody_signed_in_leads_there_wherever_it_says_so(enter: Enter) -> None:
    ada = await enter()
    ada.refusals = {403}
    await ada.page.goto(ada.url)
    await ada.page.route("**/v1/rooms", _sign_in_needed, times=1)
    await ada.by("create-title").fill("Locked")
    await ada.by("name-input").fill("Ada")
    await ada.by("create-room").click()
    await expect(ada.by("notice")).to_contain_text("people who are signed in")
    await ada.by("notice-action").click()
    await expect(ada.by("sign-in")).to_be_visible()


async def _sign_in_needed(route: Route) -> None:
    await route.fulfill(
        status=403, json={"code": 121, "name": "SIGN_IN_NEEDED", "detail": "sign in"}, content_type="application/problem+json"
    )


PARTS = ("reports", "people", "sanctions", "rooms", "audit", "flags", "server")


async def test_P33_the_admin_page_is_for_admins_changes_flags_and_holds_no_accessibility_trouble(
    stage: Stage, enter: Enter, admin: str, axe: str
) -> None:
    ada, root = await enter(), await enter()
    asked: list[str] = []
    ada.page.on("request", lambda request: asked.append(request.url))
    await stage.by_letter(ada, "curious@example.org")
    await ada.page.goto(f"{ada.url}/admin")
    await expect(ada.by("ending")).to_have_attribute("data-ending", "notFound")
    await expect(ada.by("admin-link")).to_have_count(0)
    assert [url for url in asked if "admin.js" in url or "/v1/admin" in url] == []
    await stage.by_password(root, admin)
    await root.page.goto(root.url)
    await root.by("admin-link").click()
    for part in PARTS:
        await root.by(f"admin-{part}").click()
        await expect(root.page.locator("main [aria-busy=true]")).to_have_count(0)
        await looks(root, axe)
    await expect(root.by("node")).to_have_count(1)
    await root.by("admin-flags").click()
    await _flags(root)


async def _flags(root: Visitor) -> None:
    """On, off, for some, and as the settings say."""
    flag = root.by("flag").filter(has_text="live_list")
    share = flag.get_by_test_id("flag-share")
    await expect(share).to_have_text("everybody")
    await expect(flag.get_by_test_id("flag-configured")).to_have_attribute("aria-pressed", "true")
    await flag.get_by_test_id("flag-off").click()
    await expect(share).to_have_text("nobody")
    await expect(flag.get_by_test_id("flag-off")).to_have_attribute("aria-pressed", "true")
    await flag.get_by_test_id("flag-part").fill("a few")
    await flag.get_by_test_id("flag-set").click()
    await expect(flag.get_by_test_id("flag-part")).to_be_focused()
    await flag.get_by_test_id("flag-part").fill("12.5")
    await flag.get_by_test_id("flag-set").click()
    await expect(share).to_have_text("12.5 %")
    await flag.get_by_test_id("flag-configured").click()
    await expect(share).to_have_text("everybody")
    await expect(flag).to_contain_text("the settings")


async def test_a_list_of_admins_goes_on_page_by_page_and_after_a_failure(stage: Stage, enter: Enter, admin: str) -> None:
    root = await enter()
    root.refusals = {503}
    await stage.by_password(root, admin)
    answers = iter([(200, _rooms("first", "here")), (503, {"code": 160, "name": "RETRY"}), (200, _rooms("second", None))])
    asked: list[str] = []

    async def fulfil(route: Route) -> None:
        asked.append(route.request.url.partition("?")[2])
        status, body = next(answers)
        await route.fulfill(status=status, json=body)

    await root.page.route("**/v1/admin/rooms*", fulfil)
    await root.page.goto(f"{root.url}/admin?part=rooms")
    await root.by("load-more").click()
    await root.by("try-again").click()
    await expect(root.by("admin-room")).to_have_count(2)
    await expect(root.by("admin-room").last).to_contain_text("second")
    await expect(root.by("load-more")).to_have_count(0)
    assert asked == ["", "cursor=here", "cursor=here"]


def _rooms(title: str, cursor: str | None) -> dict[str, object]:
    founder = {"actorType": "user", "actorId": "f"}
    room = {"id": title, "title": title, "topic": "", "language": "en", "kind": "study", "visibility": "public", "createdAt": 1}
    return {"rooms": [{**room, "createdBy": founder}], "nextCursor": cursor}
