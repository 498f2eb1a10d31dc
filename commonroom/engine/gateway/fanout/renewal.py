"""The question for a fresh volatile snapshot, for a reader that missed something."""

from typing import TYPE_CHECKING

from commonroom.engine.envelope import Admission
from commonroom.errors import CommonroomError
from commonroom.protocol.wire import ServerMessage

if TYPE_CHECKING:
    from commonroom.engine.gateway.fanout.subscription import Subscription

__all__ = ["Renewal"]


class Renewal:
    """Implements `Origin` for one `Resync`.

    Each has an object of its own, so that a late answer is not taken for that of a later one.
    """

    __slots__ = ("_subscription",)

    def __init__(self, subscription: "Subscription") -> None:
        self._subscription = subscription

    def replied(self, ref: int, message: ServerMessage) -> None:
        self._subscription.renewed(self, message)

    def refused(self, ref: int, error: CommonroomError) -> None:
        """Go on without: a client that counts revs notices what it missed, and joins again."""
        self._subscription.renewed(self, None)

    def admitted(self, ref: int, admission: Admission) -> None:
        """It is no join."""
