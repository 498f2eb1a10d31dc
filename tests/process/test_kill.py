"""kill -9 at any point: every acknowledged message is in history exactly once (I2, I3, I4)."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest
from websockets.exceptions import ConnectionClosed, WebSocketException

from commonroom.ids import new_id
from commonroom.protocol.chat import MessageCreate, MessageUpdate
from commonroom.protocol.room import Joined, RoomCreated
from commonroom.protocol.session import Reply, ResumeAt
from commonroom.protocol.timer import TimerUpdate
from commonroom.protocol.wire import DurablePush, StreamPosition
from tests.support.client import Guest, Peer, Refused, until
from tests.support.server import HURRIED, ServerProcess, postgres_pids

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]

KILLS = 20
WRITERS = 8
"""Each is shown what all of them write."""
LOST = (ConnectionClosed, WebSocketException, aiohttp.ClientError, OSError, TimeoutError, EOFError)


@dataclass
class Writer:
    """Sends one message after another; a lost one is sent again under its nonce."""

    guest: Guest
    room: str
    token: str
    up: asyncio.Event
    acked: dict[str, int] = field(default_factory=dict)
    sent: int = 0
    stopping: bool = False

    async def run(self, server: ServerProcess) -> None:
        while not self.stopping:
            try:
                peer = await Peer.open(server.ws_url, self.token)
                await peer.request("room.join", room=self.room)
                await self._write(peer)
                await peer.close()
            except LOST:
                await asyncio.sleep(0.02)
                await self.up.wait()  # who comes back sooner takes time from the start that all wait for

    async def _write(self, peer: Peer) -> None:
        while not self.stopping:
            nonce = f"{self.guest.name}-{self.sent:08d}"
            try:
                answer = await peer.request("message.send", room=self.room, text=nonce, nonce=nonce)
            except Refused as refused:
                assert refused.error.name == "RETRY", refused
                continue
            assert isinstance(answer, Reply)
            self.acked[nonce] = answer.offset
            self.sent += 1


async def _all_events(server: ServerProcess, guest: Guest, room: str) -> list[DurablePush]:
    """The whole stream, by resuming from before its first event."""
    token = await guest.ws_token()
    peer = await Peer.open(server.ws_url, token)
    start = StreamPosition(peer.welcome.history, 0)
    joined = await peer.request("room.join", room=room, resume=start)
    assert isinstance(joined, Joined)
    events: list[DurablePush] = []
    after = joined.gap.last if joined.gap else 0
    head = joined.position.offset
    await until(lambda: len(_durable(peer, room, after)) >= head - after, "replay")
    events = _durable(peer, room, after)
    await peer.close()
    return events


def _durable(peer: Peer, room: str, after: int) -> list[DurablePush]:
    return [push for push in peer.seen[room] if isinstance(push, DurablePush) and push.offset > after]


@pytest.fixture
def environment() -> dict[str, str]:
    return HURRIED


@pytest.mark.timeout(360)
async def test_X2_acked_messages_survive_twenty_kills_each_exactly_once_and_so_does_the_timer(used_data: Path, seed: int) -> None:
    rng = Random(seed)
    server = ServerProcess(used_data, {"COMMONROOM_GATEWAY__REPLAY_EVENTS": "1000000", **HURRIED})
    await server.start()
    host = await Guest(server.url, "host").sign_in()
    room = await host.create_room()
    timer_room = await host.create_room("Timer", timer={"focusMs": 3_600_000})
    ends_at = await _move_timer(server, host, timer_room, None, "timer.start")
    guests = [await Guest(server.url, f"writer{index}").sign_in() for index in range(WRITERS)]
    up = asyncio.Event()
    up.set()
    writers = [Writer(guest, room, await guest.ws_token(), up) for guest in guests]
    tasks = [asyncio.create_task(writer.run(server)) for writer in writers]
    try:
        for _ in range(KILLS):
            target = sum(len(writer.acked) for writer in writers) + rng.randrange(20, 200)
            await until(lambda: sum(len(writer.acked) for writer in writers) >= target, "traffic")  # noqa: B023
            up.clear()
            await server.kill()
            await until(lambda: not postgres_pids(used_data), "PostgreSQL's end after its server was killed")
            await server.start()
            up.set()
            extended = await _move_timer(server, host, timer_room, ends_at, "timer.extend", by_ms=60_000)
            assert extended == ends_at + 60_000
            ends_at = extended
    finally:
        for writer in writers:
            writer.stopping = True
        up.set()
        await asyncio.wait(tasks, timeout=30)
    for task in tasks:
        task.result()
    await _check(server, host, room, writers)
    await server.stop()


async def _check(server: ServerProcess, host: Guest, room: str, writers: list[Writer]) -> None:
    events = await _all_events(server, host, room)
    assert [event.offset for event in events] == list(range(1, len(events) + 1))
    assert isinstance(events[0], RoomCreated)
    stored: dict[str, list[int]] = {}
    for event in events:
        if isinstance(event, MessageCreate):
            stored.setdefault(event.text, []).append(event.offset)
    acked = {nonce: offset for writer in writers for nonce, offset in writer.acked.items()}
    assert len(acked) >= KILLS * 20
    assert {nonce: stored.get(nonce) for nonce in acked} == {nonce: [offset] for nonce, offset in acked.items()}
    history: list[dict[str, Any]] = await host.history(room)
    assert [row["id"] for row in history] == [event.offset for event in events if isinstance(event, MessageCreate)]
    print(f"{len(acked)} acked over {KILLS} kills, {len(stored)} stored")


async def _move_timer(server: ServerProcess, host: Guest, room: str, ends_at: int | None, name: str, **fields: Any) -> int:
    """Find that the phase ends then, and when it ends after that command."""
    peer = await Peer.open(server.ws_url, await host.ws_token())
    joined = await peer.request("room.join", room=room)
    assert isinstance(joined, Joined)
    assert joined.timer is not None
    assert joined.timer.ends_at == ends_at
    await peer.request(name, room=room, nonce=new_id(0), **fields)
    await until(lambda: peer.pushes(room, TimerUpdate), "timer.update")
    moved = peer.pushes(room, TimerUpdate)[-1].timer.ends_at
    await peer.close()
    return int(moved)


@pytest.mark.parametrize("names_room", [False, True], ids=["", "naming its room"])
async def test_a_reader_resumes_over_a_kill_without_gap_or_repeat(server: ServerProcess, names_room: bool) -> None:
    guest = await Guest(server.url, "reader").sign_in()
    room = await guest.create_room()
    token = await guest.ws_token()
    named = room if names_room else ""
    first = await Peer.open(server.ws_url, token, room=named)
    await first.request("room.join", room=room)
    answer = await first.request("message.send", room=room, text="before", nonce="nonce-before")
    assert isinstance(answer, Reply)
    position = StreamPosition(first.welcome.history, answer.offset)
    await server.kill()
    await server.start()
    writer = await Peer.open(server.ws_url, token)
    await writer.request("room.join", room=room)
    await writer.request("message.edit", room=room, message=answer.offset, text="after", nonce="nonce-after")
    again = await Peer.open(server.ws_url, token, [ResumeAt(room, position)], named)
    await until(lambda: again.pushes(room, MessageUpdate), "the edit")
    (joined,) = again.pushes(room, Joined)
    assert joined.recovery == "recovered"
    assert [push.text for push in again.pushes(room, MessageUpdate)] == ["after"]
    assert again.pushes(room, MessageCreate) == []
    await writer.close()
    await again.close()
