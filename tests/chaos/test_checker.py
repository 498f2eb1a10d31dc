"""Each check finds the broken promise that it is there for, and nothing in a good history."""

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from commonroom.identity import Principal
from commonroom.protocol.chat import MessageCreate, MessageDelete, MessageUpdate
from commonroom.protocol.timer import Timer, TimerSettings, TimerUpdate
from commonroom.protocol.wire import DurablePush
from commonroom.storage.projection.message_fold import ProjectedMessage, fold
from tests.chaos import checker
from tests.chaos.checker import Stored, Writer
from tests.chaos.ledger import Line

ADA = Principal("guest", "ada")
DUE = 5000


def _said(offset: int, nonce: str, text: str = "hello") -> MessageCreate:
    return MessageCreate("r", offset, offset, ADA, nonce, text)


def _timer(version: int, ends_at: int | None) -> Timer:
    return Timer(version, "idle" if ends_at is None else "running", "focus", 1000, ends_at, 0, TimerSettings())


def _stored(event: DurablePush, *, epoch: int = 1, dedup: str | None = "") -> Stored:
    key = f"c:ada:{event.nonce}" if dedup == "" else dedup
    return Stored("r", event.offset, 7, event.offset * 10, epoch, key, event)


def _history() -> list[Stored]:
    """Two lines, an edit, a deletion, and a timer that was started and rang."""
    return [
        _stored(_said(1, "nonce-1")),
        _stored(replace(_said(2, "nonce-2", ""), deleted=True)),
        _stored(MessageUpdate("r", 3, 3, ADA, "nonce-3", 1, "better")),
        _stored(MessageDelete("r", 4, 4, ADA, "nonce-4", 2), epoch=2),
        _stored(TimerUpdate("r", 5, 5, ADA, "nonce-5", "start", _timer(1, DUE)), epoch=2),
        _stored(TimerUpdate("r", 6, DUE, None, None, "phase_end", _timer(2, None)), epoch=2, dedup="d:timer:1"),
    ]


def _line(nonce: str, offset: int, order: int, tries: int = 1) -> Line:
    line = Line("r", nonce)
    line.offset, line.order, line.tries, line.acked_s = offset, order, tries, 1.0
    return line


def _writer(*lines: Line) -> list[Writer]:
    return [Writer("ada", "ada", lines)]


def _rows(events: Iterable[Stored]) -> dict[tuple[str, int], ProjectedMessage]:
    messages: dict[int, ProjectedMessage] = {}
    fold(messages, (one.event for one in events))
    return {("r", offset): message for offset, message in messages.items()}


def _changed(place: int, **fields: Any) -> list[Stored]:
    events = _history()
    events[place] = events[place]._replace(**fields)
    return events


def _one(found: Iterable[str], start: str) -> None:
    (text,) = found
    assert text.startswith(start), text


def test_a_good_history_has_no_fault() -> None:
    events = _history()
    writers = _writer(_line("nonce-1", 1, 1), _line("nonce-3", 3, 2), _line("nonce-4", 4, 3), _line("nonce-9", 0, 4))
    shown = {"r": {one.offset: one.event for one in events} | {2: _said(2, "nonce-2", "before it was deleted")}}
    assert [*checker.offsets_are_dense(events), *checker.epochs_never_fall(events), *checker.keys_are_unique(events)] == []
    assert [*checker.acks_are_stored_once(events, writers), *checker.lines_kept_their_order(writers)] == []
    assert [*checker.shown_is_stored(events, shown), *checker.deadlines_took_effect_once(events)] == []
    assert list(checker.messages_equal_the_journal(events, _rows(events))) == []


def test_a_hole_in_a_stream_is_found() -> None:
    events = _history()
    del events[2]
    _one(checker.offsets_are_dense(events), "I3: r goes from 2 to 4")


def test_an_epoch_that_falls_along_a_stream_is_found() -> None:
    _one(checker.offsets_are_dense(_changed(2, epoch=0)), "I3: r falls from epoch 1 to 0")


def test_a_write_behind_that_of_a_later_owner_is_found() -> None:
    _one(checker.epochs_never_fall(_changed(0, slot_pos=45)), "I1: slot 7 has epoch 1 at 45, behind epoch 2 at 40")


def test_a_nonce_that_stands_twice_is_found_even_under_two_keys() -> None:
    events = [*_history(), _stored(_said(7, "nonce-1"), dedup="c:ada:other")]
    _one(checker.keys_are_unique(events), "I4: ada nonce-1 of r stands at 1 and 7")


def test_an_ack_without_an_event_is_found() -> None:
    _one(checker.acks_are_stored_once(_history(), _writer(_line("nonce-9", 7, 1))), "I2: ada's message.send nonce-9 in r was acked at 7")


def test_an_ack_at_another_offset_is_found() -> None:
    _one(checker.acks_are_stored_once(_history(), _writer(_line("nonce-1", 2, 1))), "I2: ada's message.send nonce-1 in r was acked at 2")


def test_lines_out_of_order_are_found() -> None:
    found = list(checker.lines_kept_their_order(_writer(_line("nonce-1", 3, 1), _line("nonce-3", 1, 2))))
    assert found[0].startswith("I5: ada sent nonce-1 before nonce-3")


def test_a_line_that_passed_one_sent_again_is_found_on_one_socket_only() -> None:
    again, once = _line("nonce-1", 3, 1, tries=2), _line("nonce-3", 1, 2)
    _one(checker.lines_kept_their_order(_writer(again, once)), "I5: ada sent nonce-1 before nonce-3")
    once.socket = 1
    assert list(checker.lines_kept_their_order(_writer(again, once))) == []


def test_a_line_that_was_refused_may_be_passed() -> None:
    again = _line("nonce-1", 3, 1, tries=2)
    again.refused = True
    assert list(checker.lines_kept_their_order(_writer(again, _line("nonce-3", 1, 2)))) == []


def test_what_was_shown_and_never_stored_is_found() -> None:
    _one(checker.shown_is_stored(_history(), {"r": {7: _said(7, "nonce-7")}}), "I2: MessageCreate(")
    _one(checker.shown_is_stored(_history(), {"r": {1: _said(1, "nonce-7")}}), "I2: MessageCreate(")


def test_a_deadline_that_was_lost_or_took_effect_twice_is_found() -> None:
    twice = TimerUpdate("r", 7, DUE, None, None, "phase_end", _timer(2, None))
    events = [*_history(), _stored(twice, dedup="d:timer:2")]
    found = list(checker.deadlines_took_effect_once(events))
    assert found[0] == "I7: the timer of r goes from version 2 to 2"
    late = TimerUpdate("r", 6, DUE + 1, None, None, "phase_end", _timer(2, None))
    _one(checker.deadlines_took_effect_once(_changed(5, event=late)), "I7: a phase of r was due at 5000 and ended at 5001")
    _one(checker.deadlines_took_effect_once(_changed(5, dedup=None)), "I7: the phase end at 6 of r has the key None")


def test_a_row_that_is_missing_too_much_or_old_is_found() -> None:
    rows = _rows(_history())
    _one(checker.messages_equal_the_journal(_history(), {("r", 2): rows["r", 2]}), "projection: ('r', 1) is None")
    _one(checker.messages_equal_the_journal(_history(), {**rows, ("r", 3): rows["r", 1]}), "projection: ('r', 3) is ProjectedMessage(")
    old = replace(rows["r", 1], text="hello")
    _one(checker.messages_equal_the_journal(_history(), {**rows, ("r", 1): old}), "projection: ('r', 1) is ProjectedMessage(")
