"""The actor host: finds the activation of an address, makes it, ends it."""

import asyncio
from collections.abc import Callable, Container, Iterable, Mapping
from heapq import nsmallest
from typing import Protocol

import structlog

from commonroom.clock import Clock
from commonroom.config.settings import EngineSettings
from commonroom.engine.activation import Activation
from commonroom.engine.actor import Actor
from commonroom.engine.address import SLOTS, Address, slot_of_address
from commonroom.engine.due import DueLoader
from commonroom.engine.envelope import Attach, Envelope, Subscribers
from commonroom.engine.hold import LoadFacts
from commonroom.engine.lease import Lease
from commonroom.engine.lifecycle import End, Runtime, State, Stats
from commonroom.engine.mailbox import SIGNALS
from commonroom.engine.schedule import Deadlines
from commonroom.engine.summary import Summaries
from commonroom.engine.supervision import Supervisor, unavailable
from commonroom.errors import CommonroomError, InternalError, NotFound, Unavailable
from commonroom.identity import Authority
from commonroom.ids import Random
from commonroom.storage.journal.port import Journal
from commonroom.tasks import TaskGroup, pause

__all__ = ["ActorHost", "Bounds"]

log = structlog.get_logger(__name__)

OVERFLOW_MS = 200
EVICT_SHARE = 16
"""Over the cap, one in so many of the live actors is passivated at once: the search for the oldest is not free."""


class Bounds(Protocol):
    """What a host is told of slots that it has and loses."""

    def fenced(self, slot: int) -> None:
        """A write was refused: somebody else owns the slot."""
        ...

    def moved_on(self, envelopes: list[Envelope]) -> None:
        """These were not answered here, oldest first for each actor: their owner is another node now."""
        ...


class ActorHost:
    """All live actors of this process. Use it on one loop's thread only.

    A command whose address has no activation starts one: a single load, however many
    commands wait for it. What a host cannot serve it answers with RETRY.

    Args:
        kinds: what makes an actor, by the kind of its address.
        load_facts: reads an old message's events, see `Actor.needs`; None: there are none.
        lease: how long answers from memory may be given; None: for ever, nobody else is there.
        bounds: whether slots come and go; None: all are this host's for good.
        limits_scale: times the limits that actors keep themselves; 0: there are none.
        summaries: what becomes of what lists show of actors; None: there are no lists. Whoever made it opens and closes it.
    """

    def __init__(  # noqa: PLR0917 - the parts of a node, wired in one place
        self,
        settings: EngineSettings,
        clock: Clock,
        journal: Journal,
        subscribers: Subscribers,
        kinds: Mapping[str, Callable[[Address], Actor]],
        random: Random,
        load_facts: LoadFacts | None = None,
        lease: Lease | None = None,
        bounds: Bounds | None = None,
        limits_scale: float = 0.0,
        summaries: Summaries | None = None,
    ) -> None:
        self.stats = Stats()
        self.vouched: Callable[[Authority], Authority] = _unchanged
        """See `Keeper`; whoever has an edge sets it."""
        self._settings = settings
        self._clock = clock
        self._journal = journal
        self._subscribers = subscribers
        self._kinds = kinds
        self._random = random
        self._load_facts = load_facts
        self._lease = lease
        self._bounds = bounds
        self._limits_scale = limits_scale
        self._summaries = summaries or Summaries()
        self._slots: set[int] = set()
        self._idle_ms = int(settings.idle_s * 1000)
        self._live: dict[Address, Activation] = {}
        self._supervisor = Supervisor(clock, random)
        self._tasks = TaskGroup(self._crashed)
        self._runtime: Runtime | None = None
        self._closing = False
        self._evict_above = settings.max_activations

    # -- for the router --------------------------------------------------------

    def deliver(self, envelope: Envelope) -> None:
        """Queue an envelope for its actor; the answer goes to its origin.

        Never blocks, never raises. `NotFound` for an unknown kind, `Unavailable` for a
        full mailbox, an actor left alone after failures, or a closing host.
        """
        activation = self._live.get(envelope.address)
        if activation is None or self._closing:
            activation = self._admit(envelope)
        if activation is not None and not activation.mailbox.put(envelope):
            self.stats.overflowed += 1
            self._refuse(envelope, Unavailable(f"{envelope.address} is busy", retry_after_ms=OVERFLOW_MS))

    async def open(self) -> None:
        """Start: actors that are due are loaded in the background, oldest first."""
        loop = asyncio.get_running_loop()
        deadlines = Deadlines(self._clock, loop)
        self._runtime = Runtime(
            settings=self._settings,
            clock=self._clock,
            journal=self._journal,
            subscribers=self._subscribers,
            random=self._random,
            deadlines=deadlines,
            tasks=self._tasks,
            loop=loop,
            stats=self.stats,
            load_facts=self._load_facts,
            lease=self._lease,
            limits_scale=self._limits_scale,
            keeper=self,
            touched=self._summaries.touched,
        )
        if self._bounds is None:
            self._summaries.opened(range(SLOTS))
        self._due = DueLoader(
            self._clock,
            self._journal,
            deadlines=deadlines,
            tasks=self._tasks,
            activate=self._activate_due,
            known=lambda: len(self._live),
        )
        self._due.start()

    # -- slots -------------------------------------------------------------------

    def open_slots(self, slots: Iterable[int]) -> None:
        """Serve these too: their deadlines are armed; actors come when they are spoken to."""
        opened = list(slots)
        self._slots.update(opened)
        self._summaries.opened(opened)
        self._due.opened(opened)

    async def close_slots(self, slots: Iterable[int], grace_s: float) -> set[int]:
        """Finish what is queued and under way there, at once also what only waits for its time; passivate, serve them no more.

        Returns: the slots in which everything was finished within `grace_s`. In the
        others commits may be under way still; what was not answered has moved on.
        """
        closing = set(slots)
        self._slots -= closing
        self._due.closed(closing)
        give_up_at = self._clock.now() + int(grace_s * 1000)
        while (busy := [one for one in self._of(closing) if not one.quiet]) and self._clock.now() < give_up_at:
            _hasten(busy)
            await pause(0.002)
        unfinished = {activation.slot for activation in busy}
        for activation in self._of(closing - unfinished):
            activation.passivate()
        self._summaries.closed(closing)
        self.drop_slots(unfinished)
        return closing - unfinished

    def drop_slots(self, slots: Iterable[int]) -> None:
        """They are another's already: end what lives there; what was not answered moves on."""
        dropped = set(slots)
        self._slots -= dropped
        self._due.closed(dropped)
        left: list[Envelope] = []
        for activation in self._of(dropped):
            left += activation.kill()
            self._forget(activation)
        self._summaries.closed(dropped)
        self._move_on(left)

    def announce(self, address: Address) -> int | None:
        """Somebody elsewhere follows: the stream's last durable offset, or None while an instance loads for it."""
        activation = self._live.get(address)
        if activation is None and self._may_activate(address):
            self._activate(address)
        return None if activation is None else activation.committed

    def _of(self, slots: Container[int]) -> list[Activation]:
        return [activation for activation in self._live.values() if activation.slot in slots]

    def _may_activate(self, address: Address) -> bool:
        if address.kind not in self._kinds or self._closing or self._supervisor.blocked(address) is not None:
            return False
        return self._bounds is None or slot_of_address(address) in self._slots

    def _move_on(self, left: list[Envelope]) -> None:
        if self._bounds is not None and left:
            self.stats.moved += len(left)
            self._bounds.moved_on(left)

    async def close(self, grace_s: float = 10.0) -> None:
        """Take nothing more, finish what is queued and under way, passivate all.

        What is not finished after `grace_s` (the journal is away) is refused with
        RETRY. Safe to cancel and to call twice.
        """
        self._closing = True
        give_up_at = self._clock.now() + int(grace_s * 1000)
        while (busy := [one for one in self._live.values() if not one.quiet]) and self._clock.now() < give_up_at:
            _hasten(busy)
            await pause(0.005)
        for activation in list(self._live.values()):
            for envelope in activation.kill():
                self._refuse(envelope, Unavailable("the server is closing", retry_after_ms=OVERFLOW_MS))
        await self.crash()

    async def crash(self) -> None:
        """End as a killed process would: nothing is answered, nothing is waited for."""
        self._closing = True
        for activation in list(self._live.values()):
            if activation.state is not State.ENDED:
                activation.kill()
        self._live.clear()
        self.stats.live = 0
        if self._runtime is not None:
            self._runtime.deadlines.close()
        await self._tasks.close()

    # -- for activations -------------------------------------------------------

    def became_live(self, activation: Activation) -> None:
        self._watch_idle(activation)

    def ended(self, activation: Activation, why: End, left: list[Envelope], known: tuple[str, int] | None) -> None:
        address = activation.address
        self._forget(activation, cleanly=why is End.PASSIVATED)
        if why is End.DUPLICATE:
            self._reload(address, left, known)
        elif why is End.MOVED and self._bounds is not None:
            self._bounds.fenced(activation.slot)
            self._move_on(left)
        elif why is not End.PASSIVATED:
            self._failed(activation, left)
        else:
            self.stats.passivated += 1
            if activation.next_due is not None and self._may_activate(address):
                self._due.sleep(address, activation.next_due)

    def _forget(self, activation: Activation, *, cleanly: bool = False) -> None:
        self._summaries.ended(activation, cleanly=cleanly)
        if activation.idle_entry is not None:  # the heap would keep the whole activation for an idle time
            self._deadlines.cancel(activation.idle_entry)
            activation.idle_entry = None
        if self._live.get(activation.address) is activation:
            del self._live[activation.address]
            self.stats.live -= 1

    def _reload(self, address: Address, left: list[Envelope], known: tuple[str, int] | None) -> None:
        """Nothing of what is left was committed or answered: the next activation runs it again, in order."""
        if self._bounds is not None and slot_of_address(address) not in self._slots:
            self._move_on(left)
            return
        activation = self._activate(address, known=known)
        for envelope in left:
            if type(envelope.command) is not Attach and not activation.mailbox.put(envelope):
                self._refuse(envelope, unavailable(address))

    def _failed(self, activation: Activation, left: list[Envelope]) -> None:
        address = activation.address
        self.stats.failed += 1
        until = self._supervisor.failed(address)
        for envelope in left:
            self._refuse(envelope, unavailable(address, until - self._clock.now()))
        at = max(until, self._clock.now() + 1)
        if self._subscribers.count(address):
            self._deadlines.at(at, self._revive, address)
        else:  # what it held in memory may be ahead of the journal, or it never loaded
            self._due.scan_at(at)

    def _revive(self, address: Address) -> None:
        """Bring back an actor that somebody follows."""
        if address not in self._live and self._may_activate(address):
            self._activate(address)

    # -- making and ending -----------------------------------------------------

    @property
    def _deadlines(self) -> Deadlines:
        return self._running.deadlines

    @property
    def _running(self) -> Runtime:
        if self._runtime is None:
            raise InternalError("the host is used before it was opened")
        return self._runtime

    def _admit(self, envelope: Envelope) -> Activation | None:
        """A new activation for the envelope, or its refusal."""
        address = envelope.address
        error: CommonroomError | None = None
        if address.kind not in self._kinds:
            error = NotFound(f"no actor of kind {address.kind[:40]!r}")
        elif self._closing:
            error = Unavailable("the server is closing", retry_after_ms=OVERFLOW_MS)
        elif self._bounds is not None and slot_of_address(address) not in self._slots:
            self._move_on([envelope])
            return None
        else:
            error = self._supervisor.blocked(address)
        if error is not None:
            self._refuse(envelope, error)
            return None
        return self._live.get(address) or self._activate(address)

    def _activate(self, address: Address, *, due: int | None = None, known: tuple[str, int] | None = None) -> Activation:
        actor = self._kinds[address.kind](address)
        activation = Activation(self._running, address, actor, due=due, known=known)
        self._live[address] = activation
        self.stats.live += 1
        self._due.awake(address)
        self._tasks.start(f"load {address}", activation.load())
        if len(self._live) > self._evict_above:
            self._evict()
        return activation

    def _activate_due(self, address: Address, due: int) -> bool:
        """Make it live; False while it is left alone after failures."""
        if address in self._live or address.kind not in self._kinds:
            return True
        if self._bounds is not None and slot_of_address(address) not in self._slots:
            return True
        if self._supervisor.blocked(address) is not None:
            return False
        self._activate(address, due=due)
        return True

    def _watch_idle(self, activation: Activation) -> None:
        """Look again an idle time after the last turn; where that has passed (it is followed), an idle time from now."""
        now, rests_at = self._clock.now(), activation.now + self._idle_ms
        at = rests_at if rests_at > now else now + self._idle_ms
        activation.idle_entry = self._deadlines.at(at, self._check_idle, activation)

    def _check_idle(self, activation: Activation) -> None:
        """Passivate after a whole idle time without a turn; a followed or soon due actor stays."""
        if activation.state is State.ENDED:
            return
        now = self._clock.now()
        due = activation.next_due
        rested = now - activation.now >= self._idle_ms and (due is None or due - now > self._idle_ms)
        if rested and activation.quiet and not self._subscribers.count(activation.address):
            activation.passivate()
        else:
            self._watch_idle(activation)

    def _evict(self) -> None:
        """Over the cap: passivate the least recently used, followed ones last."""
        quiet = [activation for activation in self._live.values() if activation.quiet]
        excess = len(self._live) - self._settings.max_activations + self._settings.max_activations // EVICT_SHARE
        oldest = nsmallest(excess, quiet, key=lambda one: (self._subscribers.count(one.address) > 0, one.now))
        for activation in oldest:
            activation.passivate()
        self._evict_above = max(self._settings.max_activations, len(self._live) + len(self._live) // EVICT_SHARE)

    def _refuse(self, envelope: Envelope, error: CommonroomError) -> None:
        """Signals are not refused: the next activation has every subscriber announced anew."""
        if envelope.origin is None or type(envelope.command) in SIGNALS:
            return
        self.stats.refused += 1
        envelope.origin.refused(getattr(envelope.command, "ref", 0), error)

    def _crashed(self, name: str, error: BaseException) -> None:
        log.error("task_crashed", task=name, exc_info=error)


def _unchanged(authority: Authority) -> Authority:
    return authority


def _hasten(activations: Iterable[Activation]) -> None:
    for activation in activations:
        activation.hasten_all()
