"""Where Redis is, and how to say so without its password."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from redis.asyncio.connection import AbstractConnection, Connection, ConnectionPool, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from commonroom.errors import ConfigError, Unavailable

__all__ = ["TIMEOUT_S", "Endpoint"]

TIMEOUT_S = 0.5
"""For connecting, and for an answer (DESIGN 5)."""

P = TypeVar("P", bound=asyncio.Protocol)


class Endpoint:
    """What a Redis URL says: `redis://`, `rediss://` or `unix://`, as redis-py reads them.

    Raises:
        ConfigError: it is none; the text does not repeat the URL, which may hold a password.
    """

    def __init__(self, url: str) -> None:
        try:  # no socket_timeout: callers have a deadline, and redis-py's own goes through wait_for, which loses cancellations
            self.pool = ConnectionPool.from_url(
                url, protocol=2, driver_info=None, decode_responses=False, health_check_interval=0,
                socket_timeout=None, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 0),
            )  # fmt: skip
            make: Callable[[], AbstractConnection] = self.pool.make_connection
            self._like = make()  # never connected: it carries what the URL says
        except (ValueError, TypeError):
            raise ConfigError("COMMONROOM_REDIS_URL is no Redis URL: redis://, rediss:// or unix:// is needed") from None

    @property
    def where(self) -> str:
        """Host and port, or path; for an error text."""
        match self._like:
            case UnixDomainSocketConnection(path=path):
                return str(path)
            case Connection(host=host, port=port):
                return f"{host}:{port}"
        return type(self._like).__name__

    def unavailable(self, error: BaseException) -> Unavailable:
        """`error` as one line that holds no secret."""
        said = str(error).partition("\n")[0][:200] or "no answer in time"
        for secret in filter(None, (self._like.password, self._like.username)):
            said = said.replace(secret, "***")
        return Unavailable(f"redis at {self.where}: {type(error).__name__}: {said}")

    def greeting(self) -> list[tuple[str, ...]]:
        """Commands that open a connection: who we are, which database, and whether Redis answers.

        The last matters on a socket that a stopped server's backlog accepts, and behind a connection that was
        given up: once it is answered, what that one still had to say has been heard.
        """
        commands: list[tuple[str, ...]] = []
        if self._like.password:
            commands.append(tuple(filter(None, ("AUTH", self._like.username, self._like.password))))
        if self._like.db:
            commands.append(("SELECT", str(self._like.db)))
        commands.append(("PING",))
        return commands

    async def dial(self, factory: Callable[[], P]) -> P:
        """Connect a protocol of ours. Raises OSError."""
        loop = asyncio.get_running_loop()
        match self._like:
            case UnixDomainSocketConnection(path=path):
                _, protocol = await loop.create_unix_connection(factory, path)
            case SSLConnection(host=host, port=port, ssl_context=context):
                _, protocol = await loop.create_connection(factory, host, port, ssl=context.get())
            case Connection(host=host, port=port):
                _, protocol = await loop.create_connection(factory, host, port)
            case _:
                raise ConfigError(f"{self.where} is no kind of connection that is known here")
        return protocol
