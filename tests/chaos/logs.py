"""What the logs of nodes may not hold: a stack, or a line of level error."""

from collections.abc import Iterator
from pathlib import Path

import orjson

__all__ = ["log_faults"]

ALLOWED = {
    "Failed to restore the pool connection floor; retrying": "asyncpg's pool says so with a stack while PostgreSQL is away, and goes on",
}
"""Lines with a stack or of level error that a fault brings about by right: the event's name, and why."""

MOST_CHARACTERS = 600


def log_faults(log: Path) -> Iterator[str]:
    """Sentences, one for each line that should not be there."""
    if not log.exists():
        return
    for number, line in enumerate(log.read_text(errors="replace").splitlines(), 1):
        if _is_fault(line):
            yield f"log: {log.name}:{number}: {line[:MOST_CHARACTERS]}"


def _is_fault(line: str) -> bool:
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError:
        return "Traceback" in line
    if not isinstance(entry, dict) or entry.get("event") in ALLOWED:
        return False
    return entry.get("level") in {"error", "critical"} or "Traceback" in line
