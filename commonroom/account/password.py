"""Passwords: argon2id in threads, never on the loop.

22 ms and 19 MiB each (OWASP's minimum: m=19456, t=2, p=1), so only a few run at once and
only so many wait: beyond that a login is refused, and sockets keep their cores.
"""

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from commonroom.errors import Invalid, Unavailable
from commonroom.ids import new_secret

__all__ = ["MAX_BYTES", "MIN_CHARS", "Passwords"]

T = TypeVar("T")

MIN_CHARS: Final = 8
"""NIST SP 800-63B section 5.1.1.2; no rules of composition."""
MAX_BYTES: Final = 1024
THREADS: Final = 2
MAX_WAITING: Final = 100
"""At 2 threads the last one waits for about a second."""
BUSY_MS: Final = 1000


class Passwords:
    """Hashes and verifies. All methods but `close` raise Unavailable where too many wait, and Invalid for what cannot be one."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
        self._threads = ThreadPoolExecutor(THREADS, "password")
        self._waiting = 0
        self._nobodys = self._hasher.hash(new_secret())

    def close(self) -> None:
        """Wait for those that run."""
        self._threads.shutdown(cancel_futures=True)

    async def hash(self, password: str) -> str:
        """What is stored of a new password."""
        text = _normal(password)
        if len(text) < MIN_CHARS:
            raise Invalid(f"a password has at least {MIN_CHARS} characters", field="$.password")
        return await self._run(lambda: self._hasher.hash(text))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether it is the one. Without a stored one it takes as long, and is not (RELIABILITY T15)."""
        text = _normal(password)
        return await self._run(lambda: self._matches(stored or self._nobodys, text)) and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether it was hashed with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _matches(self, stored: str, text: str) -> bool:
        try:
            return self._hasher.verify(stored, text)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= MAX_WAITING:
            raise Unavailable("too many sign in just now", retry_after_ms=BUSY_MS)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def _normal(password: str) -> str:
    """The same text however it was typed (NFKC, as NIST asks for)."""
    text = unicodedata.normalize("NFKC", password)
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise Invalid(f"a password has at most {MAX_BYTES} bytes", field="$.password")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise Invalid("a password is text", field="$.password")
    return text
