"""The question whether a reader may still follow a room, after a push that may have shut it out."""

from typing import TYPE_CHECKING

from commonroom.engine.envelope import Admission
from commonroom.errors import CommonroomError
from commonroom.protocol.wire import ServerMessage

if TYPE_CHECKING:
    from commonroom.engine.gateway.fanout.subscription import Subscription

__all__ = ["Doubt"]


class Doubt:
    """Implements `Origin` for one `Query`. Each has an object of its own, as a `Renewal` does."""

    __slots__ = ("_subscription",)

    def __init__(self, subscription: "Subscription") -> None:
        self._subscription = subscription

    def replied(self, ref: int, message: ServerMessage) -> None:
        self._subscription.settled(self, None)

    def refused(self, ref: int, error: CommonroomError) -> None:
        self._subscription.settled(self, error)

    def admitted(self, ref: int, admission: Admission) -> None:
        """It is no join."""
