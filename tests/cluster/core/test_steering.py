"""Which node a socket is passed to, and when nobody's sockets are: on virtual time, with a port that takes notes."""

from dataclasses import replace

from commonroom.engine.address import Address
from commonroom.engine.cluster.member import Member
from commonroom.engine.testing.cluster.node import Node
from tests.cluster.stage import Stage

DESCRIPTOR = 7
DATA = b"GET /v1/ws/quiet HTTP/1.1\r\n\r\n"


class Notes:
    """In the place of steering."""

    def __init__(self, node: Node) -> None:
        self.passed: list[tuple[str, Address]] = []
        self.incarnations: list[str] = []
        self.weights_when_closed: list[float] = []
        self.answer = True
        self._node = node
        node.cluster._ports = replace(node.cluster._ports, steering=self)

    def open(self, me: str) -> None:
        self.incarnations.append(me)

    def pass_on(self, member: Member, address: Address, descriptor: int, data: bytes) -> bool:
        assert (descriptor, data) == (DESCRIPTOR, DATA)
        self.passed.append((member.id, address))
        return self.answer

    def close(self) -> None:
        self.weights_when_closed.append(self._node.cluster.membership.member.weight)


def steered(node: Node, room: str) -> bool:
    return node.cluster.steer(Address("room", room), DESCRIPTOR, DATA)


def test_a_socket_goes_to_the_node_that_has_its_room_if_that_takes_it() -> None:
    with Stage() as stage:
        here, owner, _ = stage.nodes
        notes, room = Notes(here), stage.room(owner)
        assert steered(here, room)
        notes.answer = False
        assert not steered(here, room)
        assert notes.passed == [(owner.id, Address("room", room))] * 2


def test_a_socket_for_a_room_of_ours_stays() -> None:
    with Stage() as stage:
        here = stage.nodes[0]
        notes = Notes(here)
        assert not steered(here, stage.room(here))
        assert notes.passed == []


def test_a_socket_for_a_room_that_nobody_has_now_stays() -> None:
    with Stage() as stage:
        here, owner, _ = stage.nodes
        notes, room = Notes(here), stage.room(owner)
        stage.world.kill(owner)
        stage.until(lambda: here.cluster.router.member_of(Address("room", room)) is None)
        assert not steered(here, room)
        assert notes.passed == []


def test_nothing_is_passed_to_a_node_that_drains() -> None:
    with Stage() as stage:
        here, owner, _ = stage.nodes
        notes, room = Notes(here), stage.room(owner)
        stage.cut(owner, "postgres")  # it cannot give its rooms away yet
        owner.drain_and_leave()
        stage.until(lambda: here.cluster.membership.view.members[owner.id].weight == 0)
        assert here.cluster.router.member_of(Address("room", room)) == owner.id
        assert not steered(here, room)
        assert notes.passed == []


def test_a_node_takes_no_more_sockets_before_it_says_that_it_drains() -> None:
    with Stage() as stage:
        leaving = stage.nodes[0]
        notes = Notes(leaving)
        leaving.drain_and_leave()
        stage.until(lambda: leaving.ended)
        assert notes.weights_when_closed[0] > 0


def expelled(stage: Stage, victim: Node) -> None:
    """It comes back as another incarnation."""
    before = victim.id
    victim.process.stop()
    stage.world.advance(2 * stage.world.settings.ttl_s)
    victim.process.go_on()
    stage.until(lambda: victim.id != before)


def test_another_incarnation_is_found_by_its_own_name() -> None:
    with Stage() as stage:
        victim = stage.nodes[0]
        notes = Notes(victim)
        expelled(stage, victim)
        assert notes.incarnations == [victim.id]


def test_another_incarnation_of_a_node_that_drains_takes_nothing() -> None:
    with Stage() as stage:
        victim = stage.nodes[0]
        notes = Notes(victim)
        stage.cut(victim, "postgres")
        victim.drain_and_leave()
        stage.world.advance(1.0)
        stage.world.network.cut.clear()
        expelled(stage, victim)
        assert notes.incarnations == []
