"""Who is muted or under a shadow in a room: refused, or heard by themselves alone, and never the wiser."""

from collections.abc import Iterable

import msgspec
import pytest
from msgspec.structs import replace

from commonroom.actors.room.chat import Chat
from commonroom.actors.room.typing import EXPIRY_MS
from commonroom.engine.private import unpack
from commonroom.errors import Forbidden, NotFound
from commonroom.identity import Principal
from commonroom.protocol.cast import Cast
from commonroom.protocol.chat import Message, MessageCreate, MessageDelete, MessageUpdate
from commonroom.protocol.codec import encode_event
from commonroom.protocol.room import Joined
from commonroom.protocol.timer import TimerStart
from commonroom.protocol.typing import Typing
from tests.actors.stage import Device, Stage

HOUR_MS = 3_600_000


@pytest.fixture
def in_room(stage: Stage, alice: Device, bob: Device, room: str) -> str:
    alice.join(room)
    bob.join(room)
    return room


def impose(device: Device, sanction: str, until: int = 0) -> None:
    """As the edge does, from the next command on."""
    device.authority = replace(device.authority, sanction=sanction, sanction_until=until)


def held_by(stage: Stage, room: str) -> dict[int, object]:
    (chat,) = [feature for feature in stage.actor(room)._features if isinstance(feature, Chat)]
    return dict(chat._held)


def texts(joined: Joined | Iterable[Message]) -> list[str]:
    return [message.text for message in (joined.messages if isinstance(joined, Joined) else joined)]


def test_C9_who_is_muted_says_nothing_until_then_and_may_do_all_else(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    offset = alice.say(in_room, "before")
    until = stage.now() + HOUR_MS
    impose(alice, "mute", until)
    for attempt in (
        lambda: alice.say(in_room, "x"),
        lambda: alice.edit(in_room, offset, "x"),
        lambda: alice.cast(in_room, "", "x"),
        lambda: alice.typing(in_room),
    ):
        with pytest.raises(Forbidden, match="you are muted until 20") as refused:
            attempt()
        assert 0 < (refused.value.retry_after_ms or 0) <= HOUR_MS
    alice.timer(in_room, TimerStart)
    alice.typing(in_room, active=False)
    alice.remove(in_room, offset)
    assert [*bob.took(Cast), *bob.took(Typing)] == []
    stage.advance(HOUR_MS / 1000)
    alice.say(in_room, "after")
    assert texts(alice.join(in_room)) == ["", "after"]


def test_a_mute_without_end_has_no_time_to_wait(alice: Device, in_room: str) -> None:
    impose(alice, "mute")
    with pytest.raises(Forbidden) as refused:
        alice.say(in_room, "x")
    assert (str(refused.value), refused.value.retry_after_ms) == ("you are muted", None)


def test_C9_what_is_said_under_a_shadow_its_author_alone_sees(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    impose(alice, "shadow")
    offset = alice.say(in_room, "into the void")
    alice.edit(in_room, offset, "into the great void")
    assert [push.text for push in alice.took(MessageCreate)] == ["into the void"]
    assert [push.text for push in alice.took(MessageUpdate)] == ["into the great void"]
    assert [*bob.took(MessageCreate), *bob.took(MessageUpdate)] == []
    assert texts(alice.join(in_room)) == ["into the great void"]
    assert texts(bob.join(in_room)) == []
    assert bob.say(in_room, "anybody?") == offset + 2, "the offsets are everybody's"


def test_C9_the_authors_bytes_are_those_of_anybody(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    said = []
    for device, sanction in ((alice, "shadow"), (bob, "")):
        impose(device, sanction)
        device.say(in_room, "the same words")
        (push,) = device.took(MessageCreate)[-1:]
        plain = replace(push, offset=9, at=9, author=None, nonce=None)
        said.append(encode_event(plain))
    assert said[0] == said[1]
    mine, yours = alice.join(in_room).messages
    as_one = [msgspec.msgpack.encode(replace(one, offset=9, at=9, author=alice.principal, nonce=None)) for one in (mine, yours)]
    assert as_one[0] == as_one[1]


def test_a_shadow_survives_the_activation_and_the_snapshot(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    shown = alice.say(in_room, "seen")
    impose(alice, "shadow")
    alice.say(in_room, "unseen")
    alice.edit(in_room, shown, "seen by me")
    stage.restart()
    for _ in range(2):
        assert texts(bob.join(in_room)) == ["seen"]
        assert texts(alice.join(in_room)) == ["seen by me", "unseen"]
        stage.actor(in_room).load(stage.actor(in_room).dump())


def test_an_edit_under_a_shadow_stands_beside_what_all_others_read(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    offset = alice.say(in_room, "all read this")
    bob.took(MessageCreate)
    impose(alice, "shadow")
    alice.edit(in_room, offset, "I read that")
    assert bob.took(MessageUpdate) == []
    assert (texts(alice.join(in_room)), texts(bob.join(in_room))) == (["I read that"], ["all read this"])
    assert alice.edit(in_room, offset, "I read that") == 0, "nothing changed, as far as the author sees"
    impose(alice, "")
    alice.edit(in_room, offset, "all read this now")
    assert [push.text for push in bob.took(MessageUpdate)] == ["all read this now"]
    assert texts(alice.join(in_room)) == texts(bob.join(in_room)) == ["all read this now"]


def test_what_was_said_under_a_shadow_stays_the_authors_when_it_has_passed(alice: Device, bob: Device, in_room: str) -> None:
    impose(alice, "shadow")
    offset = alice.say(in_room, "unseen")
    impose(alice, "")
    alice.edit(in_room, offset, "still unseen")
    alice.say(in_room, "seen again")
    assert texts(bob.join(in_room)) == ["seen again"]
    alice.remove(in_room, offset)
    assert [*bob.took(MessageUpdate), *bob.took(MessageDelete)] == []
    assert [message.deleted for message in alice.join(in_room).messages] == [True, False]
    assert texts(bob.join(in_room)) == ["seen again"]


def test_a_deletion_under_a_shadow_is_real_for_everybody(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    offset = alice.say(in_room, "swordfish")
    impose(alice, "shadow")
    alice.edit(in_room, offset, "swordfish, edited")
    alice.remove(in_room, offset)
    assert [push.message for push in bob.took(MessageDelete)] == [offset]
    for device in (alice, bob):
        assert [message.deleted for message in device.join(in_room).messages] == [True]
    stream = stage.journal.streams[f"room/{in_room}"]
    kept = [event.payload + (event.private or b"") for event in stream.events] + [stream.snapshot or b"", stage.actor(in_room).dump()]
    assert not [one for one in kept if b"swordfish" in one]


def test_an_old_message_is_known_to_be_under_a_shadow(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    impose(alice, "shadow")
    offset = alice.say(in_room, "unseen")
    impose(alice, "")
    for number in range(60):
        bob.say(in_room, f"{number}")
        stage.advance(2)
    assert offset not in held_by(stage, in_room)
    edited = alice.edit(in_room, offset, "still unseen")
    event = stage.journal.streams[f"room/{in_room}"].events[edited - 1]
    audience = unpack(event.private).audience
    assert audience is not None
    assert audience.only == frozenset({alice.principal})
    with pytest.raises(NotFound):
        alice.edit(in_room, offset + 100, "x")


def test_who_was_the_guest_sees_what_the_guest_said_under_a_shadow(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    impose(alice, "shadow")
    alice.say(in_room, "as a guest")
    alice.refresh(replace(stage.user(alice), sanction="shadow"))
    alice.say(in_room, "as a user")
    assert texts(alice.join(in_room)) == ["as a guest", "as a user"]
    assert texts(bob.join(in_room)) == []
    events = stage.journal.streams[f"room/{in_room}"].events
    audiences = [unpack(event.private).audience for event in events if unpack(event.private).audience is not None]
    guest = Principal("guest", alice.authority.guests[0])
    assert [audience.only for audience in audiences if audience] == [frozenset({guest}), frozenset({guest, alice.principal})]
    assert all(one is not None and one.admits(alice.principal, alice.authority.guests) for one in audiences)
    assert not any(one is not None and one.admits(bob.principal, (bob.principal.actor_id,)) for one in audiences)


def test_C9_typing_and_casts_under_a_shadow_reach_nobody_else(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    impose(alice, "shadow")
    alice.typing(in_room)
    alice.cast(in_room, "wave", "hello")
    assert [push.active for push in alice.took(Typing)] == [True]
    assert [push.data for push in alice.took(Cast)] == ["hello"]
    assert (alice.join(in_room).typing, bob.join(in_room).typing) == ([alice.principal], [])
    alice.say(in_room, "x")
    assert [push.active for push in alice.took(Typing)] == [False]
    alice.typing(in_room)
    stage.advance(EXPIRY_MS / 1000 + 1)
    assert [*bob.took(Typing), *bob.took(Cast)] == []


def test_who_types_as_the_shadow_falls_seems_to_stop(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    alice.typing(in_room)
    impose(alice, "shadow")
    alice.typing(in_room)
    alice.say(in_room, "x")
    assert [push.active for push in bob.took(Typing)] == [True, False]
    impose(alice, "")
    alice.typing(in_room)
    assert [push.active for push in bob.took(Typing)] == [True]


def test_a_shadow_ends_by_the_clock(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    impose(alice, "shadow", stage.now() + 1000)
    alice.say(in_room, "unseen")
    stage.advance(1)
    alice.say(in_room, "seen")
    assert texts(bob.join(in_room)) == ["seen"]
