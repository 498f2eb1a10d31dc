"""Asking an actor and waiting for its answer; and the router of a node that is alone: straight to the host."""

import asyncio
from abc import ABC, abstractmethod
from asyncio import Future
from typing import Any

from msgspec import Struct

from commonroom.engine.address import Address
from commonroom.engine.envelope import Admission, Envelope, Query
from commonroom.engine.host import ActorHost
from commonroom.errors import CommonroomError, InternalError, Unavailable
from commonroom.identity import Authority, Principal
from commonroom.protocol.wire import Command, ServerMessage

__all__ = ["Asker", "LocalRouter"]


class _Answer:
    """An origin that waits for one answer."""

    def __init__(self) -> None:
        self.future: Future[Any] = asyncio.get_running_loop().create_future()

    def replied(self, _ref: int, message: ServerMessage) -> None:
        if not self.future.done():
            self.future.set_result(message)

    def refused(self, _ref: int, error: CommonroomError) -> None:
        if not self.future.done():
            self.future.set_exception(error)

    def admitted(self, _ref: int, _admission: Admission) -> None:
        if not self.future.done():
            self.future.set_exception(InternalError("a join cannot be asked"))


class Asker(ABC):
    """`ask` and `view` of a `Router`, over its `send`."""

    @abstractmethod
    def send(self, envelope: Envelope) -> None:
        """See `Router.send`."""

    async def ask(
        self, address: Address, command: Command, authority: Authority | None, timeout_s: float = 5.0, key: str | None = None
    ) -> ServerMessage:
        message: ServerMessage = await self._answer(Envelope(address, command, authority, None, key=key), timeout_s)
        return message

    async def view(
        self, address: Address, authority: Authority, action: str, timeout_s: float = 5.0, hidden: frozenset[Principal] = frozenset()
    ) -> Struct:
        view: Struct = await self._answer(Envelope(address, Query(action, hidden), authority, None), timeout_s)
        return view

    async def _answer(self, envelope: Envelope, timeout_s: float) -> Any:
        envelope.origin = answer = _Answer()
        self.send(envelope)
        try:
            async with asyncio.timeout(timeout_s):
                return await answer.future
        except TimeoutError:
            raise Unavailable(f"no answer from {envelope.address} within {timeout_s} s") from None


class LocalRouter(Asker):
    """Implements `Router` over one `ActorHost`."""

    def __init__(self, host: ActorHost) -> None:
        self._host = host

    def send(self, envelope: Envelope) -> None:
        self._host.deliver(envelope)
