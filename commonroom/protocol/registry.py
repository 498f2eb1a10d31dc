"""Every wire type by its name: the one table that codec and codegen read.

The tags stand at the types. The names are those of shared usage (`message.send`).
"""

from msgspec import Struct

from commonroom.protocol import cast, chat, presence, room, session, timer, typing
from commonroom.protocol.wire import Command, ServerMessage

__all__ = ["COMMANDS", "COMMAND_NAMES", "SERVER_MESSAGES", "SERVER_NAMES", "VIEWS", "tag_of"]

COMMANDS: dict[str, type[Command]] = {
    "hello": session.Hello,
    "refresh": session.Refresh,
    "heartbeat.reply": session.HeartbeatReply,
    "room.join": room.RoomJoin,
    "room.leave": room.RoomLeave,
    "room.create": room.RoomCreate,
    "message.send": chat.MessageSend,
    "message.edit": chat.MessageEdit,
    "message.delete": chat.MessageRemove,
    "timer.start": timer.TimerStart,
    "timer.pause": timer.TimerPause,
    "timer.resume": timer.TimerResume,
    "timer.skip": timer.TimerSkip,
    "timer.reset": timer.TimerReset,
    "typing.start": typing.TypingStart,
    "typing.stop": typing.TypingStop,
    "cast.send": cast.CastSend,
}

SERVER_MESSAGES: dict[str, type[ServerMessage]] = {
    "welcome": session.Welcome,
    "reply": session.Reply,
    "error": session.Error,
    "heartbeat": session.Heartbeat,
    "skip": session.Skip,
    "refreshed": session.Refreshed,
    "room.created": room.RoomCreated,
    "room.joined": room.Joined,
    "room.reset": room.RoomReset,
    "message.create": chat.MessageCreate,
    "message.update": chat.MessageUpdate,
    "message.delete": chat.MessageDelete,
    "timer.update": timer.TimerUpdate,
    "presence.update": presence.PresenceUpdate,
    "presence.reset": presence.PresenceReset,
    "principal.upgraded": presence.PrincipalUpgraded,
    "typing": typing.Typing,
    "cast": cast.Cast,
}

VIEWS: dict[str, type[Struct]] = {"room": room.RoomView}
"""What HTTP may show of an actor: never on a client's wire, but on that between nodes."""

COMMAND_NAMES = {cls: name for name, cls in COMMANDS.items()}
SERVER_NAMES = {cls: name for name, cls in SERVER_MESSAGES.items()}


def tag_of(cls: type[Command] | type[ServerMessage]) -> int:
    """The number that leads a message of this type on the wire."""
    tag = cls.__struct_config__.tag
    if not isinstance(tag, int):
        raise TypeError(f"{cls.__name__} has no integer tag")
    return tag
