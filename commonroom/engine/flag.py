"""Flags: features that are on for a share of the principals, changed while servers run (FEATURES P33).

A flag is a field of `FlagSettings`: declared there, with the share it has by default. An admin's word in the table goes
before the settings, until it is taken back.

    admin ──► table ──► notice ──► every node: reads all of them again
                └────── read at the start, and when notices may have been lost ──────┘

So a change is in force on every node within two seconds. Whether a principal has a flag follows from a hash of both, so
that nobody has it now and not the next moment, that all nodes agree without a word, that a larger share takes nobody's
away, and that other flags fall on other people. A guest who becomes a user is another principal, and may have other flags.

A flag is for bringing a feature to people by and by, and for taking it back. It guards no second way of doing the same, and goes once
its share is 100 for good.
"""

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final, Literal, NamedTuple, Protocol, get_args

import structlog

from commonroom.config.settings import FlagSettings
from commonroom.engine.notice import Notices
from commonroom.errors import Unavailable
from commonroom.identity import Principal
from commonroom.tasks import TaskGroup

__all__ = ["FLAGS", "FlagName", "FlagStore", "Flags", "Told", "place_of"]

log = structlog.get_logger(__name__)

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


class Flags:
    """The flags of one node."""

    def __init__(self, store: FlagStore, settings: FlagSettings, notices: Notices) -> None:
        self._store = store
        self._notices = notices
        self.configured: Mapping[FlagName, float] = {name: getattr(settings, name) for name in FLAGS}
        """Their shares by the settings."""
        self._told: Mapping[str, Told] = {}
        self._places = self._limits()
        self._again = asyncio.Event()
        self._tasks = TaskGroup(self._crashed)

    async def open(self) -> None:
        """Learn what admins said, then keep up with it. Raises Unavailable."""
        await self._read()
        self._notices.listen("flag", self._heard, self._again.set)
        self._tasks.start("flags", self._run())

    async def close(self) -> None:
        """Stop. Safe to call twice."""
        await self._tasks.close()

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

    def _heard(self, _keys: Sequence[str]) -> None:
        self._again.set()

    async def _run(self) -> None:
        while True:
            await self._again.wait()
            self._again.clear()
            try:
                await self._read()
            except Unavailable as error:
                self._notices.doubt()
                log.warning("flags_not_read", reason=str(error))

    async def _read(self) -> None:
        self._told = {told.name: told for told in await self._store.read()}
        self._places = self._limits()

    def _crashed(self, name: str, error: BaseException) -> None:
        """Our own fault; a node that no longer hears of changes would go on as before them."""
        log.error("flags_failed", task=name, error=type(error).__name__, exc_info=error)
        self._tasks.start(name, self._run())


def place_of(name: str, principal: Principal) -> int:
    """Where a principal stands among all for a flag, 0 to 9,999: the same on every node, for ever."""
    seed = f"{name}:{principal.actor_type}:{principal.actor_id}".encode()
    return int.from_bytes(blake2b(seed, digest_size=8).digest(), "big") % PLACES
