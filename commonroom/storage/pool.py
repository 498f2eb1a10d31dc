"""The pool of connections for reads and plain writes; the journal has its own."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import lru_cache
from typing import Any, Protocol, Self, TypeAlias, TypeVar

import asyncpg

from commonroom.config.settings import PostgresSettings
from commonroom.delay import Delays
from commonroom.errors import ConfigError, Unavailable
from commonroom.storage.fault import explain, translated
from commonroom.tasks import is_cancelled

__all__ = ["Connection", "Database", "Queries", "Record", "Transaction", "check_server", "connect"]

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Record = asyncpg.Record
T = TypeVar("T")

MIN_VERSION = 15
CONNECT_TIMEOUT_S = 3.0
"""Also how soon a lost server that is back is noticed, at the latest."""

WARM = 4
"""Connections that are there before they are needed: rooms that move to a node are all loaded at once, and a new connection
takes as long as all the rest of a move (measured: 99th percentile of the silence 127 instead of 250 ms)."""

IDLE_IN_TRANSACTION_MS = 2000
"""Whoever stands still within a transaction (SIGSTOP, a network that is gone) loses it and its locks: less than a
node's TTL, or those who take over its slots would wait for its checkpoints as long as it sleeps."""

WRITING = re.compile(r"\A\s*(WITH\b.*\b)?(INSERT INTO|(?<!FOR )(?<!KEY )UPDATE|DELETE FROM)\b", re.DOTALL)

DURABILITY = {"fsync": {"on"}, "synchronous_commit": {"on", "local", "remote_write", "remote_apply"}, "full_page_writes": {"on"}}


class _PooledConnection(asyncpg.Connection):
    """Nothing here changes a connection's state, so giving it back costs no round trip."""

    def get_reset_query(self) -> str:
        return ""


async def connect(dsn: str, application_name: str = "commonroom", **settings: str) -> Connection:
    """A connection of one's own, for a lane or a lock. `settings` are server settings."""
    return await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S, server_settings={"application_name": application_name, **settings})


async def check_server(connection: Connection) -> None:
    """Refuse a server that is too old or would lose acknowledged writes.

    Raises:
        ConfigError: one line that names the setting and its value.
    """
    version = connection.get_server_version()
    if version.major < MIN_VERSION:
        raise ConfigError(f"PostgreSQL {version.major} is too old: {MIN_VERSION} or newer is needed")
    for name, allowed in DURABILITY.items():
        value = await connection.fetchval("SELECT current_setting($1)", name)
        if value not in allowed:
            raise ConfigError(f"PostgreSQL has {name} = {value}: acknowledged messages could be lost")


class Queries(Protocol):
    """What repositories ask: the `Database`, each statement by itself, or one `Transaction` of it."""

    async def fetch(self, query: str, *values: Any) -> list[Record]:
        """All rows."""
        ...

    async def fetchrow(self, query: str, *values: Any) -> Record | None:
        """The first row, or None."""
        ...

    async def fetchval(self, query: str, *values: Any) -> Any:
        """The first column of the first row, or None."""
        ...

    async def execute(self, query: str, *values: Any) -> str:
        """Run a statement; its command tag."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """Several statements, of which all happen or none."""
        ...


class Transaction:
    """The transaction of a connection, for repositories whose statements belong together.

    Args:
        connection: as `Database.transaction` gives it. A statement that is refused ends the transaction: let its error out.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def fetch(self, query: str, *values: Any) -> list[Record]:
        """As the database's."""
        return await _translating(self._connection.fetch(query, *values))

    async def fetchrow(self, query: str, *values: Any) -> Record | None:
        """As the database's."""
        return await _translating(self._connection.fetchrow(query, *values))

    async def fetchval(self, query: str, *values: Any) -> Any:
        """As the database's."""
        return await _translating(self._connection.fetchval(query, *values))

    async def execute(self, query: str, *values: Any) -> str:
        """As the database's."""
        return await _translating(self._connection.execute(query, *values))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """This one: what would be whole by itself is a part of it."""
        yield self._connection


class Database:
    """Reads and plain writes, each with a deadline.

    Every method raises only errors of our tree: `Unavailable` for anything that says
    "connection", `Invalid` for a value the database cannot hold, `InternalError` for a
    statement it refused. A call that lasts too long loses its connection first, so that it
    never returns to the pool half done.
    """

    def __init__(self, timeout_s: float) -> None:
        self.statements = 0
        """Statements sent since the start."""
        self.writes = 0
        """Those of them that change something."""
        self.durations = Delays()
        """How long statements took."""
        self._pool: asyncpg.Pool[asyncpg.Record]
        self._timeout_s = timeout_s

    @classmethod
    async def open(cls, dsn: str, settings: PostgresSettings | None = None) -> Self:
        """Connect and check the server.

        Raises:
            ConfigError: see `check_server`; or the URL, the role or the database is wrong.
            Unavailable: nobody answers there.
        """
        settings = settings or PostgresSettings()
        database = cls(settings.statement_timeout_s)
        try:
            database._pool = await asyncpg.create_pool(
                dsn, min_size=min(WARM, settings.pool_size), max_size=settings.pool_size,
                connection_class=_PooledConnection, timeout=CONNECT_TIMEOUT_S,
                init=database._count_statements,
                server_settings={
                    "application_name": "commonroom", "statement_timeout": f"{settings.statement_timeout_s * 1000:.0f}",
                    "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_MS}", "jit": "off",
                },
            )  # fmt: skip
        except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError, ValueError) as error:
            raise ConfigError(f"PostgreSQL refuses the connection: {explain(error)}") from None
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            raise Unavailable(f"PostgreSQL does not answer: {explain(error)}") from None
        try:
            await database._call(check_server)
        except BaseException:
            await database.close()
            raise
        return database

    async def close(self) -> None:
        """Close the connections; those in use are cut after the statement timeout."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    async def fetch(self, query: str, *values: Any) -> list[Record]:
        """All rows."""
        return await self._call(lambda connection: connection.fetch(query, *values))

    async def fetchrow(self, query: str, *values: Any) -> Record | None:
        """The first row, or None."""
        return await self._call(lambda connection: connection.fetchrow(query, *values))

    async def fetchval(self, query: str, *values: Any) -> Any:
        """The first column of the first row, or None."""
        return await self._call(lambda connection: connection.fetchval(query, *values))

    async def execute(self, query: str, *values: Any) -> str:
        """Run a statement; its command tag."""
        return await self._call(lambda connection: connection.execute(query, *values))

    async def _count_statements(self, connection: Connection) -> None:
        connection.add_query_logger(self._sent)

    def _sent(self, query: Any) -> None:
        self.statements += 1
        self.writes += is_write(query.query)
        self.durations.note(query.elapsed)

    async def _call(self, call: Callable[[Connection], Awaitable[T]]) -> T:
        async with self.connection() as connection:
            return await call(connection)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for several statements; cut when they last too long together."""
        loop = asyncio.get_running_loop()
        try:
            async with self._pool.acquire(timeout=self._timeout_s) as proxy:
                connection: Connection = proxy  # type: ignore[assignment]  # the proxy has every method
                # Not asyncio.timeout: cancelling makes asyncpg ask the server, which may be stopped, to cancel.
                guard = loop.call_later(self._timeout_s * 1.5, connection.terminate)
                try:
                    yield connection
                finally:
                    guard.cancel()
        except Exception as error:  # R19: asyncpg may raise anything; sorted in one place
            raise _sorted(error) from error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection within a transaction."""
        async with self.connection() as connection, connection.transaction():
            yield connection


@lru_cache(maxsize=1024)
def is_write(statement: str) -> bool:
    """Whether a statement changes rows. Statements are constants, so each is looked at once."""
    return WRITING.search(statement) is not None


async def _translating(call: Awaitable[T]) -> T:
    try:
        return await call
    except Exception as error:  # as for `Database.connection`
        raise _sorted(error) from error


def _sorted(error: Exception) -> BaseException:
    if is_cancelled():  # a silent server makes it raise TimeoutError instead: the caller would go on for ever
        return asyncio.CancelledError()
    return translated(error)
