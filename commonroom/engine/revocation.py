"""Login sessions that ended before their tokens did (DESIGN 5, last line).

Access and ws tokens are believed by their signature alone, for some minutes. So every node keeps the
sids of sessions that ended (logout, ban) for as long, and refuses their tokens:

    revoke ──► table ──► here: sockets closed ──► bus ──► every node: sockets closed
                 └────── read at the start, after a gap of the bus, once a minute ──────┘

The tokens of a guest who signed in end as well, and the login session goes on as the user's (`guest_part`): a browser may
have been somebody else's before. Its live sockets have `Gateway.outgrown` to take the user's token.

What the bus loses, the table has: after a gap it is read within a second, and every
second while the bus does not work, so that sockets close within two on every node.
"""

from asyncio import CancelledError
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple, Protocol

import structlog

from commonroom.clock import Clock
from commonroom.codes import CloseCode
from commonroom.errors import TokenExpired, Unauthenticated, Unavailable
from commonroom.identity import Authority, SessionId, guest_part, whose_guest_part
from commonroom.tasks import TaskGroup, pause
from commonroom.token import LONGEST_S

__all__ = ["Bus", "Ended", "Ending", "RevocationStore", "Revocations"]

log = structlog.get_logger(__name__)

Ended = tuple[SessionId, int]
"""A login session that ended, and the cluster time in ms at which the last of its tokens is over."""

TOKEN_MS: Final = max(LONGEST_S["access"], LONGEST_S["ws"]) * 1000
SLACK_MS: Final = 60_000
"""For a token that a request still minted while its session ended, and for clocks."""

TICK_S: Final = 1.0
REREAD_MS: Final = 60_000
DOUBT_MS: Final = 3_000
"""Read at each tick for so long after a gap: a sender may learn of us a beat later than we of it."""

MAX_REVOKED: Final = 100_000


class Ending(NamedTuple):
    """Login sessions that end at `now`.

    Attributes:
        until: their tokens are refused so long, cluster ms.
        sids: which; filled by whoever ends them.
    """

    now: int
    until: int
    sids: list[SessionId]


class RevocationStore(Protocol):
    """The truth, in PostgreSQL. Every method raises Unavailable where it does not answer."""

    async def add(self, sids: Sequence[SessionId], now: int, until: int) -> None:
        """End these login sessions, durably."""
        ...

    async def add_all(self, actor: str, but: SessionId | None, now: int, until: int) -> Sequence[SessionId]:
        """End all of an actor's but one, durably; those that ended."""
        ...

    async def read(self, now: int, limit: int) -> Sequence[Ended]:
        """Those refused now, the latest first."""
        ...

    async def trim(self, now: int) -> None:
        """Forget those whose time has passed."""
        ...


class Bus(Protocol):
    """The other nodes."""

    on_revoked: Callable[[Sequence[Ended]], None]
    """Called with what another node tells."""
    on_gap: list[Callable[[], None]]
    """Each is called when something that others told may be lost, or there are others than before."""

    @property
    def whole(self) -> bool:
        """Whether what others tell arrives, as far as known."""
        ...

    def revoked(self, ended: Sequence[Ended]) -> None:
        """Tell all others, best effort."""
        ...


class Revocations:
    """The ended login sessions, as this node knows them; at most `MAX_REVOKED`."""

    def __init__(self, store: RevocationStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._until: dict[SessionId, int] = {}
        self._floor = 0
        self._doubtful_until = 0
        self._read_at = 0
        self._bus: Bus | None = None
        self._tasks = TaskGroup(self._crashed)
        self.close_sid: Callable[[SessionId, CloseCode], object] = _nobody
        self.outgrown: Callable[[SessionId], object] = _no_guest
        """The gateway's, both."""

    def __len__(self) -> int:
        return len(self._until)

    def join(self, bus: Bus) -> None:
        """There are other nodes. Before `open`."""
        self._bus = bus
        bus.on_revoked = self.heard
        bus.on_gap.append(self.doubt)

    async def open(self) -> None:
        """Learn what is refused, then keep up with it. Before anybody is let in.

        Raises:
            Unavailable: the database does not answer.
        """
        await self._read()
        self.doubt()
        self._tasks.start("revocations", self._run())

    async def close(self) -> None:
        """Stop. Safe to call twice."""
        await self._tasks.close()

    def refuses(self, sid: SessionId) -> bool:
        """Whether the login session has ended. Cheap: asked for every token."""
        return sid in self._until

    def admit(self, authority: Authority, ttl_ms: int) -> Authority:
        """What a token proves that lives `ttl_ms`, if its login session goes on.

        Raises:
            Unauthenticated: the login session has ended.
            TokenExpired: the guest has signed in since; or so many have ended that not all are known: a new token tells.
        """
        if self.refuses(authority.sid):
            raise Unauthenticated("the login session has ended")
        if authority.principal.actor_type == "guest" and self.refuses(guest_part(authority.sid)):
            raise TokenExpired("this login session was signed in: refresh it")
        if authority.expires_at - ttl_ms <= self._floor:
            raise TokenExpired("the token is too old, fetch a new one")
        return authority

    async def revoke(self, *sids: SessionId) -> None:
        """End login sessions: durable when this returns, their sockets here closed, all other nodes told.

        Raises:
            Unavailable: the database does not answer; whether they ended is unknown, it may be tried again.
        """
        with self.ending() as ending:
            await self._store.add(sids, ending.now, ending.until)
            ending.sids.extend(sids)

    async def revoke_all(self, actor: str, but: SessionId | None = None) -> Sequence[SessionId]:
        """End all login sessions of an actor but `but`, as `revoke` does; those that ended. Raises Unavailable."""
        with self.ending() as ending:
            ending.sids.extend(await self._store.add_all(actor, but, ending.now, ending.until))
        return ending.sids

    @contextmanager
    def ending(self) -> Iterator[Ending]:
        """Around whatever ends login sessions in the table; sockets and nodes are told once it is through."""
        now = self._clock.now()
        ending = Ending(now, now + TOKEN_MS + SLACK_MS, [])
        try:
            yield ending
        except (Unavailable, CancelledError):
            self.doubt()  # they may have ended: the table tells
            raise
        self._ended(ending.sids, ending.until)

    def _ended(self, sids: Sequence[SessionId], until: int) -> None:
        ended = [(sid, until) for sid in sids]
        self.heard(ended)
        if self._bus is not None and ended:
            self._bus.revoked(ended)

    def heard(self, ended: Iterable[Ended]) -> None:
        """These have ended, as another node or the table says."""
        now = self._clock.now()
        for sid, until in ended:
            if until > now and sid not in self._until:
                self._until[sid] = until
                self._tell(sid)
        while len(self._until) > MAX_REVOKED:
            self._forget_one()

    def _tell(self, sid: SessionId) -> None:
        if (guest := whose_guest_part(sid)) is None:
            self.close_sid(sid, CloseCode.SESSION_ENDED)
        else:
            self.outgrown(guest)

    def doubt(self) -> None:
        """The bus may have lost something: read the table from the next tick on."""
        self._doubtful_until = self._clock.now() + DOUBT_MS

    def _forget_one(self) -> None:
        """The first known; from now on no token is taken that was minted before it ended, whoever's it is."""
        sid = next(iter(self._until))
        self._floor = max(self._floor, self._until.pop(sid) - TOKEN_MS - SLACK_MS)

    async def _run(self) -> None:
        while True:
            await pause(TICK_S)
            now = self._clock.now()
            if now < self._doubtful_until or now - self._read_at >= REREAD_MS or not (self._bus is None or self._bus.whole):
                await self._try_to_read()

    async def _try_to_read(self) -> None:
        try:
            await self._read()
        except Unavailable as error:
            self.doubt()
            log.warning("revocations_not_read", reason=str(error))

    async def _read(self) -> None:
        now = self._clock.now()
        passed = [sid for sid, until in self._until.items() if until <= now]
        for sid in passed:
            del self._until[sid]
        if now - self._read_at >= REREAD_MS:
            await self._store.trim(now)
        self.heard(reversed(await self._store.read(now, MAX_REVOKED + 1)))
        self._read_at = now

    def _crashed(self, name: str, error: BaseException) -> None:
        """Our own fault; a node that no longer hears of ended sessions would let them in."""
        log.error("revocations_failed", task=name, error=type(error).__name__, exc_info=error)
        self._tasks.start(name, self._run())


def _nobody(_sid: SessionId, _code: CloseCode) -> None:
    """No gateway yet."""


def _no_guest(_sid: SessionId) -> None:
    """No gateway yet."""
