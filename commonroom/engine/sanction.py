"""Mutes and shadows in force, as this node knows them: what an admin imposes holds on every node within two seconds.

There are few, so all are in memory (`mirror.py`), and what a command costs is nothing: the edge writes them into the authority
that a session keeps, and whoever acts on it compares the clock (`Authority.stands`). Bans need none of this: they end
login sessions (`engine/revocation.py`), and signing in asks the table.
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
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


NOTHING: Final = Imposed("", 0)


class Sanctions(Mirror):
    """Marks authorities with what stands against them. A node that no longer heard of them would let everybody speak."""

    def __init__(self, store: SanctionStore, clock: Clock, notices: Notices) -> None:
        super().__init__("sanction", notices)
        self._store = store
        self._clock = clock
        self._by_actor: Mapping[str, Imposed] = {}
        self.changed: Callable[[AbstractSet[str]], object] = _nobody
        """The gateway's: called with the ids of those for whom something else stands now."""

    def __len__(self) -> int:
        """How many ids something stands against; a person may have several."""
        return len(self._by_actor)

    def marked(self, authority: Authority) -> Authority:
        """The authority with what stands against the person now; itself where that is nothing, as it mostly is."""
        if not self._by_actor and not authority.sanction:
            return authority
        imposed = self._of(authority)
        if (authority.sanction, authority.sanction_until) == imposed:
            return authority
        return replace(authority, sanction=imposed.kind, sanction_until=imposed.until)

    def _of(self, authority: Authority) -> Imposed:
        now = self._clock.now()
        ids = dict.fromkeys((*authority.actors, authority.sid))
        found = [one for id_ in ids if (one := self._by_actor.get(id_)) is not None and (not one.until or one.until > now)]
        return max(found, key=_weight, default=NOTHING)

    async def _read(self) -> None:
        found: dict[str, Imposed] = {}
        for row in await self._store.in_force(self._clock.now(), MAX_IN_FORCE):
            imposed = Imposed("mute" if row.kind == "mute" else "shadow", row.until or 0)
            for actor in (row.actor, *row.guests):
                found[actor] = max(found.get(actor, NOTHING), imposed, key=_weight)
        before, self._by_actor = self._by_actor, found
        if changed := {actor for actor in before.keys() | found.keys() if before.get(actor) != found.get(actor)}:
            self.changed(changed)


def _weight(imposed: Imposed) -> tuple[bool, bool, int]:
    """Of several a mute counts, then what lasts longest."""
    return imposed.kind == "mute", bool(imposed.kind) and not imposed.until, imposed.until


def _nobody(_actors: AbstractSet[str]) -> None:
    """No gateway yet."""
