"""What a client signs in with: a login, and a token from it that is renewed before it ends."""

import asyncio

import aiohttp

from tests.chaos.ledger import Ledger
from tests.support.client import Guest

__all__ = ["Ticket"]

CALL_S = 2.0
RENEW_S = 200.0
"""Of the 300 s that a token lives."""


class Ticket:
    """The login of a guest."""

    def __init__(self, guest: Guest, ledger: Ledger) -> None:
        self.name = guest.name
        self.sid = guest.principal["actorId"]
        self._guest = guest
        self._ledger = ledger
        self._token = ""
        self._renew_s = 0.0

    async def token(self, port: int) -> str:
        """A token with some life left, if need be from the node at `port`.

        Raises:
            OSError: it gives none now.
        """
        now = self._ledger.now()
        if now < self._renew_s:
            return self._token
        self._guest.url = f"http://127.0.0.1:{port}"
        try:
            async with asyncio.timeout(CALL_S):
                status, body = await self._guest.call("POST", "/v1/ws-token", {})
        except aiohttp.ClientError as error:
            raise ConnectionError(str(error)) from None
        if status not in {200, 201}:
            raise ConnectionError(f"no token: {status}")
        self._token, self._renew_s = body["token"], now + RENEW_S
        return self._token
