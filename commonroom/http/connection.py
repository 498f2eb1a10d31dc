"""One HTTP connection: aiohttp's, except for what is refused before it is a request, and for peers that take their time.

aiohttp would answer what is no request with its versions and an echo of what was sent, and log a
trace that holds the same: anybody could fill the log, or find a secret in it (RELIABILITY S6).

The listener bounds the time of a connection's first head, `body.read` that of a body. Here are bounded (W4): the time
of each later head, the time in which a peer takes nothing of an answer, how long a connection is kept for
a next request, and how many are. All on the gateway's wheel: a peer that is quick costs no timer.
"""

import asyncio
import fcntl
import sys
import termios
from collections.abc import Callable
from http import HTTPStatus
from math import inf
from typing import Any, Final, cast

import structlog
from aiohttp import web

from commonroom.config.settings import HttpSettings
from commonroom.engine.gateway import Gateway
from commonroom.engine.gateway.wheel import NEVER
from commonroom.http import problem
from commonroom.http.middleware import armoured
from commonroom.ids import new_id

__all__ = ["Connection", "Connections"]

log = structlog.get_logger(__name__)

LINGER_S: Final = 2.0
"""Time to go on reading a body that nobody wants, so that its sender gets to see the answer (R20)."""


class Connections:
    """Makes the protocol of each socket that speaks HTTP."""

    def __init__(self, server: web.Server, http: HttpSettings, gateway: Gateway) -> None:
        self.server = server
        self.http = http
        self.gateway = gateway
        self.loop = asyncio.get_running_loop()
        self.live: set[Connection] = set()

    def __call__(self) -> "Connection":
        return Connection(self)

    @property
    def are_many(self) -> bool:
        """Whether none is kept for a next request."""
        return len(self.live) > self.http.kept_connections


class Connection(web.RequestHandler):
    """Reads requests of one socket and answers them."""

    __slots__ = ("_all", "_head_until_s", "_owed", "_socket", "_take_until_s", "bucket")

    def __init__(self, connections: Connections) -> None:
        super().__init__(
            connections.server,
            loop=connections.loop,
            access_log=None,  # type: ignore[arg-type] # as AppRunner passes it: no log of its own
            keepalive_timeout=connections.http.keepalive_s,
            lingering_time=LINGER_S,
        )
        self._all = connections
        self._socket: asyncio.Transport | None = None
        """Its transport until that is gone; aiohttp forgets it when it closes it."""
        self.bucket = NEVER
        self._head_until_s = inf
        """Until when the head that has begun must be whole."""
        self._take_until_s = inf
        """Until when the peer must have taken something of what it is owed."""
        self._owed = 0

    def hand_over(self, take: Callable[[asyncio.Transport], None]) -> None:
        """Give the socket to somebody else as it is; this protocol ends.

        Raises:
            ConnectionResetError: it is gone already.
        """
        transport = self.transport
        if transport is None:
            raise ConnectionResetError("the client left")
        self.transport = self._socket = None
        take(transport)
        self.connection_lost(None)  # ends its tasks and timers

    # From the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._all.live.add(self)
        self._socket = cast("asyncio.Transport", transport)  # uvloop's is not registered as one
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._all.live.discard(self)
        self._all.gateway.wheel.forget(self)
        if self._socket is not None:
            self._all.gateway.left(self._socket)
            self._socket = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._waiter is None or self._waiter.done():
            self._head_until_s = inf  # a request is under way
        elif data and self._head_until_s == inf:
            self._head_until_s = self._soon_s()
            self._all.gateway.wheel.watch(self, self._head_until_s)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_reader()

    # From the wheel.

    def tick(self, now_s: float) -> float | None:
        if now_s >= self._head_until_s:
            self._refuse_head()
            return None
        if now_s >= self._take_until_s and not self._has_taken():
            self._abort()
            return None
        next_s = min(self._head_until_s, self._take_until_s)
        return None if next_s == inf else next_s

    # From aiohttp.

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; the last one of the connection where many are kept."""
        if self._all.are_many:
            resp.force_close()
        sent = await super().finish_response(request, resp, start_time)
        self._watch_reader()
        return sent

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """The last answer of a connection whose bytes are no request, or whose request failed outside our middleware."""
        del message  # quotes what was sent
        request_id = new_id(0)
        kind = type(exc).__name__
        if isinstance(exc, ConnectionResetError):
            log.info("client_left", request_id=request_id)  # in the middle of its request: nobody's fault
        elif status >= 500:
            log.error("request_failed", error=kind, request_id=request_id, exc_info=exc)
        else:
            log.info("request_refused", status=status, error=kind, request_id=request_id)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is under way already")
        response = armoured(problem.from_status(status, request_id), request_id)
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Note a failure between two requests. That a body which nobody wanted could not be unpacked is its sender's, and no failure."""
        error = kw.get("exc_info")
        if isinstance(error, web.RequestPayloadError):
            log.info("request_refused", error=type(error).__name__)
        else:
            super().log_exception(*args, **kw)

    # Heads that take too long.

    def _refuse_head(self) -> None:
        if self.transport is None:  # aiohttp has closed it, and what is unsent keeps the socket: no answer would get through
            self._abort()
        else:
            self.hand_over(lambda transport: self._all.gateway.refuse(transport, HTTPStatus.REQUEST_TIMEOUT))

    # Readers of answers.

    def _watch_reader(self) -> None:
        """Look again later if not all is sent."""
        if self._socket is None or not self._socket.get_write_buffer_size():
            return
        self._owed = max(self._owed, owed_bytes(self._socket))
        if self._take_until_s == inf:
            self._take_until_s = self._soon_s()
            self._all.gateway.wheel.watch(self, self._take_until_s)

    def _has_taken(self) -> bool:
        """Whether the peer is owed nothing more, or less than it was; looks again later then."""
        owed = 0 if self._socket is None else owed_bytes(self._socket)
        if owed and owed >= self._owed:
            return False
        self._owed = owed
        self._take_until_s = self._soon_s() if owed else inf
        return True

    def _abort(self) -> None:
        if self._socket is not None:
            self._socket.abort()

    def _soon_s(self) -> float:
        return self._all.gateway.wheel.now_s + self._all.http.request_timeout_s


def owed_bytes(transport: asyncio.Transport) -> int:
    """What the peer has not acknowledged, here and in the kernel, which takes megabytes at a time from here (tcp(7), SIOCOUTQ)."""
    number = bytearray(4)
    fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, number)
    return transport.get_write_buffer_size() + int.from_bytes(number, sys.byteorder)
