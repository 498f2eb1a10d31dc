"""What a message reads as, from its events: the one fold that projector and reader share."""

from collections.abc import Iterable, MutableMapping

from msgspec import Struct

from commonroom.identity import Principal
from commonroom.protocol.chat import MessageCreate, MessageDelete, MessageUpdate
from commonroom.protocol.wire import DurablePush

__all__ = ["ProjectedMessage", "fold"]


class ProjectedMessage(Struct):
    """A message as it reads now. `events` are the offsets of its own events, in order."""

    offset: int
    at: int
    author: Principal
    text: str
    nonce: str | None
    edited_at: int | None
    deleted: bool
    events: list[int]


def fold(messages: MutableMapping[int, ProjectedMessage], events: Iterable[DurablePush]) -> None:
    """Apply events of one room, in order, to the messages by offset.

    An edit or deletion of a message that is not in `messages` is passed over: whoever
    calls holds all that it wants changed.
    """
    for event in events:
        if isinstance(event, MessageCreate):
            if event.author is not None:
                messages[event.offset] = ProjectedMessage(
                    event.offset, event.at, event.author, event.text, event.nonce, None, event.deleted, [event.offset]
                )
        elif isinstance(event, MessageUpdate | MessageDelete) and (message := messages.get(event.message)) is not None:
            _change(message, event)


def _change(message: ProjectedMessage, event: MessageUpdate | MessageDelete) -> None:
    message.events.append(event.offset)
    if isinstance(event, MessageDelete):
        message.text, message.deleted = "", True
    elif not event.deleted and not message.deleted:
        message.text, message.edited_at = event.text, event.at
