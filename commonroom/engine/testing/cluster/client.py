"""A client of the kit that speaks the protocol to a node's gateway, loses it, and comes back to another.

It does what a real one does: it resumes every room where it stood, sends what was not
acked again under its nonce, and gives up a node that does not answer. And it checks what
is promised to it: each room's durable events in order, without gap or repeat (I6); nothing
that is not committed at the moment in which a gateway says it (I2); an answer to a join
that is not older than the lease allows (I8).
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec.structs import replace

from commonroom.codes import ErrorCode
from commonroom.config.settings import GatewaySettings
from commonroom.engine.gateway.connection import Ending
from commonroom.engine.gateway.outbox import Outbox
from commonroom.engine.gateway.session import Session
from commonroom.engine.gateway.tally import Traffic
from commonroom.engine.testing.cluster.node import Node
from commonroom.identity import Principal
from commonroom.protocol.chat import MessageSend
from commonroom.protocol.codec import MSGPACK, MSGPACK_PROTOCOL
from commonroom.protocol.room import RoomJoin, RoomReset
from commonroom.protocol.session import Error, Hello, Refresh, Refreshed, Reply, Welcome
from commonroom.protocol.wire import Command, DurablePush, ServerMessage, StreamPosition

if TYPE_CHECKING:
    from commonroom.engine.testing.cluster.world import ClusterWorld

__all__ = ["ClusterClient", "Line"]

NO_CLOSE_FRAME = 1006
PATIENCE_S = 8.0
RETRY_S = 0.2


@dataclass
class Line:
    """A durable command: sent until it is acked."""

    room: str
    text: str
    nonce: str
    offset: int | None = None
    tries: int = 0
    sent: int = 0
    """Its place in the order of first sending."""
    token: str = ""
    """By which it was sent first; empty where that may have been any."""


class _Pipe:
    """What an outbox needs of a transport: bytes on their way to the client."""

    def __init__(self, connection: "_Connection") -> None:
        self._connection = connection

    def write(self, data: bytes) -> None:
        self._connection.to_client(bytes(data))

    def get_write_buffer_size(self) -> int:
        return 0


class _Connection:
    """A socket: in order both ways, gone with the process."""

    def __init__(self, client: "ClusterClient", node: Node) -> None:
        self.client = client
        self.node = node
        self.open = True
        self.outbox = Outbox(_Pipe(self), -1, GatewaySettings(), lambda: None)  # type: ignore[arg-type]
        self.session: Session | None = None
        self.ending: Ending | None = None
        self.address = "127.0.0.1"
        self._network = client.world.network
        self._ways = (f"{client.name}@{id(self)}", f"{node.process.name}@{id(self)}")

    @property
    def heard_s(self) -> float:
        return self.client.world.loop.time()

    def watch(self, _at_s: float) -> None:
        """The wheel does not turn here: clients never go silent."""

    def traffic(self) -> Traffic | None:
        """Nothing counts bytes here."""
        return None

    def close(self, code: int, reason: str = "") -> None:
        """The gateway closes."""
        self.ending = self.ending or Ending("server", code, reason)
        self.ended()
        self._network.deliver(self._ways[1], self._ways[0], self.client.lost, self)

    def accepted(self) -> None:
        self.session = self.node.gateway._session(self, MSGPACK_PROTOCOL, 0.0)  # type: ignore[arg-type]  # noqa: SLF001 - stands in for the listener

    def to_node(self, command: Command) -> None:
        self._network.deliver(self._ways[0], self._ways[1], self.node.process.soon, self._received, MSGPACK.encode(command))

    def to_client(self, data: bytes) -> None:
        messages = [(MSGPACK.decode_server(payload), payload) for payload in _payloads(data)]
        for message, payload in messages:
            self.client.said(self, message, payload)
        self._network.deliver(self._ways[1], self._ways[0], self.client.received, self, messages)

    def give_up(self) -> None:
        """The client closes; the node hears of it."""
        self._network.deliver(self._ways[0], self._ways[1], self.node.process.soon, self.ended)

    def ended(self) -> None:
        if self.open and self.session is not None:
            self.open = False
            self.ending = self.ending or Ending("network", NO_CLOSE_FRAME, "")
            self.outbox.close()
            self.session.ended()

    def _received(self, data: bytes) -> None:
        if self.session is None:
            self.accepted()
        if self.open and self.session is not None:
            self.session.received(data, False)


@dataclass
class _Room:
    """Where the client is in a room; None: never joined."""

    position: int | None = None
    joined: bool = False
    floor: int = 0
    seen: list[bytes] = field(default_factory=list)


class ClusterClient:
    """One socket at a time of one person.

    Args:
        sid: the login session; a person's tabs share one. By default the name.
    """

    def __init__(self, world: "ClusterWorld", name: str, rooms: tuple[str, ...], sid: str | None = None) -> None:
        self.world = world
        self.name = name
        self.sid = sid or name
        self.token = self.sid
        self.refreshes = 0
        """Tokens renewed on the live socket."""
        self.home: Node | None = None
        """The node it goes to; None: any."""
        self.rooms = {room: _Room() for room in rooms}
        self.lines: list[Line] = []
        self.errors: list[str] = []
        self.connection: _Connection | None = None
        self.session = ""
        self.joins = 0
        self.given_up = 0
        """Connections that were dropped because an answer did not come in time."""
        self._hello = ""
        self._refs = 0
        self._waiting: dict[int, tuple[float, Line | str]] = {}

    @property
    def unacked(self) -> list[Line]:
        """Lines without an answer."""
        return [line for line in self.lines if line.offset is None]

    def write(self, room: str, text: str) -> None:
        """Send a line, and go on until it is acked."""
        line = Line(room, text, f"{self.name}-{len(self.lines):06d}")
        self.lines.append(line)
        if self.rooms[room].joined:
            self._send_line(line)

    def tend(self) -> None:
        """Now and then: connect, give up what does not answer, send again what was refused."""
        if self.connection is None:
            self._connect()
            return
        late = [ref for ref, (sent_s, _) in self._waiting.items() if sent_s < self.world.loop.time() - PATIENCE_S]
        if late:
            self.given_up += 1
            self.drop()
            return
        under_way = {id(what) for _, what in self._waiting.values()}
        for line in self.unacked:
            if id(line) not in under_way and self.rooms[line.room].joined:
                self._send_line(line)
        for name, room in self.rooms.items():
            if not room.joined and self.session and not any(what == name for _, what in self._waiting.values()):
                self._join(name)

    @property
    def principal(self) -> Principal:
        """Who it is: a guest until it signs in."""
        return Principal("guest", self.sid) if self.token == self.sid else Principal("user", f"user-{self.sid}")

    def sign_in(self) -> None:
        """Be a user from now on, on the socket there is as on later ones."""
        self.token = f"+{self.sid}"
        self._renew()

    def _renew(self) -> None:
        if self.session:
            self._send(Refresh(0, self.token), "refresh")

    def drop(self) -> None:
        """Give up the connection."""
        if self.connection is not None:
            self.connection.give_up()
            self.lost(self.connection)

    # -- from the connection ---------------------------------------------------------------

    def lost(self, connection: _Connection) -> None:
        """It is closed."""
        if self.connection is connection:
            self.connection = None
            self.session = ""
            self._waiting.clear()
            for room in self.rooms.values():
                room.joined = False

    def said(self, connection: _Connection, message: ServerMessage, payload: bytes) -> None:
        """The gateway says something: it is committed by now (I2)."""
        if isinstance(message, DurablePush):
            self.world.check_shown(message.room, message.offset, payload)
        elif isinstance(message, Reply) and self.connection is connection:
            _, what = self._waiting.get(message.ref, (0.0, ""))
            if isinstance(what, Line):
                self.world.check_acked(what.room, message.offset, f"c:{self.sid}:{what.nonce}")
            elif what in self.rooms:
                self.world.check_head(what, message.offset)

    def received(self, connection: _Connection, messages: list[tuple[ServerMessage, bytes]]) -> None:
        """What the node said arrives."""
        for message, payload in messages:
            if self.connection is connection:
                self._handle(message, payload)

    # -- inside ------------------------------------------------------------------------------

    def _connect(self) -> None:
        node = self.world.pick_node() if self.home is None else self.home
        if node is None:
            return
        self.connection = _Connection(self, node)
        self._refs += 1
        self.connection.to_node(Hello(self._refs, self.token))
        self._hello = self.token
        self._waiting[self._refs] = (self.world.loop.time(), "hello")

    def _join(self, name: str) -> None:
        room = self.rooms[name]
        resume = None if room.position is None else StreamPosition(1, room.position)
        room.floor = self.world.head_before_lease(name)
        self._send(RoomJoin(0, name, resume), name)

    def _send_line(self, line: Line) -> None:
        line.tries += 1
        line.token = self.token if line.tries == 1 or line.token == self.token else ""
        line.sent = line.sent or self._refs + 1
        self._send(MessageSend(0, room=line.room, nonce=line.nonce, text=line.text), line)

    def _send(self, command: Command, what: Line | str) -> None:
        if self.connection is None:
            return
        self._refs += 1
        self._waiting[self._refs] = (self.world.loop.time(), what)
        self.connection.to_node(replace(command, ref=self._refs))

    def _handle(self, message: ServerMessage, payload: bytes) -> None:
        if isinstance(message, Welcome):
            self._waiting.pop(message.ref, None)
            self.session = message.session
            if self._hello != self.token:
                self._renew()
            self.tend()
        elif isinstance(message, Refreshed):
            self._waiting.pop(message.ref, None)
            self.refreshes += 1
            if message.principal != self.principal:
                self.errors.append(f"refreshed as {message.principal}, is {self.principal}")
        elif isinstance(message, Reply):
            self._replied(message)
        elif isinstance(message, Error):
            self._refused(message)
        elif isinstance(message, RoomReset):
            self.rooms[message.room].joined = False
        elif isinstance(message, DurablePush):
            self._pushed(message, payload)

    def _replied(self, reply: Reply) -> None:
        _, what = self._waiting.pop(reply.ref, (0.0, ""))
        if isinstance(what, Line):
            if what.offset not in {None, reply.offset}:
                self.errors.append(f"{what.nonce} acked at {what.offset} and at {reply.offset}")
            what.offset = reply.offset
        elif what in self.rooms:
            room = self.rooms[what]
            room.joined = True
            self.joins += 1
            if room.position is not None and reply.offset < room.position:
                self.errors.append(f"I6: {what} was at {room.position} and is admitted at {reply.offset}")
            if room.position is None or reply.offset < room.position:
                room.position = reply.offset
                room.seen.clear()
            if reply.offset < room.floor:
                self.errors.append(f"I8: joined {what} at {reply.offset} when it had been at {room.floor} for a lease")

    def _refused(self, error: Error) -> None:
        _, what = self._waiting.pop(error.ref, (0.0, ""))
        if what == "refresh":
            self.errors.append(f"not refreshed: {error.name}")
        if isinstance(what, Line) and error.code not in {ErrorCode.RETRY, ErrorCode.NOT_JOINED, ErrorCode.INTERNAL}:
            self.errors.append(f"{what.nonce} refused: {error.name}")
        if isinstance(what, Line) and error.code == ErrorCode.NOT_JOINED:
            self.rooms[what.room].joined = False

    def _pushed(self, push: DurablePush, payload: bytes) -> None:
        room = self.rooms[push.room]
        if room.position is None:
            return  # on its way before the join's answer: the answer's position counts
        if push.offset != room.position + 1:
            self.errors.append(f"I6: {push.room} went from {room.position} to {push.offset}")
        room.position = push.offset
        room.seen.append(payload)


def _payloads(data: bytes) -> list[bytes]:
    """The payloads of unmasked server frames."""
    found: list[bytes] = []
    at = 0
    while at < len(data):
        size = data[at + 1]
        at += 2
        if size == 126:
            size, at = int.from_bytes(data[at : at + 2]), at + 2
        elif size == 127:
            size, at = int.from_bytes(data[at : at + 8]), at + 8
        found.append(data[at : at + size])
        at += size
    return found
