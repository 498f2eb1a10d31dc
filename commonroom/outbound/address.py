"""Which addresses may be asked when somebody else chose them (RELIABILITY S1).

A URL is read once, by one parser, and what it says is what is connected to: no second opinion
can differ. Names are not judged by their look but by the addresses they have; hosts that are
numbers in another spelling than four decimals are refused unread, as parsers disagree on them.
"""

import re
from collections.abc import Container
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, NamedTuple

import httpx

from commonroom.network import Networks
from commonroom.outbound.error import AddressRefused

__all__ = ["PORTS", "Address", "Target", "is_public", "target_of", "url_of"]

Address = IPv4Address | IPv6Address

PORTS: Final = frozenset({80, 443})
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
MAX_URL: Final = 2048

NAME: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
ENDS_IN_A_NUMBER: Final = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)")
"""What the URL standard takes for an IPv4 address, in whatever spelling."""

LOCAL_NAME: Final = re.compile(r"(.*\.)?localhost")
"""RFC 6761 section 6.3: loopback, whatever a resolver says."""

NOT_PUBLIC: Final = Networks(
    [
        # IANA IPv4 Special-Purpose Address Registry, multicast, and what is reserved.
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
        "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        # Of the IPv6 that is given out: protocol assignments with Teredo, documentation, 6to4, segment routing.
        "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
    ]
)  # fmt: skip
GIVEN_OUT: Final = Networks(["0.0.0.0/0", "2000::/3"])
"""All of IPv6 that is routed. Outside of it are loopback, link-local, unique local and multicast addresses, and every form that
holds an IPv4 address: mapped, compatible, translated, NAT64."""


class Target(NamedTuple):
    """Where a URL leads."""

    host: str
    """A name in lower case without a dot at its end, or an address."""
    port: int
    address: Address | None
    """What the URL itself says; None: a name is to be looked up."""


def is_public(address: Address) -> bool:
    """Whether `address` belongs to the internet, and to one machine of it. Cost: 20 comparisons."""
    return GIVEN_OUT.hold(address) and not NOT_PUBLIC.hold(address)


def url_of(text: str) -> httpx.URL:
    """The one reading of a URL. Raises AddressRefused: it is none, or too long."""
    if len(text) > MAX_URL:
        raise AddressRefused(f"over {MAX_URL} characters")
    try:
        return httpx.URL(text)
    except (httpx.InvalidURL, UnicodeError):
        raise AddressRefused("no URL") from None


def target_of(url: httpx.URL, ports: Container[int]) -> Target:
    """Where it leads, before any look-up.

    Raises:
        AddressRefused: another scheme or port, a login, or a host that is neither a name nor an address in its usual spelling.
    """
    if url.scheme not in DEFAULT_PORTS:
        raise AddressRefused("neither http nor https")
    if url.userinfo:
        raise AddressRefused("a login in the URL")
    port = DEFAULT_PORTS[url.scheme] if url.port is None else url.port
    if port not in ports:
        raise AddressRefused(f"port {port}")
    host = url.raw_host.decode("ascii").lower().removesuffix(".")
    address = _literal(host)
    if address is None:
        _check_name(host)
    return Target(host, port, address)


def _check_name(host: str) -> None:
    if NAME.fullmatch(host) is None:
        raise AddressRefused("no host name")
    if ENDS_IN_A_NUMBER.fullmatch(host) is not None:
        raise AddressRefused("an address in an unusual spelling")
    if LOCAL_NAME.fullmatch(host) is not None:
        raise AddressRefused("a name of this machine")


def _literal(host: str) -> Address | None:
    """The address; one with a zone is none that can be asked."""
    try:
        return None if "%" in host else ip_address(host)
    except ValueError:
        return None
