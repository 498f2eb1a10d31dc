"""Where a run took place."""

import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path

__all__ = ["command_line", "commit", "load_average", "machine"]


def machine() -> str:
    """Processor, cores, memory, kernel, Python."""
    memory_gb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    cores = len(os.sched_getaffinity(0))
    return (
        f"{_processor()}, {cores} cores, {memory_gb:.0f} GiB, {platform.system()} {platform.release()}, Python {platform.python_version()}"
    )


def load_average() -> str:
    """Of 1, 5 and 15 minutes."""
    return " ".join(f"{load:.2f}" for load in os.getloadavg())


def commit() -> str:
    """The checkout's commit, with a + when files were changed since; `unknown` outside one."""
    here = Path(__file__).parent

    def git(*words: str) -> str:
        answer = subprocess.run(["git", "-C", here, *words], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603, S607
        return answer.stdout.strip()

    try:
        found = git("rev-parse", "--short", "HEAD")
        return f"{found}{'+' if git('status', '--porcelain', '--untracked-files=no') else ''}" if found else "unknown"
    except FileNotFoundError:
        return "unknown"


def command_line() -> str:
    """The command as it was typed."""
    return shlex.join(["commonroom", *sys.argv[1:]])


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
