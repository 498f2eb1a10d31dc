"""The servers that ours is compared with, and how to start each.

    make bench-peers                    installs them, README.md says what each is
    commonroom bench compare            starts them one by one and loads them

A peer is a child process that listens on the port in its environment variable `PORT`, on
127.0.0.1 alone, says `ready` on a line of its own once it does, and ends on SIGTERM. Two
dialects: `websocket` (the room in `/?room=NAME`, each binary message goes to the whole room)
and `socketio` (the same query, event `m` with one string). Room names are 1 to 60 ASCII
letters, digits, `-`, `_` and `.`, which all peers take as they are.
"""

import os
import shutil
from ctypes.util import find_library
from pathlib import Path
from typing import Literal, NamedTuple

from msgspec import Struct

__all__ = ["PEERS", "Launch", "Peer", "installed", "lacks", "launch"]

ROOT = Path(__file__).resolve().parents[3]
SERVERS = "commonroom/bench/peers/servers"
PYTHON = ".peers/venv/bin/python"
MARKS = {"python": ".peers/venv/installed", "node": "commonroom/bench/peers/node_modules/.installed", "c": ".peers/send_limit"}
"""What `scripts/bench_peers.py` writes last, by runtime."""

PASSED_ON = ("PATH", "LD_LIBRARY_PATH")
"""Nothing else of our environment may change how a peer runs: no PYTHONPATH, no coverage, no NODE_OPTIONS."""


class Peer(Struct, frozen=True, kw_only=True):
    """One server in one configuration."""

    name: str
    """Stable, for goals and `--json`."""
    title: str
    dialect: Literal["websocket", "socketio"]
    kind: Literal["broadcast", "echo"]
    """Whether a message goes to all of the room, its sender included, or to its sender alone."""
    runtime: Literal["python", "node", "c"]
    command: tuple[str, ...]
    """Paths relative to the root of the repository; `node` is looked up on PATH."""
    environment: tuple[tuple[str, str], ...] = ()
    shared_library: str = ""
    """One the peer cannot load without and that no package registry has, by its linker name."""
    debian_package: str = ""
    """Where that comes from."""


class Launch(NamedTuple):
    """What a child process is started with; `PORT` is to be added."""

    argv: tuple[str, ...]
    environment: dict[str, str]
    directory: str


PEERS: tuple[Peer, ...] = (
    Peer(
        name="ws",
        title="ws on Node.js",
        dialect="websocket",
        kind="broadcast",
        runtime="node",
        command=("node", f"{SERVERS}/ws.mjs"),
    ),
    Peer(
        name="socketio",
        title="Socket.IO on Node.js",
        dialect="socketio",
        kind="broadcast",
        runtime="node",
        command=("node", f"{SERVERS}/socketio.mjs"),
    ),
    Peer(
        name="python-socketio",
        title="python-socketio on uvicorn",
        dialect="socketio",
        kind="broadcast",
        runtime="python",
        command=(PYTHON, f"{SERVERS}/python_socketio.py"),
    ),
    Peer(
        name="channels",
        title="Django Channels on uvicorn, in-memory layer",
        dialect="websocket",
        kind="broadcast",
        runtime="python",
        command=(PYTHON, f"{SERVERS}/channels_peer.py"),
    ),
    Peer(
        name="socketify",
        title="uWebSockets through socketify, app.run()",
        dialect="websocket",
        kind="broadcast",
        runtime="python",
        command=(PYTHON, f"{SERVERS}/socketify_peer.py"),
        shared_library="uv",
        debian_package="libuv1",
    ),
    Peer(
        name="socketify-native-loop",
        title="uWebSockets through socketify, its own loop without asyncio",
        dialect="websocket",
        kind="broadcast",
        runtime="python",
        command=(PYTHON, f"{SERVERS}/socketify_peer.py"),
        environment=(("NATIVE_LOOP", "1"),),
        shared_library="uv",
        debian_package="libuv1",
    ),
    Peer(
        name="send-limit",
        title="the limit: a C loop on send(), once a message and socket",
        dialect="websocket",
        kind="broadcast",
        runtime="c",
        command=(MARKS["c"],),
    ),
    Peer(
        name="send-limit-batched",
        title="the limit: a C loop on send(), once a round and socket",
        dialect="websocket",
        kind="broadcast",
        runtime="c",
        command=(MARKS["c"],),
        environment=(("BATCH", "1"),),
    ),
    Peer(
        name="websockets-echo",
        title="echo on websockets' asyncio server",
        dialect="websocket",
        kind="echo",
        runtime="python",
        command=(PYTHON, f"{SERVERS}/websockets_echo.py"),
    ),
)


def lacks(peer: Peer, root: Path = ROOT) -> str:
    """Why the peer cannot be started here, empty if it can; looks at files alone, starts nothing of it.

    Args:
        root: the repository.
    """
    if not (root / MARKS[peer.runtime]).exists():
        return "it is not installed: make bench-peers"
    if peer.runtime == "node" and shutil.which("node") is None:
        return "node is not on PATH"
    if peer.shared_library and find_library(peer.shared_library) is None:
        return f"lib{peer.shared_library} is missing: apt-get install {peer.debian_package}"
    return ""


def installed(peer: Peer, root: Path = ROOT) -> bool:
    """Whether it can be started here."""
    return not lacks(peer, root)


def launch(peer: Peer, root: Path = ROOT) -> Launch:
    """How to start an installed peer."""
    argv = tuple(part if part == "node" else str(root / part) for part in peer.command)
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return Launch(argv, {**kept, "LANG": "C.UTF-8", "NODE_ENV": "production", **dict(peer.environment)}, str(root))
