"""Becomes PostgreSQL: drops root, ties itself to its parent's life, then execs.

Run as a script by a bare interpreter (`python -I -S launcher.py MODE PARENT PROGRAM ARGS...`), because
the steps must happen between fork and exec and a forked child of a threaded process may not run Python.

MODE is `plain`, `namespace` (a user namespace of its own in which the caller's uid has another number:
PostgreSQL refuses uid 0 and wants a passwd entry, yet keeps the caller's right to private folders),
or `uid:UID:GID`. PARENT is the pid whose death sends SIGINT, PostgreSQL's "fast shutdown".

Only the standard library: the package is not importable here.
"""

import ctypes
import os
import pwd
import signal
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
EXIT_REFUSED = 120
"""The mode is not possible here; the reason is on standard error."""

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, call: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{call}: {os.strerror(ctypes.get_errno())}")


def _inside_uid() -> int:
    """A uid that is not root and has a passwd entry, which initdb asks for."""
    known = {entry.pw_uid for entry in pwd.getpwall()} - {0}
    return min(known, key=lambda uid: (uid != 1000, uid != 65534, uid), default=1000)


def enter_namespace() -> None:
    """Continue under another uid that maps to the present one (user_namespaces(7))."""
    uid, gid, inside = os.geteuid(), os.getegid(), _inside_uid()
    _check(_libc.unshare(CLONE_NEWUSER), "unshare")
    Path("/proc/self/setgroups").write_text("deny")  # the kernel wants this before gid_map
    Path("/proc/self/uid_map").write_text(f"{inside} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{inside} {gid} 1")


def become(uid: int, gid: int) -> None:
    """Drop root for good."""
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def die_with(parent: int) -> None:
    """SIGINT when the parent's forking thread ends.

    Invariant: after every change of credentials, for each of them clears the setting (prctl(2)).
    """
    _check(_libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGINT)), "prctl")
    if os.getppid() != parent:  # it died before the call
        sys.exit(EXIT_REFUSED)


def main(mode: str, parent: str, *command: str) -> None:
    """Apply `mode`, then become `command`."""
    try:
        if mode == "namespace":
            enter_namespace()
        elif mode.startswith("uid:"):
            _, uid, gid = mode.split(":")
            become(int(uid), int(gid))
        die_with(int(parent))
        os.execv(command[0], command)  # noqa: S606
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(EXIT_REFUSED)


if __name__ == "__main__":
    main(*sys.argv[1:])
