"""What a sign-in provider is to the rest: a page to send people to, and who came back."""

from typing import Final, NamedTuple, Protocol

from commonroom.account.address import parse_address
from commonroom.errors import Invalid

__all__ = ["Identity", "Provider", "identity"]

MAX_NAME_CHARS: Final = 64


class Identity(NamedTuple):
    """Who the provider says somebody is.

    `provider` and `subject` together are the key: 1-32 and 1-255 characters, stable over
    renames. `email` has the form of `parse_address`. `email_verified` is true only where the
    provider itself says so of this address: no account may be found by any other
    (RELIABILITY T13). `name` is a suggestion, 0-64 printable characters.
    """

    provider: str
    subject: str
    email: str | None
    email_verified: bool
    name: str


class Provider(Protocol):
    """One configured provider. Its methods raise `SignInError`, and nothing else that a provider could cause."""

    @property
    def name(self) -> str:
        """Its key in settings, URLs and `sign_in_method`: 1-32 of a-z, 0-9 and -."""
        ...

    @property
    def label(self) -> str:
        """What people read on the button."""
        ...

    @property
    def issuer(self) -> str | None:
        """What `iss` in a callback must be, should it be there (RFC 9207); None: such a provider has none."""
        ...

    async def authorize_url(self, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Where to send the browser: code flow with PKCE S256. May fetch the provider's discovery document, which is kept."""
        ...

    async def identify(self, code: str, redirect_uri: str, nonce: str, verifier: str) -> Identity:
        """Who the code stands for. Uses it up; the other arguments are those of `authorize_url`."""
        ...


def identity(provider: str, subject: str, email: object, email_verified: object, name: object) -> Identity:
    """An identity of what a provider said, where anything but the subject may be missing or of another kind.

    Only the boolean `true` verifies an address: `"false"` is true in many languages, so no text is believed.
    """
    address = _address(email)
    return Identity(provider, subject, address, address is not None and email_verified is True, _name(name))


def _address(email: object) -> str | None:
    if not isinstance(email, str):
        return None
    try:
        return parse_address(email)
    except Invalid:
        return None


def _name(name: object) -> str:
    if not isinstance(name, str):
        return ""
    words = " ".join(name.split())
    return "".join(char for char in words if char.isprintable())[:MAX_NAME_CHARS].strip()
