"""The engine's wrapper around a command, and what comes back."""

from typing import Protocol

from msgspec import Struct

from commonroom.engine.actor import Audience
from commonroom.engine.address import Address
from commonroom.errors import CommonroomError
from commonroom.identity import Authority, Principal
from commonroom.protocol.wire import Command, ServerMessage

__all__ = ["Admission", "Attach", "Detach", "Envelope", "Origin", "Publication", "Query", "Resync", "Subscribers"]


class Attach(Struct, frozen=True):
    """Signal: this session follows the actor already (sent after a new activation).

    `refreshed`: the activation knows the session; its authority is another (`Refresh`).
    When that is lost on the way, the next announcement carries the new authority.
    `said`: what the session tells of itself, between its gateway and the actor; said again where it changes.
    """

    refreshed: bool = False
    said: bytes = b""


class Detach(Struct, frozen=True):
    """Signal: this session follows no longer."""


class Resync(Struct, frozen=True):
    """Signal: this session's volatile view is stale."""


class Query(Struct, frozen=True):
    """Signal: what may this authority see? Answered by `replied(0, view)` or `refused(0, NotFound)`.

    `hidden`: whom it does not see.
    """

    action: str
    hidden: frozenset[Principal] = frozenset()


class Publication(Struct, frozen=True, gc=False):
    """A push on its way to subscribers.

    `offset` is 0 for a volatile push. `payload` is its MessagePack form; `message`
    is kept for other codecs and filters. `author` and `audience` stay beside the
    bytes so that a filtered reader costs no decoding.
    """

    message: ServerMessage
    payload: bytes
    offset: int
    author: Principal | None
    audience: Audience | None
    conflate: str | None


class Admission(Struct, frozen=True):
    """The answer to a join.

    `replay` are the events after the asked position that the ring holds, up to
    `offset`; `missing` is the range (first, last) the ring does not hold, to be read
    from the journal. Both empty for a fresh join. `reset`: the asked position is of
    another history or beyond the head; nothing can be replayed.
    """

    snapshot: ServerMessage
    history: int
    offset: int
    replay: tuple[Publication, ...]
    missing: tuple[int, int] | None
    reset: bool = False


class Origin(Protocol):
    """Where a command came from and its answer goes. Called on the loop, in order."""

    def replied(self, ref: int, message: ServerMessage) -> None: ...

    def refused(self, ref: int, error: CommonroomError) -> None: ...

    def admitted(self, ref: int, admission: Admission) -> None: ...


class Envelope(Struct):
    """A command and what the edge knows about it.

    `session` is the gateway session's id, None over HTTP. `resume` is the
    (history, offset) a join asked for. `key` is the dedup key of a command that no
    client sent (an effect, see `outbox.py`): it takes the place of the nonce, and
    `authority` may be None where the handler does not ask for it. `later` are the nonces
    of what the session sent after it, where that may have been handled before this:
    once one of them is stored, this is refused, for the session would find its commands
    in another order (I5). Exactly one of the origin's methods is called for each
    envelope with a ref > 0 or a join, whatever happens.
    """

    address: Address
    command: Command | Attach | Detach | Resync | Query
    authority: Authority | None
    origin: Origin | None
    session: str | None = None
    resume: tuple[int, int] | None = None
    key: str | None = None
    later: tuple[str, ...] = ()


class Subscribers(Protocol):
    """The gateways, as the actor host sees them."""

    def publish(self, address: Address, publication: Publication) -> None:
        """Deliver to all subscribers of the address. In order a room; never blocks."""
        ...

    def activated(self, address: Address, activation: str, head: int) -> None:
        """A new instance is live, its stream at `head`: announce the subscribers again (`Attach`)."""
        ...

    def count(self, address: Address) -> int:
        """How many sessions follow the address."""
        ...
