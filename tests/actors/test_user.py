"""A user's actor in virtual time: what devices tell becomes one status (FEATURES P20)."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from commonroom.actors.user.actor import COALESCE_MS, GRACE_MS, MAX_DEVICES, MAX_PLACES, PACE_MS, SETTLE_MS, UserActor
from commonroom.engine.address import Address
from commonroom.engine.envelope import Attach, Detach, Envelope, Query, Resync
from commonroom.engine.testing import World
from commonroom.errors import CommonroomError, Forbidden, InternalError, NotFound
from commonroom.identity import Authority, Principal, SessionId
from commonroom.protocol.status import StatusSet
from commonroom.protocol.user import DeviceSaid, UserPlace, UserState
from commonroom.protocol.wire import Command, ServerMessage

BOB = Address("user", "bob")
QUIET, RUNS, FOCUS = UserPlace("attic", True), UserPlace("library", True, "active"), UserPlace("cellar", False, "focus")
PROMPT_S = (COALESCE_MS + 1) / 1000


class Answer:
    """What came back."""

    def __init__(self) -> None:
        self.replies: list[ServerMessage] = []
        self.errors: list[CommonroomError] = []

    def replied(self, ref: int, message: ServerMessage) -> None:
        self.replies.append(message)

    def refused(self, ref: int, error: CommonroomError) -> None:
        self.errors.append(error)

    def admitted(self, ref: int, admission: object) -> None:
        raise AssertionError("a user cannot be joined")


class Street:
    """A world with Bob's devices."""

    def __init__(self) -> None:
        self.world = World({"user": UserActor})

    def send(self, command: Command | Attach | Detach | Resync | Query, session: str, user: str = "bob") -> Answer:
        answer, who = Answer(), Authority(Principal("user", user), SessionId(user), user, 2**50)
        self.world.deliver(Envelope(BOB, command, who, answer, session))
        self.world.advance(0.01)
        return answer

    def says(self, session: str, *places: UserPlace, idle: bool = False, user: str = "bob", **preferences: object) -> Answer:
        said = DeviceSaid(idle, list(places), **preferences)  # type: ignore[arg-type]
        return self.send(Attach(said=msgspec.msgpack.encode(said)), session, user)

    def leaves(self, session: str) -> None:
        self.send(Detach(), session)

    @property
    def told(self) -> list[UserState]:
        return [publication.message for _, publication in self.world.published if isinstance(publication.message, UserState)]

    @property
    def status(self) -> str:
        """As it is told once all is quiet."""
        self.world.advance((GRACE_MS + PACE_MS + COALESCE_MS) / 1000)
        return self.told[-1].status


@pytest.fixture
def street() -> Iterator[Street]:
    street = Street()
    yield street
    street.world.close()


def test_P20_a_device_makes_online_and_the_last_to_leave_offline(street: Street) -> None:
    street.says("laptop")
    assert street.status == "online"
    street.leaves("laptop")
    left_at = street.world.clock.now()
    assert street.status == "offline"
    assert street.told[-1] == UserState("bob", "offline", [], left_at // 60_000 * 60_000)


@pytest.mark.parametrize(
    ("idle", "places", "preferences", "status"),
    [
        (False, [], {}, "online"),
        (True, [], {}, "idle"),
        (False, [QUIET], {}, "online"),
        (True, [QUIET, RUNS], {}, "busy"),
        (False, [RUNS], {"busy": "focus"}, "online"),
        (False, [RUNS, FOCUS], {"busy": "focus"}, "busy"),
        (True, [FOCUS], {"busy": "off"}, "idle"),
        (True, [FOCUS], {"dnd": True}, "dnd"),
        (False, [], {"dnd": True, "busy": "off"}, "dnd"),
    ],
)
def test_P20_what_counts_more_wins(street: Street, idle: bool, places: list[UserPlace], preferences: dict[str, Any], status: str) -> None:
    street.says("laptop", *places, idle=idle, **preferences)
    assert street.status == status
    assert street.told[-1].places == places


def test_P20_of_several_devices_the_most_present_counts_and_the_latest_preferences(street: Street) -> None:
    street.says("laptop", QUIET, idle=True, dnd=True, revision=1)
    street.says("phone", RUNS, busy="off", revision=2)
    assert street.status == "online"
    assert street.told[-1].places == [QUIET, RUNS]
    street.says("laptop", QUIET, idle=True, dnd=True, revision=3)
    assert street.status == "dnd"


def test_P20_changes_are_told_a_pace_apart_and_the_last_one_is_the_truth(street: Street) -> None:
    street.says("laptop")
    moments: list[int] = []
    for _ in range(400):
        before = len(street.told)
        street.says("laptop", idle=street.world.random.random() < 0.5)
        moments += [street.world.clock.now()] * (len(street.told) - before)
    assert len(moments) >= 2, "it is told while it flaps, too"
    assert all(later - earlier > PACE_MS - 20 for earlier, later in pairwise(moments)), "looked at each 10 ms"
    street.says("laptop", idle=True)
    assert street.status == "idle"


def test_P20_who_comes_back_within_the_grace_was_never_gone(street: Street) -> None:
    street.says("laptop")
    assert street.status == "online"
    for _ in range(20):
        street.leaves("laptop")
        street.world.advance(GRACE_MS / 1000 - 0.1)
        street.says("laptop")
    assert street.status == "online"
    assert len(street.told) == 1


def test_P20_a_change_back_before_it_is_told_is_none(street: Street) -> None:
    street.says("laptop")
    assert street.status == "online"
    street.says("laptop", idle=True)
    street.says("laptop")
    assert street.status == "online"
    assert len(street.told) == 1


def test_P20_a_new_activation_calls_nobody_offline_before_it_knows(street: Street) -> None:
    asked = street.send(Resync(), "looking")
    assert (asked.replies, [type(error) for error in asked.errors]) == ([], [NotFound])
    street.send(Attach(), "looking")
    street.world.advance((SETTLE_MS - 100) / 1000)
    assert street.told == []
    street.world.advance(0.2)
    assert street.told == [UserState("bob", "offline")]
    assert street.send(Resync(), "looking").replies == [UserState("bob", "offline")]


def test_P20_who_announces_in_time_is_never_called_offline(street: Street) -> None:
    street.send(Attach(), "looking")
    street.world.advance((SETTLE_MS - 100) / 1000)
    street.says("laptop")
    assert street.status == "online"
    assert [state.status for state in street.told] == ["online"]


def test_P20_nobody_else_speaks_for_a_user(street: Street) -> None:
    answer = street.says("laptop", user="eve")
    assert [type(error) for error in answer.errors] == [Forbidden]
    street.send(Attach(), "looking")
    assert street.status == "offline"


def test_P20_devices_and_rooms_are_bounded(street: Street) -> None:
    many = [UserPlace(f"room-{number}") for number in range(2 * MAX_PLACES)]
    for number in range(MAX_DEVICES):
        street.says(f"s{number}", *many, idle=True)
    assert street.says("one-more").errors
    street.says("s0", *many, idle=True, dnd=True, revision=1)
    assert street.status == "dnd"
    assert len(street.told[-1].places) == MAX_PLACES


def test_P20_a_user_takes_no_command_and_may_be_asked_how_they_are(street: Street) -> None:
    assert [type(error) for error in street.send(StatusSet(1), "laptop").errors] == [NotFound]
    street.says("laptop", idle=True)
    assert street.status == "idle"
    assert street.send(Query("user.read"), "http").replies == [UserState("bob", "idle")]
    assert street.send(Query("room.read"), "http").errors


def test_P20_nothing_of_it_is_durable(street: Street) -> None:
    street.says("laptop", dnd=True)
    assert street.status == "dnd"
    assert not street.world.journal.streams
    actor = UserActor(BOB)
    for act in (actor.dump, lambda: actor.load(b"")):
        with pytest.raises(InternalError):
            act()


def test_P20_a_device_that_never_told_is_not_missed(street: Street) -> None:
    street.says("laptop")
    assert street.status == "online"
    street.leaves("looking")
    assert street.status == "online"
    assert len(street.told) == 1


def test_P20_nothing_is_told_while_nothing_changes(street: Street) -> None:
    street.says("laptop")
    assert street.status == "online"
    for _ in range(10):
        street.says("laptop")
        street.world.advance(PROMPT_S)
    street.world.advance(60)
    assert len(street.told) == 1
