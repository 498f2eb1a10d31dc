"""RELIABILITY A5: hostile MessagePack on a live socket: an error or a documented close, and everybody else goes on."""

from contextlib import suppress
from random import Random
from typing import Any

import msgspec
import pytest

from commonroom.codes import CloseCode, ErrorCode
from commonroom.errors import BadFrame
from commonroom.protocol.chat import MessageCreate, MessageSend
from commonroom.protocol.codec import MSGPACK
from commonroom.protocol.codegen import model
from commonroom.protocol.session import Error, Reply
from tests.fuzz.value import value
from tests.gateway.rig import Rig, until
from tests.gateway.socket import BINARY, CLOSE, RawSocket, frame

SEND = MSGPACK.encode(MessageSend(7, "quiet", "text", "nonce-01"))
NAN = b"\x81\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00\x01"

NO_COMMANDS = {
    "an empty message": b"",
    "reserved": b"\xc1",
    "nil": b"\xc0",
    "a map": b"\x81\x10\x07",
    "a map with an int key": b"\x81\x01\x02",
    "a map with a list key": b"\x81\x90\x02",
    "a map with a NaN key": NAN,
    "arrays in arrays": b"\x91" * 60_000,
    "maps in maps": b"\x81\xa1a" * 20_000,
    "64 KiB of empty arrays": b"\xdc\xff\xfa" + b"\x90" * 65_530,
    "2^32-1 items": b"\xdd\xff\xff\xff\xff",
    "2^32-1 pairs": b"\xdf\xff\xff\xff\xff",
    "2^32-1 characters": b"\xdb\xff\xff\xff\xff",
    "2^32-1 bytes": b"\xc6\xff\xff\xff\xff",
    "an extension": b"\xc7\x03\x05abc",
    "a timestamp out of range": b"\xc7\x0c\xff" + b"\xff" * 12,
    "a trailing byte": SEND + b"\x00",
    "two commands": SEND + SEND,
    "bytes that are no UTF-8": b"\x95\x10\x07\xa5quiet\xa2\xc3\x28\xa8nonce-01",
    "a ref of 2^63": b"\x95\x10\xcf\x80" + bytes(7) + SEND[3:],
    "a ref below zero": b"\x95\x10\xff" + SEND[3:],
    "a ref of another type": b"\x95\x10\xa17" + SEND[3:],
}
WRONG_FIELDS = {
    "bytes where text belongs": b"\x95\x10\x07\xa5quiet\xc4\x04text\xa8nonce-01",
    "an extension where text belongs": b"\x95\x10\x07\xa5quiet\xc7\x03\x05abc\xa8nonce-01",
    "a map where text belongs": b"\x95\x10\x07\xa5quiet\x81\xa1a\x01\xa8nonce-01",
    "a map with an int key there": b"\x95\x10\x07\xa5quiet\x81\x01\x01\xa8nonce-01",
    "a map with a NaN key there": b"\x95\x10\x07\xa5quiet" + NAN + b"\xa8nonce-01",
    "a list where text belongs": b"\x95\x10\x07\xa5quiet\x91\xa4text\xa8nonce-01",
    "nil where text belongs": b"\x95\x10\x07\xa5quiet\xc0\xa8nonce-01",
    "too few fields": b"\x92\x10\x07",
    "an unknown tag": b"\x92\xcd\x03\xe7\x07",
}


HOSTILE: tuple[Any, ...] = (None, -1, 2**63, 1.5, b"bytes", [[]], {"a": 1}, msgspec.msgpack.Ext(5, b"abc"), "\x00", "x" * 5000)


async def alive(rig: Rig, witness: RawSocket) -> None:
    """The room speaks, and the witness hears it."""
    rig.router.say(rig.router.room())
    assert isinstance(await witness.message(), MessageCreate)


@pytest.mark.parametrize("data", NO_COMMANDS.values(), ids=NO_COMMANDS.keys())
async def test_A5_what_is_no_command_ends_its_socket_and_no_other(rig: Rig, data: bytes) -> None:
    witness, eve = await rig.joined("witness"), await rig.joined("eve")
    eve.send(frame(BINARY, data))
    assert await eve.close_code() == CloseCode.BAD_FRAME
    await alive(rig, witness)
    await until(lambda: rig.gateway.stats.sessions == 1)


@pytest.mark.parametrize("data", WRONG_FIELDS.values(), ids=WRONG_FIELDS.keys())
async def test_A5_a_wrong_field_is_answered_under_its_ref_and_the_socket_lives(rig: Rig, data: bytes) -> None:
    eve = await rig.joined("eve")
    eve.send(frame(BINARY, data))
    answer = await eve.message()
    assert isinstance(answer, Error)
    assert (answer.ref, answer.code) == (7, ErrorCode.INVALID)
    await alive(rig, eve)


async def test_A5_a_command_that_is_cut_at_any_byte_ends_its_socket_or_is_refused(rig: Rig) -> None:
    witness = await rig.joined("witness")
    for size in range(len(SEND)):
        eve = await rig.joined("eve")
        eve.send(frame(BINARY, SEND[:size]))
        got = await eve.receive()
        assert (got.opcode, got.close_code) == (CLOSE, CloseCode.BAD_FRAME), size
        eve.abort()
    await alive(rig, witness)
    assert rig.router.room().head == 1, "nothing of a command that was cut was said"


async def test_A5_what_follows_the_last_field_is_stepped_over(rig: Rig) -> None:
    """As a newer client sends it: a field that this server does not know, whatever is in it."""
    eve = await rig.joined("eve")
    for item in (b"\x81\x01\x01", b"\x81\x90\x01", b"\xc7\x03\x05abc", b"\xc0", b"\x90"):
        eve.send(frame(BINARY, b"\x96" + SEND[1:] + item))
        got = [await eve.message() for _ in range(2)]
        assert sorted(type(one).__name__ for one in got) == ["MessageCreate", "Reply"]


@pytest.mark.parametrize("name", [name for name in model.commands() if name != "hello"])
async def test_A5_each_command_cut_anywhere_or_with_any_field_replaced_leaves_the_gateway_well(rig: Rig, name: str, seed: int) -> None:
    """Several in one socket, as refusals leave it open."""
    witness, eve = await rig.joined("witness"), await rig.joined("eve")
    plain = value(model.commands()[name], Random(seed))
    for place in range(2, len(plain)):
        for hostile in HOSTILE:
            eve.send(frame(BINARY, msgspec.msgpack.encode([plain[0], 0, *plain[2:place], hostile, *plain[place + 1 :]])))
    await alive(rig, witness)
    encoded = msgspec.msgpack.encode(plain)
    for size in range(len(encoded)):
        with suppress(BadFrame):  # and nothing else
            MSGPACK.decode(encoded[:size])


async def test_A5_a_room_answers_after_all_of_it(rig: Rig) -> None:
    for data in [*NO_COMMANDS.values(), *WRONG_FIELDS.values()]:
        eve = await rig.joined("eve")
        eve.send(frame(BINARY, data))
        await eve.receive()
        eve.abort()
    ada = await rig.joined("ada")
    ada.send(frame(BINARY, SEND))
    assert {type(await ada.message()) for _ in range(2)} == {MessageCreate, Reply}
