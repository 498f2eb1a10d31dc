"""A provider to sign in with, a hostile one, and a hand on the clock."""

import io
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from commonroom.account.provider import Identity, Outbound, Provider, ProviderRefused, SignInError, providers_of
from commonroom.config.settings import OidcSettings, ProvidersSettings
from tests.account.provider.hostile import CLIENT_ID, NONCE, REDIRECT, VERIFIER, HostileProvider, Key
from tests.support.clock import HandClock
from tests.support.log import logged

CODE = "code-hunter2"
SECRET = "secret-hunter2"


class Stage:
    """A client of a hostile provider, under the name `school`."""

    def __init__(self, server: HostileProvider, key: Key, outbound: Outbound, clock: HandClock) -> None:
        self.server = server
        self.key = key
        self.clock = clock
        self.outbound = outbound
        entry = OidcSettings("My school", server.issuer, CLIENT_ID, SECRET)
        self.provider: Provider = providers_of(ProvidersSettings(oidc={"school": entry}), outbound, clock)["school"]

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Good ones but for what is changed; `...` leaves a claim out."""
        seconds = self.clock.ms // 1000
        good = {
            "iss": self.server.issuer, "aud": CLIENT_ID, "sub": "ada", "nonce": NONCE, "iat": seconds, "exp": seconds + 300,
            "email": "ada@example.org", "email_verified": True, "name": "Ada",
        }  # fmt: skip
        return {name: value for name, value in (good | changed).items() if value is not ...}

    async def identify(self, id_token: Any = None) -> Identity:
        """Sign in with this id token, default a good one."""
        self.server.id_token = self.key.sign(self.claims()) if id_token is None else id_token
        return await self.provider.identify(CODE, REDIRECT, NONCE, VERIFIER)

    async def refuse(self, id_token: Any, kind: type[SignInError] = ProviderRefused) -> str:
        """The refusal of this id token, which tells nothing of it."""
        with pytest.raises(kind) as caught:
            await self.identify(id_token)
        told = f"{caught.value} {caught.value!r}"
        assert "hunter2" not in told
        assert not any(part in told for part in (NONCE, VERIFIER, *str(id_token).split(".")) if len(part) > 8)
        return str(caught.value)


@pytest.fixture(scope="session")
def key() -> Key:
    return Key.rsa()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(scope="session")
def tls() -> ssl.SSLContext:
    """The usual certificates, read once: that takes longer than most tests."""
    return httpx.create_ssl_context()


@pytest.fixture
async def outbound(tls: ssl.SSLContext) -> AsyncIterator[Outbound]:
    outbound = Outbound(tls=tls)
    yield outbound
    await outbound.close()


@pytest.fixture
async def stage(key: Key, outbound: Outbound, clock: HandClock) -> AsyncIterator[Stage]:
    async with HostileProvider(key) as server:
        yield Stage(server, key, outbound, clock)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that is logged, libraries included."""
    with logged() as out:
        yield out
