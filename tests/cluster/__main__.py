"""Plays seeded histories of a cluster, one after another: `python -m tests.cluster --from 0 --seeds 1000`.

Each seed has two: one in which much of what is said waits for its time, and one without. Without `--from` they are new ones.
"""

import argparse
import logging
import secrets
import sys

import structlog

from tests.cluster.history import REPLAY, run

EVERY = 100
MOST_FAILURES = 20


def main() -> int:
    """0: every history held; 1: some did not, and are named."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("--from", dest="first", type=int, help="the first seed; none: one that is drawn")
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    first = secrets.randbits(31) if options.first is None else options.first
    say(f"two histories of each of {options.seeds} seeds from {first} on")
    failed = play(range(first, first + options.seeds))
    say(f"{options.seeds} seeds from {first} on, {len(failed)} failed: {failed}")
    return 1 if failed else 0


def play(seeds: range) -> list[int]:
    """The seeds whose histories did not hold, up to 20."""
    failed: list[int] = []
    for number, seed in enumerate(seeds, 1):
        try:
            run(seed)
            run(seed, delays=True)
        except AssertionError as error:
            failed.append(seed)
            say(f"seed {seed} FAILED: {error}\n    replay: {REPLAY.format(seed=seed)}")
        if number % EVERY == 0:
            say(f"{number} of {len(seeds)}, {len(failed)} failed")
        if len(failed) == MOST_FAILURES:
            break
    return failed


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


sys.exit(main())
