"""What people may say about themselves. Everybody sees it, in pages and clients that are not all careful."""

import re
from typing import Final
from urllib.parse import urlsplit

from commonroom.errors import Invalid
from commonroom.http.body import is_plain

__all__ = ["MAX_AVATAR", "MAX_STATUS", "clean_avatar", "clean_status"]

MAX_STATUS: Final = 140
MAX_AVATAR: Final = 512

URL: Final = re.compile(r"(https://|/(?!/))[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]*")
"""RFC 3986 section 2, without the brackets of IPv6: no picture is there."""

OURS: Final = re.compile(r"/(?!v1/)[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
"""A file of this server. Not the API: a browser that shows a picture asks for it with the cookies of who looks."""


def clean_status(text: str) -> str:
    """A status line: trimmed, one line, empty or up to 140 characters.

    Raises:
        Invalid: it is longer, or holds control characters.
    """
    text = " ".join(text.split())
    if len(text) > MAX_STATUS:
        raise Invalid(f"a status has up to {MAX_STATUS} characters", field="$.statusText")
    if not is_plain(text):
        raise Invalid("a status must not hold control characters", field="$.statusText")
    return text


def clean_avatar(text: str) -> str:
    """Where somebody's picture is: empty, a https URL, or the path of a file of this server.

    Https in development too: what was set there would be refused once it is production.

    Raises:
        Invalid: it is something else.
    """
    text = text.strip()
    if text and not (len(text) <= MAX_AVATAR and URL.fullmatch(text) and (OURS.fullmatch(text) or _is_public(text))):
        raise Invalid("an avatar is a https URL, or the path of a file here", field="$.avatar")
    return text


def _is_public(url: str) -> bool:
    """Whether it names a host, and nothing but that before its path: `https://bank.example@evil.example/` would mislead people."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
    except ValueError:  # a port that is no number
        return False
