"""Slow mode: one message of each person at a time (FEATURES P35)."""

import pytest

from commonroom.actors.room.speech import MAX_SPEAKERS, Speech
from commonroom.errors import RateLimited
from commonroom.protocol.chat import MessageCreate, MessageSend
from commonroom.protocol.moderation import RoomRole
from commonroom.protocol.room import RoomUpdate
from tests.actors.stage import Device, Stage

SLOW_MS = 30_000


@pytest.fixture
def slow(alice: Device, bob: Device, room: str) -> str:
    """Alice hosts, Bob is there, in slow mode."""
    alice.join(room)
    bob.join(room)
    alice.do(RoomUpdate, room, slow_ms=SLOW_MS)
    return room


def waits(device: Device, room: str) -> int:
    with pytest.raises(RateLimited) as caught:
        device.say(room, "too soon")
    return caught.value.retry_after_ms or 0


def test_P35_in_slow_mode_everybody_waits_between_messages_and_hears_how_long(stage: Stage, bob: Device, slow: str) -> None:
    offset = bob.say(slow, "one")
    stage.advance(10)
    assert SLOW_MS - 11_000 < waits(bob, slow) < SLOW_MS - 9_000
    bob.edit(slow, offset, "won")
    bob.typing(slow)
    carol = stage.person("Carol")
    carol.join(slow)
    carol.say(slow, "each for themselves")
    stage.advance(waits(bob, slow) / 1000)
    bob.say(slow, "two")


def test_P35_host_and_cohosts_do_not_wait(stage: Stage, alice: Device, bob: Device, slow: str) -> None:
    alice.do(RoomRole, slow, person=bob.principal, role="cohost")
    for device in (alice, bob, alice, bob):
        device.say(slow, "on we go")
    alice.do(RoomRole, slow, person=bob.principal, role="participant")
    assert waits(bob, slow) > 0


def test_a_retry_of_what_was_said_is_no_second_message(stage: Stage, bob: Device, slow: str) -> None:
    offset = bob.say(slow, "one")
    again = bob.ask(MessageSend, slow, nonce=bob.last_nonce, text="one")
    assert again.offset == offset  # type: ignore[attr-defined]


def test_who_becomes_a_user_has_spoken_already(stage: Stage, bob: Device, slow: str) -> None:
    bob.say(slow, "as a guest")
    tab = stage.device(bob.authority)
    bob.refresh(stage.user(bob))
    assert waits(bob, slow) > 0
    stage.advance(SLOW_MS / 1000)
    bob.say(slow, "as a user")
    assert waits(tab, slow) > 0


def test_slow_mode_begins_with_what_is_said_in_it_and_ends_at_once(stage: Stage, alice: Device, bob: Device, room: str) -> None:
    alice.join(room)
    bob.join(room)
    bob.say(room, "before")
    alice.do(RoomUpdate, room, slow_ms=SLOW_MS)
    bob.say(room, "first")
    assert waits(bob, room) > 0
    alice.do(RoomUpdate, room, slow_ms=0)
    bob.say(room, "second")


def test_who_has_spoken_is_known_after_a_restart(stage: Stage, bob: Device, slow: str) -> None:
    bob.say(slow, "one")
    stage.restart()
    bob.join(slow)
    assert waits(bob, slow) > SLOW_MS - 5_000


def test_P35_and_after_a_restart_from_a_snapshot_that_has_the_message_no_more(stage: Stage, alice: Device, bob: Device, slow: str) -> None:
    carol = stage.person("Carol")
    carol.join(slow)
    carol.say(slow, "long ago")
    stage.advance(SLOW_MS / 1000)
    bob.say(slow, "one")
    alice.remove(slow, alice.say(slow, "x"))
    assert stage.journal.streams[f"room/{slow}"].snapshot, "what is deleted is gone from it as well"
    stage.restart()
    for device in (bob, carol):
        device.join(slow)
    assert waits(bob, slow) > SLOW_MS - 5_000
    carol.say(slow, "again")


def test_nothing_is_kept_of_who_spoke_where_nobody_waits(stage: Stage, alice: Device, bob: Device, slow: str) -> None:
    (speech,) = [feature for feature in stage.actor(slow)._features if isinstance(feature, Speech)]
    bob.say(slow, "one")
    assert speech.dump() is not None
    alice.do(RoomUpdate, slow, slow_ms=0)
    assert speech.dump() is None


def test_what_is_refused_uses_nothing_of_the_rooms_limit_up() -> None:
    with Stage(limits_scale=1.0) as stage:
        alice, bob = stage.person("Alice"), stage.person("Bob")
        room = stage.room(alice)
        for device in (alice, bob):
            device.join(room)
        alice.do(RoomUpdate, room, slow_ms=SLOW_MS)
        bob.say(room, "one")
        for _ in range(100):
            assert waits(bob, room) > 10_000
        alice.say(room, "at once")
        assert stage.host.stats.delayed == 0


def test_so_many_speakers_are_remembered_and_no_more(stage: Stage, slow: str) -> None:
    (speech,) = [feature for feature in stage.actor(slow)._features if isinstance(feature, Speech)]
    first = stage.person("First").principal
    speakers = [first, *(stage.person("Speaker").principal for _ in range(MAX_SPEAKERS - 1)), first, stage.person("Last").principal]
    for number, author in enumerate(speakers):
        speech.apply(MessageCreate(slow, number + 1, number, author, None, "x"), None)
    assert len(speech._spoke) == MAX_SPEAKERS
    assert min(speech._spoke.values()) == 2, "who spoke again is not the first to be forgotten"
