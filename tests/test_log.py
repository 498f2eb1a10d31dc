"""Logs: one valid JSON object a line, whatever is logged; no secret in it (RELIABILITY S6)."""

import ast
import io
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

import commonroom
from commonroom.identity import Principal
from commonroom.log import bound, clean, configure
from tests.support.log import logged

OTHER_WORDS = {"actor", "actor_type", "actor_id", "principal", "user", "guest", "person", "room_id", "stream"}


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Logs of this test."""
    with logged("info") as out:
        yield out


def _lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_says_when_how_grave_and_what(stream: io.StringIO) -> None:
    structlog.get_logger().info("room_created", title="r1", count=3)
    (line,) = _lines(stream)
    assert list(line)[:3] == ["time", "level", "event"]
    assert line | {"time": ""} == {"time": "", "level": "info", "event": "room_created", "title": "r1", "count": 3}


def test_P32_a_line_names_people_and_rooms_in_the_same_words_whoever_logs_it(stream: io.StringIO) -> None:
    ada = Principal("user", "ada")
    structlog.get_logger().info("a", who=ada, room="r1")
    structlog.get_logger().info("b", address="room/r1")
    structlog.get_logger().info("c", address="user/ada")
    structlog.get_logger().info("d", who=None, room=None)
    structlog.get_logger().info("trouble", what="chat parked room/r1: it cannot be read")
    structlog.get_logger().info("trouble", task="replay room/r1")
    structlog.get_logger().info("trouble", what="a broom/r1 stands there")
    with bound(who=ada, room="r1"):
        structlog.get_logger().info("e")
        structlog.get_logger().info("f", who=Principal("guest", "bob"))
        logging.getLogger("x").warning("g")
    facts = [{key: value for key, value in line.items() if key not in {"time", "level", "event", "logger"}} for line in _lines(stream)]
    parked = {"what": "chat parked room/r1: it cannot be read", "roomId": "r1"}
    trouble = [parked, {"task": "replay room/r1", "roomId": "r1"}, {"what": "a broom/r1 stands there"}]
    both = {"actorType": "user", "actorId": "ada", "roomId": "r1"}
    bob = {"actorType": "guest", "actorId": "bob", "roomId": "r1"}
    assert facts == [both, {"address": "room/r1", "roomId": "r1"}, {"address": "user/ada"}, {}, *trouble, both, bob, both]


def test_P32_no_line_of_ours_names_people_and_rooms_in_words_of_its_own() -> None:
    found = []
    for path in Path(commonroom.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "log":
                found += [f"{path.name}:{node.lineno} {word.arg}" for word in node.keywords if word.arg in OTHER_WORDS]
    assert not found


def test_below_the_level_nothing_is_written(stream: io.StringIO) -> None:
    structlog.get_logger().debug("noise")
    logging.getLogger("x").debug("noise")
    assert stream.getvalue() == ""


def test_bound_facts_are_in_every_line_within(stream: io.StringIO) -> None:
    with bound(request_id="q1", room="r1"):
        structlog.get_logger().info("inside")
        logging.getLogger("x").warning("inside")
    structlog.get_logger().info("outside")
    assert [line.get("request_id") for line in _lines(stream)] == ["q1", "q1", None]


@pytest.mark.parametrize("hostile", ['a\n{"level":"error"}', "\x1b[2J", "\u2028", "\x00", "\x7f\x9b", "\ud800", "\u202e", "\r"])
def test_controls_cannot_forge_a_line(stream: io.StringIO, hostile: str) -> None:
    structlog.get_logger().info(hostile, name=hostile, nested={hostile: [hostile]})
    logging.getLogger("x").warning("%s", hostile)
    assert len(_lines(stream)) == 2
    assert all(line.isprintable() for line in stream.getvalue().split("\n"))


def test_long_values_are_cut(stream: io.StringIO) -> None:
    structlog.get_logger().info("x" * 1_000_000, name="y" * 1_000_000, many=list(range(100_000)))
    assert len(stream.getvalue()) < 4000


@pytest.mark.parametrize("name", ["token", "ws_token", "Authorization", "Set-Cookie", "password", "client_secret", "body", "dsn"])
def test_what_is_named_like_a_secret_is_cut_out(stream: io.StringIO, name: str) -> None:
    structlog.get_logger().info("leak", **{name: "hunter2", "headers": {name: "hunter2"}})
    assert "hunter2" not in stream.getvalue()
    assert stream.getvalue().count("[redacted]") == 2


def test_bytes_are_told_by_length_only(stream: io.StringIO) -> None:
    structlog.get_logger().info("frame", data=b"hunter2")
    assert _lines(stream)[0]["data"] == "<7 bytes>"


def test_an_exception_stays_within_its_line(stream: io.StringIO) -> None:
    try:
        int("bad\nvalue")
    except ValueError:
        structlog.get_logger().exception("failed")
        logging.getLogger("x").exception("failed")
    for line in _lines(stream):
        assert line["level"] == "error"
        assert line["exception"][0].startswith("Traceback")


def test_a_warning_becomes_a_line(stream: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("careful", UserWarning, stacklevel=1)
    assert "careful" in _lines(stream)[0]["event"]


def test_the_console_form_has_no_controls_of_strangers() -> None:
    out = io.StringIO()
    configure("info", "console", out)
    structlog.get_logger().info("hello", name="\x1b[2J\nforged")
    structlog.reset_defaults()
    assert out.getvalue().count("\n") == 1
    assert "\x1b" not in out.getvalue()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(), lambda inner: st.lists(inner, max_size=3)
    )
)
def test_anything_can_be_logged(value: object) -> None:
    assert json.dumps(clean(value)).isprintable()
