"""A whole server with letters and two sign-in providers, and the browsers in front of it."""

import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple

from playwright.async_api import Browser, Route, expect

from tests.support.browser import Visitor, open_browser
from tests.support.github import GithubServer
from tests.support.mail import MailServer
from tests.support.oidc import OidcProcess
from tests.support.postgres import fill
from tests.support.server import ServerProcess

__all__ = ["PASSWORD", "SCHOOL", "Stage", "Users", "is_user", "open_stage", "skip_username"]

Users = dict[str, dict[str, object]]

PASSWORD = "correct horse battery"
SCHOOL = "COMMONROOM_PROVIDERS__OIDC__SCHOOL__"
CODE = re.compile(r"\b([0-9]{6})\b")
LINK = re.compile(r"https?://\S+/login/link#\S+")
STYLES = "https://cdn.jsdelivr.net/"
"""Where the provider's own page would load its styles from; they stay away."""


class Stage(NamedTuple):
    """What the tests of signing in share. Accounts are theirs alone: each takes addresses of its own."""

    server: ServerProcess
    browser: Browser
    mail: MailServer
    github: GithubServer
    issuer: str
    addresses: "count[int]"

    async def visitor(self, **options: object) -> Visitor:
        """Somebody at an address of their own, as limits count by address."""
        headers = {"X-Forwarded-For": f"198.51.100.{next(self.addresses)}"}
        visitor = await Visitor.open(self.browser, self.server.url, extra_http_headers=headers, **options)
        visitor.elsewhere = (self.github.url, self.issuer, STYLES)
        await visitor.context.route(f"{STYLES}**", _refuse)
        return visitor

    async def by_school(self, one: Visitor, who: str) -> None:
        """From any page: the link in the top bar, the provider's button, and the one of the provider's own page."""
        await one.by("sign-in-link").click()
        await one.by("provider-school").click()
        await one.page.get_by_role("button", name=who, exact=True).click()

    async def by_letter(self, one: Visitor, email: str, number: int = 1) -> None:
        """A user by the code of a letter, without the page: the next one that is opened finds the cookie."""
        request, ours = one.page.request, {"Origin": one.url}
        await request.post(f"{one.url}/v1/auth/magic", data={"email": email}, headers=ours)
        proof = {"email": email, "code": await self.code(email, number)}
        assert (await request.post(f"{one.url}/v1/auth/confirm", data=proof, headers=ours)).ok
        await self._remember(one)

    async def in_by_code(self, one: Visitor, email: str) -> None:
        """From the page of signing in."""
        await one.by("way-link").click()
        await one.by("email").fill(email)
        await one.by("send-letter").click()
        await one.by("code").fill(await self.code(email))
        await one.by("confirm-code").click()

    async def by_password(self, one: Visitor, email: str) -> None:
        """As `by_letter`, for who has `PASSWORD`."""
        proof = {"email": email, "password": PASSWORD}
        assert (await one.page.request.post(f"{one.url}/v1/auth/login", data=proof, headers={"Origin": one.url})).ok
        await self._remember(one)

    async def _remember(self, one: Visitor) -> None:
        """The page asks who it is where somebody was before."""
        await one.page.route(f"{one.url}/blank", _blank)
        await one.page.goto(f"{one.url}/blank")
        await one.page.evaluate("localStorage.setItem('commonroom:guest', '1')")

    async def code(self, email: str, number: int = 1) -> str:
        """What the letter that came as this number says to type."""
        found = CODE.search((await self.mail.sent_to(email, number)).text)
        assert found is not None
        return found[1]

    async def link(self, email: str, number: int = 1) -> str:
        """What the letter that came as this number says to open."""
        found = LINK.search((await self.mail.sent_to(email, number)).text)
        assert found is not None
        return found[0]


async def is_user(one: Visitor) -> None:
    """On a page whose top bar would offer to sign in; elsewhere, once the person went on from there."""
    await skip_username(one)
    await expect(one.by("sign-in-link")).to_have_count(0)


async def skip_username(one: Visitor) -> None:
    """Says "later" where a username is offered, which is once in every browser."""
    await one.by("username-later").click()


async def _blank(route: Route) -> None:
    await route.fulfill(body='<!doctype html><title>blank</title><link rel="icon" href="data:,">', content_type="text/html")


async def _refuse(route: Route) -> None:
    await route.abort()


@asynccontextmanager
async def open_stage(users: Users, made: Path) -> AsyncIterator[Stage]:
    """A started server that knows a GitHub, a school (OpenID Connect) and a mail server."""
    folder = _folder()
    with OidcProcess(users) as oidc:
        async with GithubServer() as github, MailServer() as mail, open_browser() as browser:
            fill(folder / "data", made)
            server = ServerProcess(folder / "data", _environment(github, mail, oidc.issuer))
            await server.start()
            github.redirect_uris.add(f"{server.url}/v1/auth/github/callback")
            yield Stage(server, browser, mail, github, oidc.issuer, count(1))
            await server.close()
    shutil.rmtree(folder, ignore_errors=True)


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="cr-"))
    folder.chmod(0o755)  # the database has a user of its own
    return folder


def _environment(github: GithubServer, mail: MailServer, issuer: str) -> dict[str, str]:
    hub = {f"COMMONROOM_PROVIDERS__GITHUB__{name.upper()}": getattr(github.settings, name) for name in github.settings.__struct_fields__}
    school = {"LABEL": "My school", "ISSUER": issuer, "CLIENT_ID": "rooms", "CLIENT_SECRET": "school-hunter2"}
    return {
        **hub,
        **{f"{SCHOOL}{name}": value for name, value in school.items()},
        "COMMONROOM_MAIL__SMTP_URL": mail.url,
        "COMMONROOM_MAIL__SENDER": "Commonroom <rooms@example.org>",
        "COMMONROOM_HTTP__TRUSTED_PROXIES": "127.0.0.1/32",
    }
