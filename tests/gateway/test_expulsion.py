"""Whom a room sends away stops hearing it: by the durable push itself, on every path that it may take (FEATURES P35)."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from commonroom.codes import ErrorCode
from commonroom.engine.address import Address
from commonroom.engine.envelope import Envelope, Query
from commonroom.engine.gateway.fanout import doubt
from commonroom.engine.gateway.fanout.doubt import AT_ONCE
from commonroom.errors import Unavailable
from commonroom.identity import Principal
from commonroom.protocol.chat import MessageCreate
from commonroom.protocol.moderation import RoomModerated
from commonroom.protocol.registry import EXPELLING
from commonroom.protocol.room import Joined, RoomRemoved, RoomReset, RoomUpdated
from commonroom.protocol.session import Error, Skip
from commonroom.protocol.wire import DurablePush
from tests.gateway.house import House, Person, guest, user

ROOM = "quiet"
ADDRESS = Address("room", ROOM)


@pytest.fixture
def house() -> Iterator[House]:
    with House() as house:
        yield house


@pytest.fixture
def ada(house: House) -> Person:
    ada = house.person(guest("ada"))
    ada.do("room.create", room=ROOM, kind="study", title="Quiet")
    ada.join(ROOM)
    return ada


@pytest.fixture
def bob(house: House, ada: Person) -> Person:
    bob = house.person(guest("bob"))
    bob.join(ROOM)
    return bob


def sends_away(ada: Person, action: str, person: Person, **fields: Any) -> None:
    ada.do(f"room.{action}", room=ROOM, person=person.authority.principal, **fields)


def here(house: House) -> set[str]:
    return {member.principal.actor_id for member in house.host._live[ADDRESS].actor.room.roster}  # type: ignore[attr-defined]


@contextmanager
def deaf(house: House) -> Iterator[None]:
    """What rooms push does not reach the gateway."""
    house.gateway.publish = lambda *_: None  # type: ignore[method-assign]
    yield
    del house.gateway.publish


def test_only_these_pushes_may_end_a_subscription() -> None:
    assert {cls.__name__ for cls in EXPELLING} == {"RoomModerated", "RoomUpdated", "MemberRemoved"}
    assert all(issubclass(cls, DurablePush) for cls in EXPELLING)


def test_P35_who_is_kicked_reads_why_and_then_nothing_more(house: House, ada: Person, bob: Person) -> None:
    sends_away(ada, "kick", bob, why="noise")
    ada.do("message.send", room=ROOM, text="peace")
    kicked, removed = bob.got[-2:]
    assert isinstance(kicked, RoomModerated)
    assert kicked.why == "noise"
    assert removed == RoomRemoved(ROOM, ErrorCode.FORBIDDEN, "FORBIDDEN", "you were asked to leave this room")
    assert bob.took(MessageCreate) == []
    assert here(house) == {"ada"}
    assert house.gateway.sessions_of(ADDRESS) == [ada.session.id]
    bob.do("message.send", room=ROOM, text="x")
    assert isinstance(bob.got[-1], Error)
    assert bob.got[-1].name == "NOT_JOINED"
    bob.join(ROOM)
    assert len(bob.took(Joined)) == 2, "they may come again"


def test_P35_who_is_banned_is_told_so_and_not_let_in_again(house: House, ada: Person, bob: Person) -> None:
    sends_away(ada, "ban", bob, duration_ms=3_600_000)
    assert [(one.code, one.name) for one in bob.took(RoomRemoved)] == [(ErrorCode.BANNED, "BANNED")]
    assert bob.took(RoomRemoved)[0].message.startswith("you are banned from this room until 20")
    bob.join(ROOM)
    error = bob.got[-1]
    assert isinstance(error, Error)
    assert (error.code, error.name) == (ErrorCode.BANNED, "BANNED")
    assert 0 < (error.retry_after_ms or 0) <= 3_600_000


def test_every_socket_of_theirs_hears_nothing_more_by_whatever_token(house: House, ada: Person, bob: Person) -> None:
    phone, old_tab = house.person(guest("bob"), name="phone"), house.person(guest("bob"), name="tab")
    for one in (phone, old_tab):
        one.join(ROOM)
    for one in (bob, phone):
        one.refresh(house.authority(user("uma"), ("bob",), name=f"uma {one.authority.name}"))
    sends_away(ada, "kick", phone)
    assert [len(one.took(RoomRemoved)) for one in (bob, phone, old_tab, ada)] == [1, 1, 1, 0]
    assert here(house) == {"ada"}


def test_who_sees_others_through_a_veil_is_sent_away_as_well_and_who_does_not_see_them_gets_a_skip(
    house: House, ada: Person, bob: Person
) -> None:
    eve = house.person(guest("eve"))
    house.block(guest("eve"), guest("bob"))
    eve.join(ROOM)
    house.notice(guest("bob"), guest("eve"))
    sends_away(ada, "kick", bob)
    assert len(bob.took(RoomRemoved)) == 1
    assert (len(eve.took(Skip)), eve.took(RoomModerated), eve.took(RoomRemoved)) == (1, [], [])
    sends_away(ada, "ban", eve)
    assert len(eve.took(RoomRemoved)) == 1


def test_P35_a_ban_whose_push_was_lost_takes_effect_when_the_gap_is_mended(house: House, ada: Person, bob: Person) -> None:
    with deaf(house):
        sends_away(ada, "ban", bob)
    assert bob.took(RoomRemoved) == []
    ada.do("message.send", room=ROOM, text="the next push shows the gap")
    assert [type(one) for one in bob.got[-2:]] == [RoomModerated, RoomRemoved], "what came in the same moment is not for them"
    assert len(ada.took(MessageCreate)) == 1
    assert house.gateway.sessions_of(ADDRESS) == [ada.session.id]


def test_who_came_again_before_this_node_heard_of_the_kick_stays(house: House, ada: Person, bob: Person) -> None:
    carol = house.person(guest("carol"))
    carol.join(ROOM)
    with deaf(house):
        sends_away(ada, "kick", bob)
        bob.join(ROOM)
    carol.do("message.send", room=ROOM, text="the next push shows the gap")
    assert bob.took(RoomRemoved) == []
    assert len(bob.took(MessageCreate)) == 1
    assert here(house) == {"ada", "bob", "carol"}


@pytest.mark.parametrize("action", ["kick", "ban"])
def test_a_join_that_the_room_answered_before_it_sent_them_away_ends_as_it_begins(house: House, ada: Person, action: str) -> None:
    carol, release = waiting(house)
    carol.join(ROOM)
    sends_away(ada, action, carol)
    assert carol.got[1:] == [], "nothing before it is known who is hidden"
    release()
    assert [type(one) for one in carol.got[1:] if isinstance(one, Joined | RoomRemoved)] == [Joined, RoomRemoved]
    assert house.gateway.sessions_of(ADDRESS) == [ada.session.id]
    assert here(house) == {"ada"}


def test_a_join_that_the_room_answered_after_it_sent_them_away_stands(house: House, ada: Person, bob: Person) -> None:
    ada.send("room.kick", room=ROOM, person=bob.authority.principal)
    bob.send("room.join", room=ROOM)
    house.pass_s(0.5)
    assert (len(bob.took(Joined)), bob.took(RoomRemoved)) == (2, [])
    assert here(house) == {"ada", "bob"}
    sends_away(ada, "kick", bob)
    assert len(bob.took(RoomRemoved)) == 1


def test_P17_a_join_that_the_room_answered_before_it_became_private_is_asked_about_again(house: House, ada: Person) -> None:
    carol, release = waiting(house)
    carol.join(ROOM)
    for title in ("Quiet, please", "Quieter"):
        ada.do("room.update", room=ROOM, visibility="private", title=title)
    release()
    assert [type(one) for one in carol.got[1:] if isinstance(one, Joined | RoomReset)] == [Joined, RoomReset]
    assert here(house) == {"ada"}


def test_P17_a_room_that_becomes_private_keeps_those_who_belong_to_it(house: House, ada: Person, bob: Person) -> None:
    carol = house.person(guest("carol"))
    carol.join(ROOM)
    sends_away(ada, "role", carol, role="cohost")
    ada.do("room.update", room=ROOM, visibility="private")
    assert len(bob.took(RoomReset)) == 1
    assert [one.took(RoomReset) for one in (ada, carol)] == [[], []]
    ada.do("message.send", room=ROOM, text="among ourselves")
    assert (bob.took(MessageCreate), len(carol.took(MessageCreate))) == ([], 1)
    bob.join(ROOM)
    assert isinstance(bob.got[-1], Error)
    assert bob.got[-1].name == "NOT_FOUND"
    assert here(house) == {"ada", "carol"}


@pytest.mark.parametrize("is_veiled", [False, True])
def test_P17_a_room_that_becomes_private_is_heard_by_insiders_alone_from_that_event_on(
    house: House, ada: Person, bob: Person, is_veiled: bool
) -> None:
    if is_veiled:
        house.block(guest("bob"), guest("eve"))
        house.notice(guest("bob"), guest("eve"))
    eve, zoe = (house.person(guest(name)) for name in ("eve", "zoe"))
    for one in (eve, zoe):
        one.join(ROOM)
        sends_away(ada, "role", one, role="cohost")
    with unanswering(house):
        ada.send("room.update", room=ROOM, visibility="private")
        ada.send("message.send", room=ROOM, text="at once")
        house.pass_s(0.5)
        house.block(guest("eve"), guest("zoe"))
        house.notice(guest("eve"), guest("zoe"))
        zoe.do("message.send", room=ROOM, text="not for eve")
        ada.do("message.send", room=ROOM, text="and later")
        assert [one.took(MessageCreate) for one in (ada, bob, eve)] == [[], [], []]
    house.pass_s(0.5)
    assert [len(one.took(RoomUpdated)) for one in (ada, bob, eve)] == [1, 1, 1]
    assert [len(one.took(RoomReset)) for one in (ada, bob, eve)] == [0, 1, 0]
    heard = [[push.text for push in one.took(MessageCreate)] for one in (ada, bob, eve)]
    assert heard == [["at once", "not for eve", "and later"], [], ["at once", "and later"]]
    assert here(house) == {"ada", "eve", "zoe"}


def test_P17_a_room_that_cannot_say_who_belongs_to_it_is_heard_by_nobody(house: House, ada: Person, bob: Person) -> None:
    with unanswering(house) as asked:
        ada.do("room.update", room=ROOM, visibility="private")
        for envelope in asked:
            assert envelope.origin is not None
            envelope.origin.refused(0, Unavailable("nobody answers"))
        asked.clear()
    assert [len(one.took(RoomReset)) for one in (ada, bob)] == [1, 1], "to join again"
    ada.join(ROOM)
    assert len(ada.took(Joined)) == 2


def test_P17_only_the_answer_to_the_last_question_counts(house: House, ada: Person, bob: Person) -> None:
    with unanswering(house) as asked:
        for visibility in ("private", "unlisted", "private"):
            ada.do("room.update", room=ROOM, visibility=visibility)
        ada.do("message.send", room=ROOM, text="among ourselves")
        first, *_ = (one for one in asked if one.session == bob.session.id)
        assert first.origin is not None
        first.origin.replied(0, bob.got[0])
        house.pass_s(0.1)
        assert bob.took(MessageCreate) == []
    house.pass_s(0.5)
    assert (bob.took(MessageCreate), len(bob.took(RoomReset)), len(ada.took(MessageCreate))) == ([], 1, 1)


def test_P17_a_room_that_becomes_private_is_asked_about_its_readers_a_few_at_a_time(house: House, ada: Person) -> None:
    people = [house.person(guest(f"g{number}")) for number in range(3 * AT_ONCE + 3)]
    for one in people:
        one.join(ROOM)
    for one in people[-3:]:
        sends_away(ada, "role", one, role="cohost")
    house.host._live[ADDRESS].mailbox._limit = 2 * AT_ONCE  # questions, and farewells of who was shut out
    ada.do("room.update", room=ROOM, visibility="private")
    people[0].leave()
    house.pass_s(0.5)
    assert here(house) == {"ada", *(one.authority.principal.actor_id for one in people[-3:])}
    assert [len(one.took(RoomReset)) for one in (ada, *people[-3:])] == [0, 0, 0, 0], "nothing refused for being too much"
    assert {len(one.took(RoomReset)) for one in people[1:-3]} == {1}
    ada.do("message.send", room=ROOM, text="among ourselves")
    assert [len(one.took(MessageCreate)) for one in people[-3:]] == [1, 1, 1]


def test_P17_a_question_that_is_not_needed_any_more_keeps_nobody_waiting(
    house: House, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doubt, "AT_ONCE", 1)
    people = [house.person(guest(f"g{number}")) for number in range(3)]
    for one in people:
        one.join(ROOM)
    with unanswering(house) as asked:
        ada.do("room.update", room=ROOM, visibility="private")
        people[0].leave()
        assert [one.session for one in asked] == [ada.session.id]
    house.pass_s(0.5)
    assert [len(one.took(RoomReset)) for one in (ada, *people)] == [0, 0, 1, 1]
    assert here(house) == {"ada"}


def test_questions_that_are_refused_within_the_asking_are_all_asked_however_many() -> None:
    class Asked:
        """As a subscription whose room is on a node to which nothing more can be sent."""

        refusals = 0

        def ask(self, one: doubt.Doubt) -> bool:
            one.refused(0, Unavailable("too much"))
            return True

        def settled(self, _doubt: doubt.Doubt, _error: Exception | None) -> None:
            self.refusals += 1

    doubts, reader = doubt.Doubts(), Asked()
    doubts._under_way = AT_ONCE
    for _ in range(5000):
        doubts.ask(doubt.Doubt(doubts, reader))  # type: ignore[arg-type]
    doubts.answered()
    assert (reader.refusals, doubts._under_way) == (5000, AT_ONCE - 1)


def test_a_change_of_an_open_room_asks_nobody(house: House, ada: Person, bob: Person) -> None:
    handled = house.host.stats.handled
    ada.do("room.update", room=ROOM, title="Louder")
    assert len(bob.took(RoomUpdated)) == 1
    assert house.host.stats.handled == handled + 1


def test_a_change_of_a_private_room_asks_nobody_who_was_let_in_as_such(house: House, ada: Person, bob: Person) -> None:
    sends_away(ada, "role", bob, role="cohost")
    handled = changed(house, ada, visibility="private")
    assert handled == 3, "the command, and two are asked"
    assert [changed(house, ada, title=title) for title in ("Quiet, please", "Quieter")] == [1, 1]
    assert changed(house, ada, visibility="unlisted") == 1
    carol = house.person(guest("carol"))
    carol.join(ROOM)
    assert changed(house, ada, visibility="private") == 5, "the command, three are asked, and one of them is not let in"
    assert [len(one.took(RoomReset)) for one in (ada, bob, carol)] == [0, 0, 1]
    assert here(house) == {"ada", "bob"}


def test_P17_changes_that_nobody_here_heard_of_are_not_taken_for_known(house: House, ada: Person) -> None:
    changed(house, ada, visibility="private")
    with deaf(house):
        changed(house, ada, visibility="unlisted")
        ada.join(ROOM)
    carol = house.person(guest("carol"))
    carol.join(ROOM)
    changed(house, ada, visibility="private")
    assert len(carol.took(RoomReset)) == 1
    assert here(house) == {"ada"}


@contextmanager
def unanswering(house: House) -> Iterator[list[Envelope]]:
    """What asks the room who may be there does not reach it before the end."""
    router, asked = house.gateway.around.router, list[Envelope]()
    send = router.send
    router.send = lambda one: asked.append(one) if isinstance(one.command, Query) else send(one)  # type: ignore[assignment, method-assign]
    yield asked
    del router.send
    for envelope in asked:
        house.loop.call_soon(send, envelope)


def changed(house: House, ada: Person, **fields: Any) -> int:
    """How much the room handled for a change of its settings."""
    before = house.host.stats.handled
    ada.do("room.update", room=ROOM, **fields)
    house.pass_s(0.5)
    return house.host.stats.handled - before


def waiting(house: House) -> tuple[Person, Any]:
    """Carol, of whom it is not known yet whom she does not see; and what makes it known."""
    known = asyncio.Event()
    load = house.gateway.hidden._load
    assert load is not None

    async def slow(readers: Sequence[Principal]) -> Any:
        await known.wait()
        return await load(readers)

    def release() -> None:
        house.loop.call_soon(known.set)
        house.pass_s(0.2)

    house.gateway.hidden._load = slow
    carol = house.person(guest("carol"))
    house.pass_s(0.1)
    house.gateway.hidden._load = load
    return carol, release
