"""What an actor is, and what it may do: the contract between the product and the engine.

A handler is synchronous: it validates, then emits effects through `Context`. State
is a fold of persisted events: `apply` alone changes durable state. The engine calls
all hooks of one activation one after another on the loop's thread, never two at a
time. Time, ids and randomness come from the context: same commands, same effects.

What a raising hook means: `receive`, `attach`, `detach`, `wake`: raised before any
`persist`, the command alone is refused (a `CommonroomError` is its answer, anything
else is INTERNAL and counted); raised after, the activation ends once pending commits
have been answered. `apply`, `dump`, `load`: the activation ends.
"""

from abc import ABC, abstractmethod
from collections.abc import Container, Iterable
from typing import ClassVar, NamedTuple, Protocol

from msgspec import Struct

from commonroom.engine.address import Address
from commonroom.identity import Authority, Principal
from commonroom.ids import Random
from commonroom.protocol.wire import Command, DurablePush, ServerMessage

__all__ = ["Actor", "Audience", "Context", "Deadline", "Facts", "Wake"]


class Wake(NamedTuple):
    """A deadline's name and the state version it was set for."""

    name: str
    version: int


class Deadline(NamedTuple):
    """A durable deadline, derived from state: `at` in cluster ms."""

    at: int
    wake: Wake


class Audience(Struct, frozen=True):
    """Who a push is for. `only` None: all subscribers but `excluded`."""

    only: frozenset[Principal] | None = None
    excluded: frozenset[Principal] = frozenset()

    def admits(self, principal: Principal, guests: Iterable[str] = ()) -> bool:
        """Whether this principal sees the push, who was these guests."""
        if principal in self.excluded:
            return False
        if self.only is None or principal in self.only:
            return True
        return any(Principal("guest", guest) in self.only for guest in guests)


class Facts(Struct, frozen=True):
    """An old message's own events, loaded because `needs` asked: create, edits, deletion, in order.

    Attributes:
        aside: the offsets of those that have an audience.
    """

    events: tuple[DurablePush, ...]
    aside: frozenset[int] = frozenset()


class Context(Protocol):
    """What a handler may do. Valid only during the call it was passed to."""

    @property
    def address(self) -> Address: ...

    @property
    def activation(self) -> str:
        """Id of the live instance."""
        ...

    @property
    def activated_at(self) -> int:
        """When this instance went live, cluster ms."""
        ...

    @property
    def now(self) -> int:
        """Cluster time in ms; for a late wake its due time."""
        ...

    @property
    def authority(self) -> Authority:
        """Who sent the command. Wakes and effects have none: asking raises InternalError."""
        ...

    @property
    def session(self) -> str | None:
        """The gateway session the command came from; None over HTTP."""
        ...

    @property
    def said(self) -> bytes:
        """What the session that is announced tells of itself, see `Attach`; empty: nothing."""
        ...

    @property
    def next_offset(self) -> int:
        """The offset the next persisted event must carry."""
        ...

    @property
    def facts(self) -> Facts | None:
        """What `needs` asked for; None if it asked for nothing or nothing is there."""
        ...

    @property
    def random(self) -> Random: ...

    def persist(
        self,
        event: DurablePush,
        *,
        private: Struct | None = None,
        audience: Audience | None = None,
        rewrites: Iterable[DurablePush] = (),
    ) -> None:
        """Apply the event now; journal it; publish it to subscribers once committed.

        `rewrites` are contentless forms that replace the earlier events of their
        offsets in journal and ring; a new snapshot goes with them.
        """
        ...

    def reply(self, message: ServerMessage) -> None:
        """Answer the command, behind everything persisted so far. At most once."""
        ...

    def admit(self, snapshot: ServerMessage) -> None:
        """Answer a join: the reply `snapshot` at the current head opens the subscription."""
        ...

    def publish(self, push: ServerMessage, *, conflate: str | None = None, audience: Audience | None = None) -> None:
        """A volatile push to all subscribers; may overtake pending commits.

        `conflate` is kind + subject: a newer push of the same key may replace this
        one in a slow reader's outbox. None: a delta, dropped under pressure and
        mended by a fresh snapshot.
        """
        ...

    def schedule(self, at: int, wake: Wake, *, stores: bool = False) -> None:
        """A volatile wake-up at cluster time `at`; replaces one of the same name.

        Args:
            stores: it may persist, and so waits while nothing can be stored. Another one must not.
        """
        ...

    def cancel(self, name: str) -> None:
        """Forget the volatile wake-up of that name, if any."""
        ...

    def hasten(self, sessions: Container[str]) -> None:
        """Have what waits for its time handled soon, of these sessions: they can hope for no other answer later."""
        ...


class Actor(ABC):
    """One actor's state and rules. Created empty; `load` and `apply` rebuild it."""

    kind: ClassVar[str]

    is_volatile: ClassVar[bool] = False
    """Nothing of it is durable: it must not persist, and the journal is not asked for it."""

    def __init__(self, address: Address) -> None:
        self.address = address

    @abstractmethod
    def apply(self, event: DurablePush, private: bytes | None) -> None:
        """Fold one event into the state. Pure: no context, no effects."""

    @abstractmethod
    def receive(self, ctx: Context, command: Command) -> None:
        """Handle a command from a client, from HTTP, or an effect of another actor's event."""

    @abstractmethod
    def may(self, authority: Authority, action: str, now: int) -> bool:
        """Whether this principal may do `action` (`room.read`) at `now`, cluster ms; for reads over HTTP."""

    @abstractmethod
    def dump(self) -> bytes:
        """The durable state, versioned."""

    @abstractmethod
    def load(self, snapshot: bytes) -> None:
        """Take over a dumped state of this or an earlier version."""

    def view(self, hidden: frozenset[Principal] = frozenset(), action: str = "") -> Struct | None:
        """What HTTP may show of the actor (GET /v1/rooms/{id}) to somebody who may do `action` and does not see these people.

        None: it does not exist.
        """
        return None

    def exists(self) -> bool:
        """False until its create event: commands but the creating one get NotFound."""
        return True

    def attach(self, ctx: Context) -> None:
        """A subscriber is announced again after the activation changed (`ctx.session`, `ctx.authority`).

        Nothing is answered. Raising ends that subscription.
        """

    def refreshed(self, ctx: Context) -> None:
        """The subscriber `ctx.session` has another name, or is a user who was a guest (`ctx.authority`, FEATURES P2).

        This may come before the activation heard of the subscriber. As for `attach` otherwise.
        """
        self.attach(ctx)

    def detach(self, ctx: Context) -> None:
        """The subscriber `ctx.session` is gone: left, closed or died."""

    def wake(self, ctx: Context, wake: Wake) -> None:
        """A deadline, durable or volatile. A stale version has been filtered for durable ones."""

    def due(self) -> Deadline | None:
        """The earliest durable deadline of the present state. Cheap: asked after every command."""
        return None

    def needs(self, command: Command) -> int | None:
        """Offset of an old message whose events the handler must see, not held any more."""
        return None

    def wait_ms(self, authority: Authority, command: Command, now: int, scale: float) -> int:
        """How long a client's durable command is to wait because it comes too fast; it is counted by that. 0: not at all.

        Asked once for each command with a nonce that is not stored yet, when it arrives, also while others of its sender
        wait. Cheap. Nothing durable may follow from what is counted: it is gone with the activation.

        Args:
            now: cluster ms, when it arrived.
            scale: times the actor's limits, more than 0.

        Raises:
            RateLimited: it would have to wait too long; it is not counted.
        """
        return 0

    def summary(self) -> Struct | None:
        """What lists show of the actor, see `Summaries`; None: nothing. Cheap: asked each second in which something happened."""
        return None

    def resync(self) -> ServerMessage | None:
        """A fresh volatile snapshot for one stale subscriber (presence)."""
        return None
