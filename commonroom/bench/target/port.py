"""Ports for servers that are told theirs."""

import socket
from typing import Final

from commonroom.errors import Unavailable
from commonroom.ids import new_secret, seeded

__all__ = ["free_port", "free_ports"]

TRIES: Final = 200
FIRST_PORT: Final = 16_384
LAST_PORT: Final = 32_767
"""Below those that Linux gives to outgoing connections, which would take one now and then before its server listens, or comes back."""


def free_port() -> int:
    """A TCP port of loopback that nobody listens on just now. Raises Unavailable."""
    return free_ports(1)


def free_ports(count: int) -> int:
    """The first of so many in a row.

    Raises:
        Unavailable: there is no such row.
    """
    random = seeded(new_secret())
    for _ in range(TRIES):
        first = random.randint(FIRST_PORT, LAST_PORT - count + 1)
        if all(_is_free(first + place) for place in range(count)):
            return first
    raise Unavailable(f"there are no {count} free ports in a row")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
