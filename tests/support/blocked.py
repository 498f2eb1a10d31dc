"""Waiting until somebody waits for a lock of PostgreSQL."""

import asyncio

from commonroom.storage.pool import Database

__all__ = ["WAITING", "until_blocked", "until_free"]

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


async def until_blocked(database: Database, count: int = 1) -> None:
    """Return once so many statements wait for locks in this database."""
    async with asyncio.timeout(20):
        while await database.fetchval(WAITING) < count:
            await asyncio.sleep(0)


async def until_free(database: Database) -> None:
    """Return once no statement waits for a lock in this database."""
    async with asyncio.timeout(20):
        while await database.fetchval(WAITING):
            await asyncio.sleep(0)
