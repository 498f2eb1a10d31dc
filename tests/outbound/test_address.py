"""Addresses that other people choose lead to the internet alone (RELIABILITY S1)."""

import ssl
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest

from commonroom.codes import ErrorCode
from commonroom.errors import row_of
from commonroom.outbound import AddressRefused, BoundedTransport, GuardedClient, NoAnswer, NoConnection
from commonroom.outbound.address import is_public
from tests.outbound.stage import Names, Target, client, says, served
from tests.support.mail import certificate

PUBLIC = "93.184.215.14"

HOSTS = [
    "127.0.0.1", "127.255.255.254", "localhost", "localhost.", "LOCALHOST", "a.localhost", "a.localhost.", "0.0.0.0", "0.1.2.3",
    "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:8.8.8.8]", "[::127.0.0.1]", "[::8.8.8.8]",
    "[64:ff9b::7f00:1]", "[64:ff9b::8.8.8.8]", "[64:ff9b:1::1]", "[2002:7f00:1::]", "[2002:808:808::]", "[2001::1]", "[2001:db8::1]",
    "[fe80::1]", "[fe80::1%25lo]", "[2606:4700::1%25lo]", "[fec0::1]", "[fc00::1]", "[fd12::1]", "[ff02::1]", "[ff0e::1]", "[100::1]",
    "[3fff::1]", "[4000::1]", "[5f00::1]",
    "2130706433", "134744072", "0x7f000001", "0x7f.1", "0x08.8.8.8", "0177.0.0.1", "017700000001", "127.1", "127.0.1",
    "8.8.2056", "8.8.8.08", "127.0.0.1.", "127%2e0.0.1", "127。0。0。1", "1２7.0.0.1", "①②⑦.⓪.⓪.①", "a.b.1", "a.0x1",
    "256.256.256.256", "1.2.3.4.5", "169.254.169.254", "169.254.170.2",
    "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1",
    "100.127.255.255", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", "224.0.0.1", "239.255.255.255",
    "240.0.0.1", "255.255.255.255", "", ".", "a..b", "-a.example", "a b.example", "a\\.example", "x" * 64 + ".example",
]  # fmt: skip

URLS = [
    "", "x", "/x", "//127.0.0.1/", "http:", "http:///x", "http:127.0.0.1", "file:///etc/passwd", "file://localhost/etc/passwd",
    "gopher://127.0.0.1:6379/_x", "ftp://files.example/", "ws://rooms.example/", "data:text/plain,x", "javascript:1", "unix:///run/x",
    "http://good@127.0.0.1/", "http://good:x@rooms.example/", "http://@127.0.0.1/", "http://rooms.example@127.0.0.1/",
    "http://rooms.example\\@127.0.0.1/", "http://127.0.0.1#@rooms.example/", "http://127.0.0.1?@rooms.example/",
    "http://rooms.example:8080/", "http://rooms.example:22/", "http://rooms.example:0/", "http://rooms.example:65536/",
    "http://rooms.example:-1/", "http://rooms.example:x/", "http://rooms.example:6379/", "https://rooms.example:8443/", " http://x.example/",
    "http://x.example/\r\nX: y", "http://x.example/\n", "http://x.example\t/", "http://x.example/" + "x" * 2048, "http://[::1", "http://[x]/",
]  # fmt: skip

PRIVATE = ["127.0.0.1", "::1", "10.1.2.3", "169.254.169.254", "::ffff:127.0.0.1", "fe80::1%lo", "0.0.0.0", "64:ff9b::a00:1"]


@pytest.mark.parametrize("host", HOSTS)
async def test_S1_a_host_that_is_not_the_internets_is_refused_unasked(host: str, canary: Target, tls: ssl.SSLContext) -> None:
    names = Names()
    async with client(names, tls=tls, ports=[canary.port]) as guarded:
        for port in ("", f":{canary.port}"):
            with pytest.raises(AddressRefused):
                await guarded.fetch("GET", f"http://{host}{port}/")
    assert names.asked == []


@pytest.mark.parametrize("url", URLS)
async def test_S1_what_is_no_web_address_is_refused(url: str, tls: ssl.SSLContext) -> None:
    names = Names(rooms_example=[[PUBLIC]], x_example=[[PUBLIC]], files_example=[[PUBLIC]])
    async with client(names, tls=tls) as guarded:
        with pytest.raises(AddressRefused) as caught:
            await guarded.fetch("GET", url)
    assert names.asked == []
    assert (row_of(caught.value).code, caught.value.field) == (ErrorCode.INVALID, "$.url")


@pytest.mark.parametrize("address", PRIVATE)
@pytest.mark.parametrize("others", [[], [PUBLIC]], ids=["alone", "beside a public one"])
async def test_S1_a_name_with_an_address_of_ours_is_refused(address: str, others: list[str], tls: ssl.SSLContext) -> None:
    async with client(Names(evil_example=[[*others, address]]), tls=tls) as guarded:
        with pytest.raises(AddressRefused) as caught:
            await guarded.fetch("GET", "http://evil.example/")
    assert caught.value.message == str(caught.value) == "this address may not be asked"  # nor which one it was


async def test_S1_a_name_that_is_public_first_and_then_loopback_does_not_win(
    canary: Target, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is connected to is the address that was judged: looked up again, the name would be the canary's."""
    connected: list[tuple[str, str]] = []

    async def nobody(_self: BoundedTransport, request: httpx.Request) -> httpx.Response:
        connected.append((str(request.url), request.headers["Host"]))
        raise NoConnection("nobody there")

    names = Names(evil_example=[[PUBLIC], ["127.0.0.1"]])
    async with client(names, tls=tls, ports=[canary.port]) as guarded:
        with monkeypatch.context() as patch:
            patch.setattr(BoundedTransport, "handle_async_request", nobody)
            with pytest.raises(NoConnection):
                await guarded.fetch("GET", f"http://evil.example:{canary.port}/")
        assert names.asked == ["evil.example"]
        with pytest.raises(AddressRefused):
            await guarded.fetch("GET", f"http://evil.example:{canary.port}/")
    assert connected == [(f"http://{PUBLIC}:{canary.port}/", f"evil.example:{canary.port}")]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_S1_a_redirect_to_loopback_is_not_followed(status: int, canary: Target, tls: ssl.SSLContext) -> None:
    away = b"HTTP/1.1 %d X\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (status, canary.url.encode())
    async with served(says(away)) as target, client(None, target, tls=tls, ports=[canary.port]) as guarded:
        assert (await guarded.fetch("GET", target.url)).status == status
        with pytest.raises(AddressRefused):
            await guarded.fetch("GET", target.url, redirects=3)
        assert (await guarded.fetch("POST", target.url, content=b"x", redirects=3)).status == status


@pytest.mark.parametrize(
    "where", ["file:///etc/passwd", "http://localhost/", "//169.254.169.254/latest", "http://evil.example/", "gopher://x", "http://[::1"]
)
async def test_S1_each_hop_is_judged_as_the_first(where: str, canary: Target, tls: ssl.SSLContext) -> None:
    away = f"HTTP/1.1 302 X\r\nLocation: {where}\r\nContent-Length: 0\r\n\r\n".encode()
    async with served(says(away)) as target, client(Names(evil_example=[["127.0.0.1"]]), target, tls=tls) as guarded:
        with pytest.raises(AddressRefused):
            await guarded.fetch("GET", target.url, redirects=1)


async def test_a_redirect_is_followed_as_often_as_asked_and_without_headers_to_others(tls: ssl.SSLContext) -> None:
    async with served() as last:
        away = f"HTTP/1.1 302 X\r\nLocation: http://other.example:{last.port}/y\r\nContent-Length: 0\r\n\r\n".encode()
        names = Names(other_example=[["127.0.0.1"]])
        async with served(says(away)) as first, client(names, first, last, tls=tls) as guarded:
            answer = await guarded.fetch("GET", first.url, headers={"X-Signature": "hunter2"}, redirects=1)
            assert (answer.status, answer.body, answer.url) == (200, b"hello", f"http://other.example:{last.port}/y")
            assert "hunter2" in first.heads[0]
            assert "hunter2" not in last.heads[0]
            assert (await guarded.fetch("GET", first.url)).status == 302


async def test_a_loop_of_redirects_ends(tls: ssl.SSLContext) -> None:
    async with (
        served(says(b"HTTP/1.1 302 X\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n")) as target,
        client(None, target, tls=tls) as guarded,
    ):
        assert (await guarded.fetch("GET", target.url, redirects=4)).status == 302
        assert target.connections == 5


async def test_one_opened_address_and_port_is_asked_under_its_name(canary: Target, tls: ssl.SSLContext) -> None:
    names = Names(rooms_example=[["127.0.0.1"]])
    async with served() as target, client(names, target, tls=tls) as guarded:
        answer = await guarded.fetch("POST", f"http://rooms.example.:{target.port}/hook?a=b#c", headers={"X-A": "1"}, content=b"body")
        assert (answer.status, answer.content_type, answer.body) == (200, "text/plain", b"hello")
        line, *headers = target.heads[0].split("\r\n")
        assert line == "POST /hook?a=b HTTP/1.1"
        assert {f"Host: rooms.example.:{target.port}", "X-A: 1", "Connection: close", "Accept-Encoding: identity"} <= set(headers)
        with pytest.raises(AddressRefused):
            await guarded.fetch("GET", canary.url)
        with pytest.raises(AddressRefused):
            await guarded.fetch("GET", f"http://[::1]:{target.port}/")


async def test_TLS_verifies_the_name_and_not_the_address(tmp_path: Path) -> None:
    known, said = certificate(tmp_path), list[str | None]()
    known.server.sni_callback = lambda _socket, name, _context: said.append(name)
    async with served(tls=known.server) as target:
        names = Names(localtest_example=[["127.0.0.1"]])
        async with client(names, target, tls=known.client) as guarded:
            assert (await guarded.fetch("GET", f"https://127.0.0.1:{target.port}/")).body == b"hello"  # the certificate's own name
            with pytest.raises(NoConnection):  # another name at the same address
                await guarded.fetch("GET", f"https://localtest.example:{target.port}/")
    assert said[-1] == "localtest.example"


async def test_the_next_address_is_tried_where_nobody_answers(tls: ssl.SSLContext) -> None:
    names = Names(rooms_example=[["127.0.0.2", "127.0.0.1"]])
    async with served() as target:
        guarded = GuardedClient(resolver=names, tls=tls, opened={("127.0.0.2", target.port), target.here})
        assert (await guarded.fetch("GET", f"http://rooms.example:{target.port}/")).body == b"hello"
        await guarded.close()


async def test_a_name_without_an_address_is_no_answer(tls: ssl.SSLContext) -> None:
    async with client(Names(), tls=tls) as guarded:
        with pytest.raises(NoAnswer) as caught:
            await guarded.fetch("GET", "http://nobody.example/")
    assert row_of(caught.value).retryable


async def test_the_systems_resolver_is_asked_in_threads_of_its_own(canary: Target, tls: ssl.SSLContext) -> None:
    guarded = GuardedClient(tls=tls)
    assert "127.0.0.1" in await guarded._resolve("localhost", 80)
    with pytest.raises(NoConnection):
        await guarded.fetch("GET", "http://nobody.invalid/")  # RFC 6761: never there
    await guarded.close()


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "2606:4700::1", "2a00:1450::1"]
)
def test_what_is_public_is_public(address: str) -> None:
    assert is_public(ip_address(address))
