"""PostgreSQL's clock, the reference of cluster time."""

from commonroom.clock import ClusterClock, monotonic_s
from commonroom.storage.pool import Database

__all__ = ["compare"]

NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::double precision"


async def compare(database: Database, clock: ClusterClock) -> float:
    """Show the clock one comparison; the offset in ms.

    The database's answer is taken to be of the middle of the round trip.

    Raises:
        Unavailable: the database does not answer.
    """
    local_ms, began = clock.local_ms(), monotonic_s()
    database_ms: float = await database.fetchval(NOW)
    middle_ms = local_ms + (monotonic_s() - began) * 500.0
    clock.observe(database_ms, middle_ms)
    return database_ms - middle_ms
