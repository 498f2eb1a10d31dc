"""Two nodes of one machine as real processes: who names a room in the path is served where that is."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from websockets.exceptions import ConnectionClosed, WebSocketException

from commonroom.engine.address import slot_of
from commonroom.protocol.chat import MessageCreate
from commonroom.protocol.room import Joined
from commonroom.protocol.session import Reply, ResumeAt
from commonroom.protocol.wire import StreamPosition
from tests.chaos.ledger import Ledger
from tests.chaos.node import Node
from tests.chaos.world import World
from tests.support.client import Guest, Peer, Refused, until
from tests.support.server import HURRIED

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

READERS = 3
"""So many a room may have where it is before others are sent back."""
SETTINGS = {"COMMONROOM_CLUSTER__STEER_READERS": str(READERS), "COMMONROOM_CLUSTER__DRAIN_S": "0", **HURRIED}
METRIC = re.compile(r"^commonroom_(\w+) ([0-9.e+]+)$", re.MULTILINE)
LOST = (ConnectionClosed, WebSocketException, aiohttp.ClientError, OSError, EOFError)


async def _get(node: Node, path: str) -> str:
    url = f"http://127.0.0.1:{node.metrics_port}{path}"
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        return await answer.text()


async def _metrics(node: Node) -> dict[str, float]:
    return {found[1]: float(found[2]) for found in METRIC.finditer(await _get(node, "/metrics"))}


class Pair:
    """Two nodes, and a room that the second one has."""

    def __init__(self, first: Node, second: Node, guest: Guest) -> None:
        self.first = first
        self.second = second
        self.guest = guest
        self.room = ""

    async def find_room(self) -> None:
        """A room of the second node, made over the first one."""
        async with aiohttp.ClientSession() as http:
            while not self.room:
                async with http.get(f"http://127.0.0.1:{self.second.metrics_port}/v1/admin/cluster") as answer:
                    status: dict[str, Any] = await answer.json()
                room = await self.guest.create_room()
                if status["owners"].get(str(slot_of(f"room/{room}"))) == status["node"] and not status["moving"]:
                    self.room = room

    async def open(self, path: str = "", resume: tuple[ResumeAt, ...] = ()) -> Peer:
        """A session in the room, over the first node's port."""
        peer = await Peer.open(f"ws://127.0.0.1:{self.first.port}/v1/ws{path}", await self.guest.ws_token(), resume)
        if not resume:
            await peer.request("room.join", room=self.room)
        return peer


@pytest.fixture
async def pair(made_data: Path) -> AsyncIterator[Pair]:
    async with World(Ledger(), neighbours=True, made=made_data) as world:
        first, second = await world.add_node(SETTINGS), await world.add_node(SETTINGS)
        await asyncio.gather(first.start(), second.start())
        pair = Pair(first, second, await Guest(f"http://127.0.0.1:{first.port}", "ada").sign_in())
        await pair.find_room()
        yield pair


async def _say(peer: Peer, room: str, text: str) -> Reply:
    answer = await peer.request("message.send", room=room, text=text, nonce=f"nonce-{text}")
    assert isinstance(answer, Reply)
    return answer


async def test_a_socket_that_names_its_room_is_served_where_that_is_and_nothing_crosses(pair: Pair) -> None:
    before = (await _metrics(pair.first))["cluster_outgoing_calls_total"]
    steered = [await pair.open(f"/{pair.room}") for _ in range(READERS)]
    for number, peer in enumerate(steered):
        await _say(peer, pair.room, f"from-{number}")
    for peer in steered:
        await until(lambda: len(peer.pushes(pair.room, MessageCreate)) == READERS, "every message")  # noqa: B023
    here, there = await _metrics(pair.first), await _metrics(pair.second)
    assert here["cluster_steering_steered_total"] == there["cluster_steering_taken_total"] == READERS
    assert (here["gateway_connections"], there["gateway_connections"]) == (0, READERS)
    assert here["gateway_commands_total"] == 0
    assert here["cluster_outgoing_calls_total"] == before
    assert here["cluster_relay_pushes_in_total"] == there["cluster_relay_pushes_out_total"] == 0
    for peer in steered:
        await peer.close()


async def test_the_room_is_the_same_from_everywhere(pair: Pair) -> None:
    steered, plain, elsewhere = await pair.open(f"/{pair.room}"), await pair.open(), await pair.open("/another-room")
    peers = (steered, plain, elsewhere)
    for number, peer in enumerate(peers):
        await _say(peer, pair.room, f"from-{number}")
    for peer in peers:
        await until(lambda: len(peer.pushes(pair.room, MessageCreate)) == len(peers), "every message")  # noqa: B023
        assert [push.offset for push in peer.pushes(pair.room, MessageCreate)] == [2, 3, 4]
    assert (await _metrics(pair.first))["gateway_connections"] >= 1
    for peer in peers:
        await peer.close()


async def test_beyond_its_readers_a_room_is_spread(pair: Pair) -> None:
    peers = [await pair.open(f"/{pair.room}") for _ in range(READERS + 2)]
    here, there = await _metrics(pair.first), await _metrics(pair.second)
    assert (here["gateway_connections"], there["gateway_connections"]) == (2, READERS)
    assert (here["cluster_steering_steered_total"], there["cluster_steering_returned_total"]) == (READERS + 2, 2)
    await _say(peers[-1], pair.room, "to-all")
    for peer in peers:
        await until(lambda: peer.pushes(pair.room, MessageCreate), "the message")  # noqa: B023
        await peer.close()


async def _come_back(pair: Pair, resume: ResumeAt) -> Peer:
    """As a client does: again and again."""
    async with asyncio.timeout(30):
        while True:
            try:
                peer = await pair.open(f"/{pair.room}", (resume,))
                await until(lambda: peer.pushes(pair.room, Joined), "the resumed room")  # noqa: B023
                return peer
            except (*LOST, Refused):
                await asyncio.sleep(0.02)


@pytest.mark.parametrize("end", ["kill", "drain"])
async def test_when_the_node_that_took_it_ends_a_client_comes_back_and_misses_nothing(pair: Pair, end: str) -> None:
    peer = await pair.open(f"/{pair.room}")
    answer = await _say(peer, pair.room, "before")
    position = StreamPosition(peer.welcome.history, answer.offset - 1)
    await (pair.second.close() if end == "kill" else pair.second.leave())  # kill -9, or SIGTERM
    await peer.socket.wait_closed()
    again = await _come_back(pair, ResumeAt(pair.room, position))
    await until(lambda: again.pushes(pair.room, MessageCreate), "what was said before")
    assert [push.text for push in again.pushes(pair.room, MessageCreate)] == ["before"]
    assert (await _metrics(pair.first))["gateway_connections"] == 1
    await again.close()
