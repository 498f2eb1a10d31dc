"""Login sessions in a browser: tabs that share a cookie, sign-ins that follow each other."""

import pytest

from commonroom.http.auth import COOKIE
from tests.http.account import PASSWORD, log_in, registered, unused
from tests.http.api import Account, Answer, Api, account_of
from tests.http.test_logout import ended, socket_of
from tests.http.test_provider import Browser, sign_in, somebody
from tests.support.github import GithubServer
from tests.support.mail import MailServer

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def logged_out(api: Api, cookie: str) -> Answer:
    return await api.call("POST", "/v1/auth/logout", headers={"Cookie": f"{COOKIE}={cookie}", "Origin": api.url})


async def refreshed(api: Api, cookie: str) -> str:
    """The cookie that follows."""
    answer = await api.call("POST", "/v1/auth/refresh", headers={"Cookie": f"{COOKIE}={cookie}", "Origin": api.url})
    assert answer.status == 200, answer.body
    return answer.cookies[COOKIE].value


async def test_a_tab_logs_out_by_a_cookie_that_another_tab_has_used(api: Api, ada: Account) -> None:
    older = await refreshed(api, ada.refresh)
    newest = await refreshed(api, older)
    answer = await logged_out(api, ada.refresh)
    assert (answer.status, answer.cookies[COOKIE].value, answer.cookies[COOKIE]["max-age"]) == (204, "", "0")
    (await api.call("GET", "/v1/me", headers=ada.bearer)).problem(401, "UNAUTHENTICATED")
    (await api.call("POST", "/v1/auth/refresh", {"refreshToken": newest})).problem(401, "UNAUTHENTICATED")


async def test_a_cookie_that_opens_nothing_is_taken_away_and_ends_nothing(api: Api, ada: Account) -> None:
    assert (await logged_out(api, ada.refresh)).status == 204
    for dead in (ada.refresh, ada.access, "nobody"):
        answer = await logged_out(api, dead)
        assert (answer.status, answer.cookies[COOKIE].value) == (204, "")


async def test_a_forged_cookie_ends_nobodys_session(api: Api, ada: Account) -> None:
    head, claims, signature = ada.refresh.split(".")
    for forged in (f"{head}.{claims}.", f"{head}.{claims}.{signature[::-1]}", ada.access):
        assert (await logged_out(api, forged)).status == 204
    assert (await api.call("GET", "/v1/me", headers=ada.bearer)).status == 200


async def test_a_sign_in_ends_the_users_session_that_the_browser_had_before(api: Api, mail: MailServer) -> None:
    address = unused()
    first = await registered(api, mail, address)
    peer = await socket_of(api, first)
    elsewhere = account_of(await log_in(api, address))
    ours = {"Origin": api.url}
    second = account_of(await log_in(api, address, headers={**first.cookie, **ours}))
    assert second.sid != first.sid
    assert await ended(peer) == (4504, "the login session has ended")
    (await api.call("GET", "/v1/me", headers=first.bearer)).problem(401, "UNAUTHENTICATED")
    places = (await api.call("GET", "/v1/me/sessions", headers=second.bearer)).json["sessions"]
    assert {place["sessionId"] for place in places} == {second.sid, elsewhere.sid}


async def test_a_sign_in_as_somebody_else_ends_the_session_before(api: Api, mail: MailServer) -> None:
    mine, theirs = unused(), unused()
    first, _ = await registered(api, mail, mine), await registered(api, mail, theirs)
    account_of(await log_in(api, theirs, headers={**first.cookie, "Origin": api.url}))
    (await api.call("GET", "/v1/me", headers=first.bearer)).problem(401, "UNAUTHENTICATED")


async def test_a_session_whose_cookie_stays_goes_on(api: Api, mail: MailServer) -> None:
    """Tokens in the answer leave the cookie as it is; a bearer is of a client that keeps several; a wrong password replaces nothing."""
    address = unused()
    first = await registered(api, mail, address)
    body = {"email": address, "password": PASSWORD}
    ours = {**first.cookie, "Origin": api.url}
    assert (await api.call("POST", "/v1/auth/login", {**body, "cookie": False}, ours)).status == 200
    assert (await api.call("POST", "/v1/auth/login", body, first.bearer)).status == 200
    assert (await log_in(api, address, "wrong horse battery", ours)).status == 401
    assert (
        await api.call("POST", "/v1/auth/login", body, {**first.bearer, **first.cookie, "Origin": "https://evil.example"})
    ).status == 200
    assert (await api.call("GET", "/v1/me", headers=first.bearer)).status == 200


async def test_a_sign_in_by_a_provider_ends_the_users_session_that_the_browser_had_before(api: Api, github: GithubServer) -> None:
    browser, person = Browser({}), somebody(github)
    await sign_in(api, github, browser, person)
    first = browser.cookies[COOKIE]
    await sign_in(api, github, browser, person)
    (await api.call("POST", "/v1/auth/refresh", {"refreshToken": first})).problem(401, "UNAUTHENTICATED")
    assert (await api.call("POST", "/v1/auth/refresh", headers=browser.headers)).status == 200
