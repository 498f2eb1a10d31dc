"""A member that speaks our protocol: says hello, joins, asks, and comes back when it is cut off.

It does what a well-behaved client does: after a lost socket it resumes at its position
and sends the command that was not answered again, with the same nonce.
"""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from commonroom.bench.load.account import Accounts
from commonroom.bench.load.dialect import CLOSE, Commonroom, client_frame
from commonroom.bench.load.member import CONNECT_TIMEOUT_S, Member
from commonroom.bench.load.payload import compose
from commonroom.bench.load.stream import StreamCheck
from commonroom.bench.load.tally import Tally
from commonroom.clock import monotonic_us
from commonroom.errors import Unavailable
from commonroom.protocol.codec import MSGPACK
from commonroom.protocol.room import Joined, RoomJoin, RoomReset
from commonroom.protocol.session import Error, Heartbeat, HeartbeatReply, Hello, Refresh, Reply, ResumeAt, Welcome
from commonroom.protocol.wire import Command, ServerMessage, StreamPosition
from commonroom.tasks import TaskGroup, pause

__all__ = ["COMMAND_REF", "Person", "Site"]

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
DEFAULT_RETRY_MS = 250

JOIN_REF = 2

COMMAND_REF = 3
"""The ref of the one command that may wait for its answer besides those of `ask`."""

FIRST_ASKED_REF = 1000

RENEW_SHARE = 0.8
"""Of a token's life after which it is renewed on the live socket."""

RENEW_S = 240.0

HEARTBEAT_REPLY = client_frame(MSGPACK.encode(HeartbeatReply(0)))


class Site(NamedTuple):
    """What all persons of a worker share."""

    host: str
    port: int
    accounts: Accounts
    tasks: TaskGroup
    tally: Tally


class Person(Member):
    """One guest with one socket.

    Args:
        durable: whether what it says is kept, and answered once it is.
    """

    def __init__(self, site: Site, dialect: Commonroom, check: StreamCheck, room: str, number: int, *, strict: bool = True) -> None:
        super().__init__(dialect, check, site.tally, room, number)
        self.on_message: Callable[[ServerMessage], None] | None = None
        """Called with what is personal and no answer, once set."""
        self.comes_back = True
        """Whether it reconnects by itself."""
        self.whole_us = 0
        """When it had everything again, for scenarios that ask; 0: not yet."""
        self.secret = ""
        self.history = 0
        self._server_ahead_us = 0
        self.state = check.start(None, strict=strict)
        self._site = site
        self._speech = dialect
        self._token = ""
        self._ref = FIRST_ASKED_REF
        self._asked: dict[int, asyncio.Future[ServerMessage]] = {}
        self._unanswered: bytes | None = None
        self._joined: asyncio.Future[ServerMessage] | None = None

    async def enter(self) -> None:
        """Become a guest if it is none yet, connect, say hello, join.

        Raises:
            OSError, TimeoutError, Unavailable: it did not work.
        """
        await self.arm()
        await self.connect()

    def server_us(self) -> int:
        """The server's clock as `welcome` told it, in microseconds since the epoch."""
        return monotonic_us() + self._server_ahead_us

    async def arm(self) -> None:
        """Get everything that needs HTTP beforehand."""
        if not self.secret:
            self.secret = await self._site.accounts.guest(f"guest {self.number}")
        self._token = await self._site.accounts.ws_token(self.secret)

    async def connect(self) -> None:
        """Connect with the token at hand; resumes where it was, if it was."""
        await self.open(self._site.host, self._site.port)
        self.state = self._check.again(self.state, self.state.offset) if self.history else self.state
        offset = self.state.offset
        resume = [ResumeAt(self.room, StreamPosition(self.history, offset))] if self.history and offset is not None else []
        self._joined = asyncio.get_running_loop().create_future()
        self.command(Hello(1, self._token, resume))
        if not resume and self.room:
            self.command(RoomJoin(JOIN_REF, self.room))
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await self._joined
        if self._unanswered is not None:
            self.write(self._unanswered)

    def command(self, command: Command) -> None:
        """Send any command."""
        self.write(self._speech.command(command))

    async def ask(self, make: Callable[[int], Command]) -> ServerMessage:
        """Send what `make` gives for a ref and wait for its answer.

        Raises:
            Unavailable: it was refused, or the socket broke.
            TimeoutError: nothing came.
        """
        self._ref += 1
        ref = self._ref
        answer: asyncio.Future[ServerMessage] = asyncio.get_running_loop().create_future()
        self._asked[ref] = answer
        self.command(make(ref))
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            message = await answer
        if isinstance(message, Error):
            raise Unavailable(f"{message.name}: {message.message}")
        return message

    def say(self, intended_us: int, size_bytes: int) -> None:
        if not self._dialect.durable:
            super().say(intended_us, size_bytes)
            return
        self.sent += 1
        self._tally.sent += 1
        text = compose(self.number, self.sent, intended_us, size_bytes)
        self._unanswered = self._dialect.publish(self.room, text, COMMAND_REF)
        self.write(self._unanswered)

    def is_answered(self) -> bool:
        return self._unanswered is None if self._dialect.durable else super().is_answered()

    def personal(self, message: Any) -> None:
        match message:
            case Reply():
                self._answered(message.ref, message)
            case Error():
                self._refused(message)
            case Joined() | Welcome():
                self._welcomed(message)
            case Heartbeat():
                self.write(HEARTBEAT_REPLY)
            case RoomReset():
                self.command(RoomJoin(0, self.room, StreamPosition(self.history, self.state.offset or 0)))
            case (opcode, payload) if opcode == CLOSE:
                self._tally.count(f"closed {int.from_bytes(payload[:2], 'big')}")
            case ServerMessage() if self.on_message is not None:
                self.on_message(message)

    def lost(self) -> None:
        super().lost()
        for waiting in (*self._asked.values(), *([self._joined] if self._joined else [])):
            if not waiting.done():
                waiting.set_exception(ConnectionResetError("the server closed the socket"))
        self._asked.clear()
        if self.comes_back and (self._joined is None or (not self._joined.cancelled() and self._joined.exception() is None)):
            self._site.tasks.start("reconnect", self.come_back())

    async def come_back(self) -> None:
        """Reconnect until it works, with growing pauses."""
        wait_s, began_us = FIRST_PAUSE_S, monotonic_us()
        while not self.connected:
            try:
                await self.connect()
            except (OSError, TimeoutError):
                self.cut()
                await pause(wait_s)
                wait_s = min(wait_s * 2, LONGEST_PAUSE_S)
        self._tally.reconnects += 1
        self._tally.time("return").record(monotonic_us() - began_us)

    def _welcomed(self, message: Welcome | Joined) -> None:
        if isinstance(message, Welcome):
            self.history = message.history
            self._server_ahead_us = message.server_time * 1000 - monotonic_us()
            life_s = (message.limits.token_expires_at - message.server_time) / 1000
            asyncio.get_running_loop().call_later(life_s * RENEW_SHARE, self._renew)
            if self.room:
                return
        self._answered(message.ref, message)
        if self.on_message is not None:
            self.on_message(message)
        if self._joined is not None and not self._joined.done():
            self._joined.set_result(message)

    def _renew(self) -> None:
        if self.connected:
            self._site.tasks.start("refresh", self._refresh())

    async def _refresh(self) -> None:
        await self.arm()
        self.command(Refresh(0, self._token))
        asyncio.get_running_loop().call_later(RENEW_S, self._renew)

    def _answered(self, ref: int, message: ServerMessage) -> None:
        if ref == COMMAND_REF:
            self._unanswered = None
            self._tally.answered += 1
        elif (asked := self._asked.pop(ref, None)) is not None and not asked.done():
            asked.set_result(message)

    def _refused(self, error: Error) -> None:
        delay_s = (error.retry_after_ms or DEFAULT_RETRY_MS) / 1000
        if error.ref == JOIN_REF and error.name == "RETRY":
            self._tally.refuse(error.name)
            asyncio.get_running_loop().call_later(delay_s, self.command, RoomJoin(JOIN_REF, self.room))
            return
        if error.ref != COMMAND_REF:
            self._answered(error.ref, error)
            if self._joined is not None and not self._joined.done():
                self._joined.set_exception(ConnectionRefusedError(f"{error.name}: {error.message}"))
            return
        self._tally.refuse(error.name)
        if self._unanswered is not None:
            asyncio.get_running_loop().call_later(delay_s, self._again, self._unanswered)

    def _again(self, frame: bytes) -> None:
        if self._unanswered is frame:
            self.write(frame)
