"""What fails again and again is left alone for longer and longer."""

from commonroom.clock import Clock
from commonroom.engine.address import Address
from commonroom.errors import Unavailable
from commonroom.ids import Random

__all__ = ["Supervisor"]

BASE_MS = 100
MAX_MS = 30_000
FORGIVEN_MS = 60_000
"""A failure this long after the last back-off's end counts as the first again."""

MAX_ENTRIES = 4096


class Supervisor:
    """Failures by address.

    The first failure costs no wait: most are a database that came back or a write
    that lost a race. Each repeat doubles the wait from 100 ms to 30 s, the upper
    half of it at random so that actors which failed together do not return together.
    """

    def __init__(self, clock: Clock, random: Random) -> None:
        self._clock = clock
        self._random = random
        self._failures: dict[Address, tuple[int, int]] = {}

    def failed(self, address: Address) -> int:
        """Note a failure; returns the cluster time before which not to try again."""
        now = self._clock.now()
        repeats, until = self._failures.pop(address, (0, now))
        if now > until + FORGIVEN_MS:
            repeats = 0
        wait = min(MAX_MS, BASE_MS << min(repeats - 1, 20)) if repeats else 0
        until = now + wait - self._random.randrange(wait // 2 + 1)
        self._failures[address] = (repeats + 1, until)
        if len(self._failures) > MAX_ENTRIES:
            del self._failures[next(iter(self._failures))]
        return until

    def blocked(self, address: Address) -> Unavailable | None:
        """The answer to a command while the address is left alone; None when it may be tried."""
        if not self._failures or (failure := self._failures.get(address)) is None:
            return None
        wait = failure[1] - self._clock.now()
        return unavailable(address, wait) if wait > 0 else None


def unavailable(address: Address, wait_ms: int = 0) -> Unavailable:
    """RETRY, with a hint of at least `BASE_MS`."""
    return Unavailable(f"{address} is restarting", retry_after_ms=max(wait_ms, BASE_MS))
