"""What people bring to sign in, and what they get."""

from typing import Literal, NamedTuple, TypeAlias

from commonroom.account.address import email_key, parse_address
from commonroom.account.login import SignedIn
from commonroom.errors import Invalid
from commonroom.storage.repository.login_session import LoginSession

__all__ = ["UNNAMED", "Confirmed", "Identified", "Proof", "Purpose", "Visitor", "account_key"]

Purpose: TypeAlias = Literal["register", "sign-in", "address"]
"""What the letter is about that `confirm` answers."""

UNNAMED = "Newcomer"
"""The name of who gave none."""


class Visitor(NamedTuple):
    """Who signs in: the login session there is, if any, and what they use."""

    login: LoginSession | None
    agent: str

    @property
    def guest(self) -> LoginSession | None:
        """The one that becomes the user's."""
        return self.login if self.login is not None and self.login.principal.actor_type == "guest" else None


class Proof(NamedTuple):
    """What a letter said: its link's token, or the address and its code.

    `registration`: what `register` told, if this is who asked for the letter.
    """

    token: str | None = None
    email: str | None = None
    code: str | None = None
    registration: str | None = None


class Confirmed(NamedTuple):
    """Whoever answered a letter, and what it was about."""

    signed_in: SignedIn
    purpose: Purpose


class Identified(NamedTuple):
    """Who somebody is to a provider; `email` only where the provider has verified it."""

    provider: str
    subject: str
    email: str | None
    name: str


def account_key(email: str) -> str:
    """How a typed address is looked up; what is none is nobody's."""
    try:
        return email_key(parse_address(email))
    except Invalid:
        return ""
