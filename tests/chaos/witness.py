"""Looks at the journal again and again: once a slot has a new epoch, nothing of an older one may still appear (I1).

The finished journal cannot tell a late write that met no other: it stands where it might have stood before the claim.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import asyncpg

from commonroom.engine.address import slot_of
from tests.chaos.ledger import Ledger

__all__ = ["Seen", "Witness"]

EVERY_S = 0.03
"""Short: the nemesis lets late writes go as soon as a claim is seen."""

AGAIN_S = 0.3
CALL_S = 5.0
EPOCHS = "SELECT slot_id, epoch FROM slot WHERE slot_id = ANY ($1)"
NEW = """
SELECT e.stream, e."offset", e.slot, e.epoch
FROM unnest($1::text[], $2::bigint[]) AS known (stream, head)
JOIN event e ON e.stream = known.stream AND e."offset" > known.head
ORDER BY e.stream, e."offset"
"""


class Seen(NamedTuple):
    """An event that was not there at the last look."""

    stream: str
    offset: int
    slot: int
    epoch: int


class Witness:
    """Remembers the epochs of their slots and the heads of all streams from one look to the next.

    Attributes:
        claims: how often a slot was seen with a new epoch.

    Args:
        streams: all there are.
    """

    def __init__(self, dsn: str, streams: Sequence[str], ledger: Ledger) -> None:
        self.claims = 0
        self._dsn = dsn
        self._ledger = ledger
        self._heads = dict.fromkeys(streams, 0)
        self._slots = sorted({slot_of(stream) for stream in streams})
        self._epochs: dict[int, int] = {}

    async def watch(self) -> None:
        """Look until cancelled, whatever happens to PostgreSQL."""
        while True:
            try:
                connection = await asyncpg.connect(self._dsn, timeout=CALL_S)
                try:
                    await self._look_on(connection)
                finally:
                    connection.terminate()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
                await asyncio.sleep(AGAIN_S)

    async def _look_on(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        while True:
            async with asyncio.timeout(CALL_S), connection.transaction(isolation="repeatable_read", readonly=True):
                epochs = {row[0]: row[1] for row in await connection.fetch(EPOCHS, self._slots)}
                events = [Seen(*row.values()) for row in await connection.fetch(NEW, list(self._heads), list(self._heads.values()))]
            for fault in self.judge(epochs, events):
                self._ledger.fail(fault)
            await asyncio.sleep(EVERY_S)

    def judge(self, epochs: Mapping[int, int], events: Iterable[Seen]) -> Iterator[str]:
        """What one look shows: the epochs now, and the events since the last look."""
        for event in events:
            claimed = self._epochs.get(event.slot, 0)
            if event.epoch < claimed:
                yield f"I1: {event.stream} got {event.offset} of epoch {event.epoch} when slot {event.slot} had been claimed with {claimed}"
            self._heads[event.stream] = event.offset
        self.claims += sum(epoch > self._epochs.get(slot, 0) for slot, epoch in epochs.items())
        self._epochs = dict(epochs)
