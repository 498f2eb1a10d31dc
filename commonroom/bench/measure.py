"""Two figures of a running server: memory per idle session, volatile deliveries per CPU-second.

    python -m commonroom.bench.measure idle --sessions 2000 --rooms 40
    python -m commonroom.bench.measure fanout --sockets 200 --publishers 20 --seconds 10

Starts a server of its own on a temporary data directory and says what it raised. The
harness proper, with delivery checks by offset, is `commonroom bench`.
"""

import asyncio
import os
import re
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import click
import uvloop

from commonroom.bench.socket import LeanSocket
from commonroom.clock import monotonic_s
from commonroom.protocol.room import Joined, RoomJoin
from commonroom.protocol.session import Hello, Welcome
from commonroom.protocol.typing import Typing, TypingStart, TypingStop
from commonroom.tasks import pause

READY = re.compile(r"Commonroom is ready: http://([^:]+):(\d+)")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
SETTLE_S = 2.0


class Server(NamedTuple):
    """A server under measurement."""

    pid: int
    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def rss_bytes(self) -> int:
        """Resident memory of the server process, without PostgreSQL."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE_BYTES

    def cpu_s(self) -> float:
        """CPU seconds of the server process, user and system, without PostgreSQL."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


@asynccontextmanager
async def spawned() -> AsyncIterator[Server]:
    """A server of our own on a temporary data directory."""
    with tempfile.TemporaryDirectory(prefix="cr-") as data:
        env = {**os.environ, "COMMONROOM_DATA": f"{data}/data", "COMMONROOM_PORT": "0", "COMMONROOM_METRICS_PORT": "0"}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "commonroom", "serve", env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            yield await _ready(process)
        finally:
            process.send_signal(signal.SIGTERM)
            await process.wait()


async def _ready(process: asyncio.subprocess.Process) -> Server:
    if process.stdout is None:
        raise RuntimeError("the server has no standard output")
    async for line in process.stdout:
        if found := READY.search(line.decode()):
            return Server(process.pid, found[1], int(found[2]))
    raise RuntimeError(f"the server ended with {await process.wait()}")


async def _post(http: aiohttp.ClientSession, url: str, body: object, bearer: str = "") -> Any:
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    async with http.post(url, json=body, headers=headers) as answer:
        answer.raise_for_status()
        return await answer.json()


async def _guest(http: aiohttp.ClientSession, server: Server, name: str) -> tuple[str, str]:
    """A guest's bearer secret and ws token."""
    guest = await _post(http, f"{server.url}/v1/guests", {"name": name})
    token = await _post(http, f"{server.url}/v1/ws-token", {}, guest["token"])
    return guest["token"], token["token"]


async def _room(http: aiohttp.ClientSession, server: Server, bearer: str, title: str) -> str:
    room: str = (await _post(http, f"{server.url}/v1/rooms", {"title": title}, bearer))["id"]
    return room


async def _joined(server: Server, token: str, room: str) -> LeanSocket:
    socket = await LeanSocket.open(server.host, server.port)
    socket.send(Hello(1, token))
    await socket.expect(Welcome)
    socket.send(RoomJoin(2, room))
    await socket.expect(Joined)
    return socket


async def _sessions(http: aiohttp.ClientSession, server: Server, rooms: list[str], count: int) -> list[LeanSocket]:
    sockets = []
    with click.progressbar(range(count), label="sessions", file=sys.stderr) as numbers:
        for number in numbers:
            _, token = await _guest(http, server, f"guest {number}")
            sockets.append(await _joined(server, token, rooms[number % len(rooms)]))
    return sockets


async def _quiet(sockets: list[LeanSocket]) -> None:
    """Wait until nothing arrives any more (presence is coalesced)."""
    seen = -1
    while seen != (total := sum(socket.received_bytes for socket in sockets)):
        seen = total
        await pause(SETTLE_S)


async def measure_idle(sessions: int, rooms: int) -> None:
    """RSS of the server before and after `sessions` idle members of `rooms` rooms."""
    async with spawned() as server, aiohttp.ClientSession() as http:
        bearer, token = await _guest(http, server, "host")
        ids = [await _room(http, server, bearer, f"room {number}") for number in range(rooms)]
        warm = await _joined(server, token, ids[0])
        await _quiet([warm])
        base = server.rss_bytes()
        sockets = await _sessions(http, server, ids, sessions)
        await _quiet(sockets)
        after = server.rss_bytes()
        for socket in (*sockets, warm):
            socket.close()
    click.echo(f"idle: {sessions} sessions in {rooms} rooms: base {base / 1e6:.1f} MB, after {after / 1e6:.1f} MB,")
    click.echo(f"      {(after - base) / sessions / 1024:.1f} KiB each")


class Publisher:
    """Starts and stops typing by turns; the next command when every publisher's push of the last has arrived."""

    def __init__(self, socket: LeanSocket, room: str, publishers: int) -> None:
        self.socket = socket
        self.sent = 0
        self._commands = (TypingStart(0, room), TypingStop(0, room))
        self._publishers = publishers

    def go_on(self, frames: int) -> None:
        if frames >= self.sent * self._publishers:
            self.socket.send(self._commands[self.sent % 2])
            self.sent += 1


async def measure_fanout(sockets: int, publishers: int, seconds: float) -> None:
    """Volatile deliveries per CPU-second of the server, and whether any was lost."""
    async with spawned() as server, aiohttp.ClientSession() as http:
        bearer, _ = await _guest(http, server, "host")
        room = await _room(http, server, bearer, "fan-out")
        members = await _sessions(http, server, [room], sockets)
        await _quiet(members)
        writers = [Publisher(member, room, publishers) for member in members[:publishers]]
        for member in members:
            member.count(Typing)
        cpu, began = server.cpu_s(), monotonic_s()
        for writer in writers:
            writer.socket.on_frames = writer.go_on
            writer.go_on(0)
        await pause(seconds)
        for writer in writers:
            writer.socket.on_frames = None
        await _quiet(members)
        used, took = server.cpu_s() - cpu, monotonic_s() - began - 2 * SETTLE_S
        sent = sum(writer.sent for writer in writers)
        delivered = sum(member.counted for member in members)
        for member in members:
            member.close()
    click.echo(f"fanout: {sockets} sockets, {publishers} publishers, {took:.0f} s: {sent} commands, {delivered} deliveries,")
    click.echo(f"        expected {sent * sockets}, lost {sent * sockets - delivered}, server CPU {used:.2f} s,")
    click.echo(f"        {delivered / used:,.0f} deliveries per server-CPU-second")


@click.group()
def main() -> None:
    """Measure a server started for the purpose."""


@main.command()
@click.option("--sessions", default=2000)
@click.option("--rooms", default=40)
def idle(sessions: int, rooms: int) -> None:
    """Memory per idle session."""
    uvloop.run(measure_idle(sessions, rooms))


@main.command()
@click.option("--sockets", default=200)
@click.option("--publishers", default=20)
@click.option("--seconds", default=10.0)
def fanout(sockets: int, publishers: int, seconds: float) -> None:
    """Volatile deliveries per server-CPU-second."""
    uvloop.run(measure_fanout(sockets, publishers, seconds))


if __name__ == "__main__":
    main()
