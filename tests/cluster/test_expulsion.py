"""Whom a room bans hears nothing more of it on any node, whatever becomes of the bus and of the room's owner (FEATURES P35)."""

from collections.abc import Iterator
from typing import Any, Self

import pytest

from commonroom.actors.room.actor import RoomActor
from commonroom.engine.address import Address
from commonroom.engine.testing.cluster.client import ClusterClient
from commonroom.engine.testing.cluster.node import Node
from commonroom.engine.testing.cluster.world import ClusterWorld
from commonroom.identity import Authority, Principal, SessionId
from commonroom.protocol.chat import MessageSend
from commonroom.protocol.moderation import RoomBan, RoomRole
from commonroom.protocol.room import Joined, RoomCreate, RoomRemoved, RoomUpdate
from commonroom.protocol.session import Reply
from commonroom.protocol.wire import Command, ServerMessage
from tests.cluster.stage import Stage

ADA = Authority(Principal("guest", "ada"), SessionId("ada"), "Ada", 2**50)


class Guest(ClusterClient):
    """Somebody in a real room, who leaves it when told to."""

    def __init__(self, world: ClusterWorld, name: str, rooms: tuple[str, ...], sid: str | None = None) -> None:
        super().__init__(world, name, rooms, sid)
        self.removed: list[RoomRemoved] = []

    def _handle(self, message: ServerMessage, payload: bytes) -> None:
        if isinstance(message, Joined):
            super()._handle(Reply(message.ref, message.position.offset), payload)
        elif isinstance(message, RoomRemoved):
            self.removed.append(message)
            del self.rooms[message.room]
        else:
            super()._handle(message, payload)


class RoomStage(Stage):
    """With rooms of the product. Ada hosts, Bob has a socket at each of two nodes, Carol is at the second."""

    def __init__(self) -> None:
        super().__init__()
        self.world._kinds = {"room": RoomActor}
        for node in self.nodes:
            node._kinds = self.world._kinds

    def __enter__(self) -> Self:
        super().__enter__()
        self.owner, self.heir, self.other = self.nodes
        self.name = self.room(self.owner, self.heir)
        self.ask(self.owner, RoomCreate(1, self.name, "created-01", "study", "Quiet"))
        self.phone, self.tablet, self.carol = (
            self.guest(name, sid, home)
            for name, sid, home in (("phone", "bob", self.heir), ("tablet", "bob", self.other), ("carol", "carol", self.other))
        )
        return self

    def guest(self, name: str, sid: str, home: Node) -> Guest:
        guest = Guest(self.world, name, (self.name,), sid)
        guest.home = home
        self.world.clients.append(guest)
        self.until(lambda: guest.rooms[self.name].joined)
        return guest

    def ask(self, node: Node, command: Command) -> Any:
        asking = self.world.loop.create_task(node.cluster.router.ask(Address("room", self.name), command, ADA, 60.0))
        self.until(asking.done)
        return asking.result()

    def ban_bob(self) -> None:
        assert isinstance(self.ask(self.owner, RoomBan(1, self.name, "banned-001", Principal("guest", "bob"))), Reply)

    def followers(self, node: Node) -> list[str]:
        return node.gateway.sessions_of(Address("room", self.name))

    def bob_is_gone(self) -> bool:
        return self.followers(self.heir) == [] and self.followers(self.other) == [self.carol.session]


@pytest.fixture
def stage() -> Iterator[RoomStage]:
    with RoomStage() as stage:
        yield stage


def test_P35_a_ban_ends_every_socket_of_theirs_on_every_node(stage: RoomStage) -> None:
    stage.ban_bob()
    stage.until(lambda: bool(stage.phone.removed and stage.tablet.removed))
    assert stage.bob_is_gone()
    assert {one.removed[0].name for one in (stage.phone, stage.tablet)} == {"BANNED"}
    stage.ask(stage.owner, MessageSend(1, stage.name, "peace", "message-01"))
    stage.until(lambda: stage.carol.rooms[stage.name].position == 3)
    assert stage.carol.removed == []


def test_P35_a_ban_of_which_the_bus_lost_every_word_takes_effect_by_the_gaps_repair(stage: RoomStage) -> None:
    stage.world.network.conditions.lost = 1.0
    stage.ban_bob()
    stage.world.advance(1.0)
    assert not stage.bob_is_gone()
    stage.world.calm()
    stage.until(stage.bob_is_gone)
    stage.until(lambda: bool(stage.phone.removed and stage.tablet.removed))


def test_P35_a_ban_outlives_the_owner_that_told_nobody(stage: RoomStage) -> None:
    stage.world.network.conditions.lost = 1.0
    stage.ban_bob()
    stage.world.kill(stage.owner)
    stage.world.calm()
    stage.until(stage.bob_is_gone)
    stage.world.advance(30.0)
    assert stage.bob_is_gone()


@pytest.mark.parametrize("lost", [0.0, 1.0])
def test_P17_a_room_that_becomes_private_is_heard_by_no_outsider_on_any_node(stage: RoomStage, lost: float) -> None:
    stage.ask(stage.owner, RoomRole(1, stage.name, "cohost-001", Principal("guest", "carol"), role="cohost"))
    stage.until(lambda: stage.carol.rooms[stage.name].position == 2)
    stage.world.network.conditions.lost = lost
    stage.ask(stage.owner, RoomUpdate(1, stage.name, "private-01", visibility="private"))
    stage.ask(stage.owner, MessageSend(1, stage.name, "among ourselves", "message-01"))
    stage.world.advance(1.0)
    stage.world.calm()
    stage.until(stage.bob_is_gone)
    stage.until(lambda: stage.carol.rooms[stage.name].position == 4)
    assert {one.rooms[stage.name].position for one in (stage.phone, stage.tablet)} == {3}, "they read that it is private"
    assert [len(one.rooms[stage.name].seen) for one in (stage.phone, stage.tablet, stage.carol)] == [2, 2, 3]
