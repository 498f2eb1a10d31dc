"""Bytes to commands and messages to bytes, for both subprotocols.

`decode` raises only `BadFrame` or `Invalid`, whatever the bytes (RELIABILITY R9-R11).
"""

from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Any, Final

import msgspec
from msgspec import Struct

from commonroom.errors import BadFrame, CommonroomError, Invalid
from commonroom.protocol.registry import BETWEEN_NODES, COMMANDS, SERVER_MESSAGES, tag_of
from commonroom.protocol.wire import Command, DurablePush, Ref, ServerMessage

__all__ = [
    "EVENT_TAGS",
    "JSON",
    "JSON_PROTOCOL",
    "MSGPACK",
    "MSGPACK_PROTOCOL",
    "Codec",
    "Rejected",
    "decode_event",
    "encode_event",
    "event_tag",
]

MSGPACK_PROTOCOL: Final = "commonroom.v1"
JSON_PROTOCOL: Final = "commonroom.v1.json"


class _Head(Struct, array_like=True):
    """The start of any command, to answer a command whose rest is wrong: under a ref that an answer can carry."""

    tag: int
    ref: Ref


class Rejected(Struct):
    """A frame that named its ref but is no valid command: answer, keep the socket."""

    ref: int
    error: CommonroomError


_COMMAND_UNION: Any = reduce(or_, COMMANDS.values())
_SERVER_UNION: Any = reduce(or_, [*SERVER_MESSAGES.values(), *BETWEEN_NODES.values()])
_DURABLE = [cls for cls in SERVER_MESSAGES.values() if issubclass(cls, DurablePush)]
_HOSTILE = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


class Codec:
    """One subprotocol's encoder and decoders.

    Args:
        module: `msgspec.msgpack` or `msgspec.json`.
        text: whether its frames are text frames.
    """

    def __init__(self, name: str, module: Any, *, text: bool) -> None:
        self.name = name
        self.text = text
        self._commands = module.Decoder(_COMMAND_UNION)
        self._server = module.Decoder(_SERVER_UNION)
        self._head = module.Decoder(_Head)
        self.encode: Callable[[Struct], bytes] = module.Encoder().encode

    def decode(self, data: bytes | bytearray | memoryview) -> Command | Rejected:
        """The command in `data`.

        Returns: the command, or `Rejected` with the ref where only that was legible.

        Raises:
            BadFrame: not even tag and ref can be read.
        """
        try:
            command: Command = self._commands.decode(data)
        except msgspec.ValidationError as error:
            return self._reject(data, error)
        except _HOSTILE:
            raise BadFrame("not a command of this protocol") from None
        return command

    def decode_server(self, data: bytes | bytearray | memoryview) -> ServerMessage:
        """A server message, for clients in Python, the bench and tests."""
        message: ServerMessage = self._server.decode(data)
        return message

    def _reject(self, data: bytes | bytearray | memoryview, cause: msgspec.ValidationError) -> Rejected:
        try:
            head: _Head = self._head.decode(data)
        except _HOSTILE:
            raise BadFrame("not a command of this protocol") from None
        message, _, path = str(cause).partition(" - at `")
        return Rejected(head.ref, Invalid(message[:200].lower(), field=path.rstrip("`") or "$"))


MSGPACK = Codec(MSGPACK_PROTOCOL, msgspec.msgpack, text=False)
JSON = Codec(JSON_PROTOCOL, msgspec.json, text=True)

EVENT_TAGS: Final = frozenset(tag_of(cls) for cls in _DURABLE)
"""Of the durable events that this version knows."""

_EVENTS: Any = msgspec.msgpack.Decoder(reduce(or_, _DURABLE))


def encode_event(event: DurablePush) -> bytes:
    """The bytes of a durable event, the same on disk and on the wire."""
    return MSGPACK.encode(event)


def event_tag(payload: bytes) -> int:
    """The tag of a durable event, read without decoding it: it follows the array's header. -1 if there is none."""
    tag = payload[1:3] if payload[:1] < b"\xdc" else payload[3:5]
    if len(tag) < 2:
        return -1
    return tag[1] if tag[0] == 0xCC else tag[0]


def decode_event(payload: bytes) -> DurablePush:
    """A durable event from the journal."""
    event: DurablePush = _EVENTS.decode(payload)
    return event
