"""Who is asked whether something may be done: all nodes' common store, this node's memory, or both.

    this node's memory refuses ──► refused, nobody is asked: a TAT never goes back, so the store would say the same
                                   (but for limits whose refusals double the wait: the store has to know of each)
    else the store decides     ──► what it says is remembered here, one round trip
    no store, or it is away    ──► this node's memory decides

While the store is away each node counts for itself, from what it was last told: N nodes
then grant up to N times as much. Nothing is refused because of it, and nobody waits for it
but one request every `AWAY_US`.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

import structlog
from msgspec import Struct

from commonroom.clock import monotonic_us
from commonroom.errors import RateLimited, Unavailable
from commonroom.identity import ActorType
from commonroom.limit.gcra import Rate
from commonroom.limit.limit import FAMILIAR_MS, LIMITS, Limit, Part, key_of
from commonroom.limit.table import Table

__all__ = ["Ask", "LimitStats", "Limiter", "SharedAnswer", "SharedAsk", "SharedLimits", "Standing", "Verdict", "asks_of"]

log = structlog.get_logger(__name__)

AWAY_US: Final = 2_000_000
AT_ONCE: Final = 32
"""Calls to the store under way; each has a connection of its own."""


class Ask(NamedTuple):
    """One of this limit, counted under `key`; under `familiar` instead for whom the mark stands."""

    limit: Limit
    key: str
    familiar: str | None = None


class Standing(NamedTuple):
    """Where a key stands after an answer: `full_us` until all of the limit is there again."""

    limit: Limit
    rate: Rate
    remaining: int
    full_us: int


class Verdict(NamedTuple):
    """`wait_us` 0: granted. Else nothing was used up, and before that it will not be granted."""

    wait_us: int
    standings: Sequence[Standing]

    def require(self) -> None:
        """Raises RateLimited: it was refused."""
        if self.wait_us > 0:
            raise RateLimited("that was too often: wait a little", retry_after_ms=-(-self.wait_us // 1000))


class SharedAsk(NamedTuple):
    """As `Ask`, for the store."""

    name: str
    rate: Rate
    key: str
    familiar: str | None


class SharedAnswer(NamedTuple):
    """`ahead_us`: of each key's TAT, as it is after the answer. `familiar`: whether the mark stood."""

    wait_us: int
    familiar: bool
    ahead_us: Sequence[int]


class SharedLimits(Protocol):
    """The store of all nodes. Each call is one atomic step and one round trip; each raises Unavailable, outcome unknown."""

    async def take(self, asks: Sequence[SharedAsk], mark: str | None) -> SharedAnswer:
        """One of each, all or nothing; see `gcra.take`."""
        ...

    async def remember(self, mark: str, ttl_ms: int) -> None:
        """The mark stands from now on for so long."""
        ...


class LimitStats(Struct):
    """Counts since the start.

    Attributes:
        granted, refused: answers.
        shared: of these, those that the store gave.
        away: those that it should have given, while it was away.
    """

    granted: int = 0
    refused: int = 0
    shared: int = 0
    away: int = 0


class Limiter:
    """Answers for one node.

    Args:
        scale: times the amounts of all limits; 0: everything is granted.
        shared: the store; None: this node is the only one.
    """

    def __init__(self, scale: float = 1.0, shared: SharedLimits | None = None, now_us: Callable[[], int] = monotonic_us) -> None:
        self.stats = LimitStats()
        self._scale = scale
        self._shared = shared
        self._now_us = now_us
        self._tables: dict[str, Table] = {limit.name: Table(limit.rate(scale)) for limit in LIMITS} if scale else {}
        self._marks = Table(Rate(FAMILIAR_MS * 1000, 1))
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._is_away = False
        self._asked_again_us = 0

    @property
    def scale(self) -> float:
        """Times the amounts of all limits; 0: there are none."""
        return self._scale

    @property
    def keys(self) -> int:
        """How many this node remembers."""
        return sum(map(len, self._tables.values())) + len(self._marks)

    def refusal(self, asks: Sequence[Ask], mark: str | None = None) -> Verdict | None:
        """What is known to be refused, without asking anybody; None: it may be granted. Nothing is used up.

        Whether a mark stands is known for sure only to the store.
        """
        if not self._scale:
            return None
        now_us, knows = self._now_us(), self._knows(mark)
        plain = [ask for ask in asks if not ask.limit.longest_s and (ask.familiar is None or knows or self._shared is None)]
        cells = self._cells(plain, knows=knows)
        verdict = _verdict(cells, now_us)
        if verdict.wait_us == 0:
            return None
        self.stats.refused += 1
        return verdict

    async def take(self, asks: Sequence[Ask], mark: str | None = None) -> Verdict:
        """One of each limit, all or nothing. At most one round trip, none if it is refused by what is known here."""
        if not self._scale or not asks:
            return Verdict(0, ())
        verdict = None
        if self._shared is not None:
            doubles = any(ask.limit.longest_s for ask in asks)
            if not doubles and (refused := self.refusal(asks, mark)) is not None:
                return refused
            verdict = await self._take_shared(self._shared, asks, mark)
        if verdict is None:
            verdict = self._take_here(asks, mark)
        if verdict.wait_us:
            self.stats.refused += 1
        else:
            self.stats.granted += 1
        return verdict

    def foresees(self, asks: Sequence[Ask]) -> bool:
        """Whether `take` would refuse, as far as this node's memory knows; what doubles is looked at too. Nothing changes."""
        return bool(self._scale) and _verdict(self._cells(asks, knows=False), self._now_us()).wait_us > 0

    async def remember(self, mark: str) -> None:
        """The account was signed in to at that address: they are familiar from now on, see `limit`."""
        if not self._scale:
            return
        now_us = self._now_us()
        self._marks.learn(mark, now_us + FAMILIAR_MS * 1000, now_us)
        if self._shared is None or self._is_away:
            return
        try:
            await self._shared.remember(mark, FAMILIAR_MS)
        except Unavailable as error:
            self._lost(error)

    # -- here --------------------------------------------------------------------------

    def _take_here(self, asks: Sequence[Ask], mark: str | None) -> Verdict:
        now_us = self._now_us()
        cells = self._cells(asks, knows=self._knows(mark))
        if _verdict(cells, now_us).wait_us:
            for _, table, key in cells:
                table.refuse(key, now_us)
            return _verdict(cells, now_us)
        for _, table, key in cells:
            table.grant(key, now_us)
        return Verdict(0, _standings(cells, now_us))

    def _knows(self, mark: str | None) -> bool:
        return mark is not None and self._marks.tat_us(mark) > self._now_us()

    def _cells(self, asks: Sequence[Ask], *, knows: bool) -> list[tuple[Limit, Table, str]]:
        return [(ask.limit, self._tables[ask.limit.name], ask.familiar if knows and ask.familiar is not None else ask.key) for ask in asks]

    # -- by the store ------------------------------------------------------------------

    async def _take_shared(self, store: SharedLimits, asks: Sequence[Ask], mark: str | None) -> Verdict | None:
        """None: it is away."""
        async with self._slots:
            if not self._may_ask():
                self.stats.away += 1
                return None
            before_us = self._now_us()  # not after: memory must never be ahead of the store
            shared = [SharedAsk(ask.limit.name, self._tables[ask.limit.name].rate, ask.key, ask.familiar) for ask in asks]
            try:
                answer = await store.take(shared, mark)
            except Unavailable as error:
                self._lost(error)
                self.stats.away += 1
                return None
        self._found()
        return self._learnt(asks, mark, answer, before_us)

    def _learnt(self, asks: Sequence[Ask], mark: str | None, answer: SharedAnswer, now_us: int) -> Verdict:
        self.stats.shared += 1
        if mark is not None and answer.familiar and not self._knows(mark):
            self._marks.learn(mark, now_us + FAMILIAR_MS * 1000, now_us)
        cells = self._cells(asks, knows=answer.familiar)
        for (_, table, key), ahead_us in zip(cells, answer.ahead_us, strict=True):
            if ahead_us > 0:
                table.learn(key, now_us + ahead_us, now_us)
        return Verdict(answer.wait_us, _standings(cells, now_us))

    def _may_ask(self) -> bool:
        """Whether the store is there, or it is time for one request to find out."""
        if not self._is_away:
            return True
        now_us = self._now_us()
        if now_us < self._asked_again_us:
            return False
        self._asked_again_us = now_us + AWAY_US
        return True

    def _lost(self, error: Unavailable) -> None:
        self._asked_again_us = self._now_us() + AWAY_US
        if not self._is_away:
            self._is_away = True
            log.warning("limits_counted_by_each_node", reason=str(error))

    def _found(self) -> None:
        if self._is_away:
            self._is_away = False
            log.info("limits_counted_together")


def asks_of(limits: Iterable[Limit], subject: Mapping[Part, str], who: ActorType | None = None) -> list[Ask]:
    """One of each limit that counts such a person, and of whom all is known that it tells apart."""
    return [
        Ask(limit, key_of(limit.by, subject), key_of(("account", "address"), subject) if limit.is_of_strangers else None)
        for limit in limits
        if (limit.of is None or limit.of == who) and subject.keys() >= set(limit.by)
    ]


def _verdict(cells: Sequence[tuple[Limit, Table, str]], now_us: int) -> Verdict:
    wait_us = max([table.wait_us(key, now_us) for _, table, key in cells], default=0)
    return Verdict(wait_us, _standings(cells, now_us)) if wait_us > 0 else Verdict(0, ())


def _standings(cells: Sequence[tuple[Limit, Table, str]], now_us: int) -> list[Standing]:
    standings: list[Standing] = []
    for limit, table, key in cells:
        tat_us = table.tat_us(key)
        standings.append(Standing(limit, table.rate, table.rate.remaining(tat_us, now_us), max(tat_us - now_us, 0)))
    return standings
