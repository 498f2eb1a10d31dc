"""RFC 6455 over the echo listener: our own suite, in the order of Autobahn's chapters.

Each row: what a peer sends, which data and pong frames come back, and the close code that
ends it (None: the connection lives on and answers a last ping).
"""

import asyncio
import tracemalloc
from typing import NamedTuple

import pytest

from commonroom.protocol.chat import MessageCreate
from commonroom.protocol.codec import JSON_PROTOCOL, MSGPACK_PROTOCOL
from tests.gateway.conftest import MakeRig
from tests.gateway.rig import Rig, until
from tests.gateway.socket import BINARY, CLOSE, CONT, PING, PONG, TEXT, Frame, RawSocket, closing, frame

KB64 = 65536
EURO = "€".encode()
WELL = "Hello-µ@ßöäüàá-UTF-8!!".encode()
BAD_UTF8 = bytes.fromhex("cebae1bdb9cf83cebcceb5eda080656469746564")


class Case(NamedTuple):
    name: str
    sent: bytes
    answered: tuple[Frame, ...] = ()
    code: int | None = None


def text(payload: bytes) -> Frame:
    return Frame(TEXT, payload)


def binary(payload: bytes) -> Frame:
    return Frame(BINARY, payload)


def pong(payload: bytes = b"") -> Frame:
    return Frame(PONG, payload)


def pieces(opcode: int, payload: bytes, size: int) -> bytes:
    parts = [payload[at : at + size] for at in range(0, len(payload), size)]
    return b"".join(frame(opcode if not at else CONT, part, fin=at == len(parts) - 1) for at, part in enumerate(parts))


LENGTHS = [
    Case(f"{kind} of {size} bytes in a {width or 'short'} length", frame(opcode, b"*" * size, width=width), (Frame(opcode, b"*" * size),))
    for kind, opcode in (("text", TEXT), ("binary", BINARY))
    for size, width in ((0, 0), (1, 0), (125, 0), (126, 2), (127, 2), (128, 2), (65535, 2), (65536, 8), (5, 2), (5, 8))
]

MASKS = [
    Case("a zero mask", frame(TEXT, b"plain", mask=bytes(4)), (text(b"plain"),)),
    Case("a mask of ones", frame(BINARY, bytes(range(256)), mask=b"\xff" * 4), (binary(bytes(range(256))),)),
    Case("no mask", frame(TEXT, b"plain", mask=None), code=1002),
    Case("no mask on an empty ping", frame(PING, mask=None), code=1002),
]

PINGS = [
    Case("an empty ping", frame(PING), (pong(),)),
    Case("a ping with payload", frame(PING, b"are you there"), (pong(b"are you there"),)),
    Case("a ping of bytes", frame(PING, bytes((0, 255, 254, 253))), (pong(bytes((0, 255, 254, 253))),)),
    Case("a ping of 125 bytes", frame(PING, b"p" * 125), (pong(b"p" * 125),)),
    Case("a ping of 126 bytes", frame(PING, b"p" * 126), code=1002),
    Case("a pong of 126 bytes", frame(PONG, b"p" * 126), code=1002),
    Case("an unsolicited pong", frame(PONG, b"here"), ()),
    Case("an unsolicited pong, then a ping", frame(PONG) + frame(PING, b"x"), (pong(b"x"),)),
    Case("ten pings at once", b"".join(frame(PING, b"%d" % n) for n in range(10)), tuple(pong(b"%d" % n) for n in range(10))),
    Case("a fragmented ping", frame(PING, b"x", fin=False), code=1002),
    Case("a fragmented pong", frame(PONG, b"x", fin=False), code=1002),
]

RESERVED = [Case(f"reserved bits {rsv}", frame(TEXT, b"x", rsv=rsv), code=1002) for rsv in range(1, 8)] + [
    Case(f"reserved bits {rsv} on opcode {op}", frame(op, rsv=rsv), code=1002) for rsv, op in ((1, PING), (2, PONG), (4, CLOSE), (1, CONT))
]
OPCODES = [Case(f"opcode {opcode}", frame(opcode, b"x"), code=1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)] + [
    Case(f"a message, then opcode {opcode}", frame(TEXT, b"ok") + frame(opcode), (text(b"ok"),), 1002) for opcode in (3, 11)
]

FRAGMENTS = [
    Case("two fragments of text", frame(TEXT, b"one ", fin=False) + frame(CONT, b"two"), (text(b"one two"),)),
    Case("two fragments of bytes", frame(BINARY, b"\x00", fin=False) + frame(CONT, b"\xff"), (binary(b"\x00\xff"),)),
    Case("fragments of one byte", pieces(TEXT, WELL, 1), (text(WELL),)),
    Case("empty fragments", frame(TEXT, fin=False) + frame(CONT, fin=False) + frame(CONT), (text(b""),)),
    Case("an empty first, a full last", frame(TEXT, fin=False) + frame(CONT, b"late"), (text(b"late"),)),
    Case("a ping between fragments", frame(TEXT, b"a", fin=False) + frame(PING, b"p") + frame(CONT, b"b"), (pong(b"p"), text(b"ab"))),
    Case(
        "pings between five fragments",
        frame(TEXT, b"0", fin=False)
        + b"".join(frame(CONT, b"%d" % n, fin=False) + frame(PING, b"%d" % n) for n in (1, 2, 3))
        + frame(CONT, b"4"),
        (pong(b"1"), pong(b"2"), pong(b"3"), text(b"01234")),
    ),
    Case("two fragmented messages", pieces(TEXT, b"abcd", 2) + pieces(BINARY, b"efgh", 3), (text(b"abcd"), binary(b"efgh"))),
    Case("a continuation first", frame(CONT, b"x"), code=1002),
    Case("a continuation that is not final first", frame(CONT, b"x", fin=False), code=1002),
    Case("a continuation after a whole message", frame(TEXT, b"x") + frame(CONT, b"y"), (text(b"x"),), 1002),
    Case("text inside a fragmented message", frame(TEXT, b"x", fin=False) + frame(TEXT, b"y"), code=1002),
    Case("binary inside a fragmented message", frame(TEXT, b"x", fin=False) + frame(BINARY, b"y", fin=False), code=1002),
    Case("1,024 fragments", pieces(BINARY, b"z" * 1024, 1), (binary(b"z" * 1024),)),
    Case("1,025 fragments", pieces(BINARY, b"z" * 1025, 1), code=1009),
    Case("100,000 empty fragments", frame(BINARY, fin=False) + frame(CONT, fin=False) * 100_000, code=1009),
]

VALID_UTF8 = [
    b"", b"ascii", WELL, EURO, bytes.fromhex("f0908080"), bytes.fromhex("f48fbfbf"), bytes.fromhex("ed9fbf"), bytes.fromhex("ee8080"),
    bytes.fromhex("efbfbf"), bytes.fromhex("c280"), bytes.fromhex("e0a080"), bytes.fromhex("7f"), b"\x00",
]  # fmt: skip
INVALID_UTF8 = [
    BAD_UTF8, b"\x80", b"\xbf", b"\x80\xbf" * 20, b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xc1\xbf", b"\xf4\x90\x80\x80",
    b"\xf0\x90\x80", b"\xf5\x80\x80\x80", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xfe", b"\xff", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98",
    b"\xc3(", b"ok\xe2\x28\xa1", b"\xfc\x84\x80\x80\x80\x80",
]  # fmt: skip
UTF8 = [
    *(Case(f"valid text {payload!r}", frame(TEXT, payload), (text(payload),)) for payload in VALID_UTF8),
    *(Case(f"valid text {payload!r} byte by byte", pieces(TEXT, payload, 1), (text(payload),)) for payload in VALID_UTF8 if payload),
    *(Case(f"invalid text {payload!r}", frame(TEXT, payload), code=1007) for payload in INVALID_UTF8),
    *(Case(f"invalid text {payload!r} byte by byte", pieces(TEXT, payload, 1), code=1007) for payload in INVALID_UTF8),
    Case("invalid text fails before its message ends", frame(TEXT, b"ok", fin=False) + frame(CONT, b"\xff", fin=False), code=1007),
    Case("text cut in a character at the end", frame(TEXT, EURO[:1], fin=False) + frame(CONT, EURO[1:2]), code=1007),
    Case("the same bytes as binary", frame(BINARY, BAD_UTF8), (binary(BAD_UTF8),)),
]

ECHOED_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
REFUSED_CODES = (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
CLOSES = [
    *(Case(f"close {code}", closing(code), code=code) for code in ECHOED_CODES),
    *(Case(f"close {code}", closing(code), code=1002) for code in REFUSED_CODES),
    Case("a reason", closing(1000, b"bye"), code=1000),
    Case("a reason of 123 bytes", closing(1000, b"r" * 123), code=1000),
    Case("a reason of 124 bytes", closing(1000, b"r" * 124), code=1002),
    Case("a reason that is not UTF-8", closing(1000, BAD_UTF8), code=1007),
    Case("a payload of one byte", frame(CLOSE, b"\x03"), code=1002),
    Case("a message, then close", frame(TEXT, b"last") + closing(1000), (text(b"last"),), 1000),
    Case("close, then a message and a ping", closing(1000) + frame(TEXT, b"late") + frame(PING), code=1000),
    Case("two closes", closing(1000) + closing(1001), code=1000),
    Case("a fragmented close", frame(CLOSE, b"\x03\xe8", fin=False), code=1002),
]

SIZES = [
    Case("64 KiB", frame(BINARY, b"m" * KB64), (binary(b"m" * KB64),)),
    Case("64 KiB in 100 fragments", pieces(BINARY, b"m" * KB64, 656), (binary(b"m" * KB64),)),
    Case("64 KiB and one byte", frame(BINARY, b"m" * (KB64 + 1)), code=1009),
    Case("64 KiB and one byte in 100 fragments", pieces(BINARY, b"m" * (KB64 + 1), 656), code=1009),
    Case("200 messages at once", frame(TEXT, b"again") * 200, (text(b"again"),) * 200),
]

DECLARED = [
    Case("a declared length of 2^40", bytes((0x82, 0xFF)) + (2**40).to_bytes(8, "big") + bytes(4), code=1009),
    Case("a declared length of 2^63", bytes((0x82, 0xFF)) + (2**63).to_bytes(8, "big") + bytes(4), code=1009),
]


def by_name(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.name)


@by_name([*LENGTHS, *SIZES])
async def test_the_connection_answers_as_the_rfc_says(echo: RawSocket, case: Case) -> None:
    await check(echo, case)


@by_name([*MASKS, *PINGS, *RESERVED, *OPCODES, *FRAGMENTS, *DECLARED])
async def test_W7_frames_are_answered_or_refused_as_the_rfc_says(echo: RawSocket, case: Case) -> None:
    await check(echo, case)


@by_name([*UTF8, *CLOSES])
async def test_W10_text_and_closes_are_answered_or_refused_as_the_rfc_says(echo: RawSocket, case: Case) -> None:
    await check(echo, case)


async def check(echo: RawSocket, case: Case) -> None:
    echo.send(case.sent)
    if case.code is None:
        echo.send(frame(PING, b"still here?") + closing(1000))
        *answered, alive, last = await echo.rest()
        assert alive == pong(b"still here?")
        assert last.close_code == 1000
    else:
        *answered, last = await echo.rest()
        assert (last.opcode, last.close_code) == (CLOSE, case.code)
    assert tuple(answered) == case.answered


BROKEN = [
    Case("an unmasked frame", frame(BINARY, b"\x92\x03\x00", mask=None), code=1002),
    Case("RSV2", frame(BINARY, b"\x92\x03\x00", rsv=2), code=1002),
    Case("opcode 3", frame(3), code=1002),
    Case("a fragmented ping", frame(PING, fin=False), code=1002),
    Case("a ping of 126 bytes", frame(PING, b"p" * 126), code=1002),
    Case("a continuation first", frame(CONT), code=1002),
    *DECLARED,
]


@by_name(BROKEN)
async def test_W7_a_session_that_breaks_the_framing_ends_at_once_and_nothing_is_allocated_for_it(rig: Rig, case: Case) -> None:
    witness, socket = await rig.joined("witness"), await rig.joined("eve")
    tracemalloc.start()
    try:
        socket.send(case.sent)  # and nothing more: the answer waits for no payload
        assert await socket.close_code() == case.code
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < KB64 * 8
    rig.router.say(rig.router.room())
    assert isinstance(await witness.message(), MessageCreate)
    await until(lambda: rig.gateway.stats.sessions == 1)


BAD_ENDS = [
    Case("bad UTF-8 over two fragments", frame(TEXT, BAD_UTF8[:11], fin=False) + frame(CONT, BAD_UTF8[11:]), code=1007),
    Case("a reason that is not UTF-8", closing(1000, BAD_UTF8), code=1007),
    *(Case(f"close {code}", closing(code), code=1002) for code in (1005, 1015, 999, 5000)),
]


@pytest.mark.parametrize("subprotocol", [MSGPACK_PROTOCOL, JSON_PROTOCOL])
@by_name(BAD_ENDS)
async def test_W10_a_session_that_sends_bad_text_or_a_bad_close_ends(rig: Rig, case: Case, subprotocol: str) -> None:
    witness, socket = await rig.joined("witness"), await rig.joined("eve", subprotocol=subprotocol)
    socket.send(case.sent)
    assert await socket.close_code() == case.code
    rig.router.say(rig.router.room())
    assert isinstance(await witness.message(), MessageCreate)


@pytest.mark.parametrize("case", [*LENGTHS[:4], *FRAGMENTS[:7], *UTF8[20:24], *CLOSES[:2]], ids=lambda case: case.name)
async def test_bytes_may_come_one_at_a_time(echo: RawSocket, case: Case) -> None:
    for byte in case.sent:
        echo.send(bytes((byte,)))
        await asyncio.sleep(0)
    if case.code is None:
        echo.send(closing(1000))
    *answered, last = await echo.rest()
    assert last.close_code == (1000 if case.code is None else case.code)
    assert tuple(answered) == case.answered


async def test_an_empty_close_is_echoed_empty(echo: RawSocket) -> None:
    echo.send(frame(CLOSE))
    assert await echo.rest() == [Frame(CLOSE, b"")]


async def test_a_peer_that_is_cut_off_in_a_frame_leaves_nothing_behind(make_rig: MakeRig) -> None:
    rig = await make_rig()
    socket = await rig.echo()
    socket.send(frame(BINARY, b"half a message")[:-3])
    socket.writer.write_eof()
    assert await socket.rest() == []
    assert rig.gateway.stats.connections == 0
    assert rig.gateway.stats.closes == {1006: 1}


async def test_the_close_frame_reaches_a_peer_that_goes_on_sending(echo: RawSocket) -> None:
    """Unread bytes would make the kernel send RST, and RST would eat the close frame."""
    echo.send(frame(TEXT, b"x", mask=None) + frame(BINARY, b"m" * KB64) * 20)
    assert await echo.close_code() == 1002
