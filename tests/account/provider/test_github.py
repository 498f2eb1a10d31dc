"""Sign-in with a server in the form of GitHub's."""

import io
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from commonroom.account.provider import Identity, Outbound, Provider, ProviderRefused, ProviderSilent, providers_of
from commonroom.config.settings import ProvidersSettings
from tests.account.provider.hostile import NONCE, VERIFIER
from tests.support.clock import HandClock
from tests.support.github import CLIENT_SECRET, GithubServer, Person
from tests.support.oidc import query_of

REDIRECT = "https://rooms.example/v1/auth/github/callback"
STATE = "state-" * 7


@pytest.fixture
async def github() -> AsyncIterator[GithubServer]:
    async with GithubServer(REDIRECT) as server:
        yield server


@pytest.fixture
def provider(github: GithubServer, outbound: Outbound, clock: HandClock) -> Provider:
    return providers_of(ProvidersSettings(github=github.settings), outbound, clock)["github"]


async def _code(github: GithubServer, provider: Provider, login: str) -> str:
    back = await github.agree(await provider.authorize_url(REDIRECT, STATE, NONCE, VERIFIER), login)
    assert back.startswith(REDIRECT)
    assert query_of(back)["state"] == STATE
    return query_of(back)["code"]


async def test_a_person_signs_in_and_is_known_by_number_not_by_login(github: GithubServer, provider: Provider) -> None:
    identity = await provider.identify(await _code(github, provider, "ada"), REDIRECT, NONCE, VERIFIER)
    assert identity == Identity("github", "1815", "ada@example.org", email_verified=True, name="Ada Lovelace")
    assert provider.label == "GitHub"


async def test_who_took_over_a_login_is_somebody_else(github: GithubServer, provider: Provider) -> None:
    github.people["ada"] = github.people["ada"]._replace(id=1816)
    assert (await provider.identify(await _code(github, provider, "ada"), REDIRECT, NONCE, VERIFIER)).subject == "1816"


async def test_T13_a_primary_address_that_is_not_verified_is_told_as_such(github: GithubServer, provider: Provider) -> None:
    identity = await provider.identify(await _code(github, provider, "bob"), REDIRECT, NONCE, VERIFIER)
    assert identity == Identity("github", "1938", "bob@example.org", email_verified=False, name="bob")


async def test_T13_a_verified_address_beside_does_not_verify_the_primary(github: GithubServer, provider: Provider) -> None:
    emails = [
        {"email": "mine@example.org", "primary": False, "verified": True, "visibility": None},
        {"email": "victim@example.org", "primary": True, "verified": False, "visibility": None},
    ]
    github.people["eve"] = Person(7, "eve", None, emails)
    identity = await provider.identify(await _code(github, provider, "eve"), REDIRECT, NONCE, VERIFIER)
    assert (identity.email, identity.email_verified) == ("victim@example.org", False)


async def test_the_address_of_the_public_profile_is_not_used(github: GithubServer, provider: Provider) -> None:
    github.people["eve"] = Person(7, "eve", None, [])
    identity = await provider.identify(await _code(github, provider, "eve"), REDIRECT, NONCE, VERIFIER)
    assert (identity.email, identity.email_verified) == (None, False)


async def test_T12_a_code_works_once(github: GithubServer, provider: Provider) -> None:
    code = await _code(github, provider, "ada")
    await provider.identify(code, REDIRECT, NONCE, VERIFIER)
    with pytest.raises(ProviderRefused, match="bad_verification_code"):
        await provider.identify(code, REDIRECT, NONCE, VERIFIER)


@pytest.mark.parametrize("verifier", ["", "other-" * 8, VERIFIER[:-1]])
async def test_T12_a_code_without_its_verifier_is_worth_nothing(github: GithubServer, provider: Provider, verifier: str) -> None:
    with pytest.raises(ProviderRefused, match="bad_verification_code"):
        await provider.identify(await _code(github, provider, "ada"), REDIRECT, NONCE, verifier)


async def test_T12_the_challenge_is_never_plain(provider: Provider) -> None:
    asked = query_of(await provider.authorize_url(REDIRECT, STATE, NONCE, VERIFIER))
    assert asked["code_challenge_method"] == "S256"
    assert asked["code_challenge"] != VERIFIER
    assert asked["scope"] == "read:user user:email"
    assert "nonce" not in asked


@pytest.mark.parametrize(
    "redirect", [REDIRECT + "/x", REDIRECT + "//evil", "https://rooms.example@evil.example/", "https://rooms.example", REDIRECT + "?x"]
)
async def test_T12_another_redirect_uri_is_refused_at_either_step(github: GithubServer, provider: Provider, redirect: str) -> None:
    with pytest.raises(AssertionError, match="not associated"):
        await github.agree(await provider.authorize_url(redirect, STATE, NONCE, VERIFIER), "ada")
    with pytest.raises(ProviderRefused, match="redirect_uri_mismatch"):
        await provider.identify(await _code(github, provider, "ada"), redirect, NONCE, VERIFIER)


async def test_a_wrong_secret_is_told_to_the_operator_only(github: GithubServer, outbound: Outbound, clock: HandClock) -> None:
    settings = ProvidersSettings(github=replace(github.settings, client_secret="wrong-hunter2"))
    provider = providers_of(settings, outbound, clock)["github"]
    with pytest.raises(ProviderRefused) as caught:
        await provider.identify(await _code(github, provider, "ada"), REDIRECT, NONCE, VERIFIER)
    assert caught.value.message == "the provider refused"
    assert str(caught.value) == "the provider refused: the token endpoint says incorrect_client_credentials"


async def test_an_api_elsewhere_is_asked_with_one_slash(github: GithubServer, outbound: Outbound, clock: HandClock) -> None:
    settings = ProvidersSettings(github=replace(github.settings, api_url=f"{github.url}/"))
    provider = providers_of(settings, outbound, clock)["github"]
    await provider.identify(await _code(github, provider, "ada"), REDIRECT, NONCE, VERIFIER)
    assert github.asked[-2:] == ["/user", "/user/emails"]


@pytest.mark.parametrize("number", [0, -1, True, "1815", None, 1.5])
async def test_who_has_no_number_is_nobody(github: GithubServer, provider: Provider, number: object) -> None:
    github.people["eve"] = Person(number, "eve", None, [])  # type: ignore[arg-type]
    with pytest.raises(ProviderRefused):
        await provider.identify(await _code(github, provider, "eve"), REDIRECT, NONCE, VERIFIER)


async def test_github_away_is_no_answer(github: GithubServer, provider: Provider) -> None:
    code = await _code(github, provider, "ada")
    await github.__aexit__()
    with pytest.raises(ProviderSilent):
        await provider.identify(code, REDIRECT, NONCE, VERIFIER)


async def test_no_log_line_holds_code_token_or_secret(github: GithubServer, provider: Provider, log: io.StringIO) -> None:
    code = await _code(github, provider, "ada")
    log.truncate(0)  # the test's own browser has told its URLs
    await provider.identify(code, REDIRECT, NONCE, VERIFIER)
    with pytest.raises(ProviderRefused) as caught:
        await provider.identify(code, REDIRECT, NONCE, VERIFIER)
    written = f"{log.getvalue()} {caught.value} {caught.value!r}"
    assert "/login/oauth/access_token" in written
    assert not any(secret in written for secret in (code, CLIENT_SECRET, VERIFIER, STATE, "gho_", "Bearer"))
