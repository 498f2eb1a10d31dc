"""Who is hidden from whom, for all who have live sessions here.

The truth is in PostgreSQL. It is read when somebody's first session opens, again when a notice names them or somebody
hidden from them, and all of it after a gap of the bus (`commonroom.engine.notice`). What is wanted in one turn of the
loop, or while a read is under way, is read in one statement. What could not be read and is not known yet stays unknown,
and nothing of a room is shown meanwhile; what is known counts until it is read again.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Final, Protocol

import structlog

from commonroom.engine.trace import Trace
from commonroom.errors import CommonroomError
from commonroom.identity import Principal
from commonroom.tasks import TaskGroup

__all__ = ["NOBODY", "HiddenPeople", "LoadHidden", "Sight", "Watcher", "key_of"]

log = structlog.get_logger(__name__)

LoadHidden = Callable[[Sequence[Principal]], Awaitable[Mapping[Principal, frozenset[Principal]]]]
"""Readers → whom each does not see; who sees everybody is missing. Raises Unavailable where the database does not answer."""

NOBODY: Final[frozenset[Principal]] = frozenset()

AT_ONCE: Final = 500
"""Readers of one statement."""


class Watcher(Protocol):
    """A session."""

    def hidden_changed(self) -> None:
        """Other people are hidden from it than before, or it is known for the first time who."""
        ...

    def hidden_unknown(self, error: CommonroomError) -> None:
        """It could not be read who is hidden from it, and was not known before."""
        ...

    def trace(self) -> Trace:
        """What there is to tell of it up to now."""
        ...


class Sight:
    """What one principal does not see. `hidden` None: not known yet."""

    __slots__ = ("hidden", "principal", "watchers")

    def __init__(self, principal: Principal, hidden: frozenset[Principal] | None) -> None:
        self.principal = principal
        self.hidden = hidden
        self.watchers: list[Watcher] = []


class HiddenPeople:
    """The sights of a node: as many as there are principals with live sessions.

    Args:
        load: None: nobody is hidden from anybody.
    """

    def __init__(self, load: LoadHidden | None, tasks: TaskGroup) -> None:
        self._load = load
        self._tasks = tasks
        self._sights: dict[Principal, Sight] = {}
        self._veiled: dict[Principal, Sight] = {}  # those from whom somebody is hidden
        self._wanted: dict[Principal, None] = {}
        self._batch: tuple[Principal, ...] = ()  # under way
        self._is_reading = False
        self.on_failed: Callable[[], None] = _nothing
        """Called when something could not be read: whoever tells of gaps is to tell of one again."""

    def __len__(self) -> int:
        return len(self._sights)

    @property
    def veiled(self) -> int:
        """From how many somebody is hidden."""
        return len(self._veiled)

    def enter(self, principal: Principal, watcher: Watcher) -> Sight:
        """A session is theirs."""
        sight = self._sights.get(principal)
        if sight is None:
            sight = self._sights[principal] = Sight(principal, NOBODY if self._load is None else None)
            self._want((principal,))
        sight.watchers.append(watcher)
        return sight

    def leave(self, sight: Sight, watcher: Watcher) -> None:
        """A session is theirs no longer."""
        sight.watchers.remove(watcher)
        if not sight.watchers:
            self._sights.pop(sight.principal, None)
            self._veiled.pop(sight.principal, None)
            self._wanted.pop(sight.principal, None)

    def watchers_of(self, principal: Principal) -> Sequence[Watcher]:
        """The sessions that are theirs now."""
        sight = self._sights.get(principal)
        return () if sight is None else tuple(sight.watchers)

    def want(self, sight: Sight) -> None:
        """Somebody waits for what is not known yet."""
        if sight.principal not in self._batch:
            self._want((sight.principal,))

    async def of(self, principal: Principal) -> frozenset[Principal]:
        """Who is hidden from somebody who asks over HTTP: as it is known here, unless that is being read just now.

        Raises:
            Unavailable: it is not known, and cannot be read.
        """
        sight = self._sights.get(principal)
        if sight is not None and sight.hidden is not None and principal not in self._wanted and principal not in self._batch:
            return sight.hidden
        return NOBODY if self._load is None else (await self._load((principal,))).get(principal, NOBODY)

    # For notices.

    def changed(self, keys: Iterable[str]) -> None:
        """Read again for these, and for those from whom one of these is hidden: that one may have another name by now."""
        named = {_principal(key) for key in keys}
        veiled = [one for one, sight in self._veiled.items() if sight.hidden and not named.isdisjoint(sight.hidden)]
        self._want([*named.intersection(self._sights), *veiled])

    def reread(self) -> None:
        """Read again for everybody."""
        self._want(self._sights)

    # Reading.

    def _want(self, principals: Iterable[Principal]) -> None:
        if self._load is None:
            return
        self._wanted.update(dict.fromkeys(principals))
        if self._wanted and not self._is_reading:
            self._is_reading = True
            self._tasks.start("hidden people", self._read(self._load))

    async def _read(self, load: LoadHidden) -> None:
        try:
            while self._wanted:
                self._batch = tuple(islice(self._wanted, AT_ONCE))
                for principal in self._batch:
                    del self._wanted[principal]
                try:
                    found = await load(self._batch)
                except CommonroomError as error:
                    self._failed(error)
                else:
                    self._take(self._batch, found)
        finally:
            self._batch, self._is_reading = (), False

    def _take(self, batch: Sequence[Principal], found: Mapping[Principal, frozenset[Principal]]) -> None:
        for principal in batch:
            sight, hidden = self._sights.get(principal), found.get(principal, NOBODY)
            if sight is not None and sight.hidden != hidden:
                self._change(sight, hidden)

    def _change(self, sight: Sight, hidden: frozenset[Principal]) -> None:
        sight.hidden = hidden
        if hidden:
            self._veiled[sight.principal] = sight
        else:
            self._veiled.pop(sight.principal, None)
        for watcher in tuple(sight.watchers):
            watcher.hidden_changed()

    def _failed(self, error: CommonroomError) -> None:
        """All who wait are told at once: the next statement might take as long to fail."""
        log.warning("hidden_people_not_read", reason=str(error))
        self.on_failed()
        waiting, self._wanted = (*self._batch, *self._wanted), {}
        for principal in waiting:
            sight = self._sights.get(principal)
            if sight is not None and sight.hidden is None:
                for watcher in tuple(sight.watchers):
                    watcher.hidden_unknown(error)


def key_of(principal: Principal) -> str:
    """Of notices."""
    return f"{principal.actor_type}:{principal.actor_id}"


def _principal(key: str) -> Principal:
    actor_type, _, actor_id = key.partition(":")
    return Principal("user" if actor_type == "user" else "guest", actor_id)


def _nothing() -> None:
    pass
