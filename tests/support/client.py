"""A plain client of the real server, over HTTP and WebSocket, for tests of whole processes."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Self

import aiohttp
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from commonroom.protocol.codec import MSGPACK, MSGPACK_PROTOCOL
from commonroom.protocol.registry import COMMANDS
from commonroom.protocol.session import Error, Heartbeat, ResumeAt, Welcome
from commonroom.protocol.wire import ServerMessage

__all__ = ["Guest", "Peer", "Refused", "until"]

TIMEOUT_S = 20.0


class Refused(Exception):
    """The server answered a command with an error."""

    def __init__(self, error: Error) -> None:
        super().__init__(f"{error.name}: {error.message}")
        self.error = error


async def until(condition: Callable[[], Any], what: str, timeout_s: float = TIMEOUT_S) -> None:
    """Wait on a condition that other tasks bring about."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


class Guest:
    """A guest's HTTP side."""

    def __init__(self, url: str, name: str) -> None:
        self.url = url
        self.name = name
        self.bearer = ""
        self.principal: dict[str, str] = {}

    async def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """One request on a connection of its own: (status, JSON)."""
        sent = {**(headers or {}), **({"Authorization": f"Bearer {self.bearer}"} if self.bearer else {})}
        async with aiohttp.ClientSession() as http, http.request(method, self.url + path, json=body, headers=sent) as answer:
            return answer.status, await answer.json(content_type=None)

    async def sign_in(self) -> Self:
        status, body = await self.call("POST", "/v1/guests", {"name": self.name, "cookie": False})
        assert status in {200, 201}, body
        self.bearer, self.principal = body["accessToken"], body["principal"]
        return self

    async def ws_token(self) -> str:
        status, body = await self.call("POST", "/v1/ws-token", {})
        assert status in {200, 201}, body
        token: str = body["token"]
        return token

    async def create_room(self, title: str = "Reading room", **fields: Any) -> str:
        status, body = await self.call("POST", "/v1/rooms", {"title": title, **fields})
        assert status == 201, body
        room: str = body["id"]
        return room

    async def history(self, room: str) -> list[dict[str, Any]]:
        """Every message of the room, oldest first, page by page."""
        rows: list[dict[str, Any]] = []
        before: Any = ""
        while True:
            status, page = await self.call("GET", f"/v1/rooms/{room}/messages?limit=100" + (f"&before={before}" if before else ""))
            assert status == 200, page
            rows.extend(page["messages"])
            if not page["hasMore"]:
                return sorted(rows, key=lambda row: row["id"])
            before = page["nextCursor"]


class Peer:
    """One WebSocket session."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.welcome: Welcome
        self.seen: dict[str, list[ServerMessage]] = defaultdict(list)
        self._refs = 0
        self._waiting: dict[int, asyncio.Future[ServerMessage]] = {}
        self._reader = asyncio.get_running_loop().create_task(self._read())

    @classmethod
    async def open(cls, url: str, token: str, resume: Sequence[ResumeAt] = (), room: str = "") -> Self:
        """Connect, naming `room` in the path unless it is empty, and say hello."""
        socket = await connect(
            f"{url}/{room}" if room else url, subprotocols=[Subprotocol(MSGPACK_PROTOCOL)], compression=None, max_size=None
        )
        peer = cls(socket)
        welcome = await peer.request("hello", token=token, resume=list(resume))
        assert isinstance(welcome, Welcome)
        peer.welcome = welcome
        return peer

    async def request(self, name: str, **fields: Any) -> ServerMessage:
        """Send a command and wait for its answer.

        Raises:
            Refused: the server answered with an error.
            ConnectionClosed: the socket ended first; the outcome is unknown.
        """
        self._refs += 1
        answer: asyncio.Future[ServerMessage] = asyncio.get_running_loop().create_future()
        self._waiting[self._refs] = answer
        await self.socket.send(MSGPACK.encode(COMMANDS[name](ref=self._refs, **fields)))
        message = await asyncio.wait_for(answer, TIMEOUT_S)
        if isinstance(message, Error):
            raise Refused(message)
        return message

    async def notify(self, name: str, **fields: Any) -> None:
        """Send a command that wants no reply."""
        await self.socket.send(MSGPACK.encode(COMMANDS[name](ref=0, **fields)))

    def pushes(self, room: str, kind: type[Any]) -> list[Any]:
        """What was pushed of one type so far; `room` empty: what is of no room."""
        return [push for push in self.seen[room] if isinstance(push, kind)]

    async def close(self) -> None:
        await self.socket.close()
        await self._reader

    async def _read(self) -> None:
        try:
            async for data in self.socket:
                assert isinstance(data, bytes)
                await self._take(MSGPACK.decode_server(data))
        except ConnectionClosed as end:
            lost = end
        else:
            lost = ConnectionClosed(None, None)
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(lost)
                answer.exception()  # an abandoned request must not warn

    async def _take(self, message: ServerMessage) -> None:
        if isinstance(message, Heartbeat):
            await self.notify("heartbeat.reply")
            return
        ref = getattr(message, "ref", 0)
        if ref and (answer := self._waiting.pop(ref, None)) is not None and not answer.done():
            answer.set_result(message)
        if (room := getattr(message, "room", "")) or not hasattr(message, "ref"):
            self.seen[room].append(message)
