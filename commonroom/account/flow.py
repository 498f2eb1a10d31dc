"""A sign-in with a provider, from the click to the callback, bound to one browser (RFC 9700 section 4.7).

    begin ──► cookie: the flow, sealed   ──browser──► finish: the cookie opens, `state` is its own,
          └─► URL: `state`, PKCE challenge ──provider──┘         nobody has used it, the provider identifies

The seal is a JWT of purpose `oauth`: HMAC, ten minutes, verified in constant time. What
is in it may be read by the browser's owner, who alone has it; nobody can change it.
"""

import hmac
import re
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

import structlog

from commonroom.account.provider import Identity, Provider, ProviderRefused, ProviderSilent, SignInCancelled, SignInError, SignInInvalid
from commonroom.clock import Clock
from commonroom.errors import NotFound, Unauthenticated
from commonroom.identity import SessionId
from commonroom.ids import new_secret
from commonroom.storage.repository.spent_token import SpentTokens
from commonroom.token import Claims, Jwt, KeyRing
from commonroom.token.jwt import ISSUER

__all__ = ["FLOW_TTL_S", "Begun", "Flow", "Intent", "SignInFlows", "local_path"]

FLOW_TTL_S: Final = 600

LOCAL_PATH: Final = re.compile(r"/(?!/)[!-\[\]-~]{0,511}")
"""One slash, then visible ASCII without a backslash, which browsers take for a slash. Browsers escape all else in a path."""

Intent = Literal["sign_in", "link"]

log = structlog.get_logger(__name__)


class Begun(NamedTuple):
    """Where to send the browser, and the cookie to give it: HttpOnly, SameSite=Lax, `FLOW_TTL_S`."""

    url: str
    cookie: str


class Flow(Claims, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One sign-in under way, as its cookie has it. `sub` is the login session that it began in, or empty."""

    provider: str
    state: str
    nonce: str
    verifier: str
    next: str
    intent: Intent
    redirect_uri: str

    @property
    def sid(self) -> SessionId | None:
        """The login session that it began in; None: in none."""
        return SessionId(self.sub) if self.sub else None

    @property
    def expires_at(self) -> int:
        """Cluster ms."""
        return self.exp * 1000


def local_path(text: object) -> str:
    """A path of this site to go on to, of at most 512 characters; `/` for anything that could lead elsewhere (RELIABILITY T12)."""
    return text if isinstance(text, str) and LOCAL_PATH.fullmatch(text) else "/"


class SignInFlows:
    """Begins and finishes flows. No state of its own: any node finishes what another began."""

    def __init__(self, providers: Mapping[str, Provider], spent: SpentTokens, keys: KeyRing, clock: Clock) -> None:
        self._providers = providers
        self._spent = spent
        self._clock = clock
        self._jwt = Jwt("oauth", Flow, keys, clock)

    async def begin(self, provider: str, redirect_uri: str, next_path: object, intent: Intent, sid: SessionId | None) -> Begun:
        """Begin a sign-in.

        Args:
            redirect_uri: the callback's whole URL, as registered at the provider; a path of its own for each provider.
            next_path: where the person goes after it, see `local_path`.

        Raises:
            NotFound: no such provider is configured.
            SignInError: it cannot be asked where to send people.
        """
        if (chosen := self._providers.get(provider)) is None:
            raise NotFound("no such sign-in provider")
        state, nonce, verifier = new_secret(), new_secret(), new_secret()
        issued_s = self._clock.now() // 1000
        claims = Flow(
            iss=ISSUER,
            aud="oauth",
            sub=sid or "",
            iat=issued_s,
            exp=issued_s + FLOW_TTL_S,
            provider=provider,
            state=state,
            nonce=nonce,
            verifier=verifier,
            next=local_path(next_path),
            intent=intent,
            redirect_uri=redirect_uri,
        )
        return Begun(await chosen.authorize_url(redirect_uri, state, nonce, verifier), self._jwt.sign(claims).token)

    async def finish(self, provider: str, cookie: object, query: Mapping[str, str]) -> tuple[Flow, Identity]:
        """Who came back. However it ends, the flow is over; only a callback that is not this browser's uses nothing up.

        Args:
            provider: whose callback was called. Another's than the flow's is refused: an answer of
                one provider must not be taken for one of another's (RFC 9700 section 4.4).
            query: of the callback; a multidict with all its values, so that what is there twice is seen.

        Raises:
            SignInError: see there.
            Unavailable: the database does not answer.
        """
        flow = self._open(cookie)
        if flow.provider != provider or (chosen := self._providers.get(provider)) is None:
            raise SignInInvalid("the callback of another provider")
        if not hmac.compare_digest(query.get("state", "").encode("utf-8", "replace"), flow.state.encode()):
            raise SignInInvalid("the state is not this browser's")
        if not await self._spent.spend(flow.state, flow.expires_at):
            raise SignInInvalid("the state was used before")
        try:
            return flow, await self._identify(chosen, flow, query)
        except SignInError as error:
            log.info("sign-in failed", provider=provider, why=str(error))
            raise

    def _open(self, cookie: object) -> Flow:
        try:
            return self._jwt.verify(cookie)
        except Unauthenticated:
            raise SignInInvalid("the cookie is missing, too old or forged") from None

    async def _identify(self, provider: Provider, flow: Flow, query: Mapping[str, str]) -> Identity:
        if len(list(query.items())) != len(set(query)):  # RFC 6749 section 3.1: "MUST NOT be included more than once"
            raise ProviderRefused("a parameter of the callback is there twice")
        if provider.issuer is not None and query.get("iss", provider.issuer) != provider.issuer:
            raise ProviderRefused("the callback is of another issuer")
        _check_agreed(query.get("error"))
        return await provider.identify(query.get("code", ""), flow.redirect_uri, flow.nonce, flow.verifier)


def _check_agreed(error: str | None) -> None:
    """RFC 6749 section 4.1.2.1. Its words for people are not passed on: anyone can write them into a URL."""
    if error is None:
        return
    if error == "access_denied":
        raise SignInCancelled
    if error in {"temporarily_unavailable", "server_error"}:
        raise ProviderSilent("the provider's page had a failure")
    raise ProviderRefused("the provider's page refused")
