"""Sign-in with an OpenID Connect provider: Google, and any other that is configured."""

from typing import Any

from msgspec import Struct

from commonroom.account.provider.code_grant import Authentication, CodeGrant
from commonroom.account.provider.error import ProviderRefused
from commonroom.account.provider.id_token import Expected, IdClaims, believed, kid_of
from commonroom.account.provider.issuer import Discovery, Issuer
from commonroom.account.provider.outbound import Outbound
from commonroom.account.provider.provider import Identity, identity
from commonroom.clock import Clock
from commonroom.config.settings import OidcSettings

__all__ = ["OidcProvider"]


class _UserInfo(Struct, frozen=True):
    """OpenID Connect Core 1.0, section 5.3.2."""

    sub: str
    email: Any = None
    email_verified: Any = None
    name: Any = None


class OidcProvider:
    """Implements `Provider`."""

    def __init__(self, name: str, settings: OidcSettings, issuer: Issuer, outbound: Outbound, clock: Clock) -> None:
        self.name = name
        self.label = settings.label or name
        self.issuer: str | None = issuer.url
        self._client_id = settings.client_id
        self._grant = CodeGrant(outbound, settings.client_id, settings.client_secret, settings.scopes)
        self._issuer = issuer
        self._outbound = outbound
        self._clock = clock

    async def authorize_url(self, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        discovery = await self._issuer.discovery()
        return self._grant.url(discovery.authorization_endpoint, redirect_uri, state, verifier, nonce=nonce)

    async def identify(self, code: str, redirect_uri: str, nonce: str, verifier: str) -> Identity:
        discovery = await self._issuer.discovery()
        tokens = await self._grant.tokens(discovery.token_endpoint, code, redirect_uri, verifier, _authentication(discovery))
        if not tokens.id_token:
            raise ProviderRefused("the token endpoint gave no id token")
        key = await self._issuer.key(kid_of(tokens.id_token))
        claims = believed(tokens.id_token, key, Expected(self._issuer.url, self._client_id, nonce, self._clock.now()))
        said: IdClaims | _UserInfo = claims
        if claims.email is None and discovery.userinfo_endpoint is not None:
            said = await self._user_info(discovery.userinfo_endpoint, tokens.access_token, claims)
        return identity(self.name, claims.sub, said.email, said.email_verified, said.name or claims.name)

    async def _user_info(self, endpoint: str, access_token: str, claims: IdClaims) -> IdClaims | _UserInfo:
        """Section 5.3.2: if `sub` does not match, "the UserInfo Response values MUST NOT be used"."""
        told = await self._outbound.get(endpoint, _UserInfo, access_token)
        return told if told.sub == claims.sub else claims


def _authentication(discovery: Discovery) -> Authentication:
    """How the secret is sent. In the body where that is taken: how a header writes special characters, servers disagree on."""
    return "client_secret_post" if "client_secret_post" in discovery.token_endpoint_auth_methods_supported else "client_secret_basic"
