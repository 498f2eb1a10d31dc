"""Typing: told once, forgotten by itself."""

import pytest

from commonroom.engine.address import Address
from commonroom.engine.envelope import Publication
from commonroom.errors import NotJoined
from commonroom.protocol.typing import Typing, TypingStart
from tests.actors.stage import Device, Stage


@pytest.fixture
def in_room(alice: Device, bob: Device, room: str) -> str:
    alice.join(room)
    bob.join(room)
    return room


def told(device: Device) -> list[bool]:
    return [push.active for push in device.took(Typing)]


def test_C5_a_start_is_told_once_and_expires_eight_seconds_after_the_last_one(
    stage: Stage, alice: Device, bob: Device, in_room: str
) -> None:
    alice.typing(in_room)
    for _ in range(3):
        stage.advance(4)
        alice.typing(in_room)
    assert told(bob) == [True]
    stage.advance(7.9)
    assert told(bob) == []
    stage.advance(0.2)
    assert told(bob) == [False]
    stage.advance(60)
    assert told(bob) == []


def test_C5_a_stop_is_told_once(alice: Device, bob: Device, in_room: str) -> None:
    alice.typing(in_room)
    for _ in range(2):
        alice.typing(in_room, active=False)
    assert told(bob) == [True, False]


def test_C5_sending_the_message_stops_it_and_reading_on_does_not_bring_it_back(
    stage: Stage, alice: Device, bob: Device, in_room: str
) -> None:
    alice.typing(in_room)
    alice.say(in_room, "there")
    assert told(bob) == [True, False]
    stage.advance(10)
    assert told(bob) == []
    assert stage.person("Carol").join(in_room).typing == []


def test_a_refused_message_does_not_stop_it(alice: Device, bob: Device, in_room: str) -> None:
    alice.typing(in_room)
    with pytest.raises(Exception, match="empty"):
        alice.say(in_room, "   ")
    assert told(bob) == [True]


def test_C5_leaving_with_the_last_session_stops_it(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    phone = stage.device(alice.authority)
    phone.join(in_room)
    alice.typing(in_room)
    bob.assert_push(Typing, person=alice.principal, active=True)
    alice.leave(in_room)
    bob.refute_push(Typing)
    phone.leave(in_room)
    bob.assert_push(Typing, person=alice.principal, active=False)


def test_each_expires_at_their_own_time(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    watcher = stage.person("Carol")
    watcher.join(in_room)
    alice.typing(in_room)
    stage.advance(3)
    bob.typing(in_room)
    stage.advance(5.5)
    assert watcher.join(in_room).typing == [bob.principal]
    stage.advance(3)
    assert watcher.join(in_room).typing == []
    assert [(push.person, push.active) for push in watcher.took(Typing)] == [
        (alice.principal, True),
        (bob.principal, True),
        (alice.principal, False),
        (bob.principal, False),
    ]


def test_one_who_starts_after_another_stopped_has_the_whole_time(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    alice.typing(in_room)
    stage.advance(2)
    bob.typing(in_room)
    alice.typing(in_room, active=False)
    alice.took(Typing)
    stage.advance(7.5)
    assert told(alice) == []
    stage.advance(1)
    assert told(alice) == [False]


def test_C5_who_is_not_in_the_room_cannot_type_in_it(stage: Stage, alice: Device, in_room: str) -> None:
    stranger = stage.person("Carol")
    with pytest.raises(NotJoined):
        stranger.ask(TypingStart, in_room)


def test_a_newer_push_of_the_same_person_may_replace_an_older_one(stage: Stage, alice: Device, in_room: str) -> None:
    seen: list[Publication] = []
    publish = stage.publish

    def spy(address: Address, publication: Publication) -> None:
        seen.append(publication)
        publish(address, publication)

    stage.publish = spy  # type: ignore[method-assign]
    alice.typing(in_room)
    alice.typing(in_room, active=False)
    assert [(one.conflate, one.offset) for one in seen] == [(f"typing:{alice.principal.actor_id}", 0)] * 2
