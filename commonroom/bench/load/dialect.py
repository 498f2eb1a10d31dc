"""How to speak to a server: ours, a plain WebSocket broadcast, Socket.IO.

A dialect is pure: it makes frames and reads them. Frames from a client are masked (RFC 6455
section 5.3) with a mask of zero, which is valid and costs neither side anything.
"""

from typing import Any, Protocol
from urllib.parse import quote

from msgspec import DecodeError, json

from commonroom.bench.load.stream import Seen, Start
from commonroom.protocol.cast import Cast, CastSend
from commonroom.protocol.chat import MessageCreate, MessageSend
from commonroom.protocol.codec import MSGPACK, MSGPACK_PROTOCOL
from commonroom.protocol.room import Joined, RoomReset
from commonroom.protocol.wire import Command, DurablePush, RoomPush

__all__ = ["BINARY", "CLOSE", "PING", "TEXT", "Commonroom", "Decoded", "Dialect", "PlainWebSocket", "SocketIo", "client_frame", "start_of"]

TEXT = 0x1
BINARY = 0x2
CLOSE = 0x8
PING = 0x9

MASK = b"\x00\x00\x00\x00"


def client_frame(payload: bytes, opcode: int = BINARY) -> bytes:
    """One whole frame of at most 64 KiB."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, 0x80 | size)) + MASK + payload
    return bytes((0x80 | opcode, 0xFE)) + size.to_bytes(2, "big") + MASK + payload


class Dialect(Protocol):
    """What differs between servers."""

    subprotocol: str
    durable: bool
    """Whether messages have offsets."""

    def path(self, room: str) -> str:
        """The request target of the handshake."""
        ...

    def publish(self, room: str, text: str, ref: int) -> bytes:
        """The frame that sends `text` to everybody in the room; `ref` asks for an answer, 0 for none."""
        ...

    def read(self, opcode: int, payload: bytes) -> Seen | Any:
        """See `Frames.read`."""
        ...


class Commonroom:
    """Ours: `cast` where nothing is kept, `message.send` where everything is.

    Args:
        durable: which of the two.
        names_room: the path of the handshake names the room, if there is one, so that the
            node that has it serves the socket; otherwise the node that accepts it does.
    """

    subprotocol = MSGPACK_PROTOCOL

    def __init__(self, *, durable: bool, names_room: bool = False) -> None:
        self.durable = durable
        self._names_room = names_room

    def path(self, room: str) -> str:
        return f"/v1/ws/{quote(room, safe='')}" if room and self._names_room else "/v1/ws"

    def publish(self, room: str, text: str, ref: int) -> bytes:
        """The text names its publisher and number, so its start is the nonce: a retry is the same message."""
        if not self.durable:
            return client_frame(MSGPACK.encode(CastSend(ref, room, "", text)))
        return client_frame(MSGPACK.encode(MessageSend(ref, room, text, text[:40])))

    def read(self, opcode: int, payload: bytes) -> Seen | Any:
        message = MSGPACK.decode_server(payload) if opcode == BINARY else (opcode, payload)
        match message:
            case Cast():
                return Seen(message.data, 0)
            case MessageCreate():
                return Seen(message.text, message.offset)
            case Joined():
                return start_of(message)
            case DurablePush():
                return Seen(None, message.offset)
            case RoomReset():
                return message
            case RoomPush():
                return None
            case _:
                return message

    def command(self, command: Command) -> bytes:
        """The frame of any command."""
        return client_frame(MSGPACK.encode(command))


def start_of(joined: Joined) -> Start:
    """Where a reader stands that was let in: replayed events follow a recovered join, so it counts on from what it had."""
    if joined.recovery == "recovered":
        return Start(None, 0, joined)
    if joined.recovery == "gap" and joined.gap is not None:
        return Start(joined.gap.last, joined.gap.last - joined.gap.first + 1, joined)
    return Start(joined.position.offset, 0, joined)


class Decoded(Commonroom):
    """Every message as it is, for those who follow many rooms or look at each push themselves."""

    def read(self, opcode: int, payload: bytes) -> Any:
        return MSGPACK.decode_server(payload) if opcode == BINARY else (opcode, payload)


class PlainWebSocket:
    """A server that sends each binary message to the whole room, which the URL names."""

    subprotocol = ""
    durable = False

    def path(self, room: str) -> str:
        return f"/?room={room}"

    def publish(self, room: str, text: str, ref: int) -> bytes:
        return client_frame(text.encode())

    def read(self, opcode: int, payload: bytes) -> Seen | Any:
        return Seen(payload.decode("ascii", "replace"), 0) if opcode == BINARY else (opcode, payload)


class SocketIo:
    """Socket.IO 4 over Engine.IO 4, WebSocket transport: event `m` with one string."""

    subprotocol = ""
    durable = False

    def path(self, room: str) -> str:
        return f"/socket.io/?EIO=4&transport=websocket&room={room}"

    def publish(self, room: str, text: str, ref: int) -> bytes:
        return client_frame(b'42["m","' + text.encode() + b'"]', TEXT)

    def read(self, opcode: int, payload: bytes) -> Seen | Any:
        if opcode == TEXT and payload.startswith(b"42"):
            try:
                event = json.decode(payload[2:], type=tuple[str, str])
            except DecodeError:
                return Seen("", 0)  # counted as corrupted
            return Seen(event[1], 0)
        return opcode, payload
