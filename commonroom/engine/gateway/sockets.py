"""All WebSockets of one port: opening, counting, closing."""

import asyncio
from collections.abc import Callable, Sequence
from http import HTTPStatus
from itertools import islice

from commonroom.config.settings import GatewaySettings
from commonroom.engine.gateway.connection import Connection, Handler
from commonroom.engine.gateway.handshake import Accepted, Origins, refusal, shake
from commonroom.engine.gateway.linger import Linger
from commonroom.engine.gateway.places import Places
from commonroom.engine.gateway.stats import Stats
from commonroom.engine.gateway.wheel import Wheel

__all__ = ["MakeHandler", "Sockets"]

MakeHandler = Callable[[Connection, str | None, float], Handler]
"""(connection, chosen subprotocol, moment of the TCP connection) → who takes its messages."""


class Sockets:
    """The connections of one port and those that are about to end.

    Args:
        subprotocols: spoken here, the preferred one first; empty: none is asked for.
    """

    def __init__(  # noqa: PLR0917 - the parts of a port, wired in one place
        self,
        settings: GatewaySettings,
        wheel: Wheel,
        stats: Stats,
        places: Places,
        origins: Origins,
        subprotocols: Sequence[str],
        make_handler: MakeHandler,
    ) -> None:
        self.settings = settings
        self.wheel = wheel
        self.places = places
        self.loop = asyncio.get_running_loop()
        self.open: set[Connection] = set()
        self.draining = False
        self._stats = stats
        self._origins = origins
        self._subprotocols = subprotocols
        self._make_handler = make_handler
        self._lingering: set[Linger] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def is_full(self) -> bool:
        """Whether nobody else gets in: draining, or at the limit."""
        return self.draining or len(self.open) >= self.settings.max_connections

    def upgrade(self, transport: asyncio.Transport, head: bytes, rest: bytes, accepted_s: float) -> None:
        """Answer a handshake and take over the transport, whatever the answer is.

        Args:
            head: the whole request head.
            rest: what came after it.
            accepted_s: moment of the TCP connection on the wheel's clock.
        """
        if self.is_full:
            self.refuse(transport, HTTPStatus.SERVICE_UNAVAILABLE)
            return
        if not self.places.claim(transport, head):
            self.refuse(transport, HTTPStatus.TOO_MANY_REQUESTS)
            return
        answer = shake(head, self._origins, self._subprotocols)
        transport.write(answer.response)
        if not isinstance(answer, Accepted):
            self._stats.refusals[int(answer.response[9:12])] += 1
            self.linger(transport)
            return
        connection = Connection(transport, self)
        self._stats.connections += 1
        self.open.add(connection)
        self._empty.clear()
        connection.serve(self._make_handler(connection, answer.subprotocol, accepted_s))
        if rest:
            connection.data_received(rest)

    def refuse(self, transport: asyncio.Transport, status: HTTPStatus) -> None:
        """Answer a request that goes no further."""
        self._stats.refusals[status] += 1
        transport.write(refusal(status))
        self.linger(transport)

    def linger(self, transport: asyncio.Transport) -> None:
        self._lingering.add(Linger(transport, self.wheel, self.settings.close_timeout_s, self._lost))
        self._empty.clear()

    def forget(self, connection: Connection, code: int) -> None:
        self.wheel.forget(connection)
        self.open.discard(connection)
        self._stats.connections -= 1
        self._stats.closes[code] += 1
        self._note_end()

    def send_away(self, number: int, code: int, reason: str) -> None:
        """Close so many of those that are open."""
        for connection in list(islice(self.open, number)):
            connection.close(code, reason)

    async def close(self, code: int, reason: str = "") -> None:
        """Close all and wait until their transports are gone, at most `close_timeout_s`."""
        self.draining = True
        for connection in tuple(self.open):
            connection.close(code, reason)
        await self._empty.wait()

    def abort(self) -> None:
        """Drop all without waiting."""
        for connection in tuple(self.open):
            connection.abort()
        for linger in tuple(self._lingering):
            linger.abort()

    def lost(self, transport: asyncio.Transport) -> None:
        """The transport of an open connection is gone."""
        self.places.leave(transport)

    def _lost(self, linger: Linger) -> None:
        self.places.leave(linger.transport)
        self._lingering.discard(linger)
        self._note_end()

    def _note_end(self) -> None:
        if not self.open and not self._lingering:
            self._empty.set()
