"""Notices between simulated nodes: they arrive, and what the bus lost is told as a gap."""

from commonroom.engine.notice import Notices
from commonroom.engine.testing.cluster.node import Node
from commonroom.engine.testing.loop import VirtualClock
from tests.cluster.stage import Stage


class Listener:
    """A node's notices, as its blocks would hear them."""

    def __init__(self, stage: Stage, node: Node) -> None:
        self.changed: list[str] = []
        self.gaps = 0
        self.node = node
        self.notices = Notices(VirtualClock(stage.world.loop))
        self.notices.join(node.cluster)
        self.notices.listen("block", self.changed.extend, self.miss)
        node.process.soon(self.notices.open)

    def miss(self) -> None:
        self.gaps += 1

    def tell(self, *keys: str) -> None:
        self.node.process.soon(lambda: self.notices.tell("block", keys))


def test_a_notice_reaches_every_node() -> None:
    with Stage() as stage:
        listeners = [Listener(stage, node) for node in stage.nodes]
        listeners[0].tell("user:ada", "guest:bob")
        stage.until(lambda: all(one.changed == ["user:ada", "guest:bob"] for one in listeners), 0.1)


def test_a_notice_lost_on_the_way_is_told_as_a_gap_once_the_next_shows_it() -> None:
    with Stage() as stage:
        first, second, third = (Listener(stage, node) for node in stage.nodes)
        stage.world.advance(10)
        before = second.gaps, third.gaps
        stage.world.network.conditions.lost = 1.0
        first.tell("user:ada")
        stage.world.advance(0.01)
        stage.world.calm()
        assert (second.gaps, third.gaps) == before
        first.tell("user:bob")
        stage.until(lambda: second.gaps > before[0] and third.gaps > before[1], 2)
        assert second.changed == third.changed == ["user:bob"], "nothing was lost: the test proves nothing"
