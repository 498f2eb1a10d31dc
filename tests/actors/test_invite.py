"""Invites and members of a room: who gets in by a code, who stays in, and who learns what."""

from collections.abc import Callable, Iterator
from functools import partial

import msgspec
import pytest
from msgspec.structs import replace

from commonroom.actors.room import invites
from commonroom.engine.private import unpack
from commonroom.errors import CommonroomError, Conflict, Forbidden, Hidden, LimitExceeded, NotFound, NotJoined, RoomBanned, RoomLocked
from commonroom.identity import Principal, RoomGrant
from commonroom.ids import invite_digest
from commonroom.protocol.chat import MessageSend
from commonroom.protocol.invite import (
    Invite,
    InviteAccept,
    InviteCode,
    InviteCreate,
    InviteCreated,
    InviteFacts,
    InviteList,
    InviteListing,
    InviteRevoke,
    InviteRevoked,
    MemberAdded,
    MemberRemoved,
    RoomQuit,
)
from commonroom.protocol.moderation import RoomBan, RoomKick, RoomRole, RoomUnban
from commonroom.protocol.room import RoomArchive, RoomUpdate
from commonroom.protocol.session import Reply
from commonroom.protocol.wire import Command
from tests.actors.stage import Device, Stage

HOUR_MS = 3_600_000
WRONG = "0000000000"


@pytest.fixture
def private(stage: Stage, alice: Device) -> str:
    """A private room that Alice made and is in."""
    room = stage.room(alice, visibility="private")
    alice.join(room)
    return room


@pytest.fixture
def carol(stage: Stage) -> Device:
    return stage.person("Carol")


def make(host: Device, room: str, **fields: int) -> InviteCode:
    made = host.ask(InviteCreate, room, nonce=host.nonce(), **fields)
    assert isinstance(made, InviteCode)
    return made


def accept(device: Device, room: str, code: str) -> int:
    reply = device.ask(InviteAccept, room, nonce=device.nonce(), code=code)
    assert isinstance(reply, Reply)
    return reply.offset


def listed(device: Device, room: str) -> list[Invite]:
    listing = device.ask(InviteList, room)
    assert isinstance(listing, InviteListing)
    return listing.invites


def act(device: Device, command: type[Command], room: str, **fields: object) -> None:
    device.ask(command, room, nonce=device.nonce(), **fields)


def members(stage: Stage, room: str) -> list[Principal]:
    return list(stage.actor(room).room.members)


def test_P17_a_code_makes_whoever_brings_it_a_member_for_whom_the_private_room_is_open(
    stage: Stage, alice: Device, bob: Device, private: str
) -> None:
    made = make(alice, private)
    with pytest.raises(NotFound):
        bob.join(private)
    offset = accept(bob, private, made.code)
    assert bob.join(private).role == "participant"
    assert bob.say(private, "hello") > offset
    added = alice.assert_push(MemberAdded)
    assert (added.person, added.author, added.invite, added.offset) == (bob.principal, bob.principal, made.invite, offset)
    stage.restart()
    bob.join(private)
    assert members(stage, private) == [bob.principal]


@pytest.mark.parametrize("typed", ["01AB5Z10XK", " 01ab5-z10xk ", "Olab5Z1oxk", "oIab5z1Oxk"])
def test_P17_a_code_is_taken_as_people_type_it(
    alice: Device, bob: Device, private: str, typed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invites, "new_invite_code", lambda: "01ab5z10xk")
    make(alice, private)
    assert accept(bob, private, typed)


def test_P17_codes_are_long_differ_and_are_kept_as_digests_alone(stage: Stage, alice: Device, private: str) -> None:
    codes = [make(alice, private).code for _ in range(3)]
    assert len({*codes}) == 3
    assert {len(code) for code in codes} == {10}
    stored = stage.journal.streams[f"room/{private}"].events
    for event in stored:
        kept = event.payload + (event.private or b"")
        assert not any(code.encode() in kept or code.upper().encode() in kept for code in codes)
    facts = [unpack(event.private).facts for event in stored[1:]]
    assert [msgspec.msgpack.decode(one or b"", type=InviteFacts).digest for one in facts] == [invite_digest(code) for code in codes]


def test_P17_a_retry_of_an_invite_is_told_that_it_is_there_and_not_its_code(stage: Stage, alice: Device, private: str) -> None:
    made = alice.ask(InviteCreate, private, nonce="nonce-of-its-own")
    assert isinstance(made, InviteCode)
    assert alice.ask(InviteCreate, private, nonce="nonce-of-its-own") == Reply(alice._refs, made.offset)
    assert len(listed(alice, private)) == 1


def test_P17_an_invite_ends_with_its_time(stage: Stage, alice: Device, bob: Device, carol: Device, private: str) -> None:
    made = make(alice, private, expires_in_ms=HOUR_MS)
    assert made.expires_at is not None
    stage.advance((made.expires_at - stage.now() - 1) / 1000)
    accept(bob, private, made.code)
    stage.advance(0.002)
    with pytest.raises(NotFound):
        accept(carol, private, made.code)


def test_P17_an_invite_ends_with_its_uses_and_who_comes_again_uses_nothing_up(
    stage: Stage, alice: Device, bob: Device, carol: Device, private: str
) -> None:
    made = make(alice, private, uses=2)
    assert accept(bob, private, made.code)
    assert [accept(bob, private, made.code) for _ in range(3)] == [0, 0, 0]
    assert accept(alice, private, made.code) == 0, "the host needs none"
    assert [one.used for one in listed(alice, private)] == [1]
    stage.restart()
    accept(carol, private, made.code)
    assert accept(bob, private, made.code) == 0, "their link goes on working for them"
    with pytest.raises(NotFound):
        accept(stage.person("Dan"), private, made.code)
    assert [(one.uses, one.used) for one in listed(alice, private)] == [(2, 2)]


def test_P17_a_retried_accept_is_one(stage: Stage, alice: Device, bob: Device, private: str) -> None:
    made = make(alice, private, uses=1)
    answers = [bob.ask(InviteAccept, private, nonce="nonce-of-its-own", code=made.code) for _ in range(2)]
    assert [answer.offset for answer in answers if isinstance(answer, Reply)] == [3, 3]
    assert len(stage.events(private)) == 3


def test_P17_a_revoked_invite_opens_nothing_and_those_it_brought_stay(
    stage: Stage, alice: Device, bob: Device, carol: Device, private: str
) -> None:
    made = make(alice, private)
    accept(bob, private, made.code)
    act(alice, InviteRevoke, private, invite=made.invite)
    with pytest.raises(NotFound):
        accept(carol, private, made.code)
    with pytest.raises(NotFound):
        act(alice, InviteRevoke, private, invite=made.invite)
    bob.join(private)
    assert listed(alice, private) == []
    stage.restart()
    with pytest.raises(NotFound):
        accept(carol, private, made.code)


def refusal(attempt: Callable[[], object], room: str) -> tuple[bool, str, int | None]:
    """What a refusal looks like from outside."""
    with pytest.raises(NotFound) as refused:
        attempt()
    return not isinstance(refused.value, Forbidden), refused.value.message.replace(room, "…"), refused.value.retry_after_ms


def over(stage: Stage, alice: Device, bob: Device, room: str) -> Iterator[str]:
    """Codes that open nothing any more."""
    revoked = make(alice, room)
    act(alice, InviteRevoke, room, invite=revoked.invite)
    yield revoked.code
    used = make(alice, room, uses=1)
    accept(bob, room, used.code)
    yield used.code
    expired = make(alice, room, expires_in_ms=60_000)
    stage.advance(60.001)
    yield expired.code


def test_P17_what_opens_nothing_looks_the_same_whatever_it_is(
    stage: Stage, alice: Device, bob: Device, carol: Device, private: str
) -> None:
    codes = list(over(stage, alice, bob, private))
    absent, bound = stage.room_id(), stage.person("Eve", grants=[RoomGrant("elsewhere", "p1", "participant")], bound=True)
    live = make(alice, private)
    told = [refusal(partial(accept, carol, private, code), private) for code in (*codes, WRONG, "", "x" * 32, "\ud800")]
    told.append(refusal(lambda: accept(carol, absent, WRONG), absent))
    told.append(refusal(lambda: accept(bound, private, live.code), private))
    act(alice, RoomArchive, private)
    told.append(refusal(lambda: accept(carol, private, live.code), private))
    told.append(refusal(lambda: accept(carol, private, WRONG), private))
    assert set(told) == {told[0]}


def test_P17_a_wrong_code_is_a_denial_for_the_audit(alice: Device, carol: Device, private: str) -> None:
    with pytest.raises(Hidden) as refused:
        accept(carol, private, WRONG)
    assert (refused.value.action, refused.value.where) == ("invite.accept", f"room/{private}")


def test_P17_a_locked_room_takes_nobody_new_and_uses_nothing_up(alice: Device, bob: Device, private: str) -> None:
    made = make(alice, private, uses=1)
    act(alice, RoomUpdate, private, locked=True)
    with pytest.raises(RoomLocked):
        accept(bob, private, made.code)
    with pytest.raises(NotFound):
        accept(bob, private, WRONG)
    act(alice, RoomUpdate, private, locked=False)
    assert accept(bob, private, made.code)


def test_P35_who_is_banned_is_a_member_no_longer_and_no_code_helps(stage: Stage, alice: Device, bob: Device, private: str) -> None:
    made = make(alice, private)
    accept(bob, private, made.code)
    bob.join(private)
    act(alice, RoomBan, private, person=bob.principal)
    assert members(stage, private) == []
    for attempt in (lambda: bob.join(private), lambda: accept(bob, private, made.code)):
        with pytest.raises(RoomBanned):
            attempt()
    stage.restart()
    act(alice, RoomUnban, private, person=bob.principal)
    with pytest.raises(NotFound):
        bob.join(private)
    assert accept(bob, private, made.code)


def test_P35_a_kick_ends_a_membership_also_of_somebody_who_is_not_here(stage: Stage, alice: Device, bob: Device, private: str) -> None:
    made = make(alice, private)
    for is_here in (True, False):
        accept(bob, private, made.code)
        if is_here:
            bob.join(private)
        act(alice, RoomKick, private, person=bob.principal)
        assert members(stage, private) == []
        with pytest.raises(NotFound):
            bob.join(private)
    with pytest.raises(NotFound):
        act(alice, RoomKick, private, person=bob.principal)


def test_P35_a_guest_who_signed_in_is_a_member_and_ceases_to_be_one_by_either_name(
    stage: Stage, alice: Device, bob: Device, private: str
) -> None:
    made = make(alice, private, uses=1)
    accept(bob, private, made.code)
    user = stage.user(bob)
    bob.authority = user
    bob.join(private)
    assert accept(bob, private, made.code) == 0
    act(alice, RoomKick, private, person=user.principal)
    assert members(stage, private) == []
    with pytest.raises(NotFound):
        bob.join(private)


def test_P17_who_quits_is_a_member_no_longer_under_any_of_their_names(stage: Stage, alice: Device, bob: Device, private: str) -> None:
    made = make(alice, private)
    accept(bob, private, made.code)
    as_guest, user = bob.authority, stage.user(bob)
    stage.actor(private).room.members[user.principal] = None  # as if they had accepted by a token that knew of no guest
    bob.authority = user
    bob.join(private)
    act(bob, RoomQuit, private)
    assert members(stage, private) == []
    assert {push.person for push in alice.took(MemberRemoved)} == {as_guest.principal, user.principal}
    for authority in (as_guest, user):
        bob.authority = authority
        with pytest.raises(NotFound):
            bob.join(private)


def test_P17_what_was_on_its_way_of_who_quits_is_not_refused_as_if_they_were_sent_away(
    stage: Stage, alice: Device, bob: Device, room: str
) -> None:
    accept(bob, room, make(alice, room).code)
    bob.join(room)
    act(bob, RoomQuit, room)
    with pytest.raises(NotJoined, match="you are a member no longer"):
        bob.say(room, "too late")


def test_P17_quitting_a_room_one_is_no_member_of_changes_nothing(stage: Stage, alice: Device, bob: Device, private: str, room: str) -> None:
    events = len(stage.events(private))
    reply = alice.ask(RoomQuit, private, nonce=alice.nonce())
    assert isinstance(reply, Reply)
    assert (reply.offset, len(stage.events(private))) == (0, events)
    bob.join(room)
    assert bob.ask(RoomQuit, room, nonce=bob.nonce()) == Reply(bob._refs, 0)
    assert bob.principal in stage.actor(room).room.roster
    with pytest.raises(NotFound):
        act(bob, RoomQuit, private)


def test_P17_invites_are_told_to_host_and_co_hosts_alone(stage: Stage, alice: Device, bob: Device, carol: Device, private: str) -> None:
    made = make(alice, private)
    for one in (bob, carol):
        accept(one, private, made.code)
        one.join(private)
    act(alice, RoomRole, private, person=bob.principal, role="cohost")
    second = make(bob, private)
    act(alice, InviteRevoke, private, invite=second.invite)
    for one in (alice, bob):
        assert one.assert_push(InviteCreated, invite=second.invite).author == bob.principal
        one.assert_push(InviteRevoked, invite=second.invite)
    carol.refute_push(InviteCreated)
    carol.refute_push(InviteRevoked)
    assert [one.invite for one in listed(bob, private)] == [made.invite]


def test_P17_only_host_and_co_hosts_make_list_and_revoke_invites(alice: Device, bob: Device, private: str) -> None:
    made = make(alice, private)
    for stranger, error in ((True, NotFound), (False, Forbidden)):
        if not stranger:
            accept(bob, private, made.code)
            bob.join(private)
        for attempt in (
            lambda: make(bob, private),
            lambda: listed(bob, private),
            lambda: act(bob, InviteRevoke, private, invite=made.invite),
        ):
            with pytest.raises(error):
                attempt()


def test_P17_who_is_a_co_host_no_longer_stays_a_member(stage: Stage, alice: Device, private: str) -> None:
    bob = stage.person("Bob", grants=[RoomGrant(private, "p1", "participant")])
    bob.join(private)
    bob.authority = replace(bob.authority, grants=())
    for role in ("cohost", "participant"):
        act(alice, RoomRole, private, person=bob.principal, role=role)
    assert bob.say(private, "still here")
    stage.restart()
    assert bob.join(private).role == "participant"


def test_P17_members_stay_members_whatever_the_visibility(alice: Device, bob: Device, carol: Device, private: str) -> None:
    act(alice, RoomUpdate, private, visibility="unlisted")
    accept(bob, private, make(alice, private).code)
    carol.join(private)
    act(alice, RoomUpdate, private, visibility="private")
    bob.join(private)
    with pytest.raises(NotFound):
        carol.ask(MessageSend, private, text="x", nonce=carol.nonce())


def test_P17_a_room_has_at_most_so_many_invites_and_what_is_over_makes_room(
    stage: Stage, alice: Device, bob: Device, private: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invites, "MAX_INVITES", 3)
    first, second, third = make(alice, private), make(alice, private, uses=1), make(alice, private, expires_in_ms=60_000)
    with pytest.raises(LimitExceeded):
        make(alice, private)
    accept(bob, private, second.code)
    fourth = make(alice, private)
    assert [one.invite for one in listed(alice, private)] == [first.invite, third.invite, fourth.invite]
    stage.advance(61)
    fifth = make(alice, private)
    stage.restart()
    assert [one.invite for one in listed(alice, private)] == [first.invite, fourth.invite, fifth.invite]
    with pytest.raises(LimitExceeded):
        make(alice, private)


def test_P17_a_room_has_at_most_so_many_members(
    stage: Stage, alice: Device, bob: Device, carol: Device, private: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invites, "MAX_MEMBERS", 1)
    made = make(alice, private)
    accept(bob, private, made.code)
    with pytest.raises(LimitExceeded):
        accept(carol, private, made.code)
    act(bob, RoomQuit, private)
    assert accept(carol, private, made.code)


def test_P17_whom_an_event_makes_a_member_is_one_in_a_full_room_too(
    stage: Stage, alice: Device, bob: Device, carol: Device, private: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invites, "MAX_MEMBERS", 1)
    accept(bob, private, make(alice, private).code)
    act(alice, RoomUpdate, private, visibility="unlisted")
    carol.join(private)
    for role in ("cohost", "participant"):
        act(alice, RoomRole, private, person=carol.principal, role=role)
    act(alice, RoomUpdate, private, visibility="private")
    assert members(stage, private) == [bob.principal, carol.principal]
    carol.leave(private)
    carol.join(private)


def test_P17_invites_and_members_survive_a_snapshot(alice: Device) -> None:
    with Stage(snapshot_events=2) as stage:
        host, guest = stage.person("Alice"), stage.person("Bob")
        room = stage.room(host, visibility="private")
        made = make(host, room, uses=5)
        accept(guest, room, made.code)
        make(host, room)
        before = listed(host, room)
        assert stage.journal.streams[f"room/{room}"].snapshot is not None
        stage.restart()
        assert listed(host, room) == before
        assert before[0].used == 1
        guest.join(room)


@pytest.mark.parametrize("command", [InviteCreate, InviteRevoke, InviteList])
def test_P17_an_archived_room_has_no_use_for_invites(alice: Device, private: str, command: type[Command]) -> None:
    made = make(alice, private)
    act(alice, RoomArchive, private)
    fields = {InviteCreate: {"nonce": alice.nonce()}, InviteRevoke: {"nonce": alice.nonce(), "invite": made.invite}}.get(command, {})
    with pytest.raises(Conflict):
        alice.ask(command, private, **fields)


def test_P17_members_may_quit_an_archived_room(stage: Stage, alice: Device, bob: Device, private: str) -> None:
    accept(bob, private, make(alice, private).code)
    act(alice, RoomArchive, private)
    act(bob, RoomQuit, private)
    assert members(stage, private) == []
    with pytest.raises(CommonroomError):
        bob.join(private)
