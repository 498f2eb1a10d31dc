"""Chat: own messages only, deletion for good, and the fold that holds the latest fifty."""

from collections.abc import Callable
from functools import partial

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commonroom.actors.room.actor import RoomActor
from commonroom.actors.room.chat import HELD, MAX_EDITS
from commonroom.engine.address import Address
from commonroom.errors import Hidden, Invalid, LimitExceeded, NotFound
from commonroom.identity import Principal
from commonroom.protocol.chat import Message, MessageCreate, MessageDelete, MessageEdit, MessageRemove, MessageSend, MessageUpdate
from commonroom.protocol.codec import decode_event
from commonroom.protocol.room import RoomCreated, RoomInfo
from commonroom.protocol.session import Reply
from commonroom.protocol.timer import TimerSettings, TimerStart
from tests.actors.stage import Device, Stage

BAD_TEXTS = ["\0", "before\0after", " ", "\t\n\r ", "\u2003\u2028", "\u200b\u200d", "\x01\x02", "\ud800", "half \udc00 pair"]


@pytest.fixture
def in_room(stage: Stage, alice: Device, bob: Device, room: str) -> str:
    alice.join(room)
    bob.join(room)
    return room


def messages(stage: Stage, room: str) -> list[Message]:
    return stage.person("Reader").join(room).messages


def test_a_message_reaches_everybody_with_its_author_and_nonce_and_the_reply_names_it(
    stage: Stage, alice: Device, bob: Device, in_room: str
) -> None:
    offset = alice.say(in_room, "hello \U0001f44b")
    for device in (alice, bob):
        (push,) = device.took(MessageCreate)
        assert (push.offset, push.author, push.text, push.deleted) == (offset, alice.principal, "hello \U0001f44b", False)
        assert push.nonce == alice.last_nonce


@pytest.mark.parametrize("text", BAD_TEXTS, ids=ascii)
def test_text_that_cannot_be_seen_or_stored_is_refused_when_sent_and_when_edited(
    stage: Stage, alice: Device, in_room: str, text: str
) -> None:
    offset = alice.say(in_room, "fine")
    tries: list[Callable[[], object]] = [lambda: alice.say(in_room, text), lambda: alice.edit(in_room, offset, text)]
    for attempt in tries:
        with pytest.raises(Invalid) as refused:
            attempt()
        assert refused.value.field == "$.text"
    assert alice.say(in_room, "the room lives on") == offset + 1


@pytest.mark.parametrize(
    "text", ["x", " padded ", "a\nb", "\u200dx", "\U0001f469\u200d\U0001f4bb", "\u0645\u0631\u062d\u0628\u0627"], ids=ascii
)
def test_any_visible_text_is_kept_as_it_was_written(stage: Stage, alice: Device, in_room: str, text: str) -> None:
    alice.say(in_room, text)
    assert messages(stage, in_room)[-1].text == text


def test_an_edit_shows_the_new_text_and_when(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    offset = alice.say(in_room, "teh")
    stage.advance(5)
    at = stage.now()
    alice.edit(in_room, offset, "the")
    (push,) = bob.took(MessageUpdate)
    assert (push.message, push.text, push.at) == (offset, "the", at)
    (message,) = messages(stage, in_room)
    assert (message.text, message.edited_at, message.at < at) == ("the", at, True)


def test_an_edit_that_changes_nothing_is_no_event_and_no_edited_mark(stage: Stage, alice: Device, in_room: str) -> None:
    offset = alice.say(in_room, "same")
    assert alice.edit(in_room, offset, "same") == 0
    assert messages(stage, in_room)[0].edited_at is None
    assert len(stage.events(in_room)) == 2


@pytest.mark.parametrize("change", ["edit", "remove"])
def test_only_the_author_changes_a_message(stage: Stage, alice: Device, bob: Device, in_room: str, change: str) -> None:
    offset = alice.say(in_room, "mine")
    with pytest.raises(Hidden):
        bob.edit(in_room, offset, "yours") if change == "edit" else bob.remove(in_room, offset)
    assert [message.text for message in messages(stage, in_room)] == ["mine"]


@pytest.mark.parametrize("offset", [0, 1, 3, 4, 2**53 - 1], ids=["zero", "room.created", "timer", "next", "beyond"])
def test_what_is_no_message_cannot_be_changed(stage: Stage, alice: Device, in_room: str, offset: int) -> None:
    alice.say(in_room, "the only one")
    alice.timer(in_room, TimerStart)
    for attempt in (partial(alice.edit, in_room, offset, "x"), partial(alice.remove, in_room, offset)):
        with pytest.raises(NotFound):
            attempt()


def test_a_deleted_message_is_gone_from_journal_snapshot_and_room(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    secrets = ["swordfish-1", "swordfish-2", "swordfish-3"]
    offset = alice.say(in_room, secrets[0])
    for text in secrets[1:]:
        alice.edit(in_room, offset, text)
    deletion = alice.remove(in_room, offset)
    (push,) = bob.took(MessageDelete)
    assert (push.offset, push.message) == (deletion, offset)
    stream = stage.journal.streams[f"room/{in_room}"]
    everything = [event.payload + (event.private or b"") for event in stream.events] + [stream.snapshot or b""]
    assert stream.snapshot_offset == deletion  # the old snapshot went with the text
    assert not [kept for kept in [*everything, stage.actor(in_room).dump()] if b"swordfish" in kept]
    (tombstone,) = messages(stage, in_room)
    assert (tombstone.offset, tombstone.text, tombstone.deleted, tombstone.edited_at) == (offset, "", True, None)
    for attempt in (partial(alice.edit, in_room, offset, "back"), partial(alice.remove, in_room, offset)):
        with pytest.raises(NotFound):
            attempt()


def test_the_contentless_forms_keep_all_but_the_text(stage: Stage, alice: Device, in_room: str) -> None:
    offset = alice.say(in_room, "one")
    alice.edit(in_room, offset, "two")
    before = stage.events(in_room)
    alice.remove(in_room, offset)
    after = stage.events(in_room)
    assert after[:1] == before[:1]
    for old, new in zip(before[1:], after[1:], strict=False):
        assert isinstance(old, MessageCreate | MessageUpdate)
        assert new == msgspec.structs.replace(old, text="", deleted=True)


def old_message(stage: Stage, author: Device, room: str) -> int:
    """A twice edited message that so many others have followed that the room holds it no more."""
    offset = author.say(room, "ancient-0")
    author.edit(room, offset, "ancient-1")
    author.edit(room, offset, "ancient-2")
    for nth in range(HELD):
        author.say(room, f"newer {nth}")
    return offset


def test_an_old_message_is_edited_and_deleted_like_a_new_one(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    offset = old_message(stage, alice, in_room)
    assert stage.actor(in_room).needs(MessageEdit(1, in_room, offset, "x", "nonce-nonce")) == offset
    with pytest.raises(Hidden):
        bob.remove(in_room, offset)
    assert alice.edit(in_room, offset, "ancient-2") == 0
    alice.edit(in_room, offset, "ancient-3")
    alice.remove(in_room, offset)
    assert not [event for event in stage.journal.streams[f"room/{in_room}"].events if b"ancient" in event.payload]
    assert b"ancient" not in stage.actor(in_room).dump()
    with pytest.raises(NotFound):
        alice.edit(in_room, offset, "back")


def test_an_edit_and_a_deletion_that_race_for_an_old_message_leave_no_text_whoever_wins() -> None:
    won = set()
    for seed in range(12):
        stage = Stage(seed)
        alice = stage.person("Alice")
        room = stage.room(alice)
        offset = old_message(stage, alice, room)
        other = stage.device(msgspec.structs.replace(alice.authority, sid="another-login"))
        removal = alice.send(MessageRemove, room, message=offset, nonce="first-nonce")
        edit = other.send(MessageEdit, room, message=offset, text="ancient-3", nonce="second-nonce")
        alice.assert_reply(removal, Reply)
        stage.settle()
        won.add(type(other.answers[edit]))
        assert not [event for event in stage.journal.streams[f"room/{room}"].events if b"ancient" in event.payload]
        stage.close()
    assert won == {Reply, NotFound}  # both orders happened


def test_edits_of_one_message_are_counted(stage: Stage, alice: Device, in_room: str) -> None:
    offset = alice.say(in_room, "0")
    for nth in range(1, MAX_EDITS + 1):
        alice.edit(in_room, offset, str(nth))
    with pytest.raises(LimitExceeded):
        alice.edit(in_room, offset, "one too many")
    alice.remove(in_room, offset)
    kept = stage.events(in_room)[offset - 1 : -1]
    assert {event.text for event in kept if isinstance(event, MessageCreate | MessageUpdate)} == {""}


def test_a_retry_is_answered_with_the_same_offset_also_after_a_kill(stage: Stage, alice: Device, in_room: str) -> None:
    first = alice.ask(MessageSend, in_room, text="once", nonce="the-same-nonce")
    again = alice.ask(MessageSend, in_room, text="once", nonce="the-same-nonce")
    stage.restart()
    alice.join(in_room)
    later = alice.ask(MessageSend, in_room, text="once", nonce="the-same-nonce")
    offsets = {answer.offset for answer in (first, again, later) if isinstance(answer, Reply)}
    assert len(offsets) == 1
    assert [message.text for message in messages(stage, in_room)] == ["once"]


# -- properties ------------------------------------------------------------------

PEOPLE = 3
ACTIONS = st.lists(
    st.tuples(st.sampled_from(["send", "send", "send", "edit", "remove"]), st.integers(0, PEOPLE - 1), st.integers(0, 200)),
    min_size=30,
    max_size=90,
)


class Model:
    """What a room of well-behaved and other people should look like."""

    def __init__(self) -> None:
        self.texts: dict[int, tuple[int, str | None]] = {}
        self.counter = 0

    def pick(self, number: int) -> int:
        offsets = list(self.texts)
        return offsets[number % len(offsets)] if offsets else 1

    def fresh(self) -> str:
        self.counter += 1
        return f"text {self.counter}"


def play(stage: Stage, room: str, people: list[Device], actions: list[tuple[str, int, int]]) -> Model:
    model = Model()
    for verb, who, number in actions:
        device = people[who]
        if verb == "send":
            text = model.fresh()
            model.texts[device.say(room, text)] = (who, text)
            continue
        target = model.pick(number)
        author, held = model.texts.get(target, (-1, None))
        fresh = model.fresh()
        act = partial(device.edit, room, target, fresh) if verb == "edit" else partial(device.remove, room, target)
        if held is None:
            with pytest.raises(NotFound):
                act()
        elif author != who:
            with pytest.raises(Hidden):
                act()
        else:
            act()
            model.texts[target] = (who, fresh if verb == "edit" else None)
    return model


def view(message: Message, people: list[Device]) -> tuple[int, str | None]:
    author = [device.principal for device in people].index(message.author)
    return author, None if message.deleted else message.text


def folded(stage: Stage, room: str, snapshot: bytes | None = None, after: int = 0) -> RoomActor:
    actor = RoomActor(Address("room", room))
    if snapshot is not None:
        actor.load(snapshot)
    for event in stage.journal.streams[f"room/{room}"].events[after:]:
        actor.apply(decode_event(event.payload), None)
    return actor


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(actions=ACTIONS, snapshot_events=st.integers(1, 40), restart_at=st.integers(0, 90))
def test_any_play_of_several_people_ends_as_the_model_says_and_the_fold_is_one_fold(
    actions: list[tuple[str, int, int]], snapshot_events: int, restart_at: int
) -> None:
    stage = Stage(snapshot_events=snapshot_events)
    people = [stage.person(name) for name in "ABC"]
    room = stage.room(people[0])
    for person in people:
        person.join(room)
    model = play(stage, room, people, actions)
    shown = people[0].join(room).messages
    expected = list(model.texts.items())[-HELD:]
    assert [(message.offset, view(message, people)) for message in shown] == expected
    live = stage.actor(room).dump()
    stream = stage.journal.streams[f"room/{room}"]
    assert folded(stage, room).dump() == live  # from scratch, contentless forms included
    assert folded(stage, room, stream.snapshot, stream.snapshot_offset).dump() == live
    stage.restart()
    assert people[1].join(room).messages == shown
    gone = [text for nth in range(model.counter) if (text := f"text {nth + 1}") not in {kept for _, kept in model.texts.values()}]
    blob = b"".join(event.payload for event in stream.events) + live + (stream.snapshot or b"")
    deleted_texts = _texts_of_deleted(stage, model, gone)
    assert not [text for text in deleted_texts if msgspec.msgpack.encode(text) in blob]
    stage.close()


def _texts_of_deleted(stage: Stage, model: Model, gone: list[str]) -> list[str]:
    """Texts that only deleted messages ever had: those never shown in a message that is still there."""
    alive = {offset for offset, (_, text) in model.texts.items() if text is not None}
    (stream,) = stage.journal.streams.values()
    still = {
        event.text
        for event in (decode_event(kept.payload) for kept in stream.events)
        if isinstance(event, MessageCreate | MessageUpdate) and (event.offset in alive or getattr(event, "message", 0) in alive)
    }
    return [text for text in gone if text not in still]


@settings(max_examples=100, deadline=None)
@given(
    texts=st.lists(st.text(min_size=1, max_size=50).filter(lambda text: "\0" not in text and bool(text.strip())), min_size=1, max_size=60),
    cut=st.integers(0, 60),
)
def test_dump_and_load_at_any_point_change_nothing(texts: list[str], cut: int) -> None:
    author = Principal("guest", "someone")
    whole, halved = _room(), _room()
    for nth, text in enumerate(texts):
        event = MessageCreate("r", nth + 2, 1000 + nth, author, None, text)
        whole.apply(event, None)
        halved.apply(event, None)
        if nth == cut:
            reloaded = RoomActor(Address("room", "r"))
            reloaded.load(halved.dump())
            halved = reloaded
    assert halved.dump() == whole.dump()


def _room() -> RoomActor:
    author = Principal("guest", "someone")
    actor = RoomActor(Address("room", "r"))
    info = RoomInfo("study", "t", "", "en", "public", 1, author)
    actor.apply(RoomCreated("r", 1, 1, author, None, info, TimerSettings()), None)
    return actor
