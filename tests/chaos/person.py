"""A client that follows rooms and writes, and comes back from whatever happens to it.

It keeps what a good client keeps: its position in each room, and every command under one
nonce until it is answered. Commands are sent again after RETRY, after a lost socket, and
after `SILENCE_S` without an answer, then by another node.
"""

import asyncio
from collections.abc import Callable, Sequence
from random import Random

import aiohttp

from commonroom.codes import LAST_RECONNECT_CODE, ErrorCode
from commonroom.protocol.chat import MessageEdit, MessageRemove, MessageSend
from commonroom.protocol.room import Joined, RoomJoin, RoomReset
from commonroom.protocol.session import Error, Heartbeat, HeartbeatReply, Hello, Reply, ResumeAt, Skip, Welcome
from commonroom.protocol.timer import TimerStart, TimerUpdate
from commonroom.protocol.wire import Command, DurablePush, ServerMessage, StreamPosition
from tests.chaos.ledger import Ledger, Line
from tests.chaos.place import Ask, Place
from tests.chaos.wire import LOST, Wire
from tests.support.client import Guest

__all__ = ["Person", "Ticket"]

SILENCE_S = 5.0
OPEN_S = 2.0
TOKEN_S = 200.0
"""Of the 300 s that a token lives."""
JOIN_AGAIN_S = 2.0
TICK_S = 0.02
COME_BACK_S = (0.02, 0.15)
MOST_OPEN = 8
"""Unanswered commands beyond which a client writes no more."""
AGAIN = frozenset({ErrorCode.RETRY, ErrorCode.RATE_LIMITED, ErrorCode.NOT_JOINED})


class Ticket:
    """A login, and a token from it that is renewed before it ends, at the node that is visited."""

    def __init__(self, guest: Guest) -> None:
        self.name = guest.name
        self.sid = guest.principal["actorId"]
        self._guest = guest
        self._token = ""
        self._renew_s = 0.0

    async def token(self, port: int) -> str:
        """A token with some life left.

        Raises:
            OSError: the node does not give one now.
        """
        now = asyncio.get_running_loop().time()
        if now < self._renew_s:
            return self._token
        self._guest.url = f"http://127.0.0.1:{port}"
        try:
            async with asyncio.timeout(OPEN_S):
                status, body = await self._guest.call("POST", "/v1/ws-token", {})
        except aiohttp.ClientError as error:
            raise ConnectionError(str(error)) from None
        if status not in {200, 201}:
            raise ConnectionError(f"no token: {status}")
        self._token, self._renew_s = body["token"], now + TOKEN_S
        return self._token


class Person:
    """One client with one socket at a time.

    Args:
        ports: of the nodes to go to, asked each time.
        every_s: its mean time between two lines.
        starts_timers: it starts the timer of these rooms whenever that is idle.
    """

    def __init__(
        self, ticket: Ticket, rooms: Sequence[str], ports: Callable[[], Sequence[int]], ledger: Ledger, random: Random,
        *, every_s: float, starts_timers: frozenset[str] = frozenset(),
    ) -> None:  # fmt: skip
        self.name = ticket.name
        self.sid = ticket.sid
        self.places = {room: Place(ticket.name, room, ledger) for room in rooms}
        self.lines: list[Line] = []
        self.open: dict[str, Line] = {}
        """Commands that wait for their answer, by nonce, oldest first."""
        self.writing = True
        self._ticket = ticket
        self._ports = ports
        self._ledger = ledger
        self._random = random
        self._every_s = every_s
        self._starts_timers = starts_timers
        self._wire: Wire | None = None
        self._welcome: Welcome | None = None
        self._history = 0
        self._port = 0
        self._refs = 0
        self._asked: dict[int, Line] = {}
        self._joins: dict[int, tuple[Place, Ask]] = {}
        self._write_s = 0.0
        self._order = 0
        self._hello_s = 0.0
        self._own: dict[str, list[int]] = {room: [] for room in rooms}

    @property
    def online(self) -> bool:
        return self._welcome is not None

    def ills(self) -> list[str]:
        """What is not as it should be at the end."""
        found = [f"{self.name} waits for {line.kind} {line.nonce} in {line.room}" for line in self.open.values()]
        found += [f"{self.name} is not in {place.room}" for place in self.places.values() if not place.joined]
        return found

    def drop(self) -> None:
        """Break the socket."""
        if self._wire is not None:
            self._wire.abort()

    async def run(self) -> None:
        """Live until cancelled."""
        while True:
            try:
                await self._visit()
            except LOST:
                self._ledger.counts["visits failed"] += 1
            await asyncio.sleep(self._random.uniform(*COME_BACK_S))

    # -- one socket ---------------------------------------------------------------------------

    async def _visit(self) -> None:
        others = [port for port in self._ports() if port != self._port] or list(self._ports())
        self._port = self._random.choice(others)
        token = await self._ticket.token(self._port)
        self._wire = wire = await Wire.open(self._port, self._take, OPEN_S)
        try:
            self._greet(token)
            await self._stay(wire)
        finally:
            self._leave(wire)

    def _greet(self, token: str) -> None:
        """Hello, half of the time with the rooms to resume in it."""
        resume = []
        now = self._ledger.now()
        if self._history and self._random.random() < 0.5:
            for place in self.places.values():
                if place.position is not None:
                    place.hello, place.ask_s = Ask(now, place.position), now + JOIN_AGAIN_S
                    resume.append(ResumeAt(place.room, StreamPosition(self._history, place.position)))
        self._send(Hello(self._ref(), token, resume))
        self._hello_s = now

    async def _stay(self, wire: Wire) -> None:
        """Do what is due, tick by tick, until the socket ends or the node is silent."""
        while not wire.ended.is_set():
            now = self._ledger.now()
            if self._welcome is None:
                if now - self._hello_s > OPEN_S:
                    return
            else:
                self._join_rooms(now)
                self._write(now)
                if self._is_silent(now):
                    self._ledger.counts["silences"] += 1
                    return
            await asyncio.sleep(TICK_S)

    def _leave(self, wire: Wire) -> None:
        wire.abort()
        if wire.close_code is not None and wire.close_code > LAST_RECONNECT_CODE:
            self._ledger.fail(f"{self.name} was closed for good with {wire.close_code}")
        if self._welcome is not None:
            self._ledger.counts["reconnects"] += 1
        self._wire = self._welcome = None
        self._asked.clear()
        self._joins.clear()
        for place in self.places.values():
            place.away()

    def _is_silent(self, now: float) -> bool:
        asks = [ask for _, ask in self._joins.values()]
        asks += [place.hello for place in self.places.values() if place.hello is not None and not place.joined]
        waiting = any(now - line.sent_s > SILENCE_S for line in self._asked.values())
        return waiting or any(now - ask.asked_s > SILENCE_S for ask in asks)

    def _join_rooms(self, now: float) -> None:
        for place in self.places.values():
            if place.joined or now < place.ask_s:
                continue
            ref, place.ask_s = self._ref(), now + JOIN_AGAIN_S
            self._joins[ref] = (place, Ask(now, place.position))
            self._send(RoomJoin(ref, place.room, place.resume(self._history)))

    # -- writing ---------------------------------------------------------------------------------

    def _write(self, now: float) -> None:
        self._retry(now)
        if not self.writing or now < self._write_s or len(self.open) >= MOST_OPEN:
            return
        self._write_s = now + self._random.expovariate(1 / self._every_s)
        rooms = [place.room for place in self.places.values() if place.joined]
        if rooms:
            self._begin(self._invent(self._random.choice(rooms)), now)

    def _invent(self, room: str) -> Line:
        """Mostly a message; now and then one's own is edited or deleted."""
        nonce = f"{self.name}-{len(self.lines):07d}"
        changing = {line.target for line in self.open.values() if line.room == room}
        own, roll = [offset for offset in self._own[room] if offset not in changing], self._random.random()
        if own and roll < 0.08:
            return Line(room, nonce, f"{nonce} edited", "message.edit", self._random.choice(own))
        if own and roll < 0.11:
            return Line(room, nonce, "", "message.delete", self._doomed(room, self._random.choice(own)))
        return Line(room, nonce, nonce)

    def _doomed(self, room: str, offset: int) -> int:
        self._own[room].remove(offset)
        return offset

    def _begin(self, line: Line, now: float) -> None:
        self.lines.append(line)
        self.open[line.nonce] = line
        line.first_s = now
        self._say(line, now)

    def _say(self, line: Line, now: float) -> None:
        line.tries += 1
        self._ledger.counts["sent again"] += line.tries > 1
        if line.tries == 1:
            self._order += 1
            line.order = self._order
        line.sent_s = now
        ref = self._ref()
        self._asked[ref] = line
        self._send(_command(line, ref))

    def _retry(self, now: float) -> None:
        """Send again what a lost socket left open, or what was answered RETRY, when its time has come."""
        asked = {line.nonce for line in self._asked.values()}
        for line in list(self.open.values()):
            if line.nonce not in asked and now >= line.sent_s and self.places[line.room].joined:
                self._say(line, now)

    def _ref(self) -> int:
        self._refs += 1
        return self._refs

    def _send(self, command: Command) -> None:
        if self._wire is not None:
            self._wire.send(command)

    # -- reading ----------------------------------------------------------------------------------

    def _take(self, message: ServerMessage) -> None:
        match message:
            case Skip():
                self.places[message.room].pushed(message.offset)
            case DurablePush():
                self._pushed(message)
            case Reply():
                self._answered(message)
            case Error():
                self._refused(message)
            case Joined():
                self._joined(message)
            case RoomReset():
                self.places[message.room].away()
                self._ledger.counts["rooms reset"] += 1
            case Heartbeat():
                self._send(HeartbeatReply(0))
                for room, head in message.heads:
                    self.places[room].beat(head)
            case Welcome():
                self._welcome, self._history = message, message.history
            case _:
                pass  # presence, typing, casts: volatile

    def _pushed(self, event: DurablePush) -> None:
        place = self.places[event.room]
        place.pushed(event.offset)
        self._ledger.saw(self.name, event)
        if isinstance(event, TimerUpdate) and event.timer.status == "idle" and event.room in self._starts_timers and self.writing:
            nonce = f"{self.name}-{len(self.lines):07d}"
            self._begin(Line(event.room, nonce, "", "timer.start", event.timer.version), self._ledger.now())

    def _joined(self, answer: Joined) -> None:
        place = self.places[answer.room]
        _, ask = self._joins.pop(answer.ref, (place, place.hello))
        if ask is None:
            self._ledger.fail(f"{self.name} was let into {answer.room} without asking")
            return
        place.admitted(answer, ask)
        timer = answer.timer
        if timer is not None and timer.status == "idle" and timer.version == 0 and place.room in self._starts_timers and self.writing:
            self._begin(Line(place.room, f"{self.name}-{len(self.lines):07d}", "", "timer.start", 0), self._ledger.now())

    def _answered(self, reply: Reply) -> None:
        line = self._asked.pop(reply.ref, None)
        if line is None or self.open.pop(line.nonce, None) is None:
            return
        self._ledger.acked(line, reply.offset)
        if line.kind == "message.send":
            self._own[line.room].append(reply.offset)

    def _refused(self, error: Error) -> None:
        later_s = (error.retry_after_ms if error.retry_after_ms is not None else 100) / 1000
        self._ledger.counts[f"refused {error.name}"] += 1
        if (join := self._joins.pop(error.ref, None)) is not None:
            under_way = error.code == ErrorCode.CONFLICT  # the one before is not answered yet
            join[0].ask_s = self._ledger.now() + (JOIN_AGAIN_S if under_way else later_s)
            if error.code not in AGAIN and not under_way:
                self._ledger.fail(f"{self.name} was not let into {join[0].room}: {error}")
            return
        line = self._asked.pop(error.ref, None)
        if line is None:
            self._ledger.fail(f"{self.name} was refused: {error}")
        elif error.code in AGAIN:
            line.sent_s = self._ledger.now() + later_s
        else:
            self._given_up(line, error)

    def _given_up(self, line: Line, error: Error) -> None:
        """An answer that is no ack and final: only a timer that moved on gives one."""
        self.open.pop(line.nonce, None)
        self.lines.remove(line)
        if line.kind != "timer.start" or error.code != ErrorCode.CONFLICT:
            self._ledger.fail(f"{self.name}: {line.kind} {line.nonce} in {line.room} was refused: {error}")


def _command(line: Line, ref: int) -> Command:
    match line.kind:
        case "message.edit":
            return MessageEdit(ref, line.room, line.target, line.text, line.nonce)
        case "message.delete":
            return MessageRemove(ref, line.room, line.target, line.nonce)
        case "timer.start":
            return TimerStart(ref, line.room, line.nonce, line.target)
        case _:
            return MessageSend(ref, line.room, line.text, line.nonce)
