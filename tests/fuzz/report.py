"""The one line that a run ends with."""

from collections.abc import Iterable

from tests.fuzz.run import Run

__all__ = ["summary"]

WIRE = ("sockets", "messages", "acks", "joins", "pushes", "ends without a close")


def summary(run: Run) -> str:
    """What was done and how it ended."""
    counts = run.ledger.counts
    statuses = sorted((name, count) for name, count in counts.items() if name.startswith("status "))
    parts = [
        f"wire: {_listed((name, counts[name]) for name in WIRE)}",
        f"http: {counts['requests']} requests, {_listed((name.partition(' ')[2], count) for name, count in statuses)}",
        f"witness: {counts['witness']} messages, none missed" if counts["witness"] else "witness: none",
        f"rooms: {counts['rooms alive']} alive, {counts['rooms closed']} closed",
        f"memory: {run.growth_bytes / 2**20:+.1f} MB",
    ]
    verdict = f"FAILED, {counts['failures']} failures" if run.failures else "nothing found"
    return f"{verdict}; seed {run.seed}; {'; '.join(parts)}"


def _listed(pairs: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{count} {name}" for name, count in pairs)
