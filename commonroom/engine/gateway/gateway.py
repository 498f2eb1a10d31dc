"""The gateway of a node: sockets on one side, rooms on the other."""

import asyncio
import socket
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from http import HTTPStatus
from typing import Final, get_args

import structlog

from commonroom.clock import Clock, monotonic_s
from commonroom.codes import CloseCode
from commonroom.config.settings import GatewaySettings, HttpSettings
from commonroom.engine.address import Address
from commonroom.engine.envelope import Publication
from commonroom.engine.following import Following
from commonroom.engine.gateway.chronicle import Chronicle
from commonroom.engine.gateway.connection import Connection
from commonroom.engine.gateway.echo import Echo
from commonroom.engine.gateway.fanout import RoomFanout
from commonroom.engine.gateway.handshake import Origins
from commonroom.engine.gateway.hidden import HiddenPeople, LoadHidden
from commonroom.engine.gateway.listener import HttpProtocolFactory, Listener, Steer
from commonroom.engine.gateway.listing import Listings, LoadListed
from commonroom.engine.gateway.naming import USER
from commonroom.engine.gateway.places import Places
from commonroom.engine.gateway.reading import EventReader, ReadEvents
from commonroom.engine.gateway.session import Session
from commonroom.engine.gateway.sockets import Sockets
from commonroom.engine.gateway.stats import Stats
from commonroom.engine.gateway.status import Statuses, StatusPorts
from commonroom.engine.gateway.surroundings import AdmitCode, AdmitFounder, Surroundings
from commonroom.engine.gateway.wheel import Wheel
from commonroom.engine.router import Router
from commonroom.engine.trace import Trace
from commonroom.errors import Denied
from commonroom.identity import ActorType, Authority, Principal, SessionId
from commonroom.ids import Random, new_id
from commonroom.limit.limit import EVENTS, STATUS_LOOKS
from commonroom.protocol.codec import JSON, JSON_PROTOCOL, MSGPACK, MSGPACK_PROTOCOL
from commonroom.protocol.hash import protocol_hash
from commonroom.tasks import TaskGroup, pause

__all__ = ["Authenticate", "Gateway"]

Authenticate = Callable[[str], Authority]
"""Token → what it proves. Raises TokenExpired or Unauthenticated. Must not block."""

log = structlog.get_logger(__name__)

AWAY_TICK_S = 0.05
LEAST_AWAY_PER_S = 200
COME_BACK_PER_S = 2000
"""Sockets closed at once are asked to come back at this rate…"""
LONGEST_AWAY_MS = 2000
"""…but nobody later than this: a client waits 500 ms at least besides, and in all 3 s at most."""

OUTGROWN_MS: Final = 30_000
"""A page that signed in renews its socket's token at once; its other tabs when this ends theirs."""

KINDS: Final[tuple[ActorType, ...]] = get_args(ActorType)

CODECS = {MSGPACK_PROTOCOL: MSGPACK, JSON_PROTOCOL: JSON}


class Gateway:
    """Implements `Subscribers`. Make it on the loop it serves, `start` it, `close` it.

    Args:
        http: origins, header limits and request timeout of the common port.
        history: the cluster's history number.
        limits_scale: times what a connection may send (`limit.EVENTS`, `limit.STATUS_LOOKS`); 0: any number.
        admit_founder: asked before a room is founded; None: everybody may.
        admit_code: asked before an invite's code is tried; None: everybody may.
        visited: told of each admission, of whom and the room's id.
        load_hidden: asked for each principal with live sessions; None: nobody is hidden from anybody.
        load_listed: reads rooms of the public list; None: nobody is told how it changes.
        shows_changes: who is told that; None: everybody.
        status: what is behind users' status; None: nobody has one.
        random: for session ids; None draws them from the operating system.
        monotonic: seconds of an arbitrary origin, for all timeouts.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        http: HttpSettings,
        *,
        clock: Clock,
        router: Router,
        authenticate: Authenticate,
        read_events: ReadEvents,
        history: int,
        denied: Callable[[Denied, Authority | None, str, str], None] | None = None,
        limits_scale: float = 0.0,
        admit_founder: AdmitFounder | None = None,
        admit_code: AdmitCode | None = None,
        visited: Callable[[Principal, str], None] | None = None,
        load_hidden: LoadHidden | None = None,
        load_listed: LoadListed | None = None,
        shows_changes: Callable[[Principal], bool] | None = None,
        status: StatusPorts | None = None,
        random: Random | None = None,
        monotonic: Callable[[], float] = monotonic_s,
    ) -> None:
        self.stats = Stats()
        self.wheel = Wheel(monotonic)
        self.history = history
        self.protocol = protocol_hash()
        self.authenticate = authenticate
        self._http = http
        self._random = random
        self._tasks = TaskGroup(_crashed)
        loop = asyncio.get_running_loop()
        self.around = Surroundings(
            settings=settings,
            clock=clock,
            router=router,
            reader=EventReader(read_events),
            tasks=self._tasks,
            stats=self.stats,
            denied=denied or _ignore,
            soon=loop.call_soon,
            later=loop.call_later,
            monotonic=monotonic,
            visited=visited or _ignore,
            events=EVENTS.rate(limits_scale) if limits_scale else None,
            looks=STATUS_LOOKS.rate(limits_scale) if limits_scale else None,
            admit_founder=admit_founder,
            admit_code=admit_code,
        )
        self.hidden = HiddenPeople(load_hidden, self._tasks)
        self.listings = Listings(load_listed, self._tasks, shows_changes)
        self.following = Following()
        """Every address that a session here follows."""
        self.statuses = Statuses(self.around, status, self.following, self._unfollowed)
        self.chronicle = Chronicle(clock)
        self._fanouts: dict[Address, RoomFanout] = {}
        self._by_login: defaultdict[SessionId, set[Session]] = defaultdict(set)
        origins = Origins((*http.allowed_origins, *([http.public_url.rstrip("/")] if http.public_url else ())))
        self.places = Places(http)
        self._sockets = Sockets(settings, self.wheel, self.stats, self.places, origins, tuple(CODECS), self._session)
        self._listeners: list[Listener] = []
        self.on_unfollowed: Callable[[Address], None] = _ignore
        """Called when the last session that followed an address is gone."""
        self.steer: Steer | None = None
        """Asked for each socket that names a room; to be set before `start`."""
        self.port = 0
        """The common port in use, once started."""
        self.echo_port = 0
        """The echo listener's, 0 where it is off."""

    @property
    def waiting(self) -> int:
        """Sockets whose first request is not complete yet."""
        return sum(listener.waiting for listener in self._listeners)

    async def start(self, http_protocol: HttpProtocolFactory, *, reuse_port: bool = False) -> None:
        """Listen on `http.host` and `http.port`, and on the echo port if there is one.

        Args:
            http_protocol: makes the protocol of one HTTP connection (aiohttp's `web.Server`).

        Raises:
            OSError: an address is taken or not ours; nothing listens then.
        """
        listener = Listener(self._sockets, self._http, http_protocol, self.steer)
        self.port = await listener.start(self._http.host, self._http.port, reuse_port=reuse_port)
        self._listeners.append(listener)
        if self.around.settings.echo_port:
            try:
                await self.start_echo(self.around.settings.echo_port)
            except OSError:
                listener.stop()
                raise
        self.wheel.start(asyncio.get_running_loop())

    async def start_echo(self, port: int) -> None:
        """Listen with the echo handler on `port`, 0 for a free one, at loopback only.

        Raises:
            OSError: the port is taken.
        """
        sockets = Sockets(self.around.settings, self.wheel, self.stats, self.places, Origins(), (), Echo)
        listener = Listener(sockets, self._http, None)
        self.echo_port = await listener.start("127.0.0.1", port)
        self._listeners.append(listener)

    def adopt(self, transport: asyncio.Transport, head: bytes) -> None:
        """Take over a kept-alive HTTP connection that asks for an upgrade; see `Listener.adopt`."""
        self._listeners[0].adopt(transport, head)

    def refuse(self, transport: asyncio.Transport, status: HTTPStatus) -> None:
        """Take over an HTTP connection to answer a request that goes no further."""
        self._sockets.refuse(transport, status)

    def left(self, transport: asyncio.Transport) -> None:
        """An HTTP connection is gone."""
        self.places.leave(transport)

    @property
    def has_place(self) -> bool:
        """Whether a new socket would not be refused for want of place."""
        return bool(self._listeners) and not self._sockets.is_full

    def take(self, accepted: socket.socket, data: bytes) -> None:
        """Serve a socket that another process accepted and has read `data` from; see `Listener.take`."""
        if not self._listeners:
            accepted.close()
            return
        self._tasks.start("take a socket", self._listeners[0].take(accepted, data))

    def begin_drain(self) -> None:
        """Refuse new WebSockets with 503; HTTP and open sockets go on."""
        for listener in self._listeners:
            listener.sockets.draining = True

    def stop_listening(self) -> None:
        """Accept nobody new; who is here stays."""
        for listener in self._listeners:
            listener.stop()

    async def send_away(self, over_s: float, hasten: Callable[[], bool]) -> None:
        """Close every socket with SERVER_RESTART, spread over `over_s`: not all come to the others at once.

        Few sockets take less, `LEAST_AWAY_PER_S` go in any case. `hasten`: asked again and again; True: all at once.
        """
        sockets = self._listeners[0].sockets if self._listeners else None
        while sockets is not None and sockets.open:
            share = len(sockets.open) if hasten() or over_s <= 0 else max(1, int(len(sockets.open) * AWAY_TICK_S / over_s))
            share = min(max(share, int(LEAST_AWAY_PER_S * AWAY_TICK_S)), len(sockets.open))
            sockets.send_away(share, CloseCode.SERVER_RESTART, _come_back("the server restarts", share))
            over_s -= AWAY_TICK_S
            await pause(AWAY_TICK_S)

    def send_all_away(self) -> None:
        """Close every socket that is open now with SERVER_RESTART: here it hears nothing from the rooms."""
        for listener in self._listeners:
            number = len(listener.sockets.open)
            listener.sockets.send_away(number, CloseCode.SERVER_RESTART, _come_back("this server is cut off", number))

    async def close(self) -> None:
        """Stop listening, close every socket with SERVER_RESTART and wait for their end.

        Takes at most `close_timeout_s`. Safe to call twice; when cancelled, sockets are dropped.
        """
        for listener in self._listeners:
            listener.stop()
        reason = _come_back("the server restarts", sum(len(one.sockets.open) for one in self._listeners))
        try:
            await asyncio.gather(*(one.sockets.close(CloseCode.SERVER_RESTART, reason) for one in self._listeners))
        finally:
            for listener in self._listeners:
                listener.sockets.abort()
            self.wheel.stop()
            await self._tasks.close()

    def close_sid(self, sid: SessionId, code: CloseCode) -> int:
        """Close the sockets of a login session (logout, ban); how many there were."""
        sessions = tuple(self._by_login.get(sid, ()))
        for session in sessions:
            session.end(code, "the login session has ended")
        return len(sessions)

    def outgrown(self, sid: SessionId) -> None:
        """The guest of a login session has signed in: what still speaks for the guest takes the user's token, or ends with the old one."""
        for session in tuple(self._by_login.get(sid, ())):
            if session.authority.principal.actor_type == "guest":
                session.expire_by(self.around.clock.now() + OUTGROWN_MS)

    def mark(self, actors: AbstractSet[str], marked: Callable[[Authority], Authority]) -> None:
        """Something else stands against these people now: their sessions speak with a `marked` authority. Cost: one look a session."""
        for sessions in self._by_login.values():
            for session in sessions:
                session.mark(actors, marked)

    def traces(self, actors: Sequence[str]) -> list[Trace]:
        """The connections of principals with these ids: those that ended within the last hour, then those that are open."""
        principals = [Principal(kind, actor) for actor in actors for kind in KINDS]
        return self.chronicle.of(actors) + [one.trace() for principal in principals for one in self.hidden.watchers_of(principal)]

    # For the actor host (`Subscribers`).

    def publish(self, address: Address, publication: Publication) -> None:
        if (fanout := self._fanouts.get(address)) is not None:
            fanout.publish(publication)
        elif address.kind == USER:
            self.statuses.publish(publication)

    def activated(self, address: Address, activation: str, head: int) -> None:
        self.announce(address)
        self.expect(address, head)

    def loaded(self) -> Counter[int]:
        """How many followed rooms leave things out, by level. Cost: O(followed)."""
        return Counter(fanout.load for fanout in self._fanouts.values() if fanout.load)

    def count(self, address: Address) -> int:
        if address.kind == USER:
            return len(self.statuses.followers(address))
        fanout = self._fanouts.get(address)
        return 0 if fanout is None else len(fanout)

    # For the cluster.

    def sessions_of(self, address: Address) -> list[str]:
        """The sessions that follow an address."""
        if address.kind == USER:
            return self.statuses.followers(address)
        fanout = self._fanouts.get(address)
        return [] if fanout is None else [subscription.reader.id for subscription in fanout]

    def announce(self, address: Address) -> None:
        """Tell the address, wherever it lives, who follows it from here."""
        if (fanout := self._fanouts.get(address)) is not None:
            fanout.announce()
        elif address.kind == USER:
            self.statuses.announce(address)

    def expect(self, address: Address, head: int) -> None:
        """The stream stands at `head`: what is missing up to there was lost on the way."""
        if (fanout := self._fanouts.get(address)) is not None:
            fanout.expect(head)

    # For sessions (`Lobby`).

    def new_session_id(self) -> str:
        return new_id(self.around.clock.now(), None if self._random is None else self._random.getrandbits(74))

    def opened(self, session: Session, sid: SessionId) -> None:
        self.stats.sessions += 1
        self._by_login[sid].add(session)

    def ended(self, session: Session, sid: SessionId) -> None:
        self.stats.sessions -= 1
        trace = session.trace()
        self.chronicle.note(trace)
        if trace.closed_by == "server" and trace.code != CloseCode.SERVER_RESTART:
            _log_end(trace)
        sessions = self._by_login[sid]
        sessions.discard(session)
        if not sessions:
            del self._by_login[sid]

    def fanout(self, address: Address) -> RoomFanout:
        fanout = self._fanouts.get(address)
        if fanout is None:
            fanout = self._fanouts[address] = RoomFanout(address, self.around)
            self.following.mark(address, True)
        return fanout

    def release(self, fanout: RoomFanout) -> None:
        if not len(fanout) and self._fanouts.get(fanout.address) is fanout:
            del self._fanouts[fanout.address]
            self.following.mark(fanout.address, False)
            self._unfollowed(fanout.address)

    def _unfollowed(self, address: Address) -> None:
        self.on_unfollowed(address)

    def _session(self, connection: Connection, subprotocol: str | None, accepted_s: float) -> Session:
        return Session(self, connection, CODECS[subprotocol or MSGPACK_PROTOCOL], accepted_s)


def _log_end(trace: Trace) -> None:
    """Why we sent somebody away: what they may ask about. Who left by themselves, or with all others, is counted only."""
    log.info(
        "connection_closed", who=trace.principal, session=trace.session, code=trace.code, reason=trace.reason,
        owed_bytes=trace.bytes_owed, dropped=trace.dropped,
    )  # fmt: skip


def _come_back(why: str, number: int) -> str:
    """A reason with the time over which so many clients are to spread their first attempts (docs/PROTOCOL.md, "Closing")."""
    return f"{why}; retry_after_ms={min(number * 1000 // COME_BACK_PER_S, LONGEST_AWAY_MS)}"


def _ignore(*_told: object) -> None:
    pass


def _crashed(name: str, error: BaseException) -> None:
    log.error("gateway_task_failed", task=name, error=type(error).__name__, exc_info=error)
