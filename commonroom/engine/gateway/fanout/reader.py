"""What a subscription needs of its session."""

from typing import TYPE_CHECKING, Protocol

from commonroom.engine.gateway.outbox import Outbox
from commonroom.errors import CommonroomError
from commonroom.identity import Authority, Principal
from commonroom.protocol.codec import Codec
from commonroom.protocol.wire import ServerMessage

if TYPE_CHECKING:
    from commonroom.engine.gateway.fanout.subscription import Subscription

__all__ = ["Reader"]


class Reader(Protocol):
    """The session, as its subscriptions see it.

    It calls `Subscription.congested` when its outbox congests and `Subscription.advance`
    when that has drained.
    """

    id: str
    codec: Codec
    outbox: Outbox

    @property
    def authority(self) -> Authority: ...

    @property
    def hidden(self) -> frozenset[Principal] | None:
        """Whom it does not see; None: not known yet."""
        ...

    def want_hidden(self) -> None:
        """Somebody waits for `hidden`: `Subscription.hidden_changed` or `hidden_unknown` is called when it was read."""
        ...

    def send(self, message: ServerMessage) -> None:
        """Write one message of its own."""
        ...

    def refused(self, ref: int, error: CommonroomError) -> None:
        """Answer a command with an error; nothing for ref 0 but the loss of a room."""
        ...

    def drop(self, subscription: "Subscription") -> None:
        """The subscription is gone: forget it."""
        ...

    def moved(self) -> None:
        """It is in another room, or something else goes on in one of its rooms."""
        ...

    def may_read(self, subscription: "Subscription") -> bool:
        """Take the session's one turn to read the journal; False: it is taken."""
        ...

    def read_done(self) -> None:
        """Give the turn back."""
        ...
