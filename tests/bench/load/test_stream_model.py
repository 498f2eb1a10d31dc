"""The delivery check against a naive one, for any flaws at once and any way the bytes are cut."""

import gc
import weakref
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonroom.bench.load.payload import compose
from commonroom.bench.load.stream import Flaws, Seen, Start, State, StreamCheck
from commonroom.protocol.frame import frame

LONG, LONGER = 300, 70_000
"""Payloads whose lengths take 2 and 8 bytes."""

orders = st.lists(st.integers(1, 12), max_size=30)


class Fake:
    """`offset text` is a message, `+offset` lets in, anything else is personal; counts what it reads."""

    def __init__(self) -> None:
        self.reads = 0

    def read(self, opcode: int, payload: bytes) -> Seen | Start | Any:
        self.reads += 1
        if payload.startswith(b"+"):
            return Start(int(payload[1:]), 0, None)
        offset, found, text = payload.decode().partition(" ")
        return Seen(text, int(offset)) if found else payload


def message(sequence: int, *, offset: int = 0, publisher: int = 1, size: int = 64) -> bytes:
    return frame(f"{offset} {compose(publisher, sequence, 1, size)}".encode())


def expected(order: list[int]) -> Flaws:
    """What a reader says who keeps everything it has heard."""
    heard: set[int] = set()
    flaws, high = Flaws(), 0
    for number in order:
        flaws.duplicated += number in heard
        flaws.reordered += number not in heard and number < high
        heard.add(number)
        high = max(high, number)
    flaws.lost = high - len(heard)
    return flaws


def cut(data: bytes, places: set[int]) -> list[bytes]:
    edges = [0, *sorted(place for place in places if 0 < place < len(data)), len(data)]
    return [data[begin:end] for begin, end in pairwise(edges)]


def read(check: StreamCheck, state: State, parts: list[bytes]) -> tuple[State, Flaws, int]:
    """As a member does it: a known step is taken, another one computed."""
    flaws, delivered = Flaws(), 0
    for part in parts:
        step = state.steps.get(part) or check.step(state, part)
        state, delivered = step.state, delivered + step.delivered
        flaws.add(step.flaws or Flaws())
    return state, flaws, delivered


@pytest.mark.parametrize("durable", [False, True], ids=["volatile", "durable"])
@given(order=orders, places=st.sets(st.integers(1, 2400)))
def test_any_mixture_of_flaws_is_counted_exactly_wherever_the_bytes_are_cut(durable: bool, order: list[int], places: set[int]) -> None:
    check = StreamCheck(Fake())
    data = b"".join(message(number, offset=number if durable else 0) for number in order)
    state, flaws, delivered = read(check, check.start(0), cut(data, places))
    assert (flaws, delivered, state.rest) == (expected(order), len(order), b"")


@given(orders, orders)
def test_publishers_are_counted_apart(first: list[int], second: list[int]) -> None:
    check, flaws = StreamCheck(Fake()), expected(first)
    flaws.add(expected(second))
    data = [message(number) for number in first] + [message(number, publisher=2) for number in second]
    assert read(check, check.start(None), data)[1] == flaws


@given(st.sets(st.integers(1, LONGER + 1000), max_size=6))
def test_frames_of_every_length_are_put_together(places: set[int]) -> None:
    check = StreamCheck(Fake())
    data = message(1) + message(2, size=LONG) + message(3, size=LONGER) + message(4)
    state, flaws, delivered = read(check, check.start(None), cut(data, places))
    assert (flaws, delivered, state.rest) == (Flaws(), 4, b"")


@given(st.lists(st.sets(st.integers(1, 700), max_size=4), min_size=2, max_size=6))
def test_readers_cut_differently_end_in_one_state(readers: list[set[int]]) -> None:
    check = StreamCheck(Fake())
    data = b"".join(message(number) for number in (1, 2, 4, 3, 6, 6))
    ends = [read(check, check.start(None), cut(data, places))[0] for places in readers]
    assert all(end is ends[0] for end in ends)


def test_what_hundred_readers_read_is_decoded_once() -> None:
    fake = Fake()
    check = StreamCheck(fake)
    start, parts = check.start(None), [message(number) for number in range(1, 21)]
    ends = [read(check, start, parts) for _ in range(100)]
    assert {delivered for _, _, delivered in ends} == {20}
    assert len({id(state) for state, _, _ in ends}) == 1
    assert fake.reads == 20


def test_only_states_at_and_after_the_slowest_reader_are_kept() -> None:
    check = StreamCheck(Fake())
    fast = slow = check.start(None)
    seen: list[weakref.ref[State]] = []
    for number in range(1, 101):
        fast = check.step(fast, message(number)).state
        seen.append(weakref.ref(fast))
        if number <= 40:
            slow = slow.steps[message(number)].state
    gc.collect()
    assert [state() is not None for state in seen] == [False] * 39 + [True] * 61
    slow = fast
    gc.collect()
    assert [state() is not None for state in seen] == [False] * 99 + [True]
    assert slow.last == {1: 100}


def test_a_fresh_start_counts_from_its_offset_and_forgets_the_numbers() -> None:
    check = StreamCheck(Fake())
    before = read(check, check.start(0), [message(1, offset=1), message(2, offset=2)])[0]
    back = check.again(before, before.offset)
    state, flaws, _ = read(check, back, [frame(b"+90"), message(70, offset=91), message(71, offset=92)])
    assert (flaws, state.offset, dict(state.last)) == (Flaws(), 92, {1: 71})
    assert read(check, state, [message(73, offset=94)])[1] == Flaws(lost=1)


def test_one_that_comes_back_has_the_unfinished_frame_no_more() -> None:
    check = StreamCheck(Fake())
    half = read(check, check.start(0), [message(1, offset=1), message(2, offset=2)[:10]])[0]
    assert half.rest
    assert read(check, check.again(half, 1), [message(2, offset=2)])[1:] == (Flaws(), 1)
