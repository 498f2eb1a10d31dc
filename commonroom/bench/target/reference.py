"""An aiohttp handler that returns one body, whatever is asked: the least that a page can cost.

PORT=8123 BODY=/tmp/page.json python -m commonroom.bench.target.reference
"""

import os
import sys
from pathlib import Path

import uvloop
from aiohttp import web

__all__ = ["main"]


def main() -> None:
    """Serve until SIGTERM."""
    body = Path(os.environ["BODY"]).read_bytes()

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    loop = uvloop.new_event_loop()
    web.run_app(app, host="127.0.0.1", port=int(os.environ["PORT"]), print=_ready, access_log=None, loop=loop)


def _ready(_banner: str) -> None:
    """Called by `run_app` once it listens."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
