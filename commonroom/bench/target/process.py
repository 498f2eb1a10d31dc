"""CPU and memory of processes, from /proc."""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

__all__ = ["Usage", "bind", "children", "command_name", "signal_all", "usage"]

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Usage(NamedTuple):
    """What processes have used up to now."""

    cpu_s: float
    """User and system, to 10 ms."""
    rss_bytes: int


def usage(pids: list[int]) -> Usage:
    """The sum over those that still live."""
    ticks = pages = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        ticks += int(fields[11]) + int(fields[12])
        pages += int(fields[21])
    return Usage(ticks / TICKS_PER_S, pages * PAGE_BYTES)


def children(pid: int) -> list[int]:
    """All descendants that live now; one that ends meanwhile may be among them."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):
            for child in map(int, path.read_text().split()):
                found += [child, *children(child)]
    return found


def command_name(pid: int) -> str:
    """The name of its program, at most 15 characters; empty where it has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def signal_all(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to those that still live."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def bind(pids: list[int], core: int) -> None:
    """Let processes run on one core only, with all their threads; nothing where there is no such core."""
    cores = sorted(os.sched_getaffinity(0))
    if core >= len(cores):
        return
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").glob("*"):
            os.sched_setaffinity(int(thread.name), {cores[core]})
