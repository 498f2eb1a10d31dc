"""Unwanted words in a room: the server's and the room's own, in what is said and in what it is called."""

from collections.abc import Iterator

import pytest

from commonroom.actors import kinds
from commonroom.errors import InternalError, Invalid
from commonroom.moderation import Filter, Words
from commonroom.protocol.chat import MessageCreate, MessageUpdate
from tests.actors.stage import Stage

SERVER = Words(["damn"])


def on_stage(texts: Filter) -> Stage:
    stage = Stage()
    stage.host._kinds = stage._kinds = kinds(texts)
    return stage


@pytest.fixture
def masked() -> Iterator[Stage]:
    stage = on_stage(Filter("mask", SERVER))
    yield stage
    stage.close()


def test_C9_what_is_said_and_edited_is_masked_with_the_servers_words_and_the_rooms(masked: Stage) -> None:
    alice, bob = masked.person("Alice"), masked.person("Bob")
    room = masked.room(alice, filtered_words=["exam", "Grades"])
    for device in (alice, bob):
        device.join(room)
    offset = alice.say(room, "damn exam, no grades")
    alice.edit(room, offset, "ｅｘａｍ?")
    assert [push.text for push in bob.took(MessageCreate)] == ["**** ****, no ******"]
    assert [push.text for push in bob.took(MessageUpdate)] == ["****?"]
    assert alice.edit(room, offset, "exam?") == 0, "nothing changes that is shown"
    assert alice.join(room).messages[0].text == "****?"


def test_a_rooms_words_outlive_its_activation_and_are_shown_to_nobody(masked: Stage) -> None:
    alice = masked.person("Alice")
    room = masked.room(alice, filtered_words=["exam"])
    masked.restart()
    alice.join(room)
    alice.say(room, "exam")
    assert alice.took(MessageCreate)[0].text == "****"
    masked.actor(room).load(masked.actor(room).dump())
    alice.say(room, "exam")
    assert alice.took(MessageCreate)[0].text == "****"
    assert not [event for event in masked.journal.streams[f"room/{room}"].events if b"exam" in event.payload]


def test_titles_and_topics_are_masked_too(masked: Stage) -> None:
    alice = masked.person("Alice")
    room = masked.room(alice, title="Damn room", topic="the exam", filtered_words=["exam"])
    info = alice.join(room).info
    assert (info.title, info.topic) == ("**** room", "the ****")


@pytest.mark.parametrize("words", [["two words"], [""], ["x" * 41], ["fine", "-"]])
def test_what_is_no_word_founds_no_room(masked: Stage, words: list[str]) -> None:
    alice = masked.person("Alice")
    with pytest.raises(Invalid) as refused:
        masked.room(alice, filtered_words=words)
    assert refused.value.field == "$.filtered_words"


def test_a_refused_text_changes_nothing() -> None:
    stage = on_stage(Filter("refuse", SERVER))
    alice = stage.person("Alice")
    with pytest.raises(Invalid):
        stage.room(alice, title="Damn")
    room = stage.room(alice)
    alice.join(room)
    offset = alice.say(room, "fine")
    with pytest.raises(Invalid):
        alice.say(room, "damn")
    with pytest.raises(Invalid):
        alice.edit(room, offset, "damn")
    assert [message.text for message in alice.join(room).messages] == ["fine"]
    stage.close()


def test_a_hook_that_raises_fails_its_command_alone() -> None:
    def hook(text: str, _words: tuple[str, ...]) -> str:
        if "boom" in text:
            raise RuntimeError("not our fault")
        return text.lower()

    stage = on_stage(Filter("mask", SERVER, hook))
    alice = stage.person("Alice")
    room = stage.room(alice)
    alice.join(room)
    with pytest.raises(InternalError):
        alice.say(room, "boom")
    alice.say(room, "FINE, DAMN")
    assert [message.text for message in alice.join(room).messages] == ["fine, ****"]
    stage.close()
