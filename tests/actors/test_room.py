"""The room itself: founding, entering, permissions, and what survives a restart."""

import msgspec
import pytest

from commonroom.actors.room.actor import DUMP_VERSION, Dump, RoomActor
from commonroom.engine.actor import Wake
from commonroom.engine.address import Address
from commonroom.engine.envelope import Query
from commonroom.errors import CommonroomError, Conflict, Forbidden, InternalError, Invalid, NotFound
from commonroom.identity import RoomGrant
from commonroom.protocol.cast import CastSend
from commonroom.protocol.chat import MessageEdit, MessageRemove, MessageSend
from commonroom.protocol.codec import MSGPACK, Rejected
from commonroom.protocol.room import RoomCreate, RoomCreated, RoomJoin, RoomLeave, RoomView
from commonroom.protocol.timer import TimerSettings, TimerStart
from commonroom.protocol.typing import TypingStart
from commonroom.protocol.wire import Command
from tests.actors.stage import Device, Stage

NONCE = "a-nonce-of-its-own"


def test_a_room_is_founded_once_and_its_first_event_says_what_it_is(stage: Stage, alice: Device, bob: Device) -> None:
    room = stage.room_id()
    assert alice.create(room, title="Quiet hours", topic="No talking", visibility="unlisted").offset == 1
    (event,) = stage.events(room)
    assert isinstance(event, RoomCreated)
    assert (event.offset, event.info.title, event.info.created_by) == (1, "Quiet hours", alice.principal)
    for somebody in (bob, alice):
        with pytest.raises(Conflict):
            somebody.create(room)


def test_a_retried_create_is_answered_again_and_makes_nothing(stage: Stage, alice: Device) -> None:
    room = stage.room_id()
    assert [alice.create(room, nonce=NONCE).offset for _ in range(2)] == [1, 1]
    stage.restart()
    assert alice.create(room, nonce=NONCE).offset == 1
    assert len(stage.events(room)) == 1


@pytest.mark.parametrize(
    ("command", "fields"),
    [
        (RoomJoin, {}),
        (RoomLeave, {}),
        (MessageSend, {"text": "hi", "nonce": NONCE}),
        (MessageEdit, {"message": 1, "text": "hi", "nonce": NONCE}),
        (MessageRemove, {"message": 1, "nonce": NONCE}),
        (TimerStart, {"nonce": NONCE}),
        (TypingStart, {}),
        (CastSend, {"key": "", "data": "hi"}),
    ],
)
def test_before_it_is_founded_every_command_is_answered_not_found(
    stage: Stage, alice: Device, command: type[Command], fields: dict[str, object]
) -> None:
    room = stage.room_id()
    with pytest.raises(NotFound):
        alice.ask(command, room, **fields)
    assert stage.journal.streams == {}


def test_a_join_shows_the_room_as_it_is(stage: Stage, alice: Device, bob: Device) -> None:
    room = stage.room(alice, title="Maths")
    alice.join(room)
    first = alice.say(room, "hello")
    alice.timer(room, TimerStart)
    alice.typing(room)
    stage.advance(1)
    joined = bob.join(room)
    assert (joined.role, joined.info.title, joined.position.offset) == ("participant", "Maths", 3)
    assert [(message.offset, message.text, message.author) for message in joined.messages] == [(first, "hello", alice.principal)]
    assert joined.timer is not None
    assert joined.timer.status == "running"
    assert {person.name for person in joined.presence.people} == {"Alice", "Bob"}
    assert joined.typing == [alice.principal]
    assert alice.join(room).role == "host"


def test_P17_a_private_room_looks_absent_to_strangers_and_opens_to_its_maker_and_to_grants(
    stage: Stage, alice: Device, bob: Device
) -> None:
    room = stage.room(alice, visibility="private")
    guest = stage.person("Carol", grants=[RoomGrant(room, "p1", "participant")])
    with pytest.raises(NotFound):
        bob.join(room)
    assert alice.join(room).role == "host"
    assert guest.join(room).role == "participant"


def test_P7_permission_is_asked_with_every_command_and_not_only_at_the_join(stage: Stage, alice: Device) -> None:
    room = stage.room(alice, visibility="private")
    carol = stage.person("Carol", grants=[RoomGrant(room, "p1", "participant")])
    carol.join(room)
    carol.authority = msgspec.structs.replace(carol.authority, grants=())
    for refused in (
        lambda: carol.say(room, "still here?"),
        lambda: carol.timer(room, TimerStart),
        lambda: carol.typing(room),
        lambda: carol.cast(room, "", "boo"),
    ):
        with pytest.raises(NotFound):
            refused()
    assert len(stage.events(room)) == 1


def test_a_bound_token_enters_its_own_room_only(stage: Stage, alice: Device) -> None:
    own, other, hidden = stage.room(alice, visibility="private"), stage.room(alice), stage.room(alice, visibility="private")
    dave = stage.person("Dave", grants=[RoomGrant(own, "p1", "host")], bound=True)
    assert dave.join(own).role == "participant"  # the role of a token is a hint, the roster decides
    with pytest.raises(Forbidden):
        dave.join(other)
    with pytest.raises(NotFound):
        dave.join(hidden)
    with pytest.raises(Forbidden):
        dave.create(stage.room_id())


def test_P17_the_grant_of_a_token_does_not_open_another_private_room(stage: Stage, alice: Device) -> None:
    mine, other = stage.room(alice, visibility="private"), stage.room(alice, visibility="private")
    erin = stage.person("Erin", grants=[RoomGrant(mine, "p1", "participant")])
    with pytest.raises(NotFound):
        erin.join(other)


BAD_ROOMS: list[tuple[dict[str, object], str]] = [
    ({"title": " \t "}, "$.title"),
    ({"title": "a\0b"}, "$.title"),
    ({"title": "two\nlines"}, "$.title"),
    ({"title": "\u200b"}, "$.title"),
    ({"title": "\ud800"}, "$.title"),
    ({"topic": "\u2028"}, "$.topic"),
    ({"topic": "a\x07"}, "$.topic"),
]


@pytest.mark.parametrize(("fields", "path"), BAD_ROOMS)
def test_a_room_of_bad_text_is_refused_with_the_fields_path(stage: Stage, alice: Device, fields: dict[str, object], path: str) -> None:
    with pytest.raises(Invalid) as refused:
        alice.create(stage.room_id(), **fields)
    assert refused.value.field == path
    assert stage.journal.streams == {}


BAD_ON_THE_WIRE = [
    RoomCreate(1, "r", NONCE, "study", ""),
    RoomCreate(1, "r", NONCE, "study", "t" * 81),
    RoomCreate(1, "r", "short", "study", "t"),
    RoomCreate(1, "r", NONCE, "dungeon", "t"),  # type: ignore[arg-type]
    RoomCreate(1, "r", NONCE, "study", "t", timer=TimerSettings(focus_ms=999)),
    MessageSend(1, "r", "", NONCE),
    MessageSend(1, "r", "x" * 4001, NONCE),
    MessageEdit(1, "r", -1, "x", NONCE),
    MessageSend(1, "", "x", NONCE),
]


@pytest.mark.parametrize("command", BAD_ON_THE_WIRE, ids=range(len(BAD_ON_THE_WIRE)))
def test_what_is_out_of_range_does_not_pass_the_wire(command: Command) -> None:
    rejected = MSGPACK.decode(MSGPACK.encode(command))
    assert isinstance(rejected, Rejected)
    assert isinstance(rejected.error, Invalid)


def test_4000_characters_pass_the_wire_and_the_room(stage: Stage, alice: Device, room: str) -> None:
    text = "\U0001f4da" * 4000
    command = MSGPACK.decode(MSGPACK.encode(MessageSend(1, room, text, NONCE)))
    assert isinstance(command, MessageSend)
    alice.join(room)
    assert alice.say(room, command.text) == 2


def test_C5_M5_a_leave_by_command_or_signal_is_told_once_and_leaving_twice_is_no_error(
    stage: Stage, alice: Device, bob: Device, room: str
) -> None:
    alice.join(room)
    bob.join(room)
    bob.ask(RoomLeave, room)
    bob.ask(RoomLeave, room)
    bob.leave(room)
    assert [member.person.name for member in stage.actor(room).room.roster] == ["Alice"]


def test_a_join_over_http_has_nothing_to_subscribe(stage: Stage, alice: Device, room: str) -> None:
    with pytest.raises(Invalid):
        stage.http(alice).ask(RoomJoin, room)


def test_http_may_speak_without_being_in_the_room(stage: Stage, alice: Device, room: str) -> None:
    assert stage.http(alice).say(room, "from a script") == 2


def test_http_sees_a_public_room_and_no_private_one(stage: Stage, alice: Device, bob: Device) -> None:
    room, hidden = stage.room(alice), stage.room(alice, visibility="private")
    alice.join(room)
    bob.signal(room, Query("room.read"))
    (view,) = (push for push in bob.pushes if isinstance(push, RoomView))
    assert (view.room, view.present, view.info.title) == (room, 1, "Room")
    assert view.timer is not None
    for key, action in ((hidden, "room.read"), (room, "room.destroy"), (stage.room_id(), "room.read")):
        bob.answers.clear()
        bob.signal(key, Query(action))
        assert isinstance(bob.answers[0], NotFound)


def test_everything_durable_survives_a_kill(stage: Stage, alice: Device, bob: Device) -> None:
    room = stage.room(alice, title="Night shift", timer=TimerSettings(focus_ms=3_600_000))
    alice.join(room)
    first = alice.say(room, "first")
    alice.edit(room, first, "first, better")
    alice.remove(room, alice.say(room, "oops"))
    alice.timer(room, TimerStart)
    before = bob.join(room)
    stage.restart(down_s=600)
    after = bob.join(room)
    assert (after.info, after.timer, after.messages, after.position) == (before.info, before.timer, before.messages, before.position)
    assert [person.name for person in after.presence.people] == ["Bob"]


def test_an_idle_room_is_passivated_and_comes_back_the_same(sleepy: Stage) -> None:
    stage, alice = sleepy, sleepy.person("Alice")
    room = stage.room(alice)
    alice.join(room)
    alice.say(room, "see you")
    alice.leave(room)
    stage.advance(400)
    assert stage.activation(room) is None
    assert [message.text for message in alice.join(room).messages] == ["see you"]


def test_a_snapshot_of_a_newer_version_is_refused_and_an_unknown_part_is_left_alone(stage: Stage, alice: Device, room: str) -> None:
    dump = msgspec.msgpack.decode(stage.actor(room).dump(), type=Dump)
    dump.parts["juggling"] = msgspec.Raw(msgspec.msgpack.encode([1]))
    other = RoomActor(Address("room", room))
    other.load(msgspec.msgpack.encode(dump))
    assert other.room.info == stage.actor(room).room.info
    dump.version = DUMP_VERSION + 1
    with pytest.raises(InternalError):
        RoomActor(Address("room", room)).load(msgspec.msgpack.encode(dump))


def test_a_room_that_does_not_exist_has_no_snapshot_and_no_deadline() -> None:
    actor = RoomActor(Address("room", "r"))
    assert not actor.exists()
    assert actor.due() is None
    assert actor.needs(MessageRemove(1, "r", 3, NONCE)) is None
    with pytest.raises(CommonroomError):
        actor.dump()


def test_no_wake_has_a_name_of_nobody(stage: Stage, room: str) -> None:
    actor = stage.actor(room)
    with pytest.raises(KeyError):
        actor.wake(None, Wake("nobody", 0))  # type: ignore[arg-type]
