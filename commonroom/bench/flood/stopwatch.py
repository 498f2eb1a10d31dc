"""Times handshakes, from a process of its own: `python -m commonroom.bench.flood.stopwatch HOST PORT SECONDS`, microseconds as JSON.

One at a time, each on a new connection, from the first byte sent to the last byte of the answer: what a person waits for.
"""

import asyncio
import sys

import msgspec

from commonroom.bench.collector import keep_quiet
from commonroom.bench.flood.attack import shake
from commonroom.clock import monotonic_us
from commonroom.tasks import pause

__all__ = ["main", "times_us"]

PAUSE_S = 0.005


async def times_us(host: str, port: int, seconds: float) -> list[int]:
    """Handshakes for so long.

    Raises:
        OSError: one was refused.
    """
    keep_quiet()
    taken: list[int] = []
    end_us = monotonic_us() + int(seconds * 1_000_000)
    while monotonic_us() < end_us:
        began_us = monotonic_us()
        peer = await shake(host, port)
        taken.append(monotonic_us() - began_us)
        peer.writer.transport.abort()
        await pause(PAUSE_S)
    return taken


def main() -> None:
    """As the module says."""
    host, port, seconds = sys.argv[1:]
    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(times_us(host, int(port), float(seconds)))))


if __name__ == "__main__":
    main()
