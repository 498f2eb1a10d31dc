"""Chat: send, edit and delete. The latest messages are held, older ones are read when needed.

What somebody under a shadow says is an event like any other, with themselves as its audience: stored, and shown to
nobody else, also once the shadow has passed. An edit of what they said before it stands beside that, for them alone.
"""

from collections.abc import Container, Iterable
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from commonroom.actors.room.feature import Aside, Feature, Room, alone, stamp
from commonroom.actors.room.flood import Flood
from commonroom.actors.room.text import check_text
from commonroom.engine.actor import Context
from commonroom.errors import Hidden, LimitExceeded, NotFound
from commonroom.identity import Authority, Principal
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
    """A message as it reads now, and the edits it went through.

    Attributes:
        is_aside: only its author sees it.
        aside: as only its author reads it; None: all read the same.
    """

    message: Message
    edits: list[Edit] = []
    is_aside: bool = False
    aside: Message | None = None

    def apply(self, event: DurablePush, *, is_aside: bool = False) -> None:
        """Fold an edit or the deletion of this message.

        A tombstone knows no edits: so it is the same whether its own events were
        folded before they were made contentless, or after.

        Args:
            is_aside: only its author sees the event.
        """
        if self.message.deleted:
            return
        if isinstance(event, MessageUpdate):
            self.edits.append(Edit(event.offset, event.at, event.nonce, event.author))
            changed = replace(self.message, text=event.text, edited_at=event.at)
            if is_aside and not self.is_aside:
                self.aside = changed
            else:
                self.message, self.aside = changed, None
        elif isinstance(event, MessageDelete):
            self.edits.clear()
            self.message, self.aside = replace(self.message, text="", edited_at=None, deleted=True), None

    def seen_by(self, authority: Authority) -> Message | None:
        """As they read it; None: not at all."""
        if not self.is_aside and self.aside is None:
            return self.message
        if not authority.owns(self.message.author):
            return None if self.is_aside else self.message
        return self.aside or self.message


def created(event: MessageCreate, *, is_aside: bool = False) -> Held:
    """A message as it was sent; `is_aside`: only its author sees it."""
    if event.author is None:
        raise ValueError("a message has an author")
    return Held(Message(event.offset, event.at, event.author, event.text, event.nonce, None, event.deleted), is_aside=is_aside)


def folded(events: Iterable[DurablePush], aside: Container[int]) -> Held | None:
    """A message from its own events; `aside`: the offsets of those that only its author sees."""
    held: Held | None = None
    for event in events:
        if isinstance(event, MessageCreate):
            held = created(event, is_aside=event.offset in aside)
        elif held is not None:
            held.apply(event, is_aside=event.offset in aside)
    return held


class Chat(Feature):
    """The feature `chat`."""

    __slots__ = ("_flood", "_held")

    name = "chat"
    commands = (MessageSend, MessageEdit, MessageRemove)
    events = (MessageCreate, MessageUpdate, MessageDelete)

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        self._held: dict[int, Held] = {}
        self._flood: Flood | None = None

    def receive(self, ctx: Context, command: Command) -> None:
        match command:
            case MessageSend():
                text = self.room.clean(check_text(command.text, "text"), "text")
                authority = ctx.authority
                event = MessageCreate(**stamp(ctx, self.room, command.nonce, authority.principal), text=text)
                if authority.sanction and _is_shadowed(ctx):
                    self._persist(ctx, event, is_aside=True)
                else:
                    ctx.persist(event)
            case MessageEdit():
                self._edit(ctx, command)
            case MessageRemove():
                self._remove(ctx, command)

    def needs(self, command: Command) -> int | None:
        if isinstance(command, MessageEdit | MessageRemove) and command.message not in self._held:
            return command.message if 0 < command.message <= self.room.head else None
        return None

    def wait_ms(self, authority: Authority, command: Command, now: int, scale: float) -> int:
        standing = authority.stands(now)
        if isinstance(command, MessageRemove) or standing == "mute":
            return 0  # who is muted is refused anyhow
        if self._flood is None:
            self._flood = Flood(scale)
        person = self.room.roster.now(authority.principal).actor_id
        return self._flood.wait_ms(person, authority.guests, now, is_of_room=standing != "shadow")  # else nobody sees it

    def apply(self, event: DurablePush, private: bytes | None) -> None:
        if isinstance(event, MessageCreate):
            self._held[event.offset] = created(event, is_aside=private is not None)
            if len(self._held) > HELD:
                del self._held[next(iter(self._held))]
        elif isinstance(event, MessageUpdate | MessageDelete) and (held := self._held.get(event.message)) is not None:
            held.apply(event, is_aside=private is not None)

    def snapshot(self, ctx: Context) -> dict[str, Any]:
        seen = (held.seen_by(ctx.authority) for held in self._held.values())
        return {"messages": [message for message in seen if message is not None]}

    def dump(self) -> list[Held]:
        return list(self._held.values())

    def load(self, part: Raw) -> None:
        self._held = {held.message.offset: held for held in msgspec.msgpack.decode(part, type=list[Held])}

    def _edit(self, ctx: Context, command: MessageEdit) -> None:
        text = self.room.clean(check_text(command.text, "text"), "text")
        held = self._own(ctx, command.message, "message.edit")
        if (held.aside or held.message).text == text:
            ctx.reply(Reply(command.ref))  # nothing changed: no event, no "edited" mark
            return
        if len(held.edits) >= MAX_EDITS:
            raise LimitExceeded(f"a message can be edited {MAX_EDITS} times")
        fields = stamp(ctx, self.room, command.nonce, ctx.authority.principal)
        self._persist(ctx, MessageUpdate(**fields, message=command.message, text=text), is_aside=held.is_aside or _is_shadowed(ctx))

    def _remove(self, ctx: Context, command: MessageRemove) -> None:
        held = self._own(ctx, command.message, "message.delete")
        fields = stamp(ctx, self.room, command.nonce, ctx.authority.principal)
        event = MessageDelete(**fields, message=command.message)
        self._persist(ctx, event, is_aside=held.is_aside, rewrites=list(self._contentless(held)))

    def _persist(self, ctx: Context, event: DurablePush, *, is_aside: bool, rewrites: Iterable[DurablePush] = ()) -> None:
        if is_aside:
            ctx.persist(event, private=Aside(), audience=alone(ctx.authority), rewrites=rewrites)
        else:
            ctx.persist(event, rewrites=rewrites)

    def _own(self, ctx: Context, offset: int, action: str) -> Held:
        """The sender's own message.

        Raises:
            NotFound: there is none, or it was deleted.
            Hidden: it is somebody else's, whom the sender may not see: what cannot be told apart tells nothing.
        """
        none = f"no message {offset} of yours in this room"
        held = self._held.get(offset)
        if held is None and ctx.facts is not None:
            held = folded(ctx.facts.events, ctx.facts.aside)
        if held is None or held.message.deleted:
            raise NotFound(none)
        if not ctx.authority.owns(held.message.author):
            raise Hidden(none, action=action)
        return held

    def _contentless(self, held: Held) -> Iterable[DurablePush]:
        """The message's earlier events without their text (DESIGN 4, "Deletion is real")."""
        message = held.message
        yield MessageCreate(self.room.id, message.offset, message.at, message.author, message.nonce, "", deleted=True)
        for edit in held.edits:
            author = edit.author or message.author
            yield MessageUpdate(self.room.id, edit.offset, edit.at, author, edit.nonce, message.offset, "", deleted=True)


def _is_shadowed(ctx: Context) -> bool:
    return ctx.authority.stands(ctx.now) == "shadow"
