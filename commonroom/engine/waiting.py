"""What an activation does not handle at once: commands that come too fast or need something read, and all while ownership is in doubt."""

from abc import abstractmethod
from collections.abc import Coroutine
from typing import Any

from commonroom.engine.actor import Actor, Facts
from commonroom.engine.address import Address
from commonroom.engine.context import HandlerContext
from commonroom.engine.dedup import Dedup
from commonroom.engine.envelope import Envelope
from commonroom.engine.hold import Holds, facts_of
from commonroom.engine.lease import Lease
from commonroom.engine.lifecycle import End, Runtime, State
from commonroom.engine.mailbox import SIGNALS, Mailbox
from commonroom.engine.supervision import unavailable
from commonroom.errors import CommonroomError, Unavailable
from commonroom.protocol.wire import Command

__all__ = ["FULL_LANE_MS", "Waiting"]

LAPSE_PATIENCE_MS = 3000
"""So long a command waits for a proof of ownership."""

FULL_LANE_MS = 250
"""A full lane is tried again after this long."""


class Waiting(HandlerContext):
    """The part of an activation that puts commands aside, and takes them up again."""

    def __init__(self, runtime: Runtime, address: Address, actor: Actor) -> None:
        super().__init__(runtime, address, actor)
        settings = runtime.settings
        self.state = State.LOADING
        self.mailbox = Mailbox(settings.mailbox_size, settings.turn_budget, runtime.loop.call_soon, self._begin_turn, self._handle)
        self._dedup = Dedup()
        self._holds: Holds | None = None
        self._has_facts = False
        self._was_held = False

    @abstractmethod
    def _begin_turn(self) -> bool:
        """Set the turn's time; False: no command may be handled now."""

    @abstractmethod
    def _handle(self, envelope: Envelope) -> None:
        """Run one envelope; never raises."""

    @abstractmethod
    def _rejected(self, envelope: Envelope, error: Exception) -> None:
        """Answer an envelope with an error."""

    @abstractmethod
    def _end(self, why: End, known: tuple[str, int] | None = None) -> None:
        """The activation is over."""

    # -- too fast, or out of turn ----------------------------------------------

    def _put_off(self, envelope: Envelope, command: Command) -> bool:
        """Have the command wait behind its sender's others, or for its time; False when it may be handled.

        Raises:
            Unavailable: nothing can be stored now, or not in this order.
            RateLimited: it comes too fast.
        """
        if self._holds is not None and self._holds.catches(envelope):
            self._holds.behind(envelope, self._not_before(envelope, command))
            return True
        if self._key is None:
            return False
        if envelope.later:
            self._keep_order(envelope)
        if not self._runtime.journal.accepts(self._slot, effect=envelope.key is not None):
            raise Unavailable("the journal is full", retry_after_ms=FULL_LANE_MS)
        not_before = self._not_before(envelope, command)
        if not_before <= self.now:
            return False
        self._held().delay(envelope, not_before)
        return True

    def _not_before(self, envelope: Envelope, command: Command) -> int:
        """When a command may be handled that has just arrived; 0: at any time. Raises RateLimited."""
        scale = self._runtime.limits_scale
        if not scale or self._was_held or self._key is None or envelope.key is not None:
            return 0
        if self._holds and self._holds.has(envelope):
            return 0
        wait_ms = self.actor.wait_ms(self.authority, command, self.now, scale)
        if not wait_ms:
            return 0
        self._runtime.stats.delayed += 1
        return self.now + wait_ms

    def _keep_order(self, envelope: Envelope) -> None:
        """Raises Unavailable: what the session sent after this is stored; an earlier owner refused this, and its word was lost."""
        if any(self._dedup.get(f"c:{self.authority.sid}:{nonce}") is not None for nonce in envelope.later):
            raise Unavailable("sent before something that is stored already", retry_after_ms=0)

    # -- something is read first -----------------------------------------------

    def _must_read(self, envelope: Envelope, command: Command) -> bool:
        """Put the command aside while something is read that it needs; False when it needs nothing, or nobody can read it."""
        runtime, resume = self._runtime, envelope.resume
        if resume is not None and runtime.lease is not None and resume[0] == runtime.journal.history and resume[1] > self._ring.head:
            self._hold(envelope, self._doubt(resume[1]))
            return True
        load_facts = runtime.load_facts
        if load_facts is None or (message := self.actor.needs(command)) is None:
            return False
        self._hold(envelope, facts_of(load_facts, self.address, message, self._ring))
        return True

    async def _doubt(self, offset: int) -> Facts:
        """Somebody has seen an event that we have not: if it is there, the stream goes on under another owner (I6)."""
        there = await self._runtime.journal.read(self._stream, offset - 1, 1)
        if there and offset > self._ring.head and self.state is State.LIVE:
            self._runtime.stats.fenced += 1
            self._end(End.MOVED)
        return Facts(())

    # -- held and taken up again -----------------------------------------------

    def _hold(self, envelope: Envelope, reading: Coroutine[Any, Any, Facts]) -> None:
        self._held().start(envelope, reading)

    def _held(self) -> Holds:
        if self._holds is None:
            runtime = self._runtime
            self._holds = Holds(runtime.tasks, runtime.deadlines, runtime.clock.now, self._resume, self._rejected)
        return self._holds

    def _resume(self, envelope: Envelope, facts: Facts | None) -> None:
        self._begin_turn()
        if self.state is not State.LIVE or self.mailbox.closed:
            self._put_back(envelope)
            return
        if envelope.authority is not None and type(envelope.command) not in SIGNALS:
            try:
                envelope.authority = self._runtime.keeper.vouched(envelope.authority)
            except CommonroomError as error:
                self._rejected(envelope, error)
                return
        self.facts = facts if facts is not None and facts.events else None
        self._has_facts = facts is not None
        self._was_held = True
        self._handle(envelope)
        self.facts, self._has_facts, self._was_held = None, False, False

    def _put_back(self, envelope: Envelope) -> None:
        """What was held cannot be handled any more, or not now: signals wait in the mailbox, for they are never lost."""
        if type(envelope.command) in SIGNALS:
            self.mailbox.put(envelope)
        else:
            self._rejected(envelope, unavailable(self.address))

    # -- ownership in doubt ----------------------------------------------------

    def _wait_for_proof(self, lease: Lease) -> None:
        """Take no turns until the lease holds again; commands are answered RETRY after a while."""
        self.mailbox.close()
        lease.when_valid(self._proven)
        self._answer_later()

    def _proven(self) -> None:
        if self.state is State.LIVE:
            self.mailbox.open()

    def _answer_later(self) -> None:
        self._runtime.deadlines.at(self._runtime.clock.now() + LAPSE_PATIENCE_MS, self._answer_lapsed)

    def _answer_lapsed(self, _: object) -> None:
        """Nothing has proven our ownership for a while: who waits is told to try again. Signals go on waiting."""
        if self.state is not State.LIVE or not self.mailbox.closed:
            return
        for envelope in self.mailbox.clear():
            if type(envelope.command) in SIGNALS:
                self.mailbox.put(envelope)
            elif envelope.origin is not None:
                self._runtime.stats.refused += 1
                envelope.origin.refused(getattr(envelope.command, "ref", 0), unavailable(self.address, LAPSE_PATIENCE_MS))
        self._answer_later()
