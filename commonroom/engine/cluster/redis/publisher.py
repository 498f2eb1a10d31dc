"""The outgoing half of the transport: one pipeline of PUBLISH in flight at a time.

An idle publisher sends what one turn of the loop queued; while a call is in flight parcels
gather and go together next. A call that fails is never sent again: it may have been
executed (RELIABILITY R15), and receivers find gaps better than repeats.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from commonroom.engine.cluster.redis.connection import RedisConnection, connect, pack
from commonroom.engine.cluster.redis.endpoint import Endpoint
from commonroom.engine.cluster.redis.stats import TransportStats
from commonroom.errors import Unavailable
from commonroom.tasks import TaskGroup, pause

__all__ = ["Publisher"]

CALL_TIMEOUT_S = 1.0
"""Twice that of a control call: a node that was held up for half a second need not lose what it sent."""
FIRST_PAUSE_S = 0.02
LONGEST_PAUSE_S = 0.5


class Publisher:
    """Publishes in order over a connection of its own, at most once.

    Args:
        endpoint: where Redis is.
        max_bytes: what may wait or be in flight.
        stats: counts what happens.
        on_lost: called when a call failed: all that was queued is lost.
        on_trouble: called with one line when Redis refuses a call, or the publisher itself failed.
    """

    def __init__(
        self, endpoint: Endpoint, max_bytes: int, stats: TransportStats, *, on_lost: Callable[[], None], on_trouble: Callable[[str], None]
    ) -> None:
        self._endpoint = endpoint
        self._max_bytes = max_bytes
        self._stats = stats
        self._on_lost = on_lost
        self._on_trouble = on_trouble
        self._connection: RedisConnection | None = None
        self._queue: list[bytes] = []
        self._queue_bytes = 0
        self._in_flight = 0
        self._in_flight_bytes = 0
        self._flush_is_due = False
        self._deadline: asyncio.TimerHandle | None = None
        self._pause_s = FIRST_PAUSE_S
        self._gone = asyncio.Event()
        self._idle = asyncio.Event()
        self._tasks = TaskGroup(self._crashed)

    async def open(self) -> None:
        """Connect, and stay connected until `close`. Raises Unavailable."""
        await self._connect()
        self._tasks.start("redis publisher", self._keep_connected())

    async def close(self) -> None:
        """Send what is queued, as far as that goes within one call's time, then end."""
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                while self._queue or self._in_flight:
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            self._on_trouble(f"{len(self._queue) + self._in_flight} parcels have no known outcome at the end")
        await self._tasks.close()
        if self._connection is not None:
            self._connection.drop()
            self._forget()

    def publish(self, channel: bytes, data: bytes) -> bool:
        """Queue a parcel; False: not connected, or too much is queued. Sent when this turn of the loop has ended, at the earliest."""
        if self._connection is None or self._queue_bytes + self._in_flight_bytes + len(data) > self._max_bytes:
            self._stats.dropped += 1
            return False
        command = pack((b"PUBLISH", channel, data))
        self._queue.append(command)
        self._queue_bytes += len(command)
        self._stats.queued_bytes = self._queue_bytes + self._in_flight_bytes
        if not self._in_flight and not self._flush_is_due:
            self._flush_is_due = True
            asyncio.get_running_loop().call_soon(self._flush)
        return True

    def _flush(self) -> None:
        self._flush_is_due = False
        connection = self._connection
        if connection is None or self._in_flight or not self._queue:
            return
        batch, self._queue = self._queue, []
        self._in_flight, self._in_flight_bytes, self._queue_bytes = len(batch), self._queue_bytes, 0
        self._stats.publish_calls += 1
        self._stats.commands += len(batch)
        self._deadline = asyncio.get_running_loop().call_later(CALL_TIMEOUT_S, connection.abort)
        connection.write(b"".join(batch))

    def _replied(self, reply: object) -> None:
        if type(reply) is not int or not self._in_flight:
            self._refused(reply)
            return
        self._stats.unreceived += reply == 0
        self._in_flight -= 1
        if not self._in_flight:
            self._pause_s = FIRST_PAUSE_S
            self._settle()

    def _settle(self) -> None:
        """The call is over: the next one, or none."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._in_flight_bytes = 0
        self._stats.queued_bytes = self._queue_bytes
        if self._queue:
            self._flush()
        else:
            self._idle.set()

    def _refused(self, reply: object) -> None:
        self._on_trouble(f"redis refused to publish: {str(reply)[:200]}")
        if self._connection is not None:
            self._connection.abort()

    def _lost(self) -> None:
        self._stats.dropped += len(self._queue) + self._in_flight
        self._forget()
        self._gone.set()
        self._on_lost()

    def _forget(self) -> None:
        self._connection = None
        self._queue = []
        self._in_flight = self._in_flight_bytes = self._queue_bytes = 0
        self._settle()

    async def _connect(self) -> None:
        connection = await connect(self._endpoint, self._lost)
        connection.on_reply = self._replied
        self._stats.commands += len(self._endpoint.greeting())
        self._connection = connection

    async def _keep_connected(self) -> None:
        """Connect again whenever the connection is lost; the pause doubles until a call succeeds."""
        while True:
            await self._gone.wait()
            await pause(self._pause_s)
            self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
            with suppress(Unavailable):
                await self._connect()
                self._gone.clear()

    def _crashed(self, name: str, error: BaseException) -> None:
        """Our own fault: go on."""
        self._on_trouble(f"{name} failed: {type(error).__name__}: {error}")
        self._tasks.start(name, self._keep_connected())
