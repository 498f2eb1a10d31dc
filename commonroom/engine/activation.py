"""One live instance of an actor: loads, handles, persists, ends.

    LOADING ──► LIVE ──► ENDING ──► ENDED
       │          └────────────────► ▲
       └─────────────────────────────┘

LOADING: the journal is asked; commands wait in the mailbox. LIVE: one command after
another, each handled whole: its events are applied at once and become one commit, its
outputs are kept until it is through and then pass the gate. ENDING: the state cannot
be trusted any more (a handler raised after `persist`), so nothing is handled, but the
commits under way are waited for and their commands answered. ENDED: the host has
taken over what was not answered. An activation that fails is never mended: the next
one reloads, and what it reads is what was committed.
"""

from collections.abc import Callable, Container

import structlog
from msgspec import UNSET, Struct

from commonroom.engine.actor import Actor, Deadline, Wake
from commonroom.engine.address import Address
from commonroom.engine.dedup import Dedup
from commonroom.engine.envelope import Attach, Detach, Envelope, Publication, Query, Resync
from commonroom.engine.gate import Gate
from commonroom.engine.lifecycle import NEXT, End, Runtime, State
from commonroom.engine.mailbox import SIGNALS
from commonroom.engine.private import unpack
from commonroom.engine.ring import Ring
from commonroom.engine.schedule import NEVER, Entry
from commonroom.engine.waiting import FULL_LANE_MS, Waiting
from commonroom.errors import CommonroomError, Denied, Hidden, InternalError, NotFound, Unavailable
from commonroom.protocol.codec import decode_event
from commonroom.protocol.registry import COMMAND_NAMES
from commonroom.protocol.session import Reply
from commonroom.protocol.wire import Command
from commonroom.storage.journal.port import Commit, Committed, Duplicate, Fenced, NewEvent, Outcome, StoredStream

__all__ = ["Activation"]

log = structlog.get_logger(__name__)

UNSEEN = "no such thing, or not for you"

NOTHING = StoredStream(0, 0, None, None, ())
"""Of an actor without durable state."""


class Activation(Waiting):
    """An actor with its context; see the module's text for its life.

    Args:
        due: the durable deadline for which it is activated, if that is why.
        known: a key the journal reported as taken, see `Duplicate`.
    """

    def __init__(
        self, runtime: Runtime, address: Address, actor: Actor, *, due: int | None = None, known: tuple[str, int] | None = None
    ) -> None:
        super().__init__(runtime, address, actor)
        self._gate = Gate()
        self._known = known
        self._deadline: Deadline | None = None
        self._due_at = NEVER if due is None else due
        self._due_entry: Entry | None = None
        self._due_written: int | None = None
        self._snapshot_offset = 0
        self.idle_entry: Entry | None = None
        """The host's next look at whether it is idle."""
        self.summarized: Struct | None = None

    # -- life ------------------------------------------------------------------

    @property
    def next_due(self) -> int | None:
        """When the actor must be live again, cluster ms."""
        return None if self._due_at == NEVER else self._due_at

    @property
    def slot(self) -> int:
        """Its address's."""
        return self._slot

    @property
    def committed(self) -> int | None:
        """The stream's last durable offset, once live."""
        return self._ring.committed if self.state is State.LIVE else None

    @property
    def head(self) -> int:
        """The offset of the last event applied."""
        return self._ring.head

    def summary(self) -> Struct | None:
        """See `Actor.summary`."""
        return self.actor.summary()

    @property
    def quiet(self) -> bool:
        """Live, with nothing queued, nothing under way and nothing held."""
        return self.state is State.LIVE and not self.mailbox and not self._gate and not self._holds

    async def load(self) -> None:
        """Rebuild the actor, then go live; any failure ends the activation."""
        try:
            stored = NOTHING if self.actor.is_volatile else await self._runtime.journal.load(self._stream, self._slot)
            if self.state is State.ENDED:  # its slot was lost meanwhile
                return
            self._restore(stored)
        except Unavailable as error:
            log.warning("load_unavailable", address=self._stream, reason=str(error))
            self._end(End.FAILED)
        except Exception:  # an unreadable snapshot or event: supervised, not fatal
            log.exception("load_failed", address=self._stream)
            self._end(End.FAILED)
        else:
            self._go_live()

    def hasten_all(self) -> None:
        """Handle at once what only waits for its time."""
        self._hasten(None)

    def _hasten(self, sessions: Container[str] | None) -> None:
        if self._holds and self.state is State.LIVE:
            self._holds.hasten(sessions)

    def passivate(self) -> None:
        """End a quiet activation."""
        self._end(End.PASSIVATED)

    def kill(self) -> list[Envelope]:
        """End at once, telling nobody; returns the commands that were not answered."""
        return self._take_over()

    def _move(self, state: State) -> None:
        if state not in NEXT[self.state]:
            raise InternalError(f"{self._stream} cannot go from {self.state.value} to {state.value}")
        self.state = state

    def _restore(self, stored: StoredStream) -> None:
        if stored.snapshot is not None:
            self.actor.load(stored.snapshot)
        self._snapshot_offset = stored.snapshot_offset
        self._ring = ring = Ring(self._runtime.settings.ring_events, stored.snapshot_offset)
        for kept in stored.tail:
            event = decode_event(kept.payload)
            private = unpack(kept.private)
            self.actor.apply(event, private.facts)
            ring.append(Publication(event, kept.payload, kept.offset, event.author, private.audience, None))
        if ring.head != stored.head:
            raise InternalError(f"{self._stream} has head {stored.head} but its tail ends at {ring.head}")
        ring.commit(ring.head)
        self._dedup = Dedup(stored.recent_keys)
        if self._known is not None:
            self._dedup.add(*self._known)
        self._due_written = stored.next_due

    def _go_live(self) -> None:
        self._move(State.LIVE)
        queued = self.mailbox.clear()
        self._runtime.stats.activated += 1
        self._runtime.touched[self] = None  # the one before may have left a summary that was never written
        self._runtime.subscribers.activated(self.address, self.activation, self._ring.head)
        self._settle_due()
        self.mailbox.open(behind=queued)  # announcements first: a command's sender must be known to be here
        self._runtime.keeper.became_live(self)

    def _fail(self) -> None:
        """Handle nothing more; end once what is under way has been answered."""
        self._move(State.ENDING)
        self.mailbox.close()
        if not self._gate:
            self._end(End.FAILED)

    def _end(self, why: End, known: tuple[str, int] | None = None) -> None:
        if self.state is not State.ENDED:
            self._runtime.keeper.ended(self, why, self._take_over(), known)

    def _take_over(self) -> list[Envelope]:
        """End, and be part of no cycle: there may be ten thousand of us, see `app/collector.py`."""
        self._move(State.ENDED)
        for name in list(self._timers):
            self.cancel(name)
        if self._due_entry is not None:
            self._runtime.deadlines.cancel(self._due_entry)
        held = self._holds.clear() if self._holds else []
        self._holds = self._due_entry = None
        return [*self._gate.abandon(), *held, *self.mailbox.retire()]

    # -- commands --------------------------------------------------------------

    def _begin_turn(self) -> bool:
        """Set the turn's time; a deadline that has passed takes effect before commands do."""
        lease = self._runtime.lease
        if lease is not None and not lease.valid():
            self._wait_for_proof(lease)
            return False
        now = self._runtime.clock.now()
        caught_up = self._due_at > now or self._catch_up(now)
        self.now = now
        return caught_up and self.state is State.LIVE

    def _handle(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self.session = envelope.session
        self._answered = False
        self._key = None
        self._runtime.stats.handled += 1
        try:
            signal = _SIGNALS.get(type(envelope.command))
            if signal is not None:
                if self._holds and type(envelope.command) in SIGNALS and self._holds.precede(envelope):
                    self._holds.behind(envelope)
                    return
                self._answered = True
                signal(self, envelope)
            elif not self._receive(envelope, envelope.command):  # type: ignore[arg-type]
                return
            self._complete()
        except Exception as error:  # noqa: BLE001 - the one place that supervises handlers
            self._rejected(envelope, error)

    def _receive(self, envelope: Envelope, command: Command) -> bool:
        """Run a command; False when it was put aside until its turn or its facts are there."""
        self._ref = command.ref
        key = envelope.key
        if key is None and (nonce := getattr(command, "nonce", None)) is not None:
            key = f"c:{self.authority.sid}:{nonce}"
        if key is not None:
            self._key = key
            known = self._dedup.get(key)
            if known is not None:
                self._runtime.stats.retries += 1
                self.reply(Reply(command.ref, known))
                return True
        if self._put_off(envelope, command) or (not self._has_facts and self._must_read(envelope, command)):
            return False
        self.actor.receive(self, command)
        if command.ref and not self._answered:
            self.reply(Reply(command.ref, self._events[0].offset if self._events else 0))
        return True

    def _complete(self) -> None:
        """Turn the effects of one command or wake into a commit, or let them pass the gate."""
        self._runtime.touched[self] = None
        deadline = self.actor.due()
        if self._events or deadline != self._deadline:
            self._commit(deadline)
        elif self._outputs:
            self._gate.emit(self._outputs, self._envelope)
            self._outputs.clear()

    def _commit(self, deadline: Deadline | None) -> None:
        head = self._ring.head
        due = None if deadline is None else deadline.at
        next_due = UNSET if due == self._due_written else due
        events = tuple(self._events)
        dump = bool(self._rewrites) or head - self._snapshot_offset >= self._runtime.settings.snapshot_events
        snapshot = self.actor.dump() if events and dump else None
        if deadline != self._deadline:
            self._arm(deadline)
        if events or next_due is not UNSET:
            commit = Commit(self._stream, self._slot, head, events, snapshot, next_due, tuple(self._rewrites))
            self._due_written = due
            self._snapshot_offset = head if snapshot is not None else self._snapshot_offset
            self._remember(events)
            self._append(commit)
        else:
            self._gate.emit(self._outputs, self._envelope)
        self._outputs.clear()
        self._events.clear()
        self._rewrites.clear()

    def _remember(self, events: tuple[NewEvent, ...]) -> None:
        stats = self._runtime.stats
        stats.commits += 1
        stats.events += len(events)
        if events and (key := events[0].dedup) is not None:
            self._dedup.add(key, events[0].offset)

    def _append(self, commit: Commit) -> None:
        self._gate.begin(commit.head)
        self._gate.emit(self._outputs, self._envelope)
        self._runtime.journal.append(commit, self._settled)

    def _rejected(self, envelope: Envelope, error: Exception) -> None:
        """A handler raised: refuse its command alone, or end when it had changed the state."""
        if not isinstance(error, CommonroomError) or isinstance(error, InternalError):
            self._log_crash("handler_failed", type(envelope.command).__name__, error)
            error = InternalError("the command failed; it may be sent again")
        elif isinstance(error, Denied):
            error.action = error.action or COMMAND_NAMES.get(type(envelope.command), "")
            error.where = error.where or self._stream
        dirty = bool(self._events)
        self._discard()
        self._runtime.stats.refused += 1
        if envelope.origin is not None:
            self._gate.emit([(envelope.origin.refused, getattr(envelope.command, "ref", 0), error)], envelope)
        if dirty:
            self._fail()

    def _log_crash(self, event: str, subject: str, error: Exception) -> None:
        log.error(event, address=self._stream, subject=subject, error=type(error).__name__, exc_info=error)

    # -- signals ---------------------------------------------------------------

    def _on_attach(self, envelope: Envelope) -> None:
        if isinstance(envelope.command, Attach) and envelope.command.refreshed:
            self.actor.refreshed(self)
        else:
            self.actor.attach(self)

    def _on_detach(self, envelope: Envelope) -> None:
        self.actor.detach(self)
        self._gate.emit((), envelope)  # a join before it that runs again must not run without it

    def _on_resync(self, envelope: Envelope) -> None:
        message = self.actor.resync()
        if message is None:
            raise NotFound("nothing volatile here")
        if envelope.origin is not None:
            self._outputs.append((envelope.origin.replied, 0, message))

    def _on_query(self, envelope: Envelope) -> None:
        query = envelope.command
        if not isinstance(query, Query):
            raise InternalError("this is no query")
        exists = self.actor.exists()
        if exists and not self.actor.may(self.authority, query.action, self.now):
            raise Hidden(UNSEEN, action=query.action)
        view = self.actor.view(query.hidden, query.action) if exists else None
        if view is None:
            raise NotFound(UNSEEN)
        if envelope.origin is not None:
            self._outputs.append((envelope.origin.replied, 0, view))

    # -- deadlines -------------------------------------------------------------

    def _settle_due(self) -> None:
        """After a load: arm the state's deadline, and write it if the journal has another."""
        try:
            self._commit(self.actor.due())
        except Exception as error:  # noqa: BLE001 - a broken `due` must not take the host down
            self._log_crash("due_failed", "due", error)
            self._fail()

    def _arm(self, deadline: Deadline | None) -> None:
        if self._due_entry is not None:
            self._runtime.deadlines.cancel(self._due_entry)
            self._due_entry = None
        self._deadline = deadline
        self._due_at = NEVER
        if deadline is not None:
            self._due_at = deadline.at
            self._due_entry = self._runtime.deadlines.at(deadline.at, self._durable_due, deadline)

    def _catch_up(self, now: int) -> bool:
        """Let what is overdue take effect; False when that was a turn's worth and there is more."""
        for _ in range(self._runtime.settings.turn_budget):
            if self._due_at > now or not self._durable_due(self._deadline):
                return True
        return self._due_at > now

    def _durable_due(self, deadline: Deadline | None) -> bool:
        """A durable deadline has come; whether it was dealt with, for good or ill."""
        if self.state is not State.LIVE or deadline is None or deadline != self._deadline or self._due_at == NEVER:
            return False
        if self._due_entry is not None:
            self._runtime.deadlines.cancel(self._due_entry)
        if self._is_full():
            self._due_entry = self._runtime.deadlines.at(self._runtime.clock.now() + FULL_LANE_MS, self._durable_due, deadline)
            return False
        self._due_entry = None
        self._due_at = NEVER  # once, even if the handler leaves the deadline in the state
        key = f"d:{deadline.wake.name}:{deadline.wake.version}"
        if self.actor.due() == deadline and self._dedup.get(key) is None and not self._wake(deadline.wake, deadline.at, key):
            self._fail()
        return True

    def _volatile_due(self, due: tuple[int, Wake, bool]) -> None:
        at, wake, self._stores = due
        self._timers.pop(wake.name, None)
        if self.state is State.LIVE and self._stores and self._is_full():
            self.schedule(self._runtime.clock.now() + FULL_LANE_MS, wake, stores=True)
        elif self.state is State.LIVE:
            self._wake(wake, at, None)
        self._stores = False

    def _is_full(self) -> bool:
        """Whether nothing can be stored now."""
        return not self._runtime.journal.accepts(self._slot)

    def _wake(self, wake: Wake, at: int, key: str | None) -> bool:
        """Run a wake at its due time; False when it raised without having changed the state."""
        self._envelope = None
        self.session = None
        self.now = at
        self._key = key
        self._runtime.stats.wakes += 1
        try:
            self.actor.wake(self, wake)
            self._complete()
        except Exception as error:  # noqa: BLE001 - the one place that supervises wakes
            self._log_crash("wake_failed", wake.name, error)
            dirty = bool(self._events)
            self._discard()
            if dirty:
                self._fail()
            return dirty
        return True

    # -- commits ---------------------------------------------------------------

    def _settled(self, outcome: Outcome) -> None:
        """The journal's word on the oldest commit under way."""
        if self.state is State.ENDED:
            return
        if type(outcome) is Committed:
            self._ring.commit(self._gate.committed())
            if self.state is State.ENDING and not self._gate:
                self._end(End.FAILED)
            return
        log.warning("commit_refused", address=self._stream, outcome=type(outcome).__name__)
        if type(outcome) is Duplicate and self.state is State.LIVE:
            self._runtime.stats.duplicates += 1
            self._end(End.DUPLICATE, (outcome.dedup, outcome.offset))
        elif type(outcome) is Fenced:
            self._runtime.stats.fenced += 1
            self._end(End.MOVED)
        else:
            self._end(End.FAILED)


_SIGNALS: dict[type, Callable[[Activation, Envelope], None]] = {
    Attach: Activation._on_attach,  # noqa: SLF001 - the class's own table
    Detach: Activation._on_detach,  # noqa: SLF001
    Resync: Activation._on_resync,  # noqa: SLF001
    Query: Activation._on_query,  # noqa: SLF001
}
