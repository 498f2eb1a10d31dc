"""Commands that wait for something to be read, and their senders' later commands.

A handler that must know a message which is no longer in memory says so in
`Actor.needs`; a join that knows more than we do makes us ask who is right. While that is
read later commands of the same login session to this actor wait behind (order,
invariant I5); everybody else passes.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from commonroom.engine.actor import Facts
from commonroom.engine.address import Address
from commonroom.engine.envelope import Envelope
from commonroom.engine.ring import Ring
from commonroom.errors import Unavailable
from commonroom.identity import SessionId
from commonroom.protocol.wire import DurablePush
from commonroom.tasks import TaskGroup

__all__ = ["MAX_HELD", "Holds", "LoadFacts", "facts_of"]

MAX_HELD = 64
"""Commands of one sender that wait; further ones get RETRY."""

LoadFacts = Callable[[Address, int], Awaitable[tuple[DurablePush, ...]]]
"""(actor, message offset) → the message's own committed events, in order; raises Unavailable."""


class _Hold:
    """One sender: the command that waits for facts, and what came after it."""

    __slots__ = ("behind", "waiting")

    def __init__(self) -> None:
        self.waiting: Envelope | None = None
        self.behind: deque[Envelope] = deque()


class Holds:
    """The held senders of one activation.

    Args:
        handle: runs one envelope, with facts (perhaps of no event) where it waited for
            some; must not raise.
        reject: answers an envelope whose facts could not be read.
    """

    def __init__(
        self,
        tasks: TaskGroup,
        handle: Callable[[Envelope, Facts | None], None],
        reject: Callable[[Envelope, Exception], None],
    ) -> None:
        self._tasks = tasks
        self._handle = handle
        self._reject = reject
        self._by_sender: dict[SessionId, _Hold] = {}
        self._draining: SessionId | None = None

    def __len__(self) -> int:
        return len(self._by_sender)

    def catches(self, envelope: Envelope) -> bool:
        """Keep the envelope if its sender is held; False lets it pass.

        Raises:
            Unavailable: `MAX_HELD` wait already.
        """
        sender = _sender(envelope)
        hold = self._by_sender.get(sender)
        if hold is None or sender == self._draining:
            return False
        if len(hold.behind) >= MAX_HELD:
            raise Unavailable(f"{MAX_HELD} commands wait already")
        hold.behind.append(envelope)
        return True

    def start(self, envelope: Envelope, reading: Coroutine[Any, Any, Facts]) -> None:
        """Handle the envelope with what is read."""
        hold = self._by_sender.setdefault(_sender(envelope), _Hold())
        hold.waiting = envelope
        self._tasks.start(f"facts {envelope.address}", self._load(hold, envelope, reading))

    def clear(self) -> list[Envelope]:
        """Hand over all that waits, each sender's in order; what is being read is ignored."""
        holds, self._by_sender = list(self._by_sender.values()), {}
        return [envelope for hold in holds for envelope in ([hold.waiting] if hold.waiting else []) + list(hold.behind)]

    async def _load(self, hold: _Hold, envelope: Envelope, reading: Coroutine[Any, Any, Facts]) -> None:
        sender = _sender(envelope)
        try:
            outcome: Facts | Exception = await reading
        except Exception as error:  # noqa: BLE001 - the command's answer; `reject` logs our own faults
            outcome = error
        if self._by_sender.get(sender) is not hold:
            return  # taken over meanwhile
        hold.waiting = None
        self._draining = sender
        if isinstance(outcome, Facts):
            self._handle(envelope, outcome)
        else:
            self._reject(envelope, outcome)
        self._drain(sender, hold)

    def _drain(self, sender: SessionId, hold: _Hold) -> None:
        """What came after, in order, until one of them waits for facts itself."""
        while hold.waiting is None and hold.behind and self._by_sender.get(sender) is hold:
            self._handle(hold.behind.popleft(), None)
        self._draining = None
        if hold.waiting is None and self._by_sender.get(sender) is hold:
            del self._by_sender[sender]


async def facts_of(load_facts: LoadFacts, address: Address, message: int, ring: Ring) -> Facts:
    """A message's events, with those that are persisted while it is read. Raises Unavailable."""
    committed = ring.committed
    return _merged(await load_facts(address, message), ring.naming(message, committed))


def _sender(envelope: Envelope) -> SessionId:
    return envelope.authority.sid if envelope.authority is not None else SessionId("")


def _merged(stored: tuple[DurablePush, ...], newer: tuple[DurablePush, ...] | None) -> Facts:
    """What was read, and what was persisted about the message while it was read."""
    if newer is None:
        raise Unavailable("the room moved on while an old message was read")
    events = {event.offset: event for event in (*stored, *newer)}
    return Facts(tuple(events[offset] for offset in sorted(events)))
