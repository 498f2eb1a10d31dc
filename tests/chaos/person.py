"""A client that follows rooms and writes, and comes back from whatever happens to it.

It keeps what a good client keeps: its position in each room, and every command under one
nonce until it is answered. Commands are sent again after RETRY, after a lost socket, and
after `SILENCE_S` without an answer, then by another node.
"""

import asyncio
from collections.abc import Callable, Sequence
from itertools import count
from random import Random

from commonroom.codes import LAST_RECONNECT_CODE, ErrorCode
from commonroom.protocol.room import Joined, RoomJoin, RoomReset
from commonroom.protocol.session import Error, Heartbeat, HeartbeatReply, Hello, Reply, ResumeAt, Skip, Welcome
from commonroom.protocol.timer import Timer, TimerUpdate
from commonroom.protocol.wire import Command, DurablePush, ServerMessage, StreamPosition
from tests.chaos.ledger import Ledger
from tests.chaos.pen import AGAIN, Pen, retry_s
from tests.chaos.place import Ask, Place
from tests.chaos.ticket import Ticket
from tests.chaos.wire import LOST, Wire

__all__ = ["Person"]

SILENCE_S = 5.0
OPEN_S = 2.0
JOIN_AGAIN_S = 2.0
TICK_S = 0.02
COME_BACK_S = (0.02, 0.15)
NAMES_ROOM = 0.5
"""Share of the clients that name their first room whenever they connect."""


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
        self._ticket = ticket
        self._ports = ports
        self._ledger = ledger
        self._random = random
        self._starts_timers = starts_timers
        self._named = rooms[0] if random.random() < NAMES_ROOM else ""
        self._refs = count(1)
        self.pen = Pen(ticket.name, ledger, random, every_s, self._refs, self._send)
        self._wire: Wire | None = None
        self._welcomed = False
        self._history = 0
        self._port = 0
        self._joins: dict[int, tuple[Place, Ask]] = {}
        self._hello_s = 0.0

    def ills(self) -> list[str]:
        """What is not as it should be at the end."""
        found = [f"{self.name} waits for {line.kind} {line.nonce} in {line.room}" for line in self.pen.open.values()]
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
        self._wire = wire = await Wire.open(self._port, self._take, OPEN_S, self._named)
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
        self._send(Hello(next(self._refs), token, resume))
        self._hello_s = now

    async def _stay(self, wire: Wire) -> None:
        """Do what is due, tick by tick, until the socket ends or the node is silent."""
        while not wire.ended.is_set():
            now = self._ledger.now()
            if self._welcomed:
                self._join_rooms(now)
                self.pen.write([place.room for place in self.places.values() if place.joined])
            if self._is_silent(now):
                self._ledger.counts["silences"] += 1
                return
            await asyncio.sleep(TICK_S)

    def _leave(self, wire: Wire) -> None:
        wire.abort()
        if wire.close_code is not None and wire.close_code > LAST_RECONNECT_CODE:
            self._ledger.fail(f"{self.name} was closed for good with {wire.close_code}")
        self._ledger.counts["reconnects"] += self._welcomed
        self._wire, self._welcomed = None, False
        self.pen.lost()
        self._joins.clear()
        for place in self.places.values():
            place.away()

    def _is_silent(self, now: float) -> bool:
        """Whether the node owes an answer for too long: a welcome, a join or a line."""
        if not self._welcomed:
            return now - self._hello_s > OPEN_S
        asked = [ask.asked_s for _, ask in self._joins.values()]
        asked += [place.hello.asked_s for place in self.places.values() if place.hello is not None and not place.joined]
        oldest_s = self.pen.oldest_s()
        return now - min(asked, default=now) > SILENCE_S or (oldest_s is not None and now - oldest_s > SILENCE_S)

    def _join_rooms(self, now: float) -> None:
        for place in self.places.values():
            if place.joined or now < place.ask_s:
                continue
            ref, place.ask_s = next(self._refs), now + JOIN_AGAIN_S
            self._joins[ref] = (place, Ask(now, place.position))
            self._send(RoomJoin(ref, place.room, place.resume(self._history)))

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
                self.pen.answered(message)
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
                self._welcomed, self._history = True, message.history
            case _:
                pass  # presence, typing, casts: volatile

    def _pushed(self, event: DurablePush) -> None:
        self.places[event.room].pushed(event.offset)
        self._ledger.saw(self.name, event)
        if isinstance(event, TimerUpdate):
            self._start(event.room, event.timer)

    def _joined(self, answer: Joined) -> None:
        place = self.places[answer.room]
        _, ask = self._joins.pop(answer.ref, (place, place.hello))
        if ask is None:
            self._ledger.fail(f"{self.name} was let into {answer.room} without asking")
            return
        place.admitted(answer, ask)
        if answer.timer is not None and answer.timer.version == 0:
            self._start(place.room, answer.timer)

    def _start(self, room: str, timer: Timer) -> None:
        if timer.status == "idle" and room in self._starts_timers:
            self.pen.start_timer(room, timer.version)

    def _refused(self, error: Error) -> None:
        self._ledger.counts[f"refused {error.name}"] += 1
        if (join := self._joins.pop(error.ref, None)) is None:
            self.pen.refused(error)
            return
        place = join[0]
        under_way = error.code == ErrorCode.CONFLICT  # the one before is not answered yet
        place.ask_s = self._ledger.now() + (JOIN_AGAIN_S if under_way else retry_s(error))
        if error.code not in AGAIN and not under_way:
            self._ledger.fail(f"{self.name} was not let into {place.room}: {error}")
