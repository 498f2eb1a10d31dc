"""A letter, and a watch that no log tells what is in it."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from commonroom.account.letter import Letter, sign_in
from commonroom.log import configure
from tests.account.mailing import ADA, CODE, LINK, SECRETS, Lines


@pytest.fixture
def letter() -> Letter:
    return sign_in(ADA, LINK, CODE, 900_000)


@pytest.fixture
def lines() -> Iterator[Lines]:
    """All that is logged, at the finest level; none of it may tell a secret."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    out = io.StringIO()
    configure("debug", "json", out)
    root.setLevel(logging.DEBUG)
    yield lambda: [json.loads(line) for line in out.getvalue().splitlines()]
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    assert not [secret for secret in SECRETS if secret in out.getvalue()]
