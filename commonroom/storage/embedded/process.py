"""A child process that is awaited through its pidfd, and started through the launcher.

asyncio's own subprocesses are not used: their transport sends SIGKILL when it is
collected, which a postmaster must never get.
"""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from commonroom.errors import InternalError
from commonroom.storage.embedded import launcher

__all__ = ["Identity", "choose_identity", "ended", "launch"]

LAUNCHER = Path(launcher.__file__)
DEDICATED_USERS = ("commonroom", "postgres", "nobody")


class Identity(NamedTuple):
    """Who PostgreSQL runs as: the launcher's mode, and the owner its files need on disk."""

    mode: str
    uid: int
    gid: int
    note: str = ""
    """One line for the log where this is not the normal way; empty otherwise."""


def launch(identity: Identity, command: Sequence[str | Path], output: BinaryIO, pass_fds: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    """Start `command`; it gets SIGINT when this process dies, however it dies.

    A session of its own keeps the terminal's Ctrl-C away from it: the node stops first.

    Raises:
        InternalError: not on the main thread (the death signal follows the forking thread).
    """
    if threading.current_thread() is not threading.main_thread():
        raise InternalError("embedded servers start on the main thread only")
    return subprocess.Popen(  # noqa: S603 - our own launcher and binaries
        [sys.executable, "-I", "-S", LAUNCHER, identity.mode, str(os.getpid()), *command],
        stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=pass_fds, start_new_session=True, cwd="/",
    )  # fmt: skip


async def ended(process: subprocess.Popen[bytes]) -> int:
    """Wait for the end of a child; its exit code, negative for a signal. May be cancelled."""
    if (code := process.poll()) is not None:
        return code
    handle = os.pidfd_open(process.pid)
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    loop.add_reader(handle, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)
    return process.wait()


async def choose_identity(program: Path, output: BinaryIO) -> Identity:
    """How PostgreSQL can run here: as we are, in a user namespace, or as a dedicated user."""
    import pwd  # noqa: PLC0415 - absent on Windows, where importing this package must still work

    uid, gid = os.geteuid(), os.getegid()
    known = {entry.pw_uid: entry for entry in pwd.getpwall()}
    if uid != 0 and uid in known:
        return Identity("plain", uid, gid)
    namespace = Identity("namespace", uid, gid)
    if await ended(launch(namespace, [program, "-V"], output)) == 0:
        return namespace
    if uid != 0:
        return Identity("plain", uid, gid, f"uid {uid} has no passwd entry and user namespaces are not allowed: initdb may refuse it")
    by_name = {entry.pw_name: entry for entry in known.values()}
    user = next((by_name[name] for name in DEDICATED_USERS if name in by_name), None)
    if user is None:
        return Identity("uid:65534:65534", 65534, 65534, "user namespaces are not allowed: PostgreSQL runs as uid 65534")
    note = f"user namespaces are not allowed: PostgreSQL runs as user {user.pw_name}"
    return Identity(f"uid:{user.pw_uid}:{user.pw_gid}", user.pw_uid, user.pw_gid, note)
