"""One purpose's tokens: signed with HS256, since the same service issues and verifies."""

from base64 import urlsafe_b64decode
from functools import lru_cache
from typing import Final, Generic, Literal, NamedTuple, TypeVar

import msgspec
from jwt import PyJWS
from jwt.exceptions import PyJWTError
from msgspec import Struct

from commonroom.clock import Clock
from commonroom.errors import TokenExpired, Unauthenticated
from commonroom.token.key import LONGEST_S, KeyRing, Purpose

__all__ = ["FORGED", "ISSUER", "MAX_TOKEN_CHARS", "Claims", "Jwt", "Minted"]

ALGORITHM: Final = "HS256"
ISSUER: Final = "commonroom"
MAX_TOKEN_CHARS: Final = 4096
MAX_HEADER_CHARS: Final = 512

SKEW_S: Final = 60
"""How far `iat` may lie ahead: two nodes' cluster time differs by far less."""

FORGED: Final = "the token is not valid"
"""One text for every cause: which check failed helps nobody but an attacker."""


class Minted(NamedTuple):
    """A token and the moment in cluster ms when it ends."""

    token: str
    expires_at: int


class _Header(Struct, frozen=True):
    """What chooses the key; the library checks the whole header once more, with the signature."""

    kid: str = ""
    typ: str = ""


@lru_cache(maxsize=64)
def _header(segment: str) -> _Header:
    """Remembered, as all tokens of a key have the same one: with it a check takes 38 µs, without 64."""
    if len(segment) > MAX_HEADER_CHARS:
        raise Unauthenticated(FORGED)
    try:
        return msgspec.json.decode(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)), type=_Header)
    except (ValueError, RecursionError):
        raise Unauthenticated(FORGED) from None


class Claims(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What every token says; times in seconds since the epoch, as the RFC has them."""

    iss: Literal["commonroom"]
    aud: Purpose
    sub: str
    iat: int
    exp: int
    nbf: int = 0


C = TypeVar("C", bound=Claims)


class Jwt(Generic[C]):
    """Signs and verifies.

    Args:
        kind: what its tokens say.
    """

    def __init__(self, purpose: Purpose, kind: type[C], keys: KeyRing, clock: Clock) -> None:
        self.purpose = purpose
        self.clock = clock
        self._longest_s = LONGEST_S[purpose]
        self._keys = keys
        self._decoder = msgspec.json.Decoder(kind)
        self._jws = PyJWS(algorithms=[ALGORITHM])

    def sign(self, claims: C) -> Minted:
        """The token that says this."""
        key = self._keys.signing(self.purpose)
        headers = {"kid": key.kid, "typ": self.purpose}
        return Minted(self._jws.encode(msgspec.json.encode(claims), key.secret, ALGORITHM, headers), claims.exp * 1000)

    def verify(self, token: object) -> C:
        """What a token says. Cost bounded by `MAX_TOKEN_CHARS`.

        Raises:
            TokenExpired: it was valid once.
            Unauthenticated: anything else; no other error, whatever the input.
        """
        if not isinstance(token, str) or len(token) > MAX_TOKEN_CHARS or not token.isascii():
            raise Unauthenticated(FORGED)
        claims = self._signed(token)
        self._check(claims)
        return claims

    def _signed(self, token: str) -> C:
        """The claims, once the signature held."""
        try:
            header = _header(token.partition(".")[0])
            key = self._keys.find(self.purpose, header.kid)
            if key is None or header.typ != self.purpose:
                raise Unauthenticated(FORGED)
            return self._decoder.decode(self._jws.decode(token, key.secret, [ALGORITHM]))
        except (PyJWTError, msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise Unauthenticated(FORGED) from None

    def _check(self, claims: C) -> None:
        now_ms = self.clock.now()
        now_s = now_ms // 1000
        if claims.aud != self.purpose or claims.iat < 0 or max(claims.iat, claims.nbf) > now_s + SKEW_S:
            raise Unauthenticated(FORGED)
        if not 0 < claims.exp - claims.iat <= self._longest_s:
            raise Unauthenticated(FORGED)
        if now_ms >= claims.exp * 1000:
            raise TokenExpired("the token has expired: fetch a new one")
