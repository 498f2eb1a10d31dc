"""Runs the page's own unit tests and type check, which need Node 20 or newer."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "web"
OLDEST_NODE = 20
MINUTES_S = 600


def node() -> str:
    """The path of a usable Node; fails with one line where there is none."""
    path = shutil.which("node")
    if path is None or shutil.which("npm") is None:
        pytest.fail("the web tests need Node >= 20 with npm: install it from your system's packages or nodejs.org", pytrace=False)
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    major = int(re.match(r"v(\d+)", version)[1])  # type: ignore[index]
    if major < OLDEST_NODE:
        pytest.fail(f"the web tests need Node >= {OLDEST_NODE}, found {version.strip()}", pytrace=False)
    return path


def is_installed() -> bool:
    """Whether node_modules is what the lock file says: npm notes the lock it installed from."""
    noted = WEB / "node_modules" / ".package-lock.json"
    return noted.is_file() and noted.stat().st_mtime >= (WEB / "package-lock.json").stat().st_mtime


@pytest.fixture(scope="module", autouse=True)
def _packages() -> None:
    node()
    if not is_installed():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=WEB, check=True, capture_output=True, timeout=MINUTES_S)


def run(*command: str) -> None:
    done = subprocess.run(command, cwd=WEB, capture_output=True, text=True, check=False, timeout=MINUTES_S)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(MINUTES_S)
def test_the_page_passes_its_unit_tests() -> None:
    run(node(), "test/run.mjs")


@pytest.mark.timeout(MINUTES_S)
def test_the_page_is_well_typed() -> None:
    run(node(), "node_modules/typescript/bin/tsc", "--noEmit")


@pytest.mark.timeout(MINUTES_S)
def test_the_committed_page_is_what_the_build_makes() -> None:
    run(node(), "build.mjs", "--check")
