"""Servers on loopback that answer with exact bytes, and names that resolve as a test says."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager

from commonroom.outbound.address import PORTS
from commonroom.outbound.bounded import Bounds
from commonroom.outbound.guarded import BOUNDS, GuardedClient

__all__ = ["HELLO", "Answerer", "Names", "Target", "client", "says", "served"]

HELLO = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"

Answerer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Target:
    """A server. `heads` are those it was sent; `connections` counts also who said nothing."""

    def __init__(self, answer: Answerer, host: str) -> None:
        self._answer = answer
        self.host = host
        self.port = 0
        self.connections = 0
        self.heads: list[str] = []
        self._tasks: set[asyncio.Task[None] | None] = set()

    @property
    def here(self) -> tuple[str, int]:
        return self.host, self.port

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/x"

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._tasks.add(asyncio.current_task())
        try:
            self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            await self._answer(reader, writer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client left, or the test is over
        finally:
            writer.transport.abort() if writer.is_closing() else writer.close()

    async def end(self) -> None:
        """Answer nobody any longer."""
        running = [task for task in self._tasks if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running)


def says(*parts: bytes) -> Answerer:
    """Sends these bytes and ends."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"".join(parts))

    return answer


@asynccontextmanager
async def served(answer: Answerer | None = None, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[Target]:
    """A target that says hello unless told otherwise."""
    target = Target(answer or says(HELLO), host)
    server = await asyncio.start_server(target.take, host, 0, ssl=tls)
    target.port = server.sockets[0].getsockname()[1]
    try:
        yield target
    finally:
        server.close()
        await target.end()
        await server.wait_closed()


class Names:
    """A resolver: each name has a list of answers, the last of which is repeated. `asked` are the names in order."""

    def __init__(self, **answers: Sequence[Sequence[str]]) -> None:
        self._answers = {name.replace("_", "."): list(rounds) for name, rounds in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, _port: int) -> Sequence[str]:
        self.asked.append(host)
        rounds = self._answers.get(host, [[]])
        return rounds.pop(0) if len(rounds) > 1 else rounds[0]


@asynccontextmanager
async def client(
    names: Names | None = None, *opened: Target, tls: ssl.SSLContext, bounds: Bounds = BOUNDS, ports: Collection[int] = ()
) -> AsyncIterator[GuardedClient]:
    """A client to which only the given targets are open; `ports` are asked besides the usual ones, of public addresses."""
    open_to = frozenset(target.here for target in opened)
    guarded = GuardedClient(bounds, resolver=names or Names(), tls=tls, ports=PORTS.union(ports), opened=open_to)
    yield guarded
    await guarded.close()
