"""A person in several rooms at once, who resumes all of them after a lost socket."""

import asyncio
from collections.abc import Sequence
from typing import Any

from commonroom.bench.load.dialect import Decoded, start_of
from commonroom.bench.load.member import CONNECT_TIMEOUT_S
from commonroom.bench.load.person import Person, Site
from commonroom.bench.load.stream import Flaws, StreamCheck
from commonroom.clock import monotonic_us
from commonroom.protocol.room import Joined, RoomJoin, RoomReset
from commonroom.protocol.session import Hello, ResumeAt, Welcome
from commonroom.protocol.wire import DurablePush, StreamPosition

__all__ = ["Traveller"]


class Traveller(Person):
    """Says nothing. Each room's events must come dense and in order, over all of its sockets.

    Args:
        sites: the nodes, by place; after a lost socket it goes on to the next.
        rooms: at least one.
    """

    def __init__(self, sites: Sequence[Site], at: int, rooms: Sequence[str], number: int) -> None:
        speech = Decoded(durable=True)
        super().__init__(sites[at], speech, StreamCheck(speech), "", number)
        self.at = at
        self.rooms = rooms
        self.flaws = Flaws()
        self.back_us = 0
        """When it was in all its rooms again after the last lost socket."""
        self._sites = sites
        self._offsets: dict[str, int] = {}
        self._missing: set[str] = set()
        self._whole: asyncio.Future[None]

    async def connect(self) -> None:
        """Connect, and join or resume every room."""
        self._site = self._sites[self.at]
        self._missing = set(self.rooms)
        self._whole = asyncio.get_running_loop().create_future()
        try:
            await self.open(self._site.host, self._site.port)
            resume = [ResumeAt(room, StreamPosition(self.history, offset)) for room, offset in self._offsets.items()]
            self.command(Hello(1, self._token, resume))
            for room in self._missing.difference(self._offsets):
                self.command(RoomJoin(2, room))
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._whole
        except (OSError, TimeoutError):
            self.at = (self.at + 1) % len(self._sites)
            raise
        self.back_us = monotonic_us()

    def lost(self) -> None:
        self._tally.dropped += 1
        if not self._whole.done():  # whoever connects hears of it, and tries again
            self._whole.set_exception(ConnectionResetError("the server closed the socket"))
        elif self.comes_back and not self._whole.cancelled() and self._whole.exception() is None:
            self.at = (self.at + 1) % len(self._sites)
            self._site.tasks.start("reconnect", self.come_back())

    def personal(self, message: Any) -> None:
        match message:
            case Welcome():
                self.history = message.history
            case Joined():
                self._joined_room(message)
            case RoomReset():
                self.command(RoomJoin(0, message.room, StreamPosition(self.history, self._offsets.get(message.room, 0))))
            case DurablePush():
                self._count(message)
            case _:
                super().personal(message)

    def _joined_room(self, message: Joined) -> None:
        start = start_of(message)
        self.flaws.lost += start.lost
        if start.offset is not None:
            self._offsets[message.room] = start.offset
        self._missing.discard(message.room)
        if not self._missing and not self._whole.done():
            self._whole.set_result(None)

    def _count(self, push: DurablePush) -> None:
        expected = self._offsets[push.room] + 1
        self.flaws.lost += max(push.offset - expected, 0)
        self.flaws.duplicated += push.offset < expected
        self._offsets[push.room] = max(push.offset, expected - 1)
