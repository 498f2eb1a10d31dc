"""An OpenID Connect issuer: its endpoints (OpenID Connect Discovery 1.0) and keys (RFC 7517).

Everything is asked of the configured issuer and of what its own document names; nothing
that a token says leads anywhere (RELIABILITY T4). Keys are of this issuer alone (T3).
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Final

import httpx
import msgspec
from jwt import PyJWK
from jwt.exceptions import PyJWTError
from msgspec import Meta, Struct

from commonroom.account.provider.document import Document
from commonroom.account.provider.error import ProviderRefused
from commonroom.account.provider.outbound import Outbound
from commonroom.clock import Clock
from commonroom.config.check import is_provider_url

__all__ = ["KEY_PAUSE_MS", "Discovery", "Issuer"]

PATH: Final = "/.well-known/openid-configuration"

KEY_PAUSE_MS: Final = 60_000
"""Tokens that name unknown keys make us ask once a minute at most."""

DISCOVERY_PAUSE_MS: Final = 5_000

ALGORITHMS: Final[Mapping[tuple[str, str], str]] = {("RSA", ""): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}
"""The one algorithm of a key, by its type and curve."""

Number = Annotated[str, Meta(max_length=1366)]
"""Base64url of 8192 bits: verifying with larger ones takes long."""


class Discovery(Struct, frozen=True):
    """What is used of a discovery document, section 3."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class _Jwk(Struct, frozen=True, omit_defaults=True):
    """The public part of a key."""

    kty: str
    kid: Annotated[str, Meta(max_length=255)] | None = None
    alg: str | None = None
    use: str | None = None
    crv: str = ""
    n: Number = ""
    e: Annotated[str, Meta(max_length=12)] = ""
    x: Number = ""
    y: Number = ""


class _JwkSet(Struct, frozen=True):
    keys: Annotated[tuple[msgspec.Raw, ...], Meta(max_length=100)]


class Issuer:
    """One issuer. What it says is kept, see `Document`."""

    def __init__(self, url: str, outbound: Outbound, clock: Clock) -> None:
        self.url = url
        self._outbound = outbound
        self._discovery = Document("discovery document", self._fetch_discovery, clock, DISCOVERY_PAUSE_MS)
        self._keys = Document("keys", self._fetch_keys, clock, KEY_PAUSE_MS)

    async def discovery(self) -> Discovery:
        """Where its endpoints are. Raises ProviderSilent, ProviderRefused."""
        return await self._discovery.get()

    async def key(self, kid: str | None) -> PyJWK:
        """The key of this id; None: the only one (a set of several needs ids, OpenID Connect Core 10.1).

        Raises:
            ProviderRefused: there is none, even asked just now or less than a minute ago.
            ProviderSilent: see `Outbound.get`.
        """
        keys = await self._keys.get(lambda known: _chosen(known, kid) is not None)
        if (key := _chosen(keys, kid)) is None:
            raise ProviderRefused("the id token names an unknown key")
        return key

    async def _fetch_discovery(self) -> Discovery:
        found = await self._outbound.get(self.url.rstrip("/") + PATH, Discovery)
        if found.issuer != self.url:  # section 4.3: "MUST be identical"
            raise ProviderRefused("the discovery document is of another issuer")
        endpoints = [found.authorization_endpoint, found.token_endpoint, found.jwks_uri, found.userinfo_endpoint]
        if not all(self._may_lead_to(endpoint) for endpoint in endpoints if endpoint is not None):
            raise ProviderRefused("the discovery document names an endpoint that is not https")
        return found

    def _may_lead_to(self, endpoint: str) -> bool:
        """An issuer out there cannot send us to a plain port of this machine."""
        try:
            httpx.URL(endpoint)
        except httpx.InvalidURL:
            return False
        return is_provider_url(endpoint.partition("?")[0]) and (endpoint.startswith("https:") or self.url.startswith("http:"))

    async def _fetch_keys(self) -> Mapping[str | None, PyJWK]:
        discovery = await self.discovery()
        found = await self._outbound.get(discovery.jwks_uri, _JwkSet)
        return dict(_usable(found.keys))


def _chosen(keys: Mapping[str | None, PyJWK], kid: str | None) -> PyJWK | None:
    if kid is None and len(keys) == 1:
        return next(iter(keys.values()))
    return keys.get(kid)


def _usable(keys: Iterable[msgspec.Raw]) -> Iterable[tuple[str | None, PyJWK]]:
    """The keys that can verify what we take; a set may hold others."""
    for raw in keys:
        try:
            jwk = msgspec.json.decode(raw, type=_Jwk)
            algorithm = ALGORITHMS.get((jwk.kty, jwk.crv))
            if algorithm and jwk.alg in {None, algorithm} and jwk.use in {None, "sig"}:
                yield jwk.kid, PyJWK(msgspec.to_builtins(jwk), algorithm)
        except (msgspec.DecodeError, PyJWTError):
            continue
