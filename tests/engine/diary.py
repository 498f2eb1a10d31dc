"""The smallest actor that does everything: it logs lines, and rings at a time it was asked for."""

from typing import ClassVar

import msgspec

from commonroom.engine.actor import Actor, Context, Deadline, Wake
from commonroom.engine.address import Address
from commonroom.errors import Invalid
from commonroom.identity import Authority
from commonroom.protocol.chat import MessageCreate, MessageSend
from commonroom.protocol.room import RoomJoin
from commonroom.protocol.session import Reply
from commonroom.protocol.typing import Typing, TypingStart
from commonroom.protocol.wire import Command, DurablePush

__all__ = ["Diary"]


class Diary(Actor):
    """`alarm:<ms>` sets the alarm, `bad` is refused, `broken` raises after persisting, any other text is a line.

    `nap:<ms>` besides schedules a volatile wake that stores, and `doze:<ms>` one that does so without having said it.
    """

    kind: ClassVar[str] = "room"

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self.lines: list[str] = []
        self.alarms: list[tuple[int, int]] = []
        self.rung = 0

    def apply(self, event: DurablePush, private: bytes | None) -> None:
        assert isinstance(event, MessageCreate)
        self.lines.append(event.text)
        if event.text.startswith("alarm:"):
            self.alarms.append((event.at + int(event.text[6:]), len(self.lines)))
            self.alarms.sort()
        elif event.text.startswith("rang "):
            self.alarms.pop(0)

    def receive(self, ctx: Context, command: Command) -> None:
        if isinstance(command, RoomJoin):
            ctx.admit(Reply(command.ref, len(self.lines)))
        elif isinstance(command, TypingStart):
            ctx.publish(Typing(self.address.key, ctx.authority.principal, True))
        elif isinstance(command, MessageSend):
            if command.text == "bad":
                raise Invalid("bad")
            self._log(ctx, command.text, command.nonce)
            kind, _, after_ms = command.text.partition(":")
            if kind in {"nap", "doze"}:
                ctx.schedule(ctx.now + int(after_ms), Wake(kind, 0), stores=kind == "nap")
            if command.text == "broken":
                raise RuntimeError("raised after persisting, on purpose")

    def wake(self, ctx: Context, wake: Wake) -> None:
        self._log(ctx, f"rang {wake.version}" if wake.name == "alarm" else f"woke of a {wake.name}", None)

    def due(self) -> Deadline | None:
        return Deadline(self.alarms[0][0], Wake("alarm", self.alarms[0][1])) if self.alarms else None

    def may(self, authority: Authority, action: str, now: int) -> bool:
        return True

    def dump(self) -> bytes:
        return msgspec.msgpack.encode((self.lines, self.alarms))

    def load(self, snapshot: bytes) -> None:
        self.lines, self.alarms = msgspec.msgpack.decode(snapshot, type=tuple[list[str], list[tuple[int, int]]])

    def _log(self, ctx: Context, text: str, nonce: str | None) -> None:
        author = ctx.authority.principal if nonce is not None else None
        ctx.persist(MessageCreate(self.address.key, ctx.next_offset, ctx.now, author, nonce, text))
