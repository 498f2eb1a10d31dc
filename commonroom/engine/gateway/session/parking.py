"""The part of a session that keeps its commands in order behind one that is asked about first.

Founding a room, bringing an invite's code and choosing a status take a while. What the client sends
meanwhile is parked and handled after it: commands of one client keep their order (I5).
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Final

from commonroom.engine.envelope import Admission, Envelope
from commonroom.engine.gateway.connection import Connection
from commonroom.engine.gateway.fanout import framed
from commonroom.engine.gateway.naming import address_of
from commonroom.engine.gateway.session.lobby import Lobby
from commonroom.errors import CommonroomError, Unauthenticated, Unavailable
from commonroom.identity import Authority
from commonroom.permissions import require
from commonroom.protocol.codec import Codec
from commonroom.protocol.invite import InviteAccept
from commonroom.protocol.room import RoomCreate
from commonroom.protocol.wire import Command, ServerMessage

__all__ = ["MAX_PARKED", "Parking"]

MAX_PARKED: Final = 64
"""Commands that wait behind one that is asked about; further ones get RETRY."""


class Parking(ABC):
    """A session that may wait."""

    __slots__ = ("_authority", "_connection", "_lobby", "_parked", "codec", "id", "outbox")

    def __init__(self, lobby: Lobby, connection: Connection, codec: Codec) -> None:
        self.id = ""
        self.codec = codec
        self.outbox = connection.outbox
        self._lobby = lobby
        self._connection = connection
        self._authority: Authority | None = None
        self._parked: list[Command] | None = None

    @property
    def authority(self) -> Authority:
        """What the client proved.

        Raises:
            Unauthenticated: it has not said hello.
        """
        if self._authority is None:
            raise Unauthenticated("no hello yet")
        return self._authority

    def send(self, message: ServerMessage) -> None:
        self.outbox.write(framed(self.codec, message))

    @abstractmethod
    def replied(self, ref: int, message: ServerMessage) -> None:
        """Answer a command."""

    @abstractmethod
    def refused(self, ref: int, error: CommonroomError) -> None:
        """Answer a command with an error."""

    @abstractmethod
    def admitted(self, ref: int, admission: Admission) -> None:
        """See `Origin`."""

    @abstractmethod
    def _handle(self, command: Command) -> None:
        """Run a command whose turn it is; never raises."""

    @abstractmethod
    def _failed(self, command: Command, error: CommonroomError) -> None:
        """Refuse a command for what its sender did or is."""

    def _take(self, command: Command) -> None:
        if self._parked is None:
            self._handle(command)
        elif len(self._parked) < MAX_PARKED:
            self._parked.append(command)
        else:
            self.refused(command.ref, Unavailable(f"{MAX_PARKED} commands wait already"))

    def _park(self, task: str, asking: Coroutine[Any, Any, None]) -> None:
        """Let what is sent from now on wait until `asking`, which has to `_unpark`, is through."""
        self._parked = []
        self._lobby.around.tasks.start(task, asking)

    def _unpark(self) -> None:
        """Handle what is parked, in order; behind what is asked about itself, the rest is parked again."""
        parked, self._parked = self._parked or (), None
        for command in parked:
            if not self._connection.is_closing():
                self._take(command)

    def _send_on(self, envelope: Envelope) -> None:
        self._lobby.around.router.send(envelope)

    # Founding and codes.

    def _create(self, command: RoomCreate) -> None:
        admit = self._lobby.around.admit_founder
        if admit is None:
            self._send_admitted(command, None)
            return
        if command.visibility == "public":
            require("room.create.public", self.authority)  # refused by the room all the same, but there it would have used one up
        self._send_admitted(command, partial(admit, self.authority, self._connection.address, command.room))

    def _accept(self, command: InviteAccept) -> None:
        admit = self._lobby.around.admit_code
        self._send_admitted(command, None if admit is None else partial(admit, self.authority, self._connection.address))

    def _send_admitted(self, command: RoomCreate | InviteAccept, admit: Callable[[], Awaitable[None]] | None) -> None:
        """Send a command for a room that was not joined, once its sender is admitted to that; None: they are."""
        envelope = Envelope(address_of(command.room), command, self.authority, self, self.id)
        if admit is None:
            self._send_on(envelope)
            return
        self._park(f"admit to {envelope.address}", self._admit(envelope, command, admit))

    async def _admit(self, envelope: Envelope, command: Command, admit: Callable[[], Awaitable[None]]) -> None:
        """Send it on once its sender is admitted, then what came after it."""
        try:
            await admit()
            self._send_on(envelope)
        except CommonroomError as error:
            self._failed(command, error)
        finally:
            self._unpark()
