"""Presence: people and not sessions, few pushes, counts in a crowd, and never a ghost."""

from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from commonroom.actors.room.presence import COALESCE_MS, LISTED_AGAIN, MAX_LISTED, PACE_MS
from commonroom.engine.envelope import Resync
from commonroom.errors import CommonroomError
from commonroom.identity import Principal
from commonroom.protocol.presence import PresenceReset, PresenceSnapshot, PresenceUpdate, PrincipalUpgraded
from tests.actors.stage import Device, Stage

SOON_S = COALESCE_MS / 1000 + 0.05
TOLD_S = PACE_MS / 1000 + 0.05


def names(snapshot: PresenceSnapshot) -> list[str]:
    return sorted(person.name for person in snapshot.people)


def test_C5_M5_in_a_calm_room_coming_and_going_is_told_to_everybody_within_a_quarter_of_a_second(
    stage: Stage, alice: Device, bob: Device, room: str
) -> None:
    alice.join(room)
    stage.advance(TOLD_S)
    alice.pushes.clear()
    rev = bob.join(room).presence.rev
    assert alice.took(PresenceUpdate) == []
    stage.advance(SOON_S)
    (came,) = alice.took(PresenceUpdate)
    assert ([person.name for person in came.joined], came.left, came.count, came.rev) == (["Bob"], [], 2, rev + 1)
    stage.advance(TOLD_S)
    bob.leave(room)
    stage.advance(SOON_S)
    (went,) = alice.took(PresenceUpdate)
    assert (went.joined, went.left, went.count, went.rev) == ([], [bob.principal], 1, rev + 2)


def test_P15_a_storm_of_arrivals_is_one_push(stage: Stage, alice: Device, room: str) -> None:
    alice.join(room)
    stage.advance(TOLD_S)
    alice.pushes.clear()
    for nth in range(40):
        stage.person(f"P{nth}").join(room)
    stage.advance(TOLD_S)
    (push,) = alice.took(PresenceUpdate)
    assert (len(push.joined), push.count) == (40, 41)


def test_P16_pushes_come_once_a_second_however_busy_the_door_and_the_last_one_is_true(
    stage: Stage, alice: Device, bob: Device, room: str
) -> None:
    alice.join(room)
    stage.advance(TOLD_S)
    alice.pushes.clear()
    began = stage.now()
    for _ in range(150):
        bob.join(room)
        stage.advance(0.02)
        bob.leave(room)
        stage.advance(0.02)
    most = (stage.now() - began) // PACE_MS + 1
    stage.advance(TOLD_S)
    updates = alice.took(PresenceUpdate)
    assert most - 1 <= len(updates) <= most + 1  # neither more often, nor put off for ever
    assert (updates[-1].left, updates[-1].count) == ([bob.principal], 1)


def test_C5_M5_several_sessions_of_a_person_count_once_and_the_last_one_ends_it(
    stage: Stage, alice: Device, bob: Device, room: str
) -> None:
    alice.join(room)
    phone = stage.device(bob.authority)
    bob.join(room)
    joined = phone.join(room)
    assert (names(joined.presence), joined.presence.count) == (["Alice", "Bob"], 2)
    stage.advance(TOLD_S)
    alice.pushes.clear()
    bob.leave(room)
    stage.advance(TOLD_S)
    assert alice.took(PresenceUpdate) == []
    phone.leave(room)
    stage.advance(TOLD_S)
    (push,) = alice.took(PresenceUpdate)
    assert (push.left, push.count) == ([bob.principal], 1)


def test_C5_M5_joining_again_is_no_second_arrival(stage: Stage, alice: Device, bob: Device, room: str) -> None:
    alice.join(room)
    bob.join(room)
    stage.advance(TOLD_S)
    alice.pushes.clear()
    bob.join(room)
    stage.advance(TOLD_S)
    assert alice.took(PresenceUpdate) == []
    bob.leave(room)
    stage.advance(TOLD_S)
    assert alice.took(PresenceUpdate)[0].count == 1


def test_a_new_name_is_told(stage: Stage, alice: Device, bob: Device, room: str) -> None:
    alice.join(room)
    bob.join(room)
    stage.advance(TOLD_S)
    alice.pushes.clear()
    bob.authority = replace(bob.authority, name="Robert")
    bob.join(room)
    stage.advance(TOLD_S)
    (push,) = alice.took(PresenceUpdate)
    assert ([person.name for person in push.joined], push.left, push.count) == (["Robert"], [], 2)


def test_who_saw_somebody_in_a_snapshot_hears_that_they_left_again(stage: Stage, alice: Device, bob: Device, room: str) -> None:
    """Bob's coming was not told yet when Alice's snapshot showed him."""
    bob.join(room)
    assert names(alice.join(room).presence) == ["Alice", "Bob"]
    bob.leave(room)
    stage.advance(TOLD_S)
    (push,) = alice.took(PresenceUpdate)
    assert bob.principal in push.left


def crowd(stage: Stage, room: str, size: int) -> list[Device]:
    people = [stage.person(f"P{nth}") for nth in range(size)]
    for person in people:
        person.join(room)
    stage.advance(TOLD_S)
    return people


def test_over_five_hundred_people_only_the_count_is_told(stage: Stage, room: str) -> None:
    people = crowd(stage, room, MAX_LISTED)
    first, last = people[0], people[-1]
    assert len(first.join(room).presence.people) == MAX_LISTED
    first.pushes.clear()
    late = stage.person("Late")
    shown = late.join(room).presence
    assert (shown.people, shown.count) == ([], MAX_LISTED + 1)
    stage.advance(TOLD_S)
    (reset,) = first.took(PresenceReset)  # forget the list
    assert (reset.presence.people, reset.presence.count) == ([], MAX_LISTED + 1)
    stage.person("Later").join(room)
    stage.advance(TOLD_S)
    (update,) = first.took(PresenceUpdate)
    assert (update.joined, update.left, update.count, update.rev) == ([], [], MAX_LISTED + 2, reset.presence.rev + 1)
    last.leave(room)
    late.leave(room)
    stage.advance(TOLD_S)
    (update,) = first.took(PresenceUpdate)  # at the border nothing flaps
    assert (update.joined, update.left, update.count) == ([], [], MAX_LISTED)
    for person in people[LISTED_AGAIN - 1 : -1]:
        person.leave(room)
    stage.advance(TOLD_S)
    (reset,) = first.took(PresenceReset)
    assert (len(reset.presence.people), reset.presence.count) == (LISTED_AGAIN, LISTED_AGAIN)


def test_a_stale_session_gets_a_fresh_snapshot_for_itself(stage: Stage, alice: Device, bob: Device, room: str) -> None:
    alice.join(room)
    bob.join(room)
    stage.advance(TOLD_S)
    for device in (alice, bob):
        device.pushes.clear()
    bob.signal(room, Resync())
    (reset,) = bob.took(PresenceReset)
    assert names(reset.presence) == ["Alice", "Bob"]
    assert alice.pushes == []
    assert reset.presence.rev == alice.join(room).presence.rev


def test_a_new_activation_tells_those_who_stayed_with_one_reset(stage: Stage, alice: Device, bob: Device, room: str) -> None:
    before = alice.join(room).presence
    bob.join(room)
    stage.advance(TOLD_S)
    for device in (alice, bob):
        device.pushes.clear()
    stage.fail(room)
    try:
        alice.say(room, "into the void")
    except CommonroomError as error:
        assert type(error).__name__ == "Unavailable"
    stage.mend(room)
    stage.advance(5)
    for device in (alice, bob):
        (reset,) = device.took(PresenceReset)
        assert names(reset.presence) == ["Alice", "Bob"]
        assert reset.presence.activation != before.activation
        assert device.took(PresenceUpdate) == []


# -- what a client makes of it -------------------------------------------------------


@dataclass
class Client:
    """Applies snapshot and deltas by the protocol's rule, as the page does."""

    device: Device
    activation: str = ""
    rev: int = -1
    people: set[Principal] = field(default_factory=set)

    def took_snapshot(self, snapshot: PresenceSnapshot) -> None:
        self.activation, self.rev = snapshot.activation, snapshot.rev
        self.people = {person.principal for person in snapshot.people}

    def read(self) -> None:
        for push in self.device.pushes:
            if isinstance(push, PresenceReset):
                self.took_snapshot(push.presence)
            elif isinstance(push, PresenceUpdate) and push.rev > self.rev:
                assert (push.activation, push.rev) == (self.activation, self.rev + 1)
                self.rev = push.rev
                self.people |= {person.principal for person in push.joined}
                self.people -= set(push.left)
                assert len(self.people) == push.count
            elif isinstance(push, PrincipalUpgraded) and push.rev > self.rev:
                assert (push.activation, push.rev) == (self.activation, self.rev + 1)
                self.rev = push.rev
                self.people = (self.people - {push.former}) | {push.person.principal}
        self.device.pushes.clear()


STEPS = st.lists(
    st.tuples(st.sampled_from(["join", "join", "leave", "wait", "sign in"]), st.integers(0, 5), st.integers(0, 300)),
    min_size=20,
    max_size=80,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_every_client_ends_with_exactly_those_who_are_here(steps: list[tuple[str, int, int]]) -> None:
    stage = Stage()
    people = [stage.person(name) for name in "ABC"]
    users = [stage.user(person) for person in people]
    clients = [Client(device) for person in people for device in (person, stage.device(person.authority))]
    room = stage.room(people[0])
    inside: dict[int, Principal] = {}  # in whose place each device is
    for verb, who, pause_ms in steps:
        client = clients[who]
        if verb == "join":
            client.device.pushes.clear()
            client.took_snapshot(client.device.join(room).presence)
            inside.setdefault(who, client.device.principal)
        elif verb == "leave":
            client.device.leave(room)
            inside.pop(who, None)
        elif verb == "sign in":  # one device of the two: the other goes on with the guest's token
            client.device.refresh(users[who // 2])
            inside.update({who: client.device.principal} if who in inside else {})
        else:
            stage.advance(pause_ms / 1000)
        both = [device for device in inside if device // 2 == who // 2]
        if users[who // 2].principal in {inside[device] for device in both}:
            inside.update(dict.fromkeys(both, users[who // 2].principal))
        for present in inside:
            clients[present].read()
    stage.advance(TOLD_S)
    here = set(inside.values())
    for nth in inside:
        clients[nth].read()
        assert clients[nth].people == here
    stage.close()
