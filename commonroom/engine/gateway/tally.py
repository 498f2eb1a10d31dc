"""What a connection missed, counted where it happens: nothing of it is on the path of a delivery."""

import asyncio
import socket
import struct
import sys
from typing import Final, NamedTuple

__all__ = ["Tally", "Traffic", "traffic_of"]

INFO_BYTES: Final = 136
AT: Final = 120
"""Of `tcpi_bytes_acked` and `tcpi_bytes_received`, 64 bits each, in Linux's `struct tcp_info` (linux/tcp.h, since 4.2; RFC 4898)."""


class Tally:
    """Counts of one connection; see `Trace`."""

    __slots__ = ("dropped", "refused", "reset", "resumed", "slowed")

    def __init__(self) -> None:
        self.slowed = self.dropped = self.resumed = self.reset = self.refused = 0


class Traffic(NamedTuple):
    """Bytes of a TCP connection since it was accepted."""

    received: int
    acknowledged: int
    """By the peer's system: what is on its way, or waits here, is not among them."""


def traffic_of(transport: asyncio.BaseTransport) -> Traffic | None:
    """What the kernel has counted anyway: a system call when somebody asks, nothing otherwise. None: it does not tell."""
    accepted = transport.get_extra_info("socket")
    if sys.platform != "linux" or accepted is None:
        return None
    try:
        info = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, INFO_BYTES)
    except OSError:  # closed by now, or no TCP
        return None
    if len(info) < INFO_BYTES:
        return None
    acknowledged, received = struct.unpack_from("QQ", info, AT)
    return Traffic(received, acknowledged)
