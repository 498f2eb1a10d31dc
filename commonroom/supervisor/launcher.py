"""Becomes a worker: ties itself to its parent's life, then execs.

Run as a script by a bare interpreter (`python -I -S launcher.py PARENT PROGRAM ARGS...`), because
the step must happen between fork and exec and a forked child of a threaded process may not run Python.
A worker whose supervisor was killed gets SIGINT and ends without waiting for clients: it would serve without
anybody who starts it again, and keep its ports from the next supervisor.

Only the standard library: the package is not importable here.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
EXIT_ORPHAN = 1

_libc = ctypes.CDLL(None, use_errno=True)


def main(parent: str, *command: str) -> None:
    """Become `command`, which gets SIGINT when the forking thread of `parent` ends (prctl(2))."""
    if _libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGINT)) != 0:
        raise OSError(ctypes.get_errno(), f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != int(parent):  # it died before the call
        sys.exit(EXIT_ORPHAN)
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(*sys.argv[1:])
