"""A node without Redis is the only member: it holds a session advisory lock in PostgreSQL (DESIGN 1).

The lock goes with its connection. When that is lost (the database restarted), the
lock is taken again; when another node took it meanwhile, this one must stop.
"""

import asyncio
from collections.abc import Callable

from commonroom.errors import ConfigError
from commonroom.storage.fault import translated
from commonroom.storage.pool import Connection, connect
from commonroom.tasks import TaskGroup, pause

__all__ = ["NodeLock"]

LOCK_KEY = 0x434F4D4D4F4E
"""'COMMON': the one key of all nodes on a database."""

RETRY_S = 0.25
TAKE_OVER_S = 3.0
"""The connection of a node that was killed may outlive it by a moment."""


class NodeLock:
    """Held from `take` to `release`.

    Args:
        on_lost: called once when another node holds the lock: stop serving.
    """

    def __init__(self, dsn: str, on_lost: Callable[[], None]) -> None:
        self._dsn = dsn
        self._on_lost = on_lost
        self._connection: Connection | None = None
        self._ended = asyncio.Event()
        self._tasks = TaskGroup(lambda _name, _error: on_lost())

    async def take(self) -> None:
        """Take the lock.

        Raises:
            ConfigError: another server holds it.
            Unavailable: the database does not answer.
        """
        loop = asyncio.get_running_loop()
        give_up = loop.time() + TAKE_OVER_S
        try:
            while not (taken := await self._try()) and loop.time() <= give_up:
                await pause(RETRY_S)
        except Exception as error:  # R19: asyncpg may raise anything
            raise translated(error) from error
        if not taken:
            raise ConfigError("another Commonroom server uses this database")
        self._tasks.start("node lock", self._keep())

    async def release(self) -> None:
        """Give the lock back. Safe to call twice."""
        await self._tasks.close()
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _try(self) -> bool:
        connection = await connect(self._dsn, "commonroom node lock")
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK_KEY):
            await connection.close()
            return False
        self._ended.clear()
        connection.add_termination_listener(lambda _connection: self._ended.set())
        self._connection = connection
        return True

    async def _keep(self) -> None:
        while True:
            await self._ended.wait()
            if not await self._again():
                self._on_lost()
                return

    async def _again(self) -> bool:
        """Take it again once the database is back; False when somebody else has it."""
        while True:
            try:
                return await self._try()
            except Exception:  # noqa: BLE001 - R19: whatever it was, the database is not back
                await pause(RETRY_S)
