"""RELIABILITY S6: what strangers send may be logged, but never as more than a part of one line, nor at any length."""

import io
import json
from urllib.parse import quote

import pytest

from tests.http.api import UNSAID, Account, Api
from tests.http.test_raw import exchange, port_of
from tests.support.client import Peer, Refused
from tests.support.leak import CANARY

pytestmark = pytest.mark.asyncio(loop_scope="session")

FORGED = '\n{"level":"error","event":"forged"}\n'
HOSTILE = {
    "a line": FORGED,
    "a carriage return": FORGED.replace("\n", "\r"),
    "an escape": "\x1b[2J\x1b]0;forged\x07",
    "a line separator": f"\u2028{FORGED.strip()}\u2029\x85",
    "a turn": "\u202eforged",
    "a NUL": "\x00forged",
    "a lone surrogate": "\ud800forged",
    "a megabyte": "forged" * 170_000,
}
LONGEST_LINE = 4000


def lines_of(log: io.StringIO) -> list[dict[str, object]]:
    """Each line, which is an object, printable and short."""
    written = log.getvalue()
    assert written.endswith("\n")
    texts = written[:-1].split("\n")
    assert all(text.isprintable() for text in texts)
    assert all(len(text) < LONGEST_LINE for text in texts)
    lines = [json.loads(text) for text in texts]
    assert all(isinstance(line, dict) for line in lines)
    assert "forged" not in {line["event"] for line in lines}
    return lines


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE.keys())
async def test_S6_an_address_a_header_and_a_body_are_parts_of_one_line(api: Api, log: io.StringIO, hostile: str) -> None:
    path = quote(hostile.encode("utf-8", "surrogatepass"))[:7000]
    ada = await api.guest()
    for method, target, body in (
        ("GET", f"/v1/rooms/{path}", UNSAID),
        ("GET", f"/{path}?q={path[:500]}", UNSAID),
        ("DELETE", f"/v1/me/sessions/{path}", UNSAID),
        ("POST", "/v1/guests", {"name": hostile.replace("\ud800", "")}),
        ("POST", "/v1/rooms", {"title": hostile.replace("\ud800", "")[:5000]}),
    ):
        answer = await api.call(method, target, body, {**ada.bearer, "X-Request-Id": path[:100]})
        assert answer.status < 500
    assert {line["event"] for line in lines_of(log)} >= {"request"}


@pytest.mark.parametrize("value", [b"\x1b[2J", b"\xff\xfe", "\u2028".encode(), b'"}\t{"level":"error"}', b"x" * 8000])
async def test_S6_a_user_agent_of_any_bytes_is_a_part_of_one_line(api: Api, log: io.StringIO, value: bytes) -> None:
    for name in (b"User-Agent", b"X-Request-Id", b"X-Forwarded-For", b"Cookie", b"Authorization", b"Content-Type", b"Origin"):
        sent = b"POST /v1/guests HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n" + name + b": " + value + b"\r\n\r\n{}"
        assert len(await exchange(port_of(api), sent, kept=False)) == 1
    await api.call("GET", "/v1/rooms")
    lines_of(log)


@pytest.mark.parametrize("name", [name for name, text in HOSTILE.items() if "\ud800" not in text])
async def test_S6_what_is_denied_on_a_socket_is_audited_in_one_line(
    api: Api, ada: Account, bob: Account, log: io.StringIO, name: str
) -> None:
    """Whatever the room is called that was asked for."""
    hostile = HOSTILE[name]
    tokens = [(await api.call("POST", "/v1/ws-token", {}, who.bearer)).json["token"] for who in (ada, bob)]
    peer = await Peer.open(api.url.replace("http", "ws", 1) + "/v1/ws", tokens[0])
    for room in (hostile[:120], await api.room(bob)):
        with pytest.raises(Refused):
            await peer.request("room.join", room=room, grant=tokens[1])
        with pytest.raises(Refused):
            await peer.request("message.send", room=room, text=f"{CANARY} {hostile}"[:4000], nonce="nonce-0001")
    await peer.close()
    lines_of(log)
