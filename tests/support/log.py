"""What is logged while something runs."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import structlog

from commonroom.log import configure
from tests.support.leak import Searched

__all__ = ["logged"]


@contextmanager
def logged(level: Literal["debug", "info"] = "debug") -> Iterator[io.StringIO]:
    """Everything this process logs, libraries included, a JSON object a line; the former configuration comes back afterwards."""
    root = logging.getLogger()
    handlers, before = root.handlers[:], root.level
    out = Searched()
    configure(level, "json", out)
    try:
        yield out
    finally:
        logging.captureWarnings(capture=False)
        root.handlers[:] = handlers
        root.setLevel(before)
        structlog.reset_defaults()
