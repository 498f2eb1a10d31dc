"""Who owns which slot: the table that is the authority of ownership (DESIGN 4, "Fence")."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from commonroom.errors import InternalError, Invalid, Unavailable
from commonroom.storage.journal.journal import PostgresJournal
from commonroom.storage.pool import Database, Record

__all__ = ["PostgresSlotTable", "SlotOwner", "claim_all"]

READ = "SELECT slot_id, epoch, owner FROM slot ORDER BY slot_id"
MOVE = "SELECT slot_id, epoch FROM journal_move($1, $2, $3)"


class SlotOwner(NamedTuple):
    """A row of the slot table. `owner` None: nobody, anybody may claim it at any time."""

    slot: int
    epoch: int
    owner: str | None


class PostgresSlotTable:
    """Implements `commonroom.engine.cluster.port.SlotTable`.

    A call takes at most the statement timeout of `database` and as long again for a free connection.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> Sequence[SlotOwner]:
        """All rows, by slot; see the port."""
        return [SlotOwner(*row) for row in await self._fetch(READ)]

    async def move(self, slots: Mapping[int, int], owner: str | None) -> dict[int, int]:
        """One call, durable when it returns; see the port."""
        rows = await self._fetch(MOVE, owner, list(slots), list(slots.values()))
        return {row["slot_id"]: row["epoch"] for row in rows}

    async def _fetch(self, query: str, *values: Any) -> list[Record]:
        """Any failure is the same to whoever asks: nothing is known, ask again."""
        try:
            return await self._database.fetch(query, *values)
        except (Invalid, InternalError) as error:
            raise Unavailable("the slot table does not answer", retry_after_ms=500, detail=str(error)) from error


async def claim_all(table: PostgresSlotTable, journal: PostgresJournal, owner: str) -> None:
    """Claim and open every slot: for the node that holds the node lock.

    Waits for writes in flight of a former owner; none can follow.

    Raises:
        Unavailable: the database does not answer, or somebody else claims slots too.
    """
    seen = {row.slot: row.epoch for row in await table.read()}
    claimed = await table.move(seen, owner)
    if len(claimed) < len(seen):
        raise Unavailable(f"somebody else claims slots: {len(seen) - len(claimed)} of {len(seen)}")
    await journal.open_slots(claimed)
