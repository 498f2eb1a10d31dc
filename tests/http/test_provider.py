"""Sign-in with GitHub's look-alike over HTTP: bound to one browser, once, and never by an address that was not verified."""

import asyncio
from http.cookies import SimpleCookie
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest

from commonroom.app import Node
from commonroom.http.auth import COOKIE
from commonroom.http.routes.provider import FLOW_COOKIE
from commonroom.ids import new_id
from tests.http.api import Account, Answer, Api
from tests.support.blocked import until_blocked
from tests.support.github import GithubServer, Person

pytestmark = pytest.mark.asyncio(loop_scope="session")

START = "/v1/auth/github/start"


class Browser(NamedTuple):
    """The cookies of one browser, by name."""

    cookies: dict[str, str]

    @property
    def headers(self) -> dict[str, str]:
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()), "Sec-Fetch-Site": "same-origin"}

    def keep(self, cookies: SimpleCookie) -> None:
        for name, morsel in cookies.items():
            if morsel.value and morsel["max-age"] != "0":
                self.cookies[name] = morsel.value
            else:
                self.cookies.pop(name, None)


def somebody(github: GithubServer, *, verified: bool = True, email: str = "") -> str:
    """A new person there; the login."""
    login = f"u{len(github.people)}"
    address = {"email": email or f"{new_id(0)}@example.org", "primary": True, "verified": verified, "visibility": None}
    github.people[login] = Person(50_000 + len(github.people), login, "Grace", [address])
    return login


async def begin(api: Api, browser: Browser, path: str = START) -> str:
    answer = await api.call("GET", path, headers=browser.headers)
    assert answer.status == 302, answer.body
    browser.keep(answer.cookies)
    return answer.headers["Location"]


async def come_back(api: Api, browser: Browser, url: str) -> Answer:
    """As the provider's page sends the browser: from another site."""
    parts = urlsplit(url)
    answer = await api.call("GET", f"{parts.path}?{parts.query}", headers={**browser.headers, "Sec-Fetch-Site": "cross-site"})
    browser.keep(answer.cookies)
    return answer


async def sign_in(api: Api, github: GithubServer, browser: Browser, login: str, path: str = START) -> Answer:
    return await come_back(api, browser, await github.agree(await begin(api, browser, path), login))


async def me(api: Api, browser: Browser) -> dict[str, Any]:
    refreshed = await api.call("POST", "/v1/auth/refresh", headers=browser.headers)
    assert refreshed.status == 200, refreshed.body
    browser.keep(refreshed.cookies)
    bearer = {"Authorization": f"Bearer {refreshed.json['accessToken']}"}
    found: dict[str, Any] = (await api.call("GET", "/v1/me", headers=bearer)).json
    return found


def refused(answer: Answer, problem: str) -> None:
    assert (answer.status, answer.headers["Location"]) == (302, f"/login?problem={problem}")
    assert COOKIE not in answer.cookies


async def test_a_guest_comes_back_as_the_user_in_the_same_session(api: Api, github: GithubServer, ada: Account) -> None:
    browser, login = Browser({COOKIE: ada.refresh}), somebody(github)
    answer = await sign_in(api, github, browser, login, f"{START}?next=/r/some-room")
    assert (answer.status, answer.headers["Location"]) == (302, "/r/some-room")
    person = await me(api, browser)
    assert (person["sessionId"], person["name"]) == (ada.sid, "Grace")
    again = Browser({})
    await sign_in(api, github, again, login)
    assert (await me(api, again))["principal"] == person["principal"]


async def test_the_providers_are_told(api: Api) -> None:
    told = {"providers": [{"name": "github", "label": "GitHub"}], "mail": True, "challenge": None}
    assert (await api.call("GET", "/v1/auth/providers")).json == told
    (await api.call("GET", "/v1/auth/nobody/start")).problem(404, "NOT_FOUND")


async def test_T12_a_callback_is_taken_from_the_browser_that_began_and_once(api: Api, github: GithubServer) -> None:
    mine, theirs, login = Browser({}), Browser({}), somebody(github)
    back = await github.agree(await begin(api, mine), login)
    refused(await come_back(api, Browser({}), back), "begin-again")
    await begin(api, theirs)
    refused(await come_back(api, theirs, back), "begin-again")
    flow = dict(mine.cookies)
    assert (await come_back(api, mine, back)).headers["Location"] == "/"
    refused(await come_back(api, Browser(flow), back), "begin-again")


async def test_T12_a_state_or_code_that_was_changed_is_refused(api: Api, github: GithubServer) -> None:
    for change, problem in (("state", "begin-again"), ("code", "provider-refused")):
        browser = Browser({})
        back = await github.agree(await begin(api, browser), somebody(github))
        value = parse_qs(urlsplit(back).query)[change][0]
        refused(await come_back(api, browser, back.replace(value, f"x{value[1:]}")), problem)
    browser = Browser({})
    refused(await come_back(api, browser, await github.deny(await begin(api, browser))), "cancelled")


@pytest.mark.parametrize("path", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/%0d%0aX: y", "x"])
async def test_T12_nobody_is_sent_elsewhere_afterwards(api: Api, github: GithubServer, path: str) -> None:
    answer = await sign_in(api, github, Browser({}), somebody(github), f"{START}?next={path}")
    location = answer.headers["Location"]
    assert location == "/" or (location.startswith("/%0d") and "\r" not in location)


async def test_T12_the_flow_is_bound_to_us_with_S256_and_an_exact_address(api: Api) -> None:
    browser = Browser({})
    asked = parse_qs(urlsplit(await begin(api, browser)).query)
    assert asked["redirect_uri"] == [f"{api.url}/v1/auth/github/callback"]
    assert asked["code_challenge_method"] == ["S256"]
    assert FLOW_COOKIE in browser.cookies


async def test_T13_an_address_that_was_not_verified_opens_nobodys_account(api: Api, github: GithubServer) -> None:
    victim, address = Browser({}), f"{new_id(0)}@example.org"
    await sign_in(api, github, victim, somebody(github, email=address))
    attacker = Browser({})
    await sign_in(api, github, attacker, somebody(github, verified=False, email=address))
    theirs, his = await me(api, victim), await me(api, attacker)
    assert theirs["email"] == address
    assert his["email"] is None
    assert his["principal"] != theirs["principal"]


async def test_a_verified_address_leads_to_the_same_person(api: Api, github: GithubServer) -> None:
    first, second, address = Browser({}), Browser({}), f"{new_id(0)}@example.org"
    await sign_in(api, github, first, somebody(github, email=address))
    await sign_in(api, github, second, somebody(github, email=address))
    assert (await me(api, first))["principal"] == (await me(api, second))["principal"]


async def test_a_provider_is_linked_and_unlinked_and_the_last_way_in_stays(api: Api, github: GithubServer) -> None:
    browser, other = Browser({}), somebody(github)
    await sign_in(api, github, browser, somebody(github, verified=False))
    refreshed = await api.call("POST", "/v1/auth/refresh", headers=browser.headers)
    browser.keep(refreshed.cookies)
    bearer = {"Authorization": f"Bearer {refreshed.json['accessToken']}"}
    (await api.call("DELETE", "/v1/me/methods/github", headers=bearer)).problem(409, "CONFLICT")
    linking = await api.call("POST", "/v1/me/methods/github?next=/settings", headers=bearer)
    browser.keep(linking.cookies)
    back = await come_back(api, browser, await github.agree(linking.json["url"], other))
    assert back.headers["Location"] == "/settings"
    assert COOKIE not in back.cookies, "linking signs nobody in"
    methods = (await api.call("GET", "/v1/me/methods", headers=bearer)).json["methods"]
    assert [one["provider"] for one in methods] == ["github", "github"]
    assert (await api.call("DELETE", "/v1/me/methods/github", headers=bearer)).status == 204  # the address is a way in now
    (await api.call("DELETE", "/v1/me/methods/github", headers=bearer)).problem(404, "NOT_FOUND")


async def signed_in(api: Api, github: GithubServer, browser: Browser, login: str) -> dict[str, str]:
    """Sign in and fetch the bearer token."""
    await sign_in(api, github, browser, login)
    refreshed = await api.call("POST", "/v1/auth/refresh", headers=browser.headers)
    browser.keep(refreshed.cookies)
    return {"Authorization": f"Bearer {refreshed.json['accessToken']}"}


async def test_the_last_way_in_stays_also_under_a_race(api: Api, github: GithubServer, node: Node) -> None:
    browser, database, name = Browser({}), node._storage.database, somebody(github, verified=False)
    bearer = await signed_in(api, github, browser, name)
    user = (await me(api, browser))["principal"]["actorId"]
    await database.execute("INSERT INTO sign_in_method (provider, subject, user_id, linked_at) VALUES ('other', $1, $1, 1)", user)
    async with database.transaction() as connection:
        await connection.execute("SELECT 1 FROM app_user WHERE id = $1 FOR UPDATE", user)
        paths = ("/v1/me/methods/github", "/v1/me/methods/other")
        unlinking = asyncio.gather(*(api.call("DELETE", path, headers=bearer) for path in paths))
        await until_blocked(database, 2)
    assert sorted(one.status for one in await unlinking) == [204, 409]
    assert len((await api.call("GET", "/v1/me/methods", headers=bearer)).json["methods"]) == 1


async def test_linking_by_a_session_that_ended_meanwhile_signs_nobody_in(api: Api, github: GithubServer) -> None:
    browser, other = Browser({}), somebody(github)
    bearer = await signed_in(api, github, browser, somebody(github))
    linking = await api.call("POST", "/v1/me/methods/github", headers=bearer)
    browser.keep(linking.cookies)
    agreed = await github.agree(linking.json["url"], other)
    assert (await api.call("POST", "/v1/auth/logout", headers=bearer)).status == 204
    refused(await come_back(api, browser, agreed), "begin-again")


async def test_T13_nobody_is_linked_to_an_account_that_has_just_moved_from_the_address(api: Api, github: GithubServer, node: Node) -> None:
    first, second, address, database = Browser({}), Browser({}), f"{new_id(0)}@example.org", node._storage.database
    await sign_in(api, github, first, somebody(github, email=address))
    owner = (await me(api, first))["principal"]["actorId"]
    agreed = await github.agree(await begin(api, second), somebody(github, email=address))
    async with database.transaction() as connection:
        await connection.execute("SELECT 1 FROM app_user WHERE id = $1 FOR UPDATE", owner)
        coming = asyncio.create_task(come_back(api, second, agreed))
        await until_blocked(database)
        await connection.execute("UPDATE app_user SET email = 'x' || email, email_key = 'x' || email_key WHERE id = $1", owner)
    assert (await coming).headers["Location"] == "/"
    assert (await me(api, second))["principal"]["actorId"] != owner
