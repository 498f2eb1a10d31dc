"""What the logs of nodes may not hold: a stack, a line of level error, or the name of an error that is a bug."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import orjson

__all__ = ["log_faults"]

ALLOWED = {
    "Failed to restore the pool connection floor; retrying": "asyncpg's pool says so with a stack while PostgreSQL is away, and goes on",
}
"""Lines with a stack or of level error that a fault brings about by right: the event's name, and why."""

BUG = re.compile(r"\b(Assertion|Attribute|Index|Key|Lookup|Name|Recursion|Runtime|Type|UnboundLocal|Value)Error\b")
"""Supervisors go on after a fault of our own and warn of it in a line."""

MOST_CHARACTERS = 1200


def log_faults(log: Path) -> Iterator[str]:
    """Sentences, one for each sort of line that should not be there."""
    if not log.exists():
        return
    first: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for number, line in enumerate(log.read_text(errors="replace").splitlines(), 1):
        if (sort := _fault(line)) is not None:
            counts[sort] += 1
            first.setdefault(sort, f"{log.name}:{number}: {line[:MOST_CHARACTERS]}")
    for sort, where in first.items():
        yield f"log: {counts[sort]} times, first {where}"


def _fault(line: str) -> str | None:
    """The sort of fault a line is; None: it is none."""
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError:
        return "a stack" if "Traceback" in line else None
    if not isinstance(entry, dict) or entry.get("event") in ALLOWED:
        return None
    is_fault = entry.get("level") in {"error", "critical"} or "Traceback" in line or BUG.search(line)
    return f"{entry.get('event')} {entry.get('error')}" if is_fault else None
