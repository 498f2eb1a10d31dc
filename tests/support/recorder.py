"""What a store was given."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

__all__ = ["Recorder"]

T = TypeVar("T")


class Recorder(Generic[T]):
    """Keeps what it is given, or raises what it is told to, one error a call."""

    def __init__(self) -> None:
        self.batches: list[list[T]] = []
        self.errors: list[Exception] = []
        self.held: asyncio.Event | None = None
        self.changed = asyncio.Event()

    async def take(self, batch: Sequence[T]) -> None:
        """Once `held` is set, if there is one."""
        self.changed.set()
        if self.held is not None:
            await self.held.wait()
        if self.errors:
            raise self.errors.pop(0)
        self.batches.append(list(batch))

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    @property
    def taken(self) -> list[T]:
        return [one for batch in self.batches for one in batch]
