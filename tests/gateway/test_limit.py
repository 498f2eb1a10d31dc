"""What a connection may do at once, and what waits while a room's founder is asked about."""

import asyncio
from collections.abc import Sequence

import pytest

from commonroom.codes import CloseCode, ErrorCode
from commonroom.config.settings import HttpSettings
from commonroom.engine.envelope import Envelope
from commonroom.engine.gateway.session import MAX_PARKED
from commonroom.errors import CommonroomError, LimitExceeded, RateLimited, Unavailable
from commonroom.identity import Authority
from commonroom.limit.limit import EVENTS, STATUS_LOOKS
from commonroom.protocol.cast import CastSend
from commonroom.protocol.chat import MessageCreate, MessageSend
from commonroom.protocol.invite import InviteAccept
from commonroom.protocol.room import Joined, RoomCreate, RoomJoin
from commonroom.protocol.session import Error, HeartbeatReply, Hello, Refresh, Refreshed, Reply, ResumeAt
from commonroom.protocol.status import StatusWatch
from commonroom.protocol.typing import TypingStart
from commonroom.protocol.wire import Command, StreamPosition
from tests.gateway.conftest import MakeRig
from tests.gateway.rig import Rig, until
from tests.gateway.socket import BINARY, RawSocket, frame

LEFT = EVENTS.amount - 2
"""What a session may send at once that has said hello and joined a room."""


def say(ref: int, room: str = "quiet") -> MessageSend:
    return MessageSend(ref, room, "hello", f"nonce-{ref:04d}")


def create(ref: int, room: str = "new", visibility: str = "unlisted") -> RoomCreate:
    return RoomCreate(ref, room, f"nonce-{ref:04d}", "study", "A title", visibility=visibility)  # type: ignore[arg-type]


def accept(ref: int, room: str = "new") -> InviteAccept:
    return InviteAccept(ref, room, f"nonce-{ref:04d}", "0000000000")


async def errors(socket: RawSocket, count: int) -> list[Error]:
    """The next errors; what comes in between is passed over."""
    found: list[Error] = []
    while len(found) < count:
        if isinstance(got := await socket.message(), Error):
            found.append(got)
    return found


async def replies(socket: RawSocket, count: int) -> list[int]:
    """The refs of the next replies and refusals, in order."""
    found: list[int] = []
    while len(found) < count:
        if isinstance(got := await socket.message(), Reply | Error | Joined):
            found.append(got.ref)
    return found


class TestEvents:
    @pytest.fixture
    async def rig(self, make_rig: MakeRig) -> Rig:
        made: Rig = await make_rig(limits_scale=1.0, heartbeat_s=1000)
        return made

    async def test_H5_thirty_events_pass_at_once_and_then_three_a_second(self, rig: Rig) -> None:
        socket = await rig.joined()
        for ref in range(LEFT + 3):
            socket.command(say(10 + ref))
        refused = await errors(socket, 3)
        assert [one.ref for one in refused] == [10 + LEFT, 11 + LEFT, 12 + LEFT]
        assert {(one.code, one.name, one.remaining, one.retry_after_ms) for one in refused} == {(151, "RATE_LIMITED", 0, 334)}
        assert len(rig.router.commands(MessageSend)) == LEFT
        for seconds, more in ((1.25, 3), (10.25, 30), (1000, 30)):
            before = len(rig.router.commands(MessageSend))
            rig.advance(seconds)
            for ref in range(more + 1):
                socket.command(say(100 + ref))
            assert [one.ref for one in await errors(socket, 1)] == [100 + more]
            assert len(rig.router.commands(MessageSend)) - before == more

    async def test_P20_other_users_are_looked_at_ten_times_at_once_and_then_once_a_second(self, rig: Rig) -> None:
        socket = await rig.hello()
        for ref in range(STATUS_LOOKS.amount + 1):
            socket.command(StatusWatch(10 + ref))
        (refused,) = await errors(socket, 1)
        assert (refused.ref, refused.name, refused.retry_after_ms) == (10 + STATUS_LOOKS.amount, "RATE_LIMITED", 1000)
        rig.advance(1.0)
        socket.command(StatusWatch(50))
        assert await replies(socket, 1) == [50]

    async def test_whoever_waits_as_told_is_not_refused(self, rig: Rig) -> None:
        socket = await rig.joined()
        for ref in range(LEFT + 1):
            socket.command(say(10 + ref))
        (refused,) = await errors(socket, 1)
        assert refused.retry_after_ms is not None
        rig.time.elapsed_s += refused.retry_after_ms / 1000
        socket.command(say(99))
        await until(lambda: len(rig.router.commands(MessageSend)) == LEFT + 1)

    async def test_answers_to_heartbeats_do_not_count_and_refreshes_do(self, rig: Rig) -> None:
        socket = await rig.joined()
        for _ in range(100):
            socket.command(HeartbeatReply(0))
        for ref in range(LEFT):
            socket.command(Refresh(10 + ref, "ada"))
        for _ in range(LEFT):
            assert isinstance(await socket.message(), Refreshed)
        socket.command(Refresh(99, "ada"))
        assert [one.ref for one in await errors(socket, 1)] == [99]

    async def test_answers_to_heartbeats_count_as_pings_do(self, make_rig: MakeRig) -> None:
        rig = await make_rig(limits_scale=1.0, control_frames_per_minute=50)
        socket = await rig.joined()
        socket.send(frame(BINARY, socket.codec.encode(HeartbeatReply(0))) * 50)
        socket.command(say(10))
        assert await replies(socket, 1) == [10]
        socket.command(HeartbeatReply(0))
        assert await socket.close_code() == 1008

    async def test_a_hello_that_resumes_many_rooms_is_one_event(self, rig: Rig) -> None:
        rooms = [f"room-{number}" for number in range(60)]
        socket = await rig.hello(resume=[ResumeAt(room, StreamPosition(1, 0)) for room in rooms])
        await until(lambda: len(rig.router.commands(RoomJoin)) == 60)
        for ref in range(EVENTS.amount):
            socket.command(RoomJoin(10 + ref, rooms[ref]))
        assert [one.ref for one in await errors(socket, 1)] == [9 + EVENTS.amount]

    async def test_connections_count_apart(self, rig: Rig) -> None:
        sockets = [await rig.joined("ada"), await rig.joined("ada")]
        for socket in sockets:
            for ref in range(LEFT):
                socket.command(say(10 + ref))
        await until(lambda: len(rig.router.commands(MessageSend)) == 2 * LEFT)

    async def test_who_goes_on_regardless_is_closed_and_nobody_else_notices(self, rig: Rig) -> None:
        witness, flooder = await rig.joined("witness"), await rig.joined("flooder")
        payload = flooder.codec.encode(say(0))
        flooder.send(frame(BINARY, payload) * 5000)
        assert await flooder.close_code() == CloseCode.TOO_MANY_ERRORS
        witness.command(say(50))
        heard = [await witness.message() for _ in range(LEFT + 2)]
        assert [got.offset for got in heard if isinstance(got, MessageCreate)] == list(range(1, LEFT + 2))
        assert len(rig.router.commands(MessageSend)) == LEFT + 1

    async def test_the_scale_multiplies_it(self, make_rig: MakeRig) -> None:
        rig = await make_rig(limits_scale=10.0)
        socket = await rig.joined()
        for ref in range(10 * EVENTS.amount - 1):
            socket.command(say(10 + ref))
        assert [one.ref for one in await errors(socket, 1)] == [8 + 10 * EVENTS.amount]


class Door:
    """Where founders are asked about: each waits until it is let in, or turned away."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.waiting: list[asyncio.Future[None]] = []

    async def admit(self, authority: Authority, address: str, room: str) -> None:
        self.asked.append((authority.principal.actor_id, address, room))
        self.waiting.append(asyncio.get_running_loop().create_future())
        await self.waiting[-1]

    async def answer(self, error: CommonroomError | None = None) -> None:
        await until(lambda: self.waiting)
        waiting = self.waiting.pop(0)
        if error is None:
            waiting.set_result(None)
        else:
            waiting.set_exception(error)


def sent(envelopes: Sequence[Envelope]) -> list[tuple[type, int]]:
    return [(type(one.command), one.command.ref) for one in envelopes if isinstance(one.command, Command) and one.command.ref > 5]


class TestFounding:
    @pytest.fixture
    def door(self) -> Door:
        return Door()

    @pytest.fixture
    async def rig(self, make_rig: MakeRig, door: Door) -> Rig:
        made: Rig = await make_rig(admit_founder=door.admit, heartbeat_s=1000)
        return made

    async def test_P11_a_room_is_founded_once_its_founder_is_admitted(self, rig: Rig, door: Door) -> None:
        socket = await rig.hello()
        socket.command(create(6))
        await until(lambda: door.waiting)
        assert rig.router.commands(RoomCreate) == []
        assert door.asked == [("ada", "127.0.0.1", "new")]
        await door.answer()
        assert await socket.message() == Reply(6, 1)

    async def test_I5_what_comes_after_keeps_its_order_behind_it(self, rig: Rig, door: Door) -> None:
        socket = await rig.joined()
        commands = [
            create(6),
            say(7),
            TypingStart(8, "quiet"),
            RoomJoin(9, "new"),
            create(10, "other"),
            say(11),
            CastSend(12, "quiet", "", ""),
        ]
        for command in commands:
            socket.command(command)
        await until(lambda: door.waiting)
        await asyncio.sleep(0)
        assert sent(rig.router.seen) == []
        await door.answer()
        await until(lambda: door.waiting)
        assert sent(rig.router.seen) == [(type(one), one.ref) for one in commands[:4]]
        await door.answer()
        await until(lambda: len(sent(rig.router.seen)) == len(commands))
        assert sent(rig.router.seen) == [(type(one), one.ref) for one in commands]

    @pytest.mark.parametrize(
        ("error", "code", "left"),
        [
            (RateLimited("too often", retry_after_ms=1_800_000), ErrorCode.RATE_LIMITED, 0),
            (LimitExceeded("too many"), ErrorCode.LIMIT_EXCEEDED, 0),
            (Unavailable("no database"), ErrorCode.RETRY, None),
        ],
        ids=["often", "many", "unknown"],
    )
    async def test_who_is_not_admitted_is_told_and_goes_on(
        self, rig: Rig, door: Door, error: CommonroomError, code: ErrorCode, left: int | None
    ) -> None:
        socket = await rig.joined()
        socket.command(create(6))
        socket.command(say(7))
        await door.answer(error)
        (refused,) = await errors(socket, 1)
        assert (refused.ref, refused.code, refused.retry_after_ms, refused.remaining) == (6, code, error.retry_after_ms, left)
        assert await replies(socket, 1) == [7]
        assert rig.router.commands(RoomCreate) == []

    async def test_I10_what_waits_behind_is_bounded(self, rig: Rig, door: Door) -> None:
        socket = await rig.joined()
        socket.command(create(6))
        for ref in range(MAX_PARKED + 3):
            socket.command(say(10 + ref))
        refused = await errors(socket, 3)
        assert [(one.ref, one.code) for one in refused] == [(10 + MAX_PARKED + number, ErrorCode.RETRY) for number in range(3)]
        await door.answer()
        assert await replies(socket, 1 + MAX_PARKED) == [6, *range(10, 10 + MAX_PARKED)]

    async def test_others_are_served_meanwhile(self, rig: Rig, door: Door) -> None:
        ada, ben = await rig.joined("ada"), await rig.joined("ben")
        ada.command(create(6))
        await until(lambda: door.waiting)
        ben.command(say(7))
        assert await replies(ben, 1) == [7]
        await door.answer()

    async def test_what_waits_for_a_socket_that_is_gone_is_dropped(self, rig: Rig, door: Door) -> None:
        socket = await rig.joined()
        socket.command(create(6))
        socket.command(say(7))
        await until(lambda: door.waiting)
        socket.abort()
        await until(lambda: rig.gateway.stats.sessions == 0)
        await door.answer()
        await until(lambda: rig.router.commands(RoomCreate))
        assert rig.router.commands(MessageSend) == []

    async def test_a_guests_public_room_is_refused_before_it_uses_anything_up(self, rig: Rig, door: Door) -> None:
        socket = await rig.hello()
        socket.command(create(6, visibility="public"))
        assert [(one.ref, one.code) for one in await errors(socket, 1)] == [(6, ErrorCode.SIGN_IN_NEEDED)]
        assert door.asked == []

    @pytest.mark.parametrize("uncounted", [(), ("127.0.0.0/8", "10.0.0.0/8", "2001:db8::/32")], ids=["counted", "uncounted"])
    @pytest.mark.parametrize(("client", "key"), [("10.1.2.3", "10.1.2.3"), ("2001:db8::17", "2001:db8::/64")])
    async def test_behind_a_proxy_the_client_is_counted(
        self, make_rig: MakeRig, door: Door, uncounted: tuple[str, ...], client: str, key: str
    ) -> None:
        http = HttpSettings(port=0, trusted_proxies=("127.0.0.1",), uncounted_networks=uncounted)
        rig = await make_rig(http, admit_founder=door.admit)
        for source, expected in (("127.0.0.1", key), ("127.0.0.9", "127.0.0.9")):
            socket = await rig.socket(source)
            await socket.upgrade(**{"X-Forwarded-For": f"1.2.3.4, {client}"})
            socket.command(Hello(1, "ada"))
            await socket.message()
            socket.command(create(6))
            await door.answer()
            assert door.asked[-1][1] == expected
            assert await socket.message() == Reply(6, 1)


class TestCodes:
    """An invite's code is asked about as a founder is, and its room need not be joined."""

    @pytest.fixture
    def door(self) -> Door:
        return Door()

    @pytest.fixture
    async def rig(self, make_rig: MakeRig, door: Door) -> Rig:
        async def admit(authority: Authority, address: str) -> None:
            await door.admit(authority, address, "")

        made: Rig = await make_rig(admit_code=admit, heartbeat_s=1000)
        return made

    async def test_P17_a_code_is_tried_once_its_sender_is_admitted_and_what_follows_waits(self, rig: Rig, door: Door) -> None:
        socket = await rig.joined()
        socket.command(accept(6))
        socket.command(say(7))
        await until(lambda: door.waiting)
        assert door.asked == [("ada", "127.0.0.1", "")]
        assert sent(rig.router.seen) == []
        await door.answer()
        await until(lambda: len(sent(rig.router.seen)) == 2)
        assert sent(rig.router.seen) == [(InviteAccept, 6), (MessageSend, 7)]

    async def test_P17_who_tries_too_many_is_told_and_the_room_is_not_asked(self, rig: Rig, door: Door) -> None:
        socket = await rig.hello()
        socket.command(accept(6))
        await door.answer(RateLimited("too often", retry_after_ms=6000))
        (refused,) = await errors(socket, 1)
        assert (refused.ref, refused.code, refused.retry_after_ms) == (6, ErrorCode.RATE_LIMITED, 6000)
        assert rig.router.commands(InviteAccept) == []
