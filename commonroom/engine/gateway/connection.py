"""One WebSocket: bytes in, messages out, over the sans-I/O protocol of `websockets`.

States, all transitions:

    OPEN ──(our close, a protocol error, the peer's close frame, its FIN)──► closing
    closing: the handler is told, the outbox is shut, `Linger` owns the transport
    OPEN ──(connection lost)──► gone: the handler is told

The library parses frames, answers pings and closing handshakes and checks lengths. It does not
count fragments (RELIABILITY R7) or pings (W8), check text (RFC 6455 section 8.1) or stop reading from a
peer that does not read (R6): that is done here. Frames of our own are made once for all
readers and go to the outbox directly.
"""

import asyncio
import codecs
from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol, cast

from websockets.frames import BINARY, CONT, PING, PONG, TEXT, CloseCode, Frame
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from commonroom.codes import CloseCode as OwnCloseCode
from commonroom.config.settings import GatewaySettings
from commonroom.engine.gateway.handshake import QUIET
from commonroom.engine.gateway.outbox import Outbox
from commonroom.engine.gateway.places import Places
from commonroom.engine.gateway.tally import Traffic, traffic_of
from commonroom.engine.gateway.wheel import NEVER, Wheel
from commonroom.engine.trace import ClosedBy

__all__ = ["SLICE_BYTES", "Connection", "Ending", "Handler", "Owner"]

SLICE_BYTES: Final = 4 * 1024
"""Parsed in one loop turn for one peer. A read of 256 KB can hold 43,000 empty frames: at
once they would cost 130 ms and 10 MB of frame objects. With 16 KB, one who sends 5,000 commands
at once raised other rooms' p99 by 1.6, with this by 1.12 (`commonroom bench abuse`)."""

MAX_REASON_BYTES: Final = 123

MINUTE_S: Final = 60.0

NEW_DECODER = codecs.getincrementaldecoder("utf-8")


class Handler(Protocol):
    """What a connection is for. Called on the loop, one at a time."""

    def received(self, data: bytes | bytearray, text: bool) -> None:
        """A whole message; text is valid UTF-8."""
        ...

    def congested(self) -> None:
        """The outbox is congested now. Called within the write that did it."""
        ...

    def drained(self) -> None:
        """The outbox is no longer congested."""
        ...

    def tick(self, now_s: float) -> float | None:
        """Do what is due; the next deadline, None for none."""
        ...

    def ended(self) -> None:
        """The connection sends and receives nothing more. Called once."""
        ...


class Owner(Protocol):
    """What a connection needs of the collection it belongs to."""

    settings: GatewaySettings
    wheel: Wheel
    loop: asyncio.AbstractEventLoop
    places: Places

    def forget(self, connection: "Connection", code: int) -> None:
        """The connection ended with this close code."""
        ...

    def linger(self, transport: asyncio.Transport) -> None:
        """Close the transport when its peer has read everything."""
        ...

    def lost(self, transport: asyncio.Transport) -> None:
        """The transport is gone, without having lingered."""
        ...


class Ending(NamedTuple):
    """How a connection ended: the code and reason of whoever sent a close frame first; 1006 and none where nobody did."""

    by: ClosedBy
    code: int
    reason: str


class Connection(asyncio.Protocol):
    """An open WebSocket; takes over the transport of an accepted handshake.

    Call `serve` right after construction.
    """

    __slots__ = (
        "_controls",
        "_controls_since_s",
        "_decoder",
        "_handler",
        "_owner",
        "_parts",
        "_rest",
        "_text",
        "_transport",
        "_ws",
        "bucket",
        "heard_s",
        "outbox",
    )

    def __init__(self, transport: asyncio.Transport, owner: Owner) -> None:
        self._owner = owner
        self._transport = transport
        self._ws = ServerProtocol(state=OPEN, max_size=owner.settings.message_bytes, logger=QUIET)
        self._parts: list[bytes | bytearray] | None = None
        self._text = False
        self._decoder: codecs.IncrementalDecoder | None = None
        self._rest = b""
        self._controls = 0
        self._controls_since_s = owner.wheel.now_s
        self.bucket = NEVER
        self.heard_s = owner.wheel.now_s
        """When anything was last received, to the wheel's tick."""
        self.outbox = Outbox(transport, transport.get_extra_info("socket").fileno(), owner.settings, self._overflow)
        transport.set_write_buffer_limits(owner.settings.write_high_bytes)
        self._handler: Handler
        transport.set_protocol(self)

    def serve(self, handler: Handler) -> None:
        """Give all messages to `handler`."""
        self._handler = handler
        self._watch(handler.tick(self._owner.wheel.now_s))

    @property
    def address(self) -> str:
        """What limits count its client under. No I/O; about 10 µs."""
        return self._owner.places.key(self._transport)

    @property
    def ending(self) -> Ending | None:
        """How it ended; None: it is open."""
        if not self.is_closing():
            return None
        sent, received = self._ws.close_sent, self._ws.close_rcvd
        if received is not None and self._ws.close_rcvd_then_sent is not False:
            return Ending("client", received.code, received.reason)
        return Ending("network", CloseCode.ABNORMAL_CLOSURE, "") if sent is None else Ending("server", sent.code, sent.reason)

    def traffic(self) -> Traffic | None:
        """Bytes so far, see `traffic_of`."""
        return traffic_of(self._transport)

    def is_closing(self) -> bool:
        """Whether it sends and receives nothing more."""
        return self.outbox.closed

    def close(self, code: int, reason: str = "") -> None:
        """Close from our side: what the peer still sends is discarded.

        Args:
            code: 1000, 1001, 1003, 1007-1011 or 3000-4999.
            reason: cut to 123 bytes.
        """
        if not self.is_closing():
            self._ws.fail(code, reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore"))
            self._write_out(self._ws.data_to_send())

    def abort(self) -> None:
        """Drop the socket without a closing handshake."""
        self._transport.abort()

    def watch(self, at_s: float) -> None:
        """Have the handler's `tick` called at `at_s` at the latest."""
        self._watch(at_s)

    def control(self) -> None:
        """One more ping, pong or answer to a heartbeat: each costs as much as a command, and no client needs many."""
        if self.heard_s - self._controls_since_s > MINUTE_S:
            self._controls, self._controls_since_s = 0, self.heard_s
        self._controls += 1
        if self._controls > self._owner.settings.control_frames_per_minute:
            self.close(CloseCode.POLICY_VIOLATION, "too many pings")

    # From the transport.

    def data_received(self, data: bytes) -> None:
        self.heard_s = self._owner.wheel.now_s
        if len(data) > SLICE_BYTES:
            self._rest = data[SLICE_BYTES:]
            data = data[:SLICE_BYTES]
            self._transport.pause_reading()
            self._owner.loop.call_soon(self._take_rest)
        self._take(data)

    def eof_received(self) -> None:
        if not self.is_closing():
            self._ws.receive_eof()
            self._write_out(self._ws.data_to_send())

    def pause_writing(self) -> None:
        self._transport.pause_reading()
        self._watch(self.outbox.congest(self._owner.wheel.now_s))
        self._handler.congested()

    def resume_writing(self) -> None:
        self.outbox.drain()
        if self._rest:
            self._owner.loop.call_soon(self._take_rest)
        else:
            self._transport.resume_reading()
        self._handler.drained()

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest = b""
        self._end(CloseCode.ABNORMAL_CLOSURE)
        self._owner.lost(self._transport)

    # From the wheel.

    def tick(self, now_s: float) -> float | None:
        if self.outbox.congested and self.outbox.stalled(now_s):
            self._overflow()
        if self.is_closing():
            return None
        next_s = self._handler.tick(now_s)
        if self.is_closing() or not self.outbox.congested:
            return None if self.is_closing() else next_s
        check_s = self.outbox.next_check_s(now_s)
        return check_s if next_s is None else min(next_s, check_s)

    # Receiving.

    def _take(self, data: bytes) -> None:
        ws = self._ws
        ws.receive_data(data)
        answers = iter(ws.data_to_send())  # a pong for each ping, then what ends the connection
        for frame in cast("list[Frame]", ws.events_received()):  # requests come before it is open
            if frame.opcode is PING:
                self.outbox.write(next(answers))
                self.control()
            else:
                self._frame(frame)
            if self.is_closing():
                return
        self._write_out(answers)

    def _take_rest(self) -> None:
        if self.outbox.congested:
            return  # `resume_writing` comes back here
        data, self._rest = self._rest, b""
        if self.is_closing() or not data:
            return
        self.data_received(data)
        if not self._rest and not self.is_closing() and not self.outbox.congested:
            self._transport.resume_reading()

    def _frame(self, frame: Frame) -> None:
        opcode = frame.opcode
        if opcode is BINARY or opcode is TEXT:
            if frame.fin:
                self._message(frame.data, opcode is TEXT)
            else:
                self._parts, self._text = [], opcode is TEXT
                self._decoder = NEW_DECODER() if self._text else None
                self._part(frame)
        elif opcode is CONT:
            self._part(frame)
        elif opcode is PONG:
            self.control()

    def _message(self, data: bytes | bytearray | memoryview, text: bool) -> None:
        if isinstance(data, memoryview) or (text and not (data.isascii() or _is_text(data))):
            self.close(CloseCode.INVALID_DATA, "text is not UTF-8")
        else:
            self._handler.received(data, text)

    def _part(self, frame: Frame) -> None:
        """One fragment. The library bounds their bytes, their number is bounded here."""
        parts = self._parts
        if parts is None or len(parts) >= self._owner.settings.max_fragments:
            self.close(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
            return
        parts.append(bytes(frame.data))
        if self._decoder is not None and not _goes_on(self._decoder, frame):
            self.close(CloseCode.INVALID_DATA, "text is not UTF-8")
        elif frame.fin:
            self._parts = self._decoder = None
            self._handler.received(b"".join(parts), self._text)

    # Ending.

    def _write_out(self, answers: Iterable[bytes]) -> None:
        for data in answers:
            if data:
                self.outbox.write(data)
            else:
                self._finish()

    def _overflow(self) -> None:
        self.close(OwnCloseCode.SLOW_READER, "outbox is over its limit")

    def _finish(self) -> None:
        """The last bytes are written: leave the transport to `Linger`."""
        sent = self._ws.close_sent
        if self._end(sent.code if sent is not None else CloseCode.ABNORMAL_CLOSURE):
            self._owner.linger(self._transport)

    def _end(self, code: int) -> bool:
        if self.is_closing():
            return False
        self.outbox.close()
        self._owner.forget(self, code)
        self._handler.ended()
        self._let_go()
        return True

    def _let_go(self) -> None:
        """Be part of no cycle: thousands of us may end at once, see `app/collector.py`."""
        self._handler = GONE
        self._ws.parser.close()
        self._ws.parser_exc = None  # its traceback has the parser's frames, which have the protocol

    def _watch(self, at_s: float | None) -> None:
        if at_s is not None and not self.is_closing():
            self._owner.wheel.watch(self, at_s)


class _Gone:
    """The handler of a connection that has ended."""

    def received(self, data: bytes | bytearray, text: bool) -> None: ...

    def congested(self) -> None: ...

    def drained(self) -> None: ...

    def tick(self, now_s: float) -> float | None: ...

    def ended(self) -> None: ...


GONE: Final[Handler] = _Gone()


def _is_text(data: bytes | bytearray) -> bool:
    try:
        str(data, "utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _goes_on(decoder: codecs.IncrementalDecoder, frame: Frame) -> bool:
    """Fail fast: RFC 6455 section 8.1 by way of the decoder's state between fragments."""
    try:
        decoder.decode(bytes(frame.data), frame.fin)
    except UnicodeDecodeError:
        return False
    return True
