"""RESP2 over one socket of ours: bytes out, replies in.

redis-py's connection costs a coroutine and a timer a message and leaves unsent bytes in
its buffer when it is given up; parcels pass here by the thousand, and what is given up
must not arrive later.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import hiredis

from commonroom.engine.cluster.redis.endpoint import TIMEOUT_S, Endpoint

__all__ = ["RedisConnection", "connect", "pack"]

pack = cast("Callable[[tuple[str | bytes, ...]], bytes]", hiredis.pack_command)  # its stub knows tuples of one only


class RedisConnection(asyncio.Protocol):
    """One connection. What `on_reply` raises closes it, through the loop's exception handler.

    Attributes:
        on_lost: called once when it ends by any hand but `drop`.
        on_reply: called with each reply in order; an error is a `hiredis.ReplyError`, given rather than raised.
        heard: set whenever bytes arrive; whoever watches clears it.
        ended: set once the connection is over.
    """

    def __init__(self) -> None:
        self.on_lost: Callable[[], None] = _nothing
        self.on_reply: Callable[[Any], None] = _ignore
        self.heard = False
        self.ended = asyncio.Event()
        self._reader = hiredis.Reader()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.heard = True
        self._reader.feed(data)
        try:
            reply = self._reader.gets()
            while reply is not False and not self.ended.is_set():  # False: no whole reply yet; RESP2 has none of its own
                self.on_reply(reply)
                reply = self._reader.gets()
        except hiredis.ProtocolError:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._end()

    def write(self, data: bytes) -> None:
        """Send packed commands."""
        if self._transport is not None:
            self._transport.write(data)

    async def ask(self, *command: str) -> None:
        """One command of the greeting, alone on the connection.

        Raises:
            hiredis.ReplyError: Redis refused it.
            ConnectionError: the connection ended first.
        """
        replies: list[Any] = []
        replied = asyncio.Event()

        def note(reply: object) -> None:
            replies.append(reply)
            replied.set()

        self.on_reply, self.on_lost = note, replied.set
        self.write(pack(command))
        await replied.wait()
        if not replies:
            raise ConnectionError("closed during the greeting")
        if isinstance(replies[0], hiredis.ReplyError):
            raise replies[0]

    def abort(self) -> None:
        """Give up at once: `on_lost` is called before this returns, and bytes not yet written never leave."""
        if self._transport is not None:
            self._transport.abort()
        self._end()

    def drop(self) -> None:
        """Give up without telling anybody."""
        self.on_lost = _nothing
        self.abort()

    def _end(self) -> None:
        if self.ended.is_set():
            return
        self.ended.set()
        self.on_lost()


async def connect(endpoint: Endpoint, on_lost: Callable[[], None]) -> RedisConnection:
    """A connection that is greeted.

    Raises:
        Unavailable: it does not stand within 0.5 s; `on_lost` is not called.
    """
    try:
        async with asyncio.timeout(TIMEOUT_S):
            connection = await _greeted(endpoint)
    except Exception as error:  # noqa: BLE001 - R19: whatever it is, there is no connection
        raise endpoint.unavailable(error) from None
    connection.on_lost = on_lost
    return connection


async def _greeted(endpoint: Endpoint) -> RedisConnection:
    connection = await endpoint.dial(RedisConnection)
    try:
        for command in endpoint.greeting():
            await connection.ask(*command)
    except BaseException:
        connection.drop()
        raise
    return connection


def _ignore(reply: object) -> None:
    del reply


def _nothing() -> None:
    pass
