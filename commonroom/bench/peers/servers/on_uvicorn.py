"""How both ASGI peers run: one uvicorn process on uvloop, silent, saying `ready` once it listens."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

WEBSOCKETS = "websockets-sansio"
"""The fastest of uvicorn's three implementations here, see README.md."""


class Peer(uvicorn.Server):
    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        print("ready", flush=True)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM ends the process at once: there is nothing to save, and uvicorn waits for clients to leave."""
        yield


def serve(app: Any) -> None:
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        loop="uvloop",
        ws=WEBSOCKETS,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
    )
    Peer(config).run()
