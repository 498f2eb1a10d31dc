"""Broadcast on Django Channels: an AsyncWebsocketConsumer, one group of the in-memory layer a room."""

from typing import Any
from urllib.parse import parse_qs

import django
from django.conf import settings

LAYER = {
    "BACKEND": "channels.layers.InMemoryChannelLayer",
    "CONFIG": {"capacity": 1_000_000, "expiry": 3600},  # the defaults, 100 and 60 s, drop messages under load
}
settings.configure(CHANNEL_LAYERS={"default": LAYER}, DATABASES={})
django.setup()

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402 - needs the settings
from on_uvicorn import serve  # noqa: E402


class Member(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        self.room = parse_qs(self.scope["query_string"].decode()).get("room", [""])[0]
        await self.channel_layer.group_add(self.room, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(self.room, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await self.channel_layer.group_send(self.room, {"type": "room.message", "bytes": bytes_data})

    async def room_message(self, event: dict[str, Any]) -> None:
        await self.send(bytes_data=event["bytes"])


if __name__ == "__main__":
    serve(Member.as_asgi())
