"""How many connections each network address has, so that one cannot take all (RELIABILITY W5).

A connection counts from the moment it is accepted until it is gone, whatever becomes of it in between. Those of
trusted proxies stand for many people: their WebSockets count under the client that the proxy names in the
handshake, and the rest of their connections not at all.
"""

import asyncio
import re
from collections import Counter
from enum import Enum
from typing import Final

from commonroom.config.settings import HttpSettings
from commonroom.network import Networks, client_address, limit_key

__all__ = ["Entry", "Places"]

FORWARDED: Final = re.compile(rb"\r\nX-Forwarded-For:([^\r\n]*)", re.IGNORECASE)


class Entry(Enum):
    """What becomes of a connection that was just accepted."""

    IN = 1
    REFUSED = 2
    """It is told so, and counts until it is gone."""
    DROPPED = 3
    """Its address has as many again that were refused and have not gone: there is nobody who listens."""


class Places:
    """The places that connections have taken, by limit key."""

    def __init__(self, http: HttpSettings) -> None:
        self._most = http.connections_per_address
        self._proxies = Networks(http.trusted_proxies)
        self._uncounted = Networks(http.uncounted_networks)
        self._taken: Counter[str] = Counter()
        self._key_of: dict[asyncio.Transport, str] = {}
        self._uncounted_key_of: dict[asyncio.Transport, str] = {}
        """Of clients behind a proxy that are not counted here."""

    def __len__(self) -> int:
        """Addresses that have any."""
        return len(self._taken)

    def taken(self, key: str) -> int:
        """How many connections count under a limit key."""
        return self._taken[key]

    def key(self, transport: asyncio.Transport) -> str:
        """What limits count the client of an open connection under."""
        key = self._key_of.get(transport) or self._uncounted_key_of.get(transport)
        return key or limit_key(remote_of(transport))

    def enter(self, transport: asyncio.Transport) -> Entry:
        """Count a connection that was accepted, if it can be told whose it is."""
        remote = remote_of(transport)
        if remote in self._proxies or remote in self._uncounted:
            return Entry.IN
        key = limit_key(remote)
        taken = self._taken[key]
        if taken >= 2 * self._most:
            return Entry.DROPPED
        self._take(transport, key)
        return Entry.IN if taken < self._most else Entry.REFUSED

    def claim(self, transport: asyncio.Transport, head: bytes) -> bool:
        """Count a WebSocket that came through a trusted proxy under the client for whom it came; False: that one has too many.

        Args:
            head: of its handshake.
        """
        if not self._proxies or (remote := remote_of(transport)) not in self._proxies:
            return True
        forwarded = [value.decode("latin-1") for value in FORWARDED.findall(head)]
        client = client_address(remote, forwarded, self._proxies)
        key = limit_key(client)
        if client in self._proxies or client in self._uncounted:
            self._uncounted_key_of[transport] = key
            return True
        if self._taken[key] >= self._most:
            return False
        self._take(transport, key)
        return True

    def leave(self, transport: asyncio.Transport) -> None:
        """The connection is gone. Harmless if it was not counted, or has left before."""
        self._uncounted_key_of.pop(transport, None)
        key = self._key_of.pop(transport, None)
        if key is None:
            return
        self._taken[key] -= 1
        if not self._taken[key]:
            del self._taken[key]

    def _take(self, transport: asyncio.Transport, key: str) -> None:
        self._key_of[transport] = key
        self._taken[key] += 1


def remote_of(transport: asyncio.Transport) -> str:
    """The address at the other end; empty where it was gone at once."""
    peer = transport.get_extra_info("peername")
    return peer[0] if peer else ""
