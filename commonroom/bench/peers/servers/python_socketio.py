"""Broadcast on python-socketio: the same protocol and rooms as socketio.mjs, as an ASGI app."""

from typing import Any
from urllib.parse import parse_qs

import socketio
from on_uvicorn import serve

sio = socketio.AsyncServer(async_mode="asgi", transports=["websocket"], async_handlers=False, http_compression=False)
rooms: dict[str, str] = {}


@sio.event
async def connect(sid: str, environ: dict[str, Any]) -> None:
    room = parse_qs(environ["QUERY_STRING"]).get("room", [""])[0]
    rooms[sid] = room
    await sio.enter_room(sid, room)


@sio.event
async def m(sid: str, payload: str) -> None:
    await sio.emit("m", payload, to=rooms[sid])


@sio.event
async def disconnect(sid: str, reason: str) -> None:
    del rooms[sid]


if __name__ == "__main__":
    serve(socketio.ASGIApp(sio))
