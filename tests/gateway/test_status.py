"""Users' status through a gateway in front of real actors, on virtual time (FEATURES P20)."""

from collections.abc import Iterator
from itertools import pairwise

import pytest

from commonroom.codes import ErrorCode
from commonroom.engine.address import Address
from commonroom.engine.gateway.status import StatusPorts
from commonroom.engine.lifecycle import End
from commonroom.protocol.session import Error, Reply
from commonroom.protocol.status import StatusUpdate, UserStatus
from commonroom.protocol.user import UserState
from commonroom.storage.repository.preference import StatusFacts
from tests.gateway.crowd import SOON_S, Crowd, Table, last, look
from tests.gateway.house import House, Person, guest, user

ROOM = "library"


@pytest.fixture
def table() -> Table:
    return Table("ada", "bob", "cem")


@pytest.fixture
def house(table: Table) -> Iterator[House]:
    with House(status=StatusPorts(table.load, table.choose, table.seen.append)) as house:
        table.house = house
        yield house


@pytest.fixture
def ada(house: House) -> Person:
    return house.person(user("ada"))


@pytest.fixture
def bob(house: House) -> Person:
    return house.person(user("bob"))


def created(person: Person, **fields: object) -> None:
    person.do("room.create", room=ROOM, **{"kind": "study", "title": "Library", "visibility": "public", **fields})


# -- one device --------------------------------------------------------------------


def test_P20_who_looks_is_told_who_is_online_and_who_is_not(house: House, ada: Person, bob: Person) -> None:
    look(ada, "bob", "cem")
    assert last(ada) == {"bob": UserStatus("bob", "online"), "cem": UserStatus("cem", "offline")}


def test_P20_coming_and_going_is_told_within_seconds(house: House, ada: Person) -> None:
    look(ada, "bob")
    assert last(ada)["bob"].status == "offline"
    bob = house.person(user("bob"))
    house.pass_s(SOON_S)
    assert last(ada)["bob"].status == "online"
    bob.leave()
    house.pass_s(5)
    gone = last(ada)["bob"]
    assert gone.status == "offline"
    assert gone.last_seen is not None
    assert gone.last_seen % 60_000 == 0
    assert house.clock.now() - gone.last_seen < 120_000


def test_P20_a_page_that_is_loaded_again_is_no_news(house: House, ada: Person, bob: Person) -> None:
    look(ada, "bob")
    told = len(ada.took(StatusUpdate))
    bob.leave()
    house.pass_s(0.5)
    house.person(user("bob"))
    house.pass_s(10)
    assert len(ada.took(StatusUpdate)) == told


def test_P20_dnd_is_kept_and_an_idle_device_says_so(house: House, ada: Person, bob: Person, table: Table) -> None:
    look(ada, "bob")
    bob.do("status.set", idle=True)
    house.pass_s(SOON_S)
    assert last(ada)["bob"].status == "idle"
    bob.do("status.set", status="dnd")
    house.pass_s(SOON_S)
    assert (last(ada)["bob"].status, table.facts["bob"].dnd) == ("dnd", True)
    bob.leave()
    house.pass_s(SOON_S)
    house.person(user("bob")).do("status.set")
    house.pass_s(SOON_S)
    assert last(ada)["bob"].status == "dnd"


def test_P20_what_cannot_be_kept_is_not_acknowledged(house: House, bob: Person, table: Table) -> None:
    table.away = True
    bob.got.clear()
    bob.do("status.set", status="dnd")
    (error,) = bob.took(Error)
    assert error.code == ErrorCode.RETRY
    table.away = False
    bob.do("status.set", status="dnd")
    assert bob.took(Reply)
    assert table.facts["bob"].dnd


def test_P20_commands_sent_behind_a_choice_come_after_it(bob: Person, table: Table) -> None:
    bob.send("status.set", status="dnd")
    bob.send("status.set", status="online")
    bob.do("status.set", idle=True)
    assert not table.facts["bob"].dnd
    assert [reply.ref for reply in bob.took(Reply)] == [1, 2, 3]


def test_P20_a_guest_has_no_status(house: House, ada: Person) -> None:
    gus = house.person(guest("gus"))
    gus.do("status.set", status="dnd")
    assert gus.took(Error)[-1].code == ErrorCode.SIGN_IN_NEEDED
    look(ada, "gus")
    assert last(ada)["gus"] == UserStatus("gus", "offline")


def test_P20_last_seen_does_not_go_back_when_the_users_actor_begins_anew(house: House, ada: Person, bob: Person, table: Table) -> None:
    look(ada, "bob")
    house.pass_s(3600)
    bob.leave()
    house.pass_s(5)
    gone = last(ada)["bob"]
    assert gone.last_seen is not None
    actor = house.host._live[Address("user", "bob")]
    house.loop.call_soon(actor._end, End.FAILED)
    house.pass_s(10)
    assert last(ada)["bob"] == gone
    assert house.host._live[Address("user", "bob")] is not actor
    house.person(user("bob"))
    house.pass_s(SOON_S)
    assert last(ada)["bob"].status == "online"
    house.loop.call_soon(house.gateway.statuses.told, UserState("bob", "offline"))
    house.pass_s(SOON_S)
    assert last(ada)["bob"] == gone


def test_P20_who_goes_while_their_actor_moves_was_last_seen_as_the_table_has_it(house: House, ada: Person, table: Table) -> None:
    look(ada, "bob")
    house.loop.call_soon(house.gateway.statuses.told, UserState("bob", "online"))
    house.pass_s(SOON_S)
    assert last(ada)["bob"].status == "online"
    table.facts["bob"] = StatusFacts(seen_at=house.clock.now())
    house.loop.call_soon(house.gateway.statuses.told, UserState("bob", "offline"))
    house.pass_s(SOON_S)
    assert last(ada)["bob"] == UserStatus("bob", "offline", table.facts["bob"].seen_at)


# -- several devices ---------------------------------------------------------------


def test_P20_the_most_present_device_counts(house: House, ada: Person, bob: Person) -> None:
    phone = house.person(user("bob"))
    look(ada, "bob")
    phone.do("status.set", idle=True)
    house.pass_s(SOON_S)
    assert last(ada)["bob"].status == "online"
    bob.do("status.set", idle=True)
    house.pass_s(SOON_S)
    assert last(ada)["bob"].status == "idle"
    phone.do("status.set")
    house.pass_s(SOON_S)
    assert last(ada)["bob"].status == "online"
    phone.leave()
    house.pass_s(SOON_S)
    assert last(ada)["bob"].status == "idle"


def test_P20_a_guest_who_signs_in_is_online_as_the_user(house: House, ada: Person) -> None:
    look(ada, "bob")
    tab = house.person(guest("gus"))
    tab.refresh(house.authority(user("bob"), guests=("gus",)))
    house.pass_s(SOON_S)
    assert last(ada)["bob"].status == "online"
    tab.leave()
    house.pass_s(5)
    assert last(ada)["bob"].status == "offline"


# -- busy --------------------------------------------------------------------------


def test_P20_a_running_timer_makes_busy_by_itself_and_a_paused_one_does_not(house: House, ada: Person, bob: Person) -> None:
    look(ada, "bob")
    created(bob)
    bob.join(ROOM)
    house.pass_s(SOON_S)
    assert last(ada)["bob"] == UserStatus("bob", "online", None, ROOM)
    bob.do("timer.start", room=ROOM)
    house.pass_s(SOON_S)
    assert last(ada)["bob"].status == "busy"
    bob.do("timer.pause", room=ROOM)
    house.pass_s(SOON_S)
    assert last(ada)["bob"].status == "online"
    bob.do("timer.resume", room=ROOM)
    bob.do("room.leave", room=ROOM)
    house.pass_s(SOON_S)
    assert last(ada)["bob"] == UserStatus("bob", "online")


@pytest.mark.parametrize(
    ("busy", "in_focus", "in_break"), [("active", "busy", "busy"), ("focus", "busy", "online"), ("off", "online", "online")]
)
def test_P20_when_somebody_is_busy_is_theirs_to_say(
    house: House, ada: Person, bob: Person, table: Table, busy: str, in_focus: str, in_break: str
) -> None:
    table.prefer("bob", busy=busy)
    created(bob)
    bob.do("timer.start", room=ROOM)  # not joined: refused, and told by the snapshot later
    bob.join(ROOM)
    bob.do("timer.start", room=ROOM)
    look(ada, "bob")
    assert last(ada)["bob"].status == in_focus
    bob.do("timer.skip", room=ROOM)
    house.pass_s(SOON_S)
    assert last(ada)["bob"].status == in_break


def test_P20_who_joins_a_room_whose_timer_runs_is_busy(house: House, ada: Person, bob: Person) -> None:
    created(ada)
    ada.join(ROOM)
    ada.do("timer.start", room=ROOM)
    look(ada, "bob")
    bob.join(ROOM)
    house.pass_s(SOON_S)
    assert last(ada)["bob"] == UserStatus("bob", "busy", None, ROOM)


# -- who may see it ----------------------------------------------------------------


def test_P20_P28_whoever_blocks_or_is_blocked_sees_what_a_stranger_sees_of_nobody(
    house: House, ada: Person, bob: Person, table: Table
) -> None:
    table.facts["bob"] = StatusFacts(seen_at=60_000)
    house.block(user("ada"), user("bob"))
    house.notice(user("ada"), user("bob"))
    look(ada, "bob", "nobody")
    assert last(ada) == {"bob": UserStatus("bob", "offline"), "nobody": UserStatus("nobody", "offline")}
    look(bob, "ada")
    assert last(bob) == {"ada": UserStatus("ada", "offline")}
    told = len(ada.took(StatusUpdate))
    bob.do("status.set", status="dnd")
    bob.leave()
    house.pass_s(10)
    assert len(ada.took(StatusUpdate)) == told


def test_P20_a_block_takes_the_status_away_and_its_end_brings_it_back(house: House, ada: Person, bob: Person) -> None:
    look(ada, "bob")
    house.block(user("bob"), user("ada"))
    house.notice(user("ada"))
    house.pass_s(SOON_S)
    assert last(ada)["bob"] == UserStatus("bob", "offline")
    house.unblock(user("bob"), user("ada"))
    house.notice(user("ada"))
    house.pass_s(SOON_S)
    assert last(ada)["bob"] == UserStatus("bob", "online")


def test_P20_P21_a_hidden_status_is_seen_only_by_those_in_a_room_with_them(house: House, ada: Person, bob: Person, table: Table) -> None:
    table.prefer("bob", hide_status=True)
    created(bob)
    bob.join(ROOM)
    look(ada, "bob")
    assert last(ada)["bob"] == UserStatus("bob", "offline")
    ada.join(ROOM)
    house.pass_s(SOON_S)
    assert last(ada)["bob"] == UserStatus("bob", "online", None, ROOM)
    ada.do("room.leave", room=ROOM)
    house.pass_s(SOON_S)
    assert last(ada)["bob"] == UserStatus("bob", "offline")


def test_P20_P21_which_room_is_told_of_public_rooms_alone_and_not_where_it_is_hidden(
    house: House, ada: Person, bob: Person, table: Table
) -> None:
    created(bob)
    bob.join(ROOM)
    look(ada, "bob")
    assert last(ada)["bob"].room == ROOM
    table.prefer("bob", hide_room=True)
    assert last(ada)["bob"] == UserStatus("bob", "online")
    table.prefer("bob", hide_room=False)
    bob.do("room.update", room=ROOM, visibility="unlisted")
    house.pass_s(SOON_S)
    assert last(ada)["bob"] == UserStatus("bob", "online")


def test_P20_a_guest_sees_those_in_a_room_with_it_alone(house: House, bob: Person) -> None:
    created(bob)
    gus = house.person(guest("gus"))
    look(gus, "bob")
    assert last(gus)["bob"] == UserStatus("bob", "offline")
    bob.join(ROOM)
    gus.join(ROOM)
    house.pass_s(SOON_S)
    assert last(gus)["bob"] == UserStatus("bob", "online", None, ROOM)


def test_P20_one_sees_oneself_whatever_one_hides(house: House, bob: Person, table: Table) -> None:
    table.prefer("bob", hide_status=True, hide_room=True)
    created(bob, visibility="private")
    bob.join(ROOM)
    other = house.person(user("bob"))
    look(other, "bob")
    assert last(other)["bob"] == UserStatus("bob", "online", None, ROOM)


# -- what it costs -----------------------------------------------------------------


def test_P20_whoever_flaps_a_viewer_is_told_once_a_second_and_the_truth_within_five(house: House, table: Table) -> None:
    """The figure of docs/BENCHMARKS.md is of 500 users, 20 viewers and a minute."""
    crowd, seconds = Crowd(house, table, users=60, viewers=3), 10.0
    before = crowd.pushes()
    crowd.go_on(seconds, flaps_per_s=60)
    pushes = [after - earlier for after, earlier in zip(crowd.pushes(), before, strict=True)]
    assert all(3 <= number <= seconds + 1 for number in pushes), pushes
    house.pass_s(5)
    assert all(crowd.is_true(viewer) for viewer in crowd.viewers)
    assert 0 < len(crowd.here) < len(crowd.names), "all are alike: the test proves nothing"


def test_P20_updates_are_a_second_apart_whoever_they_are_of(house: House, ada: Person, table: Table) -> None:
    names = [f"busy-{number}" for number in range(10)]
    table.facts.update({name: StatusFacts() for name in names})
    people = [house.person(user(name)) for name in names]
    look(ada, *names)
    moments: list[float] = []
    for turn in range(100):
        told = len(ada.took(StatusUpdate))
        person = people[turn % len(people)]
        person.send("status.set", idle=not person.session.idle)
        house.pass_s(0.1)
        moments += [house.loop.time()] * (len(ada.took(StatusUpdate)) - told)
    assert len(moments) >= 5, "it is told while it goes on, too"
    assert all(later - earlier > 0.85 for earlier, later in pairwise(moments)), "looked at each 0.1 s"


def test_P20_who_has_been_there_for_long_is_told_at_once(house: House, ada: Person, bob: Person) -> None:
    look(ada, "bob")
    house.pass_s(30)
    look(ada)
    look(ada, "bob", seconds=1.0)
    assert ada.took(StatusUpdate)[-1].users == [UserStatus("bob", "online")]
    cem = house.person(user("cem"))
    look(cem, "bob", seconds=1.0)
    assert last(cem) == {"bob": UserStatus("bob", "online")}


def test_P20_nobody_is_followed_once_nobody_looks_and_nobody_is_there(house: House, ada: Person, bob: Person) -> None:
    gone: list[Address] = []
    house.gateway.on_unfollowed = gone.append
    look(ada, "bob", "cem")
    assert Address("user", "cem") in house.gateway.following
    look(ada, "bob")
    assert Address("user", "cem") not in house.gateway.following
    bob.leave()
    assert Address("user", "bob") in house.gateway.following
    ada.leave()
    house.pass_s(1)
    assert list(house.gateway.following) == []
    assert len(house.gateway.statuses) == len(house.gateway.statuses.pages) == 0
    assert {address.key for address in gone} == {"ada", "bob", "cem"}


def test_P20_who_is_no_more_is_not_followed_when_their_actor_moves(house: House, table: Table, ada: Person) -> None:
    look(ada, "bob")
    del table.facts["bob"]
    house.loop.call_soon(house.gateway.statuses.changed, ["bob"])
    house.pass_s(SOON_S)
    assert Address("user", "bob") in house.gateway.following
    house.loop.call_soon(house.gateway.announce, Address("user", "bob"))
    house.pass_s(SOON_S)
    assert Address("user", "bob") not in house.gateway.following


def test_a_room_is_followed_while_somebody_here_reads_it(house: House, ada: Person, bob: Person) -> None:
    created(ada)
    for one in (ada, bob):
        one.join(ROOM)
    for one, is_followed in ((ada, True), (bob, False)):
        one.leave()
        assert (Address("room", ROOM) in house.gateway.following) is is_followed


def test_P20_who_does_not_exist_has_no_actor(house: House, ada: Person) -> None:
    look(ada, "nobody")
    assert Address("user", "nobody") not in house.gateway.following
    assert Address("user", "nobody") not in house.host._live


def test_P20_a_watch_replaces_the_one_before(house: House, ada: Person, bob: Person) -> None:
    look(ada, "bob")
    look(ada, "cem")
    told = len(ada.took(StatusUpdate))
    bob.do("status.set", idle=True)
    house.pass_s(SOON_S)
    assert len(ada.took(StatusUpdate)) == told


def test_P20_an_id_that_nobody_can_have_is_refused_and_changes_nothing(house: House, ada: Person, bob: Person) -> None:
    look(ada, "bob")
    look(ada, "a\nb")
    assert ada.took(Error)[-1].code == ErrorCode.INVALID
    bob.do("status.set", idle=True)
    house.pass_s(SOON_S)
    assert last(ada)["bob"].status == "idle"


def test_P20_nothing_is_written_to_the_journal(house: House, ada: Person, bob: Person) -> None:
    look(ada, "bob")
    bob.do("status.set", status="dnd")
    house.pass_s(SOON_S)
    assert not house.journal.streams


def test_P20_it_is_noted_when_users_come_and_go(bob: Person, table: Table) -> None:
    assert table.seen == ["bob"]
    bob.leave()
    assert table.seen == ["bob", "bob"]


def test_P20_what_the_database_could_not_tell_is_read_again(house: House, table: Table) -> None:
    gaps: list[None] = []
    house.gateway.statuses.facts.on_failed = lambda: gaps.append(None)
    table.away = True
    ada, bob = house.person(user("ada")), house.person(user("bob"))
    look(ada, "bob")
    assert gaps
    assert last(ada)["bob"] == UserStatus("bob", "offline")
    table.away = False
    house.loop.call_soon(house.gateway.statuses.reread)
    house.pass_s(SOON_S)
    assert last(ada)["bob"].status == "online"
    assert bob.closed is None
