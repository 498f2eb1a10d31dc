"""What a handler may do, done: gathers the effects of one command or wake.

Events are applied at once and kept for one commit; what answers or tells of them is
kept until the handler is through. Whoever runs the handler takes both from here.
"""

from abc import ABC, abstractmethod
from collections.abc import Container, Iterable

from msgspec import Struct

from commonroom.engine.actor import Actor, Audience, Facts, Wake
from commonroom.engine.address import Address, slot_of
from commonroom.engine.envelope import Admission, Attach, Envelope, Publication
from commonroom.engine.gate import Output
from commonroom.engine.lifecycle import Runtime
from commonroom.engine.private import pack
from commonroom.engine.ring import Ring
from commonroom.engine.schedule import Entry
from commonroom.errors import InternalError
from commonroom.identity import Authority
from commonroom.ids import new_id
from commonroom.protocol.codec import MSGPACK, encode_event
from commonroom.protocol.wire import DurablePush, ServerMessage
from commonroom.storage.journal.port import NewEvent, Rewrite

__all__ = ["HandlerContext"]


class HandlerContext(ABC):
    """Implements `Context` for one actor, for one handler call after another."""

    def __init__(self, runtime: Runtime, address: Address, actor: Actor) -> None:
        self.address = address
        self.activation = new_id(runtime.clock.now(), runtime.random.getrandbits(74))
        self.activated_at: int = runtime.clock.now()
        self.now: int = self.activated_at
        self.session: str | None = None
        self.facts: Facts | None = None
        self.random = runtime.random
        self.actor = actor
        self._runtime = runtime
        self._stream = str(address)
        self._slot = slot_of(self._stream)
        self._ring = Ring(runtime.settings.ring_events)
        self._timers: dict[str, Entry] = {}
        # The effects of the command being handled; reused for the next one.
        self._envelope: Envelope | None = None
        self._key: str | None = None
        self._stores = False
        self._ref = 0
        self._answered = False
        self._outputs: list[Output] = []
        self._events: list[NewEvent] = []
        self._rewrites: list[Rewrite] = []

    @property
    def authority(self) -> Authority:
        if self._envelope is None or self._envelope.authority is None:
            raise InternalError("nobody sent this: wakes and effects have no authority")
        return self._envelope.authority

    @property
    def said(self) -> bytes:
        command = None if self._envelope is None else self._envelope.command
        return command.said if isinstance(command, Attach) else b""

    @property
    def next_offset(self) -> int:
        return self._ring.head + 1

    def persist(
        self,
        event: DurablePush,
        *,
        private: Struct | None = None,
        audience: Audience | None = None,
        rewrites: Iterable[DurablePush] = (),
    ) -> None:
        if self.actor.is_volatile:
            raise InternalError(f"nothing of {self._stream} is durable")
        if event.offset != self._ring.head + 1:
            raise InternalError(f"event of offset {event.offset} where {self._ring.head + 1} is next")
        if self._key is None and not self._stores:
            raise InternalError("a command without a nonce must not persist, nor a wake that did not say so")
        payload = encode_event(event)
        facts, column = pack(private, audience)
        replaced = [(old, Rewrite(old.offset, encode_event(old))) for old in rewrites]
        key = None if self._events else self._key
        self._events.append(NewEvent(event.offset, event.at, key, payload, column))
        self.actor.apply(event, facts)
        publication = Publication(event, payload, event.offset, event.author, audience, None)
        self._ring.append(publication)
        self._outputs.append((self._runtime.subscribers.publish, self.address, publication))
        for old, rewrite in replaced:
            self._rewrites.append(rewrite)
            self._ring.rewrite(old)

    def reply(self, message: ServerMessage) -> None:
        origin = self._answering().origin
        if origin is not None and self._ref:
            self._outputs.append((origin.replied, self._ref, message))

    def admit(self, snapshot: ServerMessage) -> None:
        envelope = self._answering()
        if envelope.origin is not None:
            admission = self._admission(snapshot, envelope.resume)
            self._outputs.append((envelope.origin.admitted, self._ref, admission))

    def publish(self, push: ServerMessage, *, conflate: str | None = None, audience: Audience | None = None) -> None:
        envelope = self._envelope
        author = envelope.authority.principal if envelope is not None and envelope.authority is not None else None
        publication = Publication(push, MSGPACK.encode(push), 0, author, audience, conflate)
        self._runtime.subscribers.publish(self.address, publication)

    def schedule(self, at: int, wake: Wake, *, stores: bool = False) -> None:
        self.cancel(wake.name)
        self._timers[wake.name] = self._runtime.deadlines.at(at, self._volatile_due, (at, wake, stores))

    def cancel(self, name: str) -> None:
        entry = self._timers.pop(name, None)
        if entry is not None:
            self._runtime.deadlines.cancel(entry)

    def hasten(self, sessions: Container[str]) -> None:
        self._runtime.loop.call_soon(self._hasten, sessions)

    # -- for those who run handlers --------------------------------------------

    @abstractmethod
    def _hasten(self, sessions: Container[str] | None) -> None:
        """Handle at once what only waits for its time; None: of all."""

    @abstractmethod
    def _volatile_due(self, due: tuple[int, Wake, bool]) -> None:
        """A scheduled wake's time has come."""

    def _answering(self) -> Envelope:
        """The envelope of the command at hand, answered now.

        Raises:
            InternalError: there is none, or it was answered before.
        """
        if self._envelope is None or self._answered:
            raise InternalError("nothing to answer: a wake, or answered already")
        self._answered = True
        return self._envelope

    def _admission(self, snapshot: ServerMessage, resume: tuple[int, int] | None) -> Admission:
        history, head = self._runtime.journal.history, self._ring.head
        if resume is None:
            return Admission(snapshot, history, head, (), None)
        if resume[0] != history or resume[1] > head:
            return Admission(snapshot, history, head, (), None, reset=True)
        replay, missing = self._ring.after(resume[1])
        return Admission(snapshot, history, head, replay, missing)

    def _discard(self) -> None:
        """Forget what a handler emitted that failed."""
        self._outputs.clear()
        self._events.clear()
        self._rewrites.clear()
