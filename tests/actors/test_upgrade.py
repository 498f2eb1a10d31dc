"""A guest who becomes a user in a room (FEATURES P2): one place, one push, and nothing lost."""

import pytest
from msgspec.structs import replace

from commonroom.actors.room.presence import MAX_LISTED, PACE_MS
from commonroom.engine.envelope import Query
from commonroom.errors import Hidden, NotFound, NotJoined
from commonroom.identity import Authority, Principal
from commonroom.protocol.cast import Cast
from commonroom.protocol.chat import MessageCreate, MessageUpdate
from commonroom.protocol.presence import PresenceReset, PresenceUpdate, PrincipalUpgraded
from commonroom.protocol.roster import Person
from commonroom.protocol.typing import Typing
from commonroom.protocol.wire import ServerMessage
from tests.actors.stage import Device, Stage

TOLD_S = PACE_MS / 1000 + 0.05


@pytest.fixture
def seen(stage: Stage, alice: Device, bob: Device, room: str) -> list[ServerMessage]:
    """Alice, the host, and Bob are in the room; what Bob is told from now on."""
    alice.join(room)
    bob.join(room)
    stage.advance(TOLD_S)
    bob.pushes.clear()
    alice.pushes.clear()
    return bob.pushes


def people(stage: Stage, room: str) -> list[tuple[Principal, str, str]]:
    """Whom a visitor sees."""
    visitor = stage.person("Visitor")
    shown = [(one.principal, one.name, str(one.role)) for one in visitor.join(room).presence.people if one.principal != visitor.principal]
    visitor.leave(room)
    return shown


def test_the_others_see_one_push_and_the_place_is_kept(
    stage: Stage, alice: Device, bob: Device, room: str, seen: list[ServerMessage]
) -> None:
    guest, since = alice.principal, stage.actor(room).room.roster.get(alice.principal).since  # type: ignore[union-attr]
    rev = bob.join(room).presence.rev
    stage.advance(60)
    bob.pushes.clear()
    user = stage.user(alice, "Alice A.")
    alice.refresh(user)
    stage.advance(TOLD_S)
    (push,) = seen
    assert isinstance(push, PrincipalUpgraded)
    assert (push.former, push.person) == (guest, Person(user.principal, "Alice A.", "host"))
    assert (push.count, push.rev) == (2, rev + 1)
    roster = stage.actor(room).room.roster
    assert [(member.principal, member.since) for member in roster if member.principal == user.principal] == [(user.principal, since)]
    alice.leave(room)
    stage.advance(TOLD_S)
    (left,) = bob.took(PresenceUpdate)
    assert (left.left, left.count, left.rev) == ([user.principal], 1, rev + 2)


def test_who_becomes_a_user_while_the_first_join_is_not_told_yet_is_told_once(stage: Stage, bob: Device, room: str) -> None:
    bob.join(room)
    stage.advance(TOLD_S)
    bob.pushes.clear()
    carol = stage.person("Carol")
    carol.join(room)
    user = stage.user(carol)
    carol.refresh(user)
    stage.advance(TOLD_S)
    (push,) = bob.pushes
    assert isinstance(push, PrincipalUpgraded)
    assert (push.person.principal, push.count) == (user.principal, 2)


def test_all_tabs_of_the_guest_are_the_users_at_once(
    stage: Stage, alice: Device, bob: Device, room: str, seen: list[ServerMessage]
) -> None:
    second = stage.device(alice.authority)
    second.join(room)
    user = stage.user(alice)
    alice.refresh(user)
    assert people(stage, room) == [(bob.principal, "Bob", "participant"), (user.principal, "Alice", "host")]
    stage.advance(TOLD_S)
    seen.clear()
    second.refresh(user)  # later, by itself
    stage.advance(TOLD_S)
    assert seen == []
    alice.leave(room)
    stage.advance(TOLD_S)
    assert seen == []
    second.leave(room)
    stage.advance(TOLD_S)
    assert [push.left for push in bob.took(PresenceUpdate)] == [[user.principal]]


def test_an_old_token_of_the_guest_comes_into_the_users_place(
    stage: Stage, alice: Device, bob: Device, room: str, seen: list[ServerMessage]
) -> None:
    late = stage.device(alice.authority)
    user = stage.user(alice, "Signed in")
    alice.refresh(user)
    stage.advance(TOLD_S)
    seen.clear()
    shown = late.join(room)
    assert (shown.role, [one.principal for one in shown.presence.people]) == ("host", [bob.principal, user.principal])
    late.typing(room)
    assert bob.took(Typing) == [Typing(room, user.principal, True)]
    late.cast(room, "wave", "")
    assert [cast.person for cast in bob.took(Cast)] == [user.principal]
    stage.advance(TOLD_S)
    assert bob.took(PresenceUpdate) == []  # neither the guest, nor its name again
    alice.leave(room)
    stage.advance(TOLD_S)
    assert people(stage, room) == [(bob.principal, "Bob", "participant"), (user.principal, "Signed in", "host")]


def test_once_the_user_has_left_an_old_token_is_a_guest_until_it_is_renewed(
    stage: Stage, alice: Device, bob: Device, room: str, seen: list[ServerMessage]
) -> None:
    late, user = stage.device(alice.authority), stage.user(alice)
    alice.refresh(user)
    alice.leave(room)
    stage.advance(TOLD_S)
    assert stage.actor(room).room.roster._became == {}
    late.join(room)
    stage.advance(TOLD_S)
    seen.clear()
    late.refresh(user)
    stage.advance(TOLD_S)
    assert [(type(push), getattr(push, "former", None)) for push in seen] == [(PrincipalUpgraded, Principal("guest", user.sid))]


def test_a_user_who_is_here_already_takes_the_guests_place_in(
    stage: Stage, alice: Device, bob: Device, room: str, seen: list[ServerMessage]
) -> None:
    guest, user = alice.principal, stage.user(alice, "Alice A.")
    phone = stage.device(replace(user, guests=()))  # its token is older than the upgrade
    phone.join(room)
    stage.advance(TOLD_S)
    seen.clear()
    alice.refresh(user)
    stage.advance(TOLD_S)
    (push,) = seen
    assert isinstance(push, PrincipalUpgraded)
    assert (push.former, push.person.role, push.count) == (guest, "host", 2)
    phone.join(room)
    stage.advance(TOLD_S)
    assert seen == [push]  # the host role does not flicker with the older token
    alice.leave(room)
    stage.advance(TOLD_S)
    assert people(stage, room)[-1] == (user.principal, "Alice A.", "host")
    phone.leave(room)
    assert people(stage, room) == [(bob.principal, "Bob", "participant")]


def test_a_user_who_joins_takes_in_the_guests_it_was(
    stage: Stage, alice: Device, bob: Device, room: str, seen: list[ServerMessage]
) -> None:
    user = stage.user(alice, "One", bob)
    stage.device(user).join(room)
    pushes = alice.took(PrincipalUpgraded)
    assert [(push.former, push.count) for push in pushes] == [(alice.principal, 2), (bob.principal, 1)]
    assert pushes[1].rev == pushes[0].rev + 1
    assert people(stage, room) == [(user.principal, "One", "host")]


def test_over_five_hundred_people_an_upgrade_is_a_count(stage: Stage, room: str) -> None:
    crowd = [stage.person(f"P{nth}") for nth in range(MAX_LISTED + 1)]
    for person in crowd:
        person.join(room)
    stage.advance(TOLD_S)
    watcher, guest, other = crowd[0], crowd[1], crowd[2]
    user = stage.user(guest)
    guest.typing(room)
    watcher.pushes.clear()
    guest.refresh(user)
    stage.device(stage.user(other, "", guest)).join(room)
    stage.advance(TOLD_S)
    (update,) = watcher.took(PresenceUpdate)
    assert (update.joined, update.left) == ([], [])
    assert watcher.took(PrincipalUpgraded) == []
    assert [(push.person, push.active) for push in watcher.took(Typing)] == [(Principal("guest", user.sid), False), (user.principal, True)]


def test_who_is_typing_goes_on_typing(stage: Stage, alice: Device, bob: Device, room: str, seen: list[ServerMessage]) -> None:
    alice.typing(room)
    guest, user = alice.principal, stage.user(alice)
    alice.refresh(user)
    assert [type(push) for push in seen] == [Typing, PrincipalUpgraded, Typing, Typing]
    assert bob.took(Typing) == [Typing(room, guest, True), Typing(room, guest, False), Typing(room, user.principal, True)]
    alice.typing(room, active=False)
    assert bob.took(Typing) == [Typing(room, user.principal, False)]


def test_a_new_activation_is_told_of_the_user(stage: Stage, alice: Device, bob: Device, room: str, seen: list[ServerMessage]) -> None:
    """The owner died before it heard, or after: who announces does so with the authority of now."""
    second = stage.device(alice.authority)
    second.join(room)
    stage.advance(TOLD_S)
    user, guest = stage.user(alice), alice.principal
    stage.fail(room)
    with pytest.raises(Exception, match="room"):
        bob.say(room, "into the void")
    alice.authority = user
    stage.mend(room)
    seen.clear()
    stage.advance(5)
    resets = bob.took(PresenceReset)
    assert [one.principal for one in resets[-1].presence.people if one.principal in {guest, user.principal}] == [user.principal]
    seen.clear()
    second.refresh(user)
    stage.advance(TOLD_S)
    assert seen == []


def test_a_new_name_is_told_once(stage: Stage, alice: Device, bob: Device, room: str, seen: list[ServerMessage]) -> None:
    alice.refresh(replace(alice.authority, name="Alicia"))
    stage.advance(TOLD_S)
    (push,) = seen
    assert isinstance(push, PresenceUpdate)
    assert ([one.name for one in push.joined], push.left) == (["Alicia"], [])


# -- rights ----------------------------------------------------------------------------


def test_a_user_edits_and_deletes_what_it_wrote_as_a_guest(stage: Stage, alice: Device, bob: Device, room: str) -> None:
    alice.join(room)
    first, second = alice.say(room, "first"), alice.say(room, "second")
    guest, user = alice.principal, stage.user(alice)
    alice.refresh(user)
    alice.edit(room, first, "first, edited")
    alice.say(room, "third")
    created = [event for event in stage.events(room) if isinstance(event, MessageCreate)]
    assert [event.author for event in created] == [guest, guest, user.principal]
    alice.remove(room, first)
    alice.remove(room, second)
    (edit,) = [event for event in stage.events(room) if isinstance(event, MessageUpdate)]
    assert (edit.author, edit.text, edit.deleted) == (user.principal, "", True)


@pytest.mark.parametrize("guests", [(), ("somebody-else",)])
def test_a_user_who_was_not_the_author_may_not_edit(stage: Stage, alice: Device, room: str, guests: tuple[str, ...]) -> None:
    alice.join(room)
    message = alice.say(room, "mine")
    stranger = stage.device(replace(stage.user(alice), guests=guests))
    stranger.join(room)
    with pytest.raises(Hidden):
        stranger.edit(room, message, "yours")
    with pytest.raises(Hidden):
        stranger.remove(room, message)


def test_the_guest_may_not_edit_what_the_user_wrote(stage: Stage, alice: Device, room: str) -> None:
    old = stage.device(alice.authority)
    alice.join(room)
    old.join(room)
    alice.refresh(stage.user(alice))
    message = alice.say(room, "as a user")
    with pytest.raises(Hidden):
        old.edit(room, message, "by an old token")


def test_a_private_room_of_the_guest_is_the_users(stage: Stage, alice: Device, bob: Device) -> None:
    room = stage.room(alice, visibility="private")
    alice.join(room)
    user: Authority = stage.user(alice)
    alice.refresh(user)
    assert stage.device(user).join(room).role == "host"
    stage.http(alice).signal(room, Query("room.read"))
    with pytest.raises(NotFound):
        bob.join(room)


def test_somebody_who_is_not_in_the_room_upgrades_nobody(stage: Stage, alice: Device, bob: Device, room: str) -> None:
    alice.join(room)
    with pytest.raises(NotJoined):
        bob.typing(room)
    stage.device(stage.user(bob)).join(room)
    assert people(stage, room)[0] == (alice.principal, "Alice", "host")
