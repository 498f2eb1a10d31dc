"""Attackers of the wire: each life is a socket that says hello, or not, and then what comes to its mind.

What is asked with a ref must be answered as often as it was asked, unless the socket ends, and that only with a documented code.
What the server should have understood is told by the codec itself; that this raises nothing but `BadFrame` is checked on the way.
"""

import asyncio
from collections import Counter
from contextlib import suppress
from random import Random
from typing import Any, Final

import msgspec

from commonroom.codes import CloseCode, ErrorCode
from commonroom.errors import BadFrame
from commonroom.protocol.codec import JSON, MSGPACK, Codec
from commonroom.protocol.room import Joined
from commonroom.protocol.session import Error, HeartbeatReply, Reply
from commonroom.protocol.wire import DurablePush, ServerMessage
from tests.fuzz.command import SPLICES, Author, Manners
from tests.fuzz.ledger import Ledger
from tests.fuzz.people import Kind, People
from tests.fuzz.value import Pool, broken, mutated
from tests.gateway.socket import BINARY, CLOSE, CONT, PING, PONG, TEXT, Frame, RawSocket, closing, frame

__all__ = ["Life", "ends_badly"]

MOST_MESSAGES: Final = 40
BOUND_S: Final = 20.0
"""In which every question must be answered, with all the noise around."""

ENDS: Final = frozenset({None, 1000, 1002, 1003, 1007, 1008, 1009, *CloseCode}) - {CloseCode.INTERNAL_ERROR, CloseCode.SERVER_RESTART}
MANNERS: Final[tuple[Manners, ...]] = ("right", "wrong", "wrong", "wrong", "broken")
"""How often a life is of which kind: what is not legible at all ends it at once."""


def ends_badly(code: int | None) -> bool:
    """Whether no fault of a client explains this close code."""
    return code not in ENDS


class Life:
    """One socket from its first byte to its last."""

    def __init__(self, port: int, people: People, pool: Pool, random: Random, ledger: Ledger) -> None:
        self._port = port
        self._people = people
        self._pool = pool
        self._random = random
        self._ledger = ledger
        self._codec: Codec = random.choice((MSGPACK, MSGPACK, JSON))
        self._manners = random.choice(MANNERS)
        self._author = Author(self._codec, random, pool, self._manners)
        self._asked: Counter[int] = Counter()
        self._answered: Counter[int] = Counter()
        self._moved = asyncio.Event()
        self._is_rude = False
        """Whether bytes were sent after which nobody can say what was understood."""
        self._socket: RawSocket

    async def live(self, kind: Kind) -> None:
        """All of it."""
        token = await self._people.ws_token(kind)
        room = self._pool.of("room", self._random)
        path = f"/v1/ws/{room}" if isinstance(room, str) and room.isascii() and self._random.random() < 0.3 else "/v1/ws"
        self._socket = await RawSocket.open(self._port)
        self._socket.codec = self._codec
        try:
            self._socket.request(path, self._codec.name)
            head = await self._socket.head()
            self._ledger.counts["sockets"] += 1
            if not head.startswith(b"HTTP/1.1 101 "):
                self._judge_refusal(head)
                return
            await self._talk(token)
        except (ConnectionError, asyncio.IncompleteReadError):
            self._ledger.counts["sockets lost"] += 1
        finally:
            self._socket.abort()

    def _judge_refusal(self, head: bytes) -> None:
        status = int(head.split(b" ", 2)[1])
        if status >= 500:
            self._ledger.fail(f"a handshake was answered {head[:100]!r}")

    async def _talk(self, token: str) -> None:
        reading = asyncio.create_task(self._read())
        try:
            self._hello(token)
            if self._random.random() < 0.8:
                self._send(self._author.encode(self._author.plain("room.join")))
                await self._answers(reading)
            for _ in range(self._random.randint(1, MOST_MESSAGES)):
                if reading.done():
                    break
                self._act()
                with suppress(ConnectionError):
                    await self._socket.writer.drain()
                await asyncio.sleep(0)
            if self._random.random() < 0.8:
                await self._finish(reading)
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading

    def _hello(self, token: str) -> None:
        random = self._random
        resume = [[room, [1, random.randrange(30)]] for room in random.sample(self._pool.all("room"), min(3, len(self._pool.all("room"))))]
        plain = self._author.plain("hello", token=token, resume=resume if random.random() < 0.5 else [])
        if self._manners != "broken" or random.random() < 0.5:
            self._send(self._author.encode(plain))
        elif random.random() < 0.8:
            self._send(random.choice((self._author.encode(mutated(plain, random)), broken(self._author.encode(plain), random, SPLICES))))

    def _act(self) -> None:
        fate = self._random.random()
        if fate < 0.95 or (fate > 0.97 and self._manners != "broken"):
            self._send(self._author.next())
        elif fate < 0.97:
            self._socket.send(frame(self._random.choice((PING, PONG)), b"p" * self._random.randrange(126)))
        else:
            self._is_rude = True
            self._socket.send(rude(self._random))

    def _send(self, data: bytes) -> None:
        """One message, in one frame or several, in one piece or several."""
        self._ledger.counts["messages"] += 1
        self._expect(data)
        opcode = TEXT if self._codec.text else BINARY
        if self._manners == "broken" and self._random.random() < 0.03:
            opcode, self._is_rude = self._random.choice((TEXT, BINARY)), True
        framed = fragmented(opcode, data, self._random) if self._random.random() < 0.15 else frame(opcode, data)
        if self._random.random() < 0.1 and len(framed) < 400:
            for byte in framed:
                self._socket.send(bytes((byte,)))
        else:
            self._socket.send(framed)

    def _expect(self, data: bytes) -> None:
        try:
            command = self._codec.decode(data)
        except BadFrame:
            return
        if command.ref and not isinstance(command, HeartbeatReply):
            self._asked[command.ref] += 1

    # What comes back.

    async def _read(self) -> None:
        """Frames to the end of the socket."""
        last: Frame | None = None
        with suppress(asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            while last is None or last.opcode != CLOSE:
                last = await self._socket.receive()
                if last.opcode in {TEXT, BINARY}:
                    self._take(self._legible(last.payload))
        self._moved.set()
        if last is None or last.opcode != CLOSE:
            self._ledger.counts["ends without a close"] += 1
        elif ends_badly(last.close_code):
            self._ledger.fail(f"a socket was closed with {last.close_code} {last.payload[2:]!r}")
        else:
            self._ledger.counts[f"closed {last.close_code}"] += 1

    def _legible(self, payload: bytes) -> ServerMessage | None:
        try:
            return self._codec.decode_server(payload)
        except msgspec.DecodeError as error:
            self._ledger.fail(f"the server sends what no client can read: {error} in {payload[:200]!r}")
            return None

    def _take(self, message: ServerMessage | None) -> None:
        if (ref := getattr(message, "ref", 0)) and not isinstance(message, HeartbeatReply):
            self._answered[ref] += 1
            self._moved.set()
        match message:
            case Error():
                self._ledger.counts[f"refused {message.name}"] += 1
                if message.code == ErrorCode.INTERNAL:
                    self._ledger.fail(f"a command was answered INTERNAL: {message.message}")
            case Joined():
                self._ledger.counts["joins"] += 1
                self._pool.learn("resume", [message.position.history, message.position.offset])
            case Reply():
                self._ledger.counts["acks"] += 1
                if message.offset:
                    self._pool.learn("message", message.offset)
            case DurablePush():
                self._ledger.counts["pushes"] += 1

    async def _finish(self, reading: "asyncio.Task[None]") -> None:
        """Wait for what is owed, then say goodbye."""
        await self._answers(reading)
        if reading.done():
            return
        self._socket.send(closing(1000))
        with suppress(TimeoutError):
            async with asyncio.timeout(BOUND_S):
                await asyncio.shield(reading)

    async def _answers(self, reading: "asyncio.Task[None]") -> None:
        """Wait until all is answered that was asked, or the socket has ended."""
        try:
            async with asyncio.timeout(BOUND_S):
                while not self._is_rude and not reading.done() and self._owed():
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            self._ledger.fail(f"unanswered after {BOUND_S:g} s: {self._owed()} of {self._asked.total()} questions")

    def _owed(self) -> int:
        return (self._asked - self._answered).total()


def fragmented(opcode: int, data: bytes, random: Random) -> bytes:
    """A message in up to five fragments, with pings between them."""
    cuts = sorted(random.randint(0, len(data)) for _ in range(random.randint(1, 4)))
    parts = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    frames = [frame(opcode if place == 0 else CONT, part, fin=place == len(parts) - 1) for place, part in enumerate(parts)]
    return (frame(PING, b"between") if random.random() < 0.3 else b"").join(frames)


def rude(random: Random) -> bytes:
    """What breaks RFC 6455, or might."""
    return random.choice(RUDE)(random)


def _any_frame(random: Random) -> bytes:
    size = random.choice((0, 1, 125, 126, 1000, 70_000))
    mask: Any = random.choice((None, b"\x00\x00\x00\x00", b"\x37\xfa\x21\x3d"))
    return frame(
        random.randrange(16), random.randbytes(size), fin=random.random() < 0.5, rsv=random.choice((0, 0, 1, 2, 4, 7)),
        mask=mask, width=random.choice((2, 8)) if size < 126 else 8,
    )  # fmt: skip


def _declared(random: Random) -> bytes:
    return bytes((0x82, 0xFF)) + random.choice((2**40, 2**63, 2**64 - 1, 65_537)).to_bytes(8, "big") + bytes(4)


RUDE: Final = (
    _any_frame,
    _any_frame,
    _declared,
    lambda random: closing(random.choice((0, 999, 1000, 1004, 1005, 1006, 1015, 2999, 3000, 4999, 5000, 65_535)), random.randbytes(8)),
    lambda _random: frame(CLOSE, b"\x03"),
    lambda random: random.randbytes(random.choice((1, 14, 200, 5000))),
    lambda _random: frame(BINARY, b"m" * 65_537),
    lambda _random: frame(BINARY, fin=False) + frame(CONT, fin=False) * 2000,
    lambda _random: frame(TEXT, b"\xc3", fin=False) + frame(CONT, b"\x28"),
    lambda _random: frame(CONT, b"first"),
)
