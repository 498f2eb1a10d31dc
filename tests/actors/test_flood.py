"""P10: what comes too fast is delayed a little, then refused; for each person, and for all of a room."""

from collections.abc import Iterator
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from commonroom.actors.room.chat import Chat
from commonroom.actors.room.flood import LONGEST_MS, Flood
from commonroom.actors.room.roster import MAX_SENT_AWAY, Roster
from commonroom.codes import ErrorCode
from commonroom.engine.address import slot_of
from commonroom.engine.envelope import Envelope
from commonroom.engine.hold import MAX_HELD
from commonroom.errors import CommonroomError, Forbidden, RateLimited, RoomBanned, Unauthenticated
from commonroom.identity import Authority, Principal, SessionId, Standing
from commonroom.limit.limit import MESSAGES, MESSAGES_OF_ROOM
from commonroom.protocol.chat import MessageCreate, MessageEdit, MessageRemove, MessageSend, MessageUpdate
from commonroom.protocol.moderation import ModerationCommand, RoomBan, RoomKick, RoomMute
from commonroom.protocol.room import Joined, RoomJoin
from commonroom.protocol.roster import Person
from commonroom.protocol.session import Reply
from commonroom.protocol.typing import Typing, TypingStart
from commonroom.protocol.wire import DurablePush
from tests.actors.stage import Device, Stage

AT_ONCE = MESSAGES.amount
DELAYED = LONGEST_MS * AT_ONCE // (MESSAGES.period_s * 1000)
"""Messages that one person may have waiting."""


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage(limits_scale=1.0)
    yield stage
    stage.close()


def say(device: Device, room: str, *texts: str) -> list[int]:
    """Send without waiting; their refs."""
    return [device.send(MessageSend, room, text=text, nonce=device.nonce()) for text in texts]


def said(stage: Stage, room: str, kind: type[DurablePush] = MessageCreate) -> list[str]:
    return [event.text for event in stage.events(room) if isinstance(event, MessageCreate | MessageUpdate) and isinstance(event, kind)]


def numbers(count: int) -> list[str]:
    return [str(number) for number in range(count)]


class TestOnePerson:
    def test_P10_some_pass_some_wait_and_the_rest_is_refused(self, stage: Stage, alice: Device, bob: Device, room: str) -> None:
        alice.join(room)
        bob.join(room)
        refs = say(alice, room, *numbers(AT_ONCE + DELAYED + 3))
        stage.advance(0.1)
        assert said(stage, room) == numbers(AT_ONCE)
        for ref in refs[AT_ONCE + DELAYED :]:
            refused = alice.assert_error(ref, ErrorCode.RATE_LIMITED)
            assert (refused.retry_after_ms, refused.remaining) == (LONGEST_MS + 1000, 0)
        stage.advance(1)
        assert said(stage, room) == numbers(AT_ONCE + 1)
        stage.advance(1)
        assert said(stage, room) == numbers(AT_ONCE + DELAYED)
        assert [alice.assert_reply(ref, Reply).offset for ref in refs[: AT_ONCE + DELAYED]] == list(range(2, 2 + AT_ONCE + DELAYED))
        assert [push.text for push in bob.took(MessageCreate)] == numbers(AT_ONCE + DELAYED)

    def test_P10_whoever_waits_as_told_is_heard_at_once(self, stage: Stage, alice: Device, room: str) -> None:
        alice.join(room)
        *_, last = say(alice, room, *numbers(AT_ONCE + DELAYED + 1))
        wait_ms = alice.assert_error(last, ErrorCode.RATE_LIMITED).retry_after_ms
        assert wait_ms is not None
        stage.advance(wait_ms / 1000)
        before = stage.now()
        alice.say(room, "now")
        assert stage.now() - before < 100

    def test_P10_what_was_refused_does_not_prolong_the_wait(self, stage: Stage, alice: Device, room: str) -> None:
        alice.join(room)
        say(alice, room, *numbers(200))
        stage.advance(2.1)
        assert alice.say(room, "on it goes") == 2 + AT_ONCE + DELAYED

    def test_P10_everybody_else_is_heard_meanwhile(self, stage: Stage, alice: Device, bob: Device, room: str) -> None:
        alice.join(room)
        bob.join(room)
        say(alice, room, *numbers(AT_ONCE + DELAYED))
        before = stage.now()
        bob.say(room, "me too")
        assert stage.now() - before < 100
        assert said(stage, room)[-1] == "me too"

    def test_I5_later_commands_of_the_sender_wait_behind(self, stage: Stage, alice: Device, bob: Device, room: str) -> None:
        alice.join(room)
        bob.join(room)
        say(alice, room, *numbers(AT_ONCE + 1))
        alice.send(TypingStart, room)
        stage.advance(0.5)
        assert bob.took(Typing) == []
        stage.advance(0.6)
        assert said(stage, room) == numbers(AT_ONCE + 1)
        assert [push.person for push in bob.took(Typing)] == [alice.principal]

    def test_a_tab_that_joins_and_leaves_behind_a_waiting_message_leaves_no_ghost(self, stage: Stage, alice: Device, room: str) -> None:
        tab = stage.device(alice.authority)
        say(alice, room, *numbers(AT_ONCE + 1))
        joining = tab.send(RoomJoin, room)
        tab.leave(room)
        stage.advance(0.5)
        assert joining not in tab.answers
        stage.advance(1)
        assert isinstance(tab.answer(joining), Joined)
        assert len(stage.actor(room).room.roster) == 0

    def test_all_devices_of_a_person_count_together_and_each_waits_for_itself(self, stage: Stage, alice: Device, room: str) -> None:
        account = stage.user(alice)
        devices = [stage.device(replace(account, sid=SessionId(f"sid-{number}"))) for number in range(3)]
        for device in devices:
            device.join(room)
        for number in range(AT_ONCE + DELAYED + 1):
            say(devices[number % 3], room, str(number))
        stage.advance(0.1)
        assert len(said(stage, room)) == AT_ONCE
        stage.advance(5)
        assert said(stage, room) == numbers(AT_ONCE + DELAYED)

    @pytest.mark.parametrize("is_here", [True, False])
    def test_a_guest_who_becomes_a_user_has_written_what_the_guest_wrote(self, stage: Stage, bob: Device, room: str, is_here: bool) -> None:
        if is_here:
            bob.join(room)
        say(bob, room, *numbers(AT_ONCE + DELAYED))
        stage.advance(0.1)
        bob.refresh(stage.user(bob))
        (ref,) = say(bob, room, "more")
        assert bob.assert_error(ref, ErrorCode.RATE_LIMITED).remaining == 0

    def test_a_tab_with_the_guests_old_token_counts_as_the_user(self, stage: Stage, bob: Device, room: str) -> None:
        tab = stage.device(bob.authority)
        for device in (bob, tab):
            device.join(room)
        bob.refresh(stage.user(bob))
        say(bob, room, *numbers(AT_ONCE + DELAYED))
        stage.advance(0.1)
        (ref,) = say(tab, room, "more")
        tab.assert_error(ref, ErrorCode.RATE_LIMITED)

    def test_edits_count_and_deletions_do_not(self, stage: Stage, alice: Device, room: str) -> None:
        alice.join(room)
        first = alice.say(room, "first")
        edits = [alice.send(MessageEdit, room, message=first, text=str(number), nonce=alice.nonce()) for number in range(AT_ONCE + DELAYED)]
        alice.assert_error(edits[-1], ErrorCode.RATE_LIMITED)
        gone = alice.send(MessageRemove, room, message=first, nonce=alice.nonce())
        stage.advance(3)
        assert said(stage, room, MessageUpdate) == [""] * (AT_ONCE + DELAYED - 1)  # deleted for good
        alice.assert_reply(gone, Reply)

    def test_a_message_that_is_fetched_first_is_counted_once(self, alice: Device, stage: Stage, room: str) -> None:
        alice.join(room)
        first = alice.say(room, "first")
        for number in range(60):
            other = stage.person(str(number))
            other.join(room)
            other.say(room, "over it")
        stage.advance(10)
        for number in range(AT_ONCE):
            before = stage.now()
            alice.edit(room, first, str(number))
            assert stage.now() - before < 500


class TestRetry:
    def test_P10_a_retry_of_what_is_stored_is_answered_at_once_and_not_counted(self, stage: Stage, alice: Device, room: str) -> None:
        alice.join(room)
        first = alice.say(room, "first")
        nonce = alice.last_nonce
        for _ in range(50):
            before = stage.now()
            assert alice.ask(MessageSend, room, text="first", nonce=nonce).offset == first  # type: ignore[attr-defined]
            assert stage.now() - before < 100
        before = stage.now()
        for text in numbers(AT_ONCE - 1):
            alice.say(room, text)
        assert stage.now() - before < 500

    def test_also_while_others_of_the_sender_wait(self, stage: Stage, alice: Device, room: str) -> None:
        alice.join(room)
        first = alice.say(room, "first")
        nonce = alice.last_nonce
        say(alice, room, *numbers(AT_ONCE))
        before = stage.now()
        assert alice.ask(MessageSend, room, text="first", nonce=nonce).offset == first  # type: ignore[attr-defined]
        assert stage.now() - before < 100

    def test_a_repeat_of_what_waits_is_stored_once_and_counted_once(self, stage: Stage, alice: Device, room: str) -> None:
        alice.join(room)
        say(alice, room, *numbers(AT_ONCE + 1))
        nonce = alice.last_nonce
        again = [alice.send(MessageSend, room, text=str(AT_ONCE), nonce=nonce) for _ in range(10)]
        (another,) = say(alice, room, "another")
        stage.advance(3)
        assert said(stage, room) == [*numbers(AT_ONCE + 1), "another"]
        assert {alice.assert_reply(ref, Reply).offset for ref in again} == {2 + AT_ONCE}
        assert alice.assert_reply(another, Reply).offset == 3 + AT_ONCE


class TestRoom:
    def test_P10_a_crowd_is_slowed_and_then_refused(self, stage: Stage, room: str) -> None:
        people = [stage.person(str(number)) for number in range(100)]
        for one in people:
            one.join(room)
        stage.advance(1)
        refs = [say(one, room, one.authority.name)[0] for one in people]
        stage.advance(0.04)
        assert said(stage, room) == numbers(MESSAGES_OF_ROOM.amount)
        stage.advance(1)
        assert len(said(stage, room)) == 2 * MESSAGES_OF_ROOM.amount
        stage.advance(2)
        heard = 3 * MESSAGES_OF_ROOM.amount
        assert said(stage, room) == numbers(heard)
        for one, ref in zip(people[heard:], refs[heard:], strict=True):
            assert one.assert_error(ref, ErrorCode.RATE_LIMITED).retry_after_ms is not None

    def test_rooms_count_apart(self, stage: Stage, alice: Device, room: str) -> None:
        other = stage.room(stage.person("Host"))
        for each in (room, other):
            alice.join(each)
            say(alice, each, *numbers(AT_ONCE))
        stage.advance(0.1)
        assert said(stage, room) == said(stage, other) == numbers(AT_ONCE)

    def test_who_is_not_let_in_uses_nothing_of_the_room_up(self, stage: Stage, alice: Device) -> None:
        room = stage.room(alice, visibility="private")
        stranger = stage.person("Stranger")
        for ref in say(stranger, room, *numbers(50)):
            stranger.assert_error(ref, ErrorCode.NOT_FOUND)
        before = stage.now()
        alice.say(room, "quiet here")
        assert stage.now() - before < 100

    @pytest.mark.parametrize(("sanction", "stored"), [("mute", 0), ("shadow", 50)])
    def test_who_is_not_heard_uses_nothing_of_the_room_up(
        self, stage: Stage, alice: Device, room: str, sanction: Standing, stored: int
    ) -> None:
        alice.join(room)
        for number in range(50):
            stranger = stage.person(str(number))
            stranger.authority = replace(stranger.authority, sanction=sanction)
            stranger.join(room)
            say(stranger, room, "spam")
        stage.advance(0.04)
        assert len(said(stage, room)) == stored
        before = stage.now()
        alice.say(room, "quiet here")
        assert stage.now() - before < 100

    def test_who_is_under_a_shadow_is_slowed_like_everybody(self, stage: Stage, bob: Device, room: str) -> None:
        bob.authority = replace(bob.authority, sanction="shadow")
        bob.join(room)
        *_, last = say(bob, room, *numbers(AT_ONCE + DELAYED + 1))
        bob.assert_error(last, ErrorCode.RATE_LIMITED)

    def test_nothing_is_remembered_before_the_first_message_nor_without_limits(self, stage: Stage, alice: Device, room: str) -> None:
        def flood(stage: Stage, room: str) -> Flood | None:
            (chat,) = (feature for feature in stage.actor(room)._features if isinstance(feature, Chat))
            return chat._flood

        alice.join(room)
        assert flood(stage, room) is None
        alice.say(room, "hello")
        assert len(flood(stage, room) or ()) == 1
        free = Stage()
        host = free.person("Host")
        hers = free.room(host)
        say(host, hers, *numbers(200))
        free.advance(0.1)
        assert len(said(free, hers)) == 200
        assert flood(free, hers) is None
        free.close()


class TestMeanwhile:
    """What became of the sender while the message waited."""

    @pytest.mark.parametrize(
        ("command", "refusal", "why", "at_once"),
        [
            (RoomKick, Forbidden, "you were asked to leave this room", True),
            (RoomBan, RoomBanned, "you are banned from this room", True),
            (RoomMute, Forbidden, "you are muted in this room", False),
        ],
    )
    def test_P35_what_waits_of_who_is_sent_away_or_muted_is_refused(
        self,
        stage: Stage,
        alice: Device,
        bob: Device,
        room: str,
        command: type[ModerationCommand],
        refusal: type[CommonroomError],
        why: str,
        at_once: bool,
    ) -> None:
        for device in (alice, bob):
            device.join(room)
        refs = say(bob, room, *numbers(AT_ONCE + DELAYED))
        stage.advance(0.1)
        alice.do(command, room, person=bob.principal)
        stage.advance(0.1 if at_once else 3)
        assert {(type(error), str(error)) for error in map(bob.answers.get, refs[AT_ONCE:])} == {(refusal, why)}
        stage.advance(3)
        assert said(stage, room) == numbers(AT_ONCE)

    def test_P35_what_was_on_its_way_when_they_were_sent_away_is_refused_until_they_join_again(
        self, stage: Stage, alice: Device, bob: Device, room: str
    ) -> None:
        tab = stage.device(bob.authority)
        for device in (alice, bob, tab):
            device.join(room)
        alice.do(RoomKick, room, person=bob.principal)
        bob.attach(stage.actor(room).address)  # of a gateway that has not heard of it
        bob.refresh(stage.user(bob))
        assert [member.principal for member in stage.actor(room).room.roster] == [alice.principal]
        bob.assert_error(say(bob, room, "too late")[0], ErrorCode.FORBIDDEN)
        tab.leave(room)
        bob.join(room)
        bob.say(room, "again")
        assert said(stage, room) == ["again"]
        assert stage.actor(room).room.roster.sent_away == {}

    def test_sessions_that_were_sent_away_are_remembered_up_to_a_bound(self) -> None:
        roster, person = Roster(), Person(Principal("guest", "bob"), "Bob", "participant")
        for number in range(MAX_SENT_AWAY + 5):
            roster.attach(str(number), person, 0)
        roster.expel(person.principal)
        assert list(roster.sent_away) == [str(number) for number in range(5, MAX_SENT_AWAY + 5)]

    def test_C9_what_waits_of_whom_an_admin_mutes_or_bans_is_not_heard(self, stage: Stage, alice: Device, bob: Device, room: str) -> None:
        for device in (alice, bob):
            device.join(room)
            say(device, room, *numbers(AT_ONCE + DELAYED))
        stage.advance(0.1)

        def vouched(authority: Authority) -> Authority:
            if authority.principal == bob.principal:
                raise Unauthenticated("the login session has ended")
            return replace(authority, sanction="mute")

        stage.host.vouched = vouched
        stage.advance(3)
        assert said(stage, room) == 2 * numbers(AT_ONCE)
        assert {type(bob.answers[ref]) for ref in list(bob.answers)[-DELAYED:]} == {Unauthenticated}
        assert {str(alice.answers[ref]) for ref in list(alice.answers)[-DELAYED:]} == {"you are muted"}


class Moved:
    """Another node, which takes over what this one has not answered."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def fenced(self, slot: int) -> None:
        raise AssertionError(slot)

    def moved_on(self, envelopes: list[Envelope]) -> None:
        self.texts += [envelope.command.text for envelope in envelopes if isinstance(envelope.command, MessageSend)]


class TestEnd:
    """What waits is neither lost nor handled twice when its room goes."""

    def test_a_closing_host_handles_at_once_what_waits(self, alice: Device, stage: Stage, room: str) -> None:
        alice.join(room)
        refs = say(alice, room, *numbers(AT_ONCE + DELAYED))
        stage.advance(0.01)
        before = stage.now()
        stage.loop.run_until_complete(stage.host.close())
        assert stage.now() - before < 500
        assert said(stage, room) == numbers(AT_ONCE + DELAYED)
        assert len([alice.assert_reply(ref, Reply) for ref in refs]) == AT_ONCE + DELAYED

    def test_a_slot_that_is_handed_over_is_finished_at_once(self, alice: Device, stage: Stage, room: str) -> None:
        alice.join(room)
        say(alice, room, *numbers(AT_ONCE + DELAYED))
        stage.advance(0.01)
        before, slot = stage.now(), slot_of(f"room/{room}")
        assert stage.loop.run_until_complete(stage.host.close_slots({slot}, 10.0)) == {slot}
        assert stage.now() - before < 500
        assert said(stage, room) == numbers(AT_ONCE + DELAYED)

    def test_a_lost_slot_takes_what_waits_along(self, alice: Device, stage: Stage, room: str) -> None:
        alice.join(room)
        bounds, deadlines = Moved(), stage.host._deadlines
        stage.host._bounds = bounds
        before = len(deadlines)
        say(alice, room, *numbers(AT_ONCE + DELAYED))
        stage.advance(0.01)
        assert len(deadlines) == before + 1
        stage.host.drop_slots({slot_of(f"room/{room}")})
        assert bounds.texts == numbers(AT_ONCE + DELAYED)[AT_ONCE:]
        assert len(deadlines) < before
        stage.advance(3)
        assert said(stage, room) == numbers(AT_ONCE)

    def test_a_room_that_fails_answers_what_waits(self, alice: Device, stage: Stage, room: str) -> None:
        alice.join(room)
        refs = say(alice, room, *numbers(AT_ONCE + DELAYED))
        stage.advance(0.5)
        stage.fail(room)
        stage.advance(5)
        for ref in refs[AT_ONCE:]:
            alice.assert_error(ref, ErrorCode.RETRY)
        stage.mend(room)

    def test_a_room_with_waiting_messages_is_not_passivated(self, stage: Stage) -> None:
        sleepy = Stage(limits_scale=1.0, idle_s=0.2)
        host = sleepy.person("Host")
        room = sleepy.room(host)
        say(host, room, *numbers(AT_ONCE + DELAYED))
        sleepy.advance(3)
        assert said(sleepy, room) == numbers(AT_ONCE + DELAYED)
        assert sleepy.activation(room) is None
        sleepy.close()

    def test_I10_what_waits_behind_is_bounded(self, stage: Stage, alice: Device, room: str) -> None:
        alice.join(room)
        say(alice, room, *numbers(AT_ONCE + 1))
        refs = [alice.send(TypingStart, room) for _ in range(MAX_HELD + 5)]
        for ref in refs[MAX_HELD:]:
            alice.assert_error(ref, ErrorCode.RETRY)


class TestFlood:
    @given(st.lists(st.tuples(st.integers(0, 3000), st.sampled_from("abc")), max_size=120))
    def test_P10_no_window_has_more_than_both_limits_allow(self, tries: list[tuple[int, str]]) -> None:
        flood, heard = Flood(1.0), []
        for now, person in zip(accumulate(step for step, _ in tries), (person for _, person in tries), strict=True):
            try:
                wait_ms = flood.wait_ms(person, (), now)
            except RateLimited:
                continue
            assert 0 <= wait_ms <= LONGEST_MS
            heard.append((now + wait_ms, person))
        for person in "abc":
            _within([at for at, one in heard if one == person], AT_ONCE, 1000, 0)
        _within(sorted(at for at, _ in heard), MESSAGES_OF_ROOM.amount, 50, LONGEST_MS)

    def test_it_remembers_so_many_people_at_most(self) -> None:
        flood = Flood(1e5)
        for number in range(5000):
            flood.wait_ms(str(number), (), 0)
        assert len(flood) == 1024


def _within(times: list[int], burst: int, interval_ms: int, slack_ms: int) -> None:
    for first, begin in enumerate(times):
        for last, end in enumerate(times[first:], first):
            assert last - first + 1 <= burst + (end - begin + slack_ms) // interval_ms + 1
