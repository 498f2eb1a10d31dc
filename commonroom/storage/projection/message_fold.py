"""What a message reads as, from its events: the one fold that projector and reader share.

An event with an audience is shown to its author alone (a shadow, see `engine/sanction.py`): a message that began so
stays the author's; an edit of another one stands beside what everybody else reads.
"""

from collections.abc import Collection, Container, Iterable, MutableMapping

import msgspec
from msgspec import Struct

from commonroom.identity import Principal
from commonroom.protocol.chat import MessageCreate, MessageDelete, MessageUpdate
from commonroom.protocol.wire import DurablePush

__all__ = ["ProjectedMessage", "fold", "has_audience"]


class ProjectedMessage(Struct):
    """A message as it reads now.

    Attributes:
        events: the offsets of its own events, in order.
        is_aside: only its author sees it.
        aside: text and moment of the edit that only its author sees; None: all see the same.
    """

    offset: int
    at: int
    author: Principal
    text: str
    nonce: str | None
    edited_at: int | None
    deleted: bool
    events: list[int]
    is_aside: bool = False
    aside: tuple[str, int] | None = None

    def seen_by(self, actors: Collection[str]) -> "ProjectedMessage | None":
        """As a person reads it who is, and was, these actors; None: not at all."""
        if not self.is_aside and self.aside is None:
            return self
        if self.author.actor_id not in actors:
            return None if self.is_aside else self
        return self if self.aside is None else msgspec.structs.replace(self, text=self.aside[0], edited_at=self.aside[1])


def has_audience(private: bytes | None) -> bool:
    """Whether an event is not for everybody, by its private column: the first part of `engine/private.py`'s."""
    return private is not None and msgspec.msgpack.decode(private)[0] is not None


def fold(messages: MutableMapping[int, ProjectedMessage], events: Iterable[DurablePush], aside: Container[int] = ()) -> None:
    """Apply events of one room, in order, to the messages by offset.

    An edit or deletion of a message that is not in `messages` is passed over: whoever
    calls holds all that it wants changed.

    Args:
        aside: the offsets of those that only their author sees.
    """
    for event in events:
        if isinstance(event, MessageCreate):
            if event.author is not None:
                messages[event.offset] = ProjectedMessage(
                    event.offset, event.at, event.author, event.text, event.nonce, None, event.deleted, [event.offset],
                    is_aside=event.offset in aside,
                )  # fmt: skip
        elif isinstance(event, MessageUpdate | MessageDelete) and (message := messages.get(event.message)) is not None:
            _change(message, event, is_aside=event.offset in aside)


def _change(message: ProjectedMessage, event: MessageUpdate | MessageDelete, *, is_aside: bool) -> None:
    message.events.append(event.offset)
    if isinstance(event, MessageDelete):
        message.text, message.deleted, message.aside = "", True, None
    elif event.deleted or message.deleted:
        return
    elif is_aside and not message.is_aside:
        message.aside = event.text, event.at
    else:
        message.text, message.edited_at, message.aside = event.text, event.at, None
