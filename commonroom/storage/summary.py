"""Summaries of actors, as lists read them: what the engine writes, and where those of rooms go."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct

from commonroom.protocol.listing import RoomSummary
from commonroom.storage.pool import Database

__all__ = ["RoomSummaries", "Summary", "SummaryStore"]

WRITE = "SELECT room_summarize($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"


class Summary(NamedTuple):
    """What is said of the actor of that key."""

    key: str
    slot: int
    said: Struct


class SummaryStore(Protocol):
    """Where summaries are read from."""

    async def write(self, opened: Collection[int], summaries: Sequence[Summary]) -> Sequence[str]:
        """Write what differs. One statement; of slots that are not ours any more nothing is written.

        Args:
            opened: slots that this node has taken over: whoever was present there by a former owner's word is not.

        Returns: the keys of those that readers may have shown otherwise.

        Raises:
            Unavailable: it is not known whether it was written; it may be written again.
        """
        ...


class RoomSummaries:
    """Implements `SummaryStore` for rooms: the table `room_summary`, and the ranks of the list.

    Args:
        epochs: slots → our epochs of those that are open.
    """

    def __init__(self, database: Database, epochs: Callable[[Collection[int]], Mapping[int, int]]) -> None:
        self._database = database
        self._epochs = epochs

    async def write(self, opened: Collection[int], summaries: Sequence[Summary], now: int | None = None) -> Sequence[str]:
        """See the port.

        Args:
            now: when, cluster ms, for ranks; None: by PostgreSQL's clock.
        """
        epochs = self._epochs({*opened, *(one.slot for one in summaries)})
        slots = [slot for slot in opened if slot in epochs]
        rooms = [(one, one.said) for one in summaries if one.slot in epochs and isinstance(one.said, RoomSummary)]
        if not slots and not rooms:
            return ()
        changed = await self._database.fetch(
            WRITE,
            slots,
            [epochs[slot] for slot in slots],
            [one.key for one, _ in rooms],
            [one.slot for one, _ in rooms],
            [epochs[one.slot] for one, _ in rooms],
            [said.present for _, said in rooms],
            [said.phase for _, said in rooms],
            [said.ends_at for _, said in rooms],
            [said.active_at for _, said in rooms],
            now,
        )
        return [row[0] for row in changed]
