"""Which challenge tokens were taken, and for what."""

from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from typing import Final, NamedTuple

from commonroom.errors import ChallengeFailed, Unavailable

__all__ = ["KEPT_S", "MOST", "Taken"]

KEPT_S: Final = 600.0
"""Twice a token's life. Later, and on other nodes, the provider's own memory refuses it."""

MOST: Final = 10_000
"""Of those that hold; the oldest go first."""

BUSY_MS: Final = 1000


class _Entry(NamedTuple):
    until_s: float
    purpose: str


class Taken:
    """By digest: a token is a secret until it was used. What was refused is not kept, so that nobody can push others out with rubbish."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._verifying: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._entries)

    def claim(self, token: str, purpose: str) -> bool:
        """Begin to verify. False: it holds for this purpose already.

        Raises:
            ChallengeFailed: it was taken for something else.
            Unavailable: it is being verified just now.
        """
        key = _key(token)
        self._forget()
        if key in self._verifying:
            raise Unavailable("this check is being verified just now", retry_after_ms=BUSY_MS)
        entry = self._entries.get(key)
        if entry is None:
            self._verifying.add(key)
            return True
        if not purpose or entry.purpose != purpose:
            raise ChallengeFailed("the check was used before: take it again")
        return False

    def settle(self, token: str, purpose: str) -> None:
        """It holds, and is taken for this."""
        self.release(token)
        while len(self._entries) >= MOST:
            self._entries.popitem(last=False)
        self._entries[_key(token)] = _Entry(self._now_s() + KEPT_S, purpose)

    def release(self, token: str) -> None:
        """It is not being verified any more."""
        self._verifying.discard(_key(token))

    def _forget(self) -> None:
        now_s = self._now_s()
        while self._entries and next(iter(self._entries.values())).until_s <= now_s:
            self._entries.popitem(last=False)


def _key(token: str) -> bytes:
    return sha256(token.encode()).digest()
