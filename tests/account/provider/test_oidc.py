"""Sign-in with a real OpenID Connect provider: as Google, and as one that the operator named."""

import io
import ssl
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import pytest

from commonroom.account.provider import Identity, Outbound, Provider, ProviderRefused, providers_of
from commonroom.clock import ClusterClock
from commonroom.config.settings import GoogleSettings, OidcSettings, ProvidersSettings
from commonroom.ids import new_secret
from tests.account.provider.hostile import NONCE, VERIFIER
from tests.support.oidc import OidcProcess, query_of

REDIRECT = "https://rooms.example/v1/auth/google/callback"
STATE = "state-" * 7
USERS = {
    "ada": {"email": "ada@example.org", "email_verified": True, "name": "Ada"},
    "eve": {"email": "victim@example.org", "email_verified": False, "name": "Eve"},
    "nobody": {},
}


@pytest.fixture(scope="module")
def process() -> Iterator[OidcProcess]:
    with OidcProcess(USERS) as process:
        yield process


@pytest.fixture
async def outbound(tls: ssl.SSLContext) -> AsyncIterator[Outbound]:
    outbound = Outbound(60.0, tls=tls)
    yield outbound
    await outbound.close()


@pytest.fixture
def providers(process: OidcProcess, outbound: Outbound) -> dict[str, Provider]:
    settings = ProvidersSettings(
        google=GoogleSettings("g", "hunter2", process.issuer),
        oidc={"my-school": OidcSettings("My school", process.issuer, "s", "hunter2"), "off": OidcSettings(issuer=process.issuer)},
    )
    return dict(providers_of(settings, outbound, ClusterClock()))


def test_those_with_a_client_id_are_offered_under_their_names(providers: dict[str, Provider]) -> None:
    assert {name: provider.label for name, provider in providers.items()} == {"google": "Google", "my-school": "My school"}


async def _code(process: OidcProcess, provider: Provider, sub: str, nonce: str = NONCE) -> str:
    back = await process.agree(await provider.authorize_url(REDIRECT, STATE, nonce, VERIFIER), sub)
    assert back.startswith(REDIRECT)
    query = query_of(back)
    assert query["state"] == STATE
    return query["code"]


@pytest.mark.parametrize("name", ["google", "my-school"])
async def test_a_person_signs_in(process: OidcProcess, providers: dict[str, Provider], name: str) -> None:
    provider = providers[name]
    nonce = new_secret()
    identity = await provider.identify(await _code(process, provider, "ada", nonce), REDIRECT, nonce, VERIFIER)
    assert identity == Identity(name, "ada", "ada@example.org", email_verified=True, name="Ada")


async def test_the_provider_is_sent_a_challenge_of_s256_and_nothing_secret(process: OidcProcess, providers: dict[str, Provider]) -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # and its challenge: RFC 7636 appendix B
    url = await providers["google"].authorize_url(REDIRECT, STATE, NONCE, verifier)
    assert f"{urlsplit(url).scheme}://{urlsplit(url).netloc}" == process.issuer
    asked = query_of(url)
    assert asked.pop("code_challenge") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert asked == {
        "response_type": "code", "client_id": "g", "redirect_uri": REDIRECT, "scope": "openid email profile", "state": STATE,
        "nonce": NONCE, "code_challenge_method": "S256",
    }  # fmt: skip
    assert verifier not in url
    assert "hunter2" not in url


async def test_T12_a_code_works_once(process: OidcProcess, providers: dict[str, Provider]) -> None:
    code = await _code(process, providers["google"], "ada")
    await providers["google"].identify(code, REDIRECT, NONCE, VERIFIER)
    with pytest.raises(ProviderRefused, match="invalid_grant"):
        await providers["google"].identify(code, REDIRECT, NONCE, VERIFIER)


async def test_T12_a_code_of_another_sign_in_is_refused(process: OidcProcess, providers: dict[str, Provider]) -> None:
    """Somebody's code in another's callback: the nonce tells."""
    code = await _code(process, providers["google"], "ada", nonce="the other's")
    with pytest.raises(ProviderRefused, match="another sign-in"):
        await providers["google"].identify(code, REDIRECT, NONCE, VERIFIER)


async def test_T12_a_code_of_another_client_is_refused(process: OidcProcess, providers: dict[str, Provider]) -> None:
    code = await _code(process, providers["google"], "ada")
    with pytest.raises(ProviderRefused):
        await providers["my-school"].identify(code, REDIRECT, NONCE, VERIFIER)


@pytest.mark.parametrize("redirect", [REDIRECT + "/x", REDIRECT[:-1], "https://rooms.example.evil/v1/auth/google/callback"])
async def test_T12_the_redirect_uri_is_the_same_at_both_steps(process: OidcProcess, providers: dict[str, Provider], redirect: str) -> None:
    code = await _code(process, providers["google"], "ada")
    with pytest.raises(ProviderRefused):
        await providers["google"].identify(code, redirect, NONCE, VERIFIER)


@pytest.mark.parametrize("code", ["", "x", "é", "\ud800", "a\r\nb: c", "x" * 5000, "code&client_id=other"])
async def test_what_is_no_code_is_refused(providers: dict[str, Provider], code: str) -> None:
    with pytest.raises(ProviderRefused):
        await providers["google"].identify(code, REDIRECT, NONCE, VERIFIER)


async def test_T13_an_address_that_is_not_verified_is_told_as_such(process: OidcProcess, providers: dict[str, Provider]) -> None:
    identity = await providers["google"].identify(await _code(process, providers["google"], "eve"), REDIRECT, NONCE, VERIFIER)
    assert (identity.subject, identity.email, identity.email_verified) == ("eve", "victim@example.org", False)


async def test_who_tells_no_address_has_none(process: OidcProcess, providers: dict[str, Provider]) -> None:
    identity = await providers["google"].identify(await _code(process, providers["google"], "nobody"), REDIRECT, NONCE, VERIFIER)
    assert identity == Identity("google", "nobody", None, email_verified=False, name="")


async def test_no_log_line_holds_code_token_or_secret(process: OidcProcess, providers: dict[str, Provider], log: io.StringIO) -> None:
    code = await _code(process, providers["google"], "ada")
    log.truncate(0)  # the test's own browser has told its URLs
    for _ in range(2):
        try:
            await providers["google"].identify(code, REDIRECT, NONCE, VERIFIER)
        except ProviderRefused as error:
            told = f"{error} {error!r}"
    written = log.getvalue() + told
    assert "/oauth2/token" in written
    assert not any(secret in written for secret in (code, "hunter2", NONCE, VERIFIER, STATE, "eyJ", "Bearer"))
