"""Who is behind a connection: which headers are believed, and what counts as one address."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonroom.config import load
from commonroom.errors import ConfigError
from commonroom.network import UNKNOWN, Networks, client_of, is_network, limit_key

PROXIES = Networks(["10.0.0.0/8", "192.0.2.1", "2001:db8:1::/48"])
NOBODY = Networks()
PROXY, CLIENT, LIAR = "10.0.0.7", "203.0.113.5", "198.51.100.1"


@given(st.lists(st.one_of(st.ip_addresses().map(str), st.text(max_size=20)), max_size=4))
def test_W6_without_a_trusted_proxy_no_header_counts(forwarded: list[str]) -> None:
    assert client_of(CLIENT, forwarded, NOBODY) == CLIENT
    assert client_of(CLIENT, forwarded, PROXIES) == CLIENT, "who connects is no proxy of ours"


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ([CLIENT], CLIENT),
        ([f"{LIAR}, {CLIENT}"], CLIENT),
        ([LIAR, CLIENT], CLIENT),
        ([f"{LIAR}, {CLIENT}, 10.1.2.3, 192.0.2.1"], CLIENT),
        ([f"{LIAR}, 10.1.2.3, {CLIENT}, 10.1.2.3"], CLIENT),
        ([f"10.9.9.9 ,\t{CLIENT} , 10.1.2.3"], CLIENT),
        ([f"{LIAR}, {CLIENT}:4711"], CLIENT),
        ([f"{LIAR}, ::ffff:{CLIENT}"], CLIENT),
        ([f"{LIAR}, [2001:db8:2:3:4::5]:443"], "2001:db8:2:3::/64"),
        ([f"{LIAR}, 2001:db8:2:3:4::5, 2001:db8:1::9"], "2001:db8:2:3::/64"),
        ([], PROXY),
        ([""], PROXY),
        ([f"{LIAR}, unknown"], PROXY),
        ([f"{LIAR}, "], PROXY),
        ([f"{LIAR}, unknown, 10.1.2.3"], "10.1.2.3"),
        ([f"{LIAR}, 203.0.113.5/24"], PROXY),
        ([f"{LIAR}, 3405803781"], PROXY),
        (["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
    ],
)
def test_W6_behind_trusted_proxies_the_rightmost_hop_that_is_none_counts(forwarded: list[str], client: str) -> None:
    assert client_of(PROXY, forwarded, PROXIES) == client
    assert client_of(f"::ffff:{PROXY}", forwarded, PROXIES) == client


@given(st.lists(st.text(max_size=30), max_size=3), st.ip_addresses())
def test_W6_what_a_client_writes_never_changes_what_it_counts_under(written: list[str], client: object) -> None:
    """A proxy that is trusted appends who connected to it, in the same header or in one of its own."""
    if str(client) in PROXIES:
        return
    assert client_of(PROXY, [*written, str(client)], PROXIES) == limit_key(str(client))
    assert client_of(PROXY, [", ".join([*written, str(client)])], PROXIES) == limit_key(str(client))


def test_W6_ipv6_counts_by_its_64_and_ipv4_by_address() -> None:
    assert limit_key("2001:db8:0:1::1") == limit_key("2001:db8:0:1:ffff:ffff:ffff:ffff") == "2001:db8:0:1::/64"
    assert limit_key("2001:db8:0:2::1") != limit_key("2001:db8:0:1::1")
    assert limit_key("fe80::1%eth0") == "fe80::/64"
    assert limit_key("::ffff:192.0.2.9") == "192.0.2.9"
    assert limit_key("192.0.2.9") != limit_key("192.0.2.8")


@pytest.mark.parametrize("text", ["", "unknown", "a.b.c.d", "1.2.3", "١.٢.٣.٤", "\udcff", "1.2.3.4, 5.6.7.8"])
def test_what_is_no_address_counts_under_one_name(text: str) -> None:
    assert limit_key(text) == client_of(text, [CLIENT], PROXIES) == UNKNOWN
    assert text not in PROXIES


def test_networks_are_prefixes_or_single_addresses() -> None:
    assert "10.200.3.4" in PROXIES
    assert "::ffff:10.200.3.4" in PROXIES
    assert "192.0.2.1" in PROXIES
    assert "192.0.2.2" not in PROXIES
    assert "2001:db8:1:2::3" in PROXIES
    assert "2001:db8:2::3" not in PROXIES
    assert not NOBODY
    assert "10.0.0.1" not in NOBODY


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "localhost", "*", "10.0.0.0 - 10.9.9.9"])
def test_a_trusted_proxy_that_is_no_network_is_refused_at_the_start(text: str) -> None:
    assert not is_network(text)
    with pytest.raises(ConfigError, match=r"^http\.trusted_proxies = "):
        load({"http.trusted_proxies": f"::1,{text}"}, {})
