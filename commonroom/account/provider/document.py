"""A document of a provider's that is kept: fetched seldom, by one task at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

import structlog

from commonroom.account.provider.error import ProviderSilent, SignInError
from commonroom.clock import Clock

__all__ = ["FRESH_MS", "USABLE_MS", "Document"]

FRESH_MS: Final = 3_600_000
"""So old it is used without asking."""

USABLE_MS: Final = 24 * 3_600_000
"""So old it is used while the provider does not answer; a key that was withdrawn is believed no longer than that."""

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Document(Generic[T]):
    """The last good copy.

    Args:
        fetch: raises SignInError.
        pause_ms: least time from the end of a fetch, also of one that failed, to the next.
    """

    def __init__(self, what: str, fetch: Callable[[], Awaitable[T]], clock: Clock, pause_ms: int) -> None:
        self._what = what
        self._fetch = fetch
        self._clock = clock
        self._pause_ms = pause_ms
        self._copy: T | None = None
        self._fetched_at = 0
        self._next_at = 0
        self._lock = asyncio.Lock()

    async def get(self, suits: Callable[[T], bool] = lambda _: True) -> T:
        """The copy; fetched anew, unless that was done just now, if it is old or does not suit. It may not suit then either.

        Raises:
            SignInError: there is none, or it is too old and could not be renewed.
        """
        if not self._serves(suits):
            async with self._lock:  # whoever waited finds it renewed, or the pause begun
                if not self._serves(suits) and self._clock.now() >= self._next_at:
                    await self._renew()
        if self._copy is None:
            raise ProviderSilent(f"no {self._what}, and it is too early to ask again")
        return self._copy

    def _serves(self, suits: Callable[[T], bool]) -> bool:
        return self._copy is not None and self._clock.now() - self._fetched_at < FRESH_MS and suits(self._copy)

    async def _renew(self) -> None:
        try:
            self._copy = await self._fetch()
            self._fetched_at = self._clock.now()
        except SignInError as error:
            if self._copy is None or self._clock.now() - self._fetched_at >= USABLE_MS:
                self._copy = None
                raise
            log.warning("provider document not renewed", what=self._what, why=str(error))
        finally:
            self._next_at = self._clock.now() + self._pause_ms
