"""Parcels from node to node over Redis Pub/Sub: one channel a node, and one to nudge all (DESIGN 5)."""

from collections.abc import Callable

from commonroom.engine.cluster.port import TransportEvents
from commonroom.engine.cluster.redis.endpoint import Endpoint
from commonroom.engine.cluster.redis.listener import Listener
from commonroom.engine.cluster.redis.publisher import Publisher
from commonroom.engine.cluster.redis.stats import TransportStats

__all__ = ["RedisTransport"]

MAX_QUEUED_BYTES = 8 * 1024 * 1024


class RedisTransport:
    """At most once, in order while nothing is lost.

    Two connections: one publishes, one listens. When either breaks, `events.interrupted`
    is called, and it is made again with back-off from 20 to 500 ms.

    Args:
        url: of Redis.
        cluster: names the cluster; several may share a Redis.
        max_queued_bytes: what may wait for Redis, or be on its way; `send` drops what exceeds it.
        on_trouble: called with one line when Redis refuses what we ask, or we failed ourselves.

    Raises:
        ConfigError: `url` is no Redis URL.
    """

    def __init__(
        self, url: str, cluster: str, *, max_queued_bytes: int = MAX_QUEUED_BYTES, on_trouble: Callable[[str], None] | None = None
    ) -> None:
        self.stats = TransportStats()
        self._endpoint = Endpoint(url)
        self._prefix = f"{{commonroom:{cluster}}}:".encode()
        self._max_queued_bytes = max_queued_bytes
        self._on_trouble = on_trouble or _ignore
        self._publisher: Publisher | None = None
        self._listener: Listener | None = None

    async def open(self, me: str, events: TransportEvents) -> None:
        """Listen as `me`. Returns once parcels to `me` arrive.

        Raises:
            Unavailable: Redis does not answer; nothing is left open.
        """
        publisher = Publisher(self._endpoint, self._max_queued_bytes, self.stats, on_lost=events.interrupted, on_trouble=self._on_trouble)
        listener = Listener(self._endpoint, self._channel(me), self._nudges(), events=events, stats=self.stats, on_trouble=self._on_trouble)
        try:
            await publisher.open()
            await listener.open()
        except BaseException:
            await listener.close()
            await publisher.close()
            raise
        self._publisher, self._listener = publisher, listener

    def send(self, to: str, parcel: bytes) -> bool:
        """Hand over a parcel; False: it was dropped here. Never blocks."""
        if self._publisher is None or not self._publisher.publish(self._channel(to), parcel):
            return False
        self.stats.parcels_out += 1
        return True

    def nudge(self) -> None:
        """Have every node's `nudged` called, ours too, best effort."""
        if self._publisher is not None:
            self._publisher.publish(self._nudges(), b"")

    async def close(self) -> None:
        """Send what is queued, within a second; then neither send nor listen. Safe to call twice."""
        publisher, self._publisher = self._publisher, None
        listener, self._listener = self._listener, None
        if listener is not None:
            await listener.close()
        if publisher is not None:
            await publisher.close()

    def _channel(self, node: str) -> bytes:
        return b"%bnode:%b" % (self._prefix, node.encode())

    def _nudges(self) -> bytes:
        return b"%bnudge" % self._prefix


def _ignore(line: str) -> None:
    del line
