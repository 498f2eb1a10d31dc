"""A live connection upgraded from guest to user by `refresh` (FEATURES P2), over real sockets."""

from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

import pytest
from msgspec.structs import replace

from commonroom.actors import KINDS
from commonroom.codes import CloseCode, ErrorCode
from commonroom.config.settings import EngineSettings, GatewaySettings, HttpSettings
from commonroom.engine.actor import Audience
from commonroom.engine.address import Address
from commonroom.engine.envelope import Attach
from commonroom.engine.gateway import Gateway
from commonroom.engine.gateway.gateway import OUTGROWN_MS
from commonroom.engine.host import ActorHost
from commonroom.engine.local import LocalRouter
from commonroom.engine.testing.journal import SimulatedJournal
from commonroom.errors import Unavailable
from commonroom.identity import Principal, SessionId
from commonroom.ids import seeded
from commonroom.protocol.chat import MessageCreate, MessageEdit, MessageRemove, MessageSend, MessageUpdate
from commonroom.protocol.codec import JSON_PROTOCOL, MSGPACK_PROTOCOL
from commonroom.protocol.presence import PrincipalUpgraded
from commonroom.protocol.room import Joined, RoomCreate, RoomJoin, RoomReset
from commonroom.protocol.roster import Person
from commonroom.protocol.session import Error, Refresh, Refreshed, Reply
from commonroom.protocol.typing import Typing, TypingStart
from commonroom.protocol.wire import ServerMessage, StreamPosition
from commonroom.storage.journal.port import JournalEvent
from tests.gateway.house import Late
from tests.gateway.rig import EPOCH_MS, Rig, RigRouter, Ticking, principal, until
from tests.gateway.socket import RawSocket
from tests.gateway.stage import Stage

M = TypeVar("M", bound=ServerMessage)
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
    ("hello", "refresh", "guests"),
    [
        ("+uma@ada", "ada@ada", None),  # a user is no guest again
        ("+uma@ada", "+eve@ada", None),  # nor another user
        ("ada@ada", "bob@ada", None),  # nor a guest another guest
        ("ada@ada", "+uma@eve", ("eve", "ada")),  # a user by another login session
        ("ada@sid", "+uma@sid", ("sid", "ada")),  # a guest that is not the login session's own
        ("ada@ada", "+uma@ada", ()),  # a user who was not this guest
    ],
)
async def test_no_other_change_of_principal_is_taken(rig: Rig, hello: str, refresh: str, guests: tuple[str, ...] | None) -> None:
    rig.time.guests = guests
    socket = await rig.hello(hello)
    socket.command(RoomJoin(2, "one"))
    assert isinstance(await socket.message(), Joined)
    socket.command(Refresh(3, refresh))
    got = await socket.message()
    assert isinstance(got, Error)
    assert got.code == ErrorCode.FORBIDDEN
    assert told(rig.router) == []


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
    theirs, not_theirs = Audience(only=frozenset({UMA})), Audience(excluded=frozenset({UMA}))
    slow.congest()
    slow.authority = replace(slow.authority, principal=UMA)
    assert slow.subscription is not None
    slow.subscription.refreshed()
    stage.send(replace(stage.room.typed("eve", True), audience=theirs), replace(stage.room.typed("bob", True), audience=not_theirs))
    slow.drain()
    assert slow.messages == [Typing("quiet", principal("eve"), True)]


@pytest.fixture
async def house() -> AsyncIterator[Rig]:
    """A gateway in front of real rooms."""
    time, late, random = Ticking(), Late(), seeded("house")
    host = ActorHost(EngineSettings(), time, SimulatedJournal(random), late, KINDS, random)
    gateway = late.gateway = Gateway(
        GatewaySettings(close_timeout_s=1.0),
        HttpSettings(port=0),
        clock=time,
        router=LocalRouter(host),
        authenticate=time.authenticate,
        read_events=nothing_old,
        history=1,
        monotonic=time.monotonic,
    )
    rig = Rig(gateway, RigRouter(), time)
    await host.open()
    await gateway.start(rig.make_http_protocol)
    yield rig
    await rig.close()
    await host.close()


async def nothing_old(_address: Address, _after: int, _limit: int) -> Sequence[JournalEvent]:
    return []


async def next_of(socket: RawSocket, kind: type[M]) -> M:
    """The next message of that type; others are passed over."""
    while not isinstance(got := await socket.message(), kind):
        pass
    return got


async def test_in_a_real_room_the_others_see_it_and_what_was_said_before_stays_editable(house: Rig) -> None:
    ada = await house.hello("ada@ada")
    ada.command(RoomCreate(2, "den", "nonce-00", "study", "Den", visibility="private"))
    await next_of(ada, Reply)
    tab = await house.hello("ada@ada")
    bob = await house.hello("bob@bob")
    for socket, ref in ((ada, 3), (tab, 3)):
        socket.command(RoomJoin(ref, "den"))
        assert (await next_of(socket, Joined)).role == "host"
    bob.command(RoomJoin(3, "den", grant="bob@bob#den"))
    await next_of(bob, Joined)
    ada.command(MessageSend(4, "den", "as a guest", "nonce-01"))
    said = await next_of(bob, MessageCreate)
    ada.command(Refresh(5, "+uma@ada"))
    ada.command(MessageEdit(6, "den", said.offset, "still mine", "nonce-02"))
    ada.command(MessageSend(7, "den", "as a user", "nonce-03"))
    assert (await next_of(ada, Refreshed)).principal == UMA
    upgraded = await next_of(bob, PrincipalUpgraded)
    assert (upgraded.former, upgraded.person, upgraded.count) == (principal("ada"), Person(UMA, "uma", "host"), 2)
    edit, later = await next_of(bob, MessageUpdate), await next_of(bob, MessageCreate)
    assert (said.author, edit.author, edit.text, later.author) == (principal("ada"), UMA, "still mine", UMA)
    tab.command(RoomJoin(8, "den"))
    shown = (await next_of(tab, Joined)).presence.people
    assert {person.principal for person in shown} == {UMA, principal("bob")}


async def test_a_socket_that_goes_on_as_the_guest_who_signed_in_ends_soon_and_no_other(house: Rig) -> None:
    tab, phone, renewed = await house.hello("ada@ada"), await house.hello("ada@phone"), await house.hello("ada@ada")
    renewed.command(Refresh(2, "+uma@ada"))
    await next_of(renewed, Refreshed)
    house.gateway.outgrown(SessionId("ada"))
    for _ in range(2):
        house.advance(OUTGROWN_MS / 2000 + 1)
        for socket in (phone, renewed):
            socket.command(RoomJoin(9, "nowhere"))
            assert (await next_of(socket, Error)).ref == 9
    assert await tab.close_code() == CloseCode.TOKEN_EXPIRED


async def test_W12_a_grant_for_a_private_room_admits_until_it_expires_unless_it_is_renewed(house: Rig) -> None:
    ada, bob, eve = [await house.hello(f"{name}@{name}") for name in ("ada", "bob", "eve")]
    ada.command(RoomCreate(2, "den", "nonce-00", "study", "Den", visibility="private"))
    await next_of(ada, Reply)
    for name, socket in (("bob", bob), ("eve", eve)):
        socket.command(RoomJoin(3, "den", grant=f"{name}@{name}#den"))
        await next_of(socket, Joined)
    house.time.elapsed_s += house.time.ttl_ms / 2000
    bob.command(RoomJoin(4, "den", grant="bob@bob#den"))
    await next_of(bob, Joined)
    for name, socket in (("bob", bob), ("eve", eve)):
        socket.command(Refresh(5, f"{name}@{name}"))
        await next_of(socket, Refreshed)
    house.time.elapsed_s += house.time.ttl_ms / 2000
    for name, socket in (("bob", bob), ("eve", eve)):
        socket.command(Refresh(6, f"{name}@{name}"))
        await next_of(socket, Refreshed)
    assert await next_of(eve, RoomReset) == RoomReset("den")
    eve.command(RoomJoin(7, "den"))
    assert (await next_of(eve, Error)).code == ErrorCode.NOT_FOUND
    bob.command(MessageSend(7, "den", "still in", "nonce-01"))
    assert (await next_of(bob, MessageCreate)).text == "still in"


async def test_W12_a_private_room_is_heard_no_longer_once_the_token_does_not_admit_to_it(house: Rig) -> None:
    ada, bob = await house.hello("ada@ada"), await house.hello("bob@bob#den")
    ada.command(RoomCreate(2, "den", "nonce-00", "study", "Den", visibility="private"))
    await next_of(ada, Reply)
    for socket in (ada, bob):
        socket.command(RoomJoin(3, "den"))
        await next_of(socket, Joined)
    bob.command(MessageSend(4, "den", "still in", "nonce-01"))
    mine = await next_of(bob, MessageCreate)
    bob.command(Refresh(5, "bob@bob"))
    await next_of(bob, Refreshed)
    assert await next_of(bob, RoomReset) == RoomReset("den")
    ada.command(MessageSend(6, "den", "he is out", "nonce-02"))
    await next_of(ada, Reply)
    attempts = (
        (RoomJoin(7, "den"), ErrorCode.NOT_FOUND),
        (RoomJoin(7, "den", StreamPosition(1, mine.offset)), ErrorCode.NOT_FOUND),
        (MessageSend(7, "den", "let me in", "nonce-03"), ErrorCode.NOT_JOINED),
        (MessageEdit(7, "den", mine.offset, "changed", "nonce-04"), ErrorCode.NOT_JOINED),
        (MessageRemove(7, "den", mine.offset, "nonce-05"), ErrorCode.NOT_JOINED),
        (TypingStart(7, "den"), ErrorCode.NOT_JOINED),
    )
    for command, code in attempts:
        bob.command(command)
        got = await bob.message()
        assert isinstance(got, Error)
        assert (got.ref, got.code) == (7, code)
    ada.command(RoomJoin(8, "den"))
    room = await next_of(ada, Joined)
    assert [one.text for one in room.messages] == ["still in", "he is out"]
    assert [person.principal for person in room.presence.people] == [principal("ada")]


async def test_W12_a_token_bound_to_one_room_takes_the_others_from_a_live_socket(rig: Rig) -> None:
    socket = await guest(rig, "one", "two")
    await refreshed(socket, "ada@ada#one")
    assert told(rig.router) == [("one", True, "ada"), ("two", True, "ada")]
