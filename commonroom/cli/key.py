"""`commonroom keys rotate`: new signing keys, while the old ones verify until what they signed is over."""

from collections.abc import Sequence

from commonroom.clock import ClusterClock
from commonroom.storage.database_clock import compare
from commonroom.storage.pool import Database
from commonroom.storage.repository.signing_key import SigningKeys
from commonroom.token import OVERLAP_MS, Purpose

__all__ = ["rotate"]


async def rotate(url: str, purposes: Sequence[Purpose]) -> dict[str, str]:
    """New key ids by purpose. Raises Unavailable, ConfigError: see `Database.open`."""
    database = await Database.open(url)
    try:
        clock = ClusterClock()
        await compare(database, clock)
        return await SigningKeys(database).rotate({purpose: OVERLAP_MS[purpose] for purpose in purposes}, clock.now())
    finally:
        await database.close()
