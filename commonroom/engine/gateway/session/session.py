"""One client of the protocol: hello, then commands and subscriptions, until the socket ends.

    CONNECTED ──hello accepted──► OPEN ──┐
        └──refused, late, anything else──┴─► ENDED

Whatever a client sends, it gets an answer or a documented close; the session's own errors
(malformed, not joined, over a cap, too often) are counted, too many a minute close the socket.

Its parts: `parking.py` keeps commands in order behind one that is asked about first, `looking.py` has what is of no
room. One object all the same, and nothing passes between the parts that costs a call for each message.
"""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Final

from msgspec.structs import replace

from commonroom.codes import CloseCode
from commonroom.engine.address import Address
from commonroom.engine.envelope import Admission, Envelope
from commonroom.engine.gateway.connection import Connection
from commonroom.engine.gateway.fanout import Place, Subscription
from commonroom.engine.gateway.naming import address_of, writable
from commonroom.engine.gateway.session.lobby import Lobby
from commonroom.engine.gateway.session.looking import Looking
from commonroom.engine.trace import Trace
from commonroom.errors import (
    BadFrame,
    CommonroomError,
    Conflict,
    Denied,
    Forbidden,
    LimitExceeded,
    NotJoined,
    RateLimited,
    TokenExpired,
    Unauthenticated,
    Unavailable,
    row_of,
)
from commonroom.identity import Authority, Principal
from commonroom.permissions import KINDS, NEVER, TABLE, kind_of, require_kind
from commonroom.protocol.codec import Codec, Rejected
from commonroom.protocol.invite import InviteAccept, InviteListing, RoomQuit
from commonroom.protocol.listing import ListingWatch
from commonroom.protocol.registry import COMMAND_NAMES, COMMANDS
from commonroom.protocol.room import RoomCreate, RoomJoin, RoomLeave
from commonroom.protocol.session import Error, Heartbeat, HeartbeatReply, Hello, Limits, Refresh, Refreshed, Reply, Welcome
from commonroom.protocol.status import StatusSet, StatusWatch
from commonroom.protocol.wire import MAX_TEXT, Command, RoomPush, ServerMessage

__all__ = ["Session"]

MINUTE_S: Final = 60.0

BARRED: Final = {kind: frozenset(cls for name, cls in COMMANDS.items() if TABLE[name].of(kind) is NEVER) for kind in KINDS}
"""The commands that are closed to a kind of principal whatever they name: one look-up an event."""


class Session(Looking):
    """Takes the messages of one connection; implements `Handler`, `Reader` and `Origin`."""

    __slots__ = ("_accepted_s", "_barred", "_beat_s", "_error_since_s", "_errors", "_opened_at", "_reading", "_tat_us")

    def __init__(self, lobby: Lobby, connection: Connection, codec: Codec, accepted_s: float) -> None:
        super().__init__(lobby, connection, codec)
        self._accepted_s = accepted_s
        self._barred = BARRED["nobody"]
        self._reading: Subscription | None = None
        self._beat_s = 0.0
        self._opened_at = 0
        self._errors = 0
        self._error_since_s = 0.0
        self._tat_us = 0
        """Of `limit.EVENTS`, see `commonroom.limit.gcra`."""

    def mark(self, actors: AbstractSet[str], marked: Callable[[Authority], Authority]) -> None:
        """If it is one of these people: speak with what `marked` says of its authority from the next command on; its rooms are told."""
        authority = self._authority
        if authority is None or actors.isdisjoint((authority.sid, *authority.actors)):
            return
        self._authority = marked(authority)
        for subscription in tuple(self._rooms.values()):
            subscription.refreshed()

    def expire_by(self, at: int) -> None:
        """Its token is over then, cluster ms, if not before."""
        if self._authority is not None:
            self._authority = replace(self._authority, expires_at=min(self._authority.expires_at, at))
            self._watch_expiry(self._authority)

    def trace(self) -> Trace:
        """What there is to tell of it up to now."""
        who, tally = self.authority, self.outbox.tally
        ending, traffic = self._connection.ending, self._connection.traffic()
        by, code, reason = ending or ("", 0, "")
        closed_at = None if ending is None else self._lobby.around.clock.now()
        received, sent = traffic or (None, None)
        return Trace(
            self.id, who.principal, who.sid, self._opened_at, closed_at, by, code, reason, len(self._rooms), received, sent,
            self.outbox.owed_bytes, tally.slowed, tally.dropped, tally.resumed, tally.reset, tally.refused,
        )  # fmt: skip

    def end(self, code: CloseCode, reason: str) -> None:
        """Close the connection."""
        self._connection.close(code, reason)

    # From the connection.

    def received(self, data: bytes | bytearray, text: bool) -> None:
        self._lobby.around.stats.commands += 1
        if text is not self.codec.text:
            self.end(CloseCode.BAD_FRAME, "text and binary do not mix: see the subprotocol")
            return
        try:
            command = self.codec.decode(data)
        except BadFrame as error:
            self.end(CloseCode.BAD_FRAME, error.message)
            return
        if isinstance(command, Rejected):
            self._reject(command.ref, command.error)
        elif (self._authority is None) is not (type(command) is Hello):
            self.end(CloseCode.OUT_OF_ORDER, "hello comes first, and once")
        elif self._is_granted(command):
            self._take(command)

    def congested(self) -> None:
        for subscription in self._rooms.values():
            subscription.congested()

    def drained(self) -> None:
        self._advance()

    def tick(self, now_s: float) -> float | None:
        settings = self._lobby.around.settings
        if self._authority is None:
            late_s = self._accepted_s + settings.hello_timeout_s
            if now_s >= late_s:
                self.end(CloseCode.HELLO_TIMEOUT, f"no hello within {settings.hello_timeout_s:g} s")
            return late_s
        silent_s = self._connection.heard_s + settings.heartbeat_s + settings.heartbeat_grace_s
        expires_in_s = (self._authority.expires_at - self._lobby.around.clock.now()) / 1000
        if now_s >= silent_s:
            self.end(CloseCode.HEARTBEAT_TIMEOUT, "nothing was heard")
        elif expires_in_s <= 0:
            self.end(CloseCode.TOKEN_EXPIRED, "the token has expired")
        elif now_s >= self._beat_s:
            self._beat(now_s)
        return min(silent_s, self._beat_s, now_s + expires_in_s)

    def ended(self) -> None:
        if self._authority is not None:
            self._lobby.ended(self, self._authority.sid)
        for subscription in tuple(self._rooms.values()):
            subscription.detach()
        if self._sight is not None:
            self._lobby.hidden.leave(self._sight, self)
            self._lobby.statuses.leave(self)
            self._lobby.statuses.watch(self, ())
        self._lobby.listings.leave(self)

    # From the room (`Origin`) and from subscriptions (`Reader`).

    def replied(self, ref: int, message: ServerMessage) -> None:
        if type(message) is InviteListing:
            self._list(ref, message)
        elif ref or isinstance(message, RoomPush):
            self.send(message)

    def _list(self, ref: int, listing: InviteListing) -> None:
        """An answer that names people, unlike others: it has not come through a veil."""
        if self.hidden is None:
            self.refused(ref, Unavailable("it is not known yet who is hidden"))
        else:
            self.send(listing.without(self.hidden))

    def refused(self, ref: int, error: CommonroomError) -> None:
        if isinstance(error, Denied):
            error.where = writable(error.where)
            self._lobby.around.denied(error, self._authority, f"{self.id}/{ref}", self._connection.address)
        if ref:
            code = row_of(error).code
            self.send(Error(ref, code, code.name, error.message, error.retry_after_ms, error.remaining))

    def admitted(self, ref: int, admission: Admission) -> None:
        """Joins are answered to their subscription."""

    def drop(self, subscription: Subscription) -> None:
        self._rooms.pop(subscription.room, None)
        self._lobby.around.stats.subscriptions -= 1
        self._lobby.release(subscription.fanout)
        self.moved()

    def may_read(self, subscription: Subscription) -> bool:
        if self._reading is not None:
            return False
        self._reading = subscription
        return True

    def read_done(self) -> None:
        self._reading = None
        self._advance()

    def _advance(self) -> None:
        for subscription in tuple(self._rooms.values()):
            subscription.advance()

    # Commands.

    def _is_granted(self, command: Command) -> bool:
        """Whether the connection may send another one now; else it was refused."""
        around = self._lobby.around
        if (rate := around.events) is None or type(command) is HeartbeatReply:
            return True
        now_us = int(around.monotonic() * 1_000_000)
        wait_us = rate.wait_us(self._tat_us, now_us)
        if wait_us <= 0:
            self._tat_us = rate.after(self._tat_us, now_us)
            return True
        self._reject(command.ref, RateLimited("that was too much at once: wait a little", retry_after_ms=-(-wait_us // 1000)))
        return False

    def _handle(self, command: Command) -> None:
        try:
            if type(command) in self._barred:
                require_kind(COMMAND_NAMES[type(command)], self._authority)
            self._dispatch(command)
        except CommonroomError as error:
            self._failed(command, error)

    def _failed(self, command: Command, error: CommonroomError) -> None:
        if isinstance(error, Denied):
            error.action, error.where = error.action or COMMAND_NAMES[type(command)], getattr(command, "room", "")
        self._reject(command.ref, error)

    def _dispatch(self, command: Command) -> None:
        match command:
            case RoomJoin():
                self._join(command)
            case RoomLeave():
                self._leave(command)
            case RoomCreate():
                self._create(command)
            case InviteAccept():
                self._accept(command)
            case Hello():
                self._hello(command)
            case Refresh():
                self._refresh(command)
            case HeartbeatReply():
                self._connection.control()  # anything received counts as life; this is for clients with nothing to say
            case ListingWatch() | StatusWatch() | StatusSet():
                self._look(command)
            case RoomQuit():
                self._send_on(Envelope(address_of(command.room), command, self.authority, self, self.id))
            case _:
                self._to_room(command)

    def _hello(self, command: Hello) -> None:
        try:
            authority = self._lobby.authenticate(command.token)
            self._refuse_expired(authority)
        except Unauthenticated as error:
            self.refused(command.ref, error)
            self.end(row_of(error).close or CloseCode.UNAUTHENTICATED, error.message)
            return
        around = self._lobby.around
        self._prove(authority)
        self.id = self._lobby.new_session_id()
        self._beat_s = self._now_s() + around.settings.heartbeat_s
        self._opened_at = around.clock.now()
        self._lobby.opened(self, authority.sid)
        self._lobby.statuses.enter(self)
        self.send(self._welcome(command.ref, authority))
        self._watch_expiry(authority)
        for resume in command.resume:
            self._handle(RoomJoin(0, resume.room, resume.position))

    def _welcome(self, ref: int, authority: Authority) -> Welcome:
        settings = self._lobby.around.settings
        return Welcome(
            ref=ref,
            session=self.id,
            principal=authority.principal,
            name=authority.name,
            history=self._lobby.history,
            server_time=self._lobby.around.clock.now(),
            limits=Limits(
                message_bytes=settings.message_bytes,
                rooms=settings.rooms_per_session,
                heartbeat_ms=int(settings.heartbeat_s * 1000),
                grace_ms=int(settings.heartbeat_grace_s * 1000),
                text_chars=MAX_TEXT,
                token_expires_at=authority.expires_at,
            ),
            protocol=self._lobby.protocol,
        )

    def _refresh(self, command: Refresh) -> None:
        authority = self._lobby.authenticate(command.token)
        self._refuse_expired(authority)
        before = self.authority
        if not _goes_on(before, authority):
            raise Forbidden("the token is of another login session")
        self._prove(authority)
        self._watch_expiry(authority)
        self.replied(command.ref, Refreshed(command.ref, authority.principal, authority.name, authority.expires_at))
        if authority.principal != before.principal:
            self._lobby.statuses.enter(self)
        changed, now = _matters_to_rooms(authority) != _matters_to_rooms(before), self._lobby.around.clock.now()
        for subscription in tuple(self._rooms.values()):
            if subscription.lapsed(now) or changed:
                subscription.refreshed()

    def _join(self, command: RoomJoin) -> None:
        address = address_of(command.room)
        granted = None if command.grant is None else self._granted(command.grant)
        subscription = self._rooms.get(command.room)
        if subscription is None:
            subscription = self._subscribe(address)
        elif subscription.place is Place.JOINING:
            raise Conflict("a join of this room is under way")
        self.outbox.tally.resumed += command.resume is not None
        subscription.granted = granted or subscription.granted
        subscription.join(command if command.grant is None else replace(command, grant=None))

    def _granted(self, token: str) -> Authority:
        authority = self._lobby.authenticate(token)
        self._refuse_expired(authority)
        if not self.authority.owns(authority.principal):
            raise Forbidden("the grant is somebody else's")
        return authority

    def _subscribe(self, address: Address) -> Subscription:
        around = self._lobby.around
        if len(self._rooms) >= around.settings.rooms_per_session:
            raise LimitExceeded(f"a session follows at most {around.settings.rooms_per_session} rooms")
        subscription = Subscription(self, self._lobby.fanout(address), around)
        self._rooms[address.key] = subscription
        around.stats.subscriptions += 1
        return subscription

    def _leave(self, command: RoomLeave) -> None:
        if (subscription := self._rooms.get(command.room)) is not None:
            subscription.leave()
        self.replied(command.ref, Reply(command.ref))

    def _to_room(self, command: Command) -> None:
        room: str = getattr(command, "room", "")
        subscription = self._rooms.get(room)
        if subscription is None:
            raise NotJoined(f"join room {room[:40]!r} first")
        self._send_on(Envelope(subscription.fanout.address, command, subscription.authority, self, self.id))

    # Time and errors.

    def _now_s(self) -> float:
        return self._connection.heard_s

    def _watch_expiry(self, authority: Authority) -> None:
        left_s = (authority.expires_at - self._lobby.around.clock.now()) / 1000
        self._connection.watch(min(self._now_s() + left_s, self._beat_s))

    def _prove(self, authority: Authority) -> None:
        self._authority = authority
        self._barred = BARRED[kind_of(authority)]
        if self._sight is None or self._sight.principal != authority.principal:
            self._look_as(authority.principal)

    def _refuse_expired(self, authority: Authority) -> None:
        if authority.expires_at <= self._lobby.around.clock.now():
            raise TokenExpired("the token has expired")

    def _beat(self, now_s: float) -> None:
        around = self._lobby.around
        self._beat_s = now_s + around.settings.heartbeat_s
        heads = [(room, one.head) for room, one in self._rooms.items() if one.place is not Place.JOINING]
        self.send(Heartbeat(around.clock.now(), heads))

    def _reject(self, ref: int, error: CommonroomError) -> None:
        """An error of the client's own making."""
        self.outbox.tally.refused += 1
        self.refused(ref, error)
        now_s = self._now_s()
        if now_s - self._error_since_s > MINUTE_S:
            self._errors, self._error_since_s = 0, now_s
        self._errors += 1
        if self._errors > self._lobby.around.settings.errors_per_minute:
            self.end(CloseCode.TOO_MANY_ERRORS, "too many errors in a minute")


def _matters_to_rooms(authority: Authority) -> tuple[object, ...]:
    """Who it is, and which rooms are open to it: a room that no longer is must stop being heard (RELIABILITY W12)."""
    return authority.principal, authority.name, authority.grants, authority.bound


def _goes_on(before: Authority, after: Authority) -> bool:
    """Whether a live session may change its authority so: the same principal, or the user whom its own guest became (FEATURES P2)."""
    if after.sid != before.sid:
        return False
    was_its_guest = before.principal == Principal("guest", before.sid) and after.principal.actor_type == "user"
    return after.principal == before.principal or (was_its_guest and after.owns(before.principal))
