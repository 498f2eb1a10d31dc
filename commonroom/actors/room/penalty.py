"""Whom host and co-hosts keep out of a room or silent in it, and until when. Durable: a part of the fold."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from commonroom.identity import Principal

__all__ = ["MAX_PENALTIES", "Penalties", "Penalty"]

MAX_PENALTIES: Final = 1000
"""Bans in force in a room, and as many mutes: 60 bytes each in its snapshot."""


class Penalty(Struct, frozen=True, array_like=True, gc=False):
    """What stands against a person, who was these guests; `until` is cluster ms, None: it has no end."""

    person: Principal
    until: int | None = None
    guests: tuple[Principal, ...] = ()

    def holds(self, now: int) -> bool:
        """Whether it stands at `now`, cluster ms."""
        return self.until is None or now < self.until


class Penalties:
    """Penalties of one sort, by every name of whom they stand against. Looking somebody up is O(names of theirs)."""

    __slots__ = ("_by_name", "_by_person")

    def __init__(self, penalties: Iterable[Penalty] = ()) -> None:
        self._by_person: dict[Principal, Penalty] = {}
        self._by_name: dict[Principal, Penalty] = {}
        for penalty in penalties:
            self._keep(penalty)

    def __bool__(self) -> bool:
        return bool(self._by_person)

    def __contains__(self, name: Principal) -> bool:
        """Whether one was imposed under this name, and is not forgotten."""
        return name in self._by_name

    def find(self, names: Iterable[Principal], now: int) -> Penalty | None:
        """What stands at `now` against whoever has these names."""
        for name in names:
            penalty = self._by_name.get(name)
            if penalty is not None and penalty.holds(now):
                return penalty
        return None

    def count(self, now: int) -> int:
        """How many stand at `now`. O(all)."""
        return sum(penalty.holds(now) for penalty in self._by_person.values())

    def impose(self, penalty: Penalty, at: int) -> None:
        """Take a penalty up in place of what stood against the person or one of the guests; forget those that are over `at`. O(all)."""
        for over in [one for one in self._by_person.values() if not one.holds(at)]:
            self._forget(over)
        for name in (penalty.person, *penalty.guests):
            self.lift(name)
        self._keep(penalty)

    def lift(self, person: Principal) -> None:
        """Nothing stands against them any more."""
        if (penalty := self._by_name.get(person)) is not None:
            self._forget(penalty)

    def dump(self) -> list[Penalty]:
        """All of them, the oldest first."""
        return list(self._by_person.values())

    def _keep(self, penalty: Penalty) -> None:
        self._by_person[penalty.person] = penalty
        for name in (penalty.person, *penalty.guests):
            self._by_name[name] = penalty

    def _forget(self, penalty: Penalty) -> None:
        del self._by_person[penalty.person]
        for name in (penalty.person, *penalty.guests):
            if self._by_name.get(name) is penalty:
                del self._by_name[name]
