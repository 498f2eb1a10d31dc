"""One lean WebSocket client: checks what it reads through its room's `StreamCheck`.

Far cheaper a message than the server, so that the generator is not what is measured.
"""

import asyncio
import base64
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, cast

from commonroom.bench.load.dialect import Dialect
from commonroom.bench.load.payload import compose
from commonroom.bench.load.stream import State, StreamCheck
from commonroom.bench.load.tally import Tally
from commonroom.clock import monotonic_us
from commonroom.ids import new_secret

__all__ = ["Member"]

CONNECT_TIMEOUT_S = 20.0


class Member(asyncio.Protocol, ABC):
    """A socket in a room.

    Args:
        number: its publisher number, one of its own in the whole run.
        on_progress: called after each read, once set.
    """

    def __init__(self, dialect: Dialect, check: StreamCheck, tally: Tally, room: str, number: int) -> None:
        self.room = room
        self.number = number
        self.on_progress: Callable[[], None] | None = None
        self.sent = 0
        """The last sequence number sent."""
        self.state: State
        self._dialect = dialect
        self._check = check
        self._tally = tally
        self._delivery = tally.time("delivery")
        self._transport: asyncio.Transport | None = None
        self._leaving = False

    @property
    def heard(self) -> int:
        """The last sequence number of its own that came back to it."""
        return self.state.last.get(self.number, 0)

    @property
    def connected(self) -> bool:
        return self._transport is not None

    @abstractmethod
    async def enter(self) -> None:
        """Connect and be in the room.

        Raises:
            OSError, TimeoutError: see `open`.
        """

    async def open(self, host: str, port: int) -> None:
        """Connect and shake hands.

        Raises:
            OSError: nobody answers, or not as a WebSocket.
            TimeoutError: not within `CONNECT_TIMEOUT_S`.
        """
        self._leaving = False
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            done = asyncio.get_running_loop().create_future()
            head = _request(self._dialect, self.room, f"{host}:{port}")
            await asyncio.get_running_loop().create_connection(lambda: _Handshake(self, head, done), host, port)
            await done

    def say(self, intended_us: int, size_bytes: int) -> None:
        """Send the next thing to everybody in the room."""
        self.sent += 1
        self._tally.sent += 1
        self.write(self._dialect.publish(self.room, compose(self.number, self.sent, intended_us, size_bytes), 0))

    def is_answered(self) -> bool:
        """Whether the last thing said is known to have arrived: it came back."""
        return self.heard >= self.sent

    def write(self, frame: bytes) -> None:
        """Send a frame, unless the socket is gone."""
        if self._transport is not None:
            self._transport.write(frame)

    def leave(self) -> None:
        """Close from our side, without a word."""
        self._leaving = True
        self.cut()

    def cut(self) -> None:
        """Break the socket as a network would."""
        if self._transport is not None:
            self._transport.abort()

    def time_deliveries_as(self, name: str) -> None:
        """What it reads from here on counts under this name among the tally's durations."""
        self._delivery = self._tally.time(name)

    def pause_reading(self) -> None:
        """Be a reader that has stalled: its times are its own from here on."""
        self.time_deliveries_as("delivery to the stalled")
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if self._transport is not None:
            self._transport.resume_reading()

    def personal(self, message: Any) -> None:
        """Something that concerns this client alone."""

    def lost(self) -> None:
        """The socket broke or was closed, and nobody here had asked for it."""
        self._tally.dropped += 1

    def read_by(self, size_bytes: int) -> None:
        """Be woken once so much is there (socket(7), SO_RCVLOWAT): a reader who is not timed costs less so. 1: at once."""
        if self._transport is not None:
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size_bytes)

    # From the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not registered as one

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self._leaving:
            self.lost()

    def data_received(self, data: bytes) -> None:
        step = self.state.steps.get(data) or self._check.step(self.state, data)
        self.state = step.state
        if step.delivered:
            self._tally.delivered += step.delivered
            self._tally.reads += 1
            self._delivery.record(monotonic_us() - step.oldest_us)
        if step.flaws is not None:
            self._tally.flaws.add(step.flaws)
        for message in step.personal:
            self.personal(message)
        if self.on_progress is not None:
            self.on_progress()


class _Handshake(asyncio.Protocol):
    """Reads the answer to the upgrade, then gives the transport to the member."""

    def __init__(self, member: Member, head: bytes, done: "asyncio.Future[None]") -> None:
        self._member = member
        self._head = head
        self._done = done
        self._answer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._head)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        end = self._answer.find(b"\r\n\r\n")
        if end < 0:
            return
        if not self._answer.startswith(b"HTTP/1.1 101"):
            self._fail(ConnectionError(self._answer.partition(b"\r\n")[0][:60].decode(errors="replace")))
            self._transport.abort()
            return
        self._transport.set_protocol(self._member)
        self._member.connection_made(self._transport)
        if not self._done.done():
            self._done.set_result(None)
        if rest := self._answer[end + 4 :]:
            self._member.data_received(rest)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(ConnectionError("the server closed the socket before the upgrade"))

    def _fail(self, error: ConnectionError) -> None:
        if not self._done.done():
            self._done.set_exception(error)


def _request(dialect: Dialect, room: str, authority: str) -> bytes:
    key = base64.b64encode(new_secret()[:16].encode()).decode()
    protocol = f"Sec-WebSocket-Protocol: {dialect.subprotocol}\r\n" if dialect.subprotocol else ""
    return (
        f"GET {dialect.path(room)} HTTP/1.1\r\nHost: {authority}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{protocol}\r\n"
    ).encode()
