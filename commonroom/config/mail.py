"""The forms of the mail settings, for those who check them and for who sends."""

import re
from email.headerregistry import Address
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

__all__ = ["SmtpServer", "sender_of", "smtp_server_of"]

PORTS = {"smtp": 587, "smtps": 465}
"""Submission (RFC 6409), and submission over TLS from the first byte (RFC 8314)."""

ATOMS = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
LABELS = r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*"
SENDER = re.compile(rf"(?P<name>[^<>]*)<(?P<address>{ATOMS}@{LABELS})>|(?P<bare>{ATOMS}@{LABELS})")


class SmtpServer(NamedTuple):
    """Where letters are handed in. Never logged: it holds the password."""

    host: str
    port: int
    tls: bool
    """TLS from the first byte; else STARTTLS decides."""
    username: str | None
    password: str


def smtp_server_of(url: str) -> SmtpServer:
    """`smtp[s]://[user:password@]host[:port]`, user and password percent-encoded.

    Raises:
        ValueError: of another form. Its text is not fit to be shown: it may hold the password.
    """
    parts = urlsplit(url)
    host, port = parts.hostname, parts.port
    if parts.scheme not in PORTS or not host or not _is_bare(parts) or port == 0:
        raise ValueError("not the URL of an SMTP server")
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(username) != bool(password) or not (username + password + host).isprintable():
        raise ValueError("not the login of an SMTP server")
    return SmtpServer(host, port or PORTS[parts.scheme], parts.scheme == "smtps", username or None, password)


def _is_bare(parts: SplitResult) -> bool:
    return parts.path in {"", "/"} and not parts.query and not parts.fragment and " " not in parts.netloc


def sender_of(text: str) -> Address:
    """The one address of a `From` header: `Commonroom <rooms@example.org>` or `rooms@example.org`.

    Raises:
        ValueError: of another form; an address of other than ASCII characters is not one every server takes.
    """
    found = SENDER.fullmatch(text)
    if found is None or not text.isprintable() or "=?" in text:  # an encoded word may hide line breaks
        raise ValueError("not a name and an address")
    name = (found["name"] or "").strip().removeprefix('"').removesuffix('"')
    return Address(name, addr_spec=found["address"] or found["bare"])
