"""How fast messages come: one person's, and all of a room's (FEATURES P10)."""

from collections.abc import Iterable
from typing import Final

from commonroom.errors import RateLimited
from commonroom.limit.gcra import Rate
from commonroom.limit.limit import MESSAGES, MESSAGES_OF_ROOM
from commonroom.limit.table import Table

__all__ = ["LONGEST_MS", "Flood"]

LONGEST_MS: Final = 2000
"""A message that would have to wait longer is refused."""

LONGEST_US: Final = LONGEST_MS * 1000

PEOPLE: Final = 1024
"""Remembered at most. A room's own limit lets 160 people write before the first of them may be forgotten."""


class Flood:
    """What a room grants its writers. What is not granted now is granted for later, and counted now.

    So the long run is exact. What waits for its writer's sake may meet what waits for the room's: over any time t a
    room has at most burst + (t + `LONGEST_MS`) / interval messages.

    Args:
        scale: times both limits, more than 0.
    """

    __slots__ = ("_people", "_room", "_room_tat_us")

    def __init__(self, scale: float) -> None:
        self._people = Table(MESSAGES.rate(scale), PEOPLE)
        self._room = MESSAGES_OF_ROOM.rate(scale)
        self._room_tat_us = 0

    def __len__(self) -> int:
        return len(self._people)

    def wait_ms(self, person: str, guests: Iterable[str], now: int, *, is_heard: bool = True) -> int:
        """How long a person's message has to wait. About 1.5 µs.

        Args:
            guests: ids of guests that the person was: what they wrote counts.
            now: ms; never runs backwards.
            is_heard: false: nobody else will see it, so that it uses nothing of the room's up.

        Raises:
            RateLimited: longer than `LONGEST_MS`.
        """
        people, room, now_us = self._people, self._room, now * 1000
        tat_us = people.tat_us(person)
        for guest in guests:
            tat_us = max(tat_us, people.tat_us(guest))
        own_us = _wait_us(people.rate, tat_us - now_us)
        room_us = _wait_us(room, self._room_tat_us - now_us) if is_heard else 0
        wait_us = own_us if own_us > room_us else room_us
        if wait_us > LONGEST_US:
            why = "you write faster than people read" if own_us >= room_us else "too many write here at once"
            raise RateLimited(f"{why}: wait a little", retry_after_ms=-(-wait_us // 1000))
        people.learn(person, people.rate.after(tat_us, now_us), now_us)
        if is_heard:
            self._room_tat_us = room.after(self._room_tat_us, now_us)
        return -(-wait_us // 1000) if wait_us > 0 else 0


def _wait_us(rate: Rate, ahead_us: int) -> int:
    """As `Rate.wait_us`, but what is granted for later brings a TAT further ahead than the rate's span."""
    interval_us, burst, _ = rate
    return ahead_us + interval_us - burst * interval_us
