"""What a room is, changed by its host and co-hosts; locked, full, archived; and rooms that end by themselves."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec import Struct
from msgspec.structs import replace

from commonroom.actors import kinds
from commonroom.actors.room.porter import MAX_LEFT, RETURN_MS
from commonroom.actors.room.roster import Member
from commonroom.actors.room.settings import GRACE_MS, HOUR_MS, MAX_INSIDE, Unshown, unshown
from commonroom.errors import CommonroomError, Conflict, Forbidden, Hidden, Invalid, NotFound, RoomFull, RoomLocked, SignInNeeded
from commonroom.identity import Principal
from commonroom.moderation import UNFILTERED, Filter, Words
from commonroom.permissions import HOST, STAFF, TABLE, TIMER
from commonroom.protocol.chat import MessageCreate
from commonroom.protocol.invite import InviteAccept, InviteCode, InviteCreate
from commonroom.protocol.moderation import RoomKick, RoomRole
from commonroom.protocol.registry import COMMANDS
from commonroom.protocol.room import RoomArchive, RoomInfo, RoomUpdate, RoomUpdated, Visibility
from commonroom.protocol.roster import Person
from commonroom.protocol.timer import TimerStart
from tests.actors.stage import Device, Stage

DAY_MS = 24 * HOUR_MS


@pytest.fixture
def idle() -> Iterator[Stage]:
    """A stage whose rooms end after a day without events, and are passivated after two minutes."""
    stage = Stage(idle_s=120.0)
    stage.host._kinds = stage._kinds = kinds(UNFILTERED, room_idle_ms=DAY_MS)
    yield stage
    stage.close()


@pytest.fixture
def in_room(alice: Device, bob: Device, room: str) -> str:
    alice.join(room)
    bob.join(room)
    return room


def info(stage: Stage, room: str) -> RoomInfo:
    return stage.actor(room).room.known


def cohost(alice: Device, room: str, device: Device) -> None:
    alice.do(RoomRole, room, person=device.principal, role="cohost")


def refused(kind: type[CommonroomError], attempt: Any, *arguments: Any, **fields: Any) -> CommonroomError:
    with pytest.raises(kind) as caught:
        attempt(*arguments, **fields)
    assert type(caught.value) is kind
    return caught.value


def moved(stage: Stage, alice: Device, room: str) -> None:
    """Another activation takes over; who follows is announced to it."""
    before = stage.activation(room)
    stage.fail(room)
    alice.send(RoomUpdate, room, nonce=alice.nonce(), theme="night")
    stage.advance(0.1)
    stage.mend(room)
    assert stage.run_until(lambda: stage.activation(room) not in {None, before})
    stage.advance(5)


# -- changing what it is ----------------------------------------------------------------


def test_P17_the_host_changes_every_setting_and_all_are_told_who_and_why(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    before = info(stage, in_room)
    changes: dict[str, Any] = {
        "title": "Deep work",
        "topic": "Quietly",
        "language": "pt",
        "visibility": "private",
        "tags": ["maths", "exam-2026"],
        "size_limit": 20,
        "theme": "forest",
        "timer_policy": "cohosts",
        "slow_ms": 5000,
        "locked": True,
    }
    offset = alice.do(RoomUpdate, in_room, **changes, why="new term").offset
    (push,) = bob.took(RoomUpdated)
    assert (push.offset, push.author, push.why) == (offset, alice.principal, "new term")
    assert push.info == replace(before, **changes) == info(stage, in_room)
    assert alice.join(in_room).info == push.info


def test_what_would_change_nothing_is_no_event(alice: Device, bob: Device, in_room: str) -> None:
    assert alice.do(RoomUpdate, in_room, title="Room", slow_ms=0, tags=[], locked=False).offset == 0
    assert alice.do(RoomArchive, in_room, archived=False).offset == 0
    assert bob.took(RoomUpdated) == []


def test_P35_a_cohost_slows_and_locks_and_changes_nothing_else(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    refused(Forbidden, bob.do, RoomUpdate, in_room, slow_ms=1000)
    cohost(alice, in_room, bob)
    bob.do(RoomUpdate, in_room, slow_ms=1000, locked=True)
    assert (info(stage, in_room).slow_ms, info(stage, in_room).locked) == (1000, True)
    for change in ({"title": "Mine"}, {"visibility": "private"}, {"filtered_words": ["exam"]}, {"slow_ms": 0, "theme": "night"}):
        refused(Forbidden, bob.do, RoomUpdate, in_room, **change)
    assert info(stage, in_room).slow_ms == 1000, "refused as a whole"


@pytest.mark.parametrize("name", [name for name, rule in TABLE.items() if name in COMMANDS and rule.user in {HOST, STAFF}])
def test_P7_whoever_is_only_in_the_room_is_refused_what_is_hosts(alice: Device, bob: Device, in_room: str, name: str) -> None:
    command = COMMANDS[name]
    fields: dict[str, Any] = {"person": alice.principal} if "person" in command.__struct_fields__ else {}
    fields |= {"invite": "x"} if "invite" in command.__struct_fields__ else {}
    fields |= {"nonce": bob.nonce()} if "nonce" in command.__struct_fields__ else {}
    assert refused(Forbidden, bob.ask, command, in_room, **fields).action == name  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("policy", "cohosts_may", "others_may"), [("everyone", True, True), ("cohosts", True, False), ("host", False, False)]
)
def test_P13_who_works_the_timer_is_as_the_room_has_it(
    stage: Stage, alice: Device, bob: Device, in_room: str, policy: str, cohosts_may: bool, others_may: bool
) -> None:
    carol = stage.person("Carol")
    carol.join(in_room)
    cohost(alice, in_room, bob)
    alice.do(RoomUpdate, in_room, timer_policy=policy)
    timers = [command for name, command in COMMANDS.items() if TABLE[name].user is TIMER]
    assert TimerStart in timers
    for device, may in ((alice, True), (bob, cohosts_may), (carol, others_may)):
        for command in timers:
            try:
                device.do(command, in_room)
            except Forbidden:
                assert not may
            except Conflict:
                assert may  # of the timer's own state
            else:
                assert may


def test_P18_tags_are_kept_in_lower_case_composed_and_once(stage: Stage, alice: Device, in_room: str) -> None:
    alice.do(RoomUpdate, in_room, tags=["Maths", " maths ", "café", "数学", "हिन्दी", "a-b-1"])
    assert info(stage, in_room).tags == ["maths", "café", "数学", "हिन्दी", "a-b-1"]
    for tag in ("two words", "-a", "a-", "a--b", "-", "c++", "a\u202e", "*", "ß" * 25, "\u0130" * 13):
        assert refused(Invalid, alice.do, RoomUpdate, in_room, tags=[tag]).field == "$.tags"  # type: ignore[attr-defined]


def test_C9_title_topic_tags_and_reasons_pass_the_filter_with_the_words_given_at_once() -> None:
    with Stage() as stage:
        stage.host._kinds = stage._kinds = kinds(Filter("mask", Words(["damn"])))
        alice = stage.person("Alice")
        room = stage.room(alice)
        alice.join(room)
        alice.do(RoomUpdate, room, title="damn exam", topic="exam damn", filtered_words=["exam"], why="damn it")
        (push,) = alice.took(RoomUpdated)
        assert (push.info.title, push.info.topic, push.why) == ("**** ****", "**** ****", "**** it")
        for tag in ("damn", "exam"):
            refused(Invalid, alice.do, RoomUpdate, room, tags=[tag])
        alice.say(room, "an exam")
        assert alice.took(MessageCreate)[-1].text == "an ****"
        stage.restart()
        alice.join(room)
        alice.say(room, "an exam")
        assert alice.took(MessageCreate)[-1].text == "an ****", "the words are part of what is kept"
        alice.do(RoomUpdate, room, filtered_words=[])
        alice.say(room, "an exam")
        assert alice.took(MessageCreate)[-1].text == "an exam"
        assert b"exam" not in b"".join(event.payload for event in stage.journal.streams[f"room/{room}"].events[1:2])


@pytest.mark.parametrize("text", ["a\nb", " ", "a\0", "\ud800"])
def test_a_title_or_reason_is_one_line_of_something(alice: Device, in_room: str, text: str) -> None:
    refused(Invalid, alice.do, RoomUpdate, in_room, title=text)
    refused(Invalid, alice.do, RoomUpdate, in_room, theme="night", why=text)


def test_a_room_for_one_is_no_room(stage: Stage, alice: Device, in_room: str) -> None:
    refused(Invalid, alice.do, RoomUpdate, in_room, size_limit=1)
    refused(Invalid, alice.create, stage.room_id(), size_limit=1)


def test_a_room_is_founded_with_its_settings(stage: Stage, alice: Device) -> None:
    room = stage.room(alice, tags=["B", "a"], size_limit=5, theme="ocean", timer_policy="host")
    found = info(stage, room)
    assert (found.tags, found.size_limit, found.theme, found.timer_policy) == (["b", "a"], 5, "ocean", "host")
    assert (found.slow_ms, found.locked, found.host, found.archived_at) == (0, False, None, None)


# -- the list is for users' rooms, and heard by everybody -----------------------------------


def test_P7_a_guest_does_not_make_a_room_public_nor_bring_one_back(stage: Stage, alice: Device, in_room: str) -> None:
    refused(SignInNeeded, alice.do, RoomUpdate, in_room, visibility="public")
    user = stage.device(stage.user(alice))
    user.join(in_room)
    user.do(RoomUpdate, in_room, visibility="public")
    user.do(RoomArchive, in_room)
    refused(SignInNeeded, alice.do, RoomArchive, in_room, archived=False)
    user.do(RoomArchive, in_room, archived=False)
    assert info(stage, in_room).archived_at is None


def test_C9_whoever_is_muted_calls_no_listed_room_by_another_name(stage: Stage, alice: Device, in_room: str) -> None:
    user = stage.device(stage.user(alice))
    user.join(in_room)
    muted = replace(user.authority, sanction="mute")
    user.authority = muted
    refused(Forbidden, user.do, RoomUpdate, in_room, visibility="public")
    user.authority = replace(muted, sanction="")
    user.do(RoomUpdate, in_room, visibility="public")
    user.authority = muted
    for change in ({"title": "Heard"}, {"topic": "Heard"}, {"tags": ["heard"]}):
        refused(Forbidden, user.do, RoomUpdate, in_room, **change)
    user.do(RoomUpdate, in_room, theme="night")


@pytest.mark.parametrize("visibility", ["unlisted", "private"])
def test_C9_whoever_is_muted_changes_a_room_but_writes_nothing_that_those_in_it_read(
    stage: Stage, alice: Device, visibility: Visibility
) -> None:
    room = stage.room(alice, visibility=visibility, title="Ours", topic="Ours", tags=["ours"])
    alice.join(room)
    alice.authority = replace(alice.authority, sanction="mute")
    for change in ({"title": "Heard"}, {"topic": "Heard"}, {"tags": ["heard"]}, {"theme": "ocean", "why": "Heard"}):
        assert "you are muted" in str(refused(Forbidden, alice.do, RoomUpdate, room, **change))
    refused(Forbidden, alice.do, RoomArchive, room, why="Heard")
    alice.do(RoomUpdate, room, title="Ours", topic="", tags=[], theme="ocean", slow_ms=1000, locked=True)
    assert (info(stage, room).title, info(stage, room).topic, info(stage, room).theme) == ("Ours", "", "ocean")
    alice.do(RoomArchive, room)
    alice.do(RoomArchive, room, archived=False)


def test_C9_whoever_is_muted_founds_a_room_with_no_more_text_than_it_needs(stage: Stage, alice: Device) -> None:
    alice.authority = replace(alice.authority, sanction="mute")
    for text in ({"topic": "Heard"}, {"tags": ["heard"]}):
        refused(Forbidden, alice.create, "muted", **text)
    alice.create("muted")


# -- a lock, a size ---------------------------------------------------------------------------


def test_P35_into_a_locked_room_comes_nobody_new(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    carol = stage.person("Carol")
    alice.do(RoomUpdate, in_room, locked=True)
    refused(RoomLocked, carol.join, in_room)
    bob.join(in_room)
    stage.device(bob.authority).join(in_room)
    alice.leave(in_room)
    stage.advance(RETURN_MS)
    alice.join(in_room)
    alice.do(RoomUpdate, in_room, locked=False)
    carol.join(in_room)


def test_P35_whose_connection_broke_comes_back_into_a_locked_room(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    alice.do(RoomUpdate, in_room, locked=True)
    bob.leave(in_room)
    stage.advance(RETURN_MS / 1000 - 1)
    bob.join(in_room)
    bob.leave(in_room)
    stage.advance(RETURN_MS / 1000 + 1)
    refused(RoomLocked, bob.join, in_room)


@pytest.mark.parametrize("has_snapshot", [True, False])
def test_P35_after_a_restart_whoever_was_there_comes_back_into_a_locked_room(
    stage: Stage, alice: Device, bob: Device, in_room: str, has_snapshot: bool
) -> None:
    carol = stage.person("Carol")
    alice.do(RoomUpdate, in_room, filtered_words=["kraken"])
    alice.do(RoomUpdate, in_room, locked=True)
    assert stage.actor(in_room).room.words.given == ("kraken",)
    alice.do(RoomUpdate, in_room, filtered_words=[], slow_ms=1000)
    if has_snapshot:
        alice.remove(in_room, alice.say(in_room, "x"))
    stage.restart()
    alice.join(in_room)
    refused(RoomLocked, carol.join, in_room)
    bob.join(in_room)
    bob.leave(in_room)
    stage.advance(RETURN_MS / 1000 + 1)
    refused(RoomLocked, bob.join, in_room)
    stage.restart()
    alice.join(in_room)
    stage.advance(RETURN_MS / 1000 + 1)
    refused(RoomLocked, bob.join, in_room)


def test_P35_nor_after_a_restart_does_whoever_was_sent_away_by_whatever_name(
    stage: Stage, alice: Device, bob: Device, in_room: str
) -> None:
    alice.do(RoomUpdate, in_room, locked=True)
    stage.restart()
    alice.join(in_room)
    user = stage.device(stage.user(bob))
    user.join(in_room)
    alice.do(RoomKick, in_room, person=user.principal)
    stage.restart()
    alice.join(in_room)
    refused(RoomLocked, user.join, in_room)
    refused(RoomLocked, bob.join, in_room)


def test_a_lock_that_is_opened_remembers_nobody(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    alice.do(RoomUpdate, in_room, locked=True)
    room = stage.actor(in_room).room
    assert set(room.inside) == {alice.principal, bob.principal}
    bob.leave(in_room)
    stage.settle()
    alice.do(RoomUpdate, in_room, locked=False)
    assert room.inside == {}
    alice.do(RoomUpdate, in_room, locked=True)
    stage.restart()
    alice.join(in_room)
    refused(RoomLocked, bob.join, in_room)


def test_a_lock_remembers_the_latest_of_very_many(stage: Stage, alice: Device, in_room: str) -> None:
    room = stage.actor(in_room).room
    for number in range(MAX_INSIDE):
        room.roster.attach(f"s{number}", Person(Principal("guest", f"g{number}"), "Guest", "participant"), 0)
    alice.do(RoomUpdate, in_room, locked=True)
    assert [name.actor_id for name in room.inside] == [f"g{number}" for number in range(MAX_INSIDE)]


def test_older_nodes_read_the_words_of_an_event_that_locks() -> None:
    class Unlocked(Struct, array_like=True):
        words: list[str] = []

    told = msgspec.msgpack.encode(Unshown(["kraken"], [Principal("guest", "g")]))
    assert msgspec.msgpack.decode(told, type=Unlocked).words == ["kraken"]
    assert unshown(msgspec.msgpack.encode(Unlocked(["kraken"]))) == Unshown(["kraken"], None)


def test_P35_whom_the_room_sent_away_does_not_come_back_into_a_locked_one(alice: Device, bob: Device, in_room: str) -> None:
    alice.do(RoomUpdate, in_room, locked=True)
    alice.do(RoomKick, in_room, person=bob.principal)
    refused(RoomLocked, bob.join, in_room)


def test_P35_nor_does_whoever_had_left_and_come_again_just_before(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    alice.do(RoomUpdate, in_room, locked=True)
    bob.leave(in_room)
    stage.advance(1)
    bob.join(in_room)
    assert stage.actor(in_room)._porter._left == {}, "forgotten where they arrive"
    alice.do(RoomKick, in_room, person=bob.principal)
    refused(RoomLocked, bob.join, in_room)


def test_P35_nor_does_a_member_who_was_away_when_sent_away(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    made = alice.ask(InviteCreate, in_room, nonce=alice.nonce())
    assert isinstance(made, InviteCode)
    bob.do(InviteAccept, in_room, code=made.code)
    alice.do(RoomUpdate, in_room, locked=True)
    bob.leave(in_room)
    stage.settle()
    alice.do(RoomKick, in_room, person=bob.principal)
    refused(RoomLocked, bob.join, in_room)


def test_a_guest_who_became_a_user_is_not_new_in_a_locked_room(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    alice.do(RoomUpdate, in_room, locked=True)
    stage.device(stage.user(bob)).join(in_room)


def test_a_locked_room_forgets_the_first_of_very_many_who_left(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    alice.do(RoomUpdate, in_room, locked=True)
    actor = stage.actor(in_room)
    stage.advance(RETURN_MS / 1000)
    bob.leave(in_room)
    stage.settle()
    for _ in range(MAX_LEFT):
        guest = stage.person("Guest")
        actor._porter.left(Member(Person(guest.principal, "Guest", "participant"), 0), stage.now())
    assert len(actor._porter._left) == MAX_LEFT
    refused(RoomLocked, bob.join, in_room)


def test_P17_a_full_room_takes_nobody_more_but_its_hosts(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    carol, dave = stage.person("Carol"), stage.person("Dave")
    cohost(alice, in_room, bob)
    alice.do(RoomUpdate, in_room, size_limit=2)
    assert "2 people" in str(refused(RoomFull, carol.join, in_room))
    for one in (alice, bob):
        one.join(in_room)
        one.leave(in_room)
    carol.join(in_room)
    dave.join(in_room)
    bob.join(in_room)
    alice.join(in_room)
    tablet = stage.device(carol.authority)
    tablet.join(in_room)
    carol.leave(in_room)
    carol.join(in_room)
    for device in (carol, tablet):
        device.leave(in_room)
    refused(RoomFull, carol.join, in_room)


def test_a_lock_and_a_size_send_nobody_away_when_the_room_moves(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    carol = stage.person("Carol")
    carol.join(in_room)
    alice.do(RoomUpdate, in_room, locked=True, size_limit=2)
    moved(stage, alice, in_room)
    assert {member.principal for member in stage.actor(in_room).room.roster} == {one.principal for one in (alice, bob, carol)}


# -- archived ---------------------------------------------------------------------------------


def test_P35_in_an_archived_room_nothing_happens_until_the_host_opens_it_again(
    stage: Stage, alice: Device, bob: Device, in_room: str
) -> None:
    said = bob.say(in_room, "hello")
    cohost(alice, in_room, bob)
    refused(Forbidden, bob.do, RoomArchive, in_room)
    alice.do(RoomArchive, in_room, why="the term is over")
    (push,) = bob.took(RoomUpdated)
    assert (push.info.archived_at, push.why) == (push.at, "the term is over")
    for attempt in (
        lambda: alice.say(in_room, "x"),
        lambda: bob.edit(in_room, said, "x"),
        lambda: alice.typing(in_room),
        lambda: alice.cast(in_room, "", "x"),
        lambda: alice.timer(in_room, TimerStart),
        lambda: alice.do(RoomUpdate, in_room, title="x"),
        lambda: alice.do(RoomKick, in_room, person=bob.principal),
    ):
        refused(Conflict, attempt)
    bob.remove(in_room, said)
    refused(Forbidden, bob.do, RoomArchive, in_room, archived=False)
    alice.do(RoomArchive, in_room, archived=False)
    alice.say(in_room, "again")


def test_P17_an_archived_room_is_shown_to_its_hosts_and_whoever_is_still_there(
    stage: Stage, alice: Device, bob: Device, in_room: str
) -> None:
    carol = stage.person("Carol")
    carol.join(in_room)
    cohost(alice, in_room, carol)
    alice.do(RoomArchive, in_room)
    for device in (alice, bob, carol):
        device.join(in_room)
        device.leave(in_room)
    alice.join(in_room)
    carol.join(in_room)
    assert "archived" in str(refused(NotFound, bob.join, in_room))
    assert "archived" in str(refused(NotFound, stage.person("Dave").join, in_room))
    stage.restart()
    alice.join(in_room)


def test_P17_a_private_room_that_is_archived_does_not_say_so_to_strangers(stage: Stage, alice: Device) -> None:
    room = stage.room(alice, visibility="private")
    alice.join(room)
    alice.do(RoomArchive, room)
    refused(Hidden, stage.person("Dave").join, room)


def test_P13_in_an_archived_room_no_phase_begins_by_itself(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    alice.timer(in_room, TimerStart)
    alice.do(RoomArchive, in_room)
    stage.advance(3 * 3600)
    assert len([event for event in stage.events(in_room) if type(event).__name__ == "TimerUpdate"]) == 2


# -- idle -------------------------------------------------------------------------------------


def test_P15_a_room_where_nothing_happened_for_a_day_archives_itself_by_its_own_deadline(idle: Stage) -> None:
    alice = idle.person("Alice")
    room = idle.room(alice)
    made = idle.now()
    idle.advance(DAY_MS / 1000 - 60)
    assert len(idle.events(room)) == 1
    assert idle.activation(room) is None, "nobody has kept it"
    idle.advance(HOUR_MS / 1000 + GRACE_MS / 1000 + 60)
    event = idle.events(room)[-1]
    assert isinstance(event, RoomUpdated)
    assert (event.author, event.nonce) == (None, None)
    assert event.info.archived_at == event.at
    assert DAY_MS <= event.at - made <= DAY_MS + HOUR_MS + GRACE_MS + 1000
    idle.advance(3 * DAY_MS / 1000)
    assert len(idle.events(room)) == 2, "once"
    alice.do(RoomArchive, room, archived=False)
    idle.advance(DAY_MS / 1000 + HOUR_MS / 1000 + 60)
    assert len(idle.events(room)) == 4, "and again after it was opened again"


def test_what_happens_puts_the_end_off_and_is_written_an_hour_at_a_time(idle: Stage) -> None:
    alice = idle.person("Alice")
    room = idle.room(alice)
    alice.join(room)
    stream = idle.journal.streams[f"room/{room}"]
    dues = set()
    for _ in range(40):
        alice.say(room, "x")
        idle.advance(179)
        dues.add(stream.next_due)
    assert len(dues) == 2 or len(dues) == 3
    assert all(due is not None and due % HOUR_MS == 0 for due in dues)
    alice.leave(room)
    last = idle.now()
    idle.run_until(lambda: isinstance(idle.events(room)[-1], RoomUpdated), 2 * DAY_MS / 1000)
    assert idle.now() - last >= DAY_MS - 180_000


def test_a_room_does_not_end_while_somebody_is_there(idle: Stage) -> None:
    alice = idle.person("Alice")
    room = idle.room(alice)
    alice.join(room)
    idle.advance(5 * DAY_MS / 1000)
    assert len(idle.events(room)) == 1
    writes = idle.journal.streams[f"room/{room}"].next_due
    assert writes is not None
    assert writes > idle.now()
    alice.leave(room)
    idle.advance(2 * DAY_MS / 1000)
    assert isinstance(idle.events(room)[-1], RoomUpdated)


def test_who_is_there_keeps_the_room_when_it_moves_past_its_end(idle: Stage) -> None:
    alice = idle.person("Alice")
    room = idle.room(alice)
    alice.join(room)
    idle.advance(1.2 * DAY_MS / 1000)
    moved(idle, alice, room)
    idle.advance(600)
    assert len(idle.events(room)) == 1
    assert len(idle.actor(room).room.roster) == 1
    idle.advance(DAY_MS / 1000)
    assert len(idle.events(room)) == 1


def test_who_comes_back_after_the_server_was_away_finds_the_room_open(idle: Stage) -> None:
    alice = idle.person("Alice")
    room = idle.room(alice)
    alice.join(room)
    idle.restart(down_s=2 * DAY_MS / 1000)
    idle.advance(GRACE_MS / 1000 / 2)
    alice.join(room)
    idle.advance(600)
    assert len(idle.events(room)) == 1
    alice.say(room, "still here")


def test_a_room_from_before_its_last_event_was_kept_waits_for_the_next_one(idle: Stage) -> None:
    alice = idle.person("Alice")
    room = idle.room(alice)
    actor = idle.actor(room)
    actor.room.active_at = 0
    assert actor.due() is None
