"""Effects between nodes: their keys travel, and they do not hold up a slot that changes hands."""

from commonroom.engine.address import Address, slot_of_address
from commonroom.engine.testing.cluster.node import Node
from commonroom.errors import CommonroomError, Unavailable
from commonroom.identity import Authority, Principal, SessionId
from commonroom.protocol.chat import MessageSend
from commonroom.protocol.session import Reply
from commonroom.protocol.wire import ServerMessage
from tests.cluster.stage import Stage

ADA = Authority(Principal("guest", "ada"), SessionId("ada"), "Ada", 2**50)
KEY = "o:room/source:1:test.0"


async def ask(node: Node, room: str) -> ServerMessage | CommonroomError:
    try:
        return await node.cluster.router.ask(Address("room", room), MessageSend(1, room, "effect", "not-used"), ADA, 60.0, KEY)
    except CommonroomError as error:
        return error


def answer_of(stage: Stage, node: Node, room: str) -> ServerMessage | CommonroomError:
    asking = stage.world.loop.create_task(ask(node, room))
    stage.until(asking.done)
    return asking.result()


def test_an_effect_in_an_actor_of_another_node_happens_once_whoever_owns_it() -> None:
    with Stage() as stage:
        owner, heir, other = stage.nodes
        room = stage.room(owner, heir)
        assert answer_of(stage, other, room) == Reply(1, 1)
        assert answer_of(stage, owner, room) == Reply(1, 1)
        stage.world.kill(owner)
        answers = [answer_of(stage, node, room) for node in (other, heir) for _ in range(5)]
        stage.until(lambda: stage.settled() and other.cluster.router.member_of(Address("room", room)) == heir.id)
        answers += [answer_of(stage, node, room) for node in (other, heir)]
        assert {type(answer) for answer in answers} <= {Reply, Unavailable}
        assert answers[-2:] == [Reply(1, 1)] * 2
        assert [event.dedup for event in stage.world.store.streams[f"room/{room}"].events] == [KEY]


def test_an_effect_for_a_slot_that_changes_hands_is_refused_at_once() -> None:
    with Stage() as stage:
        owner, _, other = stage.nodes
        room = stage.room(owner)
        slot = slot_of_address(Address("room", room))
        stage.world.network.cut |= {(other.process.name, "redis")}
        under_way = stage.world.loop.create_task(ask(other, room))
        stage.world.advance(0.01)
        assert not under_way.done()
        before = stage.world.loop.time()
        for node in (owner, other):
            node.cluster.router.to_nobody([slot])
            assert isinstance(answer_of(stage, node, room), Unavailable)
        assert under_way.done()
        assert isinstance(under_way.result(), Unavailable)
        assert stage.world.loop.time() == before
        assert owner.cluster.router.parked == other.cluster.router.parked == 0
