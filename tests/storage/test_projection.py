"""Projections and the reads over them: what was acknowledged is shown, lag or not."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from commonroom.engine.address import slot_of
from commonroom.identity import Principal
from commonroom.ids import new_id
from commonroom.protocol.chat import MessageCreate, MessageDelete, MessageUpdate
from commonroom.protocol.codec import EVENT_TAGS, encode_event
from commonroom.protocol.room import RoomCreated, RoomInfo, Visibility
from commonroom.protocol.timer import TimerSettings
from commonroom.protocol.wire import DurablePush
from commonroom.storage.journal.journal import PostgresJournal
from commonroom.storage.journal.port import Commit, NewEvent, Outcome, Rewrite
from commonroom.storage.pool import Connection, Database
from commonroom.storage.projection.message import MessageProjection
from commonroom.storage.projection.projection import SlotEvent
from commonroom.storage.projection.room import RoomProjection
from commonroom.storage.projection.runner import ProjectionRunner
from commonroom.storage.repository.message import Messages
from commonroom.storage.repository.room_list import RoomList, Wanted

ADA = Principal("guest", "ada")


class Writer:
    """Appends events of one room as its actor would."""

    def __init__(self, journal: PostgresJournal, room: str | None = None) -> None:
        self.room = room or new_id(1)
        self.stream = f"room/{self.room}"
        self.head = 0
        self._journal = journal

    async def append(self, *events: DurablePush, rewrites: Sequence[DurablePush] = ()) -> None:
        settled: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.head = events[-1].offset
        rows = tuple(NewEvent(event.offset, event.at, None, encode_event(event)) for event in events)
        old = tuple(Rewrite(event.offset, encode_event(event)) for event in rewrites)
        self._journal.append(Commit(self.stream, slot_of(self.stream), self.head, rows, rewrites=old), settled.set_result)
        await asyncio.wait_for(settled, 10)

    async def create(self, visibility: Visibility = "public", at: int = 1) -> None:
        info = RoomInfo("study", "Title", "", "en", visibility, at, ADA)
        await self.append(RoomCreated(self.room, 1, at, ADA, "n", info, TimerSettings()))

    async def say(self, text: str) -> int:
        await self.append(MessageCreate(self.room, self.head + 1, 1000 + self.head, ADA, "n", text))
        return self.head

    async def edit(self, message: int, text: str) -> None:
        await self.append(MessageUpdate(self.room, self.head + 1, 2000 + self.head, ADA, "n", message, text))

    async def delete(self, message: int, *rewrites: DurablePush) -> None:
        await self.append(MessageDelete(self.room, self.head + 1, 3000, ADA, "n", message), rewrites=rewrites)


@pytest.fixture
async def runner(database: Database, journal: PostgresJournal) -> AsyncIterator[ProjectionRunner]:
    runner = ProjectionRunner(database, journal, (RoomProjection(), MessageProjection()), print)
    await runner.start()
    yield runner
    await runner.close()


async def texts(database: Database, room: str, before: int | None = None, limit: int = 50) -> list[str]:
    page, _ = await Messages(database).page(room, before, limit)
    return [message.text for message in page]


async def test_history_shows_what_was_acknowledged_before_any_projection(journal: PostgresJournal, database: Database) -> None:
    writer = Writer(journal)
    first = await writer.say("one")
    await writer.say("two")
    await writer.edit(first, "one, edited")
    assert await texts(database, writer.room) == ["one, edited", "two"]
    assert await database.fetchval("SELECT count(*) FROM message WHERE room = $1", writer.room) == 0


async def test_history_is_the_same_at_every_lag(journal: PostgresJournal, database: Database, runner: ProjectionRunner) -> None:
    writer = Writer(journal)
    ids = [await writer.say(f"message {number}") for number in range(10)]
    await runner.caught_up()
    await runner.close()
    await writer.edit(ids[2], "edited behind the projection")
    await writer.delete(ids[3])
    ids.append(await writer.say("beyond the checkpoint"))
    behind = await texts(database, writer.room)
    again = ProjectionRunner(database, journal, (RoomProjection(), MessageProjection()), print)
    await again.start()
    await again.caught_up()
    assert await texts(database, writer.room) == behind
    await again.close()
    assert behind[2:4] == ["edited behind the projection", ""]
    assert len(behind) == 11


async def test_A8_messages_of_hidden_people_are_left_out_at_every_lag(
    journal: PostgresJournal, database: Database, runner: ProjectionRunner
) -> None:
    writer = Writer(journal)

    async def seen(limit: int) -> tuple[list[str], bool]:
        page, more = await Messages(database).page(writer.room, None, limit, hidden={"eve"})
        return [message.text for message in page], more

    async def of_eve(text: str) -> int:
        await writer.append(MessageCreate(writer.room, writer.head + 1, 1000, Principal("guest", "eve"), "n", text))
        return writer.head

    for number in range(3):
        await of_eve(f"of Eve {number}")
        await writer.say(f"{number}")
    await runner.caught_up()
    await runner.close()
    await writer.edit(await of_eve("beyond the checkpoint"), "edited")
    await writer.say("3")
    assert await seen(50) == (["0", "1", "2", "3"], False)
    assert await seen(3) == (["1", "2", "3"], True)


async def test_pages_walk_back_without_gap_or_repeat(journal: PostgresJournal, database: Database, runner: ProjectionRunner) -> None:
    writer = Writer(journal)
    said = [await writer.say(f"{number}") for number in range(23)]
    await runner.caught_up()
    seen: list[int] = []
    before: int | None = None
    more = True
    while more:
        page, more = await Messages(database).page(writer.room, before, 5)
        seen = [message.offset for message in page] + seen
        before = page[0].offset
    assert seen == said


async def test_the_events_of_one_message_are_found_at_any_lag(
    journal: PostgresJournal, database: Database, runner: ProjectionRunner
) -> None:
    writer = Writer(journal)
    message = await writer.say("text")
    await writer.say("another")
    await runner.caught_up()
    await runner.close()
    await writer.edit(message, "edited")
    events, aside = await Messages(database).events_of(writer.room, message)
    assert aside == frozenset()
    assert [type(event).__name__ for event in events] == ["MessageCreate", "MessageUpdate"]
    assert await Messages(database).events_of(writer.room, 99) == ((), frozenset())


async def test_a_deleted_text_leaves_the_projection_too(journal: PostgresJournal, database: Database, runner: ProjectionRunner) -> None:
    writer = Writer(journal)
    message = await writer.say("nobody may read this again")
    await runner.caught_up()
    await writer.delete(message, MessageCreate(writer.room, message, 1000, ADA, "n", "", deleted=True))
    await runner.caught_up()
    row = await database.fetchrow('SELECT text, deleted FROM message WHERE room = $1 AND "offset" = $2', writer.room, message)
    assert row is not None
    assert (row["text"], row["deleted"]) == ("", True)


async def test_the_list_holds_public_rooms_only_newest_first(
    journal: PostgresJournal, database: Database, runner: ProjectionRunner
) -> None:
    base = 10**12 + int(new_id(1)[-3:], 36) * 10**6
    writers = [Writer(journal) for _ in range(7)]
    for number, writer in enumerate(writers):
        await writer.create("public" if number < 5 else ("unlisted", "private")[number - 5], at=base + number)
    await runner.caught_up()
    listed: list[str] = []
    cursor: str | None = None
    while not listed or cursor is not None:
        page, cursor = await RoomList(database).page(Wanted("newest"), cursor, 2, base)
        listed += [one.room for one in page]
    ours = [room for room in listed if room in {writer.room for writer in writers}]
    assert ours == [writer.room for writer in reversed(writers[:5])]
    assert len(listed) == len(set(listed))


async def test_two_runners_apply_each_event_once(journal: PostgresJournal, database: Database) -> None:
    table = f"counted_{new_id(1)}"
    await database.execute(f"CREATE TABLE {table} (slot_pos bigint)")

    class Counting:
        name = table
        wants = EVENT_TAGS

        async def apply(self, connection: Connection, events: Sequence[SlotEvent]) -> None:
            rows = [(event.slot_pos,) for event in events if event.stream == writer.stream]
            await connection.executemany(f"INSERT INTO {table} VALUES ($1)", rows)

    writer = Writer(journal)
    runners = [ProjectionRunner(database, journal, (Counting(),), lambda _line: None) for _ in range(2)]
    for runner in runners:
        await runner.start()
    for number in range(20):
        await writer.say(f"{number}")
        for runner in runners:
            runner.wake(slot_of(writer.stream))
    for runner in runners:
        await runner.caught_up()
        await runner.close()
    counts = await database.fetchrow(f"SELECT count(*) AS rows, count(DISTINCT slot_pos) AS events FROM {table}")
    assert counts is not None
    assert (counts["rows"], counts["events"]) == (20, 20)


async def test_a_stream_that_cannot_be_applied_is_parked_and_blocks_nobody(journal: PostgresJournal, database: Database) -> None:
    lines: list[str] = []
    poisoned, healthy = Writer(journal), Writer(journal)
    settled: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    slot = slot_of(healthy.stream)
    broken = NewEvent(1, 1, None, b"\x91\xcd\x0f\xff")  # an event of an unknown type
    journal.append(Commit(poisoned.stream, slot, 1, (broken,)), settled.set_result)
    await settled
    await healthy.say("still here")
    runner = ProjectionRunner(database, journal, (MessageProjection(),), lines.append)
    await runner.start()
    await runner.caught_up()
    await runner.close()
    assert await database.fetchval("SELECT text FROM message WHERE room = $1", healthy.room) == "still here"
    assert await database.fetchval("SELECT stream FROM parked WHERE stream = $1", poisoned.stream) == poisoned.stream
    assert any(poisoned.stream in line for line in lines)
    await database.execute("DELETE FROM parked WHERE stream = $1", poisoned.stream)


class Moody:
    """A projection that does not know an event until it is a newer version."""

    wants = EVENT_TAGS

    def __init__(self, stream: str, *, knows: bool) -> None:
        self.name = f"moody {stream}"
        self.seen: list[int] = []
        self._stream = stream
        self._knows = knows

    async def apply(self, connection: Connection, events: Sequence[SlotEvent]) -> None:
        for one in events:
            if one.stream == self._stream and not self._knows:
                raise KeyError(one.event.offset)
            self.seen += [one.event.offset] if one.stream == self._stream else []


async def test_a_newer_version_catches_up_with_what_an_older_one_parked(journal: PostgresJournal, database: Database) -> None:
    writer = Writer(journal)
    older, newer = Moody(writer.stream, knows=False), Moody(writer.stream, knows=True)
    for projection in (older, newer):
        await writer.say("text")
        runner = ProjectionRunner(database, journal, (projection,), lambda _line: None)
        await runner.start()
        await runner.caught_up()
        await runner.close()
    assert older.seen == []
    assert newer.seen == [1, 2]


async def test_a_parked_stream_does_not_hold_up_its_slot(
    journal: PostgresJournal, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commonroom.storage.journal.journal.MAX_LAG_EVENTS", 3)
    writer = Writer(journal)
    slot = slot_of(writer.stream)
    runner = ProjectionRunner(database, journal, (Moody(writer.stream, knows=False),), lambda _line: None)
    await runner.start()
    for _ in range(10):
        await writer.say("text")
        await runner.caught_up()
    assert runner.position(slot) == journal.position(slot)
    assert journal.accepts(slot)
    await runner.close()


async def test_a_slot_whose_projection_is_far_behind_takes_no_more(
    journal: PostgresJournal, database: Database, runner: ProjectionRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commonroom.storage.journal.journal.MAX_LAG_EVENTS", 3)
    writer = Writer(journal)
    await writer.say("text")
    await runner.caught_up()
    await runner.close()
    slot = slot_of(writer.stream)
    for _ in range(4):
        assert journal.accepts(slot)
        await writer.say("text")
    assert not journal.accepts(slot)
    assert journal.accepts((slot + 1) % 1024)


async def test_history_of_a_parked_room_still_shows_what_was_acknowledged(
    journal: PostgresJournal, database: Database, runner: ProjectionRunner
) -> None:
    writer = Writer(journal)
    settled: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    unknown = NewEvent(1, 1, None, b"\x91\xcd\x0f\xff")
    journal.append(Commit(writer.stream, slot_of(writer.stream), 1, (unknown,)), settled.set_result)
    await settled
    writer.head = 1
    message = await writer.say("after the unknown event")
    await runner.caught_up()
    assert await texts(database, writer.room) == ["after the unknown event"]
    assert len((await Messages(database).events_of(writer.room, message))[0]) == 1
    await database.execute("DELETE FROM parked WHERE stream = $1", writer.stream)


async def test_many_slots_are_applied_in_few_rounds(journal: PostgresJournal, database: Database, runner: ProjectionRunner) -> None:
    writers = [Writer(journal) for _ in range(200)]
    await asyncio.gather(*(writer.say("text") for writer in writers))
    await asyncio.gather(*(writer.say("another") for writer in writers))
    await runner.caught_up()
    rows = await database.fetchval("SELECT count(*) FROM message WHERE room = ANY ($1)", [writer.room for writer in writers])
    assert rows == 400


async def test_messages_are_partitioned_by_month_ahead_of_time(
    journal: PostgresJournal, database: Database, runner: ProjectionRunner
) -> None:
    writer = Writer(journal)
    await writer.append(MessageCreate(writer.room, 1, 1_900_000_000_000, ADA, "n", "in March 2030"))
    await runner.caught_up()
    found = await database.fetchval("SELECT tableoid::regclass::text FROM message WHERE room = $1", writer.room)
    assert found == "message_203003"
    assert await database.fetchval("SELECT to_regclass('message_203005') IS NOT NULL")


async def test_events_that_a_projection_does_not_want_cost_it_no_statement(journal: PostgresJournal, database: Database) -> None:
    writer = Writer(journal)
    slot = slot_of(writer.stream)
    runner = ProjectionRunner(database, journal, (RoomProjection(),), lambda _line: None)
    await runner.start()
    await writer.create()
    await runner.caught_up()
    before = database.statements
    for number in range(5):
        await writer.say(f"{number}")
    await runner.caught_up()
    assert runner.position(slot) == journal.position(slot)
    assert database.statements == before
    await runner.close()
    again = ProjectionRunner(database, journal, (RoomProjection(),), lambda _line: None)
    await again.start()
    await again.caught_up()
    await again.close()
    assert again.position(slot) == journal.position(slot)


async def test_a_projection_behind_what_memory_holds_reads_the_journal(
    journal: PostgresJournal, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commonroom.storage.projection.tail.MAX_EVENTS", 4)
    writer = Writer(journal)
    runner = ProjectionRunner(database, journal, (MessageProjection(),), lambda _line: None)
    await runner.start()
    for number in range(30):
        await writer.say(f"{number}")
    await runner.caught_up()
    await runner.close()
    assert await database.fetchval("SELECT count(*) FROM message WHERE room = $1", writer.room) == 30
