"""Finding rooms, inviting to them, keeping order in them, and whose the timer is: each journey at both widths and in both themes."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Locator, Route, expect

from tests.browser.journey import say
from tests.browser.rooms import enter_as_guest, in_both_themes, looks, open_dialog, open_room
from tests.browser.stage import Stage, skip_username
from tests.support.browser import Visitor

pytestmark = [pytest.mark.process, pytest.mark.browser, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="session")]

Enter = Callable[..., Awaitable[Visitor]]


def _card(visitor: Visitor, title: str) -> Locator:
    return visitor.by("room-card").filter(has_text=title)


async def test_P18_P19_rooms_are_found_by_filters_and_followed_while_one_looks(stage: Stage, enter: Enter, axe: str) -> None:
    ada, grace = await enter(), await enter()
    await stage.by_letter(ada, "finder@example.org")
    await _three_rooms(ada)
    await enter_as_guest(grace, ada.page.url, "Grace")
    await expect(grace.by("person")).to_have_count(2)
    await grace.page.goto(f"{grace.url}/rooms?tag=lichen")
    await expect(grace.by("room-card")).to_have_count(3)
    await expect(grace.by("recent")).to_contain_text("Lichen at night")
    await looks(grace, axe)
    await _narrow(grace, axe)
    await _followed(ada, grace)
    await _at_home_again(stage, ada, grace)
    await looks(grace, axe)
    await grace.page.goto(grace.url)
    await expect(grace.by("room-card").first).to_be_visible()
    await looks(grace, axe)


async def _three_rooms(ada: Visitor) -> None:
    for title, topic in (("Lichen walks", "Slow, outdoors"), ("Lichen and moss", "Herbarium"), ("Lichen at night", "By torchlight")):
        await open_room(ada, title, visibility="public", topic=topic, tags="lichen, #Field Work")


async def _narrow(grace: Visitor, axe: str) -> None:
    await grace.by("filter-q").fill("herbar ")
    await expect(grace.by("room-card")).to_have_count(1)
    await expect(grace.page).to_have_url(re.compile("q=herbar"))
    await expect(grace.by("filter-q")).to_have_value("herbar ")  # another word may follow
    await grace.by("filter-q").fill("nothing like it")
    await expect(grace.by("no-rooms")).to_be_visible()
    await looks(grace, axe)
    await grace.by("filter-q").fill("herbar")
    await expect(grace.by("room-card")).to_have_count(1)
    await grace.by("clear-filters").click()
    await expect(grace.by("clear-filters")).to_have_count(0)
    await expect(grace.by("filter-q")).to_have_value("")
    await _card(grace, "Lichen and moss").get_by_role("button", name="Rooms with the tag field-work").click()
    await expect(grace.by("room-card")).to_have_count(3)
    await grace.by("filter-status").select_option("active")
    await expect(grace.by("room-card")).to_have_count(1)  # Ada is still in the last one
    await grace.by("filter-status").select_option("idle")
    await expect(grace.by("room-card")).to_have_count(2)
    await grace.by("filter-language").select_option("pt")
    await expect(grace.by("no-rooms")).to_be_visible()
    await grace.by("filter-language").select_option("en")
    await grace.by("filter-status").select_option("")
    await grace.by("filter-sort").select_option("newest")
    await expect(grace.by("room-card").first).to_contain_text("Lichen at night")
    await expect(grace.by("room-card")).to_have_count(3)


async def _followed(ada: Visitor, grace: Visitor) -> None:
    """Counts, timers and endings come by themselves; what ended stays where it is, so that nothing jumps."""
    card = _card(grace, "Lichen at night")
    await expect(card).to_contain_text("1 here")
    await ada.by("timer-start").click()
    await expect(card).to_contain_text("Focus until")
    await open_dialog(ada, "open-room-settings")
    await ada.by("archive").click()
    await ada.by("archive-sure").click()
    await expect(card).to_have_attribute("data-ended", "true")
    await expect(card).to_contain_text("This room has closed")


async def _at_home_again(stage: Stage, ada: Visitor, grace: Visitor) -> None:
    """What a guest's browser kept goes to the account; what a user keeps is there."""
    await grace.page.goto(f"{grace.url}/rooms?tag=lichen")
    await _card(grace, "Lichen walks").get_by_role("link").click()
    await expect(grace.by("room-title")).to_have_text("Lichen walks")
    await grace.by("sign-in-link").click()
    async with grace.page.expect_response(lambda response: response.request.method == "PUT" and response.url.endswith("/v1/rooms/recent")):
        await stage.in_by_code(grace, "keeper@example.org")
    await skip_username(grace)
    await expect(grace.by("room-title")).to_have_text("Lichen walks")
    await grace.by("room-menu").click()
    await grace.by("keep-room").click()
    await expect(grace.by("notice")).to_contain_text("among the rooms you keep")
    assert await grace.page.evaluate("localStorage.getItem('commonroom:recent')") is None
    await grace.page.goto(f"{grace.url}/rooms")
    await expect(grace.by("favourites")).to_contain_text("Lichen walks")
    await expect(grace.by("recent")).to_contain_text("Lichen walks")
    await expect(ada.by("archived")).to_be_visible()


async def test_a_room_with_a_long_title_and_topic_fits_every_window(stage: Stage, enter: Enter, axe: str) -> None:
    ada = await enter()
    await stage.by_letter(ada, "long@example.org")
    await open_room(ada, f"{'All of us ' * 3}{'x' * 50}", topic=("We all have something to finish here. " * 6)[:200].strip())
    await looks(ada, axe)
    await open_dialog(ada, "keep-room")
    await expect(ada.by("notice")).to_contain_text("among the rooms you keep")
    await looks(ada, axe)
    await ada.page.set_viewport_size({"width": 360, "height": 800})
    assert await ada.by("notice").locator("p").evaluate("one => one.scrollWidth <= one.clientWidth")
    assert await ada.by("composer").evaluate("one => one.scrollHeight <= one.clientHeight")


async def test_more_rooms_come_page_by_page_and_after_a_failure(stage: Stage, enter: Enter) -> None:
    ada = await enter()
    await stage.by_letter(ada, "pages@example.org")
    for number in range(3):
        await open_room(ada, f"Page {number}", visibility="public", tags="paged")
    ada.refusals = {503}
    failing = [False]

    async def two_at_a_time(route: Route) -> None:
        if failing[0]:
            await route.fulfill(status=503, json={"code": 160, "name": "RETRY"}, content_type="application/problem+json")
        else:
            await route.continue_(url=route.request.url.replace("limit=24", "limit=2"))

    await ada.page.route("**/v1/rooms?*", two_at_a_time)
    await ada.page.goto(f"{ada.url}/rooms?tag=paged")
    await expect(ada.by("room-card")).to_have_count(2)
    failing[0] = True
    await ada.by("more-rooms").click()
    await expect(ada.by("try-again")).to_be_visible()
    await expect(ada.by("room-card")).to_have_count(2)
    failing[0] = False
    await ada.by("try-again").click()
    await expect(ada.by("room-card")).to_have_count(3)
    await expect(ada.by("more-rooms")).to_have_count(0)


async def test_rooms_that_did_not_load_come_by_themselves_when_the_browser_is_online_again(enter: Enter) -> None:
    ada = await enter()
    ada.offline_expected = True  # the browser itself logs refused connections
    await ada.page.goto(f"{ada.url}/rooms")
    await expect(ada.by("room-list")).to_have_attribute("data-state", "ready")
    await ada.context.set_offline(offline=True)
    await ada.by("filter-q").fill("nothing like it")
    await expect(ada.by("try-again")).to_be_visible()
    await ada.context.set_offline(offline=False)
    await expect(ada.by("no-rooms")).to_be_visible()


async def test_a_guest_who_has_to_wait_for_another_room_reads_what_helps(enter: Enter) -> None:
    ada = await enter()
    ada.refusals = {429}
    problem = {"code": 151, "name": "RATE_LIMITED", "detail": "too fast", "retryAfterMs": 3_600_000}

    async def refuse(route: Route) -> None:
        await route.fulfill(status=429, json=problem, content_type="application/problem+json")

    await ada.page.route("**/v1/rooms", refuse)
    await ada.page.goto(ada.url)
    await ada.by("name-input").fill("Ada")
    await ada.by("create-title").fill("One more")
    await ada.by("create-room").click()
    await expect(ada.by("create-room")).to_have_text("Wait 60 minutes")
    await expect(ada.page.get_by_text("With an account you may open more rooms")).to_be_visible()


async def test_P17_M8_an_invitation_opens_a_private_room_to_whom_it_was_made_for(enter: Enter, axe: str) -> None:
    ada, grace, bob, carol = await enter(), await enter(), await enter(), await enter()
    await ada.page.goto(f"{ada.url}/login")
    await ada.by("name-input").fill("Ada")
    await ada.by("continue-as-guest").click()
    await expect(ada.by("create-title")).to_be_visible()
    link = await open_room(ada, "Behind the curtain", visibility="private")
    await enter_as_guest(carol, link, "Carol")
    await expect(carol.by("ending")).to_have_attribute("data-ending", re.compile("forbidden|unknownRoom"))
    invitation, code = await _invite(ada, axe, "1")
    await enter_as_guest(grace, invitation, "Grace")
    await expect(grace.by("room-title")).to_have_text("Behind the curtain")
    assert grace.page.url == link
    await _failing(carol, invitation)
    await expect(carol.by("ending")).to_have_attribute("data-ending", "invite")
    await expect(carol.by("ending")).to_contain_text("used up")
    await expect(carol.by("notice")).to_have_count(0)
    await looks(carol, axe)
    _, code = await _invite(ada, axe, "0")
    await _typed(bob, code)
    await expect(bob.by("room-title")).to_have_text("Behind the curtain")
    await _revoked(ada, carol, code)
    await ada.page.reload()
    await expect(ada.by("person")).to_have_count(3)
    await _members(ada, grace, axe)


async def test_P17_who_is_inside_when_a_room_becomes_private_reads_that_it_is_private(stage: Stage, enter: Enter) -> None:
    ada, grace = await enter(), await enter()
    await stage.by_letter(ada, "curtain@example.org")
    link = await open_room(ada, "Curtain falls")
    await enter_as_guest(grace, link, "Grace")
    await expect(grace.by("room-title")).to_have_text("Curtain falls")
    await open_dialog(ada, "open-room-settings")
    await expect(ada.by("room-settings")).to_contain_text("sends out whoever is not a member")
    await ada.by("room-visibility").select_option("private")
    await ada.by("save-room").click()
    await expect(grace.by("ending")).to_have_attribute("data-ending", "forbidden")
    await grace.page.reload()
    await expect(grace.by("ending")).to_contain_text("invited people only")


async def _members(ada: Visitor, grace: Visitor, axe: str) -> None:
    """Page by page; who leaves for good is out on all devices, and needs another invitation."""
    elsewhere = Visitor(grace.context, await grace.context.new_page(), grace.url)
    await elsewhere.page.goto(ada.page.url)
    await expect(elsewhere.by("room-title")).to_be_visible()
    await ada.page.route(re.compile(r"/members(\?|$)"), _one_at_a_time)
    await open_dialog(ada, "open-members")
    await expect(ada.by("member")).to_have_text([re.compile("Ada.*you.*host"), re.compile("Grace.*Since")])
    await ada.by("load-more").click()
    await expect(ada.by("member").nth(2)).to_contain_text("Bob")
    await expect(ada.by("load-more")).to_have_count(0)
    await expect(ada.by("quit")).to_have_count(0)  # the host hands the room over instead
    await looks(ada, axe, "dialog")
    await open_dialog(grace, "open-members")
    await grace.by("quit").click()
    await looks(grace, axe, "dialog")
    await grace.by("quit-sure").click()
    await expect(grace.by("notice")).to_contain_text("You have left Behind the curtain for good")
    await expect(elsewhere.by("ending")).to_have_attribute("data-ending", "quit")
    await grace.page.goto(ada.page.url)
    await expect(grace.by("ending")).to_have_attribute("data-ending", re.compile("forbidden|unknownRoom"))
    assert elsewhere.trouble == []


async def _one_at_a_time(route: Route) -> None:
    address, _, query = route.request.url.partition("?")
    await route.continue_(url=f"{address}?limit=1&{query}")


async def _failing(carol: Visitor, invitation: str) -> None:
    """A server that is busy costs nobody the invitation: it stays in the address until it was used or refused."""
    carol.refusals = {404, 503}
    await carol.page.route("**/v1/invites/*", _busy, times=1)
    await carol.page.goto(invitation)
    await expect(carol.by("failed")).to_be_visible()
    assert carol.page.url == invitation
    await carol.by("try-again").click()


async def _busy(route: Route) -> None:
    await route.fulfill(status=503, json={"code": 160, "name": "RETRY"}, content_type="application/problem+json")


async def _invite(ada: Visitor, axe: str, uses: str) -> tuple[str, str]:
    """The link and the code of a new invitation, which are told this once."""
    await open_dialog(ada, "open-invites")
    await ada.by("invite-uses").select_option(uses)
    await ada.by("make-invite").click()
    link = await ada.by("invite-link").input_value()
    code = (await ada.by("invite-code").inner_text()).rpartition(" ")[2]
    await ada.by("copy-invite-link").click()
    assert await ada.page.evaluate("navigator.clipboard.readText()") == link
    await expect(ada.by("invite").first).to_be_visible()
    if uses == "1":
        await looks(ada, axe, "dialog")
    await ada.page.keyboard.press("Escape")
    await open_dialog(ada, "open-invites")
    await expect(ada.by("invite").first).to_be_visible()
    await expect(ada.by("invite-code")).to_have_count(0)
    await ada.page.keyboard.press("Escape")
    return link, code


async def _typed(bob: Visitor, code: str) -> None:
    """By hand, in lower case and with a hyphen, before a name was told; a wrong one is told where it was typed."""
    await bob.page.goto(bob.url)
    await bob.by("join-input").fill("not a code")
    await bob.by("join-room").click()
    await expect(bob.by("join-input")).to_have_attribute("aria-invalid", "true")
    await bob.by("join-input").fill(f"{code[:5]}-{code[5:]}".lower())
    await bob.by("join-room").click()
    await bob.by("name-input").fill("Bob")
    await bob.by("continue-as-guest").click()
    await expect(bob.by("join-input")).to_have_value(code)
    await bob.by("join-room").click()


async def _revoked(ada: Visitor, carol: Visitor, code: str) -> None:
    await open_dialog(ada, "open-invites")
    rows = ada.by("invite")
    await expect(rows).to_have_count(1)
    await rows.get_by_test_id("revoke").click()
    await expect(rows).to_have_count(0)
    await ada.page.keyboard.press("Escape")
    await carol.page.goto(carol.url)
    await carol.by("join-input").fill(code)
    await carol.by("join-room").click()
    await expect(carol.page.get_by_text("This code is wrong, used up or too old")).to_be_visible()


async def _measure(host: Visitor, who: str, measure: str, why: str = "") -> None:
    """From somebody's menu in the list of people."""
    await host.by("person").filter(has_text=who).get_by_test_id("person-menu").click()
    await host.by(f"measure-{measure}").click()
    await host.by("measure-why").fill(why)
    await host.by("take-measure").click()
    await expect(host.by("measure")).to_have_count(0)


async def _role(visitor: Visitor, who: str, role: str) -> None:
    await expect(visitor.by("person").filter(has_text=who).get_by_test_id("role")).to_have_text(role)


async def test_P35_hosts_and_co_hosts_keep_order_and_everybody_is_told_what_concerns_them(stage: Stage, enter: Enter, axe: str) -> None:
    ada, grace, bob = await enter(), await enter(), await enter()
    await stage.by_letter(ada, "host@example.org")
    link = await open_room(ada, "Order of the day")
    await enter_as_guest(grace, link, "Grace")
    await enter_as_guest(bob, link, "Bob")
    await expect(ada.by("person")).to_have_count(3)
    await expect(bob.by("person").filter(has_text="Grace").get_by_test_id("role")).to_have_count(0)
    await _measure(ada, "Grace", "cohost")
    await _role(bob, "Grace", "co-host")
    await _muted(grace, bob)
    await _mutes(ada, grace, bob)
    await _slow(grace, bob)
    await _sent_away(ada, grace, bob, axe)
    await _locked(ada, bob, link)
    await _measure(ada, "Grace", "host")
    await _role(grace, "Grace", "host")
    await _role(ada, "Newcomer", "co-host")
    await _archived(ada, grace, axe)


async def _muted(grace: Visitor, bob: Visitor) -> None:
    await _measure(grace, "Bob", "mute", "Too loud")
    await expect(bob.by("composer-note")).to_contain_text(re.compile(r"You are muted until .+ Reason: Too loud"))
    await say(bob, "Can I?")
    await expect(bob.by("message").last).to_have_attribute("data-state", "failed")
    await bob.by("discard").click()
    await grace.by("notice-action").click()
    await expect(bob.by("composer-note")).not_to_contain_text("muted")
    await say(bob, "Thank you")
    await expect(grace.by("message").last).to_contain_text("Thank you")


async def _mutes(ada: Visitor, grace: Visitor, bob: Visitor) -> None:
    """Who keeps order sees who is muted: in the menu about them, and in a list, also after coming back."""
    await _measure(grace, "Bob", "mute")
    await expect(bob.by("composer-note")).to_contain_text("muted")
    for one in (ada, grace):
        await _offers(one, "unmute", "mute")
    await ada.page.reload()
    await _offers(ada, "unmute", "mute")
    await open_dialog(ada, "open-room-settings")
    await ada.by("mutes").get_by_text("Muted people").click()
    await expect(ada.by("mute")).to_contain_text(re.compile("Bob.*Until"))
    await ada.by("lift-mute").click()
    await expect(ada.by("mutes")).to_contain_text("Nobody is muted")
    await ada.page.keyboard.press("Escape")
    await expect(bob.by("composer-note")).not_to_contain_text("muted")
    await _offers(ada, "mute", "unmute")


async def _offers(host: Visitor, measure: str, other: str) -> None:
    """About Bob. A menu says what was known when it opened, and who is muted is read a moment after the page."""
    is_offered = False
    async with asyncio.timeout(20):
        while not is_offered:
            await host.by("person").filter(has_text="Bob").get_by_test_id("person-menu").click()
            await expect(host.by("measure-kick")).to_be_visible()
            is_offered = [await host.by(f"measure-{one}").count() for one in (measure, other)] == [1, 0]
            await host.page.keyboard.press("Escape")
            await expect(host.by("measure-kick")).to_have_count(0)


async def _slow(grace: Visitor, bob: Visitor) -> None:
    """A co-host sets the pause and sees nothing of the host's settings."""
    await open_dialog(grace, "open-room-settings")
    await expect(grace.by("room-title-input")).to_have_count(0)
    await grace.by("room-slow").select_option("3600000")
    await grace.by("save-room").click()
    await expect(bob.by("composer-note")).to_contain_text("Slow mode")
    await say(bob, "Once an hour")
    await expect(bob.by("composer-note")).to_contain_text("Slow mode: you can write again in")
    await expect(bob.by("send")).to_be_disabled()
    await say(grace, "Co-hosts need no pause")
    await say(grace, "None at all")
    await expect(grace.by("message").last).to_have_attribute("data-state", "sent")
    await open_dialog(grace, "open-room-settings")
    await grace.by("room-slow").select_option("0")
    await grace.by("save-room").click()
    await expect(bob.by("composer-note")).not_to_contain_text("Slow mode")


async def _sent_away(ada: Visitor, grace: Visitor, bob: Visitor, axe: str) -> None:
    await grace.by("person").filter(has_text="Bob").get_by_test_id("person-menu").click()
    await in_both_themes(grace, axe)
    await grace.by("measure-kick").click()
    await looks(grace, axe, "dialog")
    await grace.by("measure-why").fill("Off topic")
    await grace.by("take-measure").click()
    await expect(bob.by("ending")).to_have_attribute("data-ending", "kicked")
    await expect(bob.by("ending")).to_contain_text("Off topic")
    await looks(bob, axe)
    await bob.by("ending").get_by_role("button").click()
    await expect(bob.by("room-title")).to_have_text("Order of the day")
    await expect(ada.by("person")).to_have_count(3)
    await _measure(ada, "Bob", "ban", "Sold essays")
    await expect(bob.by("ending")).to_have_attribute("data-ending", "roomBan")
    await expect(bob.by("ending")).to_contain_text(re.compile(r"Until .+ Reason: Sold essays"))
    await bob.page.reload()
    await expect(bob.by("ending")).to_have_attribute("data-ending", "roomBan")
    await expect(bob.by("ending")).to_contain_text("Until")
    await open_dialog(ada, "open-room-settings")
    await ada.by("bans").get_by_text("Banned people").click()
    await expect(ada.by("ban")).to_contain_text(re.compile("Bob.*Until"))
    await ada.by("lift-ban").click()
    await expect(ada.by("bans")).to_contain_text("Nobody is banned")
    await ada.page.keyboard.press("Escape")


async def _locked(ada: Visitor, bob: Visitor, link: str) -> None:
    await open_dialog(ada, "open-room-settings")
    await ada.by("room-lock").check()
    await ada.by("save-room").click()
    await expect(ada.by("room-locked")).to_be_visible()
    await bob.page.goto(link)
    await expect(bob.by("ending")).to_have_attribute("data-ending", "roomLocked")
    await open_dialog(ada, "open-room-settings")
    await ada.by("room-lock").uncheck()
    await ada.by("room-size").fill("2")
    await ada.by("save-room").click()
    await expect(ada.by("room-locked")).to_have_count(0)
    await bob.by("ending").get_by_role("button").click()
    await expect(bob.by("ending")).to_have_attribute("data-ending", "full")
    await open_dialog(ada, "open-room-settings")
    await ada.by("room-size").fill("one")
    await ada.by("save-room").click()
    await expect(ada.by("room-size")).to_be_focused()
    await ada.by("room-size").fill("")
    await ada.by("save-room").click()
    await expect(ada.by("room-settings")).to_have_count(0)
    await bob.by("ending").get_by_role("button").click()
    await expect(bob.by("room-title")).to_have_text("Order of the day")


async def _archived(ada: Visitor, grace: Visitor, axe: str) -> None:
    """By the host, who is Grace by now; she alone may open it again."""
    await open_dialog(grace, "open-room-settings")
    await looks(grace, axe, "dialog")
    await grace.by("archive").click()
    await grace.by("archive-sure").click()
    await expect(ada.by("archived")).to_be_visible()
    await expect(ada.by("composer-note")).to_contain_text("archived")
    await expect(ada.by("reopen")).to_have_count(0)
    await looks(ada, axe)
    await grace.by("reopen").click()
    await expect(ada.by("archived")).to_have_count(0)


PROBES = """
window.told = []; window.tones = 0; window.away = false;
Object.defineProperty(document, "visibilityState", { get: () => (window.away ? "hidden" : "visible") });
window.Notification = class { static permission = "granted"; static requestPermission = async () => "granted";
  constructor(title, { body }) { window.told.push(`${title}: ${body}`); } close() {} };
window.OscillatorNode = class extends OscillatorNode { constructor(...args) { super(...args); window.tones += 1; } };
"""


async def test_P13_X2_the_timer_is_whose_the_room_says_and_a_phases_end_is_told_to_who_looks_elsewhere(
    stage: Stage, enter: Enter, axe: str
) -> None:
    ada, grace = await enter(), await enter()
    await stage.by_letter(ada, "clock@example.org")
    await ada.page.route("**/v1/rooms", _short_focus)
    await grace.page.add_init_script(PROBES)
    link = await open_room(ada, "By the clock")
    await enter_as_guest(grace, link, "Grace")
    await _policies(ada, grace, axe)
    await _phase_ends(ada, grace)
    await _extended(ada, grace)
    await looks(ada, axe)


async def _short_focus(route: Route) -> None:
    """A focus phase that a test can wait for; the form offers minutes."""
    wanted = json.loads(route.request.post_data or "{}")
    await route.continue_(post_data=json.dumps({**wanted, "timer": {**wanted["timer"], "focusMs": 1_500, "autoStart": False}}))


async def _choose_policy(ada: Visitor, policy: str) -> None:
    await open_dialog(ada, "open-room-settings")
    await ada.by("timer-policy-choice").select_option(policy)
    await ada.by("save-room").click()
    await expect(ada.by("room-settings")).to_have_count(0)


async def _policies(ada: Visitor, grace: Visitor, axe: str) -> None:
    await expect(grace.by("timer-policy")).to_have_count(0)
    await _choose_policy(ada, "host")
    await expect(grace.by("timer-policy")).to_have_text("The host works the timer here.")
    await expect(grace.by("timer-start")).to_be_disabled()
    await expect(grace.by("timer-start")).to_have_accessible_description("The host works the timer here.")
    await looks(grace, axe)
    await _choose_policy(ada, "cohosts")
    await expect(grace.by("timer-policy")).to_have_text("Host and co-hosts work the timer here.")
    await _measure(ada, "Grace", "cohost")
    await expect(grace.by("timer-start")).to_be_enabled()


async def _phase_ends(ada: Visitor, grace: Visitor) -> None:
    await grace.by("open-settings").click()
    await grace.by("notify").check()
    await grace.page.keyboard.press("Escape")
    await grace.page.evaluate("window.away = true")
    await grace.by("timer-start").click()
    await expect(ada.by("timer-phase")).to_have_attribute("data-phase", "short_break")
    await expect(grace.by("timer-phase")).to_have_attribute("data-phase", "short_break")
    assert await grace.page.evaluate("[window.told, window.tones]") == [["By the clock: Next: Short break"], 2]
    await grace.by("timer-quiet").click()
    await expect(grace.by("timer-quiet")).to_have_attribute("aria-pressed", "true")
    await grace.by("timer-reset").click()
    await expect(grace.by("timer-phase")).to_have_attribute("data-phase", "focus")
    await grace.by("timer-start").click()
    await expect(grace.by("timer-phase")).to_have_attribute("data-phase", "short_break")
    assert await grace.page.evaluate("[window.told.length, window.tones]") == [1, 2]


async def _extended(ada: Visitor, grace: Visitor) -> None:
    await grace.by("timer-start").click()
    await expect(ada.by("timer-remaining")).to_have_text(re.compile(r"0[45]:\d\d"))
    await ada.by("timer-extend").click()
    for one in (ada, grace):
        await expect(one.by("timer-remaining")).to_have_text(re.compile(r"(09|10):\d\d"))
    await expect(grace.page).to_have_title(re.compile(r"\d\d:\d\d Short break · By the clock"))
