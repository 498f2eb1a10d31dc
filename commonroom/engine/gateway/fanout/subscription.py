"""A session's place in a room: joining, catching up, live; renewing when it missed something.

| from | what happens | to |
|---|---|---|
| (new), LIVE, CATCHING, RENEWING | the client joins | JOINING |
| JOINING | admitted | CATCHING |
| JOINING | refused | GONE |
| CATCHING | nothing left | LIVE |
| CATCHING | nothing left, but stale: the room is asked | RENEWING |
| RENEWING | the room's fresh snapshot | CATCHING |
| RENEWING | the outbox congests, a new activation, too much waits: stale again | CATCHING |
| LIVE | the outbox congests | CATCHING |
| any | left, voided, session ended | GONE |

JOINING: the command is on its way; what the room sends is kept. CATCHING: what follows the
client's position is written in order: from the ring's replay, from the journal where that
has a hole, then what was kept (`Backlog`, which drops or conflates volatile pushes of a slow
reader). It stops while the outbox is congested, so that coming back to a hundred rooms is no
flood. LIVE: the fan-out writes. RENEWING: volatile pushes were dropped and the room is asked
for a fresh volatile snapshot. Durable ones go on; volatile ones wait behind the answer, which
a commit may hold back while later pushes overtake it.

Invariant (I6): `position` moves by one for each durable event written, in every state.
Invariant: LIVE implies an outbox that is not congested, and nothing missed.
"""

from enum import Enum
from typing import TYPE_CHECKING

from msgspec.structs import replace

from commonroom.engine.envelope import Admission, Attach, Detach, Envelope, Resync
from commonroom.engine.gateway.fanout.backlog import Backlog
from commonroom.engine.gateway.fanout.batch import Batch
from commonroom.engine.gateway.fanout.reader import Reader
from commonroom.engine.gateway.fanout.renewal import Renewal
from commonroom.engine.gateway.surroundings import Surroundings
from commonroom.errors import CommonroomError, InternalError, NotJoined, Unavailable
from commonroom.identity import Authority
from commonroom.protocol.room import Gap, Joined, Recovery, RoomJoin, RoomReset
from commonroom.protocol.wire import ServerMessage, StreamPosition

if TYPE_CHECKING:
    from commonroom.engine.gateway.fanout.fanout import RoomFanout

__all__ = ["Place", "Subscription"]


class Place(Enum):
    """Where a subscription is; see the module's text for the transitions."""

    JOINING = "joining"
    CATCHING = "catching"
    RENEWING = "renewing"
    LIVE = "live"
    GONE = "gone"


class Subscription:
    """Implements `Origin` for the joins of one room by one session."""

    __slots__ = (
        "_around",
        "_backlog",
        "_joined_by",
        "_place",
        "_ref",
        "_renewal",
        "_resume",
        "_upto",
        "admitted_once",
        "fanout",
        "granted",
        "position",
        "reader",
    )

    def __init__(self, reader: Reader, fanout: "RoomFanout", around: Surroundings) -> None:
        self.reader = reader
        self.fanout = fanout
        self.position = 0
        """The last durable offset that was written, up to going live."""
        self.admitted_once = False
        self.granted: Authority | None = None
        """Of a token for this room alone, beyond the session's own; its grants count until it expires (`lapsed`)."""
        self._around = around
        self._joined_by: Authority | None = None  # whom the join under way speaks for
        self._place = Place.GONE
        self._ref = 0
        self._resume: StreamPosition | None = None
        self._upto = 0
        self._backlog: Backlog | None = None  # None: LIVE or GONE
        self._renewal: Renewal | None = None  # not None: RENEWING

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
        return replace(authority, grants=authority.grants + self.granted.grants) if self.granted else authority

    def lapsed(self, now: int) -> bool:
        """Whether the token for this room has expired by then, in cluster ms; its grants count no longer."""
        if self.granted is None or self.granted.expires_at > now:
            return False
        self.granted = None
        return True

    # What the session asks for.

    def join(self, command: RoomJoin) -> None:
        """Ask the room; also for a fresh snapshot of a room that is joined."""
        self._step_aside(Place.JOINING)
        self._ref, self._resume = command.ref, command.resume
        resume = None if command.resume is None else (command.resume.history, command.resume.offset)
        self._joined_by = self.reader.authority
        self._around.router.send(Envelope(self.fanout.address, command, self.authority, self, self.reader.id, resume))

    def refreshed(self) -> None:
        """The session has another name or other grants, or is a user who was a guest: the room is told, and keeps its place or refuses it.

        A first join under way may yet go to another owner, ahead of what is sent now: it is followed up once admitted.
        """
        if self._backlog is not None:
            self._backlog.principal = self.authority.principal
        if self.admitted_once:
            self._attach(refreshed=True)

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
        if self._joined_by is not self.reader.authority:
            self._attach(refreshed=True)
        self._joined_by = None
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
        if self._backlog is not None:
            self._backlog.replay(replay)
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

    # A slow reader.

    def congested(self) -> None:
        """The reader's outbox congested: leave the shared path. Called within a write of the fan-out."""
        if self._place is Place.LIVE:
            self.position = max(self.position, self.fanout.delivered)
            self._step_aside(Place.CATCHING)
        elif self._place is Place.RENEWING:
            self._give_up_renewal()

    def announce(self) -> None:
        """Tell a new activation that we follow, and what the one before did not answer."""
        if self.admitted_once:
            self._attach(refreshed=False)
        if self._place is Place.RENEWING:
            self._give_up_renewal()
            self.advance()

    def _attach(self, *, refreshed: bool) -> None:
        self._around.router.send(Envelope(self.fanout.address, Attach(refreshed), self.authority, self, self.reader.id))

    def renewed(self, renewal: Renewal, snapshot: ServerMessage | None) -> None:
        """The room's answer to the last question; None: it has no snapshot to give."""
        if self._renewal is not renewal or self._backlog is None:
            return
        if self._backlog.stale:
            self._give_up_renewal()
        else:
            self._place, self._renewal = Place.CATCHING, None
            if snapshot is not None:
                self.reader.send(snapshot)
            self._backlog.release_held()
        self.advance()

    def _renew(self, backlog: Backlog) -> None:
        backlog.hold()
        self._place, self._renewal = Place.RENEWING, Renewal(self)
        self._around.stats.resyncs += 1
        self._around.router.send(Envelope(self.fanout.address, Resync(), self.authority, self._renewal, self.reader.id))

    def _give_up_renewal(self) -> None:
        """Whatever is answered comes too early: what is dropped from now on is not in it."""
        self._place, self._renewal = Place.CATCHING, None
        if self._backlog is not None:
            self._backlog.give_up_held()

    # What the room sends while we are not live.

    def keep(self, batch: Batch) -> None:
        """Keep pushes until it is their turn; too many are a slow reader's."""
        if self._backlog is not None:
            self._backlog.take(batch.publications)
            self.advance()

    def advance(self) -> None:
        """Write what is next until nothing is left, the reader is slow or somebody must answer."""
        while (backlog := self._backlog) is not None and self._place is not Place.JOINING and not self.reader.outbox.congested:
            upto = backlog.next_offset - 1 if backlog else max(self._upto, self.fanout.delivered)
            if self.position < upto:
                self._read(upto, backlog)
                return
            if backlog:
                self._write_chunk(backlog)
            elif self._place is Place.RENEWING:
                return
            elif not backlog.release_newest():
                self._conclude(backlog)

    def _conclude(self, backlog: Backlog) -> None:
        """Nothing is left: join the shared path, unless something was missed."""
        if backlog.stale:
            self._renew(backlog)
            return
        self._place, self._backlog = Place.LIVE, None
        self.fanout.go_live(self)

    def _write_chunk(self, backlog: Backlog) -> None:
        """The next publications, without a hole between them, in one write."""
        chunk = backlog.chunk(self.position)
        for publication in chunk:
            self.position = publication.offset or self.position
        data = Batch(self.room, chunk).seen(self.reader.codec, self.authority.principal)
        stats = self._around.stats
        stats.deliveries += len(chunk)
        stats.bytes_out += len(data)
        self.reader.outbox.write(data)

    # What only the journal has.

    def _read(self, upto: int, backlog: Backlog) -> None:
        if self.reader.may_read(self):
            self._around.tasks.start(f"replay {self.fanout.address}", self._read_on(self.position, upto, backlog))

    async def _read_on(self, after: int, upto: int, backlog: Backlog) -> None:
        """Put events in front of a backlog, unless another join has begun one of its own."""
        try:
            backlog.replay(await self._around.reader.after(self.fanout.address, after, upto))
        except Unavailable as error:
            self._give_up(backlog, error)
        except Exception:
            self._give_up(backlog, InternalError("an event cannot be read"))  # else it would be read again, without end
            self.reader.read_done()
            raise
        self.reader.read_done()

    def _give_up(self, backlog: Backlog, error: CommonroomError) -> None:
        if self._backlog is backlog:
            self.void(error)

    # Off the shared path, and gone.

    def _step_aside(self, place: Place) -> None:
        """Keep what the room sends from now on, in a backlog of its own."""
        self._forget_backlog()
        self.fanout.wait(self)
        self._place = place
        self._backlog = Backlog(self.reader.outbox, self.authority.principal, self._around.settings, self._around.stats)

    def _gone(self) -> None:
        self._place = Place.GONE
        self._forget_backlog()
        self.fanout.remove(self)
        self.reader.drop(self)

    def _forget_backlog(self) -> None:
        self._renewal = None
        if self._backlog is not None:
            self._backlog.clear()
            self._backlog = None
