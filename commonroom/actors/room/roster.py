"""Who is in a room: people, and the sessions by which they are here. Volatile.

Names come from what the edge verified. A person with several sessions counts once.

A guest who becomes a user keeps the place (FEATURES P2), with all its sessions: a guest's
tabs share one login session, though each refreshes when it comes to it. While the user is
here the room remembers which guests that was, so that a tab with an old token comes into
the user's place. Once the user is gone the room forgets: such a tab is a guest again, for
the few minutes until its token is renewed, which upgrades it.
"""

from collections.abc import Iterable, Iterator
from math import inf
from typing import Final

from msgspec.structs import replace

from commonroom.identity import MAX_GUESTS, Authority, Principal
from commonroom.protocol.roster import Person, Role

__all__ = ["MAX_SENT_AWAY", "Member", "Roster"]

MAX_SENT_AWAY: Final = 1000
"""Sessions, the latest."""


class Member:
    """A person who is here now. `since` is cluster ms; `guests` are those it is known to have been, `seen` those of them who were here.

    `sanctioned_until`: when an admin's mute or shadow ends, cluster ms; inf: it has no end, 0: there is none.
    """

    __slots__ = ("guests", "person", "sanctioned_until", "seen", "sessions", "since")

    def __init__(self, person: Person, since: int) -> None:
        self.person = person
        self.since = since
        self.sessions = 0
        self.guests: tuple[Principal, ...] = ()
        self.seen: frozenset[Principal] = frozenset()
        self.sanctioned_until = 0.0

    @property
    def principal(self) -> Principal:
        """Who it is."""
        return self.person.principal


class Roster:
    """People by principal, and by session. Every operation is O(1) but the merging of two places, O(sessions).

    Invariant: a session speaks for one person; it may change from a guest to the user whom that became.
    """

    __slots__ = ("_became", "_members", "_sessions", "sent_away")

    def __init__(self) -> None:
        self.sent_away: dict[str, bool] = {}
        """Sessions whose person was asked to leave, or quit (True), until they join again or are gone: what they sent before may come."""
        self._members: dict[Principal, Member] = {}
        self._sessions: dict[str, Member] = {}
        self._became: dict[Principal, Principal] = {}

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members.values())

    @property
    def sessions(self) -> int:
        """How many they are by; each is sent every push."""
        return len(self._sessions)

    def __contains__(self, principal: Principal) -> bool:
        return principal in self._members

    def get(self, principal: Principal) -> Member | None:
        """The person, if here."""
        return self._members.get(principal)

    def now(self, principal: Principal) -> Principal:
        """Who that is here: the user whom the guest became, else itself."""
        return self._became.get(principal, principal)

    def attach(self, session: str, person: Person, now: int) -> Member | None:
        """A session joined; the member where the person was not here before, or has a new name."""
        principal = self.now(person.principal)
        known = self._sessions.get(session)
        member = known or self._members.get(principal)
        is_new = member is None
        if member is None:
            member = self._members[principal] = Member(person, now)
        if known is None:
            self._sessions[session] = member
            member.sessions += 1
        if is_new:
            return member
        if principal != person.principal:
            member.seen |= {person.principal}
        if member.principal != person.principal or member.person == person:
            return None  # by an old token of the guest, whose name counts no more; or nothing new
        member.person = person
        return member

    def detach(self, session: str) -> Member | None:
        """A session is gone; the member if it was the person's last."""
        self.sent_away.pop(session, None)
        member = self._sessions.pop(session, None)
        if member is None:
            return None
        member.sessions -= 1
        if member.sessions:
            return None
        for guest in member.guests:
            self._became.pop(guest, None)
        return self._members.pop(member.principal)

    def expel(self, principal: Principal, *, quits: bool = False) -> Member | None:
        """The person is gone, with all sessions; the member, None if not here. O(sessions of all)."""
        member = self._members.pop(principal, None)
        if member is None:
            return None
        for session in [session for session, place in self._sessions.items() if place is member]:
            del self._sessions[session]
            self.sent_away[session] = quits
        while len(self.sent_away) > MAX_SENT_AWAY:
            del self.sent_away[next(iter(self.sent_away))]
        member.sessions = 0
        for guest in member.guests:
            self._became.pop(guest, None)
        return member

    def assign(self, names: Iterable[Principal], role: Role) -> None:
        """Whoever has these names has another role, if here."""
        for name in names:
            if (member := self._members.get(self.now(name))) is not None:
                member.person = replace(member.person, role=role)

    def upgrade(self, guest: Principal, person: Person) -> Member | None:
        """Give the guest's place to the person, who may have one already; the member, None where the guest has none."""
        former = self._members.pop(guest, None)
        if former is None:
            return None
        member = self._members.setdefault(person.principal, former)
        if member is not former:
            member.sessions += former.sessions
            member.since = min(member.since, former.since)
            moved = [session for session, place in self._sessions.items() if place is former]
            self._sessions.update(dict.fromkeys(moved, member))
        member.person = person
        member.seen |= {guest, *former.seen}
        self.remember(person.principal, (guest,))
        return member

    def mark(self, authority: Authority) -> None:
        """What an admin has imposed on somebody; an old token of a guest who is a user here tells nothing of that."""
        if (member := self._members.get(authority.principal)) is not None:
            member.sanctioned_until = (authority.sanction_until or inf) if authority.sanction else 0.0

    def remember(self, principal: Principal, guests: Iterable[Principal]) -> None:
        """The person, who is here, was these guests; of too many the latest count."""
        member = self._members[principal]
        known = tuple(dict.fromkeys((*guests, *member.guests)))
        if known == member.guests:
            return
        for forgotten in known[MAX_GUESTS:]:
            self._became.pop(forgotten, None)
        member.guests = known[:MAX_GUESTS]
        member.seen = member.seen.intersection(member.guests)
        self._became.update(dict.fromkeys(member.guests, principal))
