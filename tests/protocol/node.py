"""Node and the client's tools, for the tests that need them. Nothing else of the project does."""

import fcntl
import hashlib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

CLIENT = Path(__file__).parents[2] / "client"
OLDEST = 20


def require() -> str:
    """The path of `node`, with the client's tools installed. Fails the test in one line otherwise."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.fail(f"the client's tests need Node >= {OLDEST} and npm: install them (Debian: apt-get install nodejs npm)", pytrace=False)
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    match = re.match(r"v(\d+)\.", version)
    if match is None or int(match[1]) < OLDEST:
        pytest.fail(f"the client's tests need Node >= {OLDEST}, this is {version}", pytrace=False)
    _install(npm)
    return node


def run(*arguments: str, timeout_s: float = 200) -> None:
    """Runs node in the client's folder; its output is the failure's text."""
    result = subprocess.run([require(), *arguments], cwd=CLIENT, capture_output=True, text=True, timeout=timeout_s)  # noqa: PLW1510
    if result.returncode:
        pytest.fail(result.stdout[-6000:] + result.stderr[-2000:], pytrace=False)


def _install(npm: str) -> None:
    """`npm ci`, only where what is installed is not of this lock file; one process at a time."""
    digest = hashlib.sha256((CLIENT / "package-lock.json").read_bytes()).hexdigest()
    stamp = CLIENT / "node_modules" / ".commonroom-lock"
    name = hashlib.sha256(str(CLIENT).encode()).hexdigest()[:16]
    with (Path(tempfile.gettempdir()) / f"commonroom-npm-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == digest:
            return
        result = subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=CLIENT, capture_output=True, text=True, timeout=200)  # noqa: PLW1510
        if result.returncode:
            pytest.fail(f"npm ci failed in client/: {result.stderr.strip().splitlines()[-1:]}", pytrace=False)
        stamp.write_text(digest)
