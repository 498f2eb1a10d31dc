"""Order in rooms among people who had other names: what is known of those, and what others learn."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from commonroom.actors.room.feature import MAX_FORMER
from commonroom.actors.room.succession import AWAY_MS
from commonroom.errors import Forbidden, RoomBanned
from commonroom.identity import Principal
from commonroom.protocol.moderation import ModerationCommand, RoomBan, RoomKick, RoomModerated, RoomMute, RoomRole, RoomUnban
from tests.actors.stage import Device, Stage


@pytest.fixture
def former(stage: Stage) -> Device:
    """A guest who was never in the room."""
    return stage.person("Former")


@pytest.fixture
def uma(stage: Stage, former: Device) -> Device:
    """The user whom that became."""
    return stage.device(stage.user(former, "Uma"))


def hosted(stage: Stage, uma: Device, bob: Device) -> str:
    """Uma's room; Bob is its co-host, and she is away."""
    room = stage.room(uma)
    uma.join(room)
    bob.join(room)
    uma.do(RoomRole, room, person=bob.principal, role="cohost")
    uma.leave(room)
    stage.settle()
    return room


def test_P35_no_cohost_bans_the_host_by_a_name_that_the_host_had_elsewhere(stage: Stage, uma: Device, former: Device, bob: Device) -> None:
    room = hosted(stage, uma, bob)
    bob.do(RoomBan, room, person=former.principal)
    assert uma.join(room).role == "host"
    uma.say(room, "still mine")
    stage.advance(AWAY_MS / 1000 + 1)
    assert stage.actor(room).room.host == uma.principal
    stage.restart()
    assert uma.join(room).role == "host"


def test_P35_no_cohost_mutes_the_host_by_a_name_that_the_host_had_elsewhere(stage: Stage, uma: Device, former: Device, bob: Device) -> None:
    room = hosted(stage, uma, bob)
    bob.do(RoomMute, room, person=former.principal)
    uma.join(room)
    uma.say(room, "still heard")


def test_P35_a_cohost_whom_the_host_mutes_or_bans_is_muted_or_banned(stage: Stage, uma: Device, bob: Device) -> None:
    room = hosted(stage, uma, bob)
    uma.do(RoomMute, room, person=bob.principal)
    with pytest.raises(Forbidden, match="muted"):
        bob.say(room, "x")
    uma.do(RoomBan, room, person=bob.principal)
    with pytest.raises(RoomBanned):
        bob.join(room)


@pytest.mark.parametrize("command", [RoomKick, RoomBan, RoomMute])
def test_P2_who_somebody_was_elsewhere_is_told_to_nobody(
    stage: Stage, alice: Device, bob: Device, uma: Device, former: Device, room: str, command: type[ModerationCommand]
) -> None:
    for one in (alice, bob, uma):
        one.join(room)
    alice.do(command, room, person=uma.principal)
    if command is RoomBan:
        alice.do(RoomUnban, room, person=uma.principal)
    told = bob.took(RoomModerated)
    assert told
    assert all((push.person, push.guests) == (uma.principal, []) for push in told)


def test_P2_nor_is_it_when_a_room_is_handed_over(stage: Stage, alice: Device, uma: Device, room: str) -> None:
    alice.join(room)
    uma.join(room)
    alice.do(RoomRole, room, person=uma.principal, role="host")
    assert [push.guests for push in alice.took(RoomModerated)] == [[], []]


@pytest.mark.parametrize("snapshot_events", [1, 1000])
def test_P35_a_ban_holds_for_every_guest_whom_the_person_was_told_or_not(snapshot_events: int) -> None:
    with Stage(snapshot_events=snapshot_events) as stage:
        alice, former = stage.person("Alice"), stage.person("Former")
        uma, room = stage.device(stage.user(former)), stage.room(alice)
        alice.join(room)
        uma.join(room)
        alice.do(RoomBan, room, person=uma.principal)
        for restarts in range(2):
            with pytest.raises(RoomBanned):
                former.join(room)
            if not restarts:
                stage.restart()
        alice.do(RoomUnban, room, person=uma.principal)
        former.join(room)


def by_upgrade(stage: Stage, guest: Device, user: Device, room: str) -> None:
    guest.join(room)
    user.join(room)


def by_an_old_token(stage: Stage, guest: Device, user: Device, room: str) -> None:
    user.join(room)
    guest.join(room)


@pytest.mark.parametrize("come", [by_upgrade, by_an_old_token])
def test_a_guest_who_was_here_is_told_with_the_user_so_that_every_socket_ends(
    stage: Stage, alice: Device, uma: Device, former: Device, room: str, come: Callable[[Stage, Device, Device, str], None]
) -> None:
    other = Principal("guest", "elsewhere")
    uma.authority = replace(uma.authority, guests=(other.actor_id, *uma.authority.guests))
    alice.join(room)
    come(stage, former, uma, room)
    alice.do(RoomKick, room, person=uma.principal)
    (push,) = alice.took(RoomModerated)
    assert (push.person, push.guests) == (uma.principal, [former.principal])
    assert (expulsion := push.expelled()) is not None
    assert expulsion.people == frozenset({uma.principal, former.principal})


def appointed_as_a_guest(stage: Stage, alice: Device, former: Device, uma: Device, room: str) -> None:
    """Uma is a co-host since she was the guest, was here as a user, and is away."""
    alice.join(room)
    former.join(room)
    alice.do(RoomRole, room, person=former.principal, role="cohost")
    former.leave(room)
    uma.join(room)
    uma.leave(room)
    stage.settle()


@pytest.mark.parametrize("by", ["user", "guest"])
def test_P35_an_absent_cohost_from_before_signing_in_is_banned_under_either_name(
    stage: Stage, alice: Device, bob: Device, former: Device, uma: Device, room: str, by: str
) -> None:
    appointed_as_a_guest(stage, alice, former, uma, room)
    bob.join(room)
    alice.do(RoomRole, room, person=bob.principal, role="cohost")
    named = uma.principal if by == "user" else former.principal
    with pytest.raises(Forbidden, match="to a cohost"):
        bob.do(RoomBan, room, person=named)
    alice.do(RoomBan, room, person=named)
    assert list(stage.actor(room).room.cohosts) == [bob.principal]
    stage.restart()
    for device in (uma, former):
        with pytest.raises(RoomBanned):
            device.join(room)


@pytest.mark.parametrize("by", ["user", "guest"])
def test_P35_an_absent_cohost_from_before_signing_in_is_demoted_under_either_name(
    stage: Stage, alice: Device, former: Device, uma: Device, room: str, by: str
) -> None:
    appointed_as_a_guest(stage, alice, former, uma, room)
    alice.do(RoomRole, room, person=uma.principal if by == "user" else former.principal, role="participant")
    assert stage.actor(room).room.cohosts == {}
    assert uma.join(room).role == "participant"


def test_who_guests_became_is_remembered_of_those_alone_who_hold_something_and_up_to_a_bound(stage: Stage, room: str) -> None:
    held = stage.actor(room).room
    held.cohosts = dict.fromkeys(Principal("guest", f"g{number}") for number in range(MAX_FORMER + 1))
    for guest in (Principal("guest", "nobody"), *held.cohosts):
        held.came(Principal("user", f"u-{guest.actor_id}"), [guest])
    assert list(held.former) == list(held.cohosts)[1:]


def test_a_cohost_from_before_signing_in_loses_that_name_too(stage: Stage, alice: Device, former: Device, uma: Device, room: str) -> None:
    alice.join(room)
    former.join(room)
    alice.do(RoomRole, room, person=former.principal, role="cohost")
    stage.restart()
    alice.join(room)
    assert uma.join(room).role == "cohost"
    alice.do(RoomRole, room, person=uma.principal, role="participant")
    assert stage.actor(room).room.cohosts == {}
    assert alice.took(RoomModerated)[-1].guests == [former.principal]
    with pytest.raises(Forbidden):
        uma.do(RoomKick, room, person=alice.principal)
