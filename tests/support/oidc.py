"""A real OpenID Connect provider as a process of its own (`oidc-provider-mock`), and the person in front of it."""

import json
import os
import re
import sys
import threading
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import httpx

from commonroom.storage.embedded.process import Identity, launch

__all__ = ["OidcProcess", "query_of"]

READY = re.compile(rb"Uvicorn running on (http://127\.0\.0\.1:\d+)")


def query_of(url: str) -> dict[str, str]:
    """The parameters of a callback's URL."""
    return dict(parse_qsl(urlsplit(url).query))


class OidcProcess:
    """Signs with RS256 and knows no client: any id and secret will do. For use as a context, from the main thread."""

    def __init__(self, users: Mapping[str, Mapping[str, Any]]) -> None:
        claims = [f"--user-claims={json.dumps({'sub': sub, **fields})}" for sub, fields in users.items()]
        command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", "0", "--require-nonce", "true", *claims]
        read, write = os.pipe()
        with os.fdopen(write, "wb") as output:
            self._process = launch(Identity("plain", os.geteuid(), os.getegid()), command, output)
        self._log = os.fdopen(read, "rb")
        self.issuer = self._ready()
        self._reader = threading.Thread(target=self._log.read)  # or the process would stall on a full pipe
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._reader.join(20)
        self._log.close()

    def _ready(self) -> str:
        said = []
        for line in self._log:
            said.append(line)
            if found := READY.search(line):
                return found[1].decode()
        raise AssertionError(b"".join(said).decode())

    async def agree(self, authorize_url: str, sub: str) -> str:
        """What a person does on the provider's page: the URL the browser is sent back to."""
        return await self._post(authorize_url, {"sub": sub})

    async def deny(self, authorize_url: str) -> str:
        return await self._post(authorize_url, {"action": "deny"})

    async def _post(self, url: str, form: dict[str, str]) -> str:
        async with httpx.AsyncClient(trust_env=False) as browser:
            answer = await browser.post(url, data=form)
        assert answer.is_redirect, answer.text
        return answer.headers["Location"]
