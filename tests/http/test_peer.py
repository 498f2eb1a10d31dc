"""Whose address a request has."""

from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from commonroom.http.peer import address_of
from commonroom.http.services import SERVICES
from commonroom.network import UNKNOWN, Networks


def request_from(remote: str | None, headers: list[tuple[str, str]], *proxies: str) -> web.Request:
    app = web.Application()
    app[SERVICES] = SimpleNamespace(proxies=Networks(proxies))  # type: ignore[misc] # all that is asked for
    transport = Mock()
    transport.get_extra_info = lambda name, default=None: (remote, 4711) if name == "peername" and remote else default
    return make_mocked_request("GET", "/", headers=CIMultiDict(headers), transport=transport, app=app)


LIES = [("X-Forwarded-For", "1.2.3.4"), ("X-Real-IP", "1.2.3.5"), ("Forwarded", "for=1.2.3.6"), ("X-Client-IP", "1.2.3.7")]


def test_W6_without_a_trusted_proxy_no_header_changes_the_address() -> None:
    for number in range(5):
        assert address_of(request_from("127.0.0.1", [("X-Forwarded-For", f"1.2.3.{number}"), *LIES])) == "127.0.0.1"
    assert address_of(request_from("127.0.0.2", LIES, "127.0.0.1")) == "127.0.0.2"


def test_W6_a_trusted_proxy_is_believed_about_the_last_hop_and_by_one_header_alone() -> None:
    forwarded = [*LIES, ("x-forwarded-for", "5.6.7.8, 203.0.113.5")]
    assert address_of(request_from("127.0.0.1", forwarded, "127.0.0.0/8")) == "203.0.113.5"
    assert address_of(request_from("::1", forwarded, "127.0.0.0/8", "::1")) == "203.0.113.5"
    assert address_of(request_from("127.0.0.1", LIES[1:], "127.0.0.0/8")) == "127.0.0.1"
    assert address_of(request_from("127.0.0.1", [("X-Forwarded-For", "5.6.7.8, 2001:db8::1")], "127.0.0.1")) == "2001:db8::/64"


@pytest.mark.parametrize("remote", [None, ""])
def test_a_connection_that_is_gone_has_no_address(remote: str | None) -> None:
    assert address_of(request_from(remote, LIES, "0.0.0.0/0")) == UNKNOWN
