"""docs/PERMISSIONS.md, made from the table: `python -m commonroom.http.matrix > docs/PERMISSIONS.md`; a test compares them."""

from collections.abc import Iterable

from commonroom.http.application import routes
from commonroom.permissions import KINDS, TABLE, Need, Rule
from commonroom.protocol.registry import COMMANDS

__all__ = ["matrix", "used_by"]

HEAD = """# Permissions

Made from `commonroom/permissions.py`; HTTP and WebSocket ask the same table, for every request and every command.
A dash: never. *in the room*: the room lets them in, by its visibility or by a grant of theirs. *own*: it is theirs, or was while they
were a guest. *host*, *host or co-host*: as the room says. *who works the timer*: host, co-hosts or all in the room, as the room has it.
What is closed to guests and open to users is answered `SIGN_IN_NEEDED`. Each refusal writes a line of the audit.
"""


def used_by() -> dict[str, list[str]]:
    """Each action's routes and commands, in the order in which they are declared."""
    found: dict[str, list[str]] = {}
    for route in routes(with_docs=True):
        found.setdefault(route.action, []).append(f"`{route.method} {route.path}`")
    for name in COMMANDS:
        found.setdefault(name, []).append(f"`{name}`")
    return found


def matrix() -> str:
    """The document."""
    users = used_by()
    rows = [_row(action, rule, users.get(action, ())) for action, rule in TABLE.items()]
    head = f"| action | {' | '.join(KINDS)} | routes and commands |\n|{'---|' * (len(KINDS) + 2)}"
    return "\n".join([HEAD, head, *rows]) + "\n"


def _row(action: str, rule: Rule, users: Iterable[str]) -> str:
    cells = ["–" if (need := rule.of(kind)) is Need.NEVER else need.value for kind in KINDS]
    return f"| {action} | {' | '.join(cells)} | {', '.join(users) or 'asked within another'} |"


if __name__ == "__main__":
    print(matrix(), end="")  # noqa: T201 - its output is the document
