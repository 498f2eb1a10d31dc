"""A bare HTTP client: every request says exactly what the test wrote, nothing is kept between two."""

from collections.abc import Mapping
from http.cookies import SimpleCookie
from typing import Any, NamedTuple

import aiohttp
import msgspec

from commonroom.app import Node
from commonroom.http.auth import COOKIE

__all__ = ["Account", "Answer", "Api"]

UNSAID = object()


class Answer(NamedTuple):
    """A response, read whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cookies: SimpleCookie

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    def problem(self, status: int, name: str) -> dict[str, Any]:
        """The body, checked to be a problem of that status and name that tells nothing of the inside."""
        assert self.status == status, self.body
        assert self.headers["Content-Type"] == "application/problem+json"
        body: dict[str, Any] = self.json
        assert (body["status"], body["name"]) == (status, name)
        assert body["requestId"] == self.headers["X-Request-Id"]
        assert body["title"]
        assert body["detail"]
        assert b"Traceback" not in self.body
        assert b".py" not in self.body
        return body


class Account(NamedTuple):
    """Somebody's login session: access and refresh token, and who it is."""

    access: str
    refresh: str
    principal: dict[str, str]
    sid: str

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access}"}

    @property
    def cookie(self) -> dict[str, str]:
        return {"Cookie": f"{COOKIE}={self.refresh}"}


def account_of(answer: Answer) -> Account:
    """What a sign-in answered, whose refresh token is in the cookie."""
    body = answer.json
    return Account(body["accessToken"], answer.cookies[COOKIE].value, body["principal"], body["sessionId"])


class Api:
    """The node under test, over real sockets."""

    def __init__(self, node: Node, session: aiohttp.ClientSession) -> None:
        self.node = node
        self.url = node.url
        self._session = session

    async def call(
        self,
        method: str,
        path: str,
        body: Any = UNSAID,
        headers: Mapping[str, str] | None = None,
        *,
        data: bytes | None = None,
        url: str | None = None,
    ) -> Answer:
        """One request; `body` goes as JSON, `data` as it is, declared as JSON unless `headers` say otherwise."""
        sent = dict(headers or {})
        if body is not UNSAID:
            data = msgspec.json.encode(body)
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        async with self._session.request(method, (url or self.url) + path, data=data, headers=sent, allow_redirects=False) as response:
            return Answer(response.status, response.headers, await response.read(), response.cookies)

    async def guest(self, name: str = "Ada") -> Account:
        return account_of(await self.call("POST", "/v1/guests", {"name": name}))

    async def room(self, owner: Account, title: str = "Reading room", **fields: Any) -> str:
        made = await self.call("POST", "/v1/rooms", {"title": title, **fields}, owner.bearer)
        assert made.status == 201, made.body
        room: str = made.json["id"]
        return room
