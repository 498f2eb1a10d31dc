"""Why a connection was closed and what it missed, as its node remembers it for an hour."""

import asyncio

import pytest
from msgspec.structs import replace

from commonroom.codes import CloseCode
from commonroom.engine.gateway import chronicle as module
from commonroom.engine.gateway.chronicle import KEPT_MS, MAX_OF_ONE, Chronicle
from commonroom.engine.trace import Trace
from commonroom.identity import Principal, SessionId
from commonroom.protocol.room import RoomJoin
from commonroom.protocol.session import ResumeAt
from commonroom.protocol.typing import TypingStart
from commonroom.protocol.wire import StreamPosition
from tests.gateway.conftest import MakeRig
from tests.gateway.rig import EPOCH_MS, Rig, Ticking, principal, until
from tests.gateway.socket import closing
from tests.gateway.stage import Stage
from tests.gateway.test_pressure import deaf_member

KB = 1024


async def ended(rig: Rig, actor: str) -> Trace:
    """The one connection of somebody that is over."""
    await until(lambda: len(rig.gateway.chronicle) == 1)
    [trace] = rig.gateway.traces([actor])
    return trace


async def test_P32_an_open_connection_says_what_it_did_so_far(rig: Rig) -> None:
    rig.time.elapsed_s = 5.0
    socket = await rig.joined()
    [trace] = rig.gateway.traces(["ada"])
    assert (trace.principal, trace.sid, trace.opened_at) == (principal("ada"), "sid-ada", EPOCH_MS + 5000)
    assert (trace.closed_at, trace.closed_by, trace.code, trace.reason, trace.rooms) == (None, "", 0, "", 1)
    assert (trace.slowed, trace.dropped, trace.resumed, trace.reset, trace.refused) == (0, 0, 0, 0, 0)
    assert trace.bytes_in is not None
    assert trace.bytes_in > 200  # a handshake and two commands
    before = trace.bytes_in
    socket.command(TypingStart(7, "nowhere"))
    await socket.message()
    [trace] = rig.gateway.traces(["ada", "nobody"])
    assert (trace.refused, trace.bytes_in) == (1, before + 6 + len(b"\x93\x00\x07\xa7nowhere"))
    assert rig.gateway.traces(["bob"]) == []


async def test_P32_who_leaves_says_why_in_their_own_words(rig: Rig) -> None:
    socket = await rig.joined()
    socket.send(closing(1000, b"good night"))
    assert await socket.close_code() == 1000
    trace = await ended(rig, "ada")
    assert (trace.closed_by, trace.code, trace.reason, trace.closed_at, trace.rooms) == ("client", 1000, "good night", EPOCH_MS, 1)


async def test_P32_a_network_that_breaks_says_nothing(rig: Rig) -> None:
    socket = await rig.joined()
    socket.abort()
    trace = await ended(rig, "ada")
    assert (trace.closed_by, trace.code, trace.reason) == ("network", 1006, "")


async def test_P32_whom_we_close_is_told_later_what_they_were_told_then(rig: Rig) -> None:
    socket = await rig.joined()
    assert rig.gateway.close_sid(SessionId("sid-ada"), CloseCode.SESSION_ENDED) == 1
    assert await socket.close_code() == CloseCode.SESSION_ENDED
    trace = await ended(rig, "ada")
    assert (trace.closed_by, trace.code, trace.reason) == ("server", CloseCode.SESSION_ENDED, "the login session has ended")


async def test_P32_a_slow_reader_learns_that_it_was_one_and_what_it_owed(make_rig: MakeRig) -> None:
    rig = await make_rig(outbox_bytes=300 * KB, write_high_bytes=8 * KB)
    connection = await deaf_member(rig)
    await until(lambda: len(rig.gateway.traces(["deaf"])) == 1)
    for _ in range(1000):
        if connection.is_closing():
            break
        rig.router.say(rig.router.room(), "x" * 4000)
        await asyncio.sleep(0)  # the room's flush comes in the next turn
    trace = await ended(rig, "deaf")
    assert (trace.closed_by, trace.code) == ("server", CloseCode.SLOW_READER)
    assert trace.slowed >= 1
    assert trace.bytes_owed > 200 * KB
    assert trace.bytes_out is not None
    assert trace.bytes_out < 200 * KB


async def test_P32_rooms_that_are_come_back_to_are_counted(rig: Rig) -> None:
    socket = await rig.hello(resume=[ResumeAt("quiet", StreamPosition(1, 0)), ResumeAt("loud", StreamPosition(1, 0))])
    for _ in range(2):
        await socket.message()
    socket.command(RoomJoin(2, "third"))
    await socket.message()
    [trace] = rig.gateway.traces(["ada"])
    assert (trace.resumed, trace.rooms) == (2, 3)


async def test_P32_a_socket_that_never_said_hello_is_nobodys(rig: Rig) -> None:
    socket = await rig.connect()
    socket.abort()
    await until(lambda: rig.gateway.stats.connections == 0)
    assert len(rig.gateway.chronicle) == 0


def test_P32_volatile_pushes_that_a_slow_reader_did_not_get_are_counted() -> None:
    stage = Stage()
    slow, quick = stage.live("slow", "quick")
    slow.congest()
    for name in ("eve", "bob", "eve", "eve"):  # eve's last two take the place of one
        stage.send(stage.room.typed(name, active=principal(name) not in stage.room.typing))
    stage.send(stage.room.moved("eve"), stage.room.append())
    slow.drain()
    assert (slow.outbox.tally.dropped, quick.outbox.tally.dropped) == (3, 0)


# What is kept, and how long.

TRACE = Trace("s", principal("ada"), SessionId("sid"), EPOCH_MS, EPOCH_MS, "client", 1000, "", 0, None, None, 0, 0, 0, 0, 0, 0)


def note(chronicle: Chronicle, actor: str, number: int, at: int = EPOCH_MS) -> None:
    chronicle.note(replace(TRACE, session=f"{actor}-{number}", principal=Principal("guest", actor), closed_at=at))


def kept(chronicle: Chronicle, *actors: str) -> list[str]:
    return [trace.session for trace in chronicle.of(actors)]


def test_P32_what_is_over_for_an_hour_is_forgotten() -> None:
    time = Ticking()
    chronicle = Chronicle(time)
    note(chronicle, "ada", 1)
    note(chronicle, "ada", 2, EPOCH_MS + 1)
    time.elapsed_s = KEPT_MS / 1000
    assert kept(chronicle, "ada") == ["ada-1", "ada-2"]
    time.elapsed_s += 0.001
    assert kept(chronicle, "ada") == ["ada-2"]
    time.elapsed_s += 0.001
    assert (kept(chronicle, "ada"), len(chronicle), dict(chronicle._of)) == ([], 0, {})


def test_P32_of_one_person_the_latest_are_kept_and_nobody_elses_go_for_them() -> None:
    chronicle = Chronicle(Ticking())
    note(chronicle, "bob", 1)
    for number in range(MAX_OF_ONE + 3):
        note(chronicle, "ada", number)
    assert kept(chronicle, "bob", "ada") == ["bob-1", *(f"ada-{number}" for number in range(3, MAX_OF_ONE + 3))]
    assert len(chronicle) == MAX_OF_ONE + 1


def test_P32_of_all_the_latest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_KEPT", 3)
    chronicle = Chronicle(Ticking())
    for number, actor in enumerate(("ada", "bob", "ada", "bob", "eve")):
        note(chronicle, actor, number)
    assert kept(chronicle, "ada", "bob", "eve") == ["ada-2", "bob-3", "eve-4"]
