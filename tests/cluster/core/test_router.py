"""Routing: a command finds its slot's owner, waits for one, or hears RETRY; order is kept whoever that is (I5)."""

from collections.abc import Iterable

import pytest

from commonroom.engine.address import Address, slot_of_address
from commonroom.engine.cluster.link import Links, LinkStats
from commonroom.engine.cluster.outgoing import Outgoing, OutgoingStats
from commonroom.engine.cluster.router import MAX_PARKED, PATIENCE_S, ClusterRouter
from commonroom.engine.cluster.wire import Answer, Call, Taken, decode_message, decode_parcel
from commonroom.engine.envelope import Attach, Detach, Envelope, Resync
from commonroom.errors import Unavailable
from tests.cluster.core.command import ROOM, Asked, line, signal
from tests.cluster.core.test_link import Pipe, Turns

SLOT = slot_of_address(ROOM)
WINDOW = 4


class Node:
    """A router with everything around it. Implements `Arrivals` and `LinkEvents`."""

    def __init__(self) -> None:
        self.delivered: list[Envelope] = []
        self.announced: list[tuple[str, list[Address]]] = []
        self.turns, self.pipe = Turns(), Pipe()
        links = Links("me", self.pipe, self, soon=self.turns.soon, later=self.turns.later, stats=LinkStats())
        self.outgoing = Outgoing(links, WINDOW, 1000, ClusterRouter.refuse, OutgoingStats())
        self.router = ClusterRouter(self.delivered.append, self.outgoing, self, self.turns.time)

    @property
    def refs(self) -> list[int]:
        """Of the commands that an actor here got."""
        return [getattr(envelope.command, "ref", 0) for envelope in self.delivered]

    def calls(self) -> list[Call]:
        """What was sent to other nodes since the last look."""
        self.turns.elapse(1.0)
        parcels = [decode_parcel(parcel) for parcel in self.pipe.parcels]
        self.pipe.parcels.clear()
        return [message for parcel in parcels for raw in parcel.messages if isinstance(message := decode_message(raw), Call)]

    def announce_here(self, addresses: Iterable[Address]) -> None:
        self.announced.append(("here", list(addresses)))

    def announce_to(self, member: str, addresses: Iterable[Address]) -> None:
        self.announced.append((member, list(addresses)))

    def followed_in(self, slots: Iterable[int]) -> list[Address]:
        return [address for address in (ROOM, Address("room", "of another slot")) if slot_of_address(address) in set(slots)]

    def heard(self, member: str, message: object) -> None:
        raise AssertionError((member, message))

    def resynced(self, member: str) -> None:
        raise AssertionError(member)


@pytest.fixture
def node() -> Node:
    return Node()


def test_a_command_waits_until_somebody_has_its_slot(node: Node) -> None:
    for ref in (1, 2):
        node.router.send(line(ref))
    assert node.router.parked == 2
    node.router.to_here({SLOT: 1})
    node.router.send(line(3))
    assert node.refs == [1, 2, 3]
    assert node.router.parked == 0


def test_what_waited_goes_to_another_node_in_order_behind_the_announcement(node: Node) -> None:
    for ref in (1, 2):
        node.router.send(line(ref))
    node.router.to_member({SLOT: 7}, "other")
    node.router.send(line(3))
    calls = node.calls()
    assert [(call.seq, call.epoch) for call in calls] == [(1, 7), (2, 7), (3, 7)]
    assert node.announced == [("other", [ROOM])]
    assert node.router.member_of(ROOM) == "other"


def test_what_another_node_did_not_answer_follows_the_slot_before_what_waits(node: Node) -> None:
    node.router.to_member({SLOT: 1}, "other")
    for ref in (1, 2, 3):
        node.router.send(line(ref, Asked()))
    node.outgoing.answered(Answer(str(ROOM), node.calls()[0].window, 2, 2, "refusal", b"\x94\xabUnavailable\xa1x\xc0\xc0"))
    node.router.to_nobody([SLOT])
    node.router.send(line(4))
    node.router.to_here({SLOT: 2})
    assert node.refs == [1, 3, 4]


def test_a_new_epoch_of_the_same_owner_is_a_new_window(node: Node) -> None:
    node.router.to_member({SLOT: 1}, "other")
    node.router.send(line(1))
    (first,) = node.calls()
    node.router.to_member({SLOT: 2}, "other")
    (again,) = node.calls()
    assert (again.epoch, again.seq) == (2, 1)
    assert again.window > first.window
    assert again.payload == first.payload


def test_what_an_actor_here_did_not_answer_waits_before_all_that_came_later(node: Node) -> None:
    node.router.to_nobody([SLOT])
    node.router.send(line(3))
    node.router.take_back([line(1), line(2)])
    node.router.to_here({SLOT: 2})
    assert node.refs == [1, 2, 3]


def test_announcements_do_not_wait_but_farewells_do(node: Node) -> None:
    """The next owner hears anew who follows; but the join that a farewell takes back may be before it."""
    for command in (Attach(), Resync(), Detach()):
        node.router.send(signal(command))
    node.router.take_back([signal(Attach()), signal(Detach())])
    node.router.to_here({SLOT: 1})
    assert [type(envelope.command) for envelope in node.delivered] == [Detach, Detach]


def test_announcements_under_way_do_not_follow_the_slot(node: Node) -> None:
    node.router.to_member({SLOT: 1}, "other")
    node.router.send(signal(Attach()))
    node.router.send(signal(Detach()))
    node.router.to_here({SLOT: 2})
    assert [type(envelope.command) for envelope in node.delivered] == [Detach]


def test_a_command_that_waits_too_long_hears_retry(node: Node) -> None:
    early, late = Asked(), Asked()
    node.router.send(line(1, early))
    node.turns.elapse(PATIENCE_S)
    node.router.send(line(2, late))
    node.turns.elapse(0.5)
    node.router.expire()
    ((ref, error),) = early.refusals
    assert ref == 1
    assert isinstance(error, Unavailable)
    assert error.retry_after_ms
    assert late.refusals == []
    assert node.router.stats.expired == 1


def test_a_full_park_answers_retry_but_takes_farewells(node: Node) -> None:
    asked = Asked()
    for ref in range(1, MAX_PARKED + 2):
        node.router.send(line(ref, asked))
    node.router.send(signal(Detach()))
    assert [ref for ref, _ in asked.refusals] == [MAX_PARKED + 1]
    assert node.router.parked == MAX_PARKED + 1


def test_a_full_window_answers_retry_but_takes_signals(node: Node) -> None:
    asked = Asked()
    node.router.to_member({SLOT: 1}, "other")
    for ref in range(1, WINDOW + 2):
        node.router.send(line(ref, asked))
    node.router.send(signal(Detach()))
    assert [ref for ref, _ in asked.refusals] == [WINDOW + 1]
    assert len(node.calls()) == WINDOW + 1


def test_a_command_that_was_answered_makes_room(node: Node) -> None:
    asked = Asked()
    node.router.to_member({SLOT: 1}, "other")
    for ref in range(1, WINDOW + 1):
        node.router.send(line(ref, asked))
    window = node.calls()[0].window
    node.outgoing.taken(Taken(str(ROOM), window, WINDOW))
    assert len(node.outgoing) == WINDOW
    node.outgoing.answered(Answer(str(ROOM), window, 1, 1, "refusal", b"\x94\xabUnavailable\xa1x\xc0\xc0"))
    node.router.send(line(WINDOW + 1, asked))
    assert [ref for ref, _ in asked.refusals] == [1]
    assert len(node.outgoing) == WINDOW


def test_signals_do_not_use_up_the_places_of_commands(node: Node) -> None:
    node.router.to_member({SLOT: 1}, "other")
    for _ in range(WINDOW * 3):
        node.router.send(signal(Attach()))
    asked = Asked()
    node.router.send(line(1, asked))
    assert not asked.refusals
    assert len(node.outgoing) == 1


def test_announcements_that_wait_are_not_said_twice_when_a_link_is_whole_again(node: Node) -> None:
    node.router.to_member({SLOT: 1}, "other")
    for _ in range(5):
        node.router.send(signal(Attach()))
    node.calls()
    node.outgoing.resend("other")
    assert node.calls() == []
    node.router.send(signal(Attach()))
    assert [call.seq for call in node.calls()] == [1]


def test_commands_that_wait_are_said_again_with_what_is_between_them(node: Node) -> None:
    node.router.to_member({SLOT: 1}, "other")
    for envelope in (line(1), signal(Attach()), line(2)):
        node.router.send(envelope)
    node.calls()
    node.outgoing.resend("other")
    assert [call.seq for call in node.calls()] == [1, 2, 3]
