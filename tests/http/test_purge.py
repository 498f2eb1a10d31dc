"""What a node deletes when its time is over."""

import pytest

from commonroom.app import Node
from commonroom.app.people import AUDITED_MS
from commonroom.audit import Entry
from commonroom.errors import InternalError, Unavailable
from tests.http.api import Api

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("error", [Unavailable("it takes too long"), InternalError("refused")])
async def test_what_cannot_be_purged_keeps_nothing_else(api: Api, node: Node, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    people, now = node._people, node._clock.now()
    who = f"long gone {type(error).__name__}"
    await people.audit.add([Entry(now - AUDITED_MS - 1, "denied", "user", who, "s", "a", "t", "w", "r")])
    asked = 0

    async def fail(*_: int) -> None:
        nonlocal asked
        asked += 1
        raise error

    for table in (people.one_time, people.old_sessions, people.sanctions):
        monkeypatch.setattr(table, "purge", fail)
    await people.purge(now)
    assert asked == 3
    assert await people.audit.search(who, None, None, 1) == []
