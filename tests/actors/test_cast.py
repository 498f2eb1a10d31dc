"""Casts: to everybody in the room, at once, and kept nowhere."""

import pytest
from msgspec.structs import asdict

from commonroom.engine.address import Address
from commonroom.errors import NotJoined
from commonroom.protocol.cast import Cast, CastSend
from commonroom.protocol.codec import JSON, MSGPACK, Codec, Rejected
from commonroom.protocol.session import Reply
from tests.actors.stage import Device, Stage


@pytest.fixture
def in_room(alice: Device, bob: Device, room: str) -> str:
    alice.join(room)
    bob.join(room)
    return room


def conflation_keys(stage: Stage, room: str) -> list[str | None]:
    published = [publication for address, publication in stage.published if address == Address("room", room)]
    return [publication.conflate for publication in published if isinstance(publication.message, Cast)]


def test_everybody_in_the_room_gets_it_as_it_was_said_the_sender_too(alice: Device, bob: Device, in_room: str) -> None:
    alice.cast(in_room, "cursor", "3,4\0🎉")
    for device in (alice, bob):
        assert device.took(Cast) == [Cast(in_room, alice.principal, "cursor", "3,4\0🎉")]


def test_nobody_else_gets_it(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    elsewhere = stage.person("Carol")
    elsewhere.join(stage.room(elsewhere))
    bob.leave(in_room)
    alice.cast(in_room, "", "hello?")
    for device in (bob, elsewhere):
        device.refute_push(Cast)


def test_all_of_one_sender_arrive_in_the_order_they_were_sent(alice: Device, bob: Device, in_room: str) -> None:
    for number in range(20):
        alice.send(CastSend, in_room, key="", data=str(number))
    alice.cast(in_room, "", "20")
    assert [cast.data for cast in bob.took(Cast)] == [str(number) for number in range(21)]


def test_who_is_not_in_the_room_cannot_cast_in_it(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    stranger = stage.person("Carol")
    with pytest.raises(NotJoined):
        stranger.cast(in_room, "", "let me in")
    alice.leave(in_room)
    with pytest.raises(NotJoined):
        alice.cast(in_room, "", "one more thing")
    bob.refute_push(Cast)


def test_another_device_of_somebody_in_the_room_may_cast_in_it(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    stage.http(alice).send(CastSend, in_room, key="", data="from my phone")
    bob.assert_push(Cast, person=alice.principal, data="from my phone")


def test_it_is_answered_and_leaves_nothing_behind(stage: Stage, alice: Device, in_room: str) -> None:
    before = stage.events(in_room)
    reply = alice.ask(CastSend, in_room, key="cursor", data="3,4")
    assert isinstance(reply, Reply)
    assert reply.offset == 0
    stage.settle()
    assert stage.events(in_room) == before
    latecomer = stage.person("Carol")
    assert "3,4" not in repr(asdict(latecomer.join(in_room)))
    latecomer.refute_push(Cast)


def test_casts_of_one_person_and_key_may_replace_each_other_and_no_others(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    for device, key in ((alice, "cursor"), (alice, "cursor"), (alice, "scroll"), (bob, "cursor"), (alice, "")):
        device.cast(in_room, key, "x")
    first, again, other_key, other_person, none = conflation_keys(stage, in_room)
    assert first == again == f"cast:{alice.principal.actor_id}:cursor"
    assert len({first, other_key, other_person}) == 3
    assert none is None


@pytest.mark.parametrize("codec", [MSGPACK, JSON])
@pytest.mark.parametrize(("key_length", "data_length", "fits"), [(32, 1024, True), (33, 1024, False), (32, 1025, False), (0, 0, True)])
def test_the_codec_refuses_what_is_too_long(codec: Codec, key_length: int, data_length: int, fits: bool) -> None:
    command = CastSend(7, "room", "🎉" * key_length, "🎉" * data_length)
    decoded = codec.decode(codec.encode(command))
    assert decoded == command if fits else isinstance(decoded, Rejected)
