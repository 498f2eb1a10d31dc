"""Every wire type by its name: the one table that codec and codegen read.

The tags stand at the types. The names are those of shared usage (`message.send`).
"""

from msgspec import Struct

from commonroom.protocol import cast, chat, invite, listing, moderation, presence, room, session, status, timer, typing, user
from commonroom.protocol.wire import Command, DurablePush, ServerMessage

__all__ = ["BETWEEN_NODES", "COMMANDS", "COMMAND_NAMES", "EXPELLING", "SERVER_MESSAGES", "SERVER_NAMES", "VIEWS", "tag_of"]

COMMANDS: dict[str, type[Command]] = {
    "hello": session.Hello,
    "refresh": session.Refresh,
    "heartbeat.reply": session.HeartbeatReply,
    "room.join": room.RoomJoin,
    "room.leave": room.RoomLeave,
    "room.create": room.RoomCreate,
    "room.update": room.RoomUpdate,
    "room.archive": room.RoomArchive,
    "room.kick": moderation.RoomKick,
    "room.ban": moderation.RoomBan,
    "room.unban": moderation.RoomUnban,
    "room.mute": moderation.RoomMute,
    "room.unmute": moderation.RoomUnmute,
    "room.role": moderation.RoomRole,
    "room.quit": invite.RoomQuit,
    "invite.create": invite.InviteCreate,
    "invite.revoke": invite.InviteRevoke,
    "invite.accept": invite.InviteAccept,
    "invite.list": invite.InviteList,
    "message.send": chat.MessageSend,
    "message.edit": chat.MessageEdit,
    "message.delete": chat.MessageRemove,
    "timer.start": timer.TimerStart,
    "timer.pause": timer.TimerPause,
    "timer.resume": timer.TimerResume,
    "timer.skip": timer.TimerSkip,
    "timer.reset": timer.TimerReset,
    "timer.extend": timer.TimerExtend,
    "timer.configure": timer.TimerConfigure,
    "typing.start": typing.TypingStart,
    "typing.stop": typing.TypingStop,
    "cast.send": cast.CastSend,
    "listing.watch": listing.ListingWatch,
    "status.set": status.StatusSet,
    "status.watch": status.StatusWatch,
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
    "room.updated": room.RoomUpdated,
    "room.removed": room.RoomRemoved,
    "room.load": room.RoomLoad,
    "room.moderated": moderation.RoomModerated,
    "room.member_added": invite.MemberAdded,
    "room.member_removed": invite.MemberRemoved,
    "invite.created": invite.InviteCreated,
    "invite.revoked": invite.InviteRevoked,
    "invite.code": invite.InviteCode,
    "invite.listing": invite.InviteListing,
    "message.create": chat.MessageCreate,
    "message.update": chat.MessageUpdate,
    "message.delete": chat.MessageDelete,
    "timer.update": timer.TimerUpdate,
    "presence.update": presence.PresenceUpdate,
    "presence.reset": presence.PresenceReset,
    "principal.upgraded": presence.PrincipalUpgraded,
    "typing": typing.Typing,
    "cast": cast.Cast,
    "listing.update": listing.ListingUpdate,
    "status.update": status.StatusUpdate,
}

VIEWS: dict[str, type[Struct]] = {"room": room.RoomView, "penalties": moderation.RoomPenalties}
"""What HTTP may show of an actor: never on a client's wire, but on that between nodes."""

BETWEEN_NODES: dict[str, type[ServerMessage]] = {"user.state": user.UserState}
"""Pushes of actors to gateways alone."""

EXPELLING = frozenset(cls for cls in SERVER_MESSAGES.values() if issubclass(cls, DurablePush) and cls.expelled is not DurablePush.expelled)
"""Durable pushes that may end subscriptions."""

COMMAND_NAMES: dict[type, str] = {cls: name for name, cls in COMMANDS.items()}
SERVER_NAMES = {cls: name for name, cls in SERVER_MESSAGES.items()}


def tag_of(cls: type[Command] | type[ServerMessage]) -> int:
    """The number that leads a message of this type on the wire."""
    tag = cls.__struct_config__.tag
    if not isinstance(tag, int):
        raise TypeError(f"{cls.__name__} has no integer tag")
    return tag
