"""Python and JavaScript agree on messages that neither has seen before."""

import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonroom.protocol.codec import MSGPACK
from commonroom.protocol.codegen import sample
from commonroom.protocol.codegen.typescript import camel
from tests.protocol.node import CLIENT, require, run
from tests.protocol.strategies import KINDS, messages

Ask = Callable[[dict[str, Any]], dict[str, Any]]

SAMPLES = st.one_of(*(st.tuples(st.just(kind), messages(kind[2])) for kind in KINDS))


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """The client's codec behind a pipe."""
    run("test/run.mjs", "--pipe")
    with subprocess.Popen(
        [require(), CLIENT / "dist" / "pipe" / "pipe.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def exchange(question: dict[str, Any]) -> dict[str, Any]:
            stdin.write(json.dumps(question) + "\n")
            stdin.flush()
            answer: dict[str, Any] = json.loads(stdout.readline())
            return answer

        yield exchange
        stdin.close()
        assert process.wait(timeout=20) == 0


@pytest.mark.timeout(420)
def test_javascript_reads_what_python_writes_and_writes_the_same_bytes(ask: Ask) -> None:
    @settings(max_examples=300, deadline=None)
    @given(SAMPLES)
    def agree(drawn: tuple[Any, Any]) -> None:
        (direction, name, struct), message = drawn
        value = msgspec.to_builtins(sample.named(struct, message, camel))
        encoded = MSGPACK.encode(message).hex()
        assert ask({"direction": direction, "name": name, "value": value, "hex": encoded}) == {"value": value, "hex": encoded}

    agree()


@pytest.mark.timeout(420)
def test_javascript_refuses_bytes_of_another_message(ask: Ask) -> None:
    answer = ask({"direction": "server", "name": "skip", "value": {"room": "r", "offset": 1}, "hex": "9141"})
    assert "error" in answer
