"""Sign-in with GitHub: OAuth 2.0 without id tokens; its API says who the access token is for."""

from typing import Annotated

from msgspec import Meta, Struct

from commonroom.account.provider.code_grant import CodeGrant
from commonroom.account.provider.outbound import Outbound
from commonroom.account.provider.provider import Identity, identity
from commonroom.config.settings import GithubSettings

__all__ = ["SCOPES", "GithubProvider"]

SCOPES = ("read:user", "user:email")


class _User(Struct, frozen=True):
    """`login` can be changed and then taken by somebody else; `id` cannot."""

    id: Annotated[int, Meta(ge=1)]
    login: str = ""
    name: str | None = None


class _Email(Struct, frozen=True):
    email: str
    primary: bool
    verified: bool


class GithubProvider:
    """Implements `Provider`. There is no nonce here: the code is bound by PKCE, and comes over the flow's own state."""

    def __init__(self, settings: GithubSettings, outbound: Outbound) -> None:
        self.name = "github"
        self.label = "GitHub"
        self.issuer: str | None = None
        self._settings = settings
        self._outbound = outbound
        self._grant = CodeGrant(outbound, settings.client_id, settings.client_secret, SCOPES)

    async def authorize_url(self, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        del nonce
        return self._grant.url(self._settings.authorize_url, redirect_uri, state, verifier)

    async def identify(self, code: str, redirect_uri: str, nonce: str, verifier: str) -> Identity:
        del nonce
        tokens = await self._grant.tokens(self._settings.token_url, code, redirect_uri, verifier, "client_secret_post")
        api = self._settings.api_url.rstrip("/")
        user = await self._outbound.get(f"{api}/user", _User, tokens.access_token)
        emails = await self._outbound.get(f"{api}/user/emails", tuple[_Email, ...], tokens.access_token)
        primary = next((each for each in emails if each.primary), None)
        email, verified = (primary.email, primary.verified) if primary else (None, False)
        return identity(self.name, str(user.id), email, verified, user.name or user.login)
