"""Refresh tokens: each is used once and brings its successor (RFC 9700 section 4.14).

The login session is the family: it stores the hash of the token that is valid and of the
one before. A successor's `jti` follows from its predecessor's, so that two tabs (or a
client that lost the answer) that use the same token within the grace get the same
successor, and nothing that could be used is stored.
"""

from hashlib import sha256
from typing import Final

from commonroom.clock import Clock
from commonroom.identity import SessionId
from commonroom.ids import new_secret
from commonroom.token.jwt import ISSUER, Claims, Jwt, Minted
from commonroom.token.key import LONGEST_S, KeyRing

__all__ = ["REFRESH_TTL_S", "RefreshClaims", "RefreshTokens", "hash_of"]

REFRESH_TTL_S: Final = LONGEST_S["refresh"]


class RefreshClaims(Claims, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """`sub` is the login session, `jti` the secret."""

    jti: str


def hash_of(jti: str) -> bytes:
    """What is stored of a token. It has 256 random bits, so no salt is needed."""
    return sha256(jti.encode()).digest()


class RefreshTokens:
    """Mints and verifies."""

    def __init__(self, keys: KeyRing, clock: Clock, ttl_s: float = REFRESH_TTL_S) -> None:
        self._ttl_s = max(1, min(int(ttl_s), REFRESH_TTL_S))
        self._jwt = Jwt("refresh", RefreshClaims, keys, clock)

    def first(self) -> str:
        """The `jti` that begins a family, or begins it anew."""
        return new_secret()

    def successor(self, jti: str) -> str:
        """The `jti` that follows. Whoever knows it from its predecessor still lacks the key that signs it."""
        return sha256(f"successor:{jti}".encode()).hexdigest()

    def mint(self, sid: SessionId, jti: str, issued_at: int) -> Minted:
        """A token. `issued_at`: cluster ms, as stored, so that it can be minted again."""
        issued_s = issued_at // 1000
        return self._jwt.sign(RefreshClaims(iss=ISSUER, aud="refresh", sub=sid, iat=issued_s, exp=issued_s + self._ttl_s, jti=jti))

    def verify(self, token: object) -> RefreshClaims:
        """What a token says. Raises TokenExpired, Unauthenticated; see `Jwt.verify`."""
        return self._jwt.verify(token)
