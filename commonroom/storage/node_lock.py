"""A node without Redis is the only member: it holds a session advisory lock in PostgreSQL (DESIGN 1).

    free ──take──► held ──connection lost──► retaking ──► held
                                                └─ another node has it ──► lost: `on_lost`, the node stops

The lock goes with its connection. While it is being retaken the journal's fence protects
the data: another node that takes the lock claims the slots too.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto

from commonroom.errors import ConfigError
from commonroom.ids import new_secret
from commonroom.storage.fault import translated
from commonroom.storage.pool import Connection, connect
from commonroom.tasks import TaskGroup, pause

__all__ = ["NodeLock"]

LOCK_KEY = 0x434F4D4D4F4E
"""'COMMON': the one key of all nodes on a database."""

RETRY_S = 0.25
TAKE_OVER_S = 3.0
"""The connection of a node that was killed may outlive it by a moment."""
PING_S = 10.0
PING_TIMEOUT_S = 5.0

# A machine that vanished must not hold the lock for the two hours of the kernel's default.
KEEPALIVE = {"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}

HOLDER = """
SELECT a.pid, a.application_name AS name
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
  AND (l.classid::bigint << 32 | l.objid::bigint) = $1
"""


class _Answer(Enum):
    """Who has the lock."""

    OURS = auto()
    FOREIGN = auto()
    FREED = auto()
    """Nobody any more: try again."""


class NodeLock:
    """Held from `take` to `release`.

    Args:
        on_lost: called once when another node holds the lock: stop serving.
    """

    def __init__(self, dsn: str, on_lost: Callable[[], None]) -> None:
        self._dsn = dsn
        self._on_lost = on_lost
        self._name = f"commonroom node lock {new_secret()[:12]}"
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
            while (answer := await self._try()) is not _Answer.OURS and loop.time() <= give_up:
                await pause(RETRY_S)
        except Exception as error:  # R19: asyncpg may raise anything
            raise translated(error) from error
        if answer is not _Answer.OURS:
            raise ConfigError("another Commonroom server uses this database")
        self._tasks.start("node lock", self._keep())

    async def release(self) -> None:
        """Give the lock back. Safe to call twice."""
        await self._tasks.close()
        self._cut()

    async def _try(self) -> _Answer:
        """One attempt on a new connection, which is kept if the lock is ours."""
        connection = await connect(self._dsn, self._name, **KEEPALIVE)
        try:
            answer = await self._ask(connection)
        except BaseException:
            connection.terminate()
            raise
        if answer is not _Answer.OURS:
            await connection.close()
            return answer
        self._ended.clear()
        connection.add_termination_listener(lambda _connection: self._ended.set())
        self._connection = connection
        return answer

    async def _ask(self, connection: Connection) -> _Answer:
        if await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK_KEY):
            return _Answer.OURS
        holder = await connection.fetchrow(HOLDER, LOCK_KEY)
        if holder is not None and holder["name"] != self._name:
            return _Answer.FOREIGN
        if holder is not None:  # our own lost connection, as the server still sees it
            await connection.execute("SELECT pg_terminate_backend($1, 1000)", holder["pid"])
        return _Answer.FREED

    async def _keep(self) -> None:
        while True:
            await self._until_ended()
            self._cut()
            if not await self._again():
                self._on_lost()
                return

    async def _until_ended(self) -> None:
        """Returns when the connection has ended, or does not answer any more."""
        while not self._ended.is_set():
            try:
                async with asyncio.timeout(PING_S):
                    await self._ended.wait()
            except TimeoutError:
                await self._ping()

    async def _ping(self) -> None:
        """A server that is gone without a word ends nothing on this side."""
        if self._connection is None:
            return
        guard = asyncio.get_running_loop().call_later(PING_TIMEOUT_S, self._connection.terminate)
        try:
            await self._connection.execute("SELECT 1")
        except Exception:  # noqa: BLE001 - R19: whatever it was, this connection proves nothing any more
            self._ended.set()
        finally:
            guard.cancel()

    async def _again(self) -> bool:
        """Take it again once the database is back; False when somebody else has it."""
        while True:
            try:
                answer = await self._try()
            except Exception:  # noqa: BLE001 - R19: whatever it was, the database is not back
                answer = _Answer.FREED
            if answer is not _Answer.FREED:
                return answer is _Answer.OURS
            await pause(RETRY_S)

    def _cut(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
