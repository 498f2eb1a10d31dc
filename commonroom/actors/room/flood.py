"""How fast messages come, and what else is stored: one person's, and all of a room's (FEATURES P10)."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from commonroom.errors import RateLimited
from commonroom.limit.gcra import Rate
from commonroom.limit.limit import CHANGES, CHANGES_OF_ROOM, MESSAGES, MESSAGES_OF_ROOM, Limit
from commonroom.limit.table import Table

__all__ = ["CHANGING", "LONGEST_MS", "WRITING", "Flood", "Pace"]

LONGEST_MS: Final = 2000
"""A message that would have to wait longer is refused."""

PEOPLE: Final = 1024
"""Remembered at most. A room's own limit lets 160 people write before the first of them may be forgotten."""


class Pace(NamedTuple):
    """How fast something may come. What would have to wait longer than `longest_ms` is refused."""

    of_person: Limit
    of_room: Limit
    longest_ms: int
    too_fast: str
    too_many: str


WRITING: Final = Pace(MESSAGES, MESSAGES_OF_ROOM, LONGEST_MS, "you write faster than people read", "too many write here at once")
CHANGING: Final = Pace(CHANGES, CHANGES_OF_ROOM, 0, "you change this room too often", "too many change this room at once")


class Flood:
    """What a room grants its people. What is not granted now is granted for later, if that is soon, and counted now.

    So the long run is exact. What waits for its person's sake may meet what waits for the room's: over any time t a
    room has at most burst + (t + `longest_ms`) / interval of them.

    Args:
        scale: times both limits, more than 0.
    """

    __slots__ = ("_longest_us", "_pace", "_people", "_room", "_room_tat_us")

    def __init__(self, scale: float, pace: Pace = WRITING) -> None:
        self._pace = pace
        self._longest_us = pace.longest_ms * 1000
        self._people = Table(pace.of_person.rate(scale), PEOPLE)
        self._room = pace.of_room.rate(scale)
        self._room_tat_us = 0

    def __len__(self) -> int:
        return len(self._people)

    def wait_ms(self, person: str, guests: Iterable[str], now: int, *, is_of_room: bool = True) -> int:
        """How long what a person sent has to wait. About 1.5 µs.

        Args:
            guests: ids of guests that the person was: what they did counts.
            now: ms; never runs backwards.
            is_of_room: false: it counts as the person's alone, and uses nothing of the room's up.

        Raises:
            RateLimited: longer than the pace lets anything wait.
        """
        people, room, now_us = self._people, self._room, now * 1000
        tat_us = people.tat_us(person)
        for guest in guests:
            tat_us = max(tat_us, people.tat_us(guest))
        own_us = _wait_us(people.rate, tat_us - now_us)
        room_us = _wait_us(room, self._room_tat_us - now_us) if is_of_room else 0
        wait_us = own_us if own_us > room_us else room_us
        if wait_us > self._longest_us:
            why = self._pace.too_fast if own_us >= room_us else self._pace.too_many
            raise RateLimited(f"{why}: wait a little", retry_after_ms=-(-wait_us // 1000))
        people.learn(person, people.rate.after(tat_us, now_us), now_us)
        if is_of_room:
            self._room_tat_us = room.after(self._room_tat_us, now_us)
        return -(-wait_us // 1000) if wait_us > 0 else 0


def _wait_us(rate: Rate, ahead_us: int) -> int:
    """As `Rate.wait_us`, but what is granted for later brings a TAT further ahead than the rate's span."""
    interval_us, burst, _ = rate
    return ahead_us + interval_us - burst * interval_us
