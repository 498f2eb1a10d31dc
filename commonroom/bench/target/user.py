"""A user on a server of our own, by the operator's command: it needs no letter."""

import asyncio
import os
import sys
from typing import Final

from commonroom.bench.target.target import Spawned
from commonroom.errors import Unavailable

__all__ = ["ADDRESS", "PASSWORD", "make_user"]

ADDRESS: Final = "known@example.org"
PASSWORD: Final = "correct horse battery"  # noqa: S105 - of a server that lives for a minute


async def make_user(server: Spawned) -> None:
    """Somebody who signs in with `ADDRESS` and `PASSWORD`.

    Raises:
        Unavailable: the command failed.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "commonroom", "user", "create-admin", ADDRESS, "--password-stdin",
        env={**os.environ, **server.environment},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, error = await process.communicate(PASSWORD.encode())
    if process.returncode != 0:
        raise Unavailable(f"no account could be made: {error.decode().strip()}")
