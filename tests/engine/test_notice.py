"""Notices in virtual time: told here at once, elsewhere over the bus; a gap of the bus is told in their stead."""

from collections.abc import Callable, Iterator, Sequence

import pytest

from commonroom.engine import notice
from commonroom.engine.notice import Notices
from commonroom.engine.testing.loop import VirtualClock, VirtualLoop


class Node:
    """One node's notices, and what its listener to blocks was told; implements `Bus`."""

    def __init__(self, town: "Town", *, alone: bool = False) -> None:
        self.changed: list[str] = []
        self.messages = 0
        self.gaps = 0
        self.on_notice: Callable[[str, Sequence[str]], None]
        self.on_gap: list[Callable[[], None]] = []
        self.whole = True
        self.town = town
        self.notices = Notices(town.clock)
        if not alone:
            self.notices.join(self)
        self.notices.listen("block", self.changed.extend, self.miss)

    def miss(self) -> None:
        self.gaps += 1

    def lose(self) -> None:
        for told in self.on_gap:
            told()

    def notify(self, topic: str, keys: Sequence[str]) -> None:
        self.messages += 1
        for node in self.town.nodes:
            if node is not self and not self.town.deaf:
                node.on_notice(topic, keys)


class Town:
    """Nodes; `deaf`: what they tell each other is lost."""

    def __init__(self) -> None:
        self.loop = VirtualLoop()
        self.clock = VirtualClock(self.loop)
        self.deaf = False
        self.nodes: list[Node] = []

    def node(self, *, alone: bool = False) -> Node:
        node = Node(self, alone=alone)
        self.loop.run_until_complete(self.opened(node))
        self.nodes.append(node)
        return node

    async def opened(self, node: Node) -> None:
        node.notices.open()


@pytest.fixture
def town() -> Iterator[Town]:
    town = Town()
    yield town
    for node in town.nodes:
        town.loop.run_until_complete(node.notices.close())
    town.loop.close()


def test_a_change_is_told_here_and_on_every_other_node_at_once(town: Town) -> None:
    here, there = town.node(), town.node()
    here.notices.tell("block", ["ada", "bob"])
    assert (here.changed, there.changed) == (["ada", "bob"], ["ada", "bob"])


def test_each_topic_has_its_own_listeners_and_what_nobody_listens_to_is_nothing(town: Town) -> None:
    here, there = town.node(), town.node()
    sanctioned: list[str] = []
    there.notices.listen("sanction", sanctioned.extend, there.miss)
    here.notices.tell("sanction", ["eve"])
    there.on_notice("of a newer version", ["eve"])
    assert (there.changed, sanctioned) == ([], ["eve"])


def test_a_lone_node_tells_itself(town: Town) -> None:
    lone = town.node(alone=True)
    lone.notices.tell("block", ["ada"])
    assert (lone.changed, lone.messages) == (["ada"], 0)


def test_many_keys_go_in_several_messages(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notice, "MAX_KEYS", 3)
    here, there = town.node(), town.node()
    keys = [str(number) for number in range(7)]
    here.notices.tell("block", keys)
    assert (there.changed, here.messages) == (keys, 3)


def test_what_the_bus_lost_is_to_be_read_again_within_two_seconds_of_the_gap(town: Town) -> None:
    here, there = town.node(), town.node()
    town.loop.run_for(10)
    before, town.deaf = there.gaps, True
    here.notices.tell("block", ["ada"])
    town.loop.run_for(10)
    assert (there.changed, there.gaps) == ([], before), "it was told otherwise: the test proves nothing"
    there.lose()
    town.loop.run_for(2)
    assert there.gaps > before


def test_while_the_bus_does_not_work_everything_is_to_be_read_again_each_second(town: Town) -> None:
    node = town.node()
    town.loop.run_for(10)
    before, node.whole = node.gaps, False
    town.loop.run_for(20)
    assert node.gaps - before == 20


def test_what_nobody_noticed_to_be_lost_is_to_be_read_again_once_a_minute(town: Town) -> None:
    node, lone = town.node(), town.node(alone=True)
    town.loop.run_for(10)
    before = node.gaps, lone.gaps
    town.loop.run_for(120)
    assert (node.gaps - before[0], lone.gaps - before[1]) == (2, 2)


def test_who_could_not_read_is_told_again(town: Town) -> None:
    node = town.node(alone=True)
    town.loop.run_for(10)
    before = node.gaps
    node.notices.doubt()
    town.loop.run_for(1.5)
    assert node.gaps > before


def test_a_listener_that_fails_does_not_end_the_telling(town: Town) -> None:
    node = town.node()
    told: list[str] = []

    def fail_once() -> None:
        told.append("gap")
        if len(told) == 1:
            raise RuntimeError

    node.notices.listen("sanction", told.extend, fail_once)
    node.whole = False
    town.loop.run_for(5)
    assert len(told) > 2
