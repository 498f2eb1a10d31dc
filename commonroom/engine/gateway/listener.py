"""One port for HTTP and WebSocket: the first request's head decides who takes the socket.

`/v1/ws` and `/v1/ws/{room}` go to a WebSocket connection, everything else to the HTTP server's
own protocol, with the bytes read so far. A socket that names a room is offered to `steer` before:
another process may have that room. Heads that are too long, too slow or no HTTP are refused
here, before an HTTP parser sees them (RELIABILITY R21, W4).

Sockets are opened in the order in which their heads were complete, for a part of each turn of the
loop: when a thousand come at once, those who are here are served in between.
"""

import asyncio
import re
import socket
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, cast

from commonroom.clock import monotonic_s
from commonroom.config.settings import HttpSettings
from commonroom.engine.address import Address
from commonroom.engine.gateway.handshake import PATH, room_of
from commonroom.engine.gateway.places import Entry
from commonroom.engine.gateway.sockets import Sockets
from commonroom.engine.gateway.wheel import NEVER
from commonroom.errors import Invalid

__all__ = ["FirstRequest", "HttpProtocolFactory", "Listener", "Steer"]

HttpProtocolFactory = Callable[[], asyncio.Protocol]

Steer = Callable[[Address, int, bytes], bool]
"""(room, descriptor, bytes read so far) → whether another process serves the socket now. Must not block."""

UPGRADE: Final = re.compile(rf"{PATH}(?:/[^/?]+)?(?:\?.*)?".encode())
"""More parts than a room's are the HTTP server's to refuse."""

REQUEST_LINE: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32} [\x21-\x7e]+ HTTP/1\.[01]")
BARE_LF: Final = re.compile(rb"(?<!\r)\n")
CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
MAX_HEAD_LINES: Final = 128
MAX_HEAD_BYTES: Final = 65536

OPENING_S: Final = 0.002
LONGEST_OPENING_S: Final = 0.02
"""A turn opens sockets for as long as everything else has taken since the last did, within these bounds: so neither
those who are here nor those who come wait more than twice as long as without the others. A number of sockets a turn
would keep them out where turns are long."""


class Listener:
    """Accepts sockets and sorts them.

    Args:
        http_protocol: makes the HTTP server's protocol for one connection; None: every
            request is a WebSocket handshake (the echo listener).
        steer: asked for each socket accepted here that names a room; None: all are served here.
        monotonic: seconds of an arbitrary origin.
    """

    def __init__(
        self,
        sockets: Sockets,
        http: HttpSettings,
        http_protocol: HttpProtocolFactory | None,
        steer: Steer | None = None,
        monotonic: Callable[[], float] = monotonic_s,
    ) -> None:
        self.sockets = sockets
        self.http = http
        self.http_protocol = http_protocol
        self._steer = steer
        self._server: asyncio.Server | None = None
        self._waiting: set[FirstRequest] = set()
        self._arrived: deque[tuple[FirstRequest, asyncio.Transport, bytes, int]] = deque()
        self._monotonic = monotonic
        self._opened_s = 0.0  # when sockets were opened last, or the first of those that wait arrived
        self._stopped = False

    @property
    def waiting(self) -> int:
        """Sockets whose first request is not complete yet."""
        return len(self._waiting)

    async def start(self, host: str, port: int, *, reuse_port: bool = False) -> int:
        """Listen; the port in use.

        Raises:
            OSError: the address is taken or not ours.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, host, port, reuse_port=reuse_port or None, backlog=1024)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    def stop(self) -> None:
        """Accept nothing more; drop those that have not finished their first head."""
        self._stopped = True
        if self._server is not None:
            self._server.close()
            self._server = None
        for waiting in tuple(self._waiting):
            waiting.abort()

    def adopt(self, transport: asyncio.Transport, head: bytes) -> None:
        """Take a kept-alive HTTP connection whose next request is the handshake `head`.

        The transport is ours from here on; the caller must make its former protocol
        let go of it without closing it. With aiohttp, in the handler of `/v1/ws`:

            handler, transport = request.protocol, request.transport
            handler.transport = None          # so that its end does not close the socket
            listener.adopt(transport, head)   # rebuilt from request.raw_path and raw_headers
            handler.connection_lost(None)     # ends its tasks and timers
            return web.Response()             # goes nowhere
        """
        self.sockets.upgrade(transport, head, b"", self.sockets.wheel.now_s)

    async def take(self, accepted: socket.socket, data: bytes) -> None:
        """Serve a socket that another process accepted, and which is never passed on again.

        Its time to send a whole head begins anew.

        Args:
            data: read from it before.
        """
        request = FirstRequest(self, data)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: request, accepted)
        except OSError:  # its peer has gone
            accepted.close()
            return
        if request in self._waiting:  # nothing more has come meanwhile, and nothing may come before our answer
            request.data_received(b"")

    def hand_over(self, request: "FirstRequest", transport: asyncio.Transport, data: bytes, head_bytes: int) -> None:
        """Give the socket to whom the request line names."""
        if self.http_protocol is None or is_upgrade(data):
            transport.pause_reading()
            if not self._arrived:
                self._opened_s = self._monotonic()
                self.sockets.loop.call_soon(self._open_some)
            self._arrived.append((request, transport, data, head_bytes))
            return
        request.leave()
        protocol = self.http_protocol()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(data)

    def forget(self, request: "FirstRequest") -> None:
        """The request ended before its head was complete."""
        self._waiting.discard(request)

    def expect(self, request: "FirstRequest", transport: asyncio.Transport) -> bool:
        """Its socket stands; False where that goes no further: its address has too many, or it came in the moment before we stopped."""
        entry = Entry.DROPPED if self._stopped else self.sockets.places.enter(transport)
        match entry:
            case Entry.IN:
                self._waiting.add(request)
            case Entry.REFUSED:
                self.sockets.refuse(transport, HTTPStatus.TOO_MANY_REQUESTS)
            case Entry.DROPPED:
                transport.abort()
        return entry is Entry.IN

    def _open_some(self) -> None:
        now_s = self._monotonic()
        until_s = now_s + min(max(OPENING_S, now_s - self._opened_s), LONGEST_OPENING_S)
        while self._arrived and now_s < until_s:
            self._open(*self._arrived.popleft())
            now_s = self._monotonic()
        self._opened_s = now_s
        if self._arrived:
            self.sockets.loop.call_soon(self._open_some)

    def _open(self, request: "FirstRequest", transport: asyncio.Transport, data: bytes, head_bytes: int) -> None:
        if request not in self._waiting or transport.is_closing():
            return  # it was late, its peer has gone, or we have stopped
        request.leave()
        transport.resume_reading()
        if not (request.is_ours and self._pass_on(transport, data)):
            self.sockets.upgrade(transport, data[:head_bytes], data[head_bytes:], request.accepted_s)

    def _pass_on(self, transport: asyncio.Transport, data: bytes) -> bool:
        """Whether another process has the socket now."""
        if self._steer is None or (room := room_in_mind(data)) is None:
            return False
        if not self._steer(room, transport.get_extra_info("socket").fileno(), data):
            return False
        transport.abort()  # reads no further, and closes our descriptor alone: the connection lives by the other one
        return True

    def _accept(self) -> "FirstRequest":
        return FirstRequest(self)


class FirstRequest(asyncio.Protocol):
    """Reads until the first request's head is complete, refused or late.

    Args:
        received: what another process read from the socket that it accepted.
    """

    __slots__ = ("_buffer", "_listener", "_transport", "accepted_s", "bucket", "is_ours")

    def __init__(self, listener: Listener, received: bytes = b"") -> None:
        self._listener = listener
        self._buffer = received
        self.is_ours = not received
        """Whether it was accepted here."""
        self._transport: asyncio.Transport
        self.bucket = NEVER
        self.accepted_s = listener.sockets.wheel.now_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not registered as one
        if self._listener.expect(self, self._transport):
            self._listener.sockets.wheel.watch(self, self._deadline_s())

    def data_received(self, data: bytes) -> None:
        self._buffer = buffer = (self._buffer + data).lstrip(b"\r\n") if not self._buffer else self._buffer + data
        end = buffer.find(b"\r\n\r\n")
        if (status := flaw(buffer if end < 0 else buffer[: end + 2], self._listener.http.max_header_bytes)) is not None:
            self.leave()
            self._listener.sockets.refuse(self._transport, status)
        elif end >= 0:
            self._listener.hand_over(self, self._transport, buffer, end + 4)

    def eof_received(self) -> None:
        """A peer that has sent no whole request gets no answer."""

    def connection_lost(self, exc: Exception | None) -> None:
        self.leave()
        self._listener.sockets.lost(self._transport)

    def abort(self) -> None:
        """Drop the socket."""
        self._transport.abort()

    def tick(self, now_s: float) -> float | None:
        if now_s < self._deadline_s():
            return self._deadline_s()
        self.leave()
        self._listener.sockets.refuse(self._transport, HTTPStatus.REQUEST_TIMEOUT)
        return None

    def _deadline_s(self) -> float:
        return self.accepted_s + self._listener.http.request_timeout_s

    def leave(self) -> None:
        """Its head has been read, or never will be."""
        self._listener.sockets.wheel.forget(self)
        self._listener.forget(self)
        self._buffer = b""


def flaw(head: bytes, max_line_bytes: int) -> HTTPStatus | None:
    """Why a head, complete or not, goes no further.

    Lines end with CR LF here: a bare LF is where two parsers disagree (RFC 9112 section 2.2).
    """
    if BARE_LF.search(head) or CONTROL.search(head):
        return HTTPStatus.BAD_REQUEST
    lines = head.split(b"\r\n")
    if len(lines[0]) > max_line_bytes:
        return HTTPStatus.REQUEST_URI_TOO_LONG
    if len(lines) > 1 and not REQUEST_LINE.fullmatch(lines[0]):
        return HTTPStatus.BAD_REQUEST
    if len(lines) > MAX_HEAD_LINES or len(head) > MAX_HEAD_BYTES or any(len(line) > max_line_bytes for line in lines):
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    return None


def is_upgrade(head: bytes) -> bool:
    """Whether the request is for a WebSocket path, with or without a query."""
    return UPGRADE.fullmatch(head.split(b" ", 2)[1]) is not None


def room_in_mind(head: bytes) -> Address | None:
    """The room that a handshake names; None also where it will be refused for what it says there."""
    method, target, _ = head.split(b" ", 2)
    if method != b"GET" or b"?" in target:
        return None
    try:
        return room_of(target.decode("ascii"))
    except Invalid:
        return None
