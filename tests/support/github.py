"""A server in the form of GitHub's: OAuth 2.0 without id tokens, and the two pages of its API that tell who somebody is.

Its rules are those of GitHub's documentation: refusals have status 200, the answer is JSON only
if asked for, the redirect URI is compared exactly (stricter than GitHub, which takes subfolders), and a code is used once.
"""

import html
import secrets
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any, NamedTuple, Self
from urllib.parse import urlencode

import httpx
from aiohttp import web

from commonroom.config.settings import GithubSettings

__all__ = ["GithubServer", "Person"]

CLIENT_ID = "Iv1.commonroom"
CLIENT_SECRET = "gh-hunter2"


class Person(NamedTuple):
    """Somebody with an account there."""

    id: int
    login: str
    name: str | None
    emails: list[dict[str, Any]]


class _Grant(NamedTuple):
    """What a code was issued for."""

    login: str
    redirect_uri: str
    challenge: str
    scope: str


class GithubServer:
    """`async with GithubServer(redirect_uris) as github`: a free port of loopback, one registered client."""

    def __init__(self, *redirect_uris: str) -> None:
        self.redirect_uris = set(redirect_uris)
        self.people = {
            "ada": Person(1815, "ada", "Ada Lovelace", [_email("old@example.org", primary=False), _email("ada@example.org")]),
            "bob": Person(1938, "bob", None, [_email("bob@example.org", verified=False)]),
        }
        self.url = ""
        self.asked: list[str] = []
        """Paths in the order of requests."""
        self._codes: dict[str, _Grant] = {}
        self._tokens: dict[str, _Grant] = {}
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._record])
        app.add_routes(
            [
                web.get("/login/oauth/authorize", self._page),
                web.post("/login/oauth/authorize", self._agreed),
                web.post("/login/oauth/access_token", self._token),
                web.get("/user", self._user),
                web.get("/user/emails", self._emails),
            ]
        )
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_exception: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    @property
    def settings(self) -> GithubSettings:
        """How Commonroom is told of it."""
        oauth = f"{self.url}/login/oauth"
        return GithubSettings(CLIENT_ID, CLIENT_SECRET, f"{oauth}/authorize", f"{oauth}/access_token", self.url)

    async def agree(self, authorize_url: str, login: str) -> str:
        """What a person does on the page: the URL the browser is sent back to."""
        return await self._post(authorize_url, {"login": login})

    async def deny(self, authorize_url: str) -> str:
        return await self._post(authorize_url, {"deny": "1"})

    async def _post(self, url: str, form: dict[str, str]) -> str:
        async with httpx.AsyncClient(trust_env=False) as browser:
            answer = await browser.post(url, data=form)
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]

    @web.middleware
    async def _record(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked.append(request.path)
        response: web.StreamResponse = await handler(request)
        return response

    async def _page(self, request: web.Request) -> web.Response:
        self._check(request)
        buttons = "".join(f'<button name="login" value="{login}">Authorize as {html.escape(login)}</button>' for login in self.people)
        page = f'<!doctype html><title>GitHub</title><form method="post">{buttons}<button name="deny" value="1">Cancel</button></form>'
        return web.Response(text=page, content_type="text/html")

    async def _agreed(self, request: web.Request) -> web.Response:
        self._check(request)
        asked, form = request.query, await request.post()
        if "deny" in form:
            back = {"error": "access_denied", "error_description": "The user has denied your application access."}
        else:
            code = secrets.token_hex(10)
            self._codes[code] = _Grant(str(form["login"]), asked["redirect_uri"], asked["code_challenge"], asked["scope"])
            back = {"code": code}
        raise web.HTTPFound(f"{asked['redirect_uri']}?{urlencode({**back, 'state': asked['state']})}")

    def _check(self, request: web.Request) -> None:
        """What GitHub shows a page about, instead of sending anybody anywhere."""
        asked = request.query
        if asked["client_id"] != CLIENT_ID or asked["redirect_uri"] not in self.redirect_uris:
            raise web.HTTPNotFound(text="the redirect_uri is not associated with this application")
        if asked.get("code_challenge_method") != "S256" or not asked.get("code_challenge"):
            raise web.HTTPBadRequest(text="only S256")

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        answer = self._exchange({name: str(value) for name, value in form.items()})
        if "application/json" not in request.headers.get("Accept", ""):
            return web.Response(text=urlencode(answer), content_type="application/x-www-form-urlencoded")
        return web.json_response(answer)

    def _exchange(self, form: dict[str, str]) -> dict[str, str]:
        if form.get("client_id") != CLIENT_ID or form.get("client_secret") != CLIENT_SECRET:
            return {
                "error": "incorrect_client_credentials",
                "error_description": "The client_id and/or client_secret passed are incorrect.",
            }
        grant = self._codes.pop(form.get("code", ""), None)
        if grant is None or _challenge(form.get("code_verifier", "")) != grant.challenge:
            return {"error": "bad_verification_code", "error_description": "The code passed is incorrect or expired."}
        if form.get("redirect_uri") != grant.redirect_uri:
            return {"error": "redirect_uri_mismatch", "error_description": "The redirect_uri MUST match the registered callback URL."}
        token = f"gho_{secrets.token_hex(18)}"
        self._tokens[token] = grant
        return {"access_token": token, "scope": grant.scope.replace(" ", ","), "token_type": "bearer"}

    async def _user(self, request: web.Request) -> web.Response:
        person = self._bearer(request, "read:user")
        return web.json_response(
            {"id": person.id, "login": person.login, "name": person.name, "email": "public@example.org", "type": "User"}
        )

    async def _emails(self, request: web.Request) -> web.Response:
        return web.json_response(self._bearer(request, "user:email").emails)

    def _bearer(self, request: web.Request, scope: str) -> Person:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        grant = self._tokens.get(token) if kind == "Bearer" else None
        if grant is None:
            raise web.HTTPUnauthorized(text='{"message": "Bad credentials"}')
        if scope not in grant.scope.split() or "User-Agent" not in request.headers:
            raise web.HTTPForbidden(text='{"message": "Resource not accessible"}')
        return self.people[grant.login]


def _email(address: str, *, primary: bool = True, verified: bool = True) -> dict[str, Any]:
    return {"email": address, "primary": primary, "verified": verified, "visibility": "public" if primary else None}


def _challenge(verifier: str) -> str:
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
