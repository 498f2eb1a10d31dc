"""OAuth 2.0, authorization code with PKCE (RFC 6749 section 4.1, RFC 7636), by Authlib's client."""

import re
import warnings
from typing import Any, Final, Literal

import httpx
import msgspec
from authlib.deprecate import AuthlibDeprecationWarning  # type: ignore[import-untyped]
from msgspec import Struct

from commonroom.account.provider.error import ProviderRefused
from commonroom.account.provider.outbound import Outbound, check_awake, decoded

with warnings.catch_warnings():  # Authlib would rather have httpx2; with httpx it works the same
    warnings.simplefilter("ignore", AuthlibDeprecationWarning)
    from authlib.integrations.httpx_client import AsyncOAuth2Client  # type: ignore[import-untyped]

__all__ = ["Authentication", "CodeGrant", "Tokens"]

Authentication = Literal["client_secret_basic", "client_secret_post"]

CODE: Final = re.compile(r"[ -~]{1,4096}")
"""RFC 6749 appendix A.11."""

BEARER: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""RFC 6750 section 2.1."""

ERRORS: Final = frozenset(
    {
        "bad_verification_code",
        "incorrect_client_credentials",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "redirect_uri_mismatch",
        "unauthorized_client",
        "unsupported_grant_type",
        "unverified_user_email",
    }
)
"""What is told of a refusal: the words of RFC 6749 section 5.2 and GitHub's. Any other text may hold anything."""


class Tokens(Struct, frozen=True):
    """What a code was exchanged for: `access_token` fits a header; `id_token` is empty unless it is OpenID Connect."""

    access_token: str
    id_token: str = ""


class _Answer(Struct, frozen=True):
    """Of a token endpoint, RFC 6749 sections 5.1 and 5.2. GitHub refuses with status 200 too."""

    access_token: str = ""
    token_type: str = ""
    id_token: str | None = None
    error: str = ""


class CodeGrant:
    """One client at one provider."""

    def __init__(self, outbound: Outbound, client_id: str, client_secret: str, scopes: tuple[str, ...]) -> None:
        self._outbound = outbound
        self._client_id = client_id
        self._client_secret = client_secret
        self._scope = " ".join(scopes)

    def url(self, endpoint: str, redirect_uri: str, state: str, verifier: str, **more: str) -> str:
        """Where the browser goes. The verifier itself stays here, its S256 challenge goes along."""
        client = self._client(redirect_uri)
        url, _ = client.create_authorization_url(endpoint, state=state, code_verifier=verifier, **more)
        return str(url)

    async def tokens(self, endpoint: str, code: str, redirect_uri: str, verifier: str, authentication: Authentication) -> Tokens:
        """Exchange a code, once.

        Raises:
            ProviderSilent, ProviderRefused: see `Outbound.get`.
        """
        if not CODE.fullmatch(code):
            raise ProviderRefused("no code")
        async with self._client(redirect_uri, authentication) as client:
            client.register_compliance_hook("access_token_response", _checked)
            token = await client.fetch_token(endpoint, grant_type="authorization_code", code=code, code_verifier=verifier)
        return msgspec.convert(dict(token), Tokens)

    def _client(self, redirect_uri: str, authentication: Authentication = "client_secret_basic") -> Any:
        return AsyncOAuth2Client(
            self._client_id,
            self._client_secret,
            token_endpoint_auth_method=authentication,
            scope=self._scope,
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            transport=self._outbound,
            timeout=None,  # the transport has one for all
            trust_env=False,
        )


def _checked(response: httpx.Response) -> httpx.Response:
    """The answer with nothing in it but what was looked at: Authlib takes anything for a number or a type."""
    check_awake(response)
    answer = decoded(response, _Answer)
    if answer.error or response.status_code != httpx.codes.OK:
        raise ProviderRefused(f"the token endpoint says {answer.error if answer.error in ERRORS else 'no'}")
    if answer.token_type.lower() != "bearer" or not BEARER.fullmatch(answer.access_token):
        raise ProviderRefused("the token endpoint gave no bearer token")
    return httpx.Response(httpx.codes.OK, json={"access_token": answer.access_token, "id_token": answer.id_token or ""})
