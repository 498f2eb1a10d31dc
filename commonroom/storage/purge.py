"""What is over is deleted some rows at a time: nobody waits for a row, and no statement meets its deadline."""

from typing import Final

from commonroom.storage.pool import Queries

__all__ = ["BATCH", "in_batches"]

BATCH: Final = 1000
"""Rows of a statement: some 10 ms of PostgreSQL."""


async def in_batches(database: Queries, statement: str, *values: int) -> None:
    """Repeat a statement until it finds nothing more to do.

    Args:
        statement: does at most `$1` rows and never one of them twice; what another node does just now it leaves to that (SKIP LOCKED).
        values: `$2` and so on.

    Raises:
        Unavailable: the database does not answer; what was done stays done.
    """
    done = BATCH
    while done == BATCH:
        tag = await database.execute(statement, BATCH, *values)
        done = int(tag.rpartition(" ")[2])
