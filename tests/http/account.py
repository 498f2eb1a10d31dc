"""Accounts made and signed in to over HTTP, with the letters that it takes."""

import asyncio
import re
from typing import NamedTuple

from commonroom.ids import new_id
from tests.http.api import Account, Answer, Api, account_of
from tests.support.mail import MailServer, Received

__all__ = ["PASSWORD", "Letter", "letter_to", "log_in", "register", "registered", "unused"]

PASSWORD = "correct horse battery"
LINK = re.compile(r"/login/link#[a-z-]+=(\S+)")
CODE = re.compile(r"^\s*(\d{6})\s*$", re.MULTILINE)


class Letter(NamedTuple):
    """What a letter carries."""

    token: str
    code: str
    text: str


def unused() -> str:
    return f"{new_id(0)}@example.org"


async def letter_to(mail: MailServer, address: str, count: int = 1) -> Letter:
    """The address's letter of that number."""
    async with asyncio.timeout(20):
        while len(found := [one for one in mail.letters if one.recipients == [address]]) < count:
            await mail.received(len(mail.letters) + 1)
    return opened(found[count - 1])


def opened(received: Received) -> Letter:
    link, code = LINK.search(received.text), CODE.search(received.text)
    return Letter(link[1] if link else "", code[1] if code else "", received.text)


async def registered(api: Api, mail: MailServer, address: str, headers: dict[str, str] | None = None) -> Account:
    """A user with a password, who was this guest if there are headers."""
    registration = await register(api, address)
    letter = await letter_to(mail, address)
    confirmed = await api.call("POST", "/v1/auth/confirm", {"token": letter.token, "registration": registration}, headers)
    assert confirmed.status == 200, confirmed.body
    assert confirmed.json["purpose"] == "register"
    return account_of(confirmed)


async def register(api: Api, address: str, password: str = PASSWORD, name: str = "Ada L.") -> str:
    """Ask for an account; what is to be brought with the letter."""
    asked = await api.call("POST", "/v1/auth/register", {"email": address, "password": password, "name": name})
    assert asked.status == 202, asked.body
    secret: str = asked.json["registration"]
    return secret


async def log_in(api: Api, address: str, password: str = PASSWORD, headers: dict[str, str] | None = None) -> Answer:
    return await api.call("POST", "/v1/auth/login", {"email": address, "password": password}, headers)
