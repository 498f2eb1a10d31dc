"""JSON Web Tokens (RFC 7519): minted and verified by this service alone.

What a token says is believed only after its signature held. Each purpose has keys and a
`typ` of its own, so a token of another purpose is none; a key is bound to one algorithm,
so `alg` in a header chooses nothing (RELIABILITY T1-T7). Verifying is pure: no I/O.
"""

from commonroom.token.jwt import MAX_TOKEN_CHARS, Claims, Jwt, Minted
from commonroom.token.key import LONGEST_S, OVERLAP_MS, PURPOSES, KeyRing, Purpose, SigningKey
from commonroom.token.principal import PrincipalTokens
from commonroom.token.refresh import REFRESH_TTL_S, RefreshClaims, RefreshTokens

__all__ = [
    "LONGEST_S",
    "MAX_TOKEN_CHARS",
    "OVERLAP_MS",
    "PURPOSES",
    "REFRESH_TTL_S",
    "Claims",
    "Jwt",
    "KeyRing",
    "Minted",
    "PrincipalTokens",
    "Purpose",
    "RefreshClaims",
    "RefreshTokens",
    "SigningKey",
]
