"""Keys and their TATs in memory, bounded."""

from collections import OrderedDict
from itertools import islice
from typing import Final

from commonroom.limit.gcra import Rate

__all__ = ["CAPACITY", "Table"]

CAPACITY: Final = 50_000
"""Keys of one limit, about 15 MB. To reach it takes as many addresses or typed accounts within a period; the oldest are forgotten then."""

SWEPT: Final = 2
"""Old keys looked at for each new one: what has passed is gone soon, and no call takes long."""


class Table:
    """The keys of one limit, those that were granted something longest ago first.

    A full table forgets the first: of those that still count it has, give or take a burst, the least left to wait for.
    """

    __slots__ = ("_capacity", "_tats", "rate")

    def __init__(self, rate: Rate, capacity: int = CAPACITY) -> None:
        self.rate = rate
        self._capacity = capacity
        self._tats: OrderedDict[str, int] = OrderedDict()  # a plain dict finds its first key slowly when many before it have gone

    def __len__(self) -> int:
        return len(self._tats)

    def tat_us(self, key: str) -> int:
        """0: nothing is known of it."""
        return self._tats.get(key, 0)

    def wait_us(self, key: str, now_us: int) -> int:
        """How long until one is granted; 0 or less: it would be now. Nothing changes."""
        return self.rate.wait_us(self._tats.get(key, 0), now_us)

    def grant(self, key: str, now_us: int) -> None:
        """One more."""
        self.learn(key, self.rate.after(self._tats.get(key, 0), now_us), now_us)

    def refuse(self, key: str, now_us: int) -> None:
        """One was refused."""
        if self.rate.longest_us:
            self.learn(key, self.rate.refused(self._tats.get(key, 0), now_us), now_us)

    def learn(self, key: str, tat_us: int, now_us: int) -> None:
        """Its TAT is this one."""
        tats = self._tats
        if key in tats:
            tats.move_to_end(key)
        else:
            self._make_room(now_us)
        tats[key] = tat_us

    def _make_room(self, now_us: int) -> None:
        tats = self._tats
        for key in [key for key, tat_us in islice(tats.items(), SWEPT) if tat_us <= now_us]:
            del tats[key]
        if len(tats) >= self._capacity:
            tats.popitem(last=False)
