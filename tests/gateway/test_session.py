"""Hello, commands, rooms and time, over real sockets in front of rooms that do as they are told."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from commonroom.codes import CloseCode, ErrorCode
from commonroom.engine.envelope import Attach, Detach
from commonroom.errors import NotFound, Unavailable
from commonroom.protocol.chat import MessageCreate, MessageSend
from commonroom.protocol.codec import JSON_PROTOCOL, MSGPACK_PROTOCOL
from commonroom.protocol.registry import COMMANDS
from commonroom.protocol.room import Gap, Joined, RoomCreate, RoomJoin, RoomLeave, RoomReset
from commonroom.protocol.session import Error, Heartbeat, HeartbeatReply, Hello, Refresh, Refreshed, Reply, ResumeAt, Welcome
from commonroom.protocol.typing import Typing, TypingStart
from commonroom.protocol.wire import Command, StreamPosition
from tests.gateway.conftest import MakeRig
from tests.gateway.rig import EPOCH_MS, Rig, principal, until
from tests.gateway.socket import BINARY, PING, PONG, TEXT, Frame, RawSocket, closing, frame

BOTH = pytest.mark.parametrize("subprotocol", [MSGPACK_PROTOCOL, JSON_PROTOCOL])


async def error(socket: RawSocket) -> Error:
    got = await socket.message()
    assert isinstance(got, Error), got
    return got


async def joined(socket: RawSocket) -> Joined:
    got = await socket.message()
    assert isinstance(got, Joined), got
    return got


async def offsets(socket: RawSocket, count: int) -> list[int]:
    """The offsets of the next durable pushes."""
    found: list[int] = []
    while len(found) < count:
        got = await socket.message()
        assert isinstance(got, MessageCreate), got
        found.append(got.offset)
    return found


def send(nonce: str = "nonce-01", room: str = "quiet", ref: int = 5) -> MessageSend:
    return MessageSend(ref, room, "hello", nonce)


class TestHello:
    @BOTH
    async def test_welcome_tells_who_the_client_is_and_every_limit(self, rig: Rig, subprotocol: str) -> None:
        socket = await rig.connect(subprotocol)
        socket.command(Hello(7, "ada"))
        welcome = await socket.message()
        assert isinstance(welcome, Welcome)
        assert (welcome.ref, welcome.principal, welcome.name, welcome.history) == (7, principal("ada"), "ada", 1)
        assert welcome.server_time == EPOCH_MS
        assert welcome.protocol == rig.gateway.protocol
        limits = welcome.limits
        assert (limits.message_bytes, limits.rooms, limits.heartbeat_ms, limits.grace_ms) == (65536, 100, 25_000, 8_000)
        assert limits.token_expires_at == EPOCH_MS + rig.time.ttl_ms

    @pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"hello"}))
    async def test_any_command_before_hello_closes_the_socket(self, rig: Rig, name: str) -> None:
        socket = await rig.connect()
        socket.command(SAMPLES[name])
        assert await socket.close_code() == CloseCode.OUT_OF_ORDER

    async def test_a_second_hello_closes_the_socket(self, rig: Rig) -> None:
        socket = await rig.hello()
        socket.command(Hello(2, "ada"))
        assert await socket.close_code() == CloseCode.OUT_OF_ORDER

    @pytest.mark.parametrize(
        ("token", "reason", "close", "code"),
        [
            ("forged", "is forged", CloseCode.UNAUTHENTICATED, ErrorCode.UNAUTHENTICATED),
            ("!ada", "has expired", CloseCode.TOKEN_EXPIRED, ErrorCode.TOKEN_EXPIRED),
        ],
    )
    async def test_a_bad_token_is_answered_and_closes_the_socket(self, rig: Rig, token: str, reason: str, close: int, code: int) -> None:
        socket = await rig.connect()
        socket.command(Hello(3, token))
        assert await error(socket) == Error(3, code, ErrorCode(code).name, f"the token {reason}")
        assert await socket.close_code() == close
        assert rig.gateway.stats.sessions == 0

    @pytest.mark.parametrize("sent", [b"", frame(PING, b"alive?") * 3], ids=["nothing", "only pings"])
    async def test_W3_a_socket_that_says_no_hello_is_closed_after_ten_seconds(self, rig: Rig, sent: bytes) -> None:
        socket = await rig.connect()
        rig.advance(9.5)
        socket.send(sent + frame(PING, b"sync"))
        while await socket.receive() != Frame(PONG, b"sync"):
            pass
        rig.advance(0.75)
        assert await socket.close_code() == CloseCode.HELLO_TIMEOUT


class TestBadBytes:
    @pytest.mark.parametrize(
        "payload",
        [
            b"",
            b"\xc1",
            b"\x90" * 65536,
            b"\x91" * 60000,
            b"\xdd\xff\xff\xff\xff",
            b"\xdf\xff\xff\xff\xff",
            b"\x81\xa1a\x01",
            b"hello",
            b"\x92\xa1\xff\x01",
        ],
    )
    async def test_bytes_that_are_no_command_close_with_bad_frame(self, rig: Rig, payload: bytes) -> None:
        witness = await rig.joined("witness")
        socket = await rig.connect()
        socket.send(frame(BINARY, payload))
        assert await socket.close_code() == CloseCode.BAD_FRAME
        witness.command(TypingStart(0, "quiet"))
        assert isinstance(await witness.message(), Typing)

    @pytest.mark.parametrize("payload", [b"[" * 60000, b"{}", b"[16", b'[16,1,"\\ud800"', b"null", b'["hello"]'])
    async def test_json_that_is_no_command_closes_with_bad_frame(self, rig: Rig, payload: bytes) -> None:
        socket = await rig.connect(JSON_PROTOCOL)
        socket.send(frame(TEXT, payload))
        assert await socket.close_code() == CloseCode.BAD_FRAME

    @pytest.mark.parametrize(("subprotocol", "opcode"), [(MSGPACK_PROTOCOL, TEXT), (JSON_PROTOCOL, BINARY)])
    async def test_the_other_kind_of_frame_closes_with_bad_frame(self, rig: Rig, subprotocol: str, opcode: int) -> None:
        socket = await rig.connect(subprotocol)
        socket.send(frame(opcode, b"[3,0]"))
        assert await socket.close_code() == CloseCode.BAD_FRAME

    async def test_a_command_with_a_bad_field_is_answered_and_the_socket_lives(self, rig: Rig) -> None:
        socket = await rig.hello()
        socket.send(frame(BINARY, socket.codec.encode(RoomJoin(4, ""))))
        answer = await error(socket)
        assert (answer.ref, answer.code) == (4, ErrorCode.INVALID)
        socket.command(RoomJoin(5, "quiet"))
        assert (await joined(socket)).ref == 5

    async def test_too_many_errors_in_a_minute_close_the_socket(self, make_rig: MakeRig) -> None:
        rig = await make_rig(errors_per_minute=3, heartbeat_s=100)
        socket = await rig.hello()
        for seconds in (60.5, 0):
            for _ in range(3):
                socket.command(send())
                assert (await error(socket)).code == ErrorCode.NOT_JOINED
            rig.advance(seconds)
        socket.command(send())
        assert await socket.close_code() == CloseCode.TOO_MANY_ERRORS


class TestRooms:
    @BOTH
    async def test_a_join_is_answered_with_the_room_at_a_position(self, rig: Rig, subprotocol: str) -> None:
        room = rig.router.room()
        room.append()
        socket = await rig.hello(subprotocol=subprotocol)
        socket.command(RoomJoin(9, "quiet"))
        snapshot = await joined(socket)
        assert (snapshot.ref, snapshot.position, snapshot.recovery, snapshot.gap) == (9, StreamPosition(1, 1), "fresh", None)
        assert rig.gateway.count(room.address) == 1

    @BOTH
    async def test_pushes_reach_everybody_in_the_room_and_nobody_else(self, rig: Rig, subprotocol: str) -> None:
        ada, ben, eve = await rig.joined("ada", subprotocol=subprotocol), await rig.joined("ben"), await rig.joined("eve", "other")
        ada.command(send())
        reply, push = await ada.message(), await ada.message()
        assert (reply, push) == (Reply(5, 1), await ben.message())
        eve.command(TypingStart(0, "other"))
        assert isinstance(await eve.message(), Typing)

    async def test_a_command_to_a_room_that_is_not_joined_is_refused(self, rig: Rig) -> None:
        socket = await rig.hello()
        socket.command(send())
        assert (await error(socket)).code == ErrorCode.NOT_JOINED
        assert rig.router.commands(MessageSend) == []

    async def test_a_room_is_created_without_being_joined(self, rig: Rig) -> None:
        socket = await rig.hello()
        socket.command(RoomCreate(6, "new", "nonce-01", "study", "A title"))
        assert await socket.message() == Reply(6, 1)

    async def test_an_id_that_is_no_address_is_invalid(self, rig: Rig) -> None:
        socket = await rig.hello()
        for ref, room in enumerate(("line\nbreak", "ö" * 100, "\x00"), 4):
            socket.command(RoomJoin(ref, room))
            answer = await error(socket)
            assert (answer.ref, answer.code) == (ref, ErrorCode.INVALID)

    async def test_after_leaving_nothing_comes_any_more(self, rig: Rig) -> None:
        socket = await rig.joined()
        socket.command(RoomLeave(3, "quiet"))
        assert await socket.message() == Reply(3)
        rig.router.say(rig.router.room())
        socket.command(send())
        assert (await error(socket)).code == ErrorCode.NOT_JOINED
        assert len(rig.router.commands(Detach)) == 1
        assert rig.gateway.stats.subscriptions == 0

    async def test_leaving_a_room_that_was_not_joined_is_no_error(self, rig: Rig) -> None:
        socket = await rig.hello()
        socket.command(RoomLeave(3, "quiet"))
        assert await socket.message() == Reply(3)
        assert rig.router.commands(Detach) == []

    async def test_a_failed_join_is_answered_and_can_be_repeated(self, rig: Rig) -> None:
        rig.router.refuse[RoomJoin] = NotFound("no such room")
        socket = await rig.hello()
        socket.command(RoomJoin(2, "quiet"))
        assert (await error(socket)).code == ErrorCode.NOT_FOUND
        assert rig.gateway.stats.subscriptions == 0
        rig.router.refuse.clear()
        socket.command(RoomJoin(3, "quiet"))
        assert (await joined(socket)).ref == 3

    async def test_joining_twice_answers_a_fresh_snapshot_and_pushes_come_once(self, rig: Rig) -> None:
        socket = await rig.joined()
        socket.command(RoomJoin(3, "quiet"))
        assert (await joined(socket)).ref == 3
        rig.router.say(rig.router.room())
        rig.router.say(rig.router.room())
        assert await offsets(socket, 2) == [1, 2]
        assert rig.gateway.stats.subscriptions == 1

    async def test_a_second_join_while_the_first_is_under_way_is_a_conflict(self, rig: Rig) -> None:
        rig.router.held = []
        socket = await rig.hello()
        socket.command(RoomJoin(2, "quiet"))
        socket.command(RoomJoin(3, "quiet"))
        answer = await error(socket)
        assert (answer.ref, answer.code) == (3, ErrorCode.CONFLICT)
        rig.router.handle(rig.router.held[0])
        assert (await joined(socket)).ref == 2

    async def test_leaving_while_the_join_is_under_way_answers_both(self, rig: Rig) -> None:
        rig.router.held = []
        socket = await rig.hello()
        socket.command(RoomJoin(2, "quiet"))
        socket.command(RoomLeave(3, "quiet"))
        assert (await error(socket)).ref == 2
        assert await socket.message() == Reply(3)
        for envelope in rig.router.held:
            rig.router.handle(envelope)
        assert rig.router.room().roster == set()
        assert rig.gateway.count(rig.router.room().address) == 0

    async def test_pushes_during_a_join_come_after_the_snapshot_once(self, rig: Rig) -> None:
        room = rig.router.room()
        rig.router.held = []
        socket = await rig.hello()
        socket.command(RoomJoin(2, "quiet"))
        await until(lambda: rig.router.held)
        rig.router.say(room)
        rig.router.handle(rig.router.held[0])
        rig.router.say(room)
        assert (await joined(socket)).position.offset == 1
        assert await offsets(socket, 1) == [2]

    async def test_A10_over_the_cap_of_rooms_a_join_is_refused(self, make_rig: MakeRig) -> None:
        rig = await make_rig(rooms_per_session=2)
        socket = await rig.hello()
        for ref in (1, 2, 3):
            socket.command(RoomJoin(ref, f"room{ref}"))
        assert [type(await socket.message()) for _ in range(2)] == [Joined, Joined]
        answer = await error(socket)
        assert (answer.ref, answer.code) == (3, ErrorCode.LIMIT_EXCEEDED)

    async def test_a_grant_counts_for_its_room_alone(self, rig: Rig) -> None:
        socket = await rig.hello()
        socket.command(RoomJoin(2, "quiet", grant="ada#quiet"))
        socket.command(RoomJoin(3, "other"))
        await joined(socket), await joined(socket)
        granted, plain = (envelope.authority for envelope in rig.router.commands(RoomJoin))
        assert granted is not None
        assert [grant.room for grant in granted.grants] == ["quiet"]
        assert plain is not None
        assert plain.grants == ()
        socket.command(RoomJoin(4, "third", grant="ben#third"))
        assert (await error(socket)).code == ErrorCode.FORBIDDEN


class TestResume:
    async def test_P16_what_was_missed_follows_the_snapshot(self, rig: Rig) -> None:
        for _ in range(5):
            rig.router.room().append()
        socket = await rig.hello(resume=[ResumeAt("quiet", StreamPosition(1, 2))])
        snapshot = await joined(socket)
        assert (snapshot.ref, snapshot.recovery, snapshot.position.offset) == (0, "recovered", 5)
        assert await offsets(socket, 3) == [3, 4, 5]

    async def test_what_the_ring_lacks_comes_from_the_journal(self, rig: Rig) -> None:
        for _ in range(300):
            rig.router.room().append()
        socket = await rig.hello(resume=[ResumeAt("quiet", StreamPosition(1, 10))])
        assert (await joined(socket)).recovery == "recovered"
        rig.router.say(rig.router.room())
        assert await offsets(socket, 291) == list(range(11, 302))
        assert rig.router.reads["quiet"] == 3

    async def test_P16_what_is_too_old_is_told_as_a_gap(self, make_rig: MakeRig) -> None:
        rig = await make_rig(replay_events=20)
        for _ in range(100):
            rig.router.room().append()
        socket = await rig.hello(resume=[ResumeAt("quiet", StreamPosition(1, 10))])
        snapshot = await joined(socket)
        assert (snapshot.recovery, snapshot.gap) == ("gap", Gap(11, 72))
        assert await offsets(socket, 28) == list(range(73, 101))

    @pytest.mark.parametrize("position", [StreamPosition(2, 1), StreamPosition(1, 99)])
    async def test_a_position_of_another_history_or_beyond_the_head_is_reset(self, rig: Rig, position: StreamPosition) -> None:
        rig.router.room().append()
        socket = await rig.hello(resume=[ResumeAt("quiet", position)])
        assert (await joined(socket)).recovery == "reset"
        rig.router.say(rig.router.room())
        assert await offsets(socket, 1) == [2]

    async def test_a_journal_that_stays_away_ends_in_a_reset_of_the_room(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("commonroom.engine.gateway.reading.FIRST_PAUSE_S", 0.0)
        for _ in range(100):
            rig.router.room().append()
        rig.router.journal_down = True
        socket = await rig.hello(resume=[ResumeAt("quiet", StreamPosition(1, 10))])
        await joined(socket)
        assert await socket.message() == RoomReset("quiet")
        assert len(rig.router.commands(Detach)) == 1

    async def test_an_event_that_cannot_be_read_ends_in_a_reset_of_the_room(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        """Once: it was read again without end, each time with a line in the log."""
        monkeypatch.setattr("commonroom.engine.gateway.reading.decode_event", {}.__getitem__)
        for _ in range(100):
            rig.router.room().append()
        socket = await rig.hello(resume=[ResumeAt("quiet", StreamPosition(1, 10))])
        await joined(socket)
        assert await socket.message() == RoomReset("quiet")
        assert (len(rig.router.commands(Detach)), rig.router.reads["quiet"]) == (1, 1)

    async def test_many_rooms_come_back_to_a_reader_that_must_not_be_flooded(self, make_rig: MakeRig) -> None:
        rig = await make_rig(outbox_bytes=200_000, write_high_bytes=20_000)
        rooms = [f"room{number}" for number in range(20)]
        for name in rooms:
            for _ in range(60):
                rig.router.room(name).append("x" * 1000)
        socket = await rig.hello(resume=[ResumeAt(name, StreamPosition(1, 0)) for name in rooms])
        seen: dict[str, list[int]] = {name: [] for name in rooms}
        for _ in range(20 * 61):
            message = await socket.message()
            if isinstance(message, MessageCreate):
                seen[message.room].append(message.offset)
        assert seen == {name: list(range(1, 61)) for name in rooms}
        assert rig.router.most_reading == 1
        assert rig.gateway.stats.closes == {}


class TestActivations:
    async def test_X5_a_new_activation_hears_of_every_subscriber_at_once(self, rig: Rig) -> None:
        for name in ("ada", "ben"):
            await rig.joined(name)
        room = rig.router.room()
        before, room.roster = room.roster, set()
        rig.gateway.activated(room.address, "next", 0)
        assert room.roster == before
        assert {str(envelope.authority and envelope.authority.name) for envelope in rig.router.commands(Attach)} == {"ada", "ben"}

    async def test_X5_a_subscriber_that_is_not_known_again_is_told_to_rejoin(self, rig: Rig) -> None:
        socket = await rig.joined()
        rig.router.refuse[Attach] = Unavailable("the room fails")
        rig.gateway.activated(rig.router.room().address, "next", 0)
        assert await socket.message() == RoomReset("quiet")
        assert rig.gateway.count(rig.router.room().address) == 0


class TestTime:
    async def test_X5_heartbeats_tell_the_heads_of_followed_rooms(self, rig: Rig) -> None:
        socket = await rig.joined()
        rig.router.say(rig.router.room())
        assert await offsets(socket, 1) == [1]
        rig.advance(25.25)
        beat = await socket.message()
        assert isinstance(beat, Heartbeat)
        assert beat.heads == [("quiet", 1)]
        assert beat.server_time >= EPOCH_MS + 25_000

    async def test_a_silent_peer_is_closed_after_heartbeat_and_grace(self, rig: Rig) -> None:
        socket = await rig.hello()
        rig.advance(32.5)
        assert rig.gateway.stats.sessions == 1
        rig.advance(1)
        assert await socket.close_code() == CloseCode.HEARTBEAT_TIMEOUT
        assert rig.gateway.stats.sessions == 0

    @pytest.mark.parametrize("sign_of_life", [frame(PING, b"sync"), frame(BINARY, b"\x92\x03\x00") + frame(PING, b"sync")])
    async def test_anything_received_counts_as_life(self, rig: Rig, sign_of_life: bytes) -> None:
        socket = await rig.hello()
        for _ in range(4):
            rig.advance(20)
            socket.send(sign_of_life)
            while (await socket.receive()).opcode != PONG:
                pass
        assert rig.gateway.stats.sessions == 1

    async def test_W11_a_token_that_expires_closes_the_socket(self, rig: Rig) -> None:
        rig.time.ttl_ms = 12_000
        socket = await rig.hello()
        rig.advance(11.75)
        assert rig.gateway.stats.sessions == 1
        rig.advance(0.75)
        assert await socket.close_code() == CloseCode.TOKEN_EXPIRED

    async def test_a_refreshed_token_keeps_the_socket(self, rig: Rig) -> None:
        rig.time.ttl_ms = 12_000
        socket = await rig.hello()
        rig.advance(10)
        socket.command(Refresh(2, "ada"))
        assert await socket.message() == Refreshed(2, principal("ada"), "ada", EPOCH_MS + 22_000)
        rig.advance(10)
        assert rig.gateway.stats.sessions == 1
        rig.advance(3)
        assert await socket.close_code() == CloseCode.TOKEN_EXPIRED

    @pytest.mark.parametrize(
        ("token", "code"),
        [("ada@other", ErrorCode.FORBIDDEN), ("ben@sid-ada", ErrorCode.FORBIDDEN), ("forged", ErrorCode.UNAUTHENTICATED)],
    )
    async def test_a_refresh_with_another_token_is_refused_and_the_session_goes_on(self, rig: Rig, token: str, code: int) -> None:
        socket = await rig.hello()
        socket.command(Refresh(2, token))
        assert (await error(socket)).code == code
        socket.command(RoomJoin(3, "quiet"))
        await joined(socket)


class TestEnds:
    async def test_the_room_hears_when_a_socket_is_gone(self, rig: Rig) -> None:
        ada, ben = await rig.joined("ada"), await rig.joined("ben")
        ada.send(closing(1000))
        assert await ada.close_code() == 1000
        ben.abort()
        await until(lambda: rig.gateway.stats.sessions == 0)
        assert rig.router.room().roster == set()
        assert rig.gateway.stats.closes == {1000: 1, 1006: 1}

    async def test_W11_a_login_session_that_ends_closes_all_its_sockets_and_no_other(self, rig: Rig) -> None:
        mine = [await rig.hello("ada@one"), await rig.hello("ada@one")]
        other = await rig.hello("ada@two")
        first = await rig.hello("ben@one")
        assert rig.gateway.close_sid(rig.time.authenticate("ada@one").sid, CloseCode.SESSION_ENDED) == 3
        assert {await socket.close_code() for socket in (*mine, first)} == {CloseCode.SESSION_ENDED}
        other.command(RoomJoin(2, "quiet"))
        await joined(other)

    async def test_closing_the_gateway_tells_everybody_to_come_back(self, rig: Rig) -> None:
        sockets: Sequence[RawSocket] = [await rig.joined("ada"), await rig.hello("ben"), await rig.connect()]
        waiting = await rig.socket()
        await until(lambda: rig.gateway.waiting)
        codes = await asyncio.gather(*(read_and_close(socket) for socket in sockets), rig.gateway.close())
        assert codes == [CloseCode.SERVER_RESTART] * 3 + [None]
        assert await waiting.reader.read() == b""
        assert rig.gateway.stats.connections == 0
        assert rig.router.room().roster == set()


async def read_and_close(socket: RawSocket) -> int | None:
    code = await socket.close_code()
    socket.writer.close()
    return code


def sample(kind: type[Command]) -> Command:
    """Some valid command of a type."""
    known: dict[type[Command], Command] = {
        RoomJoin: RoomJoin(1, "quiet"),
        RoomLeave: RoomLeave(1, "quiet"),
        RoomCreate: RoomCreate(1, "new", "nonce-01", "study", "A title"),
        Refresh: Refresh(1, "ada"),
        HeartbeatReply: HeartbeatReply(0),
        TypingStart: TypingStart(0, "quiet"),
    }
    if kind in known:
        return known[kind]
    values: dict[str, Any] = {"room": "quiet", "nonce": "nonce-01", "message": 1, "text": "hello", "ref": 1, "key": "", "data": ""}
    values |= {"person": principal("ben"), "invite": "an invite", "code": "a code"}
    return kind(**{name: values[name] for name in kind.__struct_fields__ if name in values})


SAMPLES: dict[str, Command] = {name: sample(kind) for name, kind in COMMANDS.items() if name != "hello"}
