"""How anything reaches an actor: by address and message, wherever it lives."""

from typing import Protocol

from msgspec import Struct

from commonroom.engine.address import Address
from commonroom.engine.envelope import Envelope
from commonroom.identity import Authority, Principal
from commonroom.protocol.wire import Command, ServerMessage

__all__ = ["Router"]


class Router(Protocol):
    """One node: straight to the host. Several: by slot, over the bus (step 3)."""

    def send(self, envelope: Envelope) -> None:
        """Deliver a command. Overflow and unreachable owners answer RETRY through the origin."""
        ...

    async def ask(
        self, address: Address, command: Command, authority: Authority | None, timeout_s: float = 5.0, key: str | None = None
    ) -> ServerMessage:
        """Send a command and wait for its reply. `command.ref` must be > 0.

        `key` and an authority of None are for commands that no client sent, see `Envelope`.

        Raises:
            CommonroomError: the actor's refusal.
            Unavailable: no answer within `timeout_s`; the outcome is unknown.
        """
        ...

    async def view(
        self, address: Address, authority: Authority, action: str, timeout_s: float = 5.0, hidden: frozenset[Principal] = frozenset()
    ) -> Struct:
        """The actor's `view`, if it exists and `may(authority, action)`, without these people.

        Raises:
            NotFound: it does not exist, or it must look so to this principal.
            Unavailable: no answer within `timeout_s`.
        """
        ...
