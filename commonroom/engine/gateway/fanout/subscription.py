"""A session's place in a room: joining, catching up, live; renewing when it missed something.

| from | what happens | to |
|---|---|---|
| (new), LIVE, CATCHING, RENEWING, DOUBTED | the client joins | JOINING |
| JOINING | admitted, and it is known who is hidden from the reader | CATCHING |
| JOINING | refused | GONE |
| CATCHING | nothing left, and nobody is hidden from the reader | LIVE |
| CATCHING | nothing left, but stale: the room is asked | RENEWING |
| RENEWING | the room's fresh snapshot | CATCHING |
| RENEWING | the outbox congests, a new activation, too much waits: stale again | CATCHING |
| LIVE | the outbox congests | CATCHING |
| LIVE | other people are hidden from the reader: stale | CATCHING |
| LIVE, CATCHING, RENEWING | a push may have shut it out that is newer than its last admission: the room is asked | DOUBTED |
| DOUBTED | the reader may stay | CATCHING |
| DOUBTED | may not, or nobody knows | GONE |
| any but JOINING | a push ends it that is newer than its last admission | GONE |
| any | left, voided, session ended | GONE |

JOINING: the command is on its way; what the room sends is kept. CATCHING: what follows the
client's position is written in order: from the ring's replay, from the journal where that
has a hole, then what was kept (`Backlog`, which drops or conflates volatile pushes of a slow
reader). It stops while the outbox is congested, so that coming back to a hundred rooms is no
flood. LIVE: the fan-out writes. RENEWING: volatile pushes were dropped and the room is asked
for a fresh volatile snapshot. Durable ones go on; volatile ones wait behind the answer, which
a commit may hold back while later pushes overtake it. DOUBTED: the room has become private, and
nothing that follows is written before it has said that this reader belongs to it.

A reader from whom people are hidden never goes LIVE: all it gets is written here, through its
`Veil`, so that the shared path knows nothing of veils.

Invariant (I6): `position` moves by one for each durable event written, in every state.
Invariant: LIVE implies an outbox that is not congested, and nothing missed.
"""

from enum import Enum
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from commonroom.engine.envelope import Admission, Attach, Detach, Envelope, Query, Resync
from commonroom.engine.gateway.fanout.backlog import Backlog
from commonroom.engine.gateway.fanout.batch import Batch
from commonroom.engine.gateway.fanout.doubt import Doubt
from commonroom.engine.gateway.fanout.reader import Reader
from commonroom.engine.gateway.fanout.renewal import Renewal
from commonroom.engine.gateway.fanout.veil import Veil
from commonroom.engine.gateway.hidden import NOBODY
from commonroom.engine.gateway.surroundings import Surroundings
from commonroom.errors import CommonroomError, InternalError, NotJoined, Unavailable
from commonroom.identity import Authority
from commonroom.protocol.room import Gap, Joined, Recovery, RoomJoin, RoomRemoved, RoomReset
from commonroom.protocol.wire import Expulsion, ServerMessage, StreamPosition

if TYPE_CHECKING:
    from commonroom.engine.gateway.fanout.fanout import RoomFanout

__all__ = ["Place", "Subscription"]


NOTHING: Final[dict[bool, tuple[int, Expulsion]]] = {}
"""Shared by all: it is never changed."""


class Place(Enum):
    """Where a subscription is; see the module's text for the transitions."""

    JOINING = "joining"
    CATCHING = "catching"
    RENEWING = "renewing"
    DOUBTED = "doubted"
    LIVE = "live"
    GONE = "gone"


SILENT: Final = frozenset({Place.JOINING, Place.DOUBTED})
"""Nothing is written until the room has answered."""


class Subscription:
    """Implements `Origin` for the joins of one room by one session."""

    __slots__ = (
        "_admission",
        "_admitted_at",
        "_around",
        "_backlog",
        "_doubt",
        "_expelled",
        "_joined_by",
        "_place",
        "_ref",
        "_renewal",
        "_resume",
        "_upto",
        "_veil",
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
        self._doubt: Doubt | None = None  # not None: DOUBTED
        self._admission: Admission | None = None  # not None: JOINING, until it is known who is hidden
        self._veil: Veil | None = None  # None: nobody is hidden
        self._admitted_at = 0
        """The offset at which the room last let it in: what was done before does not end it."""
        self._expelled: dict[bool, tuple[int, Expulsion]] = NOTHING
        """The last that came while a join was under way: of those that end it, and of those for which the room is asked."""

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
            self.reader.outbox.tally.reset += 1
            self.reader.send(RoomReset(self.room))
        self.detach()

    def expel(self, offset: int, expulsion: Expulsion) -> None:
        """The push at `offset` ends it if it is meant, unless the room let it in after that. Of a join under way the answer will tell."""
        if expulsion.people is not None and not any(map(self.reader.authority.owns, expulsion.people)):
            return
        if self._place is Place.JOINING:
            self._expelled = self._expelled | {expulsion.people is None: (offset, expulsion)}
        elif offset <= self._admitted_at or self._place is Place.GONE:
            return
        elif expulsion.people is None:
            self._ask_again()
        else:
            code = expulsion.code
            self.reader.send(RoomRemoved(self.room, code, code.name, expulsion.message))
            self.detach()

    def _ask_again(self) -> None:
        """Write nothing more before the room has said that the reader may stay."""
        if self._place is Place.LIVE:
            self.position = max(self.position, self.fanout.delivered)
            self._step_aside(Place.DOUBTED)
        elif self._place is Place.RENEWING:
            self._give_up_renewal()
        self._place, self._doubt = Place.DOUBTED, Doubt(self.fanout.doubts, self)
        self.fanout.doubts.ask(self._doubt)

    def ask(self, doubt: Doubt) -> bool:
        """Put a doubt to the room; False: it is settled already."""
        if self._doubt is not doubt:
            return False
        self._around.router.send(Envelope(self.fanout.address, Query("room.join"), self.authority, doubt, self.reader.id))
        return True

    def settled(self, doubt: Doubt, error: CommonroomError | None) -> None:
        """The room's answer to the last doubt; not None: the reader may not stay, or nobody knows."""
        if self._doubt is not doubt:
            return
        self._doubt = None
        if error is not None:
            self.void(error)
        else:
            self._place = Place.CATCHING
            self.advance()

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
        self.admitted_once = True
        self._around.visited(self.reader.authority.principal, self.room)
        if self.reader.hidden is None:
            self._admission = admission
            self.reader.want_hidden()
        else:
            self._enter(admission)

    def _enter(self, admission: Admission) -> None:
        self.fanout.flush()
        self._place = Place.CATCHING
        self._admitted_at = admission.offset
        self._draw_veil()
        self.fanout.reveal(admission.offset)
        if self.fanout.load is None and isinstance(admission.snapshot, Joined):
            self.fanout.loaded(admission.snapshot.load)
        self._look_around(admission)
        gap = self._plan(admission)
        self._answer(admission, gap)
        if self._joined_by is not self.reader.authority:
            self._attach(refreshed=True)
        self._joined_by = None
        for told in self._expelled.values():
            self.expel(*told)
        self._expelled = NOTHING
        self.advance()

    def _look_around(self, admission: Admission) -> None:
        """The snapshot tells what goes on in the room, unless what is delivered here is newer."""
        if admission.offset >= self.fanout.delivered:
            self.fanout.seen(self.fanout.scene.after(admission.snapshot))
        self.reader.moved()

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
        self._show(replace(admission.snapshot, ref=self._ref, position=position, recovery=recovery, gap=gap))

    # Who is hidden.

    def hidden_changed(self) -> None:
        """Other people are hidden from the reader than before, or it is known at last who."""
        if self.reader.hidden is None:
            return
        if self._admission is not None:
            admission, self._admission = self._admission, None
            self._enter(admission)
        elif self._place not in {Place.JOINING, Place.GONE} and self._draw_veil():
            self._renew_soon()

    def hidden_unknown(self, error: CommonroomError) -> None:
        """It could not be found out who is hidden: nothing is shown rather than too much."""
        if self._admission is not None:
            self._admission = None
            self.refused(self._ref, error)

    def _draw_veil(self) -> bool:
        """See as the reader is to see now; whether that is something else than before."""
        hidden = self.reader.hidden or NOBODY
        if hidden == (NOBODY if self._veil is None else self._veil.hidden):
            return False
        self._veil = Veil(hidden) if hidden else None
        return True

    def _renew_soon(self) -> None:
        """What the client knows of presence is not what it should know."""
        if self._place is Place.LIVE:
            self.position = max(self.position, self.fanout.delivered)
            self._step_aside(Place.CATCHING)
        if self._backlog is not None:
            self._backlog.stale = True  # a snapshot on its way is asked for once more
        self.advance()

    def _show(self, snapshot: ServerMessage) -> None:
        self.reader.send(snapshot if self._veil is None else self._veil.snapshot(snapshot))

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
        if snapshot is None and self._veil is not None:
            self.void(Unavailable("the room has no snapshot without those who are hidden"))
            return
        if self._backlog.stale:
            self._give_up_renewal()
        else:
            self._place, self._renewal = Place.CATCHING, None
            if snapshot is not None:
                self._show(snapshot)
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
        backlog = self._backlog
        if backlog is None:
            return
        if self._veil is not None and self._follows(batch):
            self._write(batch)  # the backlog is empty, and would only give it back
        else:
            backlog.take(batch.publications)
            self.advance()

    def _follows(self, batch: Batch) -> bool:
        """Whether a batch is what comes next to a reader that has everything before it and can take it: `advance` has come to its end."""
        position = self.position
        for publication in batch.publications:
            if publication.offset and publication.offset != position + 1:
                return False
            position = publication.offset or position
        return position >= self.fanout.delivered and self._place is Place.CATCHING and not self.reader.outbox.congested

    def advance(self) -> None:
        """Write what is next until nothing is left, the reader is slow or somebody must answer."""
        while (backlog := self._backlog) is not None and self._place not in SILENT and not self.reader.outbox.congested:
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
                return

    def _conclude(self, backlog: Backlog) -> None:
        """Nothing is left: join the shared path, unless something was missed or people are hidden."""
        if backlog.stale:
            self._renew(backlog)
        elif self._veil is None:
            self._place, self._backlog = Place.LIVE, None
            self.fanout.go_live(self)

    def _write_chunk(self, backlog: Backlog) -> None:
        """The next publications, without a hole between them, in one write."""
        self._write(Batch(self.room, backlog.chunk(self.position)))

    def _write(self, batch: Batch) -> None:
        for publication in batch.publications:
            self.position = publication.offset or self.position
        who = self.reader.authority
        data = batch.seen(self.reader.codec, who.principal, veil=self._veil, guests=who.guests)
        stats = self._around.stats
        stats.deliveries += len(batch.publications)
        stats.bytes_out += len(data)
        if data:
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
        self._place, self._admission = Place.GONE, None
        self._forget_backlog()
        self.fanout.remove(self)
        self.reader.drop(self)

    def _forget_backlog(self) -> None:
        self._renewal = self._doubt = None
        if self._backlog is not None:
            self._backlog.clear()
            self._backlog = None
