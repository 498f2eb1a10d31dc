"""A gateway in front of real rooms on virtual time, with wires instead of sockets: every byte follows from what people do."""

from collections.abc import Coroutine, Sequence
from typing import Any, Self, TypeVar

from commonroom.actors import KINDS
from commonroom.codes import CloseCode
from commonroom.config.settings import EngineSettings, GatewaySettings, HttpSettings
from commonroom.engine.address import Address
from commonroom.engine.envelope import Publication
from commonroom.engine.gateway import Gateway
from commonroom.engine.gateway.connection import Ending
from commonroom.engine.gateway.hidden import key_of
from commonroom.engine.gateway.outbox import Outbox
from commonroom.engine.gateway.session import Session
from commonroom.engine.gateway.status import StatusPorts
from commonroom.engine.gateway.tally import Traffic
from commonroom.engine.host import ActorHost
from commonroom.engine.local import LocalRouter
from commonroom.engine.testing.journal import SimulatedJournal
from commonroom.engine.testing.loop import EPOCH_MS, VirtualClock, VirtualLoop
from commonroom.errors import Unavailable
from commonroom.identity import Authority, Principal, SessionId
from commonroom.ids import seeded
from commonroom.protocol.codec import MSGPACK, decode_event
from commonroom.protocol.registry import COMMANDS
from commonroom.protocol.session import Hello, Welcome
from commonroom.protocol.wire import DurablePush, ServerMessage, StreamPosition
from commonroom.storage.journal.port import JournalEvent

__all__ = ["House", "Late", "Person", "guest", "user"]

T = TypeVar("T")
M = TypeVar("M", bound=ServerMessage)
YEAR_MS = 365 * 86400 * 1000


def user(name: str) -> Principal:
    return Principal("user", name)


def guest(name: str) -> Principal:
    return Principal("guest", name)


class Late:
    """The gateway, for a host that is made before it."""

    gateway: Gateway

    def publish(self, address: Address, publication: Publication) -> None:
        self.gateway.publish(address, publication)

    def activated(self, address: Address, activation: str, head: int) -> None:
        self.gateway.activated(address, activation, head)

    def count(self, address: Address) -> int:
        return self.gateway.count(address)


class House:
    """Use as a context manager. `hidden`: who does not see whom, as the table has it; `away`: the table does not answer."""

    def __init__(self, *, ring: int = 512, status: StatusPorts | None = None) -> None:
        self.loop = VirtualLoop()
        self.clock = VirtualClock(self.loop)
        self.hidden: dict[Principal, set[Principal]] = {}
        self.away = False
        self.loads: list[list[Principal]] = []
        self.tokens: dict[str, Authority] = {}
        self.journal = SimulatedJournal(seeded("journal"))
        self.host: ActorHost
        self.gateway: Gateway
        self._ring = ring
        self._status = status

    def __enter__(self) -> Self:
        self.do(self._open())
        return self

    def __exit__(self, *_exception: object) -> None:
        self.do(self._close())
        self.loop.close()

    def do(self, call: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(call)

    def pass_s(self, seconds: float) -> None:
        self.loop.run_for(seconds)

    def block(self, blocker: Principal, *blocked: Principal) -> None:
        """As the table has it; nobody is told."""
        for one in blocked:
            self.hidden.setdefault(blocker, set()).add(one)
            self.hidden.setdefault(one, set()).add(blocker)

    def unblock(self, blocker: Principal, blocked: Principal) -> None:
        self.hidden[blocker].discard(blocked)
        self.hidden[blocked].discard(blocker)

    def notice(self, *people: Principal) -> None:
        """The table has changed for these."""
        self.loop.call_soon(self.gateway.hidden.changed, [key_of(one) for one in people])
        self.pass_s(0.1)

    def gap(self) -> None:
        """Some notice may have been lost."""
        self.loop.call_soon(self.gateway.hidden.reread)
        self.pass_s(0.1)

    def person(self, principal: Principal, *, guests: tuple[str, ...] = (), name: str = "") -> "Person":
        """Somebody with a socket, welcomed."""
        return Person(self, self.authority(principal, guests, name))

    def authority(self, principal: Principal, guests: tuple[str, ...] = (), name: str = "") -> Authority:
        sid = SessionId(guests[0] if guests else principal.actor_id)
        return Authority(principal, sid, name or principal.actor_id.title(), EPOCH_MS + YEAR_MS, guests=guests)

    def events(self, room: str) -> list[DurablePush]:
        return [decode_event(event.payload) for event in self.journal.streams[f"room/{room}"].events]

    async def _open(self) -> None:
        late = Late()
        self.host = ActorHost(
            EngineSettings(ring_events=self._ring), self.clock, self.journal, late, KINDS, seeded("host")
        )  # fmt: skip
        self.gateway = late.gateway = Gateway(
            GatewaySettings(),
            HttpSettings(),
            clock=self.clock,
            router=LocalRouter(self.host),
            authenticate=self.tokens.__getitem__,
            read_events=self._read,
            history=1,
            load_hidden=self._load,
            status=self._status,
            random=seeded("gateway"),
            monotonic=self.loop.time,
        )
        await self.host.open()

    async def _close(self) -> None:
        await self.gateway.close()
        await self.host.close()

    async def _read(self, address: Address, after: int, limit: int) -> Sequence[JournalEvent]:
        return await self.journal.read(str(address), after, limit)

    async def _load(self, readers: Sequence[Principal]) -> dict[Principal, frozenset[Principal]]:
        self.loads.append(list(readers))
        if self.away:
            raise Unavailable("the table is away")
        return {reader: frozenset(self.hidden[reader]) for reader in readers if self.hidden.get(reader)}


class Person:
    """One session; `got` is what its client has received, in order."""

    def __init__(self, house: House, authority: Authority) -> None:
        self.house = house
        self.authority = authority
        self.got: list[ServerMessage] = []
        self.closed: CloseCode | None = None
        self.outbox = Outbox(self, -1, GatewaySettings(), lambda: None)  # type: ignore[arg-type]
        self.session = Session(house.gateway, self, MSGPACK, 0.0)  # type: ignore[arg-type]
        self._refs = 0
        self._nonces = 0
        self.hello(authority)

    def hello(self, authority: Authority) -> None:
        self.house.tokens[authority.name] = authority
        self._tell(Hello(1, authority.name))
        assert isinstance(self.got[-1], Welcome)

    def refresh(self, authority: Authority) -> None:
        """The same login session, as somebody else."""
        self.authority = authority
        self.house.tokens[authority.name] = authority
        self.do("refresh", token=authority.name)

    def do(self, name: str, **fields: Any) -> None:
        """Send a command and wait until nothing is under way."""
        self.send(name, **fields)
        self.house.pass_s(0.1)

    def send(self, name: str, **fields: Any) -> None:
        self._refs += 1
        command = COMMANDS[name]
        if "nonce" in command.__struct_fields__:
            self._nonces += 1
            fields["nonce"] = f"{self.authority.principal.actor_id}-{self._nonces:08d}"
        self._tell(command(ref=self._refs, **fields))

    def join(self, room: str, resume: int | None = None) -> None:
        self.do("room.join", room=room, resume=None if resume is None else StreamPosition(1, resume))

    def leave(self) -> None:
        """The socket is gone."""
        self.outbox.close()
        self.house.loop.call_soon(self.session.ended)
        self.house.pass_s(0.1)

    def took(self, kind: type[M]) -> list[M]:
        return [message for message in self.got if isinstance(message, kind)]

    def _tell(self, command: Any) -> None:
        async def tell() -> None:
            self.session.received(MSGPACK.encode(command), False)

        self.house.do(tell())

    # A connection and its transport, as a session and its outbox see them.

    heard_s = 0.0

    def watch(self, at_s: float) -> None:
        """Nobody goes silent."""

    @property
    def ending(self) -> Ending | None:
        return Ending("network", 1006, "") if self.outbox.closed else None

    def traffic(self) -> Traffic | None:
        return None

    @property
    def address(self) -> str:
        return "127.0.0.1"

    def close(self, code: CloseCode, _reason: str = "") -> None:
        self.closed = code

    def is_closing(self) -> bool:
        return self.closed is not None or self.outbox.closed

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: bytes) -> None:
        while data:
            size, head = data[1], 2
            if size == 126:
                size, head = int.from_bytes(data[2:4], "big"), 4
            elif size == 127:
                size, head = int.from_bytes(data[2:10], "big"), 10
            self.got.append(MSGPACK.decode_server(data[head : head + size]))
            data = data[head + size :]
