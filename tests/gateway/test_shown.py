"""Who sees what of whose status: the whole table (FEATURES P20, P21, P28; ADR 15)."""

from typing import Any

import pytest

from commonroom.engine.gateway.status import shown
from commonroom.identity import Principal
from commonroom.protocol.status import UserStatus
from commonroom.protocol.user import UserPlace, UserState
from commonroom.storage.repository.preference import StatusFacts

BOB, ADA, GUS = Principal("user", "bob"), Principal("user", "ada"), Principal("guest", "gus")
PUBLIC, SECRET = UserPlace("library", True, "focus"), UserPlace("cellar")
HERE = UserState("bob", "busy", [SECRET, PUBLIC])
GONE = UserState("bob", "offline", [], 120_000)
OPEN = StatusFacts()
NOTHING = UserStatus("bob", "offline")
HIDES_STATUS, HIDES_ROOM = StatusFacts(hide_status=True, seen_at=60_000), StatusFacts(hide_room=True)


def seen(
    reader: Principal, state: UserState | None = HERE, facts: StatusFacts | None = OPEN, rooms: tuple[str, ...] = (), **fields: Any
) -> UserStatus:
    hidden = fields.get("hidden", frozenset())
    return shown("bob", state, facts, reader=reader, hidden=hidden, is_in=rooms.__contains__)


@pytest.mark.parametrize(
    ("reader", "facts", "rooms", "expected"),
    [
        (ADA, StatusFacts(), (), UserStatus("bob", "busy", None, "library")),
        (ADA, HIDES_ROOM, (), UserStatus("bob", "busy")),
        (ADA, HIDES_ROOM, ("library",), UserStatus("bob", "busy", None, "library")),
        (ADA, StatusFacts(), ("cellar",), UserStatus("bob", "busy", None, "cellar")),
        (ADA, HIDES_STATUS, (), NOTHING),
        (ADA, HIDES_STATUS, ("cellar",), UserStatus("bob", "busy", None, "cellar")),
        (ADA, None, ("cellar",), NOTHING),
        (GUS, StatusFacts(), (), NOTHING),
        (GUS, StatusFacts(), ("attic",), NOTHING),
        (GUS, StatusFacts(), ("library",), UserStatus("bob", "busy", None, "library")),
        (BOB, HIDES_STATUS, (), UserStatus("bob", "busy", None, "cellar")),
    ],
)
def test_P20_P21_who_sees_somebody_who_is_there(
    reader: Principal, facts: StatusFacts | None, rooms: tuple[str, ...], expected: UserStatus
) -> None:
    assert seen(reader, HERE, facts, rooms) == expected


@pytest.mark.parametrize(
    ("reader", "facts", "expected"),
    [
        (ADA, StatusFacts(), UserStatus("bob", "offline", 120_000)),
        (ADA, StatusFacts(seen_at=180_000), UserStatus("bob", "offline", 180_000)),
        (ADA, HIDES_STATUS, NOTHING),
        (ADA, None, NOTHING),
        (GUS, StatusFacts(), NOTHING),
        (BOB, HIDES_STATUS, UserStatus("bob", "offline", 120_000)),
    ],
)
def test_P20_who_learns_when_somebody_was_here_last(reader: Principal, facts: StatusFacts | None, expected: UserStatus) -> None:
    assert seen(reader, GONE, facts) == expected


@pytest.mark.parametrize("state", [HERE, GONE, None])
@pytest.mark.parametrize("reader", [ADA, GUS])
def test_P28_who_is_hidden_is_shown_as_nobody_wherever_they_are(reader: Principal, state: UserState | None) -> None:
    assert seen(reader, state, StatusFacts(seen_at=60_000), ("cellar", "library"), hidden=frozenset({BOB})) == NOTHING
