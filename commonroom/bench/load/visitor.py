"""A member of a compared server's room: connects, and for Socket.IO says what that wants to hear."""

import asyncio
from typing import Any

from commonroom.bench.load.dialect import PING, TEXT, Dialect, PlainWebSocket, SocketIo, client_frame
from commonroom.bench.load.member import CONNECT_TIMEOUT_S, Member
from commonroom.bench.load.stream import StreamCheck
from commonroom.bench.load.tally import Tally

__all__ = ["Visitor"]

PONG = 0xA


class Visitor(Member):
    """One socket; its room is in the URL."""

    def __init__(self, host: str, port: int, dialect: Dialect, *, check: StreamCheck, tally: Tally, room: str, number: int) -> None:
        super().__init__(dialect, check, tally, room, number)
        self.state = check.start(None)
        self._host = host
        self._port = port
        self._let_in: asyncio.Future[None]

    async def enter(self) -> None:
        self._let_in = asyncio.get_running_loop().create_future()
        await self.open(self._host, self._port)
        if isinstance(self._dialect, SocketIo):
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._let_in

    def personal(self, message: Any) -> None:
        opcode, payload = message
        if opcode == PING:
            self.write(client_frame(payload, PONG))
        elif isinstance(self._dialect, SocketIo) and payload[:1] == b"0":
            self.write(client_frame(b"40", TEXT))  # connect to the default namespace
        elif isinstance(self._dialect, SocketIo) and payload == b"2":
            self.write(client_frame(b"3", TEXT))
        elif isinstance(self._dialect, SocketIo) and payload[:2] == b"40" and not self._let_in.done():
            self._let_in.set_result(None)

    @staticmethod
    def dialect(name: str) -> Dialect:
        """The dialect of a peer by its name in the catalogue."""
        return SocketIo() if name == "socketio" else PlainWebSocket()
