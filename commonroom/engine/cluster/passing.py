"""Sockets as messages, from one process of this machine to another (SCM_RIGHTS, unix(7)).

A *door* is where others connect, a *way* a connection: a Unix socket of type SOCK_SEQPACKET, on
which a message is one TCP socket, whole or not at all, behind the address it is meant for and a line feed.

Nothing here waits. A way ends only after all that came over it was dealt with, a door after
all who had connected were let in: what was sent to a process that ends in order is not lost.
"""

import asyncio
import os
import socket
from array import array
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from commonroom.engine.address import Address, address_named
from commonroom.engine.cluster.neighbour import place_of_ours
from commonroom.errors import ConfigError, Invalid

__all__ = ["Door", "Passed", "Way", "unix_socket"]

MAX_MESSAGE_BYTES: Final = 32 * 1024
"""A browser's handshake is below 2 KB, with cookies."""
MESSAGES_A_TURN: Final = 16
BACKLOG: Final = 128
AGAIN_S: Final = 1.0
TRUNCATED: Final = socket.MSG_TRUNC | socket.MSG_CTRUNC
ONE_DESCRIPTOR: Final = socket.CMSG_LEN(array("i").itemsize)
"""Room for one: the kernel closes others and says MSG_CTRUNC."""


class Passed(NamedTuple):
    """An accepted TCP socket, the room its client has in mind, and what was read from it."""

    address: Address
    data: bytes
    accepted: socket.socket


class Door:
    """Where others connect.

    Raises:
        ConfigError: see `place_of_ours`.
    """

    def __init__(self, path: Path, accept: Callable[[socket.socket], None]) -> None:
        self._path = path
        self._accept = accept
        self._loop = asyncio.get_running_loop()
        self._again: asyncio.TimerHandle | None = None
        self._listener = listener = unix_socket()
        try:
            with place_of_ours(path):
                listener.bind(str(path))
                listener.listen(BACKLOG)
        except ConfigError:
            listener.close()
            raise
        self._listen()

    def close(self) -> None:
        """Nobody finds us any more; who has connected comes in still."""
        self._path.unlink(missing_ok=True)
        if self._again is not None:
            self._again.cancel()
        self._loop.remove_reader(self._listener)
        self._listener.shutdown(socket.SHUT_RD)
        with suppress(OSError):
            while True:
                self._let_in()
        self._listener.close()

    def _listen(self) -> None:
        self._loop.add_reader(self._listener, self._ready)

    def _ready(self) -> None:
        try:
            self._let_in()
        except (BlockingIOError, ConnectionAbortedError):
            pass
        except OSError:  # out of descriptors: asking in each turn of the loop would only keep it busy
            self._loop.remove_reader(self._listener)
            self._again = self._loop.call_later(AGAIN_S, self._listen)

    def _let_in(self) -> None:
        connection, _ = self._listener.accept()
        connection.setblocking(False)
        self._accept(connection)


class Way:
    """A connection to another node, which both ends send on.

    Args:
        deal: has each socket that comes; None: a message without a whole one.
        on_end: called when the other end has closed; it must call `end`.
    """

    def __init__(self, connection: socket.socket, deal: Callable[["Way", Passed | None], None], on_end: Callable[[], None]) -> None:
        self._connection = connection
        self._deal = deal
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(connection, self._ready)

    def send(self, address: Address, data: bytes, descriptor: int) -> None:
        """Pass a descriptor; ours stays open.

        Raises:
            BlockingIOError: the queue is full.
            OSError: the other end is gone, or the kernel refuses.
            ValueError: the message is too long.
        """
        head = f"{address}\n".encode()
        if len(head) + len(data) > MAX_MESSAGE_BYTES:
            raise ValueError(f"a message of {len(head) + len(data)} bytes is over {MAX_MESSAGE_BYTES}")
        socket.send_fds(self._connection, [head, data], [descriptor])

    def end(self) -> None:
        """Let nothing more in, deal with what has come, close."""
        self._loop.remove_reader(self._connection)
        with suppress(EOFError, OSError):
            self._connection.shutdown(socket.SHUT_RD)  # the other end's next send fails; what it has sent stays readable
            while True:
                self._take_one()
        self._connection.close()

    def _ready(self) -> None:
        try:
            for _ in range(MESSAGES_A_TURN):
                self._take_one()
        except BlockingIOError:
            pass
        except (EOFError, OSError):
            self._on_end()

    def _take_one(self) -> None:
        """Deal with the next message.

        Raises:
            BlockingIOError: there is none now.
            EOFError: there will be none.
        """
        data, descriptors, flags = _receive(self._connection)
        if not data and not descriptors:
            raise EOFError
        passed = None if flags & TRUNCATED else _unpacked(data, descriptors)
        if passed is None:
            for descriptor in descriptors:
                os.close(descriptor)
        self._deal(self, passed)


def unix_socket() -> socket.socket:
    """For ways, at either end."""
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)


def _receive(connection: socket.socket) -> tuple[bytes, list[int], int]:
    """The next message: data, descriptors, flags. Not `socket.recv_fds`, which in Python 3.11 loses its flags."""
    try:
        data, ancillary, flags, _ = connection.recvmsg(MAX_MESSAGE_BYTES, ONE_DESCRIPTOR, socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:  # it died with sockets of ours unread: told once, before what it has sent us
        data, ancillary, flags, _ = connection.recvmsg(MAX_MESSAGE_BYTES, ONE_DESCRIPTOR, socket.MSG_CMSG_CLOEXEC)
    descriptors = array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    return data, descriptors.tolist(), flags


def _unpacked(message: bytes, descriptors: Sequence[int]) -> Passed | None:
    """What a message holds; None: no TCP socket for an address, its descriptors are still open."""
    name, _, data = message.partition(b"\n")
    try:
        (descriptor,) = descriptors
        return Passed(address_named(name.decode()), data, _tcp_socket(descriptor))
    except (Invalid, ValueError, OSError):
        return None


def _tcp_socket(descriptor: int) -> socket.socket:
    """A socket of this descriptor. Raises OSError or ValueError where it is no TCP connection; it stays open then."""
    found = socket.socket(fileno=descriptor)
    if found.type is not socket.SOCK_STREAM or found.family not in {socket.AF_INET, socket.AF_INET6}:
        found.detach()
        raise ValueError(f"descriptor {descriptor} is not of a TCP connection")
    found.setblocking(False)
    return found
