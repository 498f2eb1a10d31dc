"""Attacks a real server: `SECONDS=300 SEED=1 python -m tests.fuzz`."""

import os
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

import uvloop

from tests.fuzz.report import summary
from tests.fuzz.run import Budget, Run


def main() -> int:
    """0: nothing was found; 1: something was, and is named."""
    seed = int(os.environ.get("SEED") or secrets.randbits(32))
    seconds = float(os.environ.get("SECONDS") or 300)
    folder = Path(tempfile.mkdtemp(prefix="cr-fuzz-"))
    folder.chmod(0o755)  # the database has a user of its own
    say(f"seed {seed}, {seconds:g} s")
    run = Run(seed, folder / "data")
    uvloop.run(run.play(Budget(seconds=seconds)))
    for failure in run.failures:
        say(f"  {failure}")
    say(summary(run))
    if run.failures:
        say(f"the server's log is in {folder}")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
