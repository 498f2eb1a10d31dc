"""PostgreSQL's clock, the reference of cluster time."""

from commonroom.clock import ClusterClock, monotonic_s
from commonroom.storage.pool import Database

__all__ = ["compare"]

NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::double precision"

GOOD_ROUND_TRIP_MS = 20.0
USELESS_ROUND_TRIP_MS = 1000.0
"""Wrong by half a second perhaps: better none, once there was a good one."""
MOST_SAMPLES = 5


async def compare(database: Database, clock: ClusterClock) -> float:
    """Show the clock one comparison; the offset in ms.

    The database's answer is taken to be of the middle of the round trip, so it is wrong
    by up to half of that: the quickest of a few is used, lest a stalled server move
    everybody's timers by seconds.

    Raises:
        Unavailable: the database does not answer.
    """
    samples: list[tuple[float, float, float]] = []
    while len(samples) < MOST_SAMPLES and (not samples or samples[-1][0] > GOOD_ROUND_TRIP_MS):
        samples.append(await _sample(database, clock))
    round_trip_ms, database_ms, middle_ms = min(samples)
    if round_trip_ms <= USELESS_ROUND_TRIP_MS or not clock.observed:
        clock.observe(database_ms, middle_ms)
    return database_ms - middle_ms


async def _sample(database: Database, clock: ClusterClock) -> tuple[float, float, float]:
    """(round trip, the database's time, ours at its middle), in ms."""
    local_ms, began = clock.local_ms(), monotonic_s()
    database_ms: float = await database.fetchval(NOW)
    round_trip_ms = (monotonic_s() - began) * 1000.0
    return round_trip_ms, database_ms, local_ms + round_trip_ms / 2
