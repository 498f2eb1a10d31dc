"""The list, live: read in one statement a second at most, told once a viewer and second, the latest of each room."""

import asyncio
from collections.abc import Callable, Iterator, Sequence

import pytest

from commonroom.engine.gateway.listing import AT_ONCE, PERIOD_S, Listings, Told
from commonroom.engine.testing.loop import VirtualLoop
from commonroom.errors import Unavailable
from commonroom.identity import Principal
from commonroom.protocol.codec import JSON, MSGPACK
from commonroom.protocol.listing import ListedRoom, ListingUpdate, ListingWatch
from commonroom.protocol.session import Reply
from commonroom.tasks import TaskGroup
from tests.gateway.rig import Rig

ADA = Principal("user", "ada")


class Screen:
    """Somebody's page; `slow`: takes nothing now."""

    def __init__(self) -> None:
        self.got: list[list[ListedRoom]] = []
        self.slow = False

    def list_changed(self, told: Told) -> bool:
        if not self.slow:
            self.got.append(told.update.rooms)
        return not self.slow

    def took(self) -> list[list[ListedRoom]]:
        taken, self.got = self.got, []
        return taken


class Hall:
    """A node's pages in virtual time, and the table they are read from."""

    def __init__(self) -> None:
        self.loop = VirtualLoop()
        self.rooms: dict[str, ListedRoom] = {}
        self.reads: list[list[str]] = []
        self.away = False
        self.off: set[Principal] = set()
        self.crashes: list[BaseException] = []
        self.tasks = TaskGroup(lambda _name, error: self.crashes.append(error))
        self.listings = Listings(self._load, self.tasks, lambda who: who not in self.off)

    async def _load(self, rooms: Sequence[str]) -> list[ListedRoom]:
        self.reads.append(list(rooms))
        await asyncio.sleep(0)
        if self.away:
            raise Unavailable("the table is away")
        return [self.rooms[room] for room in rooms if room in self.rooms]

    def put(self, room: str, present: int) -> None:
        self.rooms[room] = ListedRoom(room, present)

    def do(self, call: Callable[[], object], seconds: float = 0.01) -> None:
        self.loop.call_soon(call)
        self.loop.run_for(seconds)

    def watch(self, screen: Screen, *rooms: str) -> None:
        self.do(lambda: self.listings.watch(screen, ADA, rooms))

    def changed(self, *rooms: str) -> None:
        self.do(lambda: self.listings.changed(rooms))

    def close(self) -> None:
        self.loop.run_until_complete(self.tasks.close())
        self.loop.close()
        assert not self.crashes


@pytest.fixture
def hall() -> Iterator[Hall]:
    hall = Hall()
    for number in range(5):
        hall.put(f"r{number}", number)
    yield hall
    hall.close()


def test_P18_who_watches_is_told_how_each_room_is_at_once(hall: Hall) -> None:
    screen = Screen()
    hall.watch(screen, "r1", "r3")
    assert screen.took() == [[ListedRoom("r1", 1), ListedRoom("r3", 3)]]
    assert hall.reads == [["r1", "r3"]]


def test_P18_what_changes_is_told_and_nothing_else(hall: Hall) -> None:
    screen = Screen()
    hall.watch(screen, "r1", "r3")
    hall.loop.run_for(PERIOD_S)
    screen.took()
    hall.put("r3", 30)
    hall.changed("r1", "r3", "r4")
    assert screen.took() == [[ListedRoom("r3", 30)]]
    assert hall.reads[1:] == [["r1", "r3"]]


def test_P17_what_is_not_in_the_list_reads_as_ended_whatever_it_is(hall: Hall) -> None:
    screen = Screen()
    hall.watch(screen, "r1", "private", "never there")
    assert screen.took() == [[ListedRoom("r1", 1), ListedRoom("private", 0, ended=True), ListedRoom("never there", 0, ended=True)]]
    del hall.rooms["r1"]
    hall.loop.run_for(PERIOD_S)
    hall.changed("r1")
    assert screen.took() == [[ListedRoom("r1", 0, ended=True)]]


def test_P18_nobody_is_told_more_than_once_a_second_and_then_of_the_latest(hall: Hall) -> None:
    screen = Screen()
    hall.watch(screen, "r1", "r2")
    for number in range(100):
        hall.put("r1", 100 + number)
        hall.put("r2", 200 + number)
        hall.changed("r1")
        hall.changed("r2")
        hall.loop.run_for(0.03)
    hall.loop.run_for(2 * PERIOD_S)
    told = screen.took()
    assert len(told) <= 7, "5 s and the first"
    assert told[-1] == [ListedRoom("r1", 199), ListedRoom("r2", 299)]
    assert len(hall.reads) <= 7


def test_P18_many_viewers_are_one_statement_a_second(hall: Hall) -> None:
    screens = [Screen() for _ in range(50)]
    for number, screen in enumerate(screens):
        hall.loop.call_soon(hall.listings.watch, screen, ADA, (f"r{number % 5}", "r0"))
    hall.loop.run_for(0.01)
    assert len(hall.reads) == 1
    assert all(len(screen.took()) == 1 for screen in screens)
    assert hall.listings.told == 50


def test_P18_who_comes_later_is_told_what_is_known_without_another_read(hall: Hall) -> None:
    first, second = Screen(), Screen()
    hall.watch(first, "r1")
    hall.watch(second, "r1")
    hall.loop.run_for(2 * PERIOD_S)
    assert second.took() == [[ListedRoom("r1", 1)]]
    assert len(hall.reads) == 1
    assert len(first.took()) == 1


def test_P18_another_page_takes_the_place_of_the_former(hall: Hall) -> None:
    screen = Screen()
    hall.watch(screen, "r1", "r2")
    hall.loop.run_for(PERIOD_S)
    screen.took()
    hall.watch(screen, "r2", "r3")
    assert screen.took() == [[ListedRoom("r3", 3)]], "what it knows already is not told again"
    hall.loop.run_for(PERIOD_S)
    for room in ("r1", "r2"):
        hall.put(room, 9)
    hall.changed("r1", "r2")
    assert screen.took() == [[ListedRoom("r2", 9)]]
    hall.watch(screen)
    hall.put("r3", 9)
    hall.changed("r3")
    hall.loop.run_for(2 * PERIOD_S)
    assert screen.took() == []
    assert len(hall.listings) == 0
    assert not hall.listings._rooms


def test_P18_who_is_gone_is_told_nothing_and_nothing_is_kept(hall: Hall) -> None:
    screen, other = Screen(), Screen()
    hall.watch(screen, "r1", "r2")
    hall.watch(other, "r2")
    hall.listings.leave(screen)
    hall.listings.leave(screen)
    hall.changed("r1", "r2")
    hall.loop.run_for(3 * PERIOD_S)
    assert len(screen.took()) == 1
    hall.listings.leave(other)
    assert not hall.listings._rooms
    assert not hall.listings._wanted
    assert not hall.listings._waiting


def test_P18_who_is_slow_is_told_the_latest_once_it_can_take_it(hall: Hall) -> None:
    screen = Screen()
    hall.watch(screen, "r1", "r2")
    hall.loop.run_for(PERIOD_S)
    screen.took()
    screen.slow = True
    for present in range(10, 14):
        hall.put("r1", present)
        hall.changed("r1")
        hall.loop.run_for(PERIOD_S)
    screen.slow = False
    hall.loop.run_for(2 * PERIOD_S)
    assert screen.took() == [[ListedRoom("r1", 13)]]


def test_P18_of_a_page_that_is_left_nothing_is_told_later(hall: Hall) -> None:
    screen = Screen()
    screen.slow = True
    hall.watch(screen, "r1", "r2")
    hall.watch(screen, "r2")
    screen.slow = False
    hall.loop.run_for(2 * PERIOD_S)
    assert screen.took() == [[ListedRoom("r2", 2)]]
    screen.slow = True
    hall.put("r2", 20)
    hall.changed("r2")
    hall.watch(screen)
    screen.slow = False
    hall.loop.run_for(2 * PERIOD_S)
    assert screen.took() == []


def test_P18_nothing_runs_while_nothing_changes(hall: Hall) -> None:
    hall.watch(Screen(), "r1")
    hall.loop.run_for(2 * PERIOD_S)
    assert not hall.listings._is_running
    hall.loop.run_for(3600)
    assert len(hall.reads) == 1


def test_P18_what_could_not_be_read_is_read_again(hall: Hall) -> None:
    screen = Screen()
    hall.away = True
    hall.watch(screen, "r1")
    hall.loop.run_for(3 * PERIOD_S)
    assert screen.took() == []
    hall.away = False
    hall.loop.run_for(2 * PERIOD_S)
    assert screen.took() == [[ListedRoom("r1", 1)]]


def test_P18_after_a_gap_of_the_bus_all_that_is_shown_is_read_again(hall: Hall) -> None:
    screen = Screen()
    hall.watch(screen, "r1", "r2")
    hall.loop.run_for(PERIOD_S)
    screen.took()
    hall.put("r2", 7)
    hall.do(hall.listings.reread)
    assert screen.took() == [[ListedRoom("r2", 7)]]


def test_P18_more_rooms_than_one_statement_takes_are_read_one_after_another(hall: Hall) -> None:
    screens = [Screen() for _ in range(AT_ONCE // 100 + 1)]
    for number, screen in enumerate(screens):
        hall.loop.call_soon(hall.listings.watch, screen, ADA, [f"{number}-{place}" for place in range(100)])
    hall.loop.run_for(0.01)
    assert [len(rooms) for rooms in hall.reads] == [AT_ONCE]
    hall.loop.run_for(PERIOD_S)
    assert [len(rooms) for rooms in hall.reads] == [AT_ONCE, 100]
    assert all(len(screen.got) == 1 for screen in screens)


def test_P33_for_whom_it_is_off_nothing_is_told(hall: Hall) -> None:
    screen = Screen()
    hall.off.add(ADA)
    hall.watch(screen, "r1")
    assert screen.took() == []
    assert len(hall.listings) == 0


def test_an_update_is_framed_once_a_codec() -> None:
    told = Told(ListingUpdate([ListedRoom("r1", 1)]))
    assert told.framed(MSGPACK) is told.framed(MSGPACK)
    assert told.framed(JSON) != told.framed(MSGPACK)


async def test_a_session_watches_and_is_answered(rig: Rig) -> None:
    rooms = {"r1": ListedRoom("r1", 3, "focus", 5)}

    async def load(wanted: Sequence[str]) -> list[ListedRoom]:
        return [rooms[room] for room in wanted if room in rooms]

    rig.gateway.listings._load = load
    socket = await rig.hello("+uma@s1")
    socket.command(ListingWatch(2, ["r1", "r2"]))
    assert await socket.message() == Reply(2)
    assert await socket.message() == ListingUpdate([ListedRoom("r1", 3, "focus", 5), ListedRoom("r2", 0, ended=True)])
    socket.abort()
    async with asyncio.timeout(30):
        while len(rig.gateway.listings):
            await asyncio.sleep(0.001)
