"""Guests and rooms, made over HTTP as any client makes them."""

from types import TracebackType
from typing import Any, Self

import aiohttp

from commonroom.errors import Unavailable

__all__ = ["Accounts"]

TIMEOUT_S = 20.0


class Accounts:
    """An HTTP client of one server; use it as a context manager.

    Args:
        source: the address to come from, as limits count by it; empty: any.

    Every method raises `Unavailable` with the server's own words when it refuses.
    """

    def __init__(self, url: str, source: str = "") -> None:
        self._url = url
        connector = aiohttp.TCPConnector(limit=32, local_addr=(source, 0) if source else None)
        self._http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S), cookie_jar=aiohttp.DummyCookieJar(), connector=connector
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def guest(self, name: str) -> str:
        """A new guest's access token."""
        made = await self._post("/v1/guests", {"name": name, "cookie": False})
        token: str = made["accessToken"]
        return token

    async def user(self, address: str, password: str) -> str:
        """The access token of a user, who signs in by password."""
        token: str = (await self._post("/v1/auth/login", {"email": address, "password": password, "cookie": False}))["accessToken"]
        return token

    async def ws_token(self, secret: str) -> str:
        """A token for one socket."""
        token: str = (await self._post("/v1/ws-token", {}, secret))["token"]
        return token

    async def room(self, secret: str, title: str) -> str:
        """A new unlisted room's id."""
        room: str = (await self._post("/v1/rooms", {"title": title}, secret))["id"]
        return room

    async def _post(self, path: str, body: object, secret: str = "") -> Any:
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        try:
            async with self._http.post(self._url + path, json=body, headers=headers) as answer:
                if answer.status >= 400:
                    raise Unavailable(f"{path} answers {answer.status}: {(await answer.text())[:200]}")
                return await answer.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(f"{path} does not answer: {error}") from None
