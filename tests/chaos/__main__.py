"""Runs a real cluster under real faults: `SECONDS=600 SEED=1 python -m tests.chaos`."""

import os
import secrets
import sys

import uvloop

from tests.chaos.report import summary
from tests.chaos.run import Run, Size


def main() -> int:
    """0: every promise held; 1: some did not, and are named."""
    seed = int(os.environ.get("SEED") or secrets.randbits(32))
    seconds = float(os.environ.get("SECONDS") or 600)
    say(f"seed {seed}, {seconds:g} s")
    run = Run(seed, Size(), say)
    uvloop.run(run.play(seconds))
    for line in summary(run):
        say(line)
    if not run.failures:
        say("every promise held")
        return 0
    say(f"FAILED, seed {seed}: {run.ledger.counts['failures']} failures; node logs in {run.world.folder}")
    for failure in run.failures:
        say(f"  {failure}")
    return 1


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
