"""What all workers share: a migrated database and a Redis, ours where none was configured."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

import asyncpg
import structlog

from commonroom.config.settings import Settings
from commonroom.errors import ConfigError
from commonroom.storage.embedded.postgres import EmbeddedPostgres
from commonroom.storage.embedded.redis import EmbeddedRedis
from commonroom.storage.fault import translated
from commonroom.storage.migration import migrate
from commonroom.storage.node_lock import NodeLock

__all__ = ["Servers", "opened"]

log = structlog.get_logger(__name__)


class Servers(NamedTuple):
    """Where they are, for the workers."""

    postgres_url: str
    redis_url: str


@asynccontextmanager
async def opened(settings: Settings, on_lost: Callable[[Exception], None]) -> AsyncIterator[Servers]:
    """Start what was not configured, bring the schema up. Afterwards Redis ends first, PostgreSQL last.

    With a Redis of our own nobody else can be a member, so the database is locked as by a
    single node: two clusters on one database would take each other's slots for ever.

    Args:
        on_lost: called when another server has taken the database meanwhile.

    Raises:
        ConfigError: in use, unfit, or no server to start.
        Unavailable: PostgreSQL or Redis does not answer.
    """
    async with AsyncExitStack() as stack:
        postgres_url = settings.postgres.url or await _postgres(settings, stack)
        if not settings.redis.url:
            lock = NodeLock(postgres_url, lambda: on_lost(ConfigError("another Commonroom server uses this database")))
            await lock.take()
            stack.push_async_callback(lock.release)
        await _migrate(postgres_url)
        yield Servers(postgres_url, settings.redis.url or await _redis(settings, stack))


async def _postgres(settings: Settings, stack: AsyncExitStack) -> str:
    postgres = EmbeddedPostgres()
    await postgres.start(settings.data, on_restart=_note)
    stack.push_async_callback(postgres.stop)
    if postgres.note:
        _note(postgres.note)
    return postgres.url


async def _redis(settings: Settings, stack: AsyncExitStack) -> str:
    redis = EmbeddedRedis()
    await redis.start(settings.data, on_restart=_note)
    stack.push_async_callback(redis.stop)
    return redis.url


async def _migrate(url: str) -> None:
    try:
        await migrate(url)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise translated(error) from None


def _note(line: str) -> None:
    log.warning("storage", what=line)
