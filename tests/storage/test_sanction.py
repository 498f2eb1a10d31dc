"""What admins impose and what people report, in the database; and history, for those who see less and those who see more."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import pytest

from commonroom.engine.actor import Audience
from commonroom.engine.address import slot_of
from commonroom.engine.private import pack
from commonroom.identity import Principal
from commonroom.ids import new_id, new_secret
from commonroom.protocol.chat import MessageCreate, MessageDelete, MessageUpdate
from commonroom.protocol.codec import encode_event
from commonroom.protocol.wire import DurablePush
from commonroom.storage.journal.journal import PostgresJournal
from commonroom.storage.journal.port import Commit, NewEvent, Outcome
from commonroom.storage.pool import Database
from commonroom.storage.projection.message import MessageProjection
from commonroom.storage.projection.runner import ProjectionRunner
from commonroom.storage.repository.login_session import LoginSessions
from commonroom.storage.repository.message import Messages
from commonroom.storage.repository.personal_data import PersonalData
from commonroom.storage.repository.report import CopiedMessage, NewReport, Reports
from commonroom.storage.repository.sanction import Sanction, SanctionKind, SanctionTable

DAY_MS = 86_400_000


class Room:
    """A room whose author is one person, for all or for the author alone."""

    def __init__(self, journal: PostgresJournal) -> None:
        self.id = new_id(1)
        self.author = Principal("guest", new_id(2))
        self.head = 0
        self._journal = journal

    async def say(self, text: str, *, aside: bool = False) -> int:
        return await self._append(MessageCreate(self.id, self.head + 1, 1000, self.author, "n", text), aside)

    async def edit(self, message: int, text: str, *, aside: bool = False) -> int:
        return await self._append(MessageUpdate(self.id, self.head + 1, 2000 + self.head, self.author, "n", message, text), aside)

    async def delete(self, message: int) -> int:
        return await self._append(MessageDelete(self.id, self.head + 1, 3000, self.author, "n", message), False)

    async def _append(self, event: DurablePush, aside: bool) -> int:
        stream = f"room/{self.id}"
        settled: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        column = pack(None, Audience(only=frozenset({self.author})))[1] if aside else None
        rows = (NewEvent(event.offset, event.at, None, encode_event(event), column),)
        self._journal.append(Commit(stream, slot_of(stream), event.offset, rows), settled.set_result)
        await asyncio.wait_for(settled, 10)
        self.head = event.offset
        return self.head


@pytest.fixture
async def runner(database: Database, journal: PostgresJournal) -> AsyncIterator[ProjectionRunner]:
    runner = ProjectionRunner(database, journal, (MessageProjection(),), print)
    await runner.start()
    yield runner
    await runner.close()


@pytest.mark.parametrize("projected", [0, 1, 2, 3, 4, 5, 6])
async def test_C9_history_shows_to_the_author_what_it_hides_from_others_at_any_lag(
    journal: PostgresJournal, database: Database, runner: ProjectionRunner, projected: int
) -> None:
    room, messages = Room(journal), Messages(database)
    steps: list[Callable[[], Awaitable[int]]] = [
        partial(room.say, "all see this"),
        partial(room.say, "an aside", aside=True),
        partial(room.edit, 1, "as its author reads it", aside=True),
        partial(room.edit, 2, "an aside, edited", aside=True),
        partial(room.say, "last"),
        partial(room.edit, 1, "all see this now"),
    ]
    seen: list[tuple[list[str], list[str]]] = []
    for number, step in enumerate(steps):
        if number == projected:  # from here on the projection lags
            await runner.caught_up()
            await runner.close()
        await step()
        pages = [await messages.page(room.id, None, 50, actors) for actors in ([room.author.actor_id], ["somebody"])]
        seen.append(tuple([message.text for message in page] for page, _ in pages))  # type: ignore[arg-type]
    assert seen == [
        (["all see this"], ["all see this"]),
        (["all see this", "an aside"], ["all see this"]),
        (["as its author reads it", "an aside"], ["all see this"]),
        (["as its author reads it", "an aside, edited"], ["all see this"]),
        (["as its author reads it", "an aside, edited", "last"], ["all see this", "last"]),
        (["all see this now", "an aside, edited", "last"], ["all see this now", "last"]),
    ]
    assert [one.offset for one in await messages.around(room.id, 5, 1, 1, ["somebody"])] == [1, 5]
    assert await messages.around(room.id, 2, 1, 1, ["somebody"]) == []
    events, aside = await messages.events_of(room.id, 1)
    assert ([event.offset for event in events], aside) == ([1, 3, 6], frozenset({3}))


async def test_a_deleted_message_leaves_nothing_aside(journal: PostgresJournal, database: Database, runner: ProjectionRunner) -> None:
    room = Room(journal)
    message = await room.say("swordfish")
    await room.edit(message, "swordfish, edited", aside=True)
    await runner.caught_up()
    await room.delete(message)
    await runner.caught_up()
    row = await database.fetchrow("SELECT text, aside_text, aside_at FROM message WHERE room = $1", room.id)
    assert row is not None
    assert tuple(row) == ("", None, None)


async def test_an_export_has_what_only_its_author_sees(journal: PostgresJournal, database: Database, runner: ProjectionRunner) -> None:
    room = Room(journal)
    message = await room.say("for all")
    await runner.caught_up()  # what follows is projected from memory, not from the journal
    await room.edit(message, "for me", aside=True)
    await room.say("aside", aside=True)
    await runner.caught_up()
    texts = {one.offset: one.text async for batch in PersonalData(database).messages([room.author.actor_id]) for one in batch}
    assert sorted(texts.values()) == ["aside", "for me"]  # what was written of late may come twice
    page, _ = await Messages(database).page(room.id, None, 50)
    assert [one.text for one in page] == ["for all"]


def sanction(kind: SanctionKind, who: Principal, at: int, until: int | None = None) -> Sanction:
    return Sanction(new_id(at), kind, who, at, until, "because", "admin", None, None)


async def test_a_sanction_takes_the_place_of_its_like(database: Database) -> None:
    table, who = SanctionTable(database), Principal("guest", new_id(1))
    mute, ban, shadow = sanction("mute", who, 10), sanction("ban", who, 20), sanction("shadow", who, 30)
    for one in (mute, ban, shadow):
        await table.add(one)
    assert {one.id for one in await table.list(who.actor_id, 40, None, 10, standing=True)} == {ban.id, shadow.id}
    assert [one.kind for one in await table.in_force(40, 10_000) if one.actor == who.actor_id] == ["shadow"]
    assert (await table.ban_of(who.actor_id, 40)) == (None, "because")
    lifted = await table.lift(shadow.id, "admin-2", 50)
    assert lifted is not None
    assert (lifted.lifted_at, lifted.lifted_by) == (50, "admin-2")
    assert await table.lift(shadow.id, "admin-2", 60) is None


async def test_a_sanction_ends_by_the_clock_and_is_forgotten_in_time(database: Database) -> None:
    table, who = SanctionTable(database), (await LoginSessions(database).create_guest("Ada", new_secret().encode(), "", 1)).principal
    await table.add(sanction("ban", who, 10, until=100))
    assert await table.ban_of(who.actor_id, 99) is not None
    assert await table.ban_of(who.actor_id, 100) is None
    await table.purge(100)
    assert len(await table.list(who.actor_id, 200, None, 10, standing=False)) == 1
    await table.purge(101)
    assert await table.list(who.actor_id, 200, None, 10, standing=False) == []


async def test_C3_the_copy_of_a_report_is_forgotten_after_its_time_and_the_report_after_it_was_resolved(database: Database) -> None:
    reports, now = Reports(database), 200 * DAY_MS
    reporter, subject = Principal("guest", new_id(1)), Principal("user", new_id(2))
    copy = [CopiedMessage(1, 5, subject, "words", None, False)]
    told = {}
    for age, offset in ((89, 1), (91, 2)):
        at = now - age * DAY_MS
        new = NewReport(new_id(at), at, "spam", "look", reporter, f"message:r/{offset}", "r", offset, subject, copy)
        told[age] = await reports.add(new)
    await reports.purge(now - 90 * DAY_MS, now - 90 * DAY_MS, 0)
    found = {age: await reports.get(ident) for age, ident in told.items()}
    assert found[89] is not None
    assert found[91] is not None
    assert (found[89].copy, found[91].copy, found[91].text) == (copy, None, "look")
    assert await reports.resolve(told[91], "admin", "dismissed", "", now - 1)
    await reports.purge(now, now - 1, 0)
    assert await reports.get(told[91]) is not None
    await reports.purge(now, now, 0)
    assert await reports.get(told[91]) is None
    await reports.purge(now, 0, now - 89 * DAY_MS)
    assert await reports.get(told[89]) is not None
    await reports.purge(now, 0, now - 89 * DAY_MS + 1)
    assert await reports.get(told[89]) is None
    await reports.anonymise(reporter.actor_id)
    assert (await reports.by([reporter.actor_id], 10), await reports.open_by([reporter.actor_id])) == ([], 0)
