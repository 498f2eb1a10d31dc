"""Somebody with an account and a socket, who waits when told to."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import aiohttp

from commonroom.errors import NotFound, Unavailable
from commonroom.protocol.codec import MSGPACK, MSGPACK_PROTOCOL
from commonroom.protocol.room import Joined, RoomJoin
from commonroom.protocol.session import Error, Heartbeat, HeartbeatReply, Hello, Refresh
from commonroom.protocol.wire import Command, ServerMessage
from commonroom.tasks import TaskGroup, pause

__all__ = ["Refused", "Visitor"]

ANSWER_S: Final = 15.0
RENEW_S: Final = 200.0
"""A ws token lives 300 s at most."""

TRIES: Final = 6
PAUSE_S: Final = 0.5
LONGEST_WAIT_S: Final = 70.0
"""Longer than any limit of a minute lasts."""

WAITING: Final = frozenset({"RATE_LIMITED", "RETRY"})


class Refused(Unavailable):
    """The server said no; `name` is the error's."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name


class Visitor:
    """One person. `sign_in`, then `connect`; `close` in the end.

    Args:
        http: shared by all.
        url: the server's, without a path.
        tasks: for what goes on by itself.
    """

    def __init__(self, http: aiohttp.ClientSession, url: str, name: str, tasks: TaskGroup) -> None:
        self.name = name
        self.rooms: dict[str, Joined] = {}
        """Those joined, as they were then."""
        self._http = http
        self._url = url
        self._tasks = tasks
        self._access = self._refresh = ""
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._refs = 0
        self._asked: dict[int, asyncio.Future[ServerMessage]] = {}

    async def sign_in(self, email: str, password: str) -> None:
        """Sign in by password.

        Raises:
            Refused: the server does not know them so.
            Unavailable: it does not answer.
        """
        self._keep(await self.call("POST", "/v1/auth/login", {"email": email, "password": password, "cookie": False}))

    async def connect(self) -> None:
        """Open the socket and say hello. Raises as `sign_in`."""
        token = await self._ws_token()
        try:
            self._socket = await self._http.ws_connect(self._url.replace("http", "ws", 1) + "/v1/ws", protocols=[MSGPACK_PROTOCOL])
        except aiohttp.ClientError as error:
            raise Unavailable(f"no socket: {error}") from None
        self._tasks.start(f"listen {self.name}", self._listen(self._socket))
        await self.ask(lambda ref: Hello(ref, token))
        self._tasks.start(f"renew {self.name}", self._renew())

    async def close(self) -> None:
        """Leave."""
        if self._socket is not None:
            await self._socket.close()

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """One request, repeated as told; its JSON.

        Raises:
            NotFound: there is no such thing.
            Refused: the server does not do it.
            Unavailable: it does not answer.
        """
        for _ in range(TRIES):
            status, answer, wait_s = await self._request(method, path, body)
            if status < 400:
                return answer
            if status == 404:
                raise NotFound(path)
            if status not in {429, 503}:
                break
            await pause(min(wait_s, LONGEST_WAIT_S))
        raise Refused(str(answer.get("name", status)), str(answer.get("detail", "")))

    async def _request(self, method: str, path: str, body: Any) -> tuple[int, Any, float]:
        headers = {"Authorization": f"Bearer {self._access}"} if self._access else {}
        try:
            async with self._http.request(method, self._url + path, json=body, headers=headers) as answer:
                told = await answer.json(content_type=None) if answer.status != 204 else None
                return answer.status, told, float(answer.headers.get("Retry-After", PAUSE_S))
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Unavailable(f"{self._url}{path} does not answer as Commonroom does: {str(error) or type(error).__name__}") from None

    async def ask(self, make: Callable[[int], Command]) -> ServerMessage:
        """Send a command and wait for its answer; what comes too fast is sent again when it may be.

        Raises:
            Refused: it is refused for good.
            Unavailable: the socket is gone, or nothing comes.
        """
        tries = 1
        while isinstance(answer := await self._answer_to(make), Error):
            if answer.name not in WAITING or tries >= TRIES:
                raise Refused(answer.name, answer.message)
            tries += 1
            await pause(min((answer.retry_after_ms or 1000 * PAUSE_S) / 1000, LONGEST_WAIT_S))
        return answer

    async def join(self, room: str) -> Joined:
        """Come into a room. Raises as `ask`."""
        answer = await self.ask(lambda ref: RoomJoin(ref, room))
        if not isinstance(answer, Joined):
            raise Unavailable("a join was answered by something else")
        self.rooms[room] = answer
        return answer

    async def _answer_to(self, make: Callable[[int], Command]) -> ServerMessage:
        if self._socket is None or self._socket.closed:
            raise Unavailable(f"{self.name} has no socket")
        self._refs += 1
        ref = self._refs
        answer: asyncio.Future[ServerMessage] = asyncio.get_running_loop().create_future()
        self._asked[ref] = answer
        try:
            await self._socket.send_bytes(MSGPACK.encode(make(ref)))
            async with asyncio.timeout(ANSWER_S):
                return await answer
        except (TimeoutError, ConnectionError, aiohttp.ClientError):
            raise Unavailable(f"{self.name} hears nothing") from None
        finally:
            del self._asked[ref]

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if message.type is aiohttp.WSMsgType.BINARY:
                await self._hear(socket, MSGPACK.decode_server(message.data))
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(Unavailable(f"the server closed {self.name}'s socket: {socket.close_code}"))

    async def _hear(self, socket: aiohttp.ClientWebSocketResponse, message: ServerMessage) -> None:
        if isinstance(message, Heartbeat):
            await socket.send_bytes(MSGPACK.encode(HeartbeatReply(0)))
        answer = self._asked.get(getattr(message, "ref", 0))
        if answer is not None and not answer.done():
            answer.set_result(message)

    async def _renew(self) -> None:
        while True:
            await pause(RENEW_S)
            self._keep(await self.call("POST", "/v1/auth/refresh", {"refreshToken": self._refresh}))
            token = await self._ws_token()
            await self.ask(lambda ref, token=token: Refresh(ref, token))  # type: ignore[misc]

    async def _ws_token(self) -> str:
        token: str = (await self.call("POST", "/v1/ws-token", {}))["token"]
        return token

    def _keep(self, session: Any) -> None:
        self._access, self._refresh = session["accessToken"], session["refreshToken"]
