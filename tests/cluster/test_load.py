"""A room's load is everybody's, whichever node they are at, and so is what follows from it (FEATURES P16)."""

from collections.abc import Iterator

import pytest

from commonroom.actors.room.actor import RoomActor
from commonroom.engine.address import Address
from commonroom.engine.gateway.fanout import RoomFanout
from commonroom.engine.testing.cluster.node import Node
from commonroom.errors import NotJoined
from commonroom.protocol.chat import MessageSend
from commonroom.protocol.typing import TypingStart
from tests.cluster.test_expulsion import RoomStage


class LoudStage(RoomStage):
    """A room whose owner has no readers; one is at a second node, two are at a third."""

    def actor(self) -> RoomActor:
        actor = self.owner.host._live[Address("room", self.name)].actor
        assert isinstance(actor, RoomActor)
        return actor

    def fanout(self, node: Node) -> RoomFanout:
        return node.gateway._fanouts[Address("room", self.name)]

    def levels(self) -> set[int | None]:
        return {self.fanout(node).load for node in (self.heir, self.other)}

    def say(self, times: int, first: int = 0) -> None:
        for number in range(first, first + times):
            self.ask(self.owner, MessageSend(1, self.name, "hello", f"message-{number:04}"))


@pytest.fixture
def stage() -> Iterator[LoudStage]:
    with LoudStage() as stage:
        yield stage


def test_P16_the_owner_counts_the_readers_of_all_nodes_and_all_nodes_gather(stage: LoudStage) -> None:
    load = stage.actor().room.load
    assert stage.actor().room.roster.sessions == 3
    assert stage.levels() == {0}
    load._budget_per_s = 0.01  # whatever is said is over it
    stage.say(2)
    stage.world.advance(1)
    stage.say(1, first=2)
    stage.until(lambda: stage.levels() == {3}, 5)
    load._budget_per_s = 1e9
    stage.until(lambda: stage.levels() == {0})


def test_P16_a_level_that_was_lost_on_the_way_is_told_again_when_the_link_is_whole(stage: LoudStage) -> None:
    load = stage.actor().room.load
    load._budget_per_s = -1.0  # not even silence is within it
    stage.world.advance(1)
    stage.world.network.conditions.lost = 1.0
    with pytest.raises(NotJoined):
        stage.ask(stage.owner, TypingStart(1, stage.name))  # it is looked at with whatever is asked of it
    assert load.level == 3
    stage.world.advance(0.01)
    assert stage.levels() == {0}
    stage.world.calm()
    stage.until(lambda: stage.levels() == {3})
