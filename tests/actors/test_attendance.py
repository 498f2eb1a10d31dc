"""Who was here while a focus phase ran: exact, private, and kept over a pause."""

import msgspec
from msgspec.structs import replace

from commonroom.actors.room.attendance import MAX_ATTENDEES, Attendance, Meter, PhaseAttendance
from commonroom.actors.room.roster import Member, Roster
from commonroom.engine.private import unpack
from commonroom.identity import Principal
from commonroom.protocol.codec import decode_event
from commonroom.protocol.roster import Person
from commonroom.protocol.timer import (
    TimerConfigure,
    TimerExtend,
    TimerPause,
    TimerReset,
    TimerResume,
    TimerSettings,
    TimerSkip,
    TimerStart,
    TimerUpdate,
)
from tests.actors.stage import Device, Stage

FOCUS_S = 1500.0
SLACK_MS = 50  # the commits' own time


def ended(stage: Stage, room: str) -> list[PhaseAttendance]:
    """The private facts of each phase's end, in order."""
    stored = stage.journal.streams[f"room/{room}"].events
    ends = [kept for kept in stored if getattr(decode_event(kept.payload), "cause", None) == "phase_end"]
    facts = [unpack(kept.private).facts for kept in ends]
    return [msgspec.msgpack.decode(one, type=PhaseAttendance) for one in facts if one is not None]


def near(attendance: PhaseAttendance, person: Device, expected_s: float) -> bool:
    spent = {one.principal: one.present_ms for one in attendance.people}
    return abs(spent.get(person.principal, 0) - expected_s * 1000) <= SLACK_MS


def test_a_finished_focus_phase_says_privately_who_attended_how_long(stage: Stage, alice: Device, bob: Device, room: str) -> None:
    carol = stage.person("Carol")
    alice.join(room)
    carol.join(room)
    alice.timer(room, TimerStart)
    stage.advance(300)
    bob.join(room)
    stage.advance(300)
    carol.leave(room)
    stage.advance(300)
    carol.join(room)
    stage.advance(100)
    carol.leave(room)
    alice.pushes.clear()
    stage.advance(FOCUS_S - 1000 + 1)
    (facts,) = ended(stage, room)
    assert [near(facts, who, s) for who, s in ((alice, FOCUS_S), (bob, FOCUS_S - 300), (carol, 700))] == [True] * 3
    assert facts.present == 2
    (push,) = alice.took(TimerUpdate)
    assert "Attendance" not in repr(push)
    assert msgspec.msgpack.encode(push).count(bob.principal.actor_id.encode()) == 0


def test_a_pause_does_not_count_and_two_devices_are_one_clock(stage: Stage, alice: Device, room: str) -> None:
    phone = stage.device(alice.authority)
    alice.join(room)
    phone.join(room)
    alice.timer(room, TimerStart)
    stage.advance(500)
    alice.leave(room)
    alice.timer(room, TimerPause)
    stage.advance(5000)
    alice.timer(room, TimerResume)
    stage.advance(FOCUS_S - 500 + 1)
    (facts,) = ended(stage, room)
    assert near(facts, alice, FOCUS_S)
    assert len(facts.people) == 1


def test_what_was_attended_before_a_pause_outlives_the_process(stage: Stage, alice: Device, bob: Device, room: str) -> None:
    alice.join(room)
    bob.join(room)
    alice.timer(room, TimerStart)
    stage.advance(1000)
    alice.timer(room, TimerPause)
    for _ in range(2):  # once from the event, once from a snapshot
        stage.restart()
        alice.join(room)
        alice.remove(room, alice.say(room, "this makes a snapshot"))
    alice.timer(room, TimerResume)
    stage.advance(501)
    (facts,) = ended(stage, room)
    assert (near(facts, alice, FOCUS_S), near(facts, bob, 1000)) == (True, True)


def test_P13_extended_time_is_attended_time(stage: Stage, alice: Device, bob: Device, room: str) -> None:
    carol = stage.person("Carol")
    alice.join(room)
    carol.join(room)
    alice.timer(room, TimerStart)
    stage.advance(1000)
    carol.leave(room)
    alice.timer(room, TimerExtend)
    bob.join(room)
    stage.advance(200)
    alice.timer(room, TimerPause)
    alice.timer(room, TimerExtend, by_ms=60_000)
    alice.timer(room, TimerResume)
    stage.advance(FOCUS_S + 300 + 60 - 1200 + 1)
    (facts,) = ended(stage, room)
    assert [near(facts, who, s) for who, s in ((alice, FOCUS_S + 360), (bob, FOCUS_S - 640), (carol, 1000))] == [True] * 3


def test_P13_other_lengths_in_the_middle_of_a_phase_cost_nobody_their_time(stage: Stage, alice: Device, bob: Device, room: str) -> None:
    alice.join(room)
    bob.join(room)
    alice.timer(room, TimerStart)
    stage.advance(600)
    bob.leave(room)
    for focus_ms in (1000, 14_400_000):
        alice.timer(room, TimerConfigure, settings=TimerSettings(focus_ms=focus_ms))
    stage.advance(FOCUS_S - 600 + 1)
    (facts,) = ended(stage, room)
    assert (near(facts, alice, FOCUS_S), near(facts, bob, 600)) == (True, True)


def test_what_was_skipped_or_reset_is_not_carried_into_the_next_phase(stage: Stage, alice: Device, room: str) -> None:
    settings = TimerSettings(focus_ms=100_000, short_break_ms=10_000)
    room = stage.room(alice, settings)
    alice.join(room)
    for command in (TimerSkip, TimerReset):
        alice.timer(room, TimerStart)
        stage.advance(50)
        alice.timer(room, TimerPause)
        alice.timer(room, command)
    alice.timer(room, TimerStart)
    stage.advance(101)
    assert near(ended(stage, room)[-1], alice, 100)


def test_a_break_has_no_attendance_and_neither_has_an_empty_room(stage: Stage, alice: Device, room: str) -> None:
    alice.join(room)
    alice.timer(room, TimerStart)
    stage.advance(FOCUS_S + 301)
    focus, rest = ended(stage, room)
    assert (len(focus.people), rest.people, rest.present) == (1, [], 1)
    stage.restart(down_s=FOCUS_S)
    alice.join(room)
    assert ended(stage, room)[2] == PhaseAttendance([], 0)  # nobody can say who was here


def member(nth: int, since: int = 0) -> Member:
    return Member(Person(Principal("guest", f"g{nth}"), f"P{nth}", "participant"), since)


def here(*members: Member) -> Roster:
    roster = Roster()
    for nth, one in enumerate(members):
        roster.attach(f"s{nth}", one.person, one.since)
    return roster


def test_only_the_time_within_the_stretch_is_counted() -> None:
    meter = Meter()
    meter.left(member(1, since=0), 100, 150)
    meter.left(member(1, since=160), 100, 170)
    meter.left(member(2, since=90), 100, 95)
    total = meter.total([Attendance(Principal("guest", "g3"), 7)], here(member(4, since=190), member(5, since=300)), 100, 200, 1000)
    assert {one.principal.actor_id: one.present_ms for one in total} == {"g1": 60, "g3": 7, "g4": 10}


def test_a_guest_and_the_user_it_became_are_one_clock() -> None:
    meter, user = Meter(), Person(Principal("user", "u"), "U", "participant")
    meter.left(member(1, since=0), 100, 130)
    roster = here(member(1, since=140))
    roster.attach("phone", user, 120)
    roster.upgrade(member(1).principal, user)
    roster.remember(user.principal, [member(1).principal])
    earlier = [Attendance(member(1).principal, 5), Attendance(user.principal, 6)]
    assert meter.total(earlier, roster, 100, 200, 1000) == [Attendance(user.principal, 5 + 6 + 30 + 80)]
    assert meter.total(earlier, roster, 100, 200, 111) == [Attendance(user.principal, 111)]  # all that has passed of the phase


def test_a_door_that_never_stands_still_does_not_fill_the_memory() -> None:
    meter = Meter()
    for nth in range(3 * MAX_ATTENDEES):
        meter.left(member(nth), 0, nth + 1)
    assert len(meter._spent) < 2 * MAX_ATTENDEES
    total = meter.total([], Roster(), 0, 1, 2**50)
    assert len(total) == MAX_ATTENDEES
    assert min(one.present_ms for one in total) == 2 * MAX_ATTENDEES + 1  # those who stayed longest


def test_an_event_without_private_facts_is_folded_all_the_same(stage: Stage, alice: Device, room: str) -> None:
    alice.join(room)
    alice.timer(room, TimerStart)
    actor = stage.actor(room)
    (event,) = [one for one in stage.events(room) if isinstance(one, TimerUpdate)]
    actor.apply(replace(event, offset=3, cause="phase_end"), None)
    assert actor.due() is not None
