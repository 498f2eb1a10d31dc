"""Keys by purpose. They live in the database; every node holds a copy, read again now and then.

new ──`SPREAD_MS`: all nodes have read it──► signs ──rotation──► verifies only ──`until`──► gone
"""

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple, get_args

from commonroom.clock import Clock
from commonroom.errors import InternalError

__all__ = ["LONGEST_S", "MIN_SECRET_BYTES", "OVERLAP_MS", "PURPOSES", "SPREAD_MS", "KeyRing", "Purpose", "SigningKey"]

Purpose = Literal["access", "refresh", "ws", "oauth", "code"]
PURPOSES: Final[tuple[Purpose, ...]] = get_args(Purpose)

LONGEST_S: Final[dict[Purpose, int]] = {"access": 900, "refresh": 30 * 86400, "ws": 300, "oauth": 600, "code": 900}
"""No token of a purpose lives longer, whoever signed it: so long a rotated key has to verify."""

SPREAD_MS: Final = 90_000
"""A new key signs only then: the nodes read the keys every 30 s, and one try may fail."""

MIN_SECRET_BYTES: Final = 32
"""RFC 7518 section 3.2: a key of the hash's size or larger."""


OVERLAP_MS: Final[dict[Purpose, int]] = {purpose: SPREAD_MS + longest_s * 1000 for purpose, longest_s in LONGEST_S.items()}
"""How long a key verifies after its rotation: it signs until its successor does."""


class SigningKey(NamedTuple):
    """A symmetric key of one purpose.

    `until` is the cluster time in ms from which what it signed is refused; None: in use.
    """

    kid: str
    purpose: Purpose
    secret: bytes
    created_at: int = 0
    until: int | None = None


class KeyRing:
    """The keys this node knows.

    Raises (also `replace`):
        InternalError: a key is too short to be one.
    """

    def __init__(self, keys: Iterable[SigningKey], clock: Clock) -> None:
        self._clock = clock
        self.replace(keys)

    def replace(self, keys: Iterable[SigningKey]) -> None:
        """Use these from now on."""
        known = {(key.purpose, key.kid): key for key in keys}
        if any(len(key.secret) < MIN_SECRET_BYTES for key in known.values()):
            raise InternalError(f"a signing key has at least {MIN_SECRET_BYTES} bytes")
        self._keys = known

    def signing(self, purpose: Purpose) -> SigningKey:
        """The key that signs: the newest that all nodes have read, or the first of all.

        Raises:
            InternalError: there is none of that purpose.
        """
        now = self._clock.now()
        ours = sorted((key.created_at, key.kid) for key in self._keys.values() if key.purpose == purpose and (key.until or now + 1) > now)
        if not ours:
            raise InternalError(f"there is no signing key for {purpose}")
        spread = [kid for created_at, kid in ours if created_at + SPREAD_MS <= now]
        return self._keys[purpose, spread[-1] if spread else ours[0][1]]

    def all(self, purpose: Purpose) -> list[SigningKey]:
        """Those of a purpose whose time is not over."""
        return [key for (of, kid), key in self._keys.items() if of == purpose and self.find(purpose, kid) is not None]

    def find(self, purpose: Purpose, kid: object) -> SigningKey | None:
        """The key that a token of this purpose names, unless its time is over."""
        key = self._keys.get((purpose, kid)) if isinstance(kid, str) else None
        if key is None or (key.until is not None and self._clock.now() >= key.until):
            return None
        return key
