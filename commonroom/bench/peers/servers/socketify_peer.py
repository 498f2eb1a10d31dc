"""Broadcast on uWebSockets, through PyPI's socketify: its own publish and subscribe, one topic a room.

As documented, `app.run()` lets asyncio poll uWebSockets' loop, thousands of times a turn without
work. NATIVE_LOOP=1 runs that loop itself, blocking in epoll: what uWebSockets costs without asyncio.
"""

import os

from socketify import App, AppListenOptions

UNLIMITED = 0


def upgrade(response, request, context):
    response.upgrade(
        request.get_header("sec-websocket-key"),
        request.get_header("sec-websocket-protocol"),
        request.get_header("sec-websocket-extensions"),
        context,
        request.get_query("room") or "",
    )


def opened(socket):
    socket.subscribe(socket.get_user_data())


def received(socket, message, opcode):
    socket.publish(socket.get_user_data(), message, opcode)


def closed(socket, code, message):
    """Unsubscribing is done by uWebSockets itself."""


def main():
    app = App()
    app.ws(
        "/*",
        {
            "compression": 0,
            "max_payload_length": 16 * 1024 * 1024,
            "max_backpressure": UNLIMITED,  # the default, 64 KiB, drops what a slower reader has not taken yet
            "idle_timeout": UNLIMITED,  # a member that only listens would be cut
            "upgrade": upgrade,
            "open": opened,
            "message": received,
            "close": closed,
        },
    )
    app.listen(AppListenOptions(port=int(os.environ["PORT"]), host="127.0.0.1"), lambda _: print("ready", flush=True))
    if os.environ.get("NATIVE_LOOP") == "1":
        app.loop.uv_loop.run()
    else:
        app.run()


if __name__ == "__main__":
    main()
