"""Sends every message back: for conformance suites against the real connection class."""

from commonroom.engine.gateway.connection import Connection
from commonroom.protocol.frame import BINARY, TEXT, frame

__all__ = ["Echo"]


class Echo:
    """The handler of the echo listener (`COMMONROOM_ECHO_PORT`)."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection, subprotocol: str | None, accepted_s: float) -> None:
        self._connection = connection

    def received(self, data: bytes | bytearray, text: bool) -> None:
        self._connection.outbox.write(frame(bytes(data), TEXT if text else BINARY))

    def congested(self) -> None:
        """Nothing is written but answers, and nothing is read now."""

    def drained(self) -> None:
        """Nothing waits for it."""

    def tick(self, now_s: float) -> float | None:
        return None

    def ended(self) -> None:
        """Nothing to undo."""
