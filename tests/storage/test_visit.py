"""Where users were within a day, and which rooms they keep: what is written, and what may be shown."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from commonroom.errors import LimitExceeded, NotFound
from commonroom.identity import Principal
from commonroom.ids import new_id
from commonroom.protocol.moderation import ModerationAction, RoomModerated
from commonroom.storage.pool import Database, Transaction
from commonroom.storage.projection.projection import SlotEvent
from commonroom.storage.projection.room_ban import RoomBanProjection
from commonroom.storage.purge import BATCH
from commonroom.storage.repository.favourite import Favourites
from commonroom.storage.repository.user import NewUser, Users
from commonroom.storage.repository.visit import AGAIN_MS, KEPT_MS, MAX_VISITS, Visit, Visits
from tests.support.blocked import until_blocked

NOW = 10 * KEPT_MS

ROOM = """
INSERT INTO room (room, kind, title, topic, language, visibility, created_at, created_by_type, created_by_id, archived_at)
VALUES ($1, 'study', 'Title', '', 'en', $2, 1, 'guest', 'maker', $3)
"""


async def user(database: Database) -> str:
    ident = new_id(1)
    assert await Users(database).create(NewUser(ident, "Ada", "ada", None, None), 1)
    return ident


async def room(database: Database, visibility: str = "unlisted", archived_at: int | None = None) -> str:
    ident = new_id(1)
    await database.execute(ROOM, ident, visibility, archived_at)
    return ident


async def moderated(
    database: Database, room: str, action: ModerationAction, who: Principal, until: int | None = None, *guests: Principal
) -> None:
    event = RoomModerated(room, 1, 1, None, None, action, who, until=until, guests=list(guests))
    async with database.transaction() as connection:
        await RoomBanProjection().apply(connection, [SlotEvent(f"room/{room}", 1, event)])


async def recent(database: Database, user: str, now: int = NOW, guests: Sequence[str] = ()) -> list[str]:
    return [known.room for known in await Visits(database).recent(user, (user, *guests), now)]


async def kept(database: Database, user: str, now: int = NOW) -> dict[str, bool]:
    """Favourites, and whether they are shown."""
    return {one.room: one.info is not None for one in await Favourites(database).list(user, (user,), now)}


async def statements(database: Database, call: Any) -> int:
    before = database.statements
    await call
    return database.statements - before


# -- visits -------------------------------------------------------------------------


async def test_P19_the_latest_room_is_first_and_each_is_there_once(database: Database) -> None:
    ada, bob = await user(database), await user(database)
    first, second = await room(database), await room(database)
    visits = Visits(database)
    await visits.write([Visit(ada, first, NOW), Visit(ada, second, NOW + 1), Visit(bob, second, NOW)])
    await visits.write([Visit(ada, first, NOW + AGAIN_MS)])
    assert [(one.room, one.at, one.info.title) for one in await visits.recent(ada, (ada,), NOW)] == [
        (first, NOW + AGAIN_MS, "Title"),
        (second, NOW + 1, "Title"),
    ]
    assert await recent(database, bob) == [second]


async def test_P19_a_visit_is_not_written_again_within_a_minute_whichever_node_writes(database: Database) -> None:
    ada, library = await user(database), await room(database)
    visits = Visits(database)
    for at in (NOW, NOW + AGAIN_MS - 1, NOW - 5):
        await visits.write([Visit(ada, library, at)])
        assert [one.at for one in await visits.all(ada)] == [NOW]
    await visits.write([Visit(ada, library, NOW + 1)], again_ms=1)
    assert [one.at for one in await visits.all(ada)] == [NOW + 1]


async def test_P19_a_day_later_it_is_forgotten_in_the_list_and_then_in_the_table(database: Database) -> None:
    ada, old, new = await user(database), await room(database), await room(database)
    visits = Visits(database)
    await visits.write([Visit(ada, old, NOW - KEPT_MS), Visit(ada, new, NOW - KEPT_MS + 1)])
    assert await recent(database, ada) == [new]
    await visits.purge(NOW)
    assert [one.room for one in await visits.all(ada)] == [new]


async def test_P19_so_many_are_kept_of_one_user_and_the_latest(database: Database) -> None:
    ada, bob = await user(database), await user(database)
    rooms = [await room(database) for _ in range(MAX_VISITS + 3)]
    visits = Visits(database)
    await visits.write([Visit(bob, rooms[0], NOW)])
    await visits.write([Visit(ada, one, NOW + place) for place, one in enumerate(rooms)])
    assert [one.room for one in await visits.all(ada)] == rooms[:2:-1]
    await visits.write([Visit(ada, rooms[0], NOW + AGAIN_MS)])
    assert await recent(database, ada) == [rooms[0], *rooms[:3:-1]]
    assert len(await visits.all(bob)) == 1


async def test_P19_a_batch_is_two_statements_and_nothing_is_none(database: Database) -> None:
    ada, library = await user(database), await room(database)
    visits = Visits(database)
    await visits.write([Visit(ada, library, NOW)])  # a connection's first use of a type asks what that is
    await visits.recent(ada, (ada,), NOW)
    assert await statements(database, visits.write([Visit(ada, "one", NOW), Visit(ada, "another", NOW)])) == 2
    assert await statements(database, visits.write([])) == 0
    assert await statements(database, visits.recent(ada, (ada,), NOW)) == 1


async def test_P19_two_nodes_that_write_the_same_visits_do_not_block_each_other(database: Database) -> None:
    users = [await user(database) for _ in range(5)]
    batch = [Visit(one, f"room-{place}", NOW) for one in users for place in range(20)]
    visits = Visits(database)
    await asyncio.gather(*(visits.write(part) for part in (batch, batch[::-1], batch, batch[::-1])))
    assert {len(await visits.all(one)) for one in users} == {20}


async def test_P19_a_deleted_account_has_been_nowhere_and_what_comes_late_is_not_kept(database: Database) -> None:
    ada, library = await user(database), await room(database)
    visits, favourites = Visits(database), Favourites(database)
    await visits.write([Visit(ada, library, NOW)])
    await favourites.add(ada, library, NOW)
    assert await Users(database).delete(ada, NOW)
    assert (await visits.all(ada), await favourites.all(ada)) == ([], [])
    await visits.write([Visit(ada, library, NOW + AGAIN_MS), Visit("nobody", library, NOW)])
    assert (await visits.all(ada), await visits.all("nobody")) == ([], [])


async def test_more_is_purged_than_one_statement_takes(database: Database) -> None:
    ada = await user(database)
    await database.execute("INSERT INTO visit SELECT $1, 'r' || n, 1 FROM generate_series(1, $2::int) AS n", ada, 2 * BATCH + 1)
    await Visits(database).purge(NOW)
    assert await Visits(database).all(ada) == []


# -- what may be shown ----------------------------------------------------------------


async def test_P19_archived_rooms_and_those_that_are_gone_are_not_shown(database: Database) -> None:
    ada = await user(database)
    open_room, archived = await room(database), await room(database, archived_at=5)
    await Visits(database).write([Visit(ada, one, NOW) for one in (open_room, archived, "never-there")])
    assert await recent(database, ada) == [open_room]
    assert list(await Visits(database).known([open_room, archived, "never-there"], (ada,), NOW)) == [open_room]
    for one in (open_room, archived):
        await Favourites(database).add(ada, one, NOW)
    assert await kept(database, ada) == {open_room: True, archived: False}


@pytest.mark.parametrize("was_guest", [False, True])
async def test_P19_a_room_that_bans_somebody_is_not_shown_to_them_until_it_lets_them_in_again(database: Database, was_guest: bool) -> None:
    ada, bob, library = await user(database), await user(database), await room(database)
    who = Principal("guest", f"was-{ada}") if was_guest else Principal("user", ada)
    guests = [who.actor_id] if was_guest else []
    await Visits(database).write([Visit(ada, library, NOW), Visit(bob, library, NOW)])
    await moderated(database, library, "ban", who, NOW + 5)
    assert await recent(database, ada, guests=guests) == []
    assert await Visits(database).known([library], (ada, *guests), NOW) == {}
    assert await recent(database, bob) == [library]
    assert await recent(database, ada, NOW + 5, guests) == [library], "the ban is over"
    await moderated(database, library, "ban", who)
    assert await recent(database, ada, NOW + 5, guests) == []
    await moderated(database, library, "unban", who)
    assert await recent(database, ada, guests=guests) == [library]


@pytest.mark.parametrize("is_known_as", ["at the ban", "at its end"])
async def test_P19_who_was_banned_as_a_guest_too_is_let_in_by_the_one_unban(database: Database, is_known_as: str) -> None:
    ada, library = await user(database), await room(database)
    who, guest = Principal("user", ada), Principal("guest", f"was-{ada}")
    known = [guest] if is_known_as == "at the ban" else []
    await Visits(database).write([Visit(ada, library, NOW)])
    await moderated(database, library, "ban", guest)
    await moderated(database, library, "ban", who, None, *known)
    assert await recent(database, ada, guests=[guest.actor_id]) == []
    await moderated(database, library, "unban", who, None, *([] if known else [guest]))
    assert await recent(database, ada, guests=[guest.actor_id]) == [library]


async def test_P22_a_favourite_that_bans_me_is_told_by_its_id_alone(database: Database) -> None:
    ada, library = await user(database), await room(database)
    await Favourites(database).add(ada, library, NOW)
    for action, shown in (("kick", True), ("ban", False), ("mute", False), ("unban", True)):
        await moderated(database, library, action, Principal("user", ada))  # type: ignore[arg-type]
        assert await kept(database, ada) == {library: shown}


async def test_bans_that_are_over_are_purged(database: Database) -> None:
    library = await room(database)
    for name, until in (("over", NOW), ("longer", NOW + 1), ("for good", None)):
        await moderated(database, library, "ban", Principal("guest", name), until)
    await Visits(database).purge(NOW)
    rows = await database.fetch("SELECT person_id FROM room_ban WHERE room = $1 ORDER BY person_id", library)
    assert [row["person_id"] for row in rows] == ["for good", "longer"]


# -- favourites -----------------------------------------------------------------------


async def test_P22_the_latest_favourite_is_first_and_each_is_there_once(database: Database) -> None:
    ada, bob = await user(database), await user(database)
    first, second = await room(database), await room(database)
    favourites = Favourites(database)
    await favourites.add(ada, first, 1)
    await favourites.add(ada, second, 2)
    await favourites.add(ada, first, 3)
    assert [(one.room, one.at) for one in await favourites.list(ada, (ada,), NOW)] == [(second, 2), (first, 1)]
    assert await favourites.list(bob, (bob,), NOW) == []
    assert await favourites.remove(ada, first)
    assert not await favourites.remove(ada, first)
    assert not await favourites.remove(bob, second)
    assert await kept(database, ada) == {second: True}


async def test_P22_somebody_keeps_so_many_and_no_more(database: Database) -> None:
    ada, favourites = await user(database), Favourites(database)
    for number in range(3):
        await favourites.add(ada, f"room-{number}", number, 3)
    await favourites.add(ada, "room-1", 9, 3)  # again is no error
    with pytest.raises(LimitExceeded, match="3 favourite rooms are the most"):
        await favourites.add(ada, "another", 9, 3)
    await favourites.remove(ada, "room-1")
    await favourites.add(ada, "another", 9, 3)
    assert [one.room for one in await favourites.all(ada)] == ["another", "room-2", "room-0"]


async def test_P22_of_two_that_come_at_once_for_the_last_place_one_is_refused(database: Database) -> None:
    ada = await user(database)
    async with database.transaction() as connection:
        await Favourites(Transaction(connection)).add(ada, "first", 1, 1)
        second = asyncio.create_task(Favourites(database).add(ada, "second", 1, 1))
        await until_blocked(database)
    with pytest.raises(LimitExceeded):
        await second
    assert [one.room for one in await Favourites(database).all(ada)] == ["first"]


async def test_P22_a_deleted_account_keeps_nothing(database: Database) -> None:
    ada, library = await user(database), await room(database)
    assert await Users(database).delete(ada, 1)
    with pytest.raises(NotFound):
        await Favourites(database).add(ada, library, NOW)
    assert await Favourites(database).all(ada) == []
