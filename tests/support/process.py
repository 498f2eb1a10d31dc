"""What the kernel knows of a process: its memory, its connections."""

from collections.abc import Iterator
from pathlib import Path

__all__ = ["LOOPBACK", "connections", "forget_peak", "listening", "memory"]

LISTENING = "0A"
LOOPBACK = "0100007F"
"""127.0.0.1 in /proc/net/tcp."""


def memory(pid: int, name: str) -> int:
    """Bytes of a process: `VmRSS`, or `VmHWM`, the most it had since `forget_peak`."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def forget_peak(pid: int) -> None:
    """Begin anew with `VmHWM` (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def connections(port: int) -> int:
    """TCP sockets of this machine whose own end is this port and that some process holds, the listening one aside."""
    return sum(state != LISTENING and inode != "0" for _, state, inode in _sockets(port))


def listening(port: int) -> set[str]:
    """The IPv4 addresses on which somebody listens to this port, in hexadecimal."""
    return {address for address, state, _ in _sockets(port) if state == LISTENING}


def _sockets(port: int) -> Iterator[tuple[str, str, str]]:
    """(own address, state, inode) of proc(5), net/tcp."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        row = line.split()
        address, _, own = row[1].partition(":")
        if int(own, 16) == port:
            yield address, row[3], row[9]
