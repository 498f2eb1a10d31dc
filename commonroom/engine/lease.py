"""How long this node may believe that it owns what it owns (invariant I8).

A node that hears neither from the membership store nor from the slot table for a TTL must
assume that others have taken its slots. Its writes are fenced anyway; what must stop are
answers from memory. So every turn of a mailbox asks the lease, by the clock: a process
that was stopped and wakes finds it expired before its first answer.
"""

from collections.abc import Callable

__all__ = ["Lease"]


class Lease:
    """Valid until TTL after the last proof was asked for.

    Args:
        monotonic: seconds; must go on while the process is stopped.
    """

    __slots__ = ("_monotonic", "_until_s", "_waiting", "lapses", "ttl_s")

    def __init__(self, ttl_s: float, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self.ttl_s = ttl_s
        self._until_s = 0.0
        self._waiting: dict[Callable[[], None], None] = {}
        self.lapses = 0
        """Turns that were put off."""

    @property
    def margin_s(self) -> float:
        """Time left; negative once it has lapsed."""
        return self._until_s - self._monotonic()

    def valid(self) -> bool:
        """Whether answers from memory may be given now."""
        return self._monotonic() < self._until_s

    def asked_at(self) -> float:
        """The moment from which a proof that is asked for now will count."""
        return self._monotonic()

    def prove(self, asked_at_s: float) -> None:
        """Ownership was proven by an answer to what was asked then; those who wait go on."""
        self._until_s = max(self._until_s, asked_at_s + self.ttl_s)
        if self._waiting and self.valid():
            waiting, self._waiting = self._waiting, {}
            for go_on in waiting:
                go_on()

    def when_valid(self, go_on: Callable[[], None]) -> None:
        """Call once it is valid again."""
        self.lapses += 1
        self._waiting[go_on] = None
