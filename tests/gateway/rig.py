"""What a gateway is put between in these tests: time by hand, rooms that do as they are told."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Self, cast

from commonroom.clock import Millis
from commonroom.config.settings import GatewaySettings, HttpSettings
from commonroom.engine.address import Address
from commonroom.engine.envelope import Admission, Attach, Detach, Envelope, Publication, Resync, Subscribers
from commonroom.engine.gateway import Gateway
from commonroom.engine.gateway.listener import Steer
from commonroom.engine.gateway.surroundings import AdmitCode, AdmitFounder
from commonroom.errors import CommonroomError, TokenExpired, Unauthenticated, Unavailable
from commonroom.identity import Authority, Principal, RoomGrant, SessionId
from commonroom.protocol.chat import MessageCreate, MessageSend
from commonroom.protocol.codec import MSGPACK, encode_event
from commonroom.protocol.presence import PresenceReset, PresenceSnapshot, PresenceUpdate
from commonroom.protocol.room import Joined, RoomCreate, RoomInfo, RoomJoin
from commonroom.protocol.roster import Person
from commonroom.protocol.session import Hello, Reply, ResumeAt, Welcome
from commonroom.protocol.typing import Typing, TypingStart
from commonroom.protocol.wire import RoomPush, StreamPosition
from commonroom.storage.journal.port import JournalEvent
from tests.gateway.socket import RawSocket

__all__ = ["EPOCH_MS", "Rig", "RigRoom", "RigRouter", "Ticking", "durable", "principal", "until"]

EPOCH_MS = 1_700_000_000_000


async def until(condition: Callable[[], object]) -> None:
    """Let the loop run until the condition holds."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.001)


def principal(name: str) -> Principal:
    return Principal("guest", name)


class Ticking:
    """Both clocks, moved by hand. A token is `name` or `name@sid`, with `!` in front when expired.

    `+name@sid` is a user's, who signed in as the guest `sid`; `~Other` at the end is another display name.
    """

    def __init__(self) -> None:
        self.elapsed_s = 0.0
        self.ttl_ms = 3_600_000
        self.guests: tuple[str, ...] | None = None
        """Which guests users were; None: each the one of its login session."""

    def now(self) -> Millis:
        return Millis(EPOCH_MS + int(self.elapsed_s * 1000))

    def monotonic(self) -> float:
        return 1000.0 + self.elapsed_s

    def authenticate(self, token: str) -> Authority:
        if token.startswith("forged"):
            raise Unauthenticated("the token is forged")
        if token.startswith("!"):
            raise TokenExpired("the token has expired")
        token, _, shown = token.partition("~")
        token, _, room = token.partition("#")
        name, _, sid = token.removeprefix("+").partition("@")
        is_user = token.startswith("+")
        grants = (RoomGrant(room, name, "host"),) if room else ()
        who = Principal("user", name) if is_user else principal(name)
        guests = ((sid,) if self.guests is None else self.guests) if is_user else ()
        return Authority(who, SessionId(sid or f"sid-{name}"), shown or name, self.now() + self.ttl_ms, grants=grants, guests=guests)


def durable(room: str, offset: int, text: str = "hello") -> MessageCreate:
    return MessageCreate(room, offset, EPOCH_MS, principal("author"), None, text)


class RigRoom:
    """A room without rules: a journal, a roster, a ring of the last `ring` events; who is here and who types, as told."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.address = Address("room", name)
        self.events: list[Publication] = []
        self.roster: set[str] = set()
        self.ring = 8
        self.activation, self.rev = "a0", 0
        self.here: dict[Principal, Person] = {}
        self.typing: set[Principal] = set()

    @property
    def head(self) -> int:
        return len(self.events)

    def append(self, text: str = "hello") -> Publication:
        event = durable(self.name, self.head + 1, text)
        self.events.append(Publication(event, encode_event(event), event.offset, event.author, None, None))
        return self.events[-1]

    def volatile(self, push: RoomPush | None = None, conflate: str | None = None) -> Publication:
        push = push or Typing(self.name, principal("somebody"), True)
        return Publication(push, MSGPACK.encode(push), 0, None, None, conflate)

    def typed(self, name: str, active: bool) -> Publication:
        """Somebody starts or stops typing: the newest counts."""
        who = principal(name)
        (self.typing.add if active else self.typing.discard)(who)
        return self.volatile(Typing(self.name, who, active), f"typing:{name}")

    def moved(self, name: str) -> Publication:
        """Somebody comes, or goes who was here: a delta, which fits one rev only."""
        who = principal(name)
        self.rev += 1
        if who in self.here:
            del self.here[who]
            return self.volatile(PresenceUpdate(self.name, self.activation, self.rev, len(self.here), [], [who]))
        self.here[who] = Person(who, name, "participant")
        return self.volatile(PresenceUpdate(self.name, self.activation, self.rev, len(self.here), [self.here[who]], []))

    def told_anew(self) -> Publication:
        """The whole presence, to everybody."""
        self.rev += 1
        return self.volatile(PresenceReset(self.name, self.presence()), "presence")

    def presence(self) -> PresenceSnapshot:
        return PresenceSnapshot(self.activation, self.rev, len(self.here), list(self.here.values()))

    def admission(self, resume: tuple[int, int] | None) -> Admission:
        info = RoomInfo("study", "Room", "", "en", "public", EPOCH_MS, principal("founder"))
        position, typing = StreamPosition(0, 0), list(self.typing)
        snapshot = Joined(0, self.name, position, "fresh", None, info, "participant", self.presence(), None, [], typing)
        if resume is None:
            return Admission(snapshot, 1, self.head, (), None)
        if resume[0] != 1 or resume[1] > self.head:
            return Admission(snapshot, 1, self.head, (), None, reset=True)
        held = max(resume[1], self.head - self.ring)
        missing = (resume[1] + 1, held) if held > resume[1] else None
        return Admission(snapshot, 1, self.head, tuple(self.events[held:]), missing)


class RigRouter:
    """Answers at once, as an idle actor would; `refuse` answers a command's type with an error."""

    def __init__(self) -> None:
        self.rooms: dict[str, RigRoom] = {}
        self.seen: list[Envelope] = []
        self.held: list[Envelope] | None = None
        self.refuse: dict[type, CommonroomError] = {}
        self.subscribers: Subscribers
        self.journal_down = False
        self.reads: defaultdict[str, int] = defaultdict(int)
        self.reading = self.most_reading = 0

    def room(self, name: str = "quiet") -> RigRoom:
        return self.rooms.setdefault(name, RigRoom(name))

    def send(self, envelope: Envelope) -> None:
        self.seen.append(envelope)
        if self.held is not None:
            self.held.append(envelope)
        else:
            self.handle(envelope)

    def handle(self, envelope: Envelope) -> None:
        room, command, session = self.room(envelope.address.key), envelope.command, envelope.session or ""
        error = self.refuse.get(type(command))
        if error is not None and envelope.origin is not None:
            envelope.origin.refused(getattr(command, "ref", 0), error)
        elif isinstance(command, RoomJoin) and envelope.origin is not None:
            room.roster.add(session)
            envelope.origin.admitted(command.ref, room.admission(envelope.resume))
        elif isinstance(command, Attach):
            room.roster.add(session)
        elif isinstance(command, Detach):
            room.roster.discard(session)
        elif isinstance(command, Resync) and envelope.origin is not None:
            envelope.origin.replied(0, PresenceReset(room.name, room.presence()))
        elif isinstance(command, MessageSend) and envelope.origin is not None:
            self.say(room, command.text)
            envelope.origin.replied(command.ref, Reply(command.ref, room.head))
        elif isinstance(command, TypingStart) and envelope.authority is not None:
            self.subscribers.publish(room.address, room.typed(envelope.authority.principal.actor_id, True))
        elif isinstance(command, RoomCreate) and envelope.origin is not None:
            envelope.origin.replied(command.ref, Reply(command.ref, 1))

    def say(self, room: RigRoom, text: str = "hello") -> None:
        self.subscribers.publish(room.address, room.append(text))

    def commands(self, kind: type) -> list[Envelope]:
        return [envelope for envelope in self.seen if isinstance(envelope.command, kind)]

    async def read_events(self, address: Address, after: int, limit: int) -> Sequence[JournalEvent]:
        self.reads[address.key] += 1
        self.reading += 1
        self.most_reading = max(self.most_reading, self.reading)
        await asyncio.sleep(0)
        self.reading -= 1
        if self.journal_down:
            raise Unavailable("the journal is down")
        events = self.rooms[address.key].events[after : after + limit]
        return [JournalEvent(one.offset, EPOCH_MS, None, one.payload, None) for one in events]

    async def ask(self, *_: object) -> Reply:  # the gateway asks nothing
        raise NotImplementedError

    async def view(self, *_: object) -> Reply:
        raise NotImplementedError


class PlainHttp(asyncio.Protocol):
    """Stands where the HTTP server is: shows which bytes it was given."""

    def __init__(self) -> None:
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.transport.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        self.transport.close()


class Rig:
    """One gateway and what is around it."""

    def __init__(self, gateway: Gateway, router: RigRouter, time: Ticking) -> None:
        self.gateway = gateway
        self.router = router
        self.time = time
        self.http: list[PlainHttp] = []
        self.http_protocol: Callable[[], asyncio.Protocol] = self._plain_http
        self.sockets: list[RawSocket] = []

    @classmethod
    async def start(
        cls,
        http: HttpSettings | None = None,
        steer: Steer | None = None,
        *,
        limits_scale: float = 0.0,
        admit_founder: AdmitFounder | None = None,
        admit_code: AdmitCode | None = None,
        **settings: Any,
    ) -> Self:
        """A started gateway with these settings."""
        ticking, router = Ticking(), RigRouter()
        gateway = Gateway(
            GatewaySettings(**{"close_timeout_s": 1.0, **settings}),
            http or HttpSettings(port=0),
            clock=ticking,
            router=router,
            authenticate=ticking.authenticate,
            read_events=router.read_events,
            history=1,
            limits_scale=limits_scale,
            admit_founder=admit_founder,
            admit_code=admit_code,
            monotonic=ticking.monotonic,
        )
        gateway.steer = steer
        router.subscribers = gateway
        rig = cls(gateway, router, ticking)
        await gateway.start(rig.make_http_protocol)
        await gateway.start_echo(0)
        return rig

    def make_http_protocol(self) -> asyncio.Protocol:
        """What the gateway asks for; a test may put a real server in `http_protocol`."""
        return self.http_protocol()

    def _plain_http(self) -> asyncio.Protocol:
        self.http.append(PlainHttp())
        return self.http[-1]

    def advance(self, seconds: float) -> None:
        """Let time pass at once, tick by tick."""
        for _ in range(int(seconds / 0.25)):
            self.time.elapsed_s += 0.25
            self.gateway.wheel.turn()

    async def socket(self, source: str = "127.0.0.1") -> RawSocket:
        """A TCP connection to the common port."""
        return self.owned(await RawSocket.open(self.gateway.port, source))

    async def echo(self) -> RawSocket:
        """A WebSocket to the echo listener."""
        socket = self.owned(await RawSocket.open(self.gateway.echo_port))
        await socket.upgrade(subprotocol=None)
        return socket

    def owned(self, socket: RawSocket) -> RawSocket:
        """Have the socket dropped at the end."""
        self.sockets.append(socket)
        return socket

    async def connect(self, subprotocol: str = MSGPACK.name) -> RawSocket:
        socket = await self.socket()
        await socket.upgrade(subprotocol)
        return socket

    async def hello(self, name: str = "ada", subprotocol: str = MSGPACK.name, resume: Sequence[ResumeAt] = ()) -> RawSocket:
        """A session that has been welcomed."""
        socket = await self.connect(subprotocol)
        socket.command(Hello(1, name, list(resume)))
        assert isinstance(await socket.message(), Welcome)
        return socket

    async def joined(self, name: str = "ada", room: str = "quiet", subprotocol: str = MSGPACK.name) -> RawSocket:
        """A session that is in a room."""
        socket = await self.hello(name, subprotocol)
        socket.command(RoomJoin(2, room))
        assert isinstance(await socket.message(), Joined)
        return socket

    async def close(self) -> None:
        for socket in self.sockets:
            socket.abort()
        await self.gateway.close()
