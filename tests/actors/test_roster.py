"""The roster against a naive one, which goes through all sessions whenever it is asked."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from commonroom.actors.room.roster import Roster
from commonroom.identity import MAX_GUESTS, Principal
from commonroom.protocol.roster import Person

GUESTS = [Principal("guest", name) for name in "abcd"]
USERS = [Principal("user", "1"), Principal("user", "2")]
OWNED = {USERS[0]: GUESTS[:2], USERS[1]: GUESTS[2:]}
"""Which guests a user was."""


def person(principal: Principal, name: str = "") -> Person:
    return Person(principal, name or principal.actor_id, "participant")


@dataclass
class Naive:
    """Who said what: each session's principal, and what the room was told of guests since somebody came."""

    sessions: dict[str, Principal] = field(default_factory=dict)
    became: dict[Principal, Principal] = field(default_factory=dict)
    since: dict[Principal, int] = field(default_factory=dict)

    def attach(self, session: str, principal: Principal, now: int) -> None:
        for guest in OWNED.get(principal, []):
            self.became[guest] = principal
        if session not in self.sessions or principal.actor_type == "user":
            self.sessions[session] = principal
        self._settle(now)

    def detach(self, session: str, now: int) -> None:
        self.sessions.pop(session, None)
        self._settle(now)

    def _settle(self, now: int) -> None:
        self.sessions = {session: self.became.get(who, who) for session, who in self.sessions.items()}
        here = set(self.sessions.values())
        # a place is as old as the oldest of those that became it
        before = {guest: self.since[guest] for guest in self.since}
        self.since = {
            who: min([before[one] for one in (who, *OWNED.get(who, [])) if one in before and (one == who or one not in here)] or [now])
            for who in here
        }
        self.became = {guest: user for guest, user in self.became.items() if user in here}


STEPS = st.lists(st.tuples(st.sampled_from(["attach", "attach", "sign in", "detach"]), st.integers(0, 7)), min_size=30, max_size=80)


@given(steps=STEPS)
def test_places_merge_as_if_all_sessions_were_looked_through(steps: list[tuple[str, int]]) -> None:
    roster, naive = Roster(), Naive()
    users = {guest: user for user, guests in OWNED.items() for guest in guests}
    for now, (verb, number) in enumerate(steps):
        session, guest = f"s{number}", GUESTS[number % len(GUESTS)]
        if verb == "detach":
            gone = roster.detach(session)
            before = set(naive.since)
            naive.detach(session, now)
            assert {gone.principal if gone else None} - {None} == before - set(naive.since)
        else:
            _arrive(roster, session, users[guest] if verb == "sign in" else guest, now)
            naive.attach(session, users[guest] if verb == "sign in" else guest, now)
        assert {member.principal: member.since for member in roster} == naive.since
        counts = {who: list(naive.sessions.values()).count(who) for who in naive.since}
        assert {member.principal: member.sessions for member in roster} == counts
        assert roster._became == naive.became


def _arrive(roster: Roster, session: str, principal: Principal, now: int) -> None:
    """As the room does it."""
    guests = OWNED.get(principal, [])
    for guest in guests:
        roster.upgrade(guest, person(principal))
    roster.attach(session, person(principal), now)
    if guests:
        roster.remember(principal, guests)


def test_what_is_remembered_of_a_person_is_bounded() -> None:
    roster, user = Roster(), Principal("user", "u")
    roster.attach("s", person(user), 0)
    for nth in range(5 * MAX_GUESTS):
        roster.remember(user, [Principal("guest", f"g{nth}")])
    assert {guest.actor_id for guest in roster._became} == {f"g{nth}" for nth in range(4 * MAX_GUESTS, 5 * MAX_GUESTS)}
    roster.detach("s")
    assert roster._became == {}


def test_of_the_guests_a_person_was_those_are_known_apart_who_were_here() -> None:
    roster, user = Roster(), Principal("user", "u")
    upgraded, by_token, elsewhere = (Principal("guest", name) for name in ("upgraded", "by-token", "elsewhere"))
    roster.attach("one", person(upgraded), 0)
    for guest in (upgraded, by_token, elsewhere):
        roster.upgrade(guest, person(user))
    roster.attach("two", person(user), 0)
    roster.remember(user, [upgraded, by_token, elsewhere])
    roster.attach("three", person(by_token), 0)
    (member,) = roster
    assert (set(member.seen), len(member.guests)) == ({upgraded, by_token}, 3)
    roster.remember(user, [Principal("guest", f"g{nth}") for nth in range(MAX_GUESTS)])
    assert member.seen == frozenset()


def test_an_old_token_does_not_rename_the_user() -> None:
    roster, guest, user = Roster(), Principal("guest", "g"), Principal("user", "u")
    roster.attach("tab", person(guest, "Guest"), 0)
    roster.upgrade(guest, person(user, "User"))
    roster.remember(user, [guest])
    assert roster.attach("other", person(guest, "Guest again"), 1) is None
    (member,) = roster
    assert (member.person.name, member.sessions, member.since) == ("User", 2, 0)
