"""The JavaScript client's own tests and type check."""

import pytest

from tests.protocol.node import run


@pytest.mark.timeout(420)
def test_the_clients_own_tests_pass() -> None:
    run("test/run.mjs")


@pytest.mark.timeout(420)
def test_the_client_is_typed_soundly_and_its_built_files_are_current() -> None:
    run("node_modules/typescript/bin/tsc", "--noEmit")
    run("build.mjs", "--check")
