"""The question whether a reader may still follow a room, after a push that may have shut it out."""

from collections import deque
from typing import TYPE_CHECKING, Final

from commonroom.engine.envelope import Admission
from commonroom.errors import CommonroomError
from commonroom.protocol.wire import ServerMessage

if TYPE_CHECKING:
    from commonroom.engine.gateway.fanout.subscription import Subscription

__all__ = ["AT_ONCE", "Doubt", "Doubts"]

AT_ONCE: Final = 64
"""Questions to one room under way from here: of thousands at once its mailbox, or the window to it, would refuse some as too many."""


class Doubts:
    """The questions of one room's readers on this node, in order, a few at a time."""

    __slots__ = ("_is_asking", "_under_way", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[Doubt] = deque()
        self._under_way = 0
        self._is_asking = False

    def ask(self, doubt: "Doubt") -> None:
        """Have the room asked, once it is its turn."""
        self._waiting.append(doubt)
        self._go_on()

    def answered(self) -> None:
        """One less is under way."""
        self._under_way -= 1
        self._go_on()

    def _go_on(self) -> None:
        if self._is_asking:  # an answer within the very question: the loop below goes on
            return
        self._is_asking = True
        try:
            while self._waiting and self._under_way < AT_ONCE:
                self._under_way += 1
                self._waiting.popleft().ask()
        finally:
            self._is_asking = False


class Doubt:
    """Implements `Origin` for one `Query`. Each has an object of its own, as a `Renewal` does."""

    __slots__ = ("_doubts", "_subscription")

    def __init__(self, doubts: Doubts, subscription: "Subscription") -> None:
        self._doubts = doubts
        self._subscription = subscription

    def ask(self) -> None:
        """It is its turn; nothing is asked where its subscription waits for it no more."""
        if not self._subscription.ask(self):
            self._doubts.answered()

    def replied(self, ref: int, message: ServerMessage) -> None:
        self._subscription.settled(self, None)
        self._doubts.answered()

    def refused(self, ref: int, error: CommonroomError) -> None:
        self._subscription.settled(self, error)
        self._doubts.answered()

    def admitted(self, ref: int, admission: Admission) -> None:
        """It is no join."""
