"""Who tried what they may not, and what admins did: a log line each, and a row to search for (FEATURES P7, P35).

    edge ──► Audit.write: log line, queue ──► one statement a `FLUSH_S` ──► table `audit`

The edges write denials: they alone know the request. Writing never waits and never fails; while the database is away
or slower than what comes, the oldest entries of a full queue are dropped, counted and in the log all the same. Whoever
is refused on and on is written `DENIALS` times a minute; the next line that is written says how many were not.
"""

from asyncio import CancelledError
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Final, Literal, Protocol

import structlog
from msgspec import Struct

from commonroom.clock import Clock, monotonic_us
from commonroom.errors import CommonroomError, Denied, Unavailable
from commonroom.identity import Authority
from commonroom.limit.gcra import Rate
from commonroom.limit.table import CAPACITY, Table
from commonroom.tasks import TaskGroup, pause

__all__ = ["MAX_QUEUED", "Audit", "AuditStore", "Entry"]

log = structlog.get_logger(__name__)

MAX_QUEUED: Final = 10_000
MAX_BATCH: Final = 1_000
FLUSH_S: Final = 0.25
AWAY_S: Final = 2.0
MAX_TEXT: Final = 200

MINUTE_US: Final = 60_000_000
DENIALS: Final = 60
"""A minute, of one user, one guest, and one address where no user is signed in: of those there are as many guests as it likes."""

Outcome = Literal["denied", "done"]


class Entry(Struct, frozen=True):
    """One line.

    Attributes:
        at: cluster ms.
        actor_type: empty, as `actor_id` and `sid`: nobody was signed in.
        action: as in the table of permissions.
        target: what it was tried on: an actor's address, a path, a person.
        why: for people; never what somebody wrote.
        request: the request's id over HTTP, `session/ref` over the socket.
    """

    at: int
    outcome: Outcome
    actor_type: str
    actor_id: str
    sid: str
    action: str
    target: str
    why: str
    request: str


class AuditStore(Protocol):
    """The table. Raises Unavailable where it does not answer."""

    async def add(self, entries: Sequence[Entry]) -> None:
        """Append them."""
        ...


class Audit:
    """Takes entries of one node.

    Args:
        limits_scale: times `DENIALS` are written; below 1 counts as 1.

    Attributes:
        written: entries so far.
        lost: of these, those that are in the log alone.
        muted: denials that no line was written for.
    """

    def __init__(self, store: AuditStore, clock: Clock, now_us: Callable[[], int] = monotonic_us, *, limits_scale: float = 1.0) -> None:
        self.written = 0
        self.lost = 0
        self.muted = 0
        self._now_us = now_us
        amount = round(DENIALS * max(limits_scale, 1.0))
        self._denials = Table(Rate(-(-MINUTE_US // amount), amount))
        self._unwritten: OrderedDict[str, int] = OrderedDict()  # by whom lines were last not written; not plain, see `Table`
        self._store = store
        self._clock = clock
        self._queue: deque[Entry] = deque()
        self._tasks = TaskGroup(_crashed)
        self._is_flushing = False

    def denied(
        self, error: Denied, authority: Authority | None, request: str, address: str = "", *, action: str = "", where: str = ""
    ) -> None:
        """Somebody was refused.

        Args:
            address: where they are, as limits count it; empty: not known.
            action, where: what the edge knows, for an error that does not say it.
        """
        if (unwritten := self._admit(_keys(authority, address))) is None:
            return
        action, where = error.action or action, error.where or where
        why = f"{error.message} (and {unwritten} refusals more before it)" if unwritten else error.message
        self.write("denied", authority, action, target=where, why=why, request=request)

    def _admit(self, keys: Sequence[str]) -> int | None:
        """How many denials before this one were not written; None: nor is this."""
        now_us, denials = self._now_us(), self._denials
        if full := [key for key in keys if denials.wait_us(key, now_us) > 0]:
            self._leave_out(full[-1])
            return None
        for key in keys:
            denials.grant(key, now_us)
        return sum(self._unwritten.pop(key, 0) for key in keys)

    def _leave_out(self, key: str) -> None:
        """Where too many are, those go untold who have not been refused for longest."""
        self.muted += 1
        unwritten = self._unwritten
        unwritten[key] = unwritten.get(key, 0) + 1
        unwritten.move_to_end(key)
        if len(unwritten) > CAPACITY:
            unwritten.popitem(last=False)

    def write(self, outcome: Outcome, authority: Authority | None, action: str, *, target: str, why: str, request: str) -> None:
        """One line. Texts are cut to `MAX_TEXT` characters."""
        who = None if authority is None else authority.principal
        kind, actor, sid = ("", "", "") if authority is None or who is None else (who.actor_type, who.actor_id, str(authority.sid))
        target, why = _short(target), _short(why)
        entry = Entry(self._clock.now(), outcome, kind, actor, sid, action, target, why, request)
        log.info("audit", outcome=outcome, who=who, sid=sid, action=action, target=target, why=why, request=request)
        self.written += 1
        if len(self._queue) >= MAX_QUEUED:
            self._queue.popleft()
            self.lost += 1
        self._queue.append(entry)
        if not self._is_flushing:
            self._is_flushing = True
            self._tasks.start("audit", self._flush())

    async def close(self) -> None:
        """Store what is queued, if the database answers."""
        await self._tasks.close()
        try:
            while self._queue:
                await self._store_batch()
        except Unavailable as error:
            self.lost += len(self._queue)
            log.warning("audit_not_stored", entries=len(self._queue), reason=str(error))

    async def _flush(self) -> None:
        """While there is something to store."""
        try:
            while self._queue:
                await pause(FLUSH_S)
                try:
                    await self._store_batch()
                except Unavailable as error:
                    log.warning("audit_waits", entries=len(self._queue), reason=str(error))
                    await pause(AWAY_S)
        finally:
            self._is_flushing = False

    async def _store_batch(self) -> None:
        """Whether a batch was stored that was cut off is not known: then its lines may be there twice."""
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), MAX_BATCH))]
        try:
            await self._store.add(batch)
        except (Unavailable, CancelledError):
            self._queue.extendleft(reversed(batch))
            raise
        except CommonroomError:  # it would be refused again
            await self._store_singly(batch)

    async def _store_singly(self, batch: Sequence[Entry]) -> None:
        """All but those that the database refuses. What it is away for meanwhile is lost to it."""
        for entry in batch:
            try:
                await self._store.add([entry])
            except CommonroomError as error:
                self.lost += 1
                log.exception("audit_refused", action=entry.action, reason=str(error))


def _keys(authority: Authority | None, address: str) -> Sequence[str]:
    """What a denial counts under, the widest last."""
    if authority is None:
        return (address,)
    who = authority.principal
    return (who.actor_id, address) if who.actor_type == "guest" and address else (who.actor_id,)


def _short(text: str) -> str:
    """Storable, too (RELIABILITY R11)."""
    return text[:MAX_TEXT].replace("\0", "").encode("utf-8", "replace").decode()


def _crashed(name: str, error: BaseException) -> None:
    log.error("audit_failed", task=name, error=type(error).__name__, exc_info=error)
