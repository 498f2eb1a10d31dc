"""Who is behind a connection, as far as it can be known: for limits.

A proxy in front hides its clients: all connections come from it, and it says in
`X-Forwarded-For` for whom. Anybody can write that header, so it is read only where a
trusted proxy sent it, and only up to the first hop that is none: what stands further left was
written by that hop (RELIABILITY W6). `X-Real-IP` and `Forwarded` are never read: a proxy that sets one
of the three passes the others on as they came.
"""

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

__all__ = ["UNKNOWN", "Networks", "client_address", "client_of", "is_network", "limit_key"]

Address = IPv4Address | IPv6Address

UNKNOWN: Final = "unknown"
"""Whose address cannot be told: its connection was gone before it was looked at. All of them share one limit."""

IPV6_PREFIX: Final = 64
"""One customer has a /64 at least (RFC 6177), and could take another address of it for each request."""

WITH_PORT: Final = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::\d{1,5})?|(\d+\.\d+\.\d+\.\d+):\d{1,5}")
"""Some proxies say the port besides."""


class Networks:
    """Some networks.

    Args:
        networks: each an address or a prefix, as in `10.0.0.0/8` or `::1`.

    Raises:
        ValueError: one of them is none, or has bits beside its prefix.
    """

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks = tuple(ip_network(text) for text in networks)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def __contains__(self, address: str) -> bool:
        """Whether `address` is in one of them; False if it is no address."""
        if not self._networks or (found := _address(address)) is None:
            return False
        return self.hold(found)

    def hold(self, address: Address) -> bool:
        """Whether `address` is in one of them. Cost: O(networks)."""
        return any(address in network for network in self._networks)


def client_of(remote: str, forwarded: Sequence[str], proxies: Networks) -> str:
    """The limit key of whoever sent a request, see `client_address`."""
    return limit_key(client_address(remote, forwarded, proxies))


def client_address(remote: str, forwarded: Sequence[str], proxies: Networks) -> str:
    """The address of whoever sent a request, empty where it cannot be told.

    Args:
        remote: the address at the other end of the connection.
        forwarded: its `X-Forwarded-For` headers, in their order.
        proxies: those that are trusted.

    Returns:
        Of the rightmost hop that is no trusted proxy; of the leftmost trusted one where all are, or what stands beside it is no address.
    """
    last = _address(remote)
    if last is None:
        return ""
    hops = ",".join(forwarded).split(",") if forwarded and proxies else []
    while hops and proxies.hold(last) and (hop := _address(hops.pop())) is not None:
        last = hop
    return str(last)


def limit_key(address: str) -> str:
    """What limits count `address` under: itself; of IPv6 its /64."""
    found = _address(address)
    if found is None:
        return UNKNOWN
    if isinstance(found, IPv4Address):
        return str(found)
    return str(IPv6Network((int(found), IPV6_PREFIX), strict=False))


def is_network(text: str) -> bool:
    """Whether `Networks` takes it."""
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


def _address(text: str) -> Address | None:
    """The address that a text is; an IPv4 one that is written as IPv6 is IPv4 all the same."""
    text = text.strip()
    if (found := WITH_PORT.fullmatch(text)) is not None:
        text = found[1] or found[2]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
