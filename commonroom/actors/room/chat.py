"""Chat: send, edit and delete. The latest messages are held, older ones are read when needed."""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from commonroom.actors.room.feature import Feature, Room, stamp
from commonroom.actors.room.text import check_text
from commonroom.engine.actor import Context
from commonroom.errors import Forbidden, LimitExceeded, NotFound
from commonroom.identity import Principal
from commonroom.permissions import may_edit_message
from commonroom.protocol.chat import (
    Message,
    MessageCreate,
    MessageDelete,
    MessageEdit,
    MessageRemove,
    MessageSend,
    MessageUpdate,
)
from commonroom.protocol.session import Reply
from commonroom.protocol.wire import Command, DurablePush

__all__ = ["HELD", "MAX_EDITS", "Chat"]

HELD = 50
"""Messages of a join's snapshot."""

MAX_EDITS = 100
"""Edits of one message: each is an event that its deletion has to erase."""


class Edit(Struct, frozen=True, array_like=True, gc=False):
    """What an edit's contentless form is made of."""

    offset: int
    at: int
    nonce: str | None
    author: Principal | None = None
    """None in snapshots from before guests became users: the message's author."""


class Held(Struct, array_like=True):
    """A message as it reads now, and the edits it went through."""

    message: Message
    edits: list[Edit] = []

    def apply(self, event: DurablePush) -> None:
        """Fold an edit or the deletion of this message.

        A tombstone knows no edits: so it is the same whether its own events were
        folded before they were made contentless, or after.
        """
        if self.message.deleted:
            return
        if isinstance(event, MessageUpdate):
            self.edits.append(Edit(event.offset, event.at, event.nonce, event.author))
            self.message = replace(self.message, text=event.text, edited_at=event.at)
        elif isinstance(event, MessageDelete):
            self.edits.clear()
            self.message = replace(self.message, text="", edited_at=None, deleted=True)


def created(event: MessageCreate) -> Held:
    """A message as it was sent."""
    if event.author is None:
        raise ValueError("a message has an author")
    return Held(Message(event.offset, event.at, event.author, event.text, event.nonce, None, event.deleted))


def folded(events: Iterable[DurablePush]) -> Held | None:
    """A message from its own events."""
    held: Held | None = None
    for event in events:
        if isinstance(event, MessageCreate):
            held = created(event)
        elif held is not None:
            held.apply(event)
    return held


class Chat(Feature):
    """The feature `chat`."""

    __slots__ = ("_held",)

    name = "chat"
    commands = (MessageSend, MessageEdit, MessageRemove)
    events = (MessageCreate, MessageUpdate, MessageDelete)

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        self._held: dict[int, Held] = {}

    def receive(self, ctx: Context, command: Command) -> None:
        match command:
            case MessageSend():
                text = check_text(command.text, "text")
                ctx.persist(MessageCreate(**stamp(ctx, self.room, command.nonce, ctx.authority.principal), text=text))
            case MessageEdit():
                self._edit(ctx, command)
            case MessageRemove():
                self._remove(ctx, command)

    def needs(self, command: Command) -> int | None:
        if isinstance(command, MessageEdit | MessageRemove) and command.message not in self._held:
            return command.message if 0 < command.message <= self.room.head else None
        return None

    def apply(self, event: DurablePush, private: bytes | None) -> None:
        if isinstance(event, MessageCreate):
            self._held[event.offset] = created(event)
            if len(self._held) > HELD:
                del self._held[next(iter(self._held))]
        elif isinstance(event, MessageUpdate | MessageDelete) and (held := self._held.get(event.message)) is not None:
            held.apply(event)

    def snapshot(self, ctx: Context) -> dict[str, Any]:
        return {"messages": [held.message for held in self._held.values()]}

    def dump(self) -> list[Held]:
        return list(self._held.values())

    def load(self, part: Raw) -> None:
        self._held = {held.message.offset: held for held in msgspec.msgpack.decode(part, type=list[Held])}

    def _edit(self, ctx: Context, command: MessageEdit) -> None:
        text = check_text(command.text, "text")
        held = self._own(ctx, command.message)
        if held.message.text == text:
            ctx.reply(Reply(command.ref))  # nothing changed: no event, no "edited" mark
            return
        if len(held.edits) >= MAX_EDITS:
            raise LimitExceeded(f"a message can be edited {MAX_EDITS} times")
        fields = stamp(ctx, self.room, command.nonce, ctx.authority.principal)
        ctx.persist(MessageUpdate(**fields, message=command.message, text=text))

    def _remove(self, ctx: Context, command: MessageRemove) -> None:
        held = self._own(ctx, command.message)
        fields = stamp(ctx, self.room, command.nonce, ctx.authority.principal)
        ctx.persist(MessageDelete(**fields, message=command.message), rewrites=list(self._contentless(held)))

    def _own(self, ctx: Context, offset: int) -> Held:
        """The sender's own message.

        Raises:
            NotFound: there is none, or it was deleted.
            Forbidden: it is somebody else's.
        """
        held = self._held.get(offset)
        if held is None and ctx.facts is not None:
            held = folded(ctx.facts.events)
        if held is None or held.message.deleted:
            raise NotFound(f"no message {offset} in this room")
        if not may_edit_message(ctx.authority, held.message.author):
            raise Forbidden("only its author may change a message")
        return held

    def _contentless(self, held: Held) -> Iterable[DurablePush]:
        """The message's earlier events without their text (DESIGN 4, "Deletion is real")."""
        message = held.message
        yield MessageCreate(self.room.id, message.offset, message.at, message.author, message.nonce, "", deleted=True)
        for edit in held.edits:
            author = edit.author or message.author
            yield MessageUpdate(self.room.id, edit.offset, edit.at, author, edit.nonce, message.offset, "", deleted=True)
