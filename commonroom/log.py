"""Logs: one JSON object a line on standard error, or lines for a person.

Facts go into key-value pairs, `structlog.get_logger().info("room_created", who=..., room=...)`;
`bound` adds who and where for everything logged within it. Never a body, a token or a
secret: what is named like one is cut out as the last line of defence (RELIABILITY S6).

Whom and which room a line is about stands in it as `actorType`, `actorId` and `roomId`, whoever logs it (FEATURES P32):
give it `who` (a principal), `room` (an id) or `address` (an actor's).
"""

import logging
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, Literal, Protocol, TextIO

import orjson
import structlog

__all__ = ["bound", "clean", "configure", "is_written"]

MAX_TEXT = 1000
MAX_TRACE = 16000
MAX_ITEMS = 32
MAX_DEPTH = 4
REDACTED = "[redacted]"
SECRET_WORDS = ("token", "secret", "password", "authorization", "cookie", "bearer", "dsn", "body")
TRACE_KEYS = frozenset({"exception", "stack"})

OURS = logging.getLogger("commonroom")
"""Holds the threshold; our own lines do not pass through it."""

ROOM = re.compile(r"(?:^|\s)room/([0-9a-z:._-]{1,120})")
"""A room's address, within a text."""

TEXTS = ("address", "task", "what")
"""Where one may stand: by itself, in a task's name, in a line of trouble."""

Event = MutableMapping[str, Any]


class Who(Protocol):
    """A principal; this layer does not know it."""

    @property
    def actor_type(self) -> str: ...

    @property
    def actor_id(self) -> str: ...


def configure(level: Literal["debug", "info", "warning", "error"], form: Literal["json", "console"], stream: TextIO | None = None) -> None:
    """Send all logs, the libraries' included, to `stream` (default standard error).

    Call once at start; calling it again replaces the former.
    """
    stream = stream or sys.stderr
    threshold = logging.getLevelNamesMapping()[level.upper()]
    OURS.setLevel(threshold)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
        _name_subjects,
        _clean_event,
    ]
    render: Any = _to_json if form == "json" else structlog.dev.ConsoleRenderer(colors=stream.isatty(), timestamp_key="time")
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    _configure_libraries(threshold, shared, render, stream)


def is_written(level: int) -> bool:
    """Whether lines of that level (`logging.INFO`) go anywhere; asking is cheaper than logging for nothing."""
    return OURS.isEnabledFor(level)


@contextmanager
def bound(**facts: Any) -> Iterator[None]:
    """Add facts (`request_id`, `who`, `room`) to every line logged by this task within the block."""
    before = structlog.contextvars.bind_contextvars(**facts)
    try:
        yield
    finally:
        structlog.contextvars.reset_contextvars(**before)


def clean(value: Any, limit: int = MAX_TEXT, depth: int = 0) -> Any:
    """`value` fit for a log: controls and lone surrogates escaped, lengths cut."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)[:40]
    if isinstance(value, str):
        return _clean_text(value, limit)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if depth >= MAX_DEPTH:
        return "…"
    if isinstance(value, Mapping):
        return {_clean_text(str(key), 80): _clean_pair(key, item, limit, depth + 1) for key, item in list(value.items())[:MAX_ITEMS]}
    if isinstance(value, list | tuple | set | frozenset):
        return [clean(item, limit, depth + 1) for item in list(value)[:MAX_ITEMS]]
    return _clean_text(str(value), limit)


def _clean_text(text: str, limit: int) -> str:
    if len(text) > limit:
        text = f"{text[:limit]}… ({len(text)} characters)"
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape", "backslashreplace").decode("ascii") for char in text)


def _clean_pair(key: Any, value: Any, limit: int, depth: int) -> Any:
    name = str(key).lower()
    if any(word in name for word in SECRET_WORDS) and value:
        return REDACTED
    return clean(value, limit, depth)


def _name_subjects(_: Any, __: str, event: Event) -> Event:
    who: Who | None = event.pop("who", None)
    if who is not None:
        event["actorType"], event["actorId"] = who.actor_type, who.actor_id
    room = event.pop("room", None)
    if room is None:
        found = (ROOM.search(str(event[key])) for key in TEXTS if key in event)
        room = next((one[1].rstrip(":.") for one in found if one is not None), None)
    if room is not None:
        event["roomId"] = room
    return event


def _clean_event(_: Any, __: str, event: Event) -> Event:
    for key, value in event.items():
        if key in TRACE_KEYS:
            event[key] = [_clean_text(line, MAX_TEXT) for line in str(value)[-MAX_TRACE:].splitlines()]
        else:
            event[key] = _clean_pair(key, value, MAX_TEXT, 0)
    return event


def _to_json(_: Any, __: str, event: Event) -> str:
    head = {key: event.pop(key) for key in ("time", "level", "event") if key in event}
    return orjson.dumps({**head, **event}, option=orjson.OPT_NON_STR_KEYS).decode()


def _configure_libraries(threshold: int, shared: list[Any], render: Any, stream: TextIO) -> None:
    """Lines of `logging` (asyncio, aiohttp, asyncpg) take the same way."""
    handler = logging.StreamHandler(stream)
    before: list[Any] = [structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder(allow=[])]
    after: list[Any] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        _name_subjects,
        _clean_event,
        render,
    ]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=[*before, *shared[:3]], processors=after))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(threshold, logging.INFO))
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
