"""Typed bodies in, JSON out. Hostile bytes end in a 4xx, whatever they are (RELIABILITY R9-R11, A4)."""

import asyncio
import unicodedata
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from commonroom.errors import BadFrame, Invalid
from commonroom.http.services import SERVICES

__all__ = ["Body", "Number", "answer", "chosen", "clean_lines", "clean_name", "is_plain", "positive", "read", "read_or"]

MAX_NAME = 64
INVISIBLE = frozenset({"Cf", "Mn", "Me", "Zs"})
"""Categories that show nothing by themselves; joiners and accents are fine beside something visible."""

UNPRINTABLE = frozenset({"Cc", "Cs", "Co", "Cn"})
TURNING = frozenset("\u202a\u202b\u202d\u202e\u2066\u2067\u2068")

LARGEST_NUMBER = 10**16 - 1
Number = Annotated[int, Meta(ge=1, le=LARGEST_NUMBER)]
"""A whole number of the query string, as `positive` reads it."""

T = TypeVar("T", bound=Struct)
Choice = TypeVar("Choice", bound=str)


class Body(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Base of request bodies: unknown fields are refused, names are camelCase."""


async def read(request: web.Request, kind: type[T]) -> T:
    """The request's JSON body.

    Raises:
        Invalid: a field is of the wrong type, out of range or unknown; names the field.
        BadFrame: no JSON at all, not declared as JSON, or too slow.
    """
    if request.content_type != "application/json":
        raise BadFrame("the body must be application/json")
    try:
        data = await _whole(request)
    except web.RequestPayloadError:
        raise BadFrame("the body does not unpack") from None
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `")
        raise Invalid(message[:200].lower(), field=path.rstrip("`") or "$") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise BadFrame("the body is not valid JSON") from None


async def _whole(request: web.Request) -> bytes:
    if request.content.is_eof():  # it came with its head, as most do
        return await request.read()
    limit_s = request.app[SERVICES].settings.request_timeout_s
    try:
        async with asyncio.timeout(limit_s):
            return await request.read()
    except TimeoutError:
        raise BadFrame(f"the body did not arrive within {limit_s:g} s") from None


async def read_or(request: web.Request, default: T) -> T:
    """As `read`; no body at all is the default."""
    return await read(request, type(default)) if request.can_read_body else default


def answer(body: Any, status: int = 200) -> web.Response:
    """A JSON response."""
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")


def clean_name(name: str) -> str:
    """A person's name: trimmed, one line, 1 to 64 code points.

    Raises:
        Invalid: nothing of it is visible, it is too long, or holds control characters.
    """
    name = " ".join(name.split())
    if len(name) > MAX_NAME or all(unicodedata.category(char) in INVISIBLE for char in name):
        raise Invalid(f"a name has 1 to {MAX_NAME} characters", field="$.name")
    if not is_plain(name):
        raise Invalid("a name must not hold control characters", field="$.name")
    return name


def clean_lines(text: str, field: str) -> str:
    """A text of several lines, trimmed; perhaps empty.

    Raises:
        Invalid: it holds control characters besides line breaks and tabs.
    """
    if not is_plain(text.replace("\n", " ").replace("\r", " ").replace("\t", " ")):
        raise Invalid(f"{field} must not hold control characters", field=f"$.{field}")
    return text.strip()


def is_plain(text: str) -> bool:
    """Whether it shows what it says: no control characters, none that turn the direction of what surrounds it, none that are unassigned."""
    return not any(unicodedata.category(char) in UNPRINTABLE or char in TURNING for char in text)


def positive(request: web.Request, name: str, default: int | None, largest: int) -> int | None:
    """A whole number of the query string, 1 to `largest`, clamped from above.

    Raises:
        Invalid: it is no whole number, or below 1.
    """
    text = request.query.get(name)
    if text is None or text == "":
        return default
    if len(text) > len(str(LARGEST_NUMBER)) or not text.isascii() or not text.isdigit() or int(text) < 1:
        raise Invalid(f"{name} must be a whole number of at least 1", field=name)
    return min(int(text), largest)


def chosen(request: web.Request, name: str, choices: Sequence[Choice]) -> Choice | None:
    """A word of the query string; None: it is left out. Raises Invalid: it is none of these."""
    text = request.query.get(name) or None
    if text is None:
        return None
    for choice in choices:
        if choice == text:
            return choice
    raise Invalid(f"{name} is {' or '.join(choices)}", field=name)
