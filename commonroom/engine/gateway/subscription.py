"""A session's place in a room: joining, catching up, live.

    JOINING ──admitted──► CATCHING ──nothing left──► LIVE ──join again──► JOINING
       └─refused─► GONE      └──left, voided, session ended──► GONE ◄── LIVE

JOINING: the command is on its way; what the room sends is kept. CATCHING: the snapshot was
sent; what follows the client's position is written in order: from the ring's replay, from
the journal where that has a hole, then what was kept. It stops while the outbox is congested,
so that coming back to a hundred rooms is no flood. LIVE: the fan-out writes.

Invariant (I6): `position` moves by one for each durable event written, in every state.
"""

from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol

from msgspec.structs import replace

from commonroom.codes import CloseCode
from commonroom.engine.envelope import Admission, Detach, Envelope, Publication
from commonroom.engine.gateway.batch import Batch
from commonroom.engine.gateway.outbox import Outbox
from commonroom.engine.gateway.surroundings import Surroundings
from commonroom.errors import CommonroomError, NotJoined, Unavailable
from commonroom.identity import Authority, RoomGrant
from commonroom.protocol.codec import Codec
from commonroom.protocol.room import Gap, Joined, Recovery, RoomJoin, RoomReset
from commonroom.protocol.wire import ServerMessage, StreamPosition

if TYPE_CHECKING:
    from commonroom.engine.gateway.fanout import RoomFanout

__all__ = ["Place", "Reader", "Subscription"]

CHUNK_BYTES: Final = 32 * 1024


class Place(Enum):
    """Where a subscription is; see the module's text for the transitions."""

    JOINING = "joining"
    CATCHING = "catching"
    LIVE = "live"
    GONE = "gone"


class Reader(Protocol):
    """The session, as its subscriptions see it."""

    id: str
    codec: Codec
    outbox: Outbox

    @property
    def authority(self) -> Authority: ...

    def send(self, message: ServerMessage) -> None:
        """Write one message of its own."""
        ...

    def refused(self, ref: int, error: CommonroomError) -> None:
        """Answer a command with an error; nothing for ref 0 but the loss of a room."""
        ...

    def drop(self, subscription: "Subscription") -> None:
        """The subscription is gone: forget it."""
        ...

    def end(self, code: CloseCode, reason: str) -> None:
        """Close the connection."""
        ...

    def may_read(self, subscription: "Subscription") -> bool:
        """Take the session's one turn to read the journal; False: it is taken."""
        ...

    def read_done(self) -> None:
        """Give the turn back."""
        ...


class Subscription:
    """Implements `Origin` for the joins of one room by one session."""

    __slots__ = (
        "_around",
        "_backlog",
        "_kept_bytes",
        "_place",
        "_ref",
        "_resume",
        "_upto",
        "admitted_once",
        "fanout",
        "grants",
        "position",
        "reader",
    )

    def __init__(self, reader: Reader, fanout: "RoomFanout", around: Surroundings) -> None:
        self.reader = reader
        self.fanout = fanout
        self.position = 0
        """The last durable offset that was written, up to going live."""
        self.admitted_once = False
        self.grants: tuple[RoomGrant, ...] = ()
        """Rights to this room alone, beyond those of the session."""
        self._around = around
        self._place = Place.GONE
        self._ref = 0
        self._resume: StreamPosition | None = None
        self._upto = 0
        self._backlog: deque[Publication] | None = None
        self._kept_bytes = 0

    @property
    def room(self) -> str:
        """Its room's id on the wire."""
        return self.fanout.address.key

    @property
    def place(self) -> Place:
        return self._place

    @property
    def head(self) -> int:
        """The last durable offset the client can have seen."""
        return max(self.position, self.fanout.delivered) if self._place is Place.LIVE else self.position

    @property
    def authority(self) -> Authority:
        """The session's, with the grants of this room."""
        authority = self.reader.authority
        return replace(authority, grants=authority.grants + self.grants) if self.grants else authority

    # What the session asks for.

    def join(self, command: RoomJoin) -> None:
        """Ask the room; also for a fresh snapshot of a room that is joined."""
        self.fanout.wait(self)
        self._place = Place.JOINING
        self._ref, self._resume = command.ref, command.resume
        self._backlog = deque()
        self._kept_bytes = 0
        resume = None if command.resume is None else (command.resume.history, command.resume.offset)
        self._around.router.send(Envelope(self.fanout.address, command, self.authority, self, self.reader.id, resume))

    def leave(self) -> None:
        """Give up the place; the room hears of it behind everything sent before."""
        if self._place is Place.JOINING:
            self.reader.refused(self._ref, NotJoined("left before the room answered"))
        self.detach()

    def detach(self) -> None:
        """As `leave`, with nobody left to tell."""
        if self._place is Place.GONE:
            return
        self._gone()
        self._around.router.send(Envelope(self.fanout.address, Detach(), self.authority, None, self.reader.id))

    def void(self, error: CommonroomError) -> None:
        """Order cannot be kept: the client is told to join again with its position."""
        if self._place is Place.JOINING:
            self.reader.refused(self._ref, error)
        elif self._place is not Place.GONE:
            self._around.stats.drops += 1
            self.reader.send(RoomReset(self.room))
        self.detach()

    # What the room answers.

    def replied(self, ref: int, message: ServerMessage) -> None:
        """A join is admitted or refused, and an announcement is not answered."""

    def refused(self, ref: int, error: CommonroomError) -> None:
        """The join failed; or, once live, the room did not know us again (`Attach`)."""
        if self._place is Place.JOINING:
            rejoin, self._place = self.admitted_once, Place.CATCHING
            self.reader.refused(self._ref, error)
            if rejoin:
                self.detach()
            else:
                self._gone()
        else:
            self.void(error)

    def admitted(self, ref: int, admission: Admission) -> None:
        """The join succeeded: send the snapshot, then what the client lacks."""
        if self._place is not Place.JOINING:
            return
        self.fanout.flush()
        self._place, self.admitted_once = Place.CATCHING, True
        self.fanout.reveal(admission.offset)
        gap = self._plan(admission)
        self._answer(admission, gap)
        self.advance()

    def _plan(self, admission: Admission) -> Gap | None:
        """Set position, backlog and goal; what is too old to be replayed."""
        replay, missing, gap = admission.replay, admission.missing, None
        self._upto = self.position = admission.offset
        if missing is not None:
            first, last = missing
            start = max(first, last - self._around.settings.replay_events + 1)
            gap = Gap(first, start - 1) if start > first else None
            self.position = start - 1
        elif replay:
            self.position = replay[0].offset - 1
        self._backlog = deque((*replay, *(self._backlog or ())))
        return gap

    def _answer(self, admission: Admission, gap: Gap | None) -> None:
        recovery: Recovery = "recovered"
        if admission.reset:
            recovery = "reset"
        elif self._resume is None:
            recovery = "fresh"
        elif gap is not None:
            recovery = "gap"
        if not isinstance(admission.snapshot, Joined):
            self.reader.send(admission.snapshot)
            return
        position = StreamPosition(admission.history, admission.offset)
        self.reader.send(replace(admission.snapshot, ref=self._ref, position=position, recovery=recovery, gap=gap))

    # What the room sends while we are not live.

    def keep(self, batch: Batch) -> None:
        """Keep pushes until it is their turn; too many are a slow reader's."""
        if self._backlog is None:
            return
        self._backlog.extend(batch.publications)
        self._kept_bytes += sum(len(publication.payload) for publication in batch.publications)
        if self._kept_bytes > self._around.settings.outbox_bytes:
            self.reader.end(CloseCode.SLOW_READER, "too much is waiting behind a replay")
        elif self._place is Place.CATCHING:
            self.advance()

    def advance(self) -> None:
        """Write what is next until nothing is left, the reader is slow or the journal must be read."""
        while self._place is Place.CATCHING and not self.reader.outbox.congested:
            if not self._backlog:
                goal = max(self._upto, self.fanout.delivered)
                if self.position >= goal:
                    self._settle()
                else:
                    self._read(goal)
                return
            if self._backlog[0].offset > self.position + 1:
                self._read(self._backlog[0].offset - 1)
                return
            self._write_chunk(self._backlog)

    def _settle(self) -> None:
        self._place = Place.LIVE
        self._backlog = None
        self.fanout.go_live(self)

    def _write_chunk(self, backlog: deque[Publication]) -> None:
        """The next publications, without a hole between them, in one write."""
        chunk, size = [], 0
        while backlog and size < CHUNK_BYTES and backlog[0].offset <= self.position + 1:
            publication = backlog.popleft()
            if publication.offset:
                if publication.offset <= self.position:
                    continue
                self.position = publication.offset
            chunk.append(publication)
            size += len(publication.payload)
        data = Batch(self.room, chunk).seen(self.reader.codec, self.authority.principal)
        stats = self._around.stats
        stats.deliveries += len(chunk)
        stats.bytes_out += len(data)
        self.reader.outbox.write(data)

    # What only the journal has.

    def _read(self, upto: int) -> None:
        if self._backlog is not None and self.reader.may_read(self):
            body = self._read_on(self.position, upto, self._backlog)
            self._around.tasks.start(f"replay {self.fanout.address}", body)

    async def _read_on(self, after: int, upto: int, backlog: deque[Publication]) -> None:
        """Put events in front of a backlog, unless another join has begun one of its own."""
        try:
            events = await self._around.reader.after(self.fanout.address, after, upto)
            backlog.extendleft(reversed(events))
        except Unavailable as error:
            if self._backlog is backlog:
                self.void(error)
        finally:
            self.reader.read_done()

    def _gone(self) -> None:
        self._place = Place.GONE
        self._backlog = None
        self.fanout.remove(self)
        self.reader.drop(self)
