"""Order in a room over real sockets and PostgreSQL: a lock, slow mode, a size, a ban, an archive (FEATURES P35)."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from commonroom.identity import Principal
from commonroom.ids import new_id
from commonroom.protocol.chat import MessageCreate
from commonroom.protocol.moderation import RoomModerated
from commonroom.protocol.room import Joined, RoomRemoved, RoomUpdated
from commonroom.protocol.session import Reply
from tests.http.admin import peer_of
from tests.http.api import Account, Api
from tests.support.client import Peer, Refused, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Scene:
    """Ada hosts a room, Bob is in it, Carol has only heard of it."""

    def __init__(self, api: Api, accounts: list[Account], peers: list[Peer], room: str) -> None:
        self.api = api
        self.accounts = accounts
        self.room = room
        self.ada, self.bob, self.carol = peers

    async def do(self, peer: Peer, name: str, **fields: Any) -> int:
        """A durable command; its event's offset."""
        answer = await peer.request(name, room=self.room, nonce=new_id(0), **fields)
        assert isinstance(answer, Reply)
        return answer.offset

    async def join(self, peer: Peer) -> Joined:
        answer = await peer.request("room.join", room=self.room)
        assert isinstance(answer, Joined)
        return answer

    def principal(self, peer: Peer) -> Principal:
        return peer.welcome.principal

    async def history(self, account: Account) -> int:
        """The status of reading the room's messages."""
        return (await self.api.call("GET", f"/v1/rooms/{self.room}/messages", headers=account.bearer)).status


@pytest_asyncio.fixture(loop_scope="session")
async def scene(api: Api) -> AsyncIterator[Scene]:
    accounts = [await api.guest(name) for name in ("Ada", "Bob", "Carol")]
    peers = [await peer_of(api, account) for account in accounts]
    scene = Scene(api, accounts, peers, await api.room(accounts[0]))
    for peer in peers[:2]:
        await scene.join(peer)
    yield scene
    for peer in peers:
        await peer.close()


async def refused(attempt: Any, name: str) -> int | None:
    """How long to wait, if that was told."""
    with pytest.raises(Refused) as caught:
        await attempt
    assert caught.value.error.name == name
    return caught.value.error.retry_after_ms


async def test_P35_a_locked_slow_and_full_room_says_so_and_opens_again(scene: Scene) -> None:
    ada, bob, carol = scene.ada, scene.bob, scene.carol
    await scene.do(ada, "room.update", locked=True, slow_ms=60_000, why="calm down")
    await until(lambda: bob.pushes(scene.room, RoomUpdated), "the change")
    (push,) = bob.pushes(scene.room, RoomUpdated)
    assert (push.author, push.why, push.info.locked, push.info.slow_ms) == (scene.principal(ada), "calm down", True, 60_000)
    assert await refused(scene.join(carol), "ROOM_LOCKED") is None
    await scene.do(bob, "message.send", text="one")
    assert 0 < (await refused(scene.do(bob, "message.send", text="two"), "RATE_LIMITED") or 0) <= 60_000
    await scene.do(ada, "message.send", text="the host does not wait")
    await scene.do(ada, "room.update", locked=False, slow_ms=0, size_limit=2)
    await refused(scene.join(carol), "ROOM_FULL")
    await scene.do(ada, "room.update", size_limit=3)
    assert (await scene.join(carol)).info.size_limit == 3
    await scene.do(bob, "message.send", text="two")


async def test_P35_a_banned_person_hears_and_reads_nothing_more_until_the_ban_is_lifted(scene: Scene) -> None:
    ada, bob = scene.ada, scene.bob
    await scene.do(ada, "room.role", person=scene.principal(bob), role="cohost")
    await refused(scene.do(bob, "room.ban", person=scene.principal(ada)), "FORBIDDEN")
    await scene.do(ada, "room.ban", person=scene.principal(bob), duration_ms=3_600_000, why="enough")
    await until(lambda: bob.pushes(scene.room, RoomRemoved), "the end of the subscription")
    assert [push.action for push in bob.pushes(scene.room, RoomModerated)] == ["role", "ban"]
    assert bob.pushes(scene.room, RoomRemoved)[0].name == "BANNED"
    said = await scene.do(ada, "message.send", text="among ourselves")
    assert 0 < (await refused(scene.join(bob), "BANNED") or 0) <= 3_600_000
    assert [await scene.history(account) for account in scene.accounts[:2]] == [200, 404]
    await scene.do(ada, "room.unban", person=scene.principal(bob))
    assert (await scene.join(bob)).role == "participant"
    assert said not in [push.offset for push in bob.pushes(scene.room, MessageCreate)]


async def test_P35_an_archived_room_is_left_as_it_was(scene: Scene) -> None:
    ada, bob, carol = scene.ada, scene.bob, scene.carol
    said = await scene.do(bob, "message.send", text="before")
    await scene.do(ada, "room.archive", why="the term is over")
    await refused(scene.do(bob, "message.send", text="after"), "CONFLICT")
    await refused(scene.do(bob, "timer.start"), "CONFLICT")
    await refused(scene.join(carol), "NOT_FOUND")
    await scene.do(bob, "message.delete", message=said)
    await refused(scene.do(bob, "room.archive", archived=False), "FORBIDDEN")
    await scene.do(ada, "room.archive", archived=False)
    await scene.do(bob, "message.send", text="after")
    await scene.join(carol)
