"""Events from the journal, for gaps and for those who come back."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from commonroom.engine.address import Address
from commonroom.engine.envelope import Publication
from commonroom.engine.private import unpack
from commonroom.errors import Unavailable
from commonroom.protocol.codec import decode_event
from commonroom.storage.journal.port import JournalEvent
from commonroom.tasks import pause

__all__ = ["BATCH", "EventReader", "ReadEvents"]

ReadEvents = Callable[[Address, int, int], Awaitable[Sequence[JournalEvent]]]
"""(address, after, limit) → committed events with offset > after, in order, at most limit.

Raises Unavailable while the database does not answer.
"""

BATCH: Final = 100
"""Events of one read: bounds what a reader that comes back costs in memory."""

READS_AT_ONCE: Final = 4
ATTEMPTS: Final = 5
FIRST_PAUSE_S: Final = 0.1


class EventReader:
    """Reads what follows an offset, a few reads at a time for the whole gateway."""

    def __init__(self, read: ReadEvents) -> None:
        self._read = read
        self._turn = asyncio.Semaphore(READS_AT_ONCE)

    async def after(self, address: Address, after: int, upto: int) -> list[Publication]:
        """Events `after + 1`, `after + 2` … up to `upto` at most, at least one.

        Raises:
            Unavailable: the journal does not answer after `ATTEMPTS`, or lacks the next event.
        """
        wait_s = FIRST_PAUSE_S
        for _ in range(ATTEMPTS - 1):
            try:
                return await self._once(address, after, upto)
            except Unavailable:
                await pause(wait_s)
                wait_s *= 2
        return await self._once(address, after, upto)

    async def _once(self, address: Address, after: int, upto: int) -> list[Publication]:
        async with self._turn:
            events = await self._read(address, after, min(BATCH, upto - after))
        if not events or any(event.offset != after + place for place, event in enumerate(events, 1)):
            raise Unavailable(f"the journal of {address} lacks event {after + 1}")
        return [_publication(event) for event in events]


def _publication(event: JournalEvent) -> Publication:
    message = decode_event(event.payload)
    return Publication(message, event.payload, event.offset, message.author, unpack(event.private).audience, None)
