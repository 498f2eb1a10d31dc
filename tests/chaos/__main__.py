"""Runs a real cluster under real faults: `SECONDS=600 SEED=1 python -m tests.chaos`."""

import os
import secrets
import sys
from collections import Counter

import uvloop

from tests.chaos.plan import NAMES
from tests.chaos.run import Run, Size


def main() -> int:
    """0: every promise held; 1: some did not, and are named."""
    seed = int(os.environ.get("SEED") or secrets.randbits(32))
    seconds = float(os.environ.get("SECONDS") or 600)
    say(f"seed {seed}, {seconds:g} s")
    run = Run(seed, Size(), say)
    uvloop.run(run.play(seconds))
    report(run)
    if not run.failures:
        return 0
    say(f"FAILED, seed {seed}: {run.ledger.counts['failures']} failures; node logs in {run.world.folder}")
    for failure in run.failures:
        say(f"  {failure}")
    return 1


def report(run: Run) -> None:
    """What happened, in numbers."""
    counts, nodes = run.ledger.counts, run.world.totals()
    broken = Counter(failure.partition(":")[0] for failure in run.failures)
    say(f"acked {counts['acked']}, lost {broken['I2']}, duplicates {broken['I4']}, reorders {broken['I5'] + broken['I6']}, other {broken}")
    say(f"shown {counts['shown']}, reconnects {counts['reconnects']}, silences {counts['silences']}, sent again {counts['sent again']}")
    say(f"longest wait for an ack {run.ledger.longest_wait_s:.1f} s, largest node {run.world.largest_rss_bytes >> 20} MB")
    say(", ".join(f"{name} {counts[name]}" for name in NAMES if counts[name]))
    say(", ".join(f"{name} {count}" for name, count in sorted(counts.items()) if name not in NAMES))
    say(", ".join(f"{name} {count}" for name, count in sorted(nodes.items()) if count and ("cluster" in name or "fenced" in name)))


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
