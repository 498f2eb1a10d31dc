"""Blocks at the gateway: what somebody gets of a room follows from what they see of it (RELIABILITY A8)."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from commonroom.engine.gateway import hidden
from commonroom.engine.gateway.hidden import key_of
from commonroom.identity import Principal
from commonroom.protocol.cast import Cast
from commonroom.protocol.chat import MessageCreate, MessageDelete, MessageUpdate
from commonroom.protocol.codec import MSGPACK
from commonroom.protocol.presence import PresenceReset, PresenceSnapshot, PresenceUpdate, PrincipalUpgraded
from commonroom.protocol.room import Joined, RoomCreated
from commonroom.protocol.session import Error, Reply, Skip, Welcome
from commonroom.protocol.timer import TimerUpdate
from commonroom.protocol.typing import Typing
from commonroom.protocol.wire import DurablePush, ServerMessage
from tests.gateway.house import House, Person, guest, user

ADA, BOB, CAROL, DAVE = user("ada"), user("bob"), user("carol"), user("dave")
ROOM = "reading"
MANY = 400


@pytest.fixture
def house() -> Iterator[House]:
    with House() as house:
        yield house


def found_room(carol: Person) -> None:
    carol.do("room.create", room=ROOM, kind="study", title="Reading", visibility="public")
    carol.join(ROOM)
    carol.house.pass_s(1)


def people(snapshot: PresenceSnapshot) -> list[Principal]:
    return [person.principal for person in snapshot.people]


# -- two worlds -------------------------------------------------------------------------


class Play:
    """What happens in a room; Ada's part only where she is there. Bob's client gets `heard`, over several sockets."""

    def __init__(self, house: House, *, ada_is_there: bool, blocks: bool) -> None:
        self.house = house
        self.ada_is_there = ada_is_there
        if blocks:
            house.block(ADA, BOB)
        self.carol = house.person(CAROL)
        self.heard: list[list[ServerMessage]] = []
        found_room(self.carol)
        self.bob = house.person(BOB)
        self.dave = house.person(DAVE)
        self.ada = house.person(ADA) if ada_is_there else None
        self.act()

    def ada_does(self, name: str, **fields: Any) -> None:
        """At the same moments in both worlds."""
        if self.ada is None:
            self.house.pass_s(0.1)
        else:
            self.ada.do(name, room=ROOM, **fields)

    def ada_acts(self) -> None:
        """All that can be done in a room but what concerns everybody whoever does it."""
        self.ada_does("typing.start")
        self.ada_does("message.send", text="of Ada")
        self.ada_does("typing.start")
        self.ada_does("cast.send", key="cursor", data="here")
        mine = 0 if self.ada is None else self.ada.took(Reply)[-3].offset
        self.ada_does("message.edit", message=mine, text="of Ada herself")
        self.ada_does("message.delete", message=mine)
        self.ada_does("message.send", text="of Ada again")
        self.ada_does("typing.start")

    def others_act(self) -> None:
        self.carol.do("typing.start", room=ROOM)
        self.carol.do("message.send", room=ROOM, text="of Carol")
        self.dave.do("cast.send", room=ROOM, key="", data="*")
        self.carol.do("message.edit", room=ROOM, message=self.carol.took(Reply)[-1].offset, text="of Carol herself")
        self.bob.do("message.send", room=ROOM, text="of Bob")
        self.carol.do("timer.start", room=ROOM)
        self.carol.do("timer.reset", room=ROOM)

    def come_and_go(self) -> None:
        for _ in range(2):
            self.ada_does("room.leave")
            self.house.pass_s(1)
            self.dave.do("room.leave", room=ROOM)
            self.house.pass_s(1)
            self.dave.send("room.join", room=ROOM)
            self.ada_does("room.join")
            self.house.pass_s(1)

    def act(self) -> None:
        self.dave.join(ROOM)
        self.ada_does("room.join")
        self.house.pass_s(1)
        self.ada_acts()
        self.bob.join(ROOM)
        self.house.pass_s(1)
        self.ada_acts()
        self.others_act()
        self.come_and_go()
        self.bob.join(ROOM)
        self.ada_does("message.send", text="once more")
        self.bob_comes_back(away=self.ada_acts)
        self.others_act()
        self.bob_comes_back(away=self.crowd_of_messages)
        self.ada_acts()
        self.come_and_go()
        self.others_act()
        self.heard.append(self.bob.got)

    def bob_comes_back(self, away: Callable[[], None]) -> None:
        position = max(place(message) for message in self.bob.got)
        self.heard.append(self.bob.got)
        self.bob.leave()
        self.house.pass_s(1)
        away()
        self.others_act_without_bob()
        self.bob = self.house.person(BOB)
        self.bob.join(ROOM, resume=position)
        self.house.pass_s(1)

    def others_act_without_bob(self) -> None:
        self.carol.do("message.send", room=ROOM, text="meanwhile")

    def crowd_of_messages(self) -> None:
        """More than the ring holds: the rest is read from the journal."""
        for number in range(20):
            self.carol.do("message.send", room=ROOM, text=f"number {number}")
            self.ada_does("message.send", text=f"number {number}")

    def transcript(self, *, relative: bool = False) -> list[list[bytes]]:
        """The bytes of each socket, offsets counted without those of Ada; `relative`: changes of presence from the join on."""
        lost = {event.offset for event in self.house.events(ROOM) if event.author == ADA}
        return [Normal(lost, relative=relative).read(heard) for heard in self.heard]


def place(message: ServerMessage) -> int:
    """The last offset that it shows."""
    if isinstance(message, Joined):
        return message.position.offset if message.recovery == "fresh" else 0
    return message.offset if isinstance(message, DurablePush | Skip) else 0


class Normal:
    """One socket's messages, as they would be had Ada written nothing."""

    def __init__(self, lost: set[int], *, relative: bool) -> None:
        self.lost = lost
        self.relative = relative
        self.base: int | None = None

    def read(self, messages: list[ServerMessage]) -> list[bytes]:
        kept = [message for message in messages if not isinstance(message, Skip | Welcome)]
        return [MSGPACK.encode(self.one(message)) for message in kept]

    def offset(self, offset: int) -> int:
        return offset - sum(one <= offset for one in self.lost)

    def rev(self, rev: int) -> int:
        if not self.relative:
            return rev
        self.base = rev if self.base is None else self.base
        return rev - self.base + 10

    def one(self, message: Any) -> ServerMessage:
        if isinstance(message, Joined):
            return self.joined(message)
        if isinstance(message, DurablePush):
            message = replace(message, offset=self.offset(message.offset))
        if isinstance(message, MessageUpdate | MessageDelete):
            return replace(message, message=self.offset(message.message))
        if isinstance(message, PresenceUpdate | PrincipalUpgraded):
            return replace(message, rev=self.rev(message.rev))
        return replace(message, offset=self.offset(message.offset)) if isinstance(message, Reply) else message

    def joined(self, joined: Joined) -> Joined:
        return replace(
            joined,
            position=replace(joined.position, offset=self.offset(joined.position.offset)),
            presence=replace(joined.presence, rev=self.rev(joined.presence.rev)),
            messages=[replace(message, offset=self.offset(message.offset)) for message in joined.messages],
        )


@pytest.mark.parametrize("ring", [512, 4], ids=["from the ring", "from the journal"])
def test_A8_to_a_blocked_reader_it_is_as_if_the_other_had_never_been_there(ring: int) -> None:
    with House(ring=ring) as one, House(ring=ring) as other:
        there, never = Play(one, ada_is_there=True, blocks=True), Play(other, ada_is_there=False, blocks=True)
        kinds = {type(message) for heard in never.heard for message in heard}
        assert kinds >= {Joined, MessageCreate, MessageUpdate, TimerUpdate, PresenceUpdate, Typing, Cast, Reply}, (
            "the play shows too little"
        )
        assert there.transcript() == never.transcript()
        assert sum(isinstance(message, Skip) for heard in there.heard for message in heard) > 10
        assert [offsets(heard) for heard in there.heard] == [list(range(*ends(heard))) for heard in there.heard], "I6"


def test_A8_what_a_blocked_reader_gets_is_what_somebody_gets_from_whom_nobody_is_hidden() -> None:
    with House() as one, House() as other:
        there, never = Play(one, ada_is_there=True, blocks=True), Play(other, ada_is_there=False, blocks=False)
        assert there.transcript(relative=True) == never.transcript(relative=True)


def test_A8_without_a_block_the_play_shows_everything() -> None:
    """Else the comparison would prove nothing."""
    with House() as one, House() as other:
        there, never = Play(one, ada_is_there=True, blocks=False), Play(other, ada_is_there=False, blocks=False)
        seen = [message for heard in there.heard for message in heard]
        assert there.transcript() != never.transcript()
        assert {type(message) for message in seen if getattr(message, "author", None) == ADA} == {
            MessageCreate,
            MessageUpdate,
            MessageDelete,
        }
        assert {type(message) for message in seen if getattr(message, "person", None) == ADA} == {Typing, Cast}


def offsets(heard: list[ServerMessage]) -> list[int]:
    return [message.offset for message in heard if isinstance(message, DurablePush | Skip)]


def ends(heard: list[ServerMessage]) -> tuple[int, int]:
    seen = offsets(heard)
    return seen[0], seen[-1] + 1


# -- on live sockets ----------------------------------------------------------------------


def in_a_room(house: House) -> tuple[Person, Person, Person]:
    """Carol's room with Ada and Bob in it, who have heard nothing yet."""
    carol = house.person(CAROL)
    found_room(carol)
    ada, bob = house.person(ADA), house.person(BOB)
    for person in (ada, bob):
        person.join(ROOM)
    house.pass_s(1)
    for person in (ada, bob, carol):
        person.got.clear()
    return ada, bob, carol


def test_A8_a_block_takes_effect_on_live_sockets_in_both_directions(house: House) -> None:
    ada, bob, carol = in_a_room(house)
    house.block(ADA, BOB)
    house.notice(ADA, BOB)
    for person, other in ((ada, BOB), (bob, ADA)):
        (reset,) = person.got
        assert isinstance(reset, PresenceReset)
        assert other not in people(reset.presence)
        assert (len(reset.presence.people), reset.presence.count) == (2, 2)
        person.got.clear()
    for speaker, listener in ((ada, bob), (bob, ada)):
        speaker.do("message.send", room=ROOM, text="hello")
        assert {type(message) for message in listener.got} == {Skip}
        assert [message.text for message in speaker.took(MessageCreate)] == ["hello"]
        listener.got.clear()
        speaker.got.clear()
    assert carol.took(PresenceReset) == []
    assert [message.text for message in carol.took(MessageCreate)] == ["hello", "hello"]


def test_A8_who_goes_on_after_a_block_counts_and_lists_rightly(house: House) -> None:
    _, bob, _ = in_a_room(house)
    house.block(ADA, BOB)
    house.notice(ADA, BOB)
    (reset,) = bob.took(PresenceReset)
    dave = house.person(DAVE)
    dave.join(ROOM)
    house.pass_s(1)
    (update,) = bob.took(PresenceUpdate)
    assert (update.rev, update.activation) == (reset.presence.rev + 1, reset.presence.activation)
    assert ([person.principal for person in update.joined], update.count) == ([DAVE], 3)


def test_A8_unblocking_shows_who_is_there_and_replays_nothing(house: House) -> None:
    house.block(ADA, BOB)
    ada, bob, _ = in_a_room(house)
    ada.do("typing.start", room=ROOM)
    ada.do("message.send", room=ROOM, text="while it was blocked")
    ada.do("cast.send", room=ROOM, key="k", data="d")
    bob.got.clear()
    house.unblock(ADA, BOB)
    house.notice(ADA, BOB)
    house.pass_s(1)
    (reset,) = bob.got
    assert isinstance(reset, PresenceReset)
    assert set(people(reset.presence)) == {ADA, BOB, CAROL}
    bob.got.clear()
    ada.do("message.send", room=ROOM, text="from now on")
    assert [message.text for message in bob.took(MessageCreate)] == ["from now on"]


def test_a_reader_from_whom_nobody_is_hidden_any_more_is_back_on_the_shared_path(house: House) -> None:
    house.block(ADA, BOB)
    _, bob, _ = in_a_room(house)
    (subscription,) = bob.session._rooms.values()
    assert subscription.place.value == "catching"
    house.unblock(ADA, BOB)
    house.notice(ADA, BOB)
    assert subscription.place.value == "live"


def test_A8_the_timer_of_a_hidden_person_is_everybodys_and_nobody_is_said_to_have_moved_it(house: House) -> None:
    house.block(ADA, BOB)
    ada, bob, carol = in_a_room(house)
    ada.do("timer.start", room=ROOM)
    (told,), (seen,) = bob.took(TimerUpdate), carol.took(TimerUpdate)
    assert (seen.author, told.author, told.nonce) == (ADA, None, None)
    assert replace(told, author=seen.author, nonce=seen.nonce) == seen


def test_A8_a_room_of_a_hidden_person_can_be_entered_and_its_first_event_is_nobodys(house: House) -> None:
    house.block(ADA, CAROL)
    house.block(BOB, CAROL)
    ada, bob, _ = in_a_room(house)
    bob.leave()
    again = house.person(BOB)
    again.join(ROOM, resume=0)
    (created,) = again.took(RoomCreated)
    assert created.author is None
    assert ADA in people(again.took(Joined)[0].presence)
    assert ada.closed is None


# -- guests who become users ------------------------------------------------------------------


def test_A8_a_hidden_guest_who_signs_in_goes_on_unseen(house: House) -> None:
    carol = house.person(CAROL)
    found_room(carol)
    house.block(BOB, guest("gus"))
    bob, gus = house.person(BOB), house.person(guest("gus"))
    for person in (bob, gus):
        person.join(ROOM)
    house.pass_s(1)
    bob.got.clear()
    house.block(BOB, ADA)
    house.notice(guest("gus"))
    bob.got.clear()
    gus.refresh(house.authority(ADA, guests=("gus",), name="Ada G."))
    house.pass_s(1)
    gus.do("message.send", room=ROOM, text="as Ada")
    assert {type(message) for message in bob.got} == {Skip}
    assert [type(message) for message in carol.got if isinstance(message, PrincipalUpgraded | MessageCreate)] == [
        PrincipalUpgraded, MessageCreate,
    ]  # fmt: skip


def test_A8_a_guest_who_signs_in_as_a_hidden_user_leaves(house: House) -> None:
    carol = house.person(CAROL)
    found_room(carol)
    house.block(BOB, ADA)
    bob, gus = house.person(BOB), house.person(guest("gus"))
    for person in (bob, gus):
        person.join(ROOM)
    house.pass_s(1)
    joined, bob.got = bob.took(Joined)[0], []
    gus.refresh(house.authority(ADA, guests=("gus",), name="Ada G."))
    house.pass_s(1)
    (update,) = bob.got
    assert isinstance(update, PresenceUpdate)
    assert (update.joined, update.left, update.count) == ([], [guest("gus")], 2)
    assert update.rev == joined.presence.rev + 2, "after Gus's own coming"


def test_a_guest_who_signs_in_sees_as_the_user_and_its_own_sight_is_forgotten(house: House) -> None:
    house.block(ADA, BOB)
    ada, _, _ = in_a_room(house)
    gus = house.person(guest("gus"))
    gus.join(ROOM)
    assert ADA in people(gus.took(Joined)[0].presence)
    gus.got.clear()
    gus.refresh(house.authority(BOB, guests=("gus",), name="Bob G."))
    house.pass_s(1)
    assert ADA not in people(gus.took(PresenceReset)[-1].presence)
    gus.got.clear()
    ada.do("message.send", room=ROOM, text="hello")
    assert {type(message) for message in gus.got} == {Skip}
    assert len(house.gateway.hidden) == 3


# -- what is not known ---------------------------------------------------------------------


def test_A8_a_join_waits_until_it_is_known_who_is_hidden_and_is_refused_if_nobody_can_tell(house: House) -> None:
    house.block(ADA, BOB)
    ada = house.person(ADA)
    found_room(ada)
    house.away = True
    bob = house.person(BOB)
    bob.join(ROOM)
    ada.do("message.send", room=ROOM, text="hello")
    (refused,) = bob.got[1:]
    assert isinstance(refused, Error)
    assert refused.name == "RETRY"
    house.away = False
    bob.join(ROOM)
    (joined,) = bob.took(Joined)
    assert (joined.messages, people(joined.presence)) == ([], [BOB])


def test_a_table_that_is_away_is_not_asked_batch_after_batch(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hidden, "AT_ONCE", 10)
    for number in range(30):
        house.person(user(f"u{number}"))
    house.loads.clear()
    house.gap()
    assert [len(load) for load in house.loads] == [10] * 3
    house.loads.clear()
    house.away = True
    house.gap()
    assert [len(load) for load in house.loads] == [10]


def test_what_was_known_counts_while_the_table_is_away_and_is_read_again(house: House) -> None:
    failed: list[bool] = []
    house.gateway.hidden.on_failed = lambda: failed.append(True)
    house.block(ADA, BOB)
    ada, bob, _ = in_a_room(house)
    house.away = True
    house.unblock(ADA, BOB)
    house.gap()
    ada.do("message.send", room=ROOM, text="still hidden")
    assert {type(message) for message in bob.got} == {Skip}
    assert failed == [True]


def test_all_who_come_at_once_are_one_read_and_who_is_gone_is_forgotten(house: House) -> None:
    names = [user(f"u{number}") for number in range(MANY)]
    house.block(names[0], names[1])
    everybody = [house.person(name) for name in names]
    house.pass_s(0.1)
    assert (len(house.gateway.hidden), house.gateway.hidden.veiled) == (MANY, 2)
    assert {name for load in house.loads for name in load} == set(names)
    house.loads.clear()
    house.gap()
    assert len(house.loads) == 1
    for person in everybody:
        person.house.loop.call_soon(person.session.ended)
    house.pass_s(0.1)
    assert (len(house.gateway.hidden), house.gateway.hidden.veiled) == (0, 0)


def test_who_asks_over_http_is_answered_from_memory_unless_that_is_being_read(house: House) -> None:
    house.block(ADA, BOB)
    house.person(BOB)
    house.pass_s(0.1)
    house.loads.clear()
    assert house.do(house.gateway.hidden.of(BOB)) == {ADA}
    assert house.loads == []
    assert house.do(house.gateway.hidden.of(ADA)) == {BOB}
    assert house.loads == [[ADA]]

    async def right_after_a_change() -> frozenset[Principal]:
        house.unblock(ADA, BOB)
        house.gateway.hidden.changed([key_of(BOB)])
        return await house.gateway.hidden.of(BOB)

    assert house.do(right_after_a_change()) == frozenset()


def test_two_sessions_of_a_person_share_what_is_known(house: House) -> None:
    house.block(ADA, BOB)
    first, second = house.person(BOB), house.person(BOB, name="Bob, too")
    house.pass_s(0.1)
    assert (house.loads, len(house.gateway.hidden)) == ([[BOB]], 1)
    first.leave()
    assert second.session.hidden == frozenset({ADA})


def test_a_notice_is_read_for_those_it_names_and_those_from_whom_they_are_hidden_alone(house: House) -> None:
    house.block(ADA, BOB)
    in_a_room(house)
    house.loads.clear()
    house.notice(DAVE, guest("nobody"))
    assert house.loads == []
    house.notice(BOB)
    assert [set(load) for load in house.loads] == [{ADA, BOB}]
