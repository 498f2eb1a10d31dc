"""Mutes and shadows in force, as this node knows them: what an admin imposes holds on every node within two seconds.

There are few, so all are in memory (`mirror.py`), and what a command costs is nothing: the edge writes them into the authority
that a session keeps, and whoever acts on it compares the clock (`Authority.stands`). A mute is heard before a shadow, and
does not end it: an authority carries both, so that the shadow counts again the moment the mute has passed. Bans need none
of this: they end login sessions (`engine/revocation.py`), and signing in asks the table.
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from math import inf
from typing import Final, NamedTuple, Protocol

from msgspec.structs import replace

from commonroom.clock import Clock
from commonroom.engine.mirror import Mirror
from commonroom.engine.notice import Notices
from commonroom.identity import Authority, Standing

__all__ = ["MAX_IN_FORCE", "SanctionStore", "Sanctions"]

MAX_IN_FORCE: Final = 10_000
"""Mutes and shadows at a time; no more are imposed."""


class StandingRow(Protocol):
    """A mute or shadow."""

    @property
    def kind(self) -> str: ...

    @property
    def actor(self) -> str: ...

    @property
    def until(self) -> int | None: ...

    @property
    def guests(self) -> Sequence[str]: ...


class SanctionStore(Protocol):
    """The truth, in PostgreSQL."""

    async def in_force(self, now: int, limit: int) -> Sequence[StandingRow]:
        """Those that stand. Raises Unavailable where it does not answer."""
        ...


class Imposed(NamedTuple):
    """A mute or shadow; `until` in cluster ms, 0: without end."""

    kind: Standing
    until: int


class Sanctions(Mirror):
    """Marks authorities with what stands against them. A node that no longer heard of them would let everybody speak."""

    def __init__(self, store: SanctionStore, clock: Clock, notices: Notices) -> None:
        super().__init__("sanction", notices)
        self._store = store
        self._clock = clock
        self._by_actor: Mapping[str, AbstractSet[Imposed]] = {}
        """All that stood when it was read: none hides another for good."""
        self.changed: Callable[[AbstractSet[str]], object] = _nobody
        """The gateway's: called with the ids of those for whom something else stands now."""

    def __len__(self) -> int:
        """How many ids something stands against; a person may have several."""
        return len(self._by_actor)

    def marked(self, authority: Authority) -> Authority:
        """The authority with what stands against the person now; itself where that is nothing, as it mostly is."""
        if not self._by_actor and not authority.sanction:
            return authority
        ends = self._ends(authority)
        kind: Standing = "mute" if "mute" in ends else "shadow" if ends else ""
        mark = (kind, ends.get(kind, 0), ends.get("shadow") if kind == "mute" else None)
        if (authority.sanction, authority.sanction_until, authority.shadow_until) == mark:
            return authority
        return replace(authority, sanction=mark[0], sanction_until=mark[1], shadow_until=mark[2])

    def _ends(self, authority: Authority) -> dict[Standing, int]:
        """When the last mute ends and the last shadow, of those that stand now."""
        now = self._clock.now()
        ends: dict[Standing, int] = {}
        for id_ in dict.fromkeys((*authority.actors, authority.sid)):
            for kind, until in self._by_actor.get(id_, ()):
                if not until or until > now:
                    ends[kind] = max(ends.get(kind, until), until, key=_lasting)
        return ends

    async def _read(self) -> None:
        found: dict[str, set[Imposed]] = {}
        for row in await self._store.in_force(self._clock.now(), MAX_IN_FORCE):
            imposed = Imposed("mute" if row.kind == "mute" else "shadow", row.until or 0)
            for actor in (row.actor, *row.guests):
                found.setdefault(actor, set()).add(imposed)
        before, self._by_actor = self._by_actor, found
        if changed := {actor for actor in before.keys() | found.keys() if before.get(actor) != found.get(actor)}:
            self.changed(changed)


def _lasting(until: int) -> float:
    return until or inf


def _nobody(_actors: AbstractSet[str]) -> None:
    """No gateway yet."""
