"""Go-back-N: whatever is lost, repeated or late, each command is taken once, in order, and answered once."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonroom.engine.address import slot_of_address
from commonroom.engine.cluster.call import expects_answer
from commonroom.engine.cluster.outgoing import Outgoing, OutgoingStats
from commonroom.engine.cluster.router import ClusterRouter
from commonroom.engine.cluster.window import MAX_LATER, Intake, Window
from commonroom.engine.cluster.wire import Answer, Call
from commonroom.engine.envelope import Attach, Detach, Envelope, Query, Resync
from commonroom.protocol.room import RoomJoin
from tests.cluster.core.command import ADA, ROOM, Asked, line, signal


@dataclass
class Ends:
    """Both ends, and everything that was ever sent between them."""

    window: Window = field(default_factory=lambda: Window(ROOM, 1, 1, "owner"))
    intake: Intake | None = field(default_factory=lambda: Intake(1, 0))
    calls: list[Call] = field(default_factory=list)
    back: list[Answer] = field(default_factory=list)
    refs: int = 0
    taken: list[int] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)

    def send(self) -> None:
        self.refs += 1
        self.calls.append(self.window.add(line(self.refs)))

    def resend(self) -> None:
        self.calls += self.window.again()

    def forget(self) -> None:
        """The owner takes the sender for dead for a moment."""
        self.intake = None

    def arrive(self, call: Call) -> None:
        self.intake = self.intake or Intake(call.window, call.done)
        if self.intake.takes(call):
            self.taken.append(call.seq)
            answer = Answer(str(ROOM), 1, call.seq, call.seq, "reply", b"")
            self.intake.keep(answer)
            self.back.append(answer)
        elif not self.intake.misses(call) and (known := self.intake.answer(call.seq)) is not None:
            self.back.append(known)

    def hear(self, answer: Answer) -> None:
        if (envelope := self.window.answered(answer.seq)) is not None:
            self.answered.append(envelope.command.ref)  # type: ignore[union-attr]


STEPS = st.lists(st.one_of(st.sampled_from(("send", "resend")), st.tuples(st.sampled_from(("call", "answer")), st.integers(0, 200))))


@settings(deadline=None)  # busy machines are slow
@given(STEPS)
def test_any_pattern_of_loss_and_repetition_leaves_each_command_once_and_in_order(steps: list[str | tuple[str, int]]) -> None:
    """What never arrives was lost; what arrives twice was repeated; any order."""
    ends = Ends()
    _play(ends, steps)
    everything = list(range(1, ends.refs + 1))
    assert ends.taken == everything
    assert sorted(ends.answered) == everything
    assert not len(ends.window)


@settings(deadline=None)  # busy machines are slow
@given(STEPS, STEPS)
def test_an_owner_that_took_the_sender_for_dead_takes_all_that_waits(
    before: list[str | tuple[str, int]], after: list[str | tuple[str, int]]
) -> None:
    """It forgot the window; what had been dealt with out of order is no hole in it."""
    ends = Ends()
    _play(ends, before)
    _answer_out_of_order(ends)
    ends.forget()
    ends.calls.clear()  # a link that begins anew brings nothing old
    _play(ends, after)
    everything = set(range(1, ends.refs + 1))
    assert set(ends.taken) == everything
    assert sorted(ends.answered) == sorted(everything)
    assert not len(ends.window)


def _answer_out_of_order(ends: Ends) -> None:
    """Six commands of which the even ones are answered."""
    for _ in range(6):
        ends.send()
        ends.arrive(ends.calls[-1])
    for answer in ends.back[-5::2]:
        ends.hear(answer)


def _play(ends: Ends, steps: list[str | tuple[str, int]]) -> None:
    """Take the steps; then the link is whole again."""
    for step in steps:
        match step:
            case "send":
                ends.send()
            case "resend":
                ends.resend()
            case ("call", number) if ends.calls:
                ends.arrive(ends.calls[number % len(ends.calls)])
            case ("answer", number) if ends.back:
                ends.hear(ends.back[number % len(ends.back)])
    for call in ends.window.again():
        ends.arrive(call)
    for answer in list(ends.back):
        ends.hear(answer)


def test_answers_are_forgotten_once_the_sender_has_them() -> None:
    ends = Ends()
    for _ in range(3):
        ends.send()
        ends.arrive(ends.calls[-1])
        ends.hear(ends.back[-1])
    assert ends.intake is not None
    assert ends.intake.answer(1) is None
    assert ends.intake.answer(3) is not None
    assert ends.calls[-1].done == 2


def test_a_new_end_begins_where_the_sender_has_answers_up_to() -> None:
    """The owner was replaced by itself: it forgot the window, the sender did not."""
    window = Window(ROOM, 1, 1, "owner")
    window.add(line(1))
    window.answered(1)
    call = window.add(line(2))
    intake = Intake(call.window, call.done)
    assert intake.takes(call)


@pytest.mark.parametrize("command", [Attach(), Detach(), Resync()])
def test_a_signal_waits_until_it_is_taken_and_may_be_answered_late(command: Attach | Detach | Resync) -> None:
    window = Window(ROOM, 1, 1, "owner")
    envelope = signal(command)
    assert not expects_answer(envelope)
    window.add(envelope)
    window.taken(0)
    assert len(window) == 1
    window.taken(1)
    assert len(window) == 0
    assert window.again() == []


def test_a_command_that_was_taken_waits_for_its_answer_all_the_same() -> None:
    window = Window(ROOM, 1, 1, "owner")
    for envelope in (line(1), signal(Query("read"))):
        window.add(envelope)
    window.taken(2)
    assert [call.seq for call in window.again()] == [1, 2]


def test_a_farewell_that_was_taken_stays_with_the_join_before_it() -> None:
    """The owner died with both in its mailbox: the join alone would leave a ghost at the next one."""
    window = Window(ROOM, 1, 1, "owner")
    join, farewell = Envelope(ROOM, RoomJoin(0, ROOM.key), ADA, None, "session"), signal(Detach())
    for envelope in (join, farewell, signal(Resync())):
        window.add(envelope)
    window.taken(3)
    assert window.withdraw() == [join, farewell]


def test_a_farewell_waits_no_longer_than_what_is_before_it() -> None:
    window = Window(ROOM, 1, 1, "owner")
    for envelope in (line(1), line(2), signal(Detach()), line(3)):
        window.add(envelope)
    window.taken(3)
    window.answered(2)
    assert [call.seq for call in window.again()] == [1, 3, 4]
    window.answered(1)
    assert [call.seq for call in window.again()] == [4]


def test_what_is_withdrawn_is_what_waits_in_order() -> None:
    window = Window(ROOM, 1, 1, "owner")
    envelopes = [line(ref) for ref in (1, 2, 3)]
    for envelope in envelopes:
        window.add(envelope)
    window.answered(2)
    assert window.withdraw() == [envelopes[0], envelopes[2]]
    assert window.withdraw() == []
    assert window.answered(1) is None


def test_what_is_withdrawn_goes_with_what_its_session_sent_after_it() -> None:
    window = Window(ROOM, 1, 1, "owner")
    envelopes = [line(ref) for ref in (1, 2, 3, 4)]
    envelopes[2].session = "another"
    for envelope in envelopes:
        window.add(envelope)
    window.withdraw()
    assert [envelope.later for envelope in envelopes] == [("nonce-000002", "nonce-000004"), ("nonce-000004",), (), ()]


def test_what_was_answered_before_an_older_one_is_remembered_with_it() -> None:
    """The older one's answer was lost; it may have been a refusal."""
    window = Window(ROOM, 1, 1, "owner")
    envelopes = [line(ref) for ref in (1, 2, 3)]
    envelopes[1].session = "another"
    for envelope in envelopes:
        window.add(envelope)
    window.answered(3)
    assert [envelope.later for envelope in window.withdraw()] == [("nonce-000003",), ()]


def test_order_is_kept_from_owner_to_owner() -> None:
    envelopes = [line(ref) for ref in (1, 2, 3)]
    first, second = (Window(ROOM, number, number, "owner") for number in (1, 2))
    for envelope in envelopes:
        first.add(envelope)
    first.answered(3)
    for envelope in first.withdraw():
        second.add(envelope)
    second.withdraw()
    assert envelopes[0].later == ("nonce-000002", "nonce-000003")


def test_what_has_too_many_behind_it_is_refused_instead_of_sent_again() -> None:
    """Each would carry all nonces behind it: the square of a window."""
    asked, number = Asked(), MAX_LATER + 3
    outgoing = Outgoing(_SilentLinks(), 100, 100, ClusterRouter.refuse, OutgoingStats())  # type: ignore[arg-type]
    for ref in range(1, number + 1):
        outgoing.send(slot_of_address(ROOM), 1, "owner", line(ref, asked))
    left = outgoing.withdraw(slot_of_address(ROOM))
    assert [ref for ref, _ in asked.refusals] == [1, 2]
    assert [len(envelope.later) for envelope in left] == list(range(MAX_LATER, -1, -1))


class _SilentLinks:
    """What is said arrives nowhere."""

    def send_encoded(self, member: str, message: bytes) -> None: ...
