"""Who attacks: strangers, guests, users, an admin. Whose attack has ended their own account or session gets another one."""

import asyncio
from itertools import count
from typing import Any, Final, Literal

import aiohttp

from commonroom.account.password import Passwords
from commonroom.ids import new_id
from commonroom.storage.pool import Database
from commonroom.storage.repository.user import NewUser, Users
from tests.fuzz.value import Pool
from tests.support.leak import CANARY

__all__ = ["KINDS", "Kind", "People"]

Kind = Literal["stranger", "guest", "user", "admin"]
KINDS: Final[tuple[Kind, ...]] = ("stranger", "guest", "user", "admin")
PASSWORD: Final = f"{CANARY} horse battery"
TRIES: Final = 10


class People:
    """Keeps one access token for each kind that has any.

    Args:
        dsn: of the server's database: accounts are made without letters.
        pool: learns the tokens, and who they are of.
    """

    def __init__(self, url: str, dsn: str, http: aiohttp.ClientSession, pool: Pool) -> None:
        self._url = url
        self._dsn = dsn
        self._http = http
        self._pool = pool
        self._tokens: dict[Kind, str] = {}
        self._locks = {kind: asyncio.Lock() for kind in KINDS}
        self._numbers = count(1)
        self._hash = ""

    async def open(self) -> None:
        """Make the first of each."""
        passwords = Passwords()
        self._hash = await passwords.hash(PASSWORD)
        passwords.close()
        for kind in KINDS:
            await self.token(kind)

    async def token(self, kind: Kind, instead_of: str = "") -> str:
        """An access token, another one than the given; empty for strangers."""
        async with self._locks[kind]:
            if kind != "stranger" and self._tokens.get(kind, "") == instead_of:
                self._tokens[kind] = await (self._guest() if kind == "guest" else self._user(kind.upper()))
            return self._tokens.get(kind, "")

    async def ws_token(self, kind: Kind) -> str:
        """A token for a socket; for strangers any that is none, or somebody else's."""
        bearer = await self.token(kind)
        if kind == "stranger":
            return "no token"
        for _ in range(TRIES):
            status, body = await self.call("POST", "/v1/ws-token", {}, bearer)
            if status == 200:
                token: str = body["token"]
                self._pool.learn("token", token)
                self._pool.learn("grant", token)
                return token
            bearer = await self.token(kind, bearer)
        raise AssertionError(f"a new {kind} gets no ws token: {status} {body}")

    async def call(self, method: str, path: str, body: Any = None, bearer: str = "") -> tuple[int, Any]:
        """A request as it should be."""
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        async with self._http.request(method, self._url + path, json=body, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def _guest(self) -> str:
        status, body = await self.call("POST", "/v1/guests", {"name": "Ada", "cookie": False})
        assert status == 201, body
        return self._signed_in(body)

    async def _user(self, role: Any) -> str:
        number, now = next(self._numbers), 1
        address = f"{CANARY}{number}@example.org"
        database = await Database.open(self._dsn)
        try:
            new = NewUser(new_id(now), "Ada", "ada", address, address, self._hash, role)
            assert await Users(database).create(new, now)
        finally:
            await database.close()
        status, body = await self.call("POST", "/v1/auth/login", {"email": address, "password": PASSWORD, "cookie": False})
        assert status == 200, body
        if role == "USER":
            self._pool.learn("email", address)
        return self._signed_in(body)

    def _signed_in(self, body: Any) -> str:
        if body["role"] != "ADMIN":  # else an attacker could ban the admin, and none would be left
            actor = body["principal"]
            known = {"id": actor["actorId"], "who": f"{actor['actorType']}:{actor['actorId']}", "session": body["sessionId"]}
            for name, one in {**known, "actor_id": actor["actorId"], "refresh_token": body["refreshToken"]}.items():
                self._pool.learn(name, one)
        token: str = body["accessToken"]
        return token
