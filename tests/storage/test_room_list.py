"""The list of rooms: what is in it, in which order, and that a walk neither skips nor repeats."""

import itertools
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from commonroom.errors import Invalid
from commonroom.identity import Principal
from commonroom.ids import Random, new_id, seeded
from commonroom.protocol.listing import ListedRoom
from commonroom.protocol.moderation import RoomModerated
from commonroom.protocol.room import RoomUpdated
from commonroom.search import words_of
from commonroom.storage.pool import Database
from commonroom.storage.repository.room_list import ACTIVE_MS, LONGEST_MS, MARGIN_MS, Wanted, _Place, _statement
from tests.storage.rooms import ADA, MINUTE_MS, Rooms

HOUR_MS = 3600_000
SIZES = ("small", "medium", "large")
STATUSES = ("active", "idle")


@pytest.fixture
async def rooms(database: Database) -> Rooms:
    made = Rooms(database)
    await made.learn_epochs()
    return made


# -- what is found ---------------------------------------------------------------------------


async def test_P18_a_room_is_listed_with_all_it_is_and_how_it_is_now(rooms: Rooms) -> None:
    room = await rooms.add(title="Thesis", language="pt-BR", tags=["writing"], size_limit=12, theme="forest", slow_ms=5000, locked=True)
    await rooms.say(room, 3, ends_at=rooms.now + 1000)
    (found,), cursor = await rooms.page()
    assert (found.room, found.info) == (room, rooms.infos[room])
    assert (found.present, found.phase, found.ends_at, found.status) == (3, "focus", rooms.now + 1000, "active")
    assert found.active_at == rooms.now // MINUTE_MS * MINUTE_MS
    assert cursor is None


async def test_P18_language_finds_a_primary_tag_with_its_regions_and_a_region_alone(rooms: Rooms) -> None:
    made = {language: await rooms.add(language=language) for language in ("pt", "pt-BR", "pt-PT", "en", "intl")}
    assert set(await rooms.shown(language="pt")) == {made["pt"], made["pt-BR"], made["pt-PT"]}
    assert await rooms.shown(language="pt-BR") == [made["pt-BR"]]
    assert await rooms.shown(language="intl") == [made["intl"]]
    assert await rooms.shown(language="p") == []


async def test_P18_tags_are_found_whole(rooms: Rooms) -> None:
    maths = await rooms.add(tags=["maths"])
    await rooms.add(tags=["mathsy", "physics"])
    mark, rooms.tag = rooms.tag, "maths"
    assert maths in await rooms.shown()
    rooms.tag = mark
    assert len(await rooms.shown()) == 2


async def test_P18_size_is_how_many_are_there(rooms: Rooms) -> None:
    made = {present: await rooms.add() for present in (0, 5, 6, 20, 21, 500)}
    for present, room in made.items():
        await rooms.say(room, present)
    by_size = {size: set(await rooms.shown(size=size)) for size in SIZES}
    assert by_size == {"small": {made[0], made[5]}, "medium": {made[6], made[20]}, "large": {made[21], made[500]}}


@pytest.mark.parametrize(
    ("present", "ends_in_ms", "quiet_ms", "status"),
    [
        (0, None, 0, "idle"),  # nobody is there
        (1, None, 0, "active"),
        (1, None, ACTIVE_MS, "active"),
        (1, None, ACTIVE_MS + MINUTE_MS, "idle"),
        (0, 1, ACTIVE_MS * 2, "active"),  # a timer runs
        (0, 0, 0, "idle"),  # its phase has ended
    ],
)
async def test_P18_active_is_a_timer_or_somebody_and_an_event_within_ten_minutes(
    rooms: Rooms, present: int, ends_in_ms: int | None, quiet_ms: int, status: str
) -> None:
    room = await rooms.add()
    ends_at = None if ends_in_ms is None else rooms.now + ends_in_ms
    await rooms.say(room, present, active_at=rooms.now - quiet_ms, ends_at=ends_at)
    assert [one.status for one in (await rooms.page())[0]] == [status]
    assert {status: await rooms.shown(status=status) for status in STATUSES} == {status: [room], _other(status): []}


async def test_P18_a_room_of_which_nothing_was_said_yet_is_idle_and_empty(rooms: Rooms) -> None:
    room = await rooms.add()
    (found,), _ = await rooms.page()
    assert (found.present, found.phase, found.ends_at, found.status) == (0, None, None, "idle")
    assert await rooms.shown(status="idle", size="small") == [room]


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ("cafe", True), ("CAFÉ", True), ("caf", True), ("afe", False), ("crème caf", True), ("night cafe", True), ("cafe tea", False),
        ("o'brien", True), ("brien", True), ("ﬁne", True), ("数学", True), ("数", True), ("go:*", False), ("! & |", False), ("'", False),
        ("\\", False), ("'a':*|'b", False), ("quiet-night", True),
    ],
)  # fmt: skip
async def test_P18_text_finds_words_that_begin_so_without_case_and_accents(rooms: Rooms, query: str, is_found: bool) -> None:
    room = await rooms.add(title="Café Crème", topic="O'Brien's fine 数学 night", tags=["quiet-corner"])
    assert await rooms.shown(words=tuple(words_of(query))) == ([room] if is_found else [])


async def test_P18_filters_hold_together(rooms: Rooms) -> None:
    both = await rooms.add(language="de", title="Quiet")
    await rooms.add(language="de", title="Loud")
    await rooms.add(language="en", title="Quiet")
    assert await rooms.shown(language="de", words=("quiet",), size="small", status="idle") == [both]


async def test_P17_what_becomes_of_a_room_becomes_of_the_list(rooms: Rooms) -> None:
    room = await rooms.add(title="Before")
    await rooms.say(room, 4)
    await rooms.change(room, title="After", visibility="private")
    assert await rooms.shown() == []
    await rooms.change(room, visibility="public")
    assert [(one.info.title, one.present) for one in (await rooms.page())[0]] == [("After", 4)], "until the room says otherwise"
    await rooms.change(room, archived_at=rooms.now)
    assert await rooms.shown() == []
    await rooms.change(room, archived_at=None)
    assert await rooms.shown(words=("after",)) == [room]
    assert await rooms.shown(words=("before",)) == []


async def test_P35_a_room_that_is_handed_over_has_its_new_host(rooms: Rooms) -> None:
    room, ben = await rooms.add(), Principal("user", "ben")
    assert (await rooms.page())[0][0].info.host is None
    handed = RoomModerated(room, 2, rooms.now, ADA, "nonce-0003", "role", ben, "host")
    await rooms.project(room, handed, RoomModerated(room, 3, rooms.now, ADA, "nonce-0004", "role", ADA, "cohost"))
    assert (await rooms.page())[0][0].info.host == ben
    renamed = RoomUpdated(room, 4, rooms.now, ben, "nonce-0005", replace(rooms.infos[room], title="Renamed", host=ben))
    await rooms.project(room, renamed, RoomModerated(room, 5, rooms.now, ben, "nonce-0006", "role", ADA, "host"))
    ((found,), _) = await rooms.page()
    assert (found.info.title, found.info.host) == ("Renamed", ADA)


# -- never listed ----------------------------------------------------------------------------


async def test_P17_no_filter_cursor_or_search_shows_a_room_that_is_not_public(rooms: Rooms) -> None:
    shown = await rooms.add(title="Secret", language="de")
    fields = {"title": "Secret", "language": "de"}
    hidden = [await rooms.add(visibility="private", **fields), await rooms.add(visibility="unlisted", **fields)]
    hidden.append(await rooms.add(archived_at=rooms.now, **fields))
    for room in hidden:
        assert await rooms.say(room, 7, ends_at=rooms.now + HOUR_MS) == [], "nobody is told of it"
    seen: set[str] = set()
    places = [f"{rooms.now - LONGEST_MS}.{10**15}", f"{rooms.now}.{10**15}", f"{rooms.now}.{rooms.now}"]
    for sort, language, size, status, words in itertools.product(
        ("activity", "newest"), (None, "de"), (None, *SIZES), (None, *STATUSES), (None, ("secret",))
    ):
        wanted: dict[str, Any] = {"sort": sort, "language": language, "size": size, "status": status, "words": words}
        cursors = [None, *(f"{sort[0]}{place}.{name}" for name in (*hidden, shown, "0") for place in places)]
        for cursor in cursors:
            seen.update(one.room for one in (await rooms.page(cursor, **wanted))[0])
    assert seen == {shown}
    assert [one.room for one in await rooms.list.now([*hidden, shown])] == [shown]


async def test_P17_every_statement_of_the_list_reads_the_view_alone() -> None:
    for sort in ("activity", "newest"):
        wanted = Wanted(sort, "de", "tag", "large", "active", ("word",))
        statement, _ = _statement(wanted, _Place(0, 0, "room"), 10, 0)
        sources = [part.split()[0] for part in statement.split("FROM ")[1:]]
        assert set(sources) <= {"listed_room", "("}


# -- order and pages -------------------------------------------------------------------------


async def walk(
    rooms: Rooms, limit: int, between: Callable[[], Coroutine[Any, Any, None]], sort: str = "activity", tag: str | None = ""
) -> list[str]:
    """All pages, with something happening between them."""
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page, cursor = await rooms.page(cursor, limit, sort=sort, **({} if tag == "" else {"tag": tag}))
        seen += [one.room for one in page]
        if cursor is None:
            return seen
        await between()


async def nothing() -> None:
    pass


async def test_P18_the_latest_active_come_first_and_move_at_most_once_in_ten_minutes(rooms: Rooms) -> None:
    start = rooms.now
    first, second, third = [await rooms.add(created_at=start + number) for number in range(3)]
    assert await rooms.shown() == [third, second, first]
    rooms.now = start + ACTIVE_MS // 2
    await rooms.say(first)
    rooms.now = start + 2 * HOUR_MS
    assert await rooms.shown() == [third, second, first], "a new room's place is its age for ten minutes"
    await rooms.say(second)
    rooms.now += MINUTE_MS
    assert await rooms.shown() == [second, third, first]
    await rooms.say(first)
    rooms.now += MINUTE_MS
    assert await rooms.shown() == [first, second, third]
    await rooms.say(second, 2)
    rooms.now += MINUTE_MS
    assert await rooms.shown() == [first, second, third]
    assert await rooms.shown(sort="newest") == [third, second, first]


async def test_P18_who_looks_at_an_old_room_does_not_move_it(rooms: Rooms) -> None:
    """Its activation writes a summary, of an activity long ago."""
    start = rooms.now
    old, other = await rooms.add(created_at=start), await rooms.add(created_at=start + 1)
    rooms.now = start + ACTIVE_MS // 2
    assert await rooms.say(old, 0, active_at=start + ACTIVE_MS // 2) == [old]
    rooms.now += HOUR_MS
    assert await rooms.say(old, 1, active_at=start + ACTIVE_MS // 2) == [old]
    rooms.now += HOUR_MS
    assert await rooms.shown() == [other, old]


@pytest.mark.parametrize("sort", ["activity", "newest"])
async def test_P18_rooms_of_one_moment_are_walked_one_by_one(rooms: Rooms, sort: str) -> None:
    made = {await rooms.add() for _ in range(7)}
    for limit in (1, 3, 7, 8):
        seen = await walk(rooms, limit, nothing, sort)
        assert len(seen) == 7
        assert set(seen) == made


class Town:
    """Rooms that come, go and become active; time passes."""

    def __init__(self, rooms: Rooms, random: Random) -> None:
        self.rooms = rooms
        self.random = random
        self.lasting: set[str] = set()
        """In the list since the walk began."""
        self.alive: list[str] = []

    async def settle(self) -> None:
        """Hours before the walk: rooms of one moment, rooms that were active now and then."""
        for _ in range(self.random.randrange(6, 18)):
            self.alive.append(await self.rooms.add())
            self.rooms.now += self.random.choice((0, 0, 1, MINUTE_MS, ACTIVE_MS))
        for _ in range(self.random.randrange(30)):
            self.rooms.now += self.random.randrange(5 * MINUTE_MS)
            await self.rooms.say(self.random.choice(self.alive), self.random.randrange(9))
        self.lasting = set(self.alive)
        self.ends = self.rooms.now + 9 * MINUTE_MS

    async def live(self) -> None:
        for _ in range(self.random.randrange(8)):
            await self.random.choice((self.come, self.go, self.hide, self.act, self.act, self.act_late, self.wait))()

    async def come(self) -> None:
        self.alive.append(await self.rooms.add())

    async def go(self) -> None:
        await self._end(archived_at=self.rooms.now)

    async def hide(self) -> None:
        await self._end(visibility=self.random.choice(("private", "unlisted")))

    async def _end(self, **fields: Any) -> None:
        room = self.alive.pop(self.random.randrange(len(self.alive)))
        self.lasting.discard(room)
        await self.rooms.change(room, **fields)
        self.alive.append(await self.rooms.add())

    async def act(self) -> None:
        await self.rooms.say(self.random.choice(self.alive), self.random.randrange(9))

    async def act_late(self) -> None:
        """Committed only now, though its time is before: as long before as that may be."""
        await self.rooms.say(self.random.choice(self.alive), self.random.randrange(9), at=self.rooms.now - MARGIN_MS + 1)

    async def wait(self) -> None:
        self.rooms.now = min(self.ends, self.rooms.now + self.random.choice((1, 1000, 20_000, MINUTE_MS)))


@pytest.mark.parametrize("number", range(25))
async def test_P18_a_walk_neither_skips_nor_repeats_a_room_that_is_there_all_along(rooms: Rooms, seed: int, number: int) -> None:
    random = seeded(f"walk {seed} {number}")
    town = Town(rooms, random)
    await town.settle()
    sort = random.choice(("activity", "activity", "activity", "newest"))
    seen = await walk(rooms, random.randrange(1, 5), town.live, sort)
    assert len(seen) == len(set(seen)), "repeated"
    assert town.lasting <= set(seen), "skipped"


async def test_P18_a_walk_longer_than_ten_minutes_still_repeats_nothing(rooms: Rooms, seed: int) -> None:
    random = seeded(f"long walk {seed}")
    town = Town(rooms, random)
    await town.settle()
    town.ends = rooms.now + 6 * HOUR_MS

    async def live() -> None:
        rooms.now += 6 * MINUTE_MS
        await town.live()

    seen = await walk(rooms, 2, live)
    assert len(seen) == len(set(seen))


async def test_P18_a_walk_that_begins_again_at_once_is_the_same_bytes(rooms: Rooms) -> None:
    """Else no entity tag would ever match."""
    for _ in range(3):
        await rooms.add()
    rooms.now = rooms.now // 10_000 * 10_000 + MARGIN_MS
    before = await rooms.page(limit=2)
    rooms.now += 9_999
    assert await rooms.page(limit=2) == before


@pytest.mark.parametrize("sort", ["activity", "newest"])
async def test_P18_a_cursor_is_good_for_a_day_and_never_before_its_time(rooms: Rooms, sort: str) -> None:
    room = await rooms.add()
    for age_ms in (0, LONGEST_MS):
        (found,), _ = await rooms.page(f"{sort[0]}{rooms.now - age_ms}.{10**15}.z", sort=sort)
        assert found.room == room
    for age_ms in (-1, LONGEST_MS + 1, rooms.now):
        with pytest.raises(Invalid) as caught:
            await rooms.page(f"{sort[0]}{rooms.now - age_ms}.{10**15}.z", sort=sort)
        assert caught.value.field == "cursor"


@pytest.mark.parametrize("sort", ["activity", "newest"])
async def test_P18_a_page_is_one_statement_whatever_is_wanted(database: Database, rooms: Rooms, sort: str) -> None:
    for _ in range(5):
        await rooms.add()
    before = database.statements
    _, cursor = await rooms.page(limit=2, sort=sort, language="en", status="idle", size="small", words=("room",))
    await rooms.page(cursor, 2, sort=sort)
    assert database.statements == before + 2


CROWD = """
INSERT INTO room
    (room, kind, title, topic, language, visibility, created_at, created_by_type, created_by_id, tags, words, rank_at, rank_before)
SELECT 'crowd' || n, 'study', 'Room', '', (ARRAY['en', 'pt', 'es'])[n % 3 + 1], 'public', 2e12 + n, 'user', 'ada', ARRAY['t' || n % 100],
    array_to_tsvector(ARRAY['room', 'w' || n]), 2e12 + n, 2e12 + n
FROM generate_series(1, 5000) AS n
"""


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in _nodes(child))]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Wanted(), "room_listed"),
        (Wanted("newest"), "room_listed_newest"),
        (Wanted(language="pt"), "room_listed_language"),
        (Wanted(words=("w77",)), "room_listed_words"),
    ],
)
async def test_P18_a_page_walks_an_index_and_reads_little_more_than_it_shows(database: Database, wanted: Wanted, index: str) -> None:
    statement, values = _statement(wanted, _Place(2 * 10**12 + 5000, 2 * 10**12 + 4950, "zzz"), 20, 2 * 10**12)
    async with database.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(CROWD)
        await connection.execute("ANALYZE room")
        explained = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *values)
        await transaction.rollback()
    nodes = _nodes(msgspec.json.decode(explained)[0]["Plan"])
    assert index in {node.get("Index Name") for node in nodes}
    scans = [node for node in nodes if node.get("Relation Name") == "room"]
    assert sum(node["Actual Rows"] + node.get("Rows Removed by Filter", 0) for node in scans) <= 300


async def test_how_rooms_are_now_is_one_statement(database: Database, rooms: Rooms) -> None:
    one, other = await rooms.add(), await rooms.add()
    await rooms.say(one, 2, ends_at=rooms.now + 5)
    before = database.statements
    found = await rooms.list.now([one, other, new_id(1), "' OR true --"])
    assert database.statements == before + 1
    assert sorted(found, key=lambda room: room.present) == [ListedRoom(other, 0), ListedRoom(one, 2, "focus", rooms.now + 5)]


def _other(status: str) -> str:
    return next(one for one in STATUSES if one != status)
