"""A live connection upgraded from guest to user by `refresh` (FEATURES P2), over real sockets."""

import pytest
from msgspec.structs import replace

from commonroom.codes import ErrorCode
from commonroom.engine.actor import Audience
from commonroom.engine.envelope import Attach
from commonroom.errors import Unavailable
from commonroom.identity import Principal
from commonroom.protocol.chat import MessageCreate, MessageSend
from commonroom.protocol.codec import JSON_PROTOCOL, MSGPACK_PROTOCOL
from commonroom.protocol.room import Joined, RoomJoin, RoomReset
from commonroom.protocol.session import Error, Refresh, Refreshed, Reply
from commonroom.protocol.typing import Typing
from tests.gateway.rig import EPOCH_MS, Rig, RigRouter, principal, until
from tests.gateway.socket import RawSocket
from tests.gateway.stage import Stage

UMA = Principal("user", "uma")


async def guest(rig: Rig, *rooms: str, subprotocol: str = MSGPACK_PROTOCOL) -> RawSocket:
    """The guest ada, of the login session ada, in these rooms."""
    socket = await rig.hello("ada@ada", subprotocol)
    for room in rooms:
        socket.command(RoomJoin(2, room))
        assert isinstance(await socket.message(), Joined)
    return socket


async def refreshed(socket: RawSocket, token: str, ref: int = 9) -> Refreshed:
    socket.command(Refresh(ref, token))
    got = await socket.message()
    assert isinstance(got, Refreshed), got
    return got


def told(router: RigRouter) -> list[tuple[str, bool, str]]:
    """The announcements: of which room, of a known session, for whom."""
    found: list[tuple[str, bool, str]] = []
    for one in router.commands(Attach):
        assert isinstance(one.command, Attach)
        assert one.authority is not None
        found.append((one.address.key, one.command.refreshed, one.authority.principal.actor_id))
    return found


@pytest.mark.parametrize("subprotocol", [MSGPACK_PROTOCOL, JSON_PROTOCOL])
async def test_a_guest_becomes_the_user_in_every_room_and_stays_the_same_session(rig: Rig, subprotocol: str) -> None:
    socket = await guest(rig, "one", "two", subprotocol=subprotocol)
    rig.advance(10)
    answer = await refreshed(socket, "+uma@ada~Uma U.")
    assert answer == Refreshed(9, UMA, "Uma U.", EPOCH_MS + 10_000 + rig.time.ttl_ms)
    assert told(rig.router) == [("one", True, "uma"), ("two", True, "uma")]
    joins, attaches = rig.router.commands(RoomJoin), rig.router.commands(Attach)
    assert {one.session for one in joins} == {one.session for one in attaches}
    socket.command(MessageSend(5, "one", "hello", "nonce-01"))
    assert {type(await socket.message()) for _ in range(2)} == {MessageCreate, Reply}
    (sent,) = rig.router.commands(MessageSend)
    assert sent.authority is not None
    assert (sent.authority.principal, sent.authority.sid, sent.authority.guests) == (UMA, "ada", ("ada",))


async def test_a_renewed_token_of_the_same_person_is_told_to_no_room(rig: Rig) -> None:
    socket = await guest(rig, "one")
    assert (await refreshed(socket, "ada@ada")).principal == principal("ada")
    await refreshed(socket, "+uma@ada")
    await refreshed(socket, "+uma@ada")
    assert told(rig.router) == [("one", True, "uma")]


async def test_a_new_name_is_told_to_every_room(rig: Rig) -> None:
    socket = await guest(rig, "one", "two")
    assert (await refreshed(socket, "ada@ada~Ada L.")).name == "Ada L."
    assert told(rig.router) == [("one", True, "ada"), ("two", True, "ada")]


@pytest.mark.parametrize(
    ("hello", "refresh"),
    [
        ("+uma@ada", "ada@ada"),  # a user is no guest again
        ("+uma@ada", "+eve@ada"),  # nor another user
        ("ada@ada", "bob@ada"),  # nor a guest another guest
        ("ada@ada", "+uma@eve"),  # a user of another login session
        ("ada@sid", "+uma@sid"),  # a guest that is not the login session's own
    ],
)
async def test_no_other_change_of_principal_is_taken(rig: Rig, hello: str, refresh: str) -> None:
    socket = await rig.hello(hello)
    socket.command(RoomJoin(2, "one"))
    assert isinstance(await socket.message(), Joined)
    socket.command(Refresh(3, refresh))
    got = await socket.message()
    assert isinstance(got, Error)
    assert got.code == ErrorCode.FORBIDDEN
    assert told(rig.router) == []


async def test_a_user_who_was_not_this_guest_is_refused(rig: Rig) -> None:
    socket = await guest(rig)
    rig.time.strangers = True
    socket.command(Refresh(3, "+uma@ada"))
    got = await socket.message()
    assert isinstance(got, Error)
    assert got.code == ErrorCode.FORBIDDEN


async def test_a_first_join_under_way_is_followed_up_once_it_is_admitted(rig: Rig) -> None:
    """Not sooner: what is said of a session before its join may be lost when the room moves, and would not be said again."""
    rig.router.held = []
    socket = await rig.hello("ada@ada")
    socket.command(RoomJoin(2, "one"))
    await refreshed(socket, "+uma@ada")
    assert told(rig.router) == []
    (join,) = rig.router.held
    rig.router.handle(join)
    assert isinstance(await socket.message(), Joined)
    assert told(rig.router) == [("one", True, "uma")]


async def test_another_join_under_way_is_preceded_and_followed_up(rig: Rig) -> None:
    socket = await guest(rig, "one")
    rig.router.held = []
    socket.command(RoomJoin(3, "one"))
    await refreshed(socket, "+uma@ada")
    assert told(rig.router) == [("one", True, "uma")]
    rig.router.handle(rig.router.held[0])
    assert isinstance(await socket.message(), Joined)
    assert told(rig.router) == [("one", True, "uma")] * 2


async def test_a_join_without_a_refresh_is_followed_up_by_nothing(rig: Rig) -> None:
    await guest(rig, "one", "one")
    assert told(rig.router) == []


async def test_a_new_activation_hears_of_the_user(rig: Rig) -> None:
    socket = await guest(rig, "one")
    await refreshed(socket, "+uma@ada")
    rig.gateway.activated(rig.router.room("one").address, "next", 0)
    assert told(rig.router) == [("one", True, "uma"), ("one", False, "uma")]


async def test_a_room_that_does_not_take_the_user_is_to_be_joined_again(rig: Rig) -> None:
    socket = await guest(rig, "one")
    rig.router.refuse[Attach] = Unavailable("the room fails")
    await refreshed(socket, "+uma@ada")
    assert await socket.message() == RoomReset("one")
    await until(lambda: rig.gateway.stats.subscriptions == 0)


async def test_a_grant_that_the_guest_was_given_counts_for_the_user(rig: Rig) -> None:
    socket = await guest(rig)
    await refreshed(socket, "+uma@ada")
    socket.command(RoomJoin(4, "one", grant="ada@ada#one"))
    assert isinstance(await socket.message(), Joined)
    socket.command(RoomJoin(5, "two", grant="eve@eve#two"))
    got = await socket.message()
    assert isinstance(got, Error)
    assert got.code == ErrorCode.FORBIDDEN


async def test_a_refresh_that_asks_for_no_answer_gets_none(rig: Rig) -> None:
    socket = await guest(rig, "one")
    socket.command(Refresh(0, "+uma@ada"))
    socket.command(RoomJoin(4, "two"))
    assert isinstance(await socket.message(), Joined)
    assert told(rig.router) == [("one", True, "uma")]


def test_what_waits_for_a_slow_reader_is_judged_by_who_it_is_now() -> None:
    stage = Stage()
    [slow] = stage.live("slow")
    hidden = Audience(excluded=frozenset({UMA}))
    slow.congest()
    slow.authority = replace(slow.authority, principal=UMA)
    assert slow.subscription is not None
    slow.subscription.refreshed()
    stage.send(stage.room.typed("eve", True))
    stage.send(replace(stage.room.typed("bob", True), audience=hidden))
    slow.drain()
    assert slow.messages == [Typing("quiet", principal("eve"), True)]
