"""The incoming half of the transport: a subscription that comes back whatever ends it (RELIABILITY R16)."""

import asyncio
from collections.abc import Callable
from typing import Any

from commonroom.engine.cluster.port import TransportEvents
from commonroom.engine.cluster.redis.connection import RedisConnection, connect, pack
from commonroom.engine.cluster.redis.endpoint import TIMEOUT_S, Endpoint
from commonroom.engine.cluster.redis.stats import TransportStats
from commonroom.errors import Unavailable
from commonroom.tasks import TaskGroup, pause

__all__ = ["Listener"]

PING_S = 2.0
"""A subscription that says nothing between two pings is cut: after 4 s at most."""
FIRST_PAUSE_S = 0.02
LONGEST_PAUSE_S = 0.5
PING = pack((b"PING",))


class Listener:
    """Listens to two channels: `mine` for parcels, `nudges` for all.

    Args:
        endpoint: where Redis is.
        mine: the channel whose messages are parcels to us.
        nudges: the channel of all nodes.
        events: told what arrives, and `interrupted` with each subscription but the first.
        stats: counts what happens.
        on_trouble: called with one line when the listener itself failed.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        mine: bytes,
        nudges: bytes,
        *,
        events: TransportEvents,
        stats: TransportStats,
        on_trouble: Callable[[str], None],
    ) -> None:
        self._endpoint = endpoint
        self._mine = mine
        self._subscribe_command = pack((b"SUBSCRIBE", mine, nudges))
        self._events = events
        self._stats = stats
        self._on_trouble = on_trouble
        self._connection: RedisConnection | None = None
        self._subscribed = asyncio.Event()
        self._was_subscribed = False
        self._tasks = TaskGroup(self._crashed)

    async def open(self) -> None:
        """Subscribe, and stay subscribed until `close`; parcels arrive from the return on. Raises Unavailable."""
        await self._subscribe()
        self._tasks.start("redis listener", self._keep_subscribed())

    async def close(self) -> None:
        """Listen no more."""
        await self._tasks.close()
        if self._connection is not None:
            self._connection.drop()

    async def _subscribe(self) -> None:
        self._subscribed.clear()
        connection = await connect(self._endpoint, self._subscribed.set)
        connection.on_reply = self._replied
        self._connection = connection
        self._stats.commands += 1 + len(self._endpoint.greeting())
        connection.write(self._subscribe_command)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._subscribed.wait()
        except TimeoutError as error:
            connection.drop()
            raise self._endpoint.unavailable(error) from None
        if connection.ended.is_set():
            raise self._endpoint.unavailable(ConnectionError("closed instead of a subscription"))

    def _replied(self, reply: Any) -> None:
        """A message first: it is the hot path."""
        kind = reply[0] if type(reply) is list else None
        if kind == b"message":
            if reply[1] == self._mine:
                self._stats.parcels_in += 1
                self._events.received(reply[2])
            else:
                self._events.nudged()
        elif kind == b"subscribe":
            if reply[2] == 2:
                self._confirmed()
        elif kind != b"pong":
            self._refused(reply)

    def _confirmed(self) -> None:
        """Both channels are ours. What was sent before, and since we heard last, is lost."""
        self._subscribed.set()
        if self._was_subscribed:
            self._stats.resubscriptions += 1
            self._events.interrupted()
        self._was_subscribed = True

    def _refused(self, reply: object) -> None:
        self._on_trouble(f"redis refused to subscribe: {str(reply)[:200]}")
        if self._connection is not None:
            self._connection.abort()

    async def _keep_subscribed(self) -> None:
        """Subscribe again whenever the subscription ends. A failure doubles the pause."""
        pause_s = FIRST_PAUSE_S
        while True:
            await self._watch()
            await pause(pause_s)
            try:
                await self._subscribe()
            except Unavailable:
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            else:
                pause_s = FIRST_PAUSE_S

    async def _watch(self) -> None:
        """Until the connection ends, or a ping is answered by silence: the peer may be gone without a word."""
        connection = self._connection
        while connection is not None and not connection.ended.is_set():
            try:
                async with asyncio.timeout(PING_S):
                    await connection.ended.wait()
            except TimeoutError:
                self._ping(connection)

    def _ping(self, connection: RedisConnection) -> None:
        if not connection.heard:
            connection.abort()
            return
        connection.heard = False
        self._stats.commands += 1
        connection.write(PING)

    def _crashed(self, name: str, error: BaseException) -> None:
        """Our own fault: go on."""
        self._on_trouble(f"{name} failed: {type(error).__name__}: {error}")
        self._tasks.start(name, self._keep_subscribed())
