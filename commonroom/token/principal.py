"""Tokens that prove who acts: for HTTP (`access`) and for the socket's `hello` (`ws`, FEATURES P4)."""

from typing import Literal

from commonroom.clock import Clock
from commonroom.errors import Unauthenticated
from commonroom.identity import MAX_GUESTS, ActorType, Authority, Principal, RoomGrant, SessionId
from commonroom.token.jwt import FORGED, ISSUER, Claims, Jwt, Minted
from commonroom.token.key import LONGEST_S, KeyRing

__all__ = ["PrincipalTokens"]


class _PrincipalClaims(Claims, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    actor_type: ActorType
    actor_id: str
    session_id: str
    name: str
    role: Literal["USER", "ADMIN"] = "USER"
    guests: tuple[str, ...] = ()
    room_id: str | None = None
    participant_id: str | None = None
    room_role: Literal["host", "participant"] | None = None


class PrincipalTokens:
    """Mints and verifies tokens of one purpose.

    Args:
        ttl_s: life of a token, 1 to `LONGEST_S` of the purpose, in seconds.
    """

    def __init__(self, purpose: Literal["access", "ws"], keys: KeyRing, clock: Clock, ttl_s: float | None = None) -> None:
        longest_s = LONGEST_S[purpose]
        self._jwt = Jwt(purpose, _PrincipalClaims, keys, clock)
        self._ttl_s = max(1, min(int(ttl_s or longest_s), longest_s))
        self.ttl_ms = self._ttl_s * 1000
        """Life of a token."""

    def mint(self, authority: Authority, grant: RoomGrant | None = None) -> Minted:
        """A token of this principal; with `grant` it admits to that room only. The authority's own end does not matter."""
        issued_s = self._jwt.clock.now() // 1000
        principal = authority.principal
        return self._jwt.sign(
            _PrincipalClaims(
                iss=ISSUER,
                aud=self._jwt.purpose,
                sub=principal.actor_id,
                iat=issued_s,
                exp=issued_s + self._ttl_s,
                actor_type=principal.actor_type,
                actor_id=principal.actor_id,
                session_id=authority.sid,
                name=authority.name,
                role=authority.global_role,
                guests=authority.guests[:MAX_GUESTS],
                room_id=grant.room if grant else None,
                participant_id=grant.participant_id if grant else None,
                room_role=grant.role if grant else None,
            )
        )

    def verify(self, token: object) -> Authority:
        """What the token proves.

        Raises:
            TokenExpired: it was valid once.
            Unauthenticated: anything else; no other error, whatever the input.
        """
        claims = self._jwt.verify(token)
        if claims.sub != claims.actor_id:
            raise Unauthenticated(FORGED)
        return Authority(
            principal=Principal(claims.actor_type, claims.actor_id),
            sid=SessionId(claims.session_id),
            name=claims.name,
            expires_at=claims.exp * 1000,
            global_role=claims.role,
            grants=_grants(claims),
            bound=claims.room_id is not None,
            guests=claims.guests,
        )


def _grants(claims: _PrincipalClaims) -> tuple[RoomGrant, ...]:
    if claims.room_id is None:
        return ()
    if claims.participant_id is None or claims.room_role is None:
        raise Unauthenticated(FORGED)
    return (RoomGrant(claims.room_id, claims.participant_id, claims.room_role),)
