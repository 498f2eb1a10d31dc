"""What a reader of a room has been sent, checked to the last byte without decoding it for each reader.

All readers of a room are sent the same bytes, so what one has seen is a *state*, and a read
takes it to the next: `(state, bytes) → step`. A step is computed once, by walking the
frames and checking every sequence number and offset; every other reader that comes to the
same state and reads the same bytes takes it for the price of one dictionary lookup. Readers that read
the same bytes cut differently meet again in an equal state, which exists once.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol
from weakref import WeakValueDictionary

from msgspec import Struct

from commonroom.bench.load.payload import parse

__all__ = ["Flaws", "Frames", "Seen", "Start", "State", "Step", "StreamCheck"]

MAX_MISSING = 4096
"""Numbers of one hole that are remembered as missing, to tell a late message from a repeated one."""

OFFSETS = -1
"""Among what is missing: an offset, where a publisher's number stands otherwise."""

MAX_IN_PLACE = 64
"""Steps kept that lead back to their own state."""


class Flaws(Struct):
    """Deliveries that went wrong; all zero on a good run."""

    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    corrupted: int = 0

    def __bool__(self) -> bool:
        return bool(self.lost or self.duplicated or self.reordered or self.corrupted)

    def add(self, other: "Flaws") -> None:
        """Take in another one's counts."""
        self.lost += other.lost
        self.duplicated += other.duplicated
        self.reordered += other.reordered
        self.corrupted += other.corrupted


class Seen(NamedTuple):
    """A message of the room: the bench's own text, None for anything else; its offset, 0 if volatile."""

    text: str | None
    offset: int


class Start(NamedTuple):
    """This reader was let in: what follows is `offset + 1`, or what it had + 1 if that is None."""

    offset: int | None
    lost: int
    """Durable messages that it was told it will not get."""
    message: Any


class Frames(Protocol):
    """The part of a dialect that reads."""

    def read(self, opcode: int, payload: bytes) -> Seen | Start | Any:
        """A message of the room; anything else that concerns one reader alone as it is, None to ignore it."""
        ...


class State:
    """What a reader has: sequence by publisher, last offset, and the start of an unfinished frame.

    `strict`: a publisher not heard of yet starts at 1; else anywhere (one that joined later).
    """

    __slots__ = ("__weakref__", "last", "missing", "offset", "rest", "steps", "strict")

    def __init__(
        self,
        last: Mapping[int, int],
        offset: int | None,
        *,
        rest: bytes = b"",
        missing: frozenset[tuple[int, int]] = frozenset(),
        strict: bool = True,
    ) -> None:
        self.last = last
        self.offset = offset
        self.rest = rest
        self.missing = missing
        self.strict = strict
        self.steps: dict[bytes, Step] = {}

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for equal states."""
        return (self.rest, self.offset, self.strict, self.missing, tuple(self.last.items()))


class Step(NamedTuple):
    """From one state to the next."""

    state: State
    delivered: int
    oldest_us: int
    """The intended moment of the first delivery; 0 where there is none."""
    personal: tuple[Any, ...]
    """What concerned this reader alone."""
    flaws: Flaws | None


class StreamCheck:
    """The states of one room's readers."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._states: WeakValueDictionary[tuple[Any, ...], State] = WeakValueDictionary()

    def start(self, offset: int | None, *, strict: bool = True) -> State:
        """The state of a reader that has just joined at `offset`, None where offsets do not count."""
        return self._the(State({}, offset, strict=strict))

    def again(self, state: State, offset: int | None) -> State:
        """The state of a reader that came back: volatile messages it missed are not held against anybody."""
        return self._the(State({} if offset is None else state.last, offset, missing=state.missing, strict=False))

    def step(self, state: State, data: bytes) -> Step:
        """Where `data` takes a reader; computed, and kept for the others."""
        walk = _Walk(state)
        buffer = state.rest + data if state.rest else data
        rest = self._walk(walk, buffer)
        step = Step(self._the(walk.state(rest)), walk.delivered, walk.oldest_us, tuple(walk.personal), walk.flaws or None)
        if step.state is not state or len(state.steps) < MAX_IN_PLACE:  # else replies would pile up where nothing moves
            state.steps[data] = step
        return step

    def _the(self, state: State) -> State:
        return self._states.setdefault(state.key, state)

    def _walk(self, walk: "_Walk", buffer: bytes) -> bytes:
        """Look at every whole frame (RFC 6455 section 5.2, unmasked); what is left of the last one."""
        at, total = 0, len(buffer)
        while total - at >= 2:
            size, start = buffer[at + 1], at + 2
            if size == 126:
                size, start = int.from_bytes(buffer[at + 2 : at + 4], "big"), at + 4
            elif size == 127:
                size, start = int.from_bytes(buffer[at + 2 : at + 10], "big"), at + 10
            if start + size > total:
                break
            walk.take(self._frames.read(buffer[at] & 15, buffer[start : start + size]))
            at = start + size
        return buffer[at:]


class _Walk:
    """One step being computed."""

    def __init__(self, state: State) -> None:
        self.delivered = 0
        self.oldest_us = 0
        self.personal: list[Any] = []
        self.flaws = Flaws()
        self._last = dict(state.last)
        self._offset = state.offset
        self._missing = set(state.missing)
        self._strict = state.strict

    def state(self, rest: bytes) -> State:
        return State(self._last, self._offset, rest=rest, missing=frozenset(self._missing), strict=self._strict)

    def take(self, found: Seen | Start | Any) -> None:
        if type(found) is not Seen:
            if type(found) is Start:
                if found.offset is not None:  # a fresh start: what was said meanwhile is not this reader's
                    self._offset, self._last = found.offset, {}
                self.flaws.lost += found.lost
                found = found.message
            if found is not None:
                self.personal.append(found)
            return
        counted = self._count(found.offset) if found.offset else 0
        if found.text is not None:
            self._message(found.text, counted)

    def _count(self, offset: int) -> int | None:
        """Durable events are dense: each is the last one's successor. How many were left out; None: it came late or again."""
        expected = offset if self._offset is None else self._offset + 1
        if offset < expected:
            self._out_of_place(OFFSETS, offset)
            return None
        self._offset = offset
        self._miss(OFFSETS, expected, offset)
        self.flaws.lost += offset - expected
        return offset - expected

    def _message(self, text: str, counted: int | None) -> None:
        """`counted`: what its offset told, so that one flaw is not counted twice."""
        mark = parse(text)
        if mark is None:
            self.flaws.corrupted += 1
            return
        self.delivered += 1
        self.oldest_us = min(self.oldest_us or mark.intended_us, mark.intended_us)
        last = self._last.get(mark.publisher)
        if last is None and not self._strict:
            last = mark.sequence - 1
        self._sequence(mark.publisher, last or 0, mark.sequence, counted)

    def _sequence(self, publisher: int, last: int, sequence: int, counted: int | None) -> None:
        if sequence > last:
            self._last[publisher] = sequence
            self._miss(publisher, last + 1, sequence)
            self.flaws.lost += max(sequence - last - 1 - (counted or 0), 0)
        elif counted is None:
            self._missing.discard((publisher, sequence))
        else:
            self._out_of_place(publisher, sequence)

    def _miss(self, of: int, first: int, end: int) -> None:
        for absent in range(max(first, end - MAX_MISSING), end):
            self._missing.add((of, absent))

    def _out_of_place(self, of: int, number: int) -> None:
        if (of, number) in self._missing:
            self._missing.discard((of, number))
            self.flaws.lost -= 1
            self.flaws.reordered += 1
        else:
            self.flaws.duplicated += 1
