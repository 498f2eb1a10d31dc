"""The history of a run, straight from PostgreSQL, against what was promised (DESIGN 10).

Each check is a function of plain values and gives sentences, one for each broken promise.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import asyncpg

from commonroom.protocol.codec import decode_event
from commonroom.protocol.timer import TimerUpdate
from commonroom.protocol.wire import DurablePush
from commonroom.storage.projection.message import COLUMNS, projected
from commonroom.storage.projection.message_fold import ProjectedMessage, fold
from tests.chaos.ledger import Line, same_event

__all__ = [
    "Stored",
    "Writer",
    "acks_are_stored_once",
    "deadlines_took_effect_once",
    "epochs_never_fall",
    "keys_are_unique",
    "lines_kept_their_order",
    "messages_equal_the_journal",
    "offsets_are_dense",
    "read_events",
    "read_messages",
    "shown_is_stored",
]

EVENTS = 'SELECT stream, "offset", slot, slot_pos, epoch, dedup, payload FROM event ORDER BY stream, "offset"'
MESSAGES = f"SELECT m.room, {COLUMNS} FROM message m"


ANY_SOCKET = -1


class Stored(NamedTuple):
    """A row of the journal."""

    room: str
    offset: int
    slot: int
    slot_pos: int
    epoch: int
    dedup: str | None
    event: DurablePush


class Writer(NamedTuple):
    """What one client wrote."""

    name: str
    sid: str
    lines: Sequence[Line]


async def read_events(connection: "asyncpg.Connection[asyncpg.Record]") -> list[Stored]:
    """The whole journal, room by room."""
    rows = await connection.fetch(EVENTS)
    return [Stored(row[0].removeprefix("room/"), row[1], row[2], row[3], row[4], row[5], decode_event(row[6])) for row in rows]


async def read_messages(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[tuple[str, int], ProjectedMessage]:
    """The projection's rows."""
    return {(row["room"], row["offset"]): projected(row) for row in await connection.fetch(MESSAGES)}


def offsets_are_dense(events: Iterable[Stored]) -> Iterator[str]:
    """I3: 1, 2, 3 … in each room, and the epoch never falls along them."""
    last: dict[str, Stored] = {}
    for event in events:
        before = last.get(event.room)
        if event.offset != (before.offset if before else 0) + 1:
            yield f"I3: {event.room} goes from {before.offset if before else 0} to {event.offset}"
        if before and event.epoch < before.epoch:
            yield f"I3: {event.room} falls from epoch {before.epoch} to {event.epoch} at {event.offset}"
        last[event.room] = event


def epochs_never_fall(events: Iterable[Stored]) -> Iterator[str]:
    """I1: in a slot, what a later owner wrote is behind all that earlier ones wrote."""
    slots: dict[int, list[Stored]] = defaultdict(list)
    for event in events:
        slots[event.slot].append(event)
    for slot, written in slots.items():
        written.sort(key=lambda one: one.slot_pos)
        for before, after in pairwise(written):
            if after.epoch < before.epoch or after.slot_pos == before.slot_pos:
                yield f"I1: slot {slot} has epoch {after.epoch} at {after.slot_pos}, behind epoch {before.epoch} at {before.slot_pos}"


def keys_are_unique(events: Iterable[Stored]) -> Iterator[str]:
    """I4: a nonce and a deadline give one event; by the events themselves, not only by their keys."""
    seen: dict[tuple[str, str], int] = {}
    for event in events:
        author, nonce = event.event.author, event.event.nonce
        keys = [event.dedup, None if author is None or nonce is None else f"{author.actor_id} {nonce}"]
        for key in filter(None, keys):
            if (first := seen.setdefault((event.room, key), event.offset)) != event.offset:
                yield f"I4: {key} of {event.room} stands at {first} and {event.offset}"


def acks_are_stored_once(events: Iterable[Stored], writers: Iterable[Writer]) -> Iterator[str]:
    """I2: what was acknowledged stands at the offset that was told, and was sent by somebody."""
    places = {(event.room, event.dedup): event for event in events if event.dedup}
    for writer in writers:
        for line in writer.lines:
            event = places.get((line.room, f"c:{writer.sid}:{line.nonce}"))
            if line.acked_s is None:
                continue
            if line.offset == 0 and event is None:  # it changed nothing
                continue
            if event is None or event.offset != line.offset:
                yield f"I2: {writer.name}'s {line.kind} {line.nonce} in {line.room} was acked at {line.offset}, stands as {event}"
            elif event.event.nonce != line.nonce:
                yield f"I2: {writer.name}'s {line.nonce} in {line.room} is another event: {event}"


def lines_kept_their_order(writers: Iterable[Writer]) -> Iterator[str]:
    """I5: what a client sent once to a room is behind all that it sent before and once, or before on the same socket.

    A line that was refused, and sent again for that, may have been passed.
    """
    for writer in writers:
        latest: dict[tuple[str, int], Line] = {}
        for line in sorted(writer.lines, key=lambda one: one.order):
            if not line.offset:
                continue
            same_socket, anywhere = (line.room, line.socket), (line.room, ANY_SOCKET)
            for place in (same_socket, anywhere):
                before = latest.get(place)
                if line.tries == 1 and before is not None and line.offset < (before.offset or 0):
                    yield f"I5: {writer.name} sent {before.nonce} before {line.nonce}; in {line.room}: {before.offset}, {line.offset}"
            if not line.refused:
                _keep_latest(latest, same_socket, line)
            if line.tries == 1:
                _keep_latest(latest, anywhere, line)


def _keep_latest(latest: dict[tuple[str, int], Line], place: tuple[str, int], line: Line) -> None:
    before = latest.get(place)
    if before is None or (before.offset or 0) < (line.offset or 0):
        latest[place] = line


def shown_is_stored(events: Iterable[Stored], shown: Mapping[str, Mapping[int, DurablePush]]) -> Iterator[str]:
    """I2: nobody saw what is not in the journal."""
    stored = {(event.room, event.offset): event.event for event in events}
    for room, pushes in shown.items():
        for offset, push in pushes.items():
            event = stored.get((room, offset))
            if event is None or not same_event(event, push):
                yield f"I2: {push} was shown in {room}, the journal has {event}"


def deadlines_took_effect_once(events: Iterable[Stored]) -> Iterator[str]:
    """I7: a timer's versions have no hole, and each phase ends once, at its due time."""
    timers: dict[str, TimerUpdate] = {}
    for stored in events:
        event = stored.event
        if not isinstance(event, TimerUpdate):
            continue
        before = timers.get(stored.room)
        timers[stored.room] = event
        version = before.timer.version if before else 0
        if event.timer.version != version + 1:
            yield f"I7: the timer of {stored.room} goes from version {version} to {event.timer.version}"
        if event.cause == "phase_end" and (before is None or event.at != before.timer.ends_at):
            yield f"I7: a phase of {stored.room} was due at {before and before.timer.ends_at} and ended at {event.at}"
        if event.cause == "phase_end" and not (stored.dedup or "").startswith("d:"):
            yield f"I7: the phase end at {stored.offset} of {stored.room} has the key {stored.dedup}"


def messages_equal_the_journal(events: Iterable[Stored], rows: Mapping[tuple[str, int], ProjectedMessage]) -> Iterator[str]:
    """The projection's rows are the fold of the journal: none lost, none twice, none changed."""
    folded: dict[str, dict[int, ProjectedMessage]] = defaultdict(dict)
    for stored in events:
        fold(folded[stored.room], [stored.event])
    expected = {(room, offset): message for room, messages in folded.items() for offset, message in messages.items()}
    for key in sorted(expected.keys() | rows.keys()):
        if (there := rows.get(key)) != (should := expected.get(key)) and not (there and should and there.deleted and should.deleted):
            yield f"projection: {key} is {there}, should be {should}"
