"""What nodes say to each other.

A *parcel* is what one node sends another in one turn of the loop, numbered on their
*link* from 1; its messages are encoded one by one, so that a push to many nodes is
encoded once. Everything is decoded to types: the bus is trusted no more than a client.
"""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from commonroom.engine.trace import Trace
from commonroom.identity import Authority, Principal, SessionId

__all__ = [
    "Activated",
    "Again",
    "Announce",
    "Announced",
    "Answer",
    "Call",
    "Digest",
    "Done",
    "Event",
    "Message",
    "Moved",
    "Notice",
    "Parcel",
    "Push",
    "Recall",
    "Recalled",
    "Resync",
    "Resynced",
    "Revoked",
    "Taken",
    "Unfollow",
    "decode_message",
    "decode_parcel",
    "encode",
]


class Parcel(Struct, frozen=True, array_like=True):
    """`number` counts the sender's parcels to this receiver on its link `link`, from 1; a later link has a larger one."""

    sender: str
    link: int
    number: int
    messages: list[Raw]


class _Message(Struct, frozen=True, array_like=True, gc=False):
    """Base of all messages."""


class Call(_Message, frozen=True, tag=1):
    """A command or signal for an actor; the `seq`-th of its window (see `window.py`).

    `signal` 0: `payload` is a client command; else its place in `call.SIGNALS`. `done`: everything
    up to here has been answered. `epoch` is the slot's, as the sender knows it. `later`: see `Envelope`.
    `after`: of a call that is sent again, the waiting one before it; what was between has been dealt with. 0: `seq` - 1.
    """

    address: str
    epoch: int
    window: int
    seq: int
    done: int
    signal: int
    payload: bytes
    authority: Authority | None
    session: str | None
    resume: tuple[int, int] | None
    key: str | None = None
    later: tuple[str, ...] = ()
    after: int = 0


class Event(_Message, frozen=True):
    """A publication within an answer."""

    offset: int
    payload: bytes
    author: Principal | None
    only: list[Principal] | None
    excluded: list[Principal]


class Answer(_Message, frozen=True, tag=2):
    """What an actor answered to a call. `kind`: see `call.py`, which packs and unpacks it."""

    address: str
    window: int
    seq: int
    ref: int
    kind: str
    payload: bytes


class Taken(_Message, frozen=True, tag=3):
    """All calls of the window up to `seq` have reached the actor's mailbox."""

    address: str
    window: int
    seq: int


class Again(_Message, frozen=True, tag=4):
    """A call of the window is missing: send all that are unanswered."""

    address: str
    window: int


class Done(_Message, frozen=True, tag=5):
    """The window is over: everything was answered."""

    address: str
    window: int


class Moved(_Message, frozen=True, tag=6):
    """Slots with their epochs and owners, as committed."""

    slots: list[tuple[int, int, str]]


class Push(_Message, frozen=True, tag=8):
    """A publication for the readers of an address at the receiving gateway."""

    address: str
    offset: int
    payload: bytes
    author: Principal | None
    only: list[Principal] | None
    excluded: list[Principal]
    conflate: str | None


class Announce(_Message, frozen=True, tag=9):
    """These sessions of the sending gateway follow the address, and no others."""

    address: str
    sessions: list[str]


class Announced(_Message, frozen=True, tag=16):
    """All addresses of yours that are followed here have been announced."""


class Activated(_Message, frozen=True, tag=10):
    """The address has an instance whose stream stands at `head`. `fresh`: it is new, announce your sessions to it."""

    address: str
    head: int
    fresh: bool


class Unfollow(_Message, frozen=True, tag=11):
    """Nobody at the sending gateway follows the address any more."""

    address: str


class Digest(_Message, frozen=True, tag=12):
    """Every 10 s: of the addresses of mine that you follow, as I believe, how many they are and what they
    hash to; and where those stand that moved since the last digest.
    """

    count: int
    checksum: int
    heads: list[tuple[str, int]]


class Resync(_Message, frozen=True, tag=13):
    """Parcels were lost on the link between us, in either direction. Answered by `Resynced`."""

    number: int


class Resynced(_Message, frozen=True, tag=14):
    """The link works; what follows counts again."""

    number: int


class Revoked(_Message, frozen=True, tag=15):
    """Login sessions that ended, and the cluster time at which the last ws token of each is dead anyway."""

    sids: list[tuple[SessionId, int]]


class Notice(_Message, frozen=True, tag=17):
    """The truth about these keys has changed in PostgreSQL (see `engine/notice.py`). A topic that is not known means nothing."""

    topic: str
    keys: list[str]


class Recall(_Message, frozen=True, tag=18):
    """What do you remember of these principals' ids? Answered by `Recalled` with the same number."""

    number: int
    actors: list[str]


class Recalled(_Message, frozen=True, tag=19):
    """What the sender remembers, of those it was asked about."""

    number: int
    traces: list[Trace]


Message = (
    Call | Answer | Taken | Again | Done | Moved | Push | Announce | Announced | Activated | Unfollow | Digest | Resync | Resynced
    | Revoked | Notice | Recall | Recalled
)  # fmt: skip

encode = msgspec.msgpack.Encoder().encode
_messages: Any = msgspec.msgpack.Decoder(Message)
_parcels = msgspec.msgpack.Decoder(Parcel)


def decode_parcel(data: bytes) -> Parcel:
    """Raises msgspec.DecodeError, RecursionError or UnicodeDecodeError for anything else (RELIABILITY R9)."""
    return _parcels.decode(data)


def decode_message(data: Raw) -> Message:
    """Raises as `decode_parcel`."""
    message: Message = _messages.decode(data)
    return message
