"""The delivery check: every flaw is found, however the bytes are cut, and found once for all who read the same."""

import gc
import weakref
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from commonroom.bench.load.dialect import Commonroom, PlainWebSocket
from commonroom.bench.load.payload import compose
from commonroom.bench.load.stream import Flaws, Seen, Start, State, StreamCheck
from commonroom.identity import Principal
from commonroom.protocol.cast import Cast
from commonroom.protocol.chat import MessageCreate
from commonroom.protocol.codec import MSGPACK
from commonroom.protocol.frame import frame
from commonroom.protocol.session import Reply

ADA = Principal("guest", "ada")


def cast(publisher: int, sequence: int) -> bytes:
    return frame(MSGPACK.encode(Cast("room", ADA, "", compose(publisher, sequence, 5, 64))))


def said(offset: int, publisher: int, sequence: int) -> bytes:
    return frame(MSGPACK.encode(MessageCreate("room", offset, 1, ADA, None, compose(publisher, sequence, 5, 200))))


def flaws(check: StreamCheck, state: State, *reads: bytes) -> tuple[State, Flaws, int]:
    """Where the reads lead, what was wrong and how much was delivered."""
    total, delivered = Flaws(), 0
    for data in reads:
        step = check.step(state, data)
        total.add(step.flaws or Flaws())
        delivered += step.delivered
        state = step.state
    return state, total, delivered


def volatile() -> tuple[StreamCheck, State]:
    check = StreamCheck(Commonroom(durable=False))
    return check, check.start(None)


def durable(offset: int = 0) -> tuple[StreamCheck, State]:
    check = StreamCheck(Commonroom(durable=True))
    return check, check.start(offset)


def test_a_whole_stream_has_no_flaw() -> None:
    check, state = volatile()
    state, found, delivered = flaws(check, state, cast(1, 1) + cast(2, 1), cast(1, 2), cast(2, 2))
    assert (found, delivered, dict(state.last)) == (Flaws(), 4, {1: 2, 2: 2})


@given(st.lists(st.integers(1, 900), max_size=12))
def test_the_verdict_does_not_depend_on_where_the_bytes_are_cut(cuts: list[int]) -> None:
    data = b"".join([cast(1, 1), cast(1, 3), cast(1, 2), frame(MSGPACK.encode(Reply(7))), cast(1, 3), said(1, 2, 1), said(3, 2, 3)])
    places = [0, *sorted(cut for cut in set(cuts) if cut < len(data)), len(data)]
    check, state = durable()
    reads = [data[begin:end] for begin, end in pairwise(places)]
    state, found, delivered = flaws(check, state, *reads)
    assert found == Flaws(lost=1, duplicated=1, reordered=1)
    assert (delivered, dict(state.last), state.offset, state.rest) == (6, {1: 3, 2: 3}, 3, b"")


def test_what_is_missing_at_first_and_comes_late_is_reordered_not_lost() -> None:
    check, state = volatile()
    state, found, _ = flaws(check, state, cast(1, 3))
    assert found == Flaws(lost=2)
    state, found, _ = flaws(check, state, cast(1, 1) + cast(1, 2))
    assert found == Flaws(lost=-2, reordered=2)
    assert flaws(check, state, cast(1, 2))[1] == Flaws(duplicated=1)


def test_a_hole_in_the_offsets_and_in_the_numbers_is_one_loss() -> None:
    check, state = durable(10)
    assert flaws(check, state, said(12, 1, 2))[1] == Flaws(lost=1)


def test_a_message_that_was_acknowledged_but_not_kept_is_lost_though_offsets_are_dense() -> None:
    check, state = durable(10)
    assert flaws(check, state, said(11, 1, 1) + said(12, 1, 3))[1] == Flaws(lost=1)


def test_an_offset_that_comes_again_is_a_repeat() -> None:
    check, state = durable()
    assert flaws(check, state, said(1, 1, 1) + said(1, 2, 1))[1] == Flaws(duplicated=1)


def test_a_changed_byte_is_corruption() -> None:
    check, state = volatile()
    data = cast(1, 1)
    assert flaws(check, state, data[:-3] + b"y" + data[-2:])[1] == Flaws(corrupted=1)


def test_who_reads_the_same_takes_the_same_step_and_it_is_computed_once() -> None:
    looks = 0

    class Counting(PlainWebSocket):
        def read(self, opcode: int, payload: bytes) -> Seen | Any:
            nonlocal looks
            looks += 1
            return super().read(opcode, payload)

    check = StreamCheck(Counting())
    data = frame(compose(1, 1, 5, 64).encode()) * 1
    states = [check.start(None) for _ in range(50)]
    assert len(set(map(id, states))) == 1
    for state in states:
        assert (state.steps.get(data) or check.step(state, data)).delivered == 1
    assert looks == 1


def test_readers_whose_bytes_are_cut_differently_meet_again() -> None:
    check, state = volatile()
    data = cast(1, 1) + cast(1, 2)
    assert flaws(check, state, data[:50], data[50:])[0] is flaws(check, state, data)[0]


def test_states_that_everybody_has_left_are_forgotten() -> None:
    check, state = volatile()
    first = weakref.ref(flaws(check, state, cast(1, 1))[0])
    state = flaws(check, state, cast(1, 1), cast(1, 2))[0]
    gc.collect()
    assert first() is None
    assert state.last == {1: 2}


def test_replies_do_not_pile_up_where_nothing_moves() -> None:
    check, state = volatile()
    for ref in range(1, 500):
        step = check.step(state, frame(MSGPACK.encode(Reply(ref))))
        assert step.state is state
        assert step.personal == (Reply(ref),)
    assert len(state.steps) <= 64


def test_one_that_joins_afresh_is_not_owed_what_was_said_before() -> None:
    class Joining(PlainWebSocket):
        def read(self, opcode: int, payload: bytes) -> Seen | Start | Any:
            return Start(7, 0, "joined") if payload == b"joined" else super().read(opcode, payload)

    check = StreamCheck(Joining())
    state = check.start(3, strict=False)
    step = check.step(state, frame(b"joined"))
    assert (step.state.offset, step.personal, step.flaws) == (7, ("joined",), None)
    assert check.step(step.state, frame(compose(1, 40, 5, 64).encode())).flaws is None


def test_one_that_comes_back_is_owed_what_is_durable_but_not_what_is_volatile() -> None:
    check, state = durable()
    state = flaws(check, state, said(1, 1, 1))[0]
    assert flaws(check, check.again(state, 1), said(2, 1, 3))[1] == Flaws(lost=1)
    volatile_check, left = volatile()
    left = flaws(volatile_check, left, cast(1, 1))[0]
    assert flaws(volatile_check, volatile_check.again(left, None), cast(1, 9))[1] == Flaws()


def test_a_durable_message_that_comes_again_is_one_repeat() -> None:
    check, state = durable()
    assert flaws(check, state, said(1, 1, 1) + said(2, 1, 2) + said(1, 1, 1))[1] == Flaws(duplicated=1)


def test_a_durable_message_that_comes_late_is_one_reordering() -> None:
    check, state = durable()
    same, other = flaws(check, state, said(1, 1, 1), said(3, 1, 3), said(2, 1, 2)), flaws(check, state, said(2, 1, 1), said(1, 2, 1))
    assert (same[1], other[1]) == (Flaws(reordered=1), Flaws(reordered=1))
    assert not same[0].missing
    assert flaws(check, same[0], said(2, 1, 2))[1] == Flaws(duplicated=1)


def test_a_durable_message_that_is_corrupted_is_missed_when_its_publisher_speaks_again() -> None:
    check, state = durable()
    bad = said(2, 1, 2).replace(b"xxx", b"xyx", 1)
    state, found, delivered = flaws(check, state, said(1, 1, 1), bad)
    assert (found, delivered) == (Flaws(corrupted=1), 1)
    assert flaws(check, state, said(3, 1, 3))[1] == Flaws(lost=1)
