"""Commands that wait, and their senders' later commands.

A handler that must know a message which is no longer in memory says so in
`Actor.needs`; a join that knows more than we do makes us ask who is right: both wait for
something to be read. What comes too fast waits for its time (`Actor.wait_ms`). Meanwhile later
commands of the same login session to this actor wait behind (order, invariant I5), and so does
the word that a session of theirs has gone: before a join that waits it would leave a ghost.
Everybody else passes.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Container, Coroutine
from typing import Any

from commonroom.engine.actor import Facts
from commonroom.engine.address import Address
from commonroom.engine.envelope import Envelope
from commonroom.engine.ring import Ring
from commonroom.engine.schedule import Deadlines, Entry
from commonroom.errors import Unavailable
from commonroom.identity import SessionId
from commonroom.tasks import TaskGroup

__all__ = ["MAX_HELD", "Holds", "LoadFacts", "facts_of"]

MAX_HELD = 64
"""Commands of one sender that wait; further ones get RETRY."""

LoadFacts = Callable[[Address, int], Awaitable[Facts]]
"""(actor, message offset) → the message's own committed events, in order; raises Unavailable."""


class _Hold:
    """One sender: the command that waits, and what came after it, each with the time before which it must not be handled.

    `timer` is set while what it waits for is that time.
    """

    __slots__ = ("behind", "timer", "waiting")

    def __init__(self) -> None:
        self.waiting: Envelope | None = None
        self.timer: Entry | None = None
        self.behind: deque[tuple[Envelope, int]] = deque()


class Holds:
    """The held senders of one activation.

    Args:
        now: cluster time.
        handle: runs one envelope, with facts (perhaps of no event) where it waited for
            some; must not raise.
        reject: answers an envelope whose facts could not be read.
    """

    def __init__(
        self,
        tasks: TaskGroup,
        deadlines: Deadlines,
        now: Callable[[], int],
        handle: Callable[[Envelope, Facts | None], None],
        reject: Callable[[Envelope, Exception], None],
    ) -> None:
        self._tasks = tasks
        self._deadlines = deadlines
        self._now = now
        self._handle = handle
        self._reject = reject
        self._by_sender: dict[SessionId, _Hold] = {}
        self._draining: SessionId | None = None

    def __len__(self) -> int:
        return len(self._by_sender)

    def precede(self, envelope: Envelope) -> bool:
        """Whether others of its sender wait that the envelope must not overtake."""
        sender = _sender(envelope)
        return sender in self._by_sender and sender != self._draining

    def catches(self, envelope: Envelope) -> bool:
        """Whether a command must go `behind` others of its sender.

        Raises:
            Unavailable: `MAX_HELD` wait already.
        """
        if not self.precede(envelope):
            return False
        if len(self._by_sender[_sender(envelope)].behind) >= MAX_HELD:
            raise Unavailable(f"{MAX_HELD} commands wait already")
        return True

    def behind(self, envelope: Envelope, not_before: int = 0) -> None:
        """Handle it after those of its sender that wait, and not before that time."""
        self._by_sender[_sender(envelope)].behind.append((envelope, not_before))

    def has(self, envelope: Envelope) -> bool:
        """Whether a command of the same sender and nonce waits: this one is its repeat. Cost: O(what waits of the sender)."""
        nonce = getattr(envelope.command, "nonce", None)
        hold = self._by_sender.get(_sender(envelope))
        if hold is None or nonce is None:
            return False
        held = [one.command for one, _ in hold.behind] + [one.command for one in (hold.waiting,) if one is not None]
        return nonce in {getattr(command, "nonce", None) for command in held}

    def start(self, envelope: Envelope, reading: Coroutine[Any, Any, Facts]) -> None:
        """Handle the envelope with what is read."""
        hold = self._by_sender.setdefault(_sender(envelope), _Hold())
        hold.waiting = envelope
        self._tasks.start(f"facts {envelope.address}", self._load(hold, envelope, reading))

    def delay(self, envelope: Envelope, until: int) -> None:
        """Handle the envelope at that time."""
        sender = _sender(envelope)
        self._delay(sender, self._by_sender.setdefault(sender, _Hold()), envelope, until)

    def hasten(self, sessions: Container[str] | None = None) -> None:
        """Handle what only waits for its time, now: of the senders who wait by one of these sessions; None: of all."""
        for sender, hold in list(self._by_sender.items()):
            if sessions is not None and (hold.waiting is None or hold.waiting.session not in sessions):
                continue
            hold.behind = deque((envelope, 0) for envelope, _ in hold.behind)
            if hold.timer is not None:
                self._deadlines.cancel(hold.timer)
                self._ripe((sender, hold))

    def clear(self) -> list[Envelope]:
        """Hand over all that waits, each sender's in order; what is being read is ignored."""
        holds, self._by_sender = list(self._by_sender.values()), {}
        left: list[Envelope] = []
        for hold in holds:
            if hold.timer is not None:
                self._deadlines.cancel(hold.timer)
            left += [hold.waiting] if hold.waiting is not None else []
            left += [envelope for envelope, _ in hold.behind]
        return left

    def _delay(self, sender: SessionId, hold: _Hold, envelope: Envelope, until: int) -> None:
        hold.waiting = envelope
        hold.timer = self._deadlines.at(until, self._ripe, (sender, hold))

    def _ripe(self, held: tuple[SessionId, _Hold]) -> None:
        """A command's time has come."""
        sender, hold = held
        envelope, hold.waiting, hold.timer = hold.waiting, None, None
        if envelope is None or self._by_sender.get(sender) is not hold:
            return
        self._draining = sender
        self._handle(envelope, None)
        self._drain(sender, hold)

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
        """What came after, in order, until one of them waits itself."""
        while hold.waiting is None and hold.behind and self._by_sender.get(sender) is hold:
            envelope, not_before = hold.behind.popleft()
            if not_before > self._now():
                self._delay(sender, hold, envelope, not_before)
            else:
                self._handle(envelope, None)
        self._draining = None
        if hold.waiting is None and self._by_sender.get(sender) is hold:
            del self._by_sender[sender]


async def facts_of(load_facts: LoadFacts, address: Address, message: int, ring: Ring) -> Facts:
    """A message's events, with those that are persisted while it is read. Raises Unavailable."""
    committed = ring.committed
    return _merged(await load_facts(address, message), ring.naming(message, committed))


def _sender(envelope: Envelope) -> SessionId:
    return envelope.authority.sid if envelope.authority is not None else SessionId("")


def _merged(stored: Facts, newer: Facts | None) -> Facts:
    """What was read, and what was persisted about the message while it was read."""
    if newer is None:
        raise Unavailable("the room moved on while an old message was read")
    events = {event.offset: event for event in (*stored.events, *newer.events)}
    return Facts(tuple(events[offset] for offset in sorted(events)), stored.aside | newer.aside)
