"""ws tokens: minted over HTTP, verified at `hello` (FEATURES P4).

A JSON Web Token (RFC 7519) signed with HS256, since the same service issues and
verifies. What a token says is believed only after its signature held; a key is bound
to one algorithm, so `alg` in a header chooses nothing (RELIABILITY T1-T6). Time comes
from the cluster's clock, not from the library.
"""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import msgspec
from jwt import PyJWS
from jwt.exceptions import PyJWTError
from msgspec import Struct

from commonroom.clock import Clock
from commonroom.errors import InternalError, TokenExpired, Unauthenticated
from commonroom.identity import ActorType, Authority, Principal, RoomGrant, SessionId

__all__ = ["MAX_TOKEN_CHARS", "MAX_TTL_S", "Minted", "SigningKey", "WsTokens"]

ALGORITHM: Final = "HS256"
ISSUER: Final = "commonroom"
PURPOSE: Final = "ws"
"""Audience and `typ`: a token of another purpose is no ws token (T7)."""

MAX_TTL_S = 300
MAX_TOKEN_CHARS = 4096
MIN_SECRET_BYTES = 32
"""RFC 7518 section 3.2: a key of the hash's size or larger."""

SKEW_S = 60
"""How far `iat` may lie ahead: two nodes' cluster time differs by far less."""

FORGED: Final = "the token is not valid"
"""One text for every cause: which check failed helps nobody but an attacker."""


class SigningKey(NamedTuple):
    """A key by its id.

    `until` is the cluster time in ms from which tokens of a rotated key are refused;
    None: in use.
    """

    kid: str
    secret: bytes
    until: int | None = None


class Minted(NamedTuple):
    """A token and the moment in cluster ms when it ends."""

    token: str
    expires_at: int


class _Claims(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What a token says; times in seconds since the epoch, as the RFC has them."""

    iss: Literal["commonroom"]
    aud: Literal["ws"]
    sub: str
    iat: int
    exp: int
    actor_type: ActorType
    actor_id: str
    session_id: str
    name: str
    nbf: int = 0
    role: Literal["USER", "ADMIN"] = "USER"
    room_id: str | None = None
    participant_id: str | None = None
    room_role: Literal["host", "participant"] | None = None


_DECODER = msgspec.json.Decoder(_Claims)


class WsTokens:
    """Mints and verifies.

    Args:
        keys: the first signs, all verify.
        ttl_s: life of a token, 1 to `MAX_TTL_S` seconds.
    """

    def __init__(self, keys: Sequence[SigningKey], clock: Clock, ttl_s: float = MAX_TTL_S) -> None:
        if not keys or any(len(key.secret) < MIN_SECRET_BYTES for key in keys):
            raise InternalError(f"ws tokens need a signing key of at least {MIN_SECRET_BYTES} bytes")
        self._jws = PyJWS(algorithms=[ALGORITHM])
        self._clock = clock
        self._ttl_s = max(1, min(int(ttl_s), MAX_TTL_S))
        self.rotate(keys)

    def rotate(self, keys: Sequence[SigningKey]) -> None:
        """Use these keys from now on; a former one stays among them until its `until`."""
        self._signing = keys[0]
        self._keys = {key.kid: key for key in keys}

    def mint(
        self,
        principal: Principal,
        sid: SessionId,
        name: str,
        *,
        grant: RoomGrant | None = None,
        global_role: Literal["USER", "ADMIN"] = "USER",
    ) -> Minted:
        """A token of this principal; with `grant` it admits to that room only."""
        issued_s = self._clock.now() // 1000
        claims = _Claims(
            iss=ISSUER,
            aud=PURPOSE,
            sub=principal.actor_id,
            iat=issued_s,
            exp=issued_s + self._ttl_s,
            actor_type=principal.actor_type,
            actor_id=principal.actor_id,
            session_id=sid,
            name=name,
            role=global_role,
            room_id=grant.room if grant else None,
            participant_id=grant.participant_id if grant else None,
            room_role=grant.role if grant else None,
        )
        headers = {"kid": self._signing.kid, "typ": PURPOSE}
        token = self._jws.encode(msgspec.json.encode(claims), self._signing.secret, ALGORITHM, headers)
        return Minted(token, claims.exp * 1000)

    def verify(self, token: object) -> Authority:
        """What the token proves. Pure of I/O; cost bounded by `MAX_TOKEN_CHARS`.

        Raises:
            TokenExpired: it was valid once.
            Unauthenticated: anything else; no other error, whatever the input.
        """
        if not isinstance(token, str) or len(token) > MAX_TOKEN_CHARS or not token.isascii():
            raise Unauthenticated(FORGED)
        now_ms = self._clock.now()
        claims = self._signed_claims(token, now_ms)
        self._check_times(claims, now_ms)
        return _authority(claims)

    def _signed_claims(self, token: str, now_ms: int) -> _Claims:
        """The claims, once the signature held."""
        try:
            header = self._jws.get_unverified_header(token)
            key = self._keys.get(header.get("kid", ""))
            if key is None or header.get("typ") != PURPOSE or (key.until is not None and now_ms >= key.until):
                raise Unauthenticated(FORGED)
            return _DECODER.decode(self._jws.decode(token, key.secret, [ALGORITHM]))
        except (PyJWTError, msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise Unauthenticated(FORGED) from None

    def _check_times(self, claims: _Claims, now_ms: int) -> None:
        now_s = now_ms // 1000
        if claims.sub != claims.actor_id or claims.iat < 0 or max(claims.iat, claims.nbf) > now_s + SKEW_S:
            raise Unauthenticated(FORGED)
        if not 0 < claims.exp - claims.iat <= MAX_TTL_S:
            raise Unauthenticated(FORGED)
        if now_ms >= claims.exp * 1000:
            raise TokenExpired("the token has expired: fetch a new one")


def _authority(claims: _Claims) -> Authority:
    grants: tuple[RoomGrant, ...] = ()
    if claims.room_id is not None:
        if claims.participant_id is None or claims.room_role is None:
            raise Unauthenticated(FORGED)
        grants = (RoomGrant(claims.room_id, claims.participant_id, claims.room_role),)
    return Authority(
        principal=Principal(claims.actor_type, claims.actor_id),
        sid=SessionId(claims.session_id),
        name=claims.name,
        expires_at=claims.exp * 1000,
        global_role=claims.role,
        grants=grants,
        bound=claims.room_id is not None,
    )
