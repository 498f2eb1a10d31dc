"""The one home of identifiers and randomness.

Generated keys are UUIDv7 (RFC 9562 section 5.7) as 26 characters of lower-case
Crockford base32: sortable by creation time, safe in a URL and in a file name.
"""

import re
import secrets
import uuid
from hashlib import blake2b, sha256
from random import Random

__all__ = [
    "Random", "derived_id", "invite_digest", "is_id", "new_code", "new_id", "new_invite_code", "new_secret", "new_uuid", "seeded",
]  # fmt: skip

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
PAIRS = [high + low for high in ALPHABET for low in ALPHABET]
ID_PATTERN = re.compile(r"[0-7][0-9a-hjkmnp-tv-z]{25}")
INVITE_CHARACTERS = 10
MEANT = str.maketrans("oil", "011", " -")
"""How Crockford reads what people type, in lower case; spaces and hyphens say nothing."""


def new_id(now_ms: int, entropy: int | None = None) -> str:
    """A new key.

    Args:
        now_ms: cluster time, 48 bits.
        entropy: 74 bits; None draws them from the operating system.
    """
    if entropy is None:
        entropy = secrets.randbits(74)
    high, low = (entropy >> 62) & 0xFFF, entropy & ((1 << 62) - 1)
    value = (now_ms & ((1 << 48) - 1)) << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low
    return _base32(value)


def derived_id(seed: str) -> str:
    """The same key for the same seed, of the form of a generated one (UUIDv8, custom bits)."""
    value = int.from_bytes(blake2b(seed.encode(), digest_size=16).digest(), "big")
    value = value & ~(0xF << 76) & ~(0b11 << 62) | 0x8 << 76 | 0b10 << 62
    return _base32(value)


def _base32(value: int) -> str:
    """128 bits as 26 characters, two at a time."""
    return "".join([PAIRS[(value >> shift) & 1023] for shift in range(120, -1, -10)])


def is_id(text: str) -> bool:
    """Whether `text` has the form of a generated key."""
    return ID_PATTERN.fullmatch(text) is not None


def new_secret() -> str:
    """A bearer secret of 256 bits, URL-safe."""
    return secrets.token_urlsafe(32)


def new_uuid() -> str:
    """A random UUID (version 4) in its usual spelling, for protocols that want one."""
    return str(uuid.uuid4())


def new_code() -> str:
    """Six digits, for a person to type: whoever checks it must bound the guesses."""
    return f"{secrets.randbelow(10**6):06d}"


def new_invite_code() -> str:
    """Ten characters to copy or type, 50 bits: whoever checks it must bound the guesses."""
    return "".join(secrets.choice(ALPHABET) for _ in range(INVITE_CHARACTERS))


def invite_digest(code: str) -> bytes:
    """SHA-256 of the code that was meant, however it is typed: what is kept of it."""
    return sha256(code.lower().translate(MEANT).encode("utf-8", "replace")).digest()


def seeded(seed: int | str) -> Random:
    """A reproducible source of randomness; never for secrets."""
    return Random(seed)
