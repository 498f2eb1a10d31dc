"""What several nodes remember of somebody's connections, in virtual time: all that answer, and whether all did."""

from collections.abc import Iterator

import pytest

from commonroom.engine.cluster import recall
from commonroom.engine.cluster.recall import TIMEOUT_S, Recalls
from commonroom.engine.cluster.wire import Recall, Recalled
from commonroom.engine.testing.cluster.node import Node
from commonroom.engine.trace import Remembered
from commonroom.errors import Unavailable
from tests.cluster.stage import Stage

AWHILE_S = 0.1


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as stage:
        yield stage


class Asking:
    """Somebody asks a node; `answer` once it came."""

    def __init__(self, node: Node, *actors: str) -> None:
        self.answer: Remembered | None = None
        self.error: Unavailable | None = None
        node.process.soon(lambda: node._tasks.start("ask", self._ask(node, actors)))

    async def _ask(self, node: Node, actors: tuple[str, ...]) -> None:
        try:
            self.answer = await node.cluster.recollect(actors)
        except Unavailable as error:
            self.error = error

    @property
    def told(self) -> list[tuple[str, str, int]]:
        """Node, whose and close code of each."""
        assert self.answer is not None
        return sorted((node, trace.principal.actor_id, trace.code) for node, trace in self.answer.traces)

    @property
    def complete(self) -> bool:
        assert self.answer is not None
        return self.answer.complete


def asked(stage: Stage, node: Node, *actors: str, within_s: float = AWHILE_S) -> Asking:
    asking = Asking(node, *actors)
    stage.until(lambda: asking.answer is not None or asking.error is not None, within_s)
    return asking


def test_P32_all_other_nodes_tell_what_they_remember_of_somebody(stage: Stage) -> None:
    first, second, third = stage.nodes
    room = stage.room(first)
    ada, _, bob = stage.person("ada", second, room), stage.person("eve", third, room), stage.person("bob", third, room)
    asking = asked(stage, first, "ada", "bob")
    assert (asking.told, asking.complete) == ([("n2", "ada", 0), ("n3", "bob", 0)], True)
    assert ada.connection is not None
    assert bob.connection is not None
    ada.connection.give_up()
    stage.until(lambda: len(second.gateway.chronicle) == 1)
    ada.home = third
    asking = asked(stage, first, "ada")
    assert ("n2", "ada", 1006) in asking.told


def test_P32_a_node_that_is_dead_is_missing_and_the_answer_says_so(stage: Stage) -> None:
    first, second, third = stage.nodes
    room = stage.room(first)
    stage.person("ada", second, room)
    stage.person("ada", third, room)
    stage.world.network.conditions.lost = 0.0
    stage.cut(third, second.process.name, first.process.name, "redis")
    asking = asked(stage, first, "ada", within_s=TIMEOUT_S + AWHILE_S)
    assert (asking.told, asking.complete) == ([("n2", "ada", 0)], False)


def test_P32_no_more_is_asked_at_once_than_is_allowed(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall, "MAX_ASKED", 2)
    first = stage.nodes[0]
    askings = [Asking(first, "ada") for _ in range(3)]
    stage.until(lambda: all(one.answer is not None or one.error is not None for one in askings), AWHILE_S)
    assert [one.error is None for one in askings] == [True, True, False]
    assert asked(stage, first, "ada").complete


def test_P32_who_answers_late_or_unasked_means_nothing() -> None:
    said: list[object] = []
    recalls = Recalls(lambda _member, message: said.append(message))
    recalls.told("n2", Recalled(1, []))
    recalls.asked("n2", Recall(7, ["ada"]))
    assert said == [Recalled(7, [])]
