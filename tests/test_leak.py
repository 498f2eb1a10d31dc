"""The search of all logs for secrets finds them, wherever they are logged."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from commonroom.ids import new_id, new_secret
from tests.support import leak
from tests.support.log import logged

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"


@pytest.fixture
def found() -> Iterator[list[str]]:
    """What this test finds, which is on purpose."""
    yield leak.FOUND
    leak.FOUND.clear()


@pytest.mark.parametrize(
    "secret",
    [leak.CANARY, "correct horse battery", "hunter2", TOKEN, new_secret(), "$argon2id$v=19$m=19456"],
    ids=["canary", "password", "short password", "token", "secret", "hash"],
)
def test_a_secret_is_found_in_a_line(secret: str) -> None:
    for line in (f'{{"event":"login","why":"{secret}"}}', f"GET /?token={secret} HTTP/1.1", f"\n{secret}\n"):
        assert len(list(leak.leaks(line))) == 1


@pytest.mark.parametrize(
    "line",
    [
        '{"time":"2026-11-21T20:46:35.410172Z","level":"info","event":"request","path":"/v1/rooms/01m7zxn2fbfyx86bxexfgzxrdv","status":200}',
        f"session {new_id(0)} of node {new_id(1)}",
        "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "File tests/test_a_name_of_a_function_that_is_long_enough.py in test_a_name_of_a_function_that_is_long_2",
    ],
    ids=["request", "ids", "hash", "path"],
)
def test_what_is_no_secret_is_not(line: str) -> None:
    assert not list(leak.leaks(line))


def test_it_is_found_in_what_this_process_logs(found: list[str]) -> None:
    structlog.get_logger().info("said", what=f"{leak.CANARY} 1")
    logging.getLogger("library").warning("it said %s", TOKEN)
    assert [f"'{leak.CANARY}'" in found[0], TOKEN in found[1], len(found)] == [True, True, 2]


def test_it_is_found_in_what_a_test_listens_to(found: list[str]) -> None:
    with logged("info"):
        structlog.get_logger().info("said", what=TOKEN)
    assert len(found) == 1


def test_what_is_named_like_a_secret_is_cut_out_and_not_found(found: list[str]) -> None:
    structlog.get_logger().info("said", ws_token=TOKEN, password=leak.CANARY)
    assert found == []


def test_it_is_found_in_a_log_once_however_often_that_is_searched(tmp_path: Path, found: list[str]) -> None:
    log = tmp_path / "server.log"
    assert leak.search_file(log) == 0
    log.write_text(f"{TOKEN}\n")
    end = leak.search_file(log)
    assert leak.search_file(log, end) == end
    assert len(found) == 1
