"""A database for a command: the external one, or the embedded one while the command runs."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from commonroom.config.settings import Settings
from commonroom.errors import Unavailable
from commonroom.storage.embedded.postgres import EmbeddedPostgres

__all__ = ["with_database"]

T = TypeVar("T")


async def with_database(settings: Settings, call: Callable[[str], Coroutine[Any, Any, T]]) -> T:
    """Call with a URL.

    Raises:
        ConfigError: the embedded database is in use by a server, or cannot start.
        Unavailable: the external database does not answer.
    """
    if settings.postgres.url:
        try:
            return await call(settings.postgres.url)
        except OSError as error:
            raise Unavailable(f"PostgreSQL does not answer: {error.strerror or error}") from None
    postgres = EmbeddedPostgres()
    await postgres.start(settings.data)
    try:
        return await call(postgres.url)
    finally:
        await postgres.stop()
