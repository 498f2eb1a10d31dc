"""A sign-in is bound to the browser that began it, works once, and leads nowhere else (RELIABILITY T12)."""

import asyncio
import json
import string
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict
from structlog.testing import capture_logs
from yarl import URL

from commonroom.account.flow import FLOW_TTL_S, Begun, SignInFlows, local_path
from commonroom.account.provider import (
    Outbound,
    ProviderRefused,
    ProviderSilent,
    SignInCancelled,
    SignInError,
    SignInInvalid,
    providers_of,
)
from commonroom.codes import ErrorCode
from commonroom.config.settings import OidcSettings, ProvidersSettings
from commonroom.errors import NotFound, row_of
from commonroom.identity import SessionId
from commonroom.ids import new_id
from commonroom.storage.pool import Database
from commonroom.storage.repository.spent_token import SpentTokens
from commonroom.token import KeyRing, SigningKey
from tests.support.clock import NOW, HandClock
from tests.support.github import GithubServer
from tests.support.oidc import query_of

REDIRECT = "https://rooms.example/v1/auth/github/callback"
SID = SessionId("01hf0000000000000000000000")
KEYS = [SigningKey("o1", "oauth", b"o" * 32), SigningKey("a1", "access", b"a" * 32)]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def github() -> AsyncIterator[GithubServer]:
    async with GithubServer(REDIRECT) as server:
        yield server


@pytest.fixture
async def outbound() -> AsyncIterator[Outbound]:
    outbound = Outbound()
    yield outbound
    await outbound.close()


def _flows(github: GithubServer, outbound: Outbound, database: Database, clock: HandClock) -> SignInFlows:
    settings = ProvidersSettings(github=github.settings, oidc={"github-too": OidcSettings("", "http://127.0.0.1:1", "x", "y")})
    return SignInFlows(providers_of(settings, outbound, clock), SpentTokens(database), KeyRing(KEYS, clock), clock)


@pytest.fixture
def flows(github: GithubServer, outbound: Outbound, database: Database, clock: HandClock) -> SignInFlows:
    return _flows(github, outbound, database, clock)


async def _begin(flows: SignInFlows) -> Begun:
    return await flows.begin("github", REDIRECT, "/rooms/r1", "sign_in", SID)


async def _come_back(flows: SignInFlows, github: GithubServer, login: str = "ada") -> tuple[Begun, dict[str, str]]:
    """A flow up to its callback."""
    begun = await _begin(flows)
    return begun, query_of(await github.agree(begun.url, login))


async def _refuse(flows: SignInFlows, cookie: object, query: Mapping[str, str], kind: type[SignInError] = SignInInvalid) -> str:
    with pytest.raises(kind) as caught:
        await flows.finish("github", cookie, query)
    told = f"{caught.value} {caught.value!r}"
    assert not any(value in told for value in query.values() if len(value) > 8)
    assert not (cookie and isinstance(cookie, str) and cookie in told)
    return caught.value.message


async def test_a_flow_ends_with_who_somebody_is_and_what_it_was_begun_for(flows: SignInFlows, github: GithubServer) -> None:
    begun, query = await _come_back(flows, github)
    flow, identity = await flows.finish("github", begun.cookie, query)
    assert (identity.provider, identity.subject, identity.email) == ("github", "1815", "ada@example.org")
    assert (flow.provider, flow.next, flow.intent, flow.sid, flow.redirect_uri) == ("github", "/rooms/r1", "sign_in", SID, REDIRECT)


async def test_a_flow_may_begin_without_a_login_session(flows: SignInFlows, github: GithubServer) -> None:
    begun = await flows.begin("github", REDIRECT, None, "link", None)
    flow, _ = await flows.finish("github", begun.cookie, query_of(await github.agree(begun.url, "ada")))
    assert (flow.sid, flow.intent, flow.next) == (None, "link", "/")


async def test_any_node_finishes_what_another_began(
    flows: SignInFlows, github: GithubServer, outbound: Outbound, database: Database
) -> None:
    begun, query = await _come_back(flows, github)
    other = _flows(github, outbound, database, HandClock())
    assert await other.finish("github", begun.cookie, query)
    await _refuse(flows, begun.cookie, query)


async def test_two_flows_share_nothing(flows: SignInFlows) -> None:
    first, second = query_of((await _begin(flows)).url), query_of((await _begin(flows)).url)
    assert first["state"] != second["state"]
    assert first["code_challenge"] != second["code_challenge"]


async def test_an_unknown_provider_is_not_found(flows: SignInFlows) -> None:
    with pytest.raises(NotFound):
        await flows.begin("gitlab", REDIRECT, "/", "sign_in", None)


async def test_the_url_tells_neither_verifier_nor_cookie(flows: SignInFlows) -> None:
    begun = await _begin(flows)
    claims = json.loads(urlsafe_b64decode(begun.cookie.split(".")[1] + "=="))
    assert claims["verifier"] not in begun.url
    assert claims["nonce"] not in begun.url
    assert claims["state"] in begun.url
    assert len(begun.cookie) < 2048


@pytest.mark.parametrize("state", ["", "x" * 43, "é", "\ud800", "x" * 100_000])
async def test_T12_a_callback_of_another_state_is_refused(flows: SignInFlows, github: GithubServer, state: str) -> None:
    begun, query = await _come_back(flows, github)
    asked = len(github.asked)
    await _refuse(flows, begun.cookie, query | {"state": state})
    await _refuse(flows, begun.cookie, {"code": query["code"]})
    assert len(github.asked) == asked
    await flows.finish("github", begun.cookie, query)  # the browser's own flow is not harmed


async def test_T12_a_callback_in_another_browser_is_refused(flows: SignInFlows, github: GithubServer) -> None:
    """Login CSRF: somebody is sent the attacker's callback, or loses a code to one who has no cookie."""
    (mine, my_query), (_, attackers) = await _come_back(flows, github), await _come_back(flows, github, "bob")
    for cookie in (mine.cookie, "", None, 5):
        await _refuse(flows, cookie, attackers)
    await _refuse(flows, None, my_query)
    await _refuse(flows, mine.cookie, {"code": attackers["code"], "state": ""})
    await flows.finish("github", mine.cookie, my_query)


async def test_T12_a_code_of_another_browser_s_flow_is_worth_nothing(flows: SignInFlows, github: GithubServer) -> None:
    """Injected under the browser's own state: the verifier tells."""
    (mine, my_query), (_, others) = await _come_back(flows, github), await _come_back(flows, github, "bob")
    await _refuse(flows, mine.cookie, my_query | {"code": others["code"]}, ProviderRefused)


async def test_T12_a_state_works_once(flows: SignInFlows, github: GithubServer) -> None:
    begun, query = await _come_back(flows, github)
    await flows.finish("github", begun.cookie, query)
    asked = len(github.asked)
    await _refuse(flows, begun.cookie, query)
    assert len(github.asked) == asked


async def test_T12_of_twenty_callbacks_at_once_one_is_heard(flows: SignInFlows, github: GithubServer) -> None:
    begun, query = await _come_back(flows, github)
    answers = await asyncio.gather(*(flows.finish("github", begun.cookie, query) for _ in range(20)), return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["SignInInvalid"] * 19 + ["tuple"]
    assert github.asked.count("/login/oauth/access_token") == 1


async def test_T12_a_flow_ends_after_ten_minutes(flows: SignInFlows, github: GithubServer, clock: HandClock) -> None:
    assert FLOW_TTL_S <= 600
    begun, query = await _come_back(flows, github)
    clock.ms += 600_000
    assert "expired" in await _refuse(flows, begun.cookie, query)
    clock.ms -= 1
    await flows.finish("github", begun.cookie, query)


async def test_T12_a_forged_or_changed_cookie_opens_nothing(flows: SignInFlows, github: GithubServer, clock: HandClock) -> None:
    begun, query = await _come_back(flows, github)
    head, body, mac = begun.cookie.split(".")
    forger = SignInFlows(flows._providers, flows._spent, KeyRing([SigningKey("o1", "oauth", b"x" * 32)], clock), clock)
    other_purpose = KeyRing([SigningKey("a1", "oauth", b"a" * 32)], clock)  # the access key, under its own name
    access = SignInFlows(flows._providers, flows._spent, other_purpose, clock)
    forged = [(await _begin(each)).cookie for each in (forger, access)]
    for cookie in (
        *forged,
        f"{head}.{body}.",
        f"{head}.{body}",
        f"{head}.{body}.{'B' if mac[0] == 'A' else 'A'}{mac[1:]}",
        f"{head}.{mac}.{body}",
    ):
        await _refuse(flows, cookie, query)


async def test_T12_the_callback_of_another_provider_is_refused(flows: SignInFlows, github: GithubServer) -> None:
    """Mix-up: an answer of one provider in the callback of another."""
    begun, query = await _come_back(flows, github)
    for name in ("github-too", "gitlab", ""):
        with pytest.raises(SignInInvalid):
            await flows.finish(name, begun.cookie, query)
    await flows.finish("github", begun.cookie, query)


async def test_T12_the_callback_of_another_issuer_is_refused(
    flows: SignInFlows, github: GithubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flows._providers["github"], "issuer", "https://id.example")
    begun, query = await _come_back(flows, github)
    await _refuse(flows, begun.cookie, query | {"iss": "https://evil.example"}, ProviderRefused)
    begun, query = await _come_back(flows, github)
    await flows.finish("github", begun.cookie, query | {"iss": "https://id.example"})


@pytest.mark.parametrize("name", ["code", "state", "error"])
async def test_T12_a_parameter_that_is_there_twice_is_refused(flows: SignInFlows, github: GithubServer, name: str) -> None:
    begun, query = await _come_back(flows, github)
    doubled = MultiDict(query)
    doubled.add(name, query.get(name, "access_denied"))
    if name == "error":
        doubled.add(name, "x")
    await _refuse(flows, begun.cookie, doubled, ProviderRefused)


async def test_T12_other_words_for_the_same_callback_are_not_the_same(flows: SignInFlows, github: GithubServer) -> None:
    begun, query = await _come_back(flows, github)
    for state in (f" {query['state']}", f"{query['state']}\0", query["state"].swapcase()):
        await _refuse(flows, begun.cookie, query | {"state": state})


async def test_who_says_no_has_cancelled(flows: SignInFlows, github: GithubServer) -> None:
    begun = await _begin(flows)
    query = query_of(await github.deny(begun.url))
    assert await _refuse(flows, begun.cookie, query, SignInCancelled) == "sign-in was cancelled"
    await _refuse(flows, begun.cookie, query)


async def test_the_operator_is_told_why_and_nothing_secret(flows: SignInFlows, github: GithubServer) -> None:
    begun, query = await _come_back(flows, github)
    with capture_logs() as lines:
        await _refuse(flows, begun.cookie, query | {"code": "0" * 20}, ProviderRefused)
    why = "the provider refused: the token endpoint says bad_verification_code"
    assert lines == [{"event": "sign-in failed", "log_level": "info", "provider": "github", "why": why}]


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        ("access_denied", SignInCancelled, "sign-in was cancelled"),
        ("temporarily_unavailable", ProviderSilent, "the provider did not answer"),
        ("server_error", ProviderSilent, "the provider did not answer"),
        ("invalid_scope", ProviderRefused, "the provider refused"),
        ("<script>alert(1)</script>", ProviderRefused, "the provider refused"),
        ("", ProviderRefused, "the provider refused"),
    ],
)
async def test_a_failure_is_told_in_our_words(flows: SignInFlows, error: str, kind: type[SignInError], message: str) -> None:
    begun = await _begin(flows)
    query = {"state": query_of(begun.url)["state"], "error": error, "error_description": "call 555 1234 now", "code": "x"}
    assert await _refuse(flows, begun.cookie, query, kind) == message


async def test_a_callback_without_a_code_is_refused(flows: SignInFlows) -> None:
    begun = await _begin(flows)
    await _refuse(flows, begun.cookie, {"state": query_of(begun.url)["state"]}, ProviderRefused)


async def test_a_provider_away_at_the_start_is_told(github: GithubServer, flows: SignInFlows) -> None:
    with pytest.raises(ProviderSilent):
        await flows.begin("github-too", REDIRECT, "/", "sign_in", None)


def test_each_failure_has_its_answer() -> None:
    codes = [row_of(error).code for error in (ProviderSilent(""), ProviderRefused(""), SignInCancelled(), SignInInvalid(""))]
    assert codes == [ErrorCode.RETRY, *[ErrorCode.UNAUTHENTICATED] * 3]


async def test_only_a_hash_of_a_used_state_is_stored(flows: SignInFlows, github: GithubServer, database: Database) -> None:
    begun, query = await _come_back(flows, github)
    await flows.finish("github", begun.cookie, query)
    dump = await database.fetch("SELECT s::text AS line FROM spent_token s")
    assert dump
    assert not any(query["state"] in row["line"] or query["state"].encode().hex() in row["line"] for row in dump)


@pytest.mark.parametrize(
    "text",
    [
        "https://evil", "//evil", "///evil", "/\\evil", "\\\\evil", "/\t/evil", "/\n/evil", " //evil", "javascript:alert(1)", "https:/evil",
        "", "rooms", "@evil", ".evil", "/x\r\nSet-Cookie: a=b", "/a b", "/é", "/\ud800", "/a\\b", "/\x7f", "/\u2028", "/" + "x" * 512,
        None, 5, b"/rooms", ["/rooms"],
    ],
)  # fmt: skip
def test_T12_what_could_lead_elsewhere_leads_home(text: object) -> None:
    assert local_path(text) == "/"


@pytest.mark.parametrize("text", ["/", "/rooms", "/rooms/r1?tab=chat&x=//y#top", "/a:b@c", "/%5Cevil", "/./x", "/" + "x" * 511])
def test_a_path_of_this_site_is_kept(text: str) -> None:
    assert local_path(text) == text


@given(st.text(string.printable + "é\0\u2028\ud800", max_size=40) | st.from_regex(r"[/\\:@a.\t%?#]{0,12}", fullmatch=True))
def test_T12_a_path_never_leaves_the_site(text: str) -> None:
    kept = local_path(text)
    here = URL("https://rooms.example/v1/auth/github/callback")
    assert here.join(URL(kept, encoded=True)).origin() == here.origin()
    assert kept.isprintable()


async def test_a_browser_s_path_survives_the_flow_whole(flows: SignInFlows, github: GithubServer) -> None:
    longest = "/" + "x" * 511
    begun = await flows.begin("github", REDIRECT, longest, "sign_in", SessionId(new_id(NOW)))
    flow, _ = await flows.finish("github", begun.cookie, query_of(await github.agree(begun.url, "ada")))
    assert flow.next == longest
    assert len(begun.cookie) + len("commonroom_oauth=") < 4096  # what browsers keep of a cookie
