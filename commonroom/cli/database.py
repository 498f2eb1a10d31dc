"""A database for a command: the external one, or the embedded one while the command runs."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg

from commonroom.clock import Clock, ClusterClock
from commonroom.config.settings import Settings
from commonroom.errors import ConfigError
from commonroom.storage.database_clock import compare
from commonroom.storage.embedded.postgres import EmbeddedPostgres, running
from commonroom.storage.fault import translated
from commonroom.storage.pool import Database

__all__ = ["opened", "with_database"]

T = TypeVar("T")


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[tuple[Database, Clock]]:
    """The database, and cluster time. Raises as `Database.open`."""
    database, clock = await Database.open(url), ClusterClock()
    try:
        await compare(database, clock)
        yield database, clock
    finally:
        await database.close()


async def with_database(settings: Settings, call: Callable[[str], Coroutine[Any, Any, T]], *, beside: bool = False) -> T:
    """Call with a URL; `beside`: also that of an embedded database which a server has in use.

    Raises:
        ConfigError: the embedded database is in use by a server, or cannot start.
        Unavailable: the external database does not answer, or refuses the role.
    """
    if settings.postgres.url:
        try:
            return await call(settings.postgres.url)
        except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            raise translated(error) from None
    postgres = EmbeddedPostgres()
    try:
        await postgres.start(settings.data)
    except ConfigError:
        url = running(settings.data) if beside else None
        if url is None:
            raise
        return await call(url)
    try:
        return await call(postgres.url)
    finally:
        await postgres.stop()
