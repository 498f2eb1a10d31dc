"""The letters we send: plain text, short, one link and one code at most.

A link carries its token in the fragment, which browsers do not send: no log of a server or
proxy ever holds it, and a scanner that fetches the page uses nothing up (RELIABILITY T14).
"""

from msgspec import Struct

from commonroom.account.address import parse_address
from commonroom.errors import Invalid

__all__ = [
    "Letter",
    "account_exists",
    "address_changed",
    "confirm_address",
    "confirm_registration",
    "link_to",
    "password_changed",
    "reset_password",
    "sign_in",
]

LINK_PATH = "/login/link"
MINUTE_MS = 60_000
NOT_YOU = "If this was not you, ignore this letter: nothing happens without the link or the code."


class Letter(Struct, frozen=True):
    """One letter to one person.

    Its representation says nothing of what is in it: text and address are not for logs.

    Raises:
        Invalid: `to` is no address, or the subject is not one printable line.
    """

    to: str
    subject: str
    text: str

    def __post_init__(self) -> None:
        parse_address(self.to)
        if not self.subject.isprintable() or "=?" in self.subject:  # as for addresses
            raise Invalid("a subject is one line of plain text", field="$.subject")

    def __repr__(self) -> str:
        return "Letter(…)"


def link_to(public_url: str, purpose: str, token: str) -> str:
    """Where a person uses a token up.

    Args:
        public_url: of this server, from its settings; never from a request's `Host`, which anybody can forge.
        purpose: what the token is for, so that the page asks for what belongs to it; one word of a-z and hyphens.
        token: in URL-safe characters.
    """
    return f"{public_url.rstrip('/')}{LINK_PATH}#{purpose}={token}"


def sign_in(to: str, link: str, code: str, ttl_ms: int) -> Letter:
    """The answer to "send me a link"."""
    return _with_code(
        to, "Sign in to Commonroom", "Somebody asked to sign in to Commonroom with this address.", link=link, code=code, ttl_ms=ttl_ms
    )


def confirm_registration(to: str, link: str, code: str, ttl_ms: int) -> Letter:
    """To an address that nobody has yet."""
    opening = "Somebody opened an account at Commonroom with this address. It is not there until the address is confirmed."
    return _with_code(to, "Confirm your address for Commonroom", opening, link=link, code=code, ttl_ms=ttl_ms)


def account_exists(to: str, sign_in_url: str) -> Letter:
    """Instead of `confirm_registration`, to the address of an account: on the page both look alike."""
    text = f"""Somebody tried to open an account at Commonroom with this address, which has one already.

Sign in, or choose a new password, here:
{sign_in_url}

If this was not you, ignore this letter: nothing has changed.
"""
    return Letter(to, "You have an account at Commonroom already", text)


def reset_password(to: str, link: str, code: str, ttl_ms: int) -> Letter:
    """The answer to "I forgot my password"."""
    opening = "Somebody asked for a new password for your account at Commonroom."
    return _with_code(to, "Choose a new password for Commonroom", opening, link=link, code=code, ttl_ms=ttl_ms)


def confirm_address(to: str, link: str, code: str, ttl_ms: int) -> Letter:
    """To the address that is to take the place of the one on file."""
    opening = "Somebody asked to use this address for their account at Commonroom."
    return _with_code(to, "Confirm your new address for Commonroom", opening, link=link, code=code, ttl_ms=ttl_ms)


def password_changed(to: str, reset_url: str) -> Letter:
    """After the fact, for the one case that it was somebody else."""
    text = f"""The password of your account at Commonroom was changed.

If this was not you, choose a new one at once:
{reset_url}
"""
    return Letter(to, "Your password was changed", text)


def address_changed(to: str) -> Letter:
    """To the former address, after the fact. The new one is not named: this mailbox may be somebody else's now."""
    text = """Your account at Commonroom has another address now. Letters no longer come here.

If this was not you, tell the operator of this server.
"""
    return Letter(to, "Your address was changed", text)


def _with_code(to: str, subject: str, opening: str, *, link: str, code: str, ttl_ms: int) -> Letter:
    minutes = ttl_ms // MINUTE_MS
    text = f"""{opening}

Open this link to go on:
{link}

Or type this code where you began:
{code}

Both are good for {minutes} minutes, and once. Give them to nobody.

{NOT_YOU}
"""
    return Letter(to, subject, text)
