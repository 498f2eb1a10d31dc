"""A room over its budget on a whole node: sockets, joins and metrics tell the same."""

import asyncio
import re
from typing import Any

import pytest

from commonroom.actors.room.actor import RoomActor
from commonroom.app.node import Node
from commonroom.engine.address import Address
from commonroom.ids import new_id
from commonroom.protocol.room import Joined, RoomLoad
from commonroom.protocol.session import Reply
from tests.http.api import Account, Api
from tests.support.client import Peer, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def enter(api: Api, account: Account, room: str) -> tuple[Peer, Joined]:
    token = (await api.call("POST", "/v1/ws-token", {}, account.bearer)).json["token"]
    peer = await Peer.open(api.url.replace("http", "ws", 1) + "/v1/ws", token)
    joined = await peer.request("room.join", room=room)
    assert isinstance(joined, Joined)
    return peer, joined


async def gauge(api: Api, node: Node, name: str) -> float:
    http = node.settings.http
    shown = await api.call("GET", "/metrics", url=f"http://{http.metrics_host}:{http.metrics_port}")
    found = re.search(rf"^commonroom_gateway_{name} (\S+)$", shown.body.decode(), re.MULTILINE)
    assert found is not None
    return float(found[1])


def shrink(node: Node, room: str, deliveries_per_s: float) -> None:
    """Give one live room another budget."""
    actor: Any = node._engine.host._live[Address("room", room)].actor
    assert isinstance(actor, RoomActor)
    actor.room.load._budget_per_s = deliveries_per_s


async def test_P16_a_room_over_its_budget_tells_its_people_those_who_join_and_the_operator_and_messages_go_on(
    api: Api, node: Node, ada: Account, bob: Account
) -> None:
    room = (await api.call("POST", "/v1/rooms", {"title": "Loud"}, ada.bearer)).json["id"]
    loud, _ = await enter(api, ada, room)
    still, joined = await enter(api, bob, room)
    assert joined.load == 0
    before = await gauge(api, node, "rooms_load_3")
    shrink(node, room, -1.0)  # not even silence is within it

    async def cast() -> bool:
        assert await loud.request("cast.send", room=room, key="", data="x") == Reply(loud._refs)
        return any(push.level == 3 for push in still.pushes(room, RoomLoad))

    async with asyncio.timeout(60):
        while not await cast():
            pass
    assert await gauge(api, node, "rooms_load_3") == before + 1
    assert (await loud.request("room.join", room=room)).load == 3  # type: ignore[attr-defined]
    offset = (await loud.request("message.send", room=room, text="heard", nonce=new_id(0))).offset  # type: ignore[attr-defined]
    await until(lambda: any(getattr(push, "offset", 0) == offset for push in still.seen[room]), "the message")
    for peer in (loud, still):
        await peer.close()
    await until(lambda: not node._engine.gateway.count(Address("room", room)), "nobody follows")
    assert await gauge(api, node, "rooms_load_3") == before
