"""P10: what changes a room for good and is no message is refused when it comes too fast, for each person and for all of a room."""

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from commonroom.actors.room.flood import CHANGING, Flood
from commonroom.codes import ErrorCode
from commonroom.errors import RateLimited
from commonroom.identity import SessionId
from commonroom.limit.limit import CHANGES, CHANGES_OF_ROOM
from commonroom.protocol.invite import InviteAccept, InviteCode, InviteCreate, InviteRevoke, MemberAdded, RoomQuit
from commonroom.protocol.moderation import RoomKick, RoomMute, RoomUnmute
from commonroom.protocol.room import RoomUpdate, RoomUpdated
from commonroom.protocol.timer import TimerReset, TimerStart, TimerUpdate
from commonroom.protocol.wire import Command, DurablePush
from tests.actors.stage import Device, Stage

AT_ONCE = CHANGES.amount
OF_ROOM = CHANGES_OF_ROOM.amount


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage(limits_scale=1.0)
    yield stage
    stage.close()


def toggle(device: Device, room: str, times: int) -> list[int]:
    """Start and reset the timer, without waiting; the refs."""
    return [device.send(TimerReset if number % 2 else TimerStart, room, nonce=device.nonce()) for number in range(times)]


def stored(stage: Stage, room: str, kind: type[DurablePush]) -> int:
    return sum(isinstance(event, kind) for event in stage.events(room))


def refused(stage: Stage, device: Device, refs: list[int]) -> list[int]:
    """Which of these are refused for now."""
    stage.advance(0.1)
    return [ref for ref in refs if isinstance(device.answers[ref], RateLimited)]


def test_P10_one_persons_sockets_work_the_timer_together(stage: Stage, alice: Device, room: str) -> None:
    tabs = [stage.device(replace(alice.authority, sid=SessionId(f"sid-{number}"))) for number in range(30)]
    for tab in tabs:
        tab.join(room)
    refs = [(tab, ref) for tab in tabs for ref in toggle(tab, room, 2)]
    stage.advance(0.1)
    assert stored(stage, room, TimerUpdate) == AT_ONCE
    tab, ref = refs[-1]
    error = tab.assert_error(ref, ErrorCode.RATE_LIMITED)
    assert (error.remaining, 0 < (error.retry_after_ms or 0) <= 1000) == (0, True)


def test_P10_the_host_is_not_exempt_and_goes_on_after_waiting_as_told(stage: Stage, alice: Device, room: str) -> None:
    alice.join(room)
    refs = [alice.send(RoomUpdate, room, topic=f"topic {number}", nonce=alice.nonce()) for number in range(40)]
    stage.advance(0.1)
    assert stored(stage, room, RoomUpdated) == AT_ONCE
    stage.advance((alice.assert_error(refs[-1], ErrorCode.RATE_LIMITED).retry_after_ms or 0) / 1000)
    alice.do(RoomUpdate, room, topic="at last")
    assert stored(stage, room, RoomUpdated) == AT_ONCE + 1


def test_P10_settings_timer_invites_and_order_count_together(stage: Stage, alice: Device, bob: Device, room: str) -> None:
    for device in (alice, bob):
        device.join(room)
    turn: list[tuple[type[Command], dict[str, object]]] = [
        (RoomUpdate, {"topic": "t"}),
        (TimerStart, {}),
        (InviteCreate, {}),
        (RoomMute, {"person": bob.principal}),
        (RoomUnmute, {"person": bob.principal}),
    ]
    for kind, fields in turn * (AT_ONCE // len(turn)):
        alice.send(kind, room, nonce=alice.nonce(), **fields)
    last = alice.send(InviteRevoke, room, invite="0" * 26, nonce=alice.nonce())
    assert refused(stage, alice, [last]) == [last]


def test_P10_a_crowd_is_refused_and_the_host_puts_an_end_to_it(stage: Stage, alice: Device, room: str) -> None:
    crowd = [stage.person(str(number)) for number in range(10)]
    for device in (alice, *crowd):
        device.join(room)
    refs = [(one, toggle(one, room, 6)) for one in crowd]
    assert sum(len(refused(stage, one, mine)) for one, mine in refs) == 10 * 6 - OF_ROOM
    for one in crowd[:5]:
        alice.do(RoomKick, room, person=one.principal)
    alice.do(RoomUpdate, room, timer_policy="host")


def test_P10_who_may_not_uses_nothing_of_the_room_up(stage: Stage, alice: Device, bob: Device, room: str) -> None:
    for device in (alice, bob):
        device.join(room)
    alice.do(RoomUpdate, room, timer_policy="cohosts")
    strangers = [stage.person(str(number)) for number in range(10)]
    for one in strangers:
        one.join(room)
        for ref in toggle(one, room, 20):
            one.assert_error(ref, ErrorCode.FORBIDDEN)
    alice.do(RoomUpdate, room, timer_policy="everyone")
    assert refused(stage, bob, toggle(bob, room, AT_ONCE)) == []


def test_P10_messages_and_changes_count_apart(stage: Stage, alice: Device, room: str) -> None:
    alice.join(room)
    toggle(alice, room, 40)
    before = stage.now()
    for text in "abcde":
        alice.say(room, text)
        alice.typing(room)
        alice.cast(room, "cursor", text)
    assert stage.now() - before < 500
    other = stage.room(alice)
    alice.join(other)
    assert refused(stage, alice, toggle(alice, other, AT_ONCE)) == []


def test_P17_a_class_comes_in_by_a_link_at_once_and_leaves(stage: Stage, alice: Device) -> None:
    room = stage.room(alice, visibility="private")
    made = alice.ask(InviteCreate, room, nonce=alice.nonce())
    assert isinstance(made, InviteCode)
    pupils = [stage.person(str(number)) for number in range(2 * OF_ROOM)]
    for kind, fields in ((InviteAccept, {"code": made.code}), (RoomQuit, {})):
        refs = [(pupil, pupil.send(kind, room, nonce=pupil.nonce(), **fields)) for pupil in pupils]
        assert [pupil for pupil, ref in refs if refused(stage, pupil, [ref])] == []
    assert stored(stage, room, MemberAdded) == len(pupils)


def test_P10_a_guest_who_becomes_a_user_has_done_what_the_guest_did(stage: Stage, bob: Device, room: str) -> None:
    bob.join(room)
    assert refused(stage, bob, toggle(bob, room, AT_ONCE)) == []
    bob.refresh(stage.user(bob))
    (ref,) = toggle(bob, room, 1)
    assert refused(stage, bob, [ref]) == [ref]


@pytest.mark.parametrize(("scale", "granted"), [(0.0, 200), (3.0, 3 * AT_ONCE)])
def test_the_scale_multiplies_it(scale: float, granted: int) -> None:
    with Stage(limits_scale=scale) as stage:
        alice = stage.person("Alice")
        room = stage.room(alice)
        alice.join(room)
        toggle(alice, room, 200)
        stage.advance(0.05)
        assert stored(stage, room, TimerUpdate) == granted
        assert (stage.actor(room).room.changes is None) is (scale == 0)


def test_it_remembers_so_many_people_at_most() -> None:
    flood = Flood(1e5, CHANGING)
    for number in range(5000):
        assert flood.wait_ms(str(number), (), 0) == 0
    assert len(flood) == 1024
