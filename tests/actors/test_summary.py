"""Summaries: what lists are told of rooms, when, and that nothing is told where nothing happens."""

from collections.abc import Collection, Iterator, Sequence

import pytest
from msgspec import Struct

from commonroom.engine.address import SLOTS, Address
from commonroom.engine.summary import BATCH, MAX_LEFT, TICK_S
from commonroom.errors import CommonroomError, InternalError, NotJoined, Unavailable
from commonroom.protocol.listing import RoomSummary
from commonroom.protocol.room import RoomArchive, RoomUpdate
from commonroom.protocol.timer import TimerPause, TimerSettings, TimerStart
from commonroom.storage.summary import Summary
from tests.actors.stage import Device, Stage

MINUTE_MS = 60_000
SHORT = TimerSettings(focus_ms=25 * MINUTE_MS, auto_start=False)


class Store:
    """Keeps what it is told. `error`: instead of that."""

    def __init__(self) -> None:
        self.rooms: dict[str, RoomSummary] = {}
        self.said: list[RoomSummary] = []
        self.calls: list[tuple[set[int], list[str]]] = []
        self.error: CommonroomError | None = None

    async def write(self, opened: Collection[int], summaries: Sequence[Summary]) -> Sequence[str]:
        self.calls.append((set(opened), [one.key for one in summaries]))
        if self.error is not None:
            raise self.error
        for one in summaries:
            assert isinstance(one.said, RoomSummary)
            self.rooms[one.key] = one.said
            self.said.append(one.said)
        return [one.key for one in summaries]

    def took(self) -> list[list[str]]:
        """The rooms of each call; takes them out."""
        taken, self.calls = [rooms for _, rooms in self.calls], []
        return taken


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def stage(store: Store) -> Iterator[Stage]:
    stage = Stage(summaries=store)
    yield stage
    stage.close()


def host_of(stage: Stage, name: str = "Alice") -> Device:
    """A user: rooms of guests are not public."""
    return stage.device(stage.user(stage.person(name)))


def public(stage: Stage, host: Device, timer: TimerSettings = SHORT) -> str:
    return stage.room(host, timer, visibility="public")


def test_P18_the_list_is_told_who_is_there_and_what_runs_within_two_seconds(stage: Stage, store: Store) -> None:
    alice, bob = host_of(stage), stage.person("Bob")
    room = public(stage, alice)
    alice.join(room)
    bob.join(room)
    alice.timer(room, TimerStart)
    stage.advance(2 * TICK_S)
    said = store.rooms[room]
    assert (said.present, said.phase) == (2, "focus")
    assert said.ends_at == stage.actor(room).room.active_at + SHORT.focus_ms
    assert said.active_at % MINUTE_MS == 0
    assert 0 <= stage.now() - said.active_at < 2 * MINUTE_MS
    alice.timer(room, TimerPause)
    bob.leave(room)
    stage.advance(2 * TICK_S)
    assert (store.rooms[room].present, store.rooms[room].phase, store.rooms[room].ends_at) == (1, None, None)


def test_P15_a_room_whose_timer_merely_runs_writes_nothing(stage: Stage, store: Store) -> None:
    alice = host_of(stage)
    room = public(stage, alice)
    alice.join(room)
    alice.timer(room, TimerStart)
    stage.advance(2 * TICK_S)
    store.took()
    commits = stage.journal.calls
    stage.advance(24 * 60)
    assert store.took() == []
    assert stage.journal.calls == commits
    stage.advance(2 * 60)
    assert store.took() == [[room]], "its end"


def test_P15_what_leaves_a_room_as_it_was_is_not_told_again(stage: Stage, store: Store) -> None:
    alice, bob = host_of(stage), stage.person("Bob")
    room = public(stage, alice)
    alice.join(room)
    stage.advance(60 - stage.now() % MINUTE_MS / 1000)
    alice.say(room, "of this minute")
    stage.advance(2 * TICK_S)
    store.took()
    for number in range(20):
        alice.say(room, f"another {number}")
        stage.advance(0.3)
    bob.join(room)
    bob.leave(room)
    stage.advance(2 * TICK_S)
    assert store.took() == []


def test_many_changes_of_a_second_are_told_once(stage: Stage, store: Store) -> None:
    alice = host_of(stage)
    rooms = [public(stage, alice) for _ in range(3)]
    for room in rooms:
        alice.join(room)
    stage.advance(2 * TICK_S)
    said = [room for call in store.took() for room in call]
    assert set(said) == set(rooms)
    assert len(said) <= 2 * len(rooms), "founded, and joined"


@pytest.mark.parametrize("visibility", ["unlisted", "private"])
def test_P17_of_a_room_that_is_not_listed_nothing_is_told(stage: Stage, store: Store, visibility: str) -> None:
    alice = host_of(stage)
    room = stage.room(alice, visibility=visibility)
    alice.join(room)
    alice.say(room, "nobody's business")
    stage.advance(2 * TICK_S)
    assert room not in store.rooms


def test_P17_a_room_that_is_listed_no_more_is_not_told_of(stage: Stage, store: Store) -> None:
    alice, bob = host_of(stage), stage.person("Bob")
    room, other = public(stage, alice), public(stage, alice)
    for one in (room, other):
        alice.join(one)
    alice._changed(RoomUpdate, room, visibility="private")
    alice._changed(RoomArchive, other)
    stage.advance(2 * TICK_S)
    store.took()
    alice.leave(room)
    alice.leave(other)
    bob.join(public(stage, alice))
    stage.advance(2 * TICK_S)
    assert not {room, other} & {one for call in store.took() for one in call}


@pytest.mark.parametrize("is_archived", [False, True])
def test_P18_a_room_that_is_listed_again_is_told_anew(stage: Stage, store: Store, is_archived: bool) -> None:
    alice = host_of(stage)
    room = public(stage, alice)
    alice.join(room)
    stage.advance(2 * TICK_S)
    before = store.rooms[room].present
    for is_away in (True, False):
        store.rooms.clear()
        if is_archived:
            alice._changed(RoomArchive, room, archived=is_away)
        else:
            alice._changed(RoomUpdate, room, visibility="private" if is_away else "public")
        stage.advance(2 * TICK_S)
        assert (room in store.rooms) is not is_away
    assert store.rooms[room].present == before == 1


def test_I2_no_list_shows_what_is_not_committed(stage: Stage, store: Store) -> None:
    alice = host_of(stage)
    room = public(stage, alice)
    alice.join(room)
    stage.advance(2 * TICK_S)
    stage.journal.stop()
    alice.send(TimerStart, room, nonce=alice.nonce())
    stage.advance(5 * TICK_S)
    assert store.rooms[room].phase is None
    stage.journal.resume()
    stage.advance(3 * TICK_S)
    assert store.rooms[room].phase == "focus"


def test_I2_what_was_never_committed_is_never_told(stage: Stage, store: Store) -> None:
    alice = host_of(stage)
    room = public(stage, alice)
    alice.join(room)
    stage.advance(2 * TICK_S)
    stage.journal.stop()
    alice.send(TimerStart, room, nonce=alice.nonce())
    stage.advance(3 * TICK_S)
    stage.fail(room)
    stage.journal.resume()
    stage.advance(3 * TICK_S)
    stage.mend(room)
    stage.advance(5 * TICK_S)
    assert store.rooms[room].present == 1
    assert not [said for said in store.said if said.phase is not None]


def test_what_an_activation_left_is_told_after_its_end(store: Store) -> None:
    with Stage(summaries=store, idle_s=0.5) as stage:
        alice = host_of(stage)
        room = public(stage, alice)
        alice.join(room)
        stage.advance(TICK_S)
        alice.leave(room)
        assert stage.run_until(lambda: stage.activation(room) is None)
        stage.advance(2 * TICK_S)
        assert store.rooms[room].present == 0


def test_I2_what_an_activation_left_that_failed_is_not_told(stage: Stage, store: Store) -> None:
    failed, ended = Pretender(1), Pretender(2)
    stage.summaries.touched.update(dict.fromkeys((failed, ended)))
    stage.summaries.ended(failed, cleanly=False)
    stage.summaries.ended(ended, cleanly=True)
    stage.advance(2 * TICK_S)
    assert list(store.rooms) == [ended.address.key]


def test_what_there_is_at_the_end_is_told(store: Store) -> None:
    with Stage(summaries=store) as stage:
        alice = host_of(stage)
        room = public(stage, alice)
        alice.join(room)
    assert store.rooms[room].present == 1


def test_a_new_process_says_that_nobody_is_there_until_announced(stage: Stage, store: Store) -> None:
    alice = host_of(stage)
    room = public(stage, alice)
    alice.join(room)
    stage.advance(2 * TICK_S)
    assert store.calls[0][0] == set(range(SLOTS)), "with the first call, all slots"
    assert all(not opened for opened, _ in store.calls[1:])
    store.took()
    stage.restart()
    stage.advance(2 * TICK_S)
    assert store.calls == [(set(range(SLOTS)), [])]


def test_while_the_database_is_away_the_latest_waits(stage: Stage, store: Store) -> None:
    alice, bob = host_of(stage), stage.person("Bob")
    room = public(stage, alice)
    store.error = Unavailable("away")
    alice.join(room)
    stage.advance(3 * TICK_S)
    bob.join(room)
    stage.advance(3 * TICK_S)
    assert store.rooms == {}
    store.error = None
    stage.advance(2 * TICK_S)
    assert store.rooms[room].present == 2
    assert stage.summaries._opened == {}


def test_what_is_refused_is_given_up_and_others_go_on(stage: Stage, store: Store) -> None:
    alice = host_of(stage)
    room = public(stage, alice)
    store.error = InternalError("the statement was refused")
    alice.join(room)
    stage.advance(3 * TICK_S)
    assert len(store.calls) <= 3
    assert stage.summaries.stats.failed > 0
    store.error = None
    stage.advance(60)
    alice.say(room, "again")
    stage.advance(2 * TICK_S)
    assert store.rooms[room].present == 1


def test_of_slots_that_are_anothers_nothing_is_told(stage: Stage, store: Store) -> None:
    alice = host_of(stage)
    room = public(stage, alice)
    stage.advance(2 * TICK_S)
    store.took()
    alice.join(room)
    activation = stage.activation(room)
    assert activation is not None
    stage.loop.call_soon(stage.host.drop_slots, [activation.slot])
    stage.advance(3 * TICK_S)
    assert room not in [one for call in store.took() for one in call]


def test_more_than_a_batch_goes_in_several_calls_at_once(stage: Stage, store: Store) -> None:
    touched = [Pretender(number) for number in range(2 * BATCH + 1)]
    stage.summaries.touched.update(dict.fromkeys(touched))
    stage.advance(TICK_S + 0.1)
    assert sorted(map(len, store.took())) == [1, BATCH, BATCH]


def test_what_ended_while_the_database_is_away_is_kept_up_to_a_bound(stage: Stage, store: Store) -> None:
    store.error = Unavailable("away")
    for number in range(MAX_LEFT + 5):
        pretender = Pretender(number)
        stage.summaries.touched[pretender] = None
        stage.summaries.ended(pretender, cleanly=True)
    assert len(stage.summaries._left) == MAX_LEFT
    assert stage.summaries.stats.forgotten == 5
    store.error = None
    stage.advance(2 * TICK_S)
    assert len(store.rooms) == MAX_LEFT


def test_what_is_newer_is_left_as_it_is_when_a_write_fails(stage: Stage, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    summaries, older, newer = stage.summaries, Pretender(1), Pretender(1, present=2)
    store.error = Unavailable("away")
    write = store.write

    async def ended_meanwhile(opened: Collection[int], said: Sequence[Summary]) -> Sequence[str]:
        summaries.touched[newer] = None
        summaries.ended(newer, cleanly=True)
        return await write(opened, said)

    monkeypatch.setattr(store, "write", ended_meanwhile)
    summaries.touched[older] = None
    summaries.ended(older, cleanly=True)
    stage.advance(TICK_S + 0.1)
    store.error = None
    monkeypatch.undo()
    stage.advance(TICK_S)
    assert store.rooms[newer.address.key].present == 2


def test_a_room_that_is_loaded_again_mends_what_is_wrong_of_it(store: Store) -> None:
    with Stage(summaries=store, idle_s=0.5) as stage:
        alice = host_of(stage)
        room = public(stage, alice)
        stage.advance(5 * TICK_S)
        assert stage.activation(room) is None
        before, store.rooms[room] = store.rooms[room], RoomSummary(7, "focus", 1, 0)
        with pytest.raises(NotJoined):
            stage.person("Bob").typing(room)
        stage.advance(2 * TICK_S)
        assert store.rooms[room] == before


class Pretender:
    """An activation that did something."""

    def __init__(self, number: int, present: int = 1) -> None:
        self.present = present
        self.address = Address("room", f"room{number}")
        self.head = self.committed = 1
        self.summarized: Struct | None = None

    def summary(self) -> RoomSummary:
        return RoomSummary(self.present, None, None, 0)
