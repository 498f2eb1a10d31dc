"""Who keeps order in a room: roles, kick, ban and mute, on people who may have several names."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from commonroom.actors.room.moderation import MAX_COHOSTS
from commonroom.actors.room.penalty import MAX_PENALTIES, Penalties, Penalty
from commonroom.engine.envelope import Query
from commonroom.errors import CommonroomError, Forbidden, Hidden, Invalid, LimitExceeded, NotFound, RoomBanned, SignInNeeded
from commonroom.identity import Principal, RoomGrant
from commonroom.protocol.moderation import (
    ModerationCommand,
    Penalized,
    RoomBan,
    RoomKick,
    RoomModerated,
    RoomMute,
    RoomPenalties,
    RoomRole,
    RoomUnban,
    RoomUnmute,
)
from commonroom.protocol.room import RoomView
from commonroom.protocol.roster import Role
from tests.actors.stage import Device, Stage

HOUR_MS = 3_600_000


@pytest.fixture
def in_room(alice: Device, bob: Device, room: str) -> str:
    """Alice hosts, Bob is there."""
    alice.join(room)
    bob.join(room)
    return room


@pytest.fixture
def carol(stage: Stage, in_room: str) -> Device:
    carol = stage.person("Carol")
    carol.join(in_room)
    return carol


def refused(kind: type[CommonroomError], attempt: Any, *arguments: Any, **fields: Any) -> CommonroomError:
    with pytest.raises(kind) as caught:
        attempt(*arguments, **fields)
    assert type(caught.value) is kind
    return caught.value


def act(device: Device, command: type[ModerationCommand], room: str, on: Device | Principal, **fields: Any) -> int:
    return device.do(command, room, person=on.principal if isinstance(on, Device) else on, **fields).offset


def appoint(device: Device, room: str, on: Device, role: Role = "cohost") -> int:
    return act(device, RoomRole, room, on, role=role)


def roles(stage: Stage, room: str) -> dict[str, Role]:
    return {member.person.name: member.person.role for member in stage.actor(room).room.roster}


def test_a_penalty_takes_the_place_of_those_of_the_guests_whom_the_person_was() -> None:
    user, guest = Principal("user", "uma"), Principal("guest", "gus")
    penalties = Penalties()
    penalties.impose(Penalty(guest), 0)
    penalties.impose(Penalty(user, guests=(guest,)), 0)
    assert [one.person for one in penalties.dump()] == [user]
    penalties.lift(user)
    assert not Penalties(penalties.dump())


# -- roles ------------------------------------------------------------------------------------


def test_P35_the_host_makes_cohosts_and_all_see_it(stage: Stage, alice: Device, bob: Device, carol: Device, in_room: str) -> None:
    offset = appoint(alice, in_room, bob)
    (push,) = carol.took(RoomModerated)
    assert (push.offset, push.author, push.action, push.person, push.role) == (offset, alice.principal, "role", bob.principal, "cohost")
    assert roles(stage, in_room) == {"Alice": "host", "Bob": "cohost", "Carol": "participant"}
    assert bob.join(in_room).role == "cohost"
    assert {person.name: person.role for person in carol.join(in_room).presence.people} == roles(stage, in_room)
    assert appoint(alice, in_room, bob) == 0, "nothing changes"
    appoint(alice, in_room, bob, "participant")
    assert bob.join(in_room).role == "participant"
    assert len(set(roles(stage, in_room).values())) == 2


def test_P35_the_host_hands_the_room_over_and_stays_a_cohost(stage: Stage, alice: Device, bob: Device, carol: Device, in_room: str) -> None:
    act(alice, RoomRole, in_room, bob, role="host", why="my battery")
    first, second = carol.took(RoomModerated)
    assert (first.person, first.role, second.person, second.role) == (bob.principal, "host", alice.principal, "cohost")
    assert {(push.author, push.why) for push in (first, second)} == {(alice.principal, "my battery")}
    assert roles(stage, in_room) == {"Alice": "cohost", "Bob": "host", "Carol": "participant"}
    joined = carol.join(in_room)
    assert (joined.info.host, joined.info.created_by) == (bob.principal, alice.principal)
    refused(Forbidden, appoint, alice, in_room, carol)
    stage.restart()
    assert (bob.join(in_room).role, alice.join(in_room).role) == ("host", "cohost")
    appoint(bob, in_room, alice, "participant")
    assert alice.join(in_room).role == "participant", "who made it is nobody special any more"


def test_a_room_handed_over_is_so_once_however_often_it_is_said(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    offset = appoint(alice, in_room, bob, "host")
    again = alice.ask(RoomRole, in_room, nonce=alice.last_nonce, person=bob.principal, role="host")
    assert again.offset == offset  # type: ignore[attr-defined]
    assert len(stage.events(in_room)) == 3


def test_P7_a_guest_does_not_get_a_public_room(stage: Stage, alice: Device, bob: Device) -> None:
    host = stage.device(stage.user(alice))
    room = stage.room(host, visibility="public")
    host.join(room)
    bob.join(room)
    assert "signed in" in str(refused(Forbidden, appoint, host, room, bob, "host"))
    appoint(host, room, bob)
    bob.refresh(stage.user(bob))
    appoint(host, room, bob, "host")
    assert roles(stage, room) == {"Alice": "cohost", "Bob": "host"}


@pytest.mark.parametrize(
    ("command", "fields"),
    [
        (RoomRole, {"role": "cohost"}),
        (RoomMute, {}),
        (RoomUnmute, {}),
        (RoomKick, {}),
        (RoomBan, {}),
        (RoomUnban, {}),
        (RoomRole, {"role": "host"}),
    ],
)
def test_C9_whoever_is_muted_by_an_admin_keeps_order_without_a_word(
    alice: Device, bob: Device, carol: Device, in_room: str, command: type[ModerationCommand], fields: dict[str, Any]
) -> None:
    if command is RoomUnmute or command is RoomUnban:
        act(alice, RoomMute if command is RoomUnmute else RoomBan, in_room, bob)
    alice.authority = replace(alice.authority, sanction="mute")
    assert "you are muted" in str(refused(Forbidden, act, alice, command, in_room, bob, why="Heard", **fields))
    act(alice, command, in_room, bob, **fields)
    assert {push.why for push in carol.took(RoomModerated)} == {""}


def test_whoever_is_not_there_gets_no_role(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    bob.leave(in_room)
    for role in ("cohost", "host"):
        refused(NotFound, appoint, alice, in_room, bob, role)
    refused(Invalid, appoint, alice, in_room, alice, "participant")


def test_the_cohosts_are_so_many_and_no_more(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    people = [stage.person(f"P{number}") for number in range(MAX_COHOSTS + 1)]
    for person in people:
        person.join(in_room)
    for person in people[:-1]:
        appoint(alice, in_room, person)
    refused(LimitExceeded, appoint, alice, in_room, people[-1])
    appoint(alice, in_room, bob, "host")
    assert roles(stage, in_room)["Alice"] == "participant", "there was no place"
    appoint(bob, in_room, people[0], "host")
    assert roles(stage, in_room)["Bob"] == "cohost", "the new host's place was free"


def test_a_guest_who_was_host_or_cohost_is_so_as_a_user(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    appoint(alice, in_room, bob)
    tab = stage.device(bob.authority)
    bob.refresh(stage.user(bob))
    assert roles(stage, in_room)["Bob"] == "cohost"
    assert bob.join(in_room).role == tab.join(in_room).role == "cohost"
    appoint(alice, in_room, bob, "host")
    assert bob.join(in_room).role == tab.join(in_room).role == "host"
    assert alice.join(in_room).role == "cohost"
    alice.refresh(stage.user(alice))
    appoint(bob, in_room, alice, "participant")
    assert alice.join(in_room).role == "participant"


# -- kick ----------------------------------------------------------------------------------------


def test_P35_who_is_kicked_is_gone_and_may_come_again(stage: Stage, alice: Device, bob: Device, carol: Device, in_room: str) -> None:
    tablet = stage.device(bob.authority)
    tablet.join(in_room)
    act(alice, RoomKick, in_room, bob, why="noise")
    (push,) = carol.took(RoomModerated)
    assert (push.action, push.person, push.why, push.until) == ("kick", bob.principal, "noise", None)
    assert set(roles(stage, in_room)) == {"Alice", "Carol"}
    expulsion = push.expelled()
    assert expulsion is not None
    assert (expulsion.people, expulsion.code.name) == (frozenset({bob.principal}), "FORBIDDEN")
    refused(NotFound, act, alice, RoomKick, in_room, bob)
    bob.leave(in_room)
    bob.join(in_room)
    assert set(roles(stage, in_room)) == {"Alice", "Bob", "Carol"}


def test_a_kick_names_all_that_a_person_was_here(stage: Stage, alice: Device, bob: Device, carol: Device, in_room: str) -> None:
    guest = bob.principal
    bob.refresh(stage.user(bob))
    act(alice, RoomKick, in_room, guest)
    (push,) = carol.took(RoomModerated)
    assert (push.person, push.guests) == (bob.principal, [guest])
    expulsion = push.expelled()
    assert expulsion is not None
    assert expulsion.people == frozenset({bob.principal, guest})


# -- ban -----------------------------------------------------------------------------------------


def test_P35_who_is_banned_is_gone_and_stays_away_until_then(stage: Stage, alice: Device, bob: Device, carol: Device, in_room: str) -> None:
    act(alice, RoomBan, in_room, bob, duration_ms=HOUR_MS)
    (push,) = carol.took(RoomModerated)
    assert (push.action, push.until) == ("ban", push.at + HOUR_MS)
    assert set(roles(stage, in_room)) == {"Alice", "Carol"}
    error = refused(RoomBanned, bob.join, in_room)
    assert "until 20" in str(error)
    assert 0 < (error.retry_after_ms or 0) <= HOUR_MS
    refused(RoomBanned, bob.say, in_room, "x")
    stage.restart()
    refused(RoomBanned, bob.join, in_room)
    bob.following.clear()
    stage.advance(HOUR_MS / 1000)
    bob.join(in_room)


def test_P35_a_ban_without_end_is_lifted_by_hand(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    bob.leave(in_room)
    act(alice, RoomBan, in_room, bob)
    stage.advance(24 * 3600)
    assert refused(RoomBanned, bob.join, in_room).retry_after_ms is None
    assert act(alice, RoomUnban, in_room, bob) > 0
    assert act(alice, RoomUnban, in_room, bob) == 0
    bob.join(in_room)


def test_P35_who_is_banned_reads_nothing_of_the_room_over_http_either(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    bob.signal(in_room, Query("room.read"))
    assert isinstance(bob.pushes[-1], RoomView)
    act(alice, RoomBan, in_room, bob, duration_ms=HOUR_MS)
    bob.signal(in_room, Query("room.read"))
    assert isinstance(bob.answers.pop(0), Hidden)
    stage.advance(HOUR_MS / 1000)
    bob.pushes.clear()
    bob.signal(in_room, Query("message.list"))
    assert isinstance(bob.pushes[-1], RoomView)


def test_a_banned_guest_is_banned_as_a_user_and_a_banned_user_by_an_old_token(
    stage: Stage, alice: Device, bob: Device, carol: Device, in_room: str
) -> None:
    act(alice, RoomBan, in_room, bob)
    refused(RoomBanned, stage.device(stage.user(bob)).join, in_room)
    tab = stage.device(carol.authority)
    carol.refresh(stage.user(carol))
    act(alice, RoomBan, in_room, carol)
    refused(RoomBanned, tab.join, in_room)
    act(alice, RoomUnban, in_room, tab)
    for device in (tab, carol):
        device.join(in_room)


def test_a_ban_is_asked_when_a_session_is_announced_and_when_it_is_refreshed(
    stage: Stage, alice: Device, bob: Device, in_room: str
) -> None:
    act(alice, RoomBan, in_room, bob)
    announcements: list[Callable[[], None]] = [
        lambda: bob.refresh(replace(bob.authority, name="Robert")),
        lambda: bob.attach(stage.actor(in_room).address),
    ]
    for announce in announcements:
        announce()
        stage.settle()
        assert isinstance(bob.answers.pop(0), RoomBanned)
        assert set(roles(stage, in_room)) == {"Alice"}


def test_a_token_for_the_room_does_not_undo_a_ban(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    act(alice, RoomBan, in_room, bob)
    granted = stage.device(replace(bob.authority, grants=(RoomGrant(in_room, "p", "participant"),), bound=True))
    refused(RoomBanned, granted.join, in_room)


def test_a_banned_cohost_is_none_any_more(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    appoint(alice, in_room, bob)
    act(alice, RoomBan, in_room, bob)
    act(alice, RoomUnban, in_room, bob)
    assert bob.join(in_room).role == "participant"


# -- mute ------------------------------------------------------------------------------------------


def test_P35_who_is_muted_says_nothing_until_then_and_may_do_all_else(
    stage: Stage, alice: Device, bob: Device, carol: Device, in_room: str
) -> None:
    said = bob.say(in_room, "before")
    act(alice, RoomMute, in_room, bob, duration_ms=HOUR_MS)
    for attempt in (
        lambda: bob.say(in_room, "x"),
        lambda: bob.edit(in_room, said, "x"),
        lambda: bob.cast(in_room, "", "x"),
        lambda: bob.typing(in_room),
    ):
        error = refused(Forbidden, attempt)
        assert "muted in this room until 20" in str(error)
        assert 0 < (error.retry_after_ms or 0) <= HOUR_MS
    bob.remove(in_room, said)
    carol.say(in_room, "others go on")
    stage.restart()
    bob.join(in_room)
    refused(Forbidden, bob.say, in_room, "x")
    stage.advance(HOUR_MS / 1000)
    bob.say(in_room, "after")


def test_P35_a_mute_is_lifted_by_hand_and_follows_who_becomes_a_user(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    act(alice, RoomMute, in_room, bob)
    bob.refresh(stage.user(bob))
    assert refused(Forbidden, bob.say, in_room, "x").retry_after_ms is None
    act(alice, RoomUnmute, in_room, bob)
    bob.say(in_room, "thanks")
    assert act(alice, RoomUnmute, in_room, bob) == 0


def test_P35_the_muted_are_listed_as_who_they_are_now(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    act(alice, RoomMute, in_room, bob)
    bob.refresh(stage.user(bob))
    assert stage.actor(in_room).view(action="room.mutes") == RoomPenalties([Penalized(bob.principal, None)])
    assert stage.actor(in_room).view(action="room.bans") == RoomPenalties([])


def test_what_the_muted_try_uses_nothing_of_the_rooms_up() -> None:
    with Stage(limits_scale=1.0) as stage:
        alice, bob = stage.person("Alice"), stage.person("Bob")
        room = stage.room(alice)
        for device in (alice, bob):
            device.join(room)
        act(alice, RoomMute, room, bob)
        for _ in range(100):
            refused(Forbidden, bob.say, room, "x")
        before = stage.now()
        alice.say(room, "at once")
        assert stage.host.stats.delayed == 0
        assert stage.now() - before < 100


# -- who acts on whom --------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [RoomKick, RoomBan, RoomMute])
def test_P35_nobody_acts_on_the_host_nor_one_cohost_on_another_nor_anybody_on_themselves(
    stage: Stage, alice: Device, bob: Device, carol: Device, in_room: str, command: type[ModerationCommand]
) -> None:
    appoint(alice, in_room, bob)
    appoint(alice, in_room, carol)
    before = len(stage.events(in_room))
    refused(Forbidden, act, bob, command, in_room, alice)
    refused(Forbidden, act, bob, command, in_room, carol)
    refused(Invalid, act, bob, command, in_room, bob)
    refused(Invalid, act, alice, command, in_room, alice)
    assert len(stage.events(in_room)) == before
    act(alice, command, in_room, bob)
    dave = stage.person("Dave")
    dave.join(in_room)
    act(carol, command, in_room, dave)


def test_nobody_acts_on_the_host_by_a_name_the_host_had(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    guest = alice.principal
    appoint(alice, in_room, bob)
    alice.refresh(stage.user(alice))
    for name in (guest, alice.principal):
        refused(Forbidden, act, bob, RoomKick, in_room, name)
        refused(Invalid, act, alice, RoomKick, in_room, name)


def test_P7_a_cohost_acts_but_gives_no_roles(stage: Stage, alice: Device, bob: Device, carol: Device, in_room: str) -> None:
    appoint(alice, in_room, bob)
    refused(Forbidden, appoint, bob, in_room, carol)
    for command in (RoomMute, RoomUnmute, RoomKick, RoomBan, RoomUnban):
        act(bob, command, in_room, carol)
        if command is RoomKick:
            carol.join(in_room)


@pytest.mark.parametrize("bad", ["", "x" * 65, "a b", "a\n", "é"])
def test_what_is_nobodys_id_is_refused(alice: Device, in_room: str, bad: str) -> None:
    refused(Invalid, act, alice, RoomBan, in_room, Principal("user", bad))


# -- bounds, and what is kept --------------------------------------------------------------------------


def test_bans_and_mutes_are_bounded_and_make_place_as_they_end(stage: Stage, alice: Device, in_room: str) -> None:
    room = stage.actor(in_room).room
    for penalties in (room.bans, room.mutes):
        for number in range(MAX_PENALTIES):
            penalties.impose(Penalty(Principal("user", f"u{number}"), stage.now() + HOUR_MS), stage.now())
    for command in (RoomBan, RoomMute):
        refused(LimitExceeded, act, alice, command, in_room, Principal("user", "one-more"))
        act(alice, command, in_room, Principal("user", "u7"), duration_ms=2 * HOUR_MS)
    stage.advance(HOUR_MS / 1000)
    act(alice, RoomBan, in_room, Principal("user", "one-more"))
    assert [penalty.person.actor_id for penalty in room.bans.dump()] == ["u7", "one-more"]


def test_penalties_know_a_person_by_every_name_and_keep_the_newest() -> None:
    user, guest, other = Principal("user", "u"), Principal("guest", "g"), Principal("guest", "h")
    penalties = Penalties([Penalty(guest, 50)])
    penalties.impose(Penalty(user, 100, (guest, other)), 10)
    assert penalties.find([other], 99) == Penalty(user, 100, (guest, other))
    assert penalties.find([guest], 60) is not None, "the longer one counts under the name that both have"
    assert penalties.find([user], 100) is None
    penalties.lift(other)
    assert [penalties.find([name], 20) for name in (user, guest, other)] == [None, None, None]


def test_a_snapshot_keeps_roles_bans_and_mutes(stage: Stage, alice: Device, bob: Device, carol: Device, in_room: str) -> None:
    guest = bob.principal
    bob.refresh(stage.user(bob))
    act(alice, RoomBan, in_room, bob, duration_ms=HOUR_MS)
    act(alice, RoomMute, in_room, carol)
    appoint(alice, in_room, carol)
    actor = stage.actor(in_room)
    dumped = actor.dump()
    other = type(actor)(actor.address)
    other.load(dumped)
    assert other.dump() == dumped
    assert list(other.room.cohosts) == [carol.principal]
    assert other.room.bans.find([guest], stage.now()) is not None
    assert other.room.mutes.find([carol.principal], stage.now()) is not None


def test_P33_a_snapshot_from_before_there_was_moderation_is_read(stage: Stage, alice: Device, in_room: str) -> None:
    actor = stage.actor(in_room)
    version, head, info, parts, words, _ = msgspec.msgpack.decode(actor.dump())
    assert version == 2
    old = msgspec.msgpack.encode([1, head, info[:7], {name: part for name, part in parts.items() if name in {"chat", "timer"}}, words])
    other = type(actor)(actor.address)
    other.load(old)
    assert (other.room.host, other.room.known.timer_policy, other.room.active_at) == (alice.principal, "everyone", 0)
    assert other.due() is None
    assert b"\x02" in other.dump()[:2]


def test_P7_a_guest_is_told_to_sign_in_only_where_that_would_help(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    error = refused(Forbidden, act, bob, RoomKick, in_room, alice)
    assert not isinstance(error, SignInNeeded)
    assert str(error) == "only the host and co-hosts do this"
