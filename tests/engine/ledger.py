"""The target of effects: it keeps a line of each, and asks nobody's name."""

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from commonroom.engine.actor import Actor, Context
from commonroom.engine.address import Address
from commonroom.engine.outbox import Effect
from commonroom.errors import Conflict
from commonroom.identity import Authority
from commonroom.protocol.chat import MessageCreate, MessageSend
from commonroom.protocol.registry import tag_of
from commonroom.protocol.wire import Command, DurablePush

__all__ = ["Bookkeeping", "Ledger"]


class Ledger(Actor):
    """A line for each effect; one that ends with `bad` is refused for good."""

    kind: ClassVar[str] = "ledger"

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self.lines: list[str] = []

    def apply(self, event: DurablePush, private: bytes | None) -> None:
        assert isinstance(event, MessageCreate)
        self.lines.append(event.text)

    def receive(self, ctx: Context, command: Command) -> None:
        assert isinstance(command, MessageSend)
        if command.text.endswith("bad"):
            raise Conflict("bad")
        ctx.persist(MessageCreate(self.address.key, ctx.next_offset, ctx.now, None, None, command.text))

    def may(self, authority: Authority, action: str, now: int) -> bool:
        return True

    def dump(self) -> bytes:
        return msgspec.msgpack.encode(self.lines)

    def load(self, snapshot: bytes) -> None:
        self.lines = msgspec.msgpack.decode(snapshot, type=list[str])


class Bookkeeping:
    """`a b: text` in a room of ours is a line of the ledgers `a` and `b`."""

    wants = frozenset({tag_of(MessageCreate)})

    def __init__(self, name: str) -> None:
        self.name = name

    def effects(self, stream: str, event: DurablePush) -> Sequence[Effect]:
        if not stream.startswith(f"room/{self.name}") or not isinstance(event, MessageCreate):
            return ()
        ledgers, _, text = event.text.partition(": ")
        return [Effect(Address("ledger", f"{self.name}.{one}"), MessageSend(0, one, text, "not used")) for one in ledgers.split()]
