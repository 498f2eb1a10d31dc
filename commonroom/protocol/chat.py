"""Chat: send, edit and delete one's own messages. A message's id is (room, offset)."""

from msgspec import Struct

from commonroom.identity import Principal
from commonroom.protocol.wire import Command, DurablePush, Millis, Nonce, Offset, RoomId, Text

__all__ = ["Message", "MessageCreate", "MessageDelete", "MessageEdit", "MessageRemove", "MessageSend", "MessageUpdate"]


class MessageSend(Command, frozen=True, tag=16):
    """Say something; the reply's offset is the message's id."""

    room: RoomId
    text: Text
    nonce: Nonce


class MessageEdit(Command, frozen=True, tag=17):
    """Change the text of one's own message `message` (its offset)."""

    room: RoomId
    message: Offset
    text: Text
    nonce: Nonce


class MessageRemove(Command, frozen=True, tag=18):
    """Delete one's own message for good (`message.delete`): text and edits are erased everywhere."""

    room: RoomId
    message: Offset
    nonce: Nonce


class MessageCreate(DurablePush, frozen=True, tag=80):
    """A message. Its contentless form, once deleted: empty text and `deleted`."""

    text: str
    deleted: bool = False


class MessageUpdate(DurablePush, frozen=True, tag=81):
    """Message `message` reads `text` from now on. Contentless once that was deleted."""

    message: Offset
    text: str
    deleted: bool = False


class MessageDelete(DurablePush, frozen=True, tag=82):
    """Message `message` is gone: show a tombstone in its place."""

    message: Offset


class Message(Struct, frozen=True, array_like=True):
    """A message as it reads now, in snapshots."""

    offset: Offset
    at: Millis
    author: Principal
    text: str
    nonce: str | None = None
    edited_at: Millis | None = None
    deleted: bool = False
