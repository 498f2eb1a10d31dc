"""One host in virtual time: gating, retries, faults, deadlines, passivation."""

import gc
from collections.abc import Iterator

import pytest

from commonroom.codes import ErrorCode
from commonroom.config.settings import EngineSettings
from commonroom.engine.activation import Activation
from commonroom.engine.address import Address, slot_of
from commonroom.engine.envelope import Envelope
from commonroom.engine.testing import Faults, World
from commonroom.errors import InternalError, Invalid, NotFound, Unavailable
from commonroom.protocol.chat import MessageCreate, MessageSend
from commonroom.protocol.room import RoomJoin
from commonroom.protocol.session import Reply
from commonroom.protocol.typing import Typing, TypingStart
from commonroom.protocol.wire import StreamPosition
from tests.cluster.core.command import Asked
from tests.engine.diary import Diary

ROOM = "diary"
STREAM = f"room/{ROOM}"


@pytest.fixture
def world(seed: int) -> Iterator[World]:
    with World({"room": Diary}, seed) as world:
        yield world


def test_nothing_is_answered_or_shown_before_its_commit(world: World) -> None:
    alice, bob = world.client("alice"), world.client("bob")
    bob.join(ROOM)
    world.journal.stop()
    ref = alice.send(MessageSend, ROOM, text="hello", nonce="nonce-01")
    joining = alice.send(RoomJoin, ROOM)
    world.advance(5)
    assert ref not in alice.answers
    assert joining not in alice.answers, "a snapshot showed what was not durable"
    bob.refute_push(MessageCreate)
    world.journal.resume()
    assert alice.assert_reply(ref, Reply).offset == 1
    assert alice.assert_reply(joining, Reply).offset == 1
    bob.assert_push(MessageCreate, text="hello", offset=1)


def test_a_volatile_push_overtakes_a_pending_commit(world: World) -> None:
    alice, bob = world.client("alice"), world.client("bob")
    bob.join(ROOM)
    world.journal.stop()
    alice.send(MessageSend, ROOM, text="hello", nonce="nonce-01")
    alice.send(TypingStart, ROOM)
    bob.assert_push(Typing)
    world.journal.resume()


def test_a_repeated_nonce_is_answered_with_the_first_event(world: World) -> None:
    alice = world.client("alice")
    refs = [alice.send(MessageSend, ROOM, text="hello", nonce="nonce-01") for _ in range(3)]
    assert [alice.assert_reply(ref, Reply).offset for ref in refs] == [1, 1, 1]
    world.restart()
    assert alice.ask(MessageSend, ROOM, text="hello", nonce="nonce-01") == Reply(4, 1)
    assert world.journal.streams[STREAM].head == 1


def test_what_was_sent_before_something_stored_is_refused_when_it_comes_again(world: World) -> None:
    """An earlier owner had refused it, and its word was lost (I5)."""
    alice, asked = world.client("alice"), Asked()
    alice.ask(MessageSend, ROOM, text="second", nonce="nonce-02")
    for ref, later in enumerate(((), ("nonce-02",), ("nonce-03",)), 1):
        command = MessageSend(ref, ROOM, "first", f"nonce-1{ref}")
        world.deliver(Envelope(Address("room", ROOM), command, alice.authority, asked, "alice", later=later))
    world.settle()
    assert asked.replies == [(1, Reply(1, 2)), (3, Reply(3, 3))]
    assert [(ref, type(error)) for ref, error in asked.refusals] == [(2, Unavailable)]


def test_two_people_may_use_the_same_nonce(world: World) -> None:
    offsets = [world.client(name).ask(MessageSend, ROOM, text=name, nonce="nonce-01") for name in ("alice", "bob")]
    assert [reply.offset for reply in offsets if isinstance(reply, Reply)] == [1, 2]


def test_a_refused_command_leaves_the_actor_as_it_was(world: World) -> None:
    alice = world.client("alice")
    with pytest.raises(Invalid):
        alice.ask(MessageSend, ROOM, text="bad", nonce="nonce-01")
    assert alice.ask(MessageSend, ROOM, text="good", nonce="nonce-01") == Reply(2, 1)


def test_a_handler_that_raises_after_persisting_ends_the_activation_and_stores_nothing(world: World) -> None:
    alice = world.client("alice")
    alice.ask(MessageSend, ROOM, text="before", nonce="nonce-01")
    with pytest.raises(InternalError):
        alice.ask(MessageSend, ROOM, text="broken", nonce="nonce-02")
    world.advance(10)
    assert alice.ask(MessageSend, ROOM, text="after", nonce="nonce-03") == Reply(3, 2)
    assert [event.dedup for event in world.journal.streams[STREAM].events] == ["c:alice:nonce-01", "c:alice:nonce-03"]


def test_a_fenced_writer_answers_retry_and_acks_nothing(world: World) -> None:
    alice = world.client("alice")
    alice.ask(MessageSend, ROOM, text="ours", nonce="nonce-01")
    world.journal.claim(slot_of(STREAM))
    ref = alice.send(MessageSend, ROOM, text="stale", nonce="nonce-02")
    alice.assert_error(ref, ErrorCode.RETRY)
    assert world.journal.streams[STREAM].head == 1


def test_an_unknown_kind_is_not_found(world: World) -> None:
    alice = world.client("alice")
    world.deliver(Envelope(Address("nothing", "x"), MessageSend(9, "x", "text", "nonce-01"), alice.authority, alice, "alice"))
    assert world.run_until(lambda: 9 in alice.answers)
    assert isinstance(alice.answers.pop(9), NotFound)


def test_a_resume_replays_what_the_ring_holds(world: World) -> None:
    alice, bob = world.client("alice"), world.client("bob")
    for number in range(5):
        alice.ask(MessageSend, ROOM, text=f"{number}", nonce=f"nonce-0{number}")
    bob.ask(RoomJoin, ROOM, resume=StreamPosition(1, 2))
    assert [push.text for push in bob.pushes if isinstance(push, MessageCreate)] == ["2", "3", "4"]


def test_a_deadline_takes_effect_once_at_its_due_time(world: World) -> None:
    alice = world.client("alice")
    alice.join(ROOM)
    alice.ask(MessageSend, ROOM, text="alarm:5000", nonce="nonce-01")
    set_at = alice.assert_push(MessageCreate, text="alarm:5000").at
    alice.refute_push(MessageCreate, text="rang 1")
    rang = alice.assert_push(MessageCreate, text="rang 1")
    assert rang.at == set_at + 5000
    world.advance(60)
    alice.refute_push(MessageCreate, text="rang 1")


def test_a_late_deadline_takes_effect_at_its_due_time_after_a_restart(world: World) -> None:
    alice = world.client("alice")
    alice.ask(MessageSend, ROOM, text="alarm:5000", nonce="nonce-01")
    world.restart()
    world.loop.run_until_complete(world.host.crash())
    world.advance(3600)
    world.restart()
    world.advance(5)
    events = world.journal.streams[STREAM].events
    assert len(events) == 2
    assert events[1].at == events[0].at + 5000
    assert events[1].dedup == "d:alarm:1"


@pytest.mark.parametrize("deadline", ["alarm", "nap"])
def test_I10_a_wake_that_stores_waits_while_nothing_can_be_stored(world: World, deadline: str) -> None:
    alice = world.client("alice")
    alice.ask(MessageSend, ROOM, text=f"{deadline}:5000", nonce="nonce-01")
    world.journal._capacity, capacity = 0, world.journal._capacity
    world.advance(20)
    assert (world.host.stats.wakes, world.journal.pending) == (0, 0)
    world.journal._capacity = capacity
    world.advance(1)
    assert (world.host.stats.wakes, world.journal.streams[STREAM].head) == (1, 2)


def test_a_volatile_wake_stores_nothing_unless_it_said_so(world: World) -> None:
    alice = world.client("alice")
    alice.ask(MessageSend, ROOM, text="nap:1000", nonce="nonce-01")
    alice.ask(MessageSend, ROOM, text="doze:2000", nonce="nonce-02")
    world.advance(10)
    assert (world.host.stats.wakes, world.journal.streams[STREAM].head) == (2, 3)
    alice.ask(MessageSend, ROOM, text="goes on", nonce="nonce-03")


def test_an_idle_actor_is_passivated_and_its_deadline_wakes_it(seed: int) -> None:
    with World({"room": Diary}, seed, settings=EngineSettings(idle_s=10)) as world:
        alice = world.client("alice")
        alice.ask(MessageSend, ROOM, text="alarm:3600000", nonce="nonce-01")
        world.advance(60)
        assert world.host.stats.live == 0
        world.advance(3600)
        assert world.journal.streams[STREAM].head == 2


def test_a_followed_actor_is_not_passivated(seed: int) -> None:
    with World({"room": Diary}, seed, settings=EngineSettings(idle_s=10)) as world:
        alice = world.client("alice")
        alice.join(ROOM)
        world.advance(600)
        assert world.host.stats.live == 1
        alice.leave(ROOM)
        world.advance(600)
        assert world.host.stats.live == 0


class CountingWorld(World):
    """Counts how often the host asks who follows: once a look at an idle actor."""

    asked = 0

    def count(self, address: Address) -> int:
        self.asked += 1
        return super().count(address)


def test_a_followed_idle_actor_is_looked_at_once_an_idle_time(seed: int) -> None:
    with CountingWorld({"room": Diary}, seed, settings=EngineSettings(idle_s=10)) as world:
        world.client("alice").join(ROOM)
        world.advance(600)
        assert world.asked <= 60


def test_a_full_mailbox_answers_retry_and_loses_nothing_in_silence(seed: int) -> None:
    with World({"room": Diary}, seed, settings=EngineSettings(mailbox_size=16)) as world:
        alice = world.client("alice")
        refs = [alice.send(MessageSend, ROOM, text=f"{number}", nonce=f"nonce-{number:02d}") for number in range(64)]
        assert world.run_until(lambda: all(ref in alice.answers for ref in refs))
        accepted = [ref for ref in refs if isinstance(alice.answers[ref], Reply)]
        assert all(isinstance(alice.answers[ref], Unavailable) for ref in refs if ref not in accepted)
        assert 16 <= len(accepted) < 64
        assert world.journal.streams[STREAM].head == len(accepted)


def test_a_snapshot_and_its_tail_give_the_same_state(seed: int) -> None:
    with World({"room": Diary}, seed, settings=EngineSettings(snapshot_events=7)) as world:
        alice = world.client("alice")
        for number in range(24):
            alice.ask(MessageSend, ROOM, text=f"{number}", nonce=f"nonce-{number:02d}")
        assert world.journal.streams[STREAM].snapshot_offset == 21
        world.restart()
        assert alice.join(ROOM) == Reply(25, 24)


def test_a_load_that_fails_answers_retry_and_the_next_one_works(seed: int) -> None:
    with World({"room": Diary}, seed, faults=Faults(load=1.0)) as world:
        alice = world.client("alice")
        alice.assert_error(alice.send(RoomJoin, ROOM), ErrorCode.RETRY)
        world.journal.faults = Faults()
        world.advance(30)
        assert alice.join(ROOM) == Reply(2, 0)


def test_an_activation_that_ended_is_freed_at_once_and_not_kept_for_its_idle_time(without_collections: None) -> None:
    with World({"room": Diary}, settings=EngineSettings(max_activations=16)) as world:
        alice = world.client("alice")
        for number in range(200):
            alice.join(f"room-{number}")
            alice.leave(f"room-{number}")
        world.settle()
        kept = sum(isinstance(one, Activation) for one in gc.get_objects())
        assert kept <= 40, f"{kept} activations are in memory, {world.host.stats.live} live"
