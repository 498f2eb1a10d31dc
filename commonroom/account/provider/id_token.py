"""ID tokens (OpenID Connect Core 1.0, sections 2 and 3.1.3.7): what may be believed of one.

The key decides the algorithm, the header does not; what a header names (`jku`, `x5u`, `jwk`)
is not looked at, and one that marks anything as critical is refused (RELIABILITY T1-T6).
"""

import hmac
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from jwt import PyJWK, PyJWS
from jwt.exceptions import PyJWTError
from msgspec import Meta, Struct

from commonroom.account.provider.error import ProviderRefused

__all__ = ["Expected", "IdClaims", "believed", "kid_of"]

MAX_CHARS: Final = 65536

SKEW_S: Final = 60
"""How far the provider's clock may be off."""

JWS: Final = PyJWS(["RS256", "ES256", "EdDSA"], {"verify_signature": True, "enforce_minimum_key_length": True})

TYPES: Final = frozenset({"", "JWT"})
"""An access token in the form of a JWT says `at+jwt` (RFC 9068), and is no id token."""


class Expected(NamedTuple):
    """What a token has to be about. `now_ms` is cluster time."""

    issuer: str
    client_id: str
    nonce: str
    now_ms: int


class IdClaims(Struct, frozen=True):
    """Times in seconds since the epoch. What people see is checked where it is used."""

    iss: str
    sub: Annotated[str, Meta(pattern=r"\A[ -~]{1,255}\Z")]
    aud: str | tuple[str, ...]
    exp: float
    iat: float
    nonce: str
    nbf: float = 0.0
    azp: str | None = None
    email: Any = None
    email_verified: Any = None
    name: Any = None


DECODER: Final = msgspec.json.Decoder(IdClaims)


def kid_of(token: str) -> str | None:
    """The id of the key it claims to be signed with. Raises ProviderRefused."""
    if len(token) > MAX_CHARS or not token.isascii():
        raise ProviderRefused("the id token is too long or no token")
    try:
        header = JWS.get_unverified_header(token)
    except PyJWTError:
        raise ProviderRefused("the id token has no header that can be read") from None
    kid, kind = header.get("kid"), header.get("typ", "")
    if "crit" in header or "b64" in header or not isinstance(kind, str) or kind.upper() not in TYPES:
        raise ProviderRefused("the id token's header asks for what is not known")
    return kid if isinstance(kid, str) else None


def believed(token: str, key: PyJWK, expected: Expected) -> IdClaims:
    """What the token says, once signature and claims hold.

    Raises:
        ProviderRefused: and nothing else, whatever the token.
    """
    try:
        claims = DECODER.decode(JWS.decode(token, key, [key.algorithm_name]))
    except PyJWTError:
        raise ProviderRefused("the id token's signature") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise ProviderRefused("the id token's claims cannot be read") from None
    if claims.iss != expected.issuer:
        raise ProviderRefused("the id token is of another issuer")
    if not _is_for(expected.client_id, claims):
        raise ProviderRefused("the id token is for somebody else")
    if not hmac.compare_digest(claims.nonce.encode(), expected.nonce.encode()):
        raise ProviderRefused("the id token is of another sign-in")
    now_s = expected.now_ms / 1000
    if now_s >= claims.exp + SKEW_S:
        raise ProviderRefused("the id token has expired")
    if max(claims.iat, claims.nbf) > now_s + SKEW_S:
        raise ProviderRefused("the id token is of the future")
    return claims


def _is_for(client_id: str, claims: IdClaims) -> bool:
    """Section 3.1.3.7, 3 to 5: we are an audience, and with several the party it was issued to."""
    audiences = (claims.aud,) if isinstance(claims.aud, str) else claims.aud
    party = claims.azp if claims.azp is not None or len(audiences) > 1 else client_id
    return client_id in audiences and party == client_id
