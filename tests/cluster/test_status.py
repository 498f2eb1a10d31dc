"""A user's status over several nodes: devices on some, viewers on others, the user's actor on a third (FEATURES P20)."""

from collections.abc import Callable, Iterator, Sequence

import pytest

from commonroom.engine.address import slot_of
from commonroom.engine.cluster.placement import place
from commonroom.engine.gateway.status import StatusPorts
from commonroom.engine.testing.cluster.node import Node
from commonroom.identity import Authority, Principal, SessionId
from commonroom.protocol.status import StatusUpdate, UserStatus
from commonroom.protocol.user import UserPlace
from commonroom.storage.repository.preference import StatusFacts
from tests.cluster.stage import Stage

TRUE_WITHIN_S = 5.0


class Somebody:
    """A session that says and hears: a device of its user, and a viewer."""

    def __init__(self, stage: Stage, node: Node, user: str, session: str) -> None:
        self.id = session
        self.idle = False
        self.authority = Authority(Principal("user", user), SessionId(session), user, 2**50)
        self.hidden: frozenset[Principal] = frozenset()
        self.knows: dict[str, UserStatus] = {}
        self.told: list[UserStatus] = []
        self.node = node
        self._stage = stage
        self.soon(lambda: node.gateway.statuses.enter(self))

    @property
    def principal(self) -> Principal:
        return self.authority.principal

    def places(self) -> Sequence[UserPlace]:
        return ()

    def is_in(self, room: str) -> bool:
        return False

    def want_hidden(self) -> None: ...

    def status_changed(self, update: StatusUpdate) -> bool:
        self.told += update.users
        self.knows.update({one.user: one for one in update.users})
        return True

    # -- what a test says ----------------------------------------------------------

    def soon(self, act: Callable[[], object]) -> None:
        self.node.process.soon(act)
        self._stage.world.advance(0.01)

    def watch(self, *users: str) -> None:
        self.soon(lambda: self.node.gateway.statuses.watch(self, users))

    def touch(self, *, idle: bool) -> None:
        self.idle = idle
        self.soon(lambda: self.node.gateway.statuses.moved(self))

    def leave(self) -> None:
        self.soon(lambda: self.node.gateway.statuses.leave(self))

    def until(self, user: str, status: str, limit_s: float = TRUE_WITHIN_S) -> None:
        self._stage.until(lambda: user in self.knows and self.knows[user].status == status, limit_s)


async def load(users: Sequence[str]) -> dict[str, StatusFacts]:
    return {name: StatusFacts() for name in users}


async def choose(_authority: Authority, _dnd: bool) -> None:
    """Nobody chooses."""


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage(status=StatusPorts(load, choose, lambda _user: None)) as stage:
        yield stage


def user_of(stage: Stage, owner: Node) -> str:
    """Somebody whose actor this node has."""
    owners = place(node.cluster.membership.member for node in stage.nodes)
    return next(name for name in (f"u{number}" for number in range(10_000)) if owners[slot_of(f"user/{name}")] == owner.id)


def looked_at(stage: Stage) -> tuple[str, Somebody, Somebody]:
    """Of the third node's users one, whose device is at the second, and a viewer at the first who knows that they are online."""
    here, there, owner = stage.nodes
    bob = user_of(stage, owner)
    ada = Somebody(stage, here, "ada", "s-ada")
    ada.watch(bob)
    device = Somebody(stage, there, bob, "s-bob")
    ada.until(bob, "online")
    return bob, ada, device


def test_P20_a_status_is_told_across_nodes(stage: Stage) -> None:
    here, there, owner = stage.nodes
    bob = user_of(stage, owner)
    ada = Somebody(stage, here, "ada", "s-ada")
    ada.watch(bob, "nobody-here")
    device = Somebody(stage, there, bob, "s-bob")
    ada.until(bob, "online")
    device.touch(idle=True)
    ada.until(bob, "idle")
    device.leave()
    ada.until(bob, "offline")
    assert ada.knows["nobody-here"].status == "offline"


def test_P20_devices_of_two_nodes_are_one_status(stage: Stage) -> None:
    here, there, owner = stage.nodes
    bob = user_of(stage, owner)
    ada = Somebody(stage, here, "ada", "s-ada")
    ada.watch(bob)
    laptop, phone = Somebody(stage, here, bob, "s-laptop"), Somebody(stage, there, bob, "s-phone")
    ada.until(bob, "online")
    phone.touch(idle=True)
    laptop.touch(idle=True)
    ada.until(bob, "idle")
    phone.touch(idle=False)
    ada.until(bob, "online")
    phone.leave()
    ada.until(bob, "idle")


def test_P20_a_killed_gateway_takes_its_devices_with_it_and_no_others(stage: Stage) -> None:
    here, there, owner = stage.nodes
    bob, cem = user_of(stage, owner), user_of(stage, here)
    ada = Somebody(stage, here, "ada", "s-ada")
    ada.watch(bob, cem)
    Somebody(stage, there, bob, "s-bob")
    Somebody(stage, there, cem, "s-cem")
    tablet = Somebody(stage, owner, cem, "s-tablet")
    tablet.touch(idle=True)
    ada.until(bob, "online")
    ada.until(cem, "online")
    stage.world.kill(there)
    settings = stage.world.settings
    limit_s = settings.ttl_s + settings.presence_grace_s + TRUE_WITHIN_S
    ada.until(bob, "offline", limit_s)
    ada.until(cem, "idle", limit_s)


def test_P20_a_killed_owner_makes_nobody_offline(stage: Stage) -> None:
    bob, ada, device = looked_at(stage)
    ada.told.clear()
    stage.world.kill(stage.nodes[2])
    stage.world.advance(3 * stage.world.settings.ttl_s)
    assert ada.told == [], "nothing about bob has changed"
    device.touch(idle=True)
    ada.until(bob, "idle")
    device.leave()
    ada.until(bob, "offline")


def test_P20_a_slot_that_moves_takes_status_along(stage: Stage) -> None:
    bob, ada, device = looked_at(stage)
    ada.told.clear()
    owner = stage.nodes[2]
    owner.drain_and_leave()
    stage.until(lambda: owner.ended)
    stage.world.advance(TRUE_WITHIN_S)
    assert ada.told == []
    device.touch(idle=True)
    ada.until(bob, "idle")


def test_P20_what_the_bus_lost_is_found_again(stage: Stage) -> None:
    bob, ada, device = looked_at(stage)
    stage.world.network.conditions.lost = 1.0
    device.touch(idle=True)
    stage.world.advance(2.0)
    assert ada.knows[bob].status == "online", "nothing was lost: the test proves nothing"
    stage.world.calm()
    ada.until(bob, "idle", 30.0)


def test_P20_nothing_is_left_where_nobody_looks_and_nobody_is_there(stage: Stage) -> None:
    _bob, ada, device = looked_at(stage)
    ada.watch()
    device.leave()
    ada.leave()
    stage.until(lambda: not any(len(node.gateway.following) for node in stage.nodes), 1.0)
    stage.world.advance(1.0)
    assert not any(node.cluster.relay._followers.addresses() for node in stage.nodes)
