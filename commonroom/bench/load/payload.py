"""What the bench says: who, which one, when it was meant to be sent, and proof that it is whole.

    publisher.sequence.intended.checksum.xxxxx…

Numbers in hexadecimal, `intended` in microseconds of the monotonic clock, which all processes
of one machine share. The filler makes it as long as asked.
"""

from typing import NamedTuple
from zlib import crc32

__all__ = ["MIN_BYTES", "Mark", "compose", "parse"]

MIN_BYTES = 48
"""Shorter ones could lack room for the numbers."""


class Mark(NamedTuple):
    """One message of the bench, as it was sent."""

    publisher: int
    sequence: int
    """1 for a publisher's first."""
    intended_us: int


def compose(publisher: int, sequence: int, intended_us: int, size_bytes: int) -> str:
    """A text of `size_bytes` ASCII characters."""
    head = f"{publisher:x}.{sequence:x}.{intended_us:x}"
    return f"{head}.{_checksum(head, size_bytes):08x}.".ljust(size_bytes, "x")


def parse(text: str) -> Mark | None:
    """What `compose` was given; None where a single character differs."""
    parts = text.split(".", 4)
    if len(parts) != 5 or parts[4].strip("x"):
        return None
    publisher, sequence, intended, checksum, _ = parts
    head = f"{publisher}.{sequence}.{intended}"
    if checksum != f"{_checksum(head, len(text)):08x}":
        return None
    return Mark(int(publisher, 16), int(sequence, 16), int(intended, 16))


def _checksum(head: str, size_bytes: int) -> int:
    return crc32(head.encode(), size_bytes)
