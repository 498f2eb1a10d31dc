"""The database of a node: its own or a given one, migrated, with journal and projections on it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack

import structlog

from commonroom.clock import ClusterClock
from commonroom.config.settings import Settings
from commonroom.storage.database_clock import compare
from commonroom.storage.embedded.postgres import EmbeddedPostgres
from commonroom.storage.job import JOBS
from commonroom.storage.journal.journal import PostgresJournal
from commonroom.storage.migration import migrate
from commonroom.storage.node_lock import NodeLock
from commonroom.storage.pool import Database
from commonroom.storage.projection.membership import MembershipProjection
from commonroom.storage.projection.message import MessageProjection
from commonroom.storage.projection.projection import Projection
from commonroom.storage.projection.room import RoomProjection
from commonroom.storage.projection.room_ban import RoomBanProjection
from commonroom.storage.projection.runner import ProjectionRunner
from commonroom.storage.slot_table import PostgresSlotTable, claim_all

__all__ = ["Storage", "note"]

log = structlog.get_logger(__name__)

CLOSE_TIMEOUT_S = 2.0


def note(line: str) -> None:
    """One line of trouble."""
    log.warning("storage", what=line)


class Storage:
    """Implements `SlotHolder`: journal first, projections on it.

    Args:
        parts: what is opened here is closed by it.
        on_lock_lost: called when another server took over the database of a node that is alone.
    """

    def __init__(self, settings: Settings, clock: ClusterClock, parts: AsyncExitStack, on_lock_lost: Callable[[], None]) -> None:
        self.database: Database
        self.journal: PostgresJournal
        self.projections: ProjectionRunner
        self.table: PostgresSlotTable
        self._settings = settings
        self._clock = clock
        self._parts = parts
        self._on_lock_lost = on_lock_lost

    async def open(self) -> None:
        """Start or reach the database; nothing is owned yet, and nothing derived from the journal until `follow`.

        Raises:
            ConfigError: it cannot be used like this, or another server that is alone holds it.
            Unavailable: it does not answer.
        """
        postgres = self._settings.postgres
        dsn = postgres.url or await self._start_embedded()
        if not self._settings.redis.url:
            lock = NodeLock(dsn, self._on_lock_lost)
            await lock.take()
            self._parts.push_async_callback(lock.release)
        await migrate(dsn)
        self.database = await Database.open(dsn, postgres)
        self._parts.push_async_callback(self.database.close)
        await compare(self.database, self._clock)
        self.table = PostgresSlotTable(self.database)
        self.journal = PostgresJournal(dsn, self.database, settings=postgres, on_trouble=note)
        await self.journal.open()
        self._parts.push_async_callback(self.journal.close)

    async def follow(self, outboxes: Iterable[Projection], on_rooms: Callable[[Sequence[str]], None]) -> None:
        """Start the projections, before any slot opens: the storage's own, and those that need the engine above it.

        Args:
            on_rooms: told of rooms that lists show otherwise now.

        Raises:
            Unavailable: the database does not answer.
        """
        own: list[Projection] = [RoomProjection(on_rooms), MessageProjection(), MembershipProjection(), RoomBanProjection()]
        self.projections = ProjectionRunner(self.database, self.journal, [*own, *outboxes], note)
        await self.projections.start()
        self._parts.push_async_callback(self.projections.close)

    async def tell_of_jobs(self) -> None:
        """A line for each backfill that waits for the operator. Raises Unavailable."""
        async with self.database.connection() as connection:
            for name, job in JOBS.items():
                if await job.is_needed(connection):
                    log.warning("job_needed", job=name, about=job.about, run=f"commonroom jobs run {name}")

    async def claim_all(self) -> None:
        """A node that is alone owns everything, for good. Raises Unavailable."""
        await claim_all(self.table, self.journal, "node")
        await self.projections.open_slots(self.journal.slots)

    async def open_slots(self, epochs: Mapping[int, int]) -> None:
        await self.journal.open_slots(epochs)
        await self.projections.open_slots(list(epochs))

    async def close_slots(self, slots: Sequence[int]) -> set[int]:
        await self.projections.close_slots(slots)
        return await self.journal.close_slots(slots, CLOSE_TIMEOUT_S)

    def drop_slots(self, slots: Sequence[int]) -> None:
        self.journal.drop_slots(slots)
        self.projections.drop_slots(slots)

    async def _start_embedded(self) -> str:
        postgres = EmbeddedPostgres()
        await postgres.start(self._settings.data, on_restart=note)
        self._parts.push_async_callback(postgres.stop)
        if postgres.note:
            note(postgres.note)
        return postgres.url
