"""A guest's proof of being a person holds once, here, for one thing; where it cannot be verified it does not hold (FEATURES P9)."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from aiohttp import web
from msgspec.structs import replace

from commonroom.challenge import ROOM_CREATE, Challenge, Widget
from commonroom.challenge import taken as memory
from commonroom.codes import ErrorCode
from commonroom.config.settings import ChallengeSettings
from commonroom.errors import CommonroomError, Unavailable, row_of
from tests.support.client import until
from tests.support.log import logged
from tests.support.siteverify import SECRET, SITE_KEY, Page, SiteverifyServer

PAGE = "http://127.0.0.1:8000"
SOON_S = 0.3


def _says(text: str = "", status: int = 200, **how: Any) -> Page:
    async def page(_request: web.Request) -> web.Response:
        return web.Response(text=text, status=status, **how)

    return page


async def _mute(_request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def _torn(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


UNUSABLE: dict[str, Page] = {
    "500": _says('{"success": true}', 500),
    "503": _says("", 503),
    "429": _says("{}", 429),
    "redirect": _says("", 302, headers={"Location": "/turnstile/v0/siteverify"}),
    "nothing": _says(""),
    "no JSON": _says("<html>an error of the provider's front"),
    "a list": _says("[]"),
    "null": _says("null"),
    "no verdict": _says("{}"),
    "a verdict of another type": _says('{"success": 1}'),
    "a verdict as text": _says('{"success": "true"}'),
    "codes of another type": _says('{"success": true, "error-codes": "no"}'),
    "deep": _says("[" * 60_000),
    "oversized": _says('{"success": true, "x": "' + "x" * 65536 + '"}'),
    "no text": _says("", body=None),
    "torn": _torn,
    "its own error": _says('{"success": false, "error-codes": ["internal-error"]}'),
}


@pytest.fixture
async def provider() -> AsyncIterator[SiteverifyServer]:
    async with SiteverifyServer() as server:
        yield server


Make = Callable[..., Challenge]


@pytest.fixture
async def make(provider: SiteverifyServer) -> AsyncIterator[Make]:
    made: list[Challenge] = []

    def one(public_url: str = PAGE, **changed: Any) -> Challenge:
        settings = replace(provider.settings, **changed)
        made.append(Challenge(settings, lambda: public_url, lambda: provider.now_s))
        return made[-1]

    yield one
    for challenge in made:
        await challenge.close()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    with logged() as out:
        yield out


async def _refused(verifying: Awaitable[None], code: ErrorCode) -> CommonroomError:
    with pytest.raises(CommonroomError) as caught:
        await verifying
    assert row_of(caught.value).code is code, caught.value
    assert "hunter2" not in f"{caught.value} {caught.value!r}"
    return caught.value


async def test_a_token_holds_once(provider: SiteverifyServer, make: Make) -> None:
    challenge, token = make(), provider.token()
    await challenge.verify(token, "", ROOM_CREATE)
    await _refused(challenge.verify(token, "", ROOM_CREATE), ErrorCode.CHALLENGE_FAILED)
    assert len(provider.asked) == 1  # the second time we know ourselves


async def test_another_node_learns_of_the_first_use_from_the_provider(provider: SiteverifyServer, make: Make) -> None:
    token = provider.token()
    await make().verify(token, "", ROOM_CREATE, "room-1")
    await _refused(make().verify(token, "", ROOM_CREATE, "room-1"), ErrorCode.CHALLENGE_FAILED)
    assert len({form["idempotency_key"] for form in provider.asked}) == 2


async def test_a_token_allows_the_same_thing_again_and_nothing_else(provider: SiteverifyServer, make: Make) -> None:
    challenge, token = make(), provider.token()
    for _ in range(3):
        await challenge.verify(token, "", ROOM_CREATE, "room-1")
    await _refused(challenge.verify(token, "", ROOM_CREATE, "room-2"), ErrorCode.CHALLENGE_FAILED)
    await _refused(challenge.verify(token, "", ROOM_CREATE), ErrorCode.CHALLENGE_FAILED)
    assert len(provider.asked) == 1


async def test_of_many_at_once_with_one_token_one_goes_on(provider: SiteverifyServer, make: Make) -> None:
    challenge, token = make(), provider.token()
    ends = await asyncio.gather(*(challenge.verify(token, "", ROOM_CREATE, f"room-{n}") for n in range(20)), return_exceptions=True)
    assert ends.count(None) == 1
    assert {type(end) for end in ends} == {type(None), Unavailable}
    assert len(provider.asked) == 1


@pytest.mark.parametrize("token", ["forged", "1." + "x" * 2046, "é\n\x00", "a&secret=x"])
async def test_a_forged_token_is_refused(provider: SiteverifyServer, make: Make, token: str) -> None:
    await _refused(make().verify(token, "", ROOM_CREATE), ErrorCode.CHALLENGE_FAILED)
    assert [(form["response"], form["secret"]) for form in provider.asked] == [(token, SECRET)]


async def test_no_token_is_refused_unasked(provider: SiteverifyServer, make: Make) -> None:
    await _refused(make().verify("", "", ROOM_CREATE), ErrorCode.CHALLENGE_FAILED)
    assert provider.asked == []


async def test_a_token_of_five_minutes_ago_is_refused(provider: SiteverifyServer, make: Make) -> None:
    token = provider.token()
    provider.now_s += 300
    await _refused(make().verify(token, "", ROOM_CREATE), ErrorCode.CHALLENGE_FAILED)


@pytest.mark.parametrize(
    "hostname", ["evil.example", "", "127.0.0.1.evil.example", "xrooms.example", "rooms.example.", "sub.rooms.example"]
)
async def test_a_token_of_another_page_is_refused(provider: SiteverifyServer, make: Make, hostname: str) -> None:
    for challenge in (make("https://rooms.example"), make(hostnames=("rooms.example", "www.rooms.example"))):
        await _refused(challenge.verify(provider.token(hostname), "", ROOM_CREATE), ErrorCode.CHALLENGE_FAILED)


async def test_the_own_host_is_the_pages_unless_others_are_named(provider: SiteverifyServer, make: Make) -> None:
    await make("https://Rooms.example:8443/").verify(provider.token("rooms.example"), "", ROOM_CREATE)
    named = make("https://rooms.example", hostnames=("App.example",))
    await named.verify(provider.token("app.example"), "", ROOM_CREATE)
    await _refused(named.verify(provider.token("rooms.example"), "", ROOM_CREATE), ErrorCode.CHALLENGE_FAILED)


@pytest.mark.parametrize("action", ["", "login", "room-create-2", "ROOM-CREATE"])
async def test_a_token_for_something_else_is_refused(provider: SiteverifyServer, make: Make, action: str) -> None:
    await _refused(make().verify(provider.token(action=action), "", ROOM_CREATE), ErrorCode.CHALLENGE_FAILED)


@pytest.mark.parametrize("missing", ["hostname", "action"])
async def test_a_yes_that_names_no_page_or_action_is_none(provider: SiteverifyServer, make: Make, missing: str) -> None:
    said = {"hostname": '"127.0.0.1"', "action": '"room-create"', missing: "null"}
    provider.page = _says('{"success": true, "hostname": ' + said["hostname"] + ', "action": ' + said["action"] + "}")
    await _refused(make().verify("x", "", ROOM_CREATE), ErrorCode.CHALLENGE_FAILED)


@pytest.mark.parametrize("codes", ["[]", '["timeout-or-duplicate"]', '["invalid-input-response"]', '["something-new"]'])
async def test_a_no_is_one_whatever_else_it_says(provider: SiteverifyServer, make: Make, codes: str) -> None:
    provider.page = _says('{"success": false, "hostname": "127.0.0.1", "action": "room-create", "error-codes": ' + codes + "}")
    await _refused(make().verify("x", "", ROOM_CREATE), ErrorCode.CHALLENGE_FAILED)


@pytest.mark.parametrize("page", UNUSABLE.values(), ids=UNUSABLE.keys())
async def test_no_verdict_is_a_no_that_may_be_asked_again(provider: SiteverifyServer, make: Make, page: Page) -> None:
    challenge, token = make(), provider.token()
    provider.page = page
    refusal = await _refused(challenge.verify(token, "", ROOM_CREATE, "room-1"), ErrorCode.RETRY)
    assert refusal.message == "the check cannot be made now: try again"
    provider.page = None
    await challenge.verify(token, "", ROOM_CREATE, "room-1")


async def test_who_does_not_answer_in_time_is_a_no(provider: SiteverifyServer, make: Make) -> None:
    challenge = make(timeout_s=SOON_S)
    provider.page = _mute
    await _refused(challenge.verify(provider.token(), "", ROOM_CREATE), ErrorCode.RETRY)


async def test_nobody_there_is_a_no(make: Make, unused_tcp_port: int) -> None:
    challenge = make(verify_url=f"http://127.0.0.1:{unused_tcp_port}/siteverify")
    await _refused(challenge.verify("x", "", ROOM_CREATE), ErrorCode.RETRY)


async def test_an_answer_that_is_lost_is_asked_for_once_more_under_its_key(provider: SiteverifyServer, make: Make) -> None:
    """The first question used the token up: under another key the second one would be refused."""

    async def once(request: web.Request) -> web.StreamResponse:
        provider.page = None
        provider._verdict(provider.asked[-1])
        return await _torn(request)

    provider.page = once
    await make().verify(provider.token(), "", ROOM_CREATE)
    first, second = provider.asked
    assert first == second


async def test_who_gives_up_leaves_the_token_to_be_tried_again(provider: SiteverifyServer, make: Make) -> None:
    challenge, token = make(), provider.token()
    provider.page = _mute
    verifying = asyncio.get_running_loop().create_task(challenge.verify(token, "", ROOM_CREATE))
    await until(lambda: provider.asked, "the question")
    verifying.cancel()
    await asyncio.wait([verifying])
    provider.page = None
    await challenge.verify(token, "", ROOM_CREATE)


@pytest.mark.parametrize("secret", ["wrong-hunter2", "x"])
async def test_a_wrong_secret_is_the_operators_fault_and_is_not_told(
    provider: SiteverifyServer, make: Make, log: io.StringIO, secret: str
) -> None:
    token = provider.token()
    refusal = await _refused(make(secret=secret).verify(token, "", ROOM_CREATE), ErrorCode.RETRY)
    assert "operator" in refusal.message
    assert '"challenge_misconfigured"' in log.getvalue()
    assert "invalid-input-secret" in log.getvalue()
    assert "hunter2" not in log.getvalue()
    assert token not in log.getvalue()


async def test_no_log_holds_secret_or_token_whatever_happens(provider: SiteverifyServer, make: Make, log: io.StringIO) -> None:
    token = provider.token()
    for page in (*UNUSABLE.values(), None):
        provider.page = page
        await asyncio.gather(make().verify(token, "8.8.8.8", ROOM_CREATE), return_exceptions=True)
    assert log.getvalue()
    assert "hunter2" not in log.getvalue()
    assert token not in log.getvalue()


@pytest.mark.parametrize(
    ("address", "told"),
    [("8.8.8.8", True), ("2606:4700::1", True), ("127.0.0.1", False), ("10.1.2.3", False), ("unknown", False), ("", False)],
)
async def test_the_provider_is_told_the_address_of_a_browser_alone(
    provider: SiteverifyServer, make: Make, address: str, told: bool
) -> None:
    await make().verify(provider.token(), address, ROOM_CREATE)
    assert provider.asked[0].get("remoteip") == (address if told else None)


async def test_what_is_remembered_is_bounded_in_time_and_number(
    provider: SiteverifyServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "MOST", 3)
    challenge = make()
    for number in range(5):
        await challenge.verify(provider.token(), "", ROOM_CREATE, f"room-{number}")
        await _refused(challenge.verify("forged", "", ROOM_CREATE), ErrorCode.CHALLENGE_FAILED)
    assert len(challenge._taken) == 3
    provider.now_s += memory.KEPT_S
    await challenge.verify(provider.token(), "", ROOM_CREATE)
    assert len(challenge._taken) == 1


async def test_it_is_off_without_keys() -> None:
    challenge = Challenge(ChallengeSettings(), lambda: PAGE)
    assert (challenge.is_on, challenge.origin, challenge.widget(ROOM_CREATE)) == (False, "", None)
    await challenge.verify("", "", ROOM_CREATE)
    await challenge.close()


def test_the_page_is_told_where_the_script_is_and_nothing_secret(make: Make) -> None:
    challenge = make(script_url="https://challenges.cloudflare.com/turnstile/v0/api.js?render=explicit")
    assert challenge.origin == "https://challenges.cloudflare.com"
    widget = challenge.widget(ROOM_CREATE)
    assert widget == Widget(SITE_KEY, "https://challenges.cloudflare.com/turnstile/v0/api.js?render=explicit", "room-create")
