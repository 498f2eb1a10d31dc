"""Flags: features that are on for a share of the principals, changed while servers run (FEATURES P33).

A flag is a field of `FlagSettings`: declared there, with the share it has by default. An admin's word in the table goes
before the settings, until it is taken back; it is in force on every node within two seconds (`mirror.py`).

Whether a principal has a flag follows from a hash of both, so
that nobody has it now and not the next moment, that all nodes agree without a word, that a larger share takes nobody's
away, and that other flags fall on other people. A guest who becomes a user is another principal, and may have other flags.

A flag is for bringing a feature to people by and by, and for taking it back. It guards no second way of doing the same, and goes once
its share is 100 for good.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final, Literal, NamedTuple, Protocol, get_args

from commonroom.config.settings import FlagSettings
from commonroom.engine.mirror import Mirror
from commonroom.engine.notice import Notices
from commonroom.identity import Principal

__all__ = ["FLAGS", "FlagName", "FlagStore", "Flags", "Told", "place_of"]

FlagName = Literal["live_list"]

FLAGS: Final[tuple[FlagName, ...]] = get_args(FlagName)
"""All of them, as the settings declare them."""

PLACES: Final = 10_000
"""Shares are told apart to a hundredth of a per cent."""


class Told(Protocol):
    """What an admin said."""

    @property
    def name(self) -> str: ...

    @property
    def share(self) -> float: ...

    @property
    def at(self) -> int: ...

    @property
    def by(self) -> str: ...


class FlagStore(Protocol):
    """The truth, in PostgreSQL. Every method raises Unavailable where it does not answer."""

    async def read(self) -> Sequence[Told]:
        """All that admins said; names that are not known mean nothing."""
        ...

    async def set(self, name: str, share: float, at: int, by: str) -> None:
        """An admin says how many have it."""
        ...

    async def clear(self, name: str) -> None:
        """No admin says anything of it any more."""
        ...


class Share(NamedTuple):
    """How many have a flag, in per cent; `told`: what an admin said, None: the settings say it."""

    per_cent: float
    told: Told | None


class Flags(Mirror):
    """The flags of one node."""

    def __init__(self, store: FlagStore, settings: FlagSettings, notices: Notices) -> None:
        super().__init__("flag", notices)
        self._store = store
        self.configured: Mapping[FlagName, float] = {name: getattr(settings, name) for name in FLAGS}
        """Their shares by the settings."""
        self._told: Mapping[str, Told] = {}
        self._places = self._limits()

    def share(self, name: FlagName) -> Share:
        """How many have it now."""
        told = self._told.get(name)
        return Share(self.configured[name], None) if told is None else Share(told.share, told)

    def is_on(self, name: FlagName, principal: Principal) -> bool:
        """Whether this one has it. A look-up where all or none have it, else 0.7 µs."""
        places = self._places[name]
        return places >= PLACES or (places > 0 and place_of(name, principal) < places)

    async def change(self, name: FlagName, share: float | None, at: int, by: str) -> None:
        """Have an admin's word: here when this returns, on all other nodes within two seconds.

        Args:
            share: per cent of the principals; None: as the settings say.
            at: cluster ms.
            by: the admin's id.

        Raises:
            Unavailable: the database does not answer; whether it changed is unknown, it may be tried again.
        """
        try:
            await (self._store.clear(name) if share is None else self._store.set(name, share, at, by))
            await self._read()
        finally:
            self._notices.tell("flag", [name])

    def _limits(self) -> Mapping[FlagName, int]:
        return {name: round(self.share(name).per_cent * PLACES / 100) for name in FLAGS}

    async def _read(self) -> None:
        self._told = {told.name: told for told in await self._store.read()}
        self._places = self._limits()


def place_of(name: str, principal: Principal) -> int:
    """Where a principal stands among all for a flag, 0 to 9,999: the same on every node, for ever."""
    seed = f"{name}:{principal.actor_type}:{principal.actor_id}".encode()
    return int.from_bytes(blake2b(seed, digest_size=8).digest(), "big") % PLACES
