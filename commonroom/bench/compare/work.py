"""The work that is compared, and by how much we mean to be ahead."""

from typing import Any

from msgspec import Struct

__all__ = ["OURS", "WORKS", "Goal", "Work"]

OURS = "commonroom"


class Goal(Struct, frozen=True):
    """Our rate divided by that peer's is at least this."""

    peer: str
    ratio: float


class Work(Struct, frozen=True):
    """The same load for all that take part."""

    name: str
    title: str
    scenario: str
    ours: dict[str, Any]
    """Parameters of our runs."""
    theirs: dict[str, Any]
    """Parameters of the peers' runs: the same but for what they do not have, durability."""
    peers: tuple[str, ...]
    rate: str
    """What is counted per server-CPU-second: `deliveries` or `answers`."""
    goals: tuple[Goal, ...]
    rooms: int = 1


BROADCASTERS = ("socketify", "socketify-native-loop", "ws", "socketio", "python-socketio", "channels")

WORKS: tuple[Work, ...] = (
    Work(
        "fanout-20",
        "volatile fan-out, 200 sockets, 20 publishers, 128 B",
        "fanout",
        {"sockets": 200, "publishers": 20, "size_bytes": 128},
        {"sockets": 200, "publishers": 20, "size_bytes": 128},
        (*BROADCASTERS, "send-limit", "send-limit-batched"),
        "deliveries",
        (Goal("socketio", 15.0), Goal("socketify", 1.4), Goal("socketify-native-loop", 1.4)),
    ),
    Work(
        "fanout-1",
        "volatile fan-out, 200 sockets, 1 publisher waiting for its own echo",
        "fanout",
        {"sockets": 200, "publishers": 1, "size_bytes": 128},
        {"sockets": 200, "publishers": 1, "size_bytes": 128},
        (*BROADCASTERS, "send-limit"),
        "deliveries",
        (Goal("socketio", 1.3), Goal("send-limit", 0.8)),
    ),
    Work(
        "durable-20",
        "durable fan-out, 200 sockets, 20 publishers; peers keep nothing",
        "fanout",
        {"sockets": 200, "publishers": 20, "size_bytes": 128, "durable": True},
        {"sockets": 200, "publishers": 20, "size_bytes": 128},
        ("socketio",),
        "deliveries",
        (Goal("socketio", 5.0),),
    ),
    Work(
        "chat",
        "chat, 50 rooms of 4, everybody waits for the last answer; ours is kept, the peers keep nothing",
        "chat",
        {"rooms": 50, "members": 4},
        {"rooms": 50, "members": 4},
        BROADCASTERS,
        "answers",
        (),
        rooms=50,
    ),
    Work(
        "request",
        "request and reply, 100 sockets; ours through an actor, the peer's an echo",
        "request",
        {"sockets": 100, "rooms": 25},
        {"sockets": 100, "rooms": 25},
        ("websockets-echo",),
        "answers",
        (Goal("websockets-echo", 0.8),),
        rooms=25,
    ),
)
