"""No secret in any log: all that is logged during a run is searched for what the tests type, and for what we mint (RELIABILITY S6).

A value that is a test's own to choose holds `CANARY`: passwords, texts of messages, names of nobody. What we mint is known by its form.
In-process nodes log through `Sink`, logs of processes are searched when these end (`search_file`); whichever test is under way then fails.
"""

import io
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from commonroom.log import configure

__all__ = ["CANARY", "FOUND", "Searched", "Sink", "leaks", "listen", "search", "search_file"]

CANARY: Final = "canary"

WORDS: Final = (CANARY, "horse battery", "hunter2", "a new one, longer")
"""What tests type where something must stay secret."""

FORMS: Final = {
    "a token": r"eyJ[\w-]{8,}\.[\w-]{8,}",
    "a secret": r"(?<![\w.+/-])(?=[\w-]{0,42}[0-9])(?=[\w-]{0,42}[A-Z])(?=[\w-]{0,42}[a-z])[\w-]{43}(?![\w+/=-])",
    "a password's hash": r"\$argon2",
}
"""Tokens are JSON Web Tokens; secrets of letters, flows and keys have 256 bits, URL-safe (`ids.new_secret`)."""

PATTERN: Final = re.compile("|".join([*map(re.escape, WORDS), *FORMS.values()]))
BROWSERS: Final = '"logger":"httpx"'
"""Tests browse with the library that our sign-in uses, and it logs addresses: a browser's hold what ours never do."""

MOST_SHOWN: Final = 300
FOUND: Final[list[str]] = []
"""What was found and not told yet."""


def leaks(text: str) -> Iterator[str]:
    """What should not be there, each with where it stands."""
    for found in PATTERN.finditer(text):
        start = max(0, text.rfind("\n", 0, found.start()) + 1, found.start() - MOST_SHOWN)
        yield f"{found[0]!r} in {text[start : found.end() + 40]!r}"


def search(where: str, text: str) -> None:
    """Note what was leaked there, in one line or several."""
    FOUND.extend(f"{where}: {leak}" for leak in leaks(text))


def search_file(log: Path, start: int = 0) -> int:
    """Search a log from this byte on; where it ends."""
    if not log.exists():
        return start
    with log.open("rb") as file:
        file.seek(start)
        data = file.read()
    search(log.name, data.decode(errors="replace"))
    return start + len(data)


def _listen_to(where: str, line: str) -> None:
    if BROWSERS not in line:
        search(where, line)


class Searched(io.StringIO):
    """Keeps what is logged, and searches it."""

    def write(self, text: str) -> int:
        _listen_to("a log", text)
        return super().write(text)


class Sink(io.StringIO):
    """Searches what is logged and passes it on to the output of the test."""

    def write(self, text: str) -> int:
        _listen_to("this process", text)
        return sys.stdout.write(text)


def listen() -> None:
    """From now on this process logs through a `Sink`, as a server does, in lines of JSON."""
    configure("info", "json", Sink())
    logging.captureWarnings(capture=False)  # they are the tests' errors
    logging.getLogger("aiohttp.access").setLevel(logging.CRITICAL)  # of tests' own servers: ours keep none
