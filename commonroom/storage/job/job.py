"""What a job is."""

from typing import NamedTuple, Protocol

from commonroom.storage.pool import Connection

__all__ = ["Job", "Step"]


class Step(NamedTuple):
    """What one step did.

    Attributes:
        checkpoint: where the next one begins.
        rows: how many it looked at.
        last: whether nothing is left.
    """

    checkpoint: str
    rows: int
    last: bool


class Job(Protocol):
    """Work in steps. A step is repeated whole where it did not commit, and never where it did."""

    @property
    def name(self) -> str:
        """How it is called, lower case with hyphens; never given to another one."""
        ...

    @property
    def about(self) -> str:
        """What it does, in one line."""
        ...

    async def is_needed(self, connection: Connection) -> bool:
        """Whether anything is left to do. Cheap."""
        ...

    async def step(self, connection: Connection, checkpoint: str, limit: int) -> Step:
        """Do the next rows.

        Args:
            connection: within the transaction that moves the checkpoint: one second of it at most.
            checkpoint: the last step's; empty: there was none.
            limit: rows to look at.
        """
        ...
