"""Two people who talk in a room of theirs, whatever goes on around them: all of it arrives, in order, once."""

import asyncio
from itertools import count
from typing import Final

from websockets.exceptions import ConnectionClosed

from commonroom.protocol.chat import MessageCreate
from commonroom.protocol.session import Reply
from tests.fuzz.ledger import Ledger
from tests.support.client import Guest, Peer, Refused, until
from tests.support.leak import CANARY

__all__ = ["Witness"]

PAUSE_S: Final = 0.03
TOGETHER: Final = 1500
"""Messages after which others take the two places: a token for a socket lives five minutes."""


class Witness:
    """Speaks until told to stop.

    Attributes:
        said: messages that were acknowledged.
    """

    def __init__(self, url: str, ledger: Ledger) -> None:
        self.said = 0
        self._url = url
        self._ledger = ledger
        self._room = ""
        self._stopping = False

    async def open(self) -> None:
        """Find the room."""
        self._room = await (await Guest(self._url, "founder").sign_in()).create_room("The witness's")

    async def witness(self) -> None:
        """Until `stop`; what goes wrong is in the ledger."""
        while not self._stopping:
            try:
                await self._together()
            except (Refused, ConnectionClosed, TimeoutError, OSError, AssertionError) as error:
                self._ledger.fail(f"the witness, message {self.said}: {type(error).__name__} {error}")
                return

    def stop(self) -> None:
        self._stopping = True

    async def _together(self) -> None:
        speaker, listener = [await self._enter() for _ in range(2)]
        numbers = count()
        before = self.said
        while not self._stopping and next(numbers) < TOGETHER:
            answer = await speaker.request("message.send", room=self._room, text=f"{CANARY} {self.said}", nonce=f"witness-{self.said:08}")
            assert isinstance(answer, Reply)
            self.said += 1
            await asyncio.sleep(PAUSE_S)
        for peer in (speaker, listener):
            await until(lambda: len(self._heard(peer)) >= self.said - before, "what the witness said")  # noqa: B023
            heard = self._heard(peer)
            assert [one.text for one in heard] == [f"{CANARY} {number}" for number in range(before, self.said)], "not what was said"
            assert [one.offset for one in heard] == list(range(before + 2, self.said + 2)), "not where it was said"
            await peer.close()

    async def _enter(self) -> Peer:
        guest = await Guest(self._url, "witness").sign_in()
        peer = await Peer.open(self._url.replace("http", "ws", 1) + "/v1/ws", await guest.ws_token())
        await peer.request("room.join", room=self._room)
        return peer

    def _heard(self, peer: Peer) -> list[MessageCreate]:
        return peer.pushes(self._room, MessageCreate)
