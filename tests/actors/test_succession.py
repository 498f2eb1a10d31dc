"""A room whose host has left gets another one (FEATURES P35)."""

import pytest
from msgspec.structs import replace

from commonroom.actors.room.succession import AWAY_MS
from commonroom.identity import Standing
from commonroom.protocol.moderation import RoomModerated, RoomMute, RoomRole
from commonroom.protocol.room import RoomArchive
from commonroom.protocol.roster import Role
from tests.actors.stage import Device, Stage

AWAY_S = AWAY_MS / 1000
MINUTE_MS = 60_000


@pytest.fixture
def in_room(alice: Device, bob: Device, room: str) -> str:
    """Alice hosts, Bob is there."""
    alice.join(room)
    bob.join(room)
    return room


def roles(stage: Stage, room: str) -> dict[str, Role]:
    return {member.person.name: member.person.role for member in stage.actor(room).room.roster}


def handed(stage: Stage, room: str) -> list[tuple[str, Role | None]]:
    """The changes of roles, whoever made them."""
    return [(event.person.actor_id, event.role) for event in stage.events(room) if isinstance(event, RoomModerated) and event.role]


def user(stage: Stage, name: str, room: str) -> Device:
    device = stage.device(stage.user(stage.person(name)))
    device.join(room)
    return device


def test_P35_a_host_who_has_left_for_ten_minutes_is_followed_by_who_is_there(
    stage: Stage, alice: Device, bob: Device, in_room: str
) -> None:
    alice.leave(in_room)
    stage.advance(AWAY_S - 1)
    assert handed(stage, in_room) == []
    stage.advance(2)
    first, second = bob.took(RoomModerated)
    assert (first.person, first.role, second.person, second.role) == (bob.principal, "host", alice.principal, "cohost")
    assert (first.author, first.nonce, first.why) == (None, None, "the host was away")
    assert roles(stage, in_room) == {"Bob": "host"}
    assert (bob.join(in_room).role, alice.join(in_room).role) == ("host", "cohost")
    stage.advance(2 * AWAY_S)
    assert len(handed(stage, in_room)) == 2


def test_a_host_who_comes_back_in_time_stays_the_host_and_the_ten_minutes_begin_anew(stage: Stage, alice: Device, in_room: str) -> None:
    for _ in range(3):
        alice.leave(in_room)
        stage.advance(AWAY_S * 0.7)
        alice.join(in_room)
        stage.advance(1)
    assert handed(stage, in_room) == []


def test_a_host_who_comes_back_as_a_user_is_there(stage: Stage, alice: Device, in_room: str) -> None:
    alice.leave(in_room)
    stage.advance(AWAY_S * 0.7)
    back = stage.device(stage.user(alice))
    back.join(in_room)
    stage.advance(AWAY_S)
    assert handed(stage, in_room) == []
    back.leave(in_room)
    stage.advance(AWAY_S * 0.7)
    assert handed(stage, in_room) == []
    stage.advance(AWAY_S)
    assert len(handed(stage, in_room)) == 2


def test_a_host_who_signs_in_is_there_and_the_ten_minutes_begin_with_leaving(stage: Stage, alice: Device, in_room: str) -> None:
    alice.refresh(stage.user(alice))
    stage.advance(AWAY_S - 60)
    alice.leave(in_room)
    stage.advance(AWAY_S - 1)
    assert handed(stage, in_room) == []
    stage.advance(2)
    assert len(handed(stage, in_room)) == 2


@pytest.mark.parametrize(("cohost", "users", "heir"), [(True, True, "Carol"), (False, True, "Ute"), (False, False, "Bob")])
def test_P35_the_cohost_who_is_there_longest_goes_before_the_user_and_the_user_before_the_guest(
    stage: Stage, alice: Device, in_room: str, cohost: bool, users: bool, heir: str
) -> None:
    stage.advance(1)
    if users:
        for name in ("Ute", "Uwe"):
            user(stage, name, in_room)
            stage.advance(1)
    for name in ("Carol", "Dave"):
        device = stage.person(name)
        device.join(in_room)
        if cohost:
            alice.do(RoomRole, in_room, person=device.principal, role="cohost")
        stage.advance(1)
    alice.leave(in_room)
    stage.advance(AWAY_S + 1)
    assert [name for name, role in roles(stage, in_room).items() if role == "host"] == [heir]


def test_P7_a_public_room_waits_for_a_user(stage: Stage, alice: Device, bob: Device) -> None:
    host = stage.device(stage.user(alice))
    room = stage.room(host, visibility="public")
    host.join(room)
    bob.join(room)
    host.leave(room)
    stage.advance(AWAY_S * 2.5)
    assert handed(stage, room) == []
    ute = user(stage, "Ute", room)
    stage.advance(AWAY_S + 1)
    assert handed(stage, room)[0] == (ute.principal.actor_id, "host")


def test_whoever_is_muted_does_not_become_the_host(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    carol = stage.person("Carol")
    carol.join(in_room)
    alice.do(RoomMute, in_room, person=bob.principal)
    alice.leave(in_room)
    stage.advance(AWAY_S + 1)
    assert handed(stage, in_room)[0] == (carol.principal.actor_id, "host")


@pytest.mark.parametrize("sanction", ["mute", "shadow"])
def test_P35_whoever_stands_under_an_admins_measure_does_not_become_the_host(
    stage: Stage, alice: Device, bob: Device, in_room: str, sanction: Standing
) -> None:
    carol = stage.person("Carol")
    carol.join(in_room)
    bob.refresh(replace(bob.authority, sanction=sanction))
    alice.leave(in_room)
    stage.advance(AWAY_S + 1)
    assert handed(stage, in_room)[0] == (carol.principal.actor_id, "host")


@pytest.mark.parametrize("is_over", [True, False])
def test_an_admins_mute_that_is_over_or_lifted_counts_no_more(
    stage: Stage, alice: Device, bob: Device, in_room: str, is_over: bool
) -> None:
    bob.refresh(replace(bob.authority, sanction="mute", sanction_until=stage.now() + AWAY_MS + MINUTE_MS))
    alice.leave(in_room)
    stage.advance(AWAY_S + 1)
    assert handed(stage, in_room) == []
    if not is_over:
        bob.refresh(replace(bob.authority, sanction="", sanction_until=0))
    stage.advance(AWAY_S)
    assert handed(stage, in_room)[0] == (bob.principal.actor_id, "host")


def test_an_empty_or_archived_room_gets_no_other_host(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    alice.leave(in_room)
    stage.advance(AWAY_S * 0.7)
    bob.leave(in_room)
    stage.advance(AWAY_S)
    bob.join(in_room)
    stage.advance(AWAY_S * 0.7)
    assert handed(stage, in_room) == []
    alice.join(in_room)
    alice.do(RoomArchive, in_room)
    alice.leave(in_room)
    stage.advance(AWAY_S * 2)
    assert handed(stage, in_room) == []


def test_another_activation_begins_to_count_anew(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    alice.leave(in_room)
    stage.advance(AWAY_S * 0.7)
    stage.restart()
    bob.join(in_room)
    stage.advance(AWAY_S * 0.7)
    assert handed(stage, in_room) == []
    stage.advance(AWAY_S * 0.4)
    assert handed(stage, in_room)[0] == (bob.principal.actor_id, "host")


def test_a_room_whose_host_is_there_has_no_wake(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    activation = stage.activation(in_room)
    assert activation is not None
    assert "succession" not in activation._timers
    alice.leave(in_room)
    stage.settle()
    assert "succession" in activation._timers
    alice.join(in_room)
    assert "succession" not in activation._timers
    alice.do(RoomRole, in_room, person=bob.principal, role="host")
    bob.leave(in_room)
    stage.settle()
    assert "succession" in activation._timers
