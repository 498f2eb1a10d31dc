"""Who is in a room: people, and the sessions by which they are here. Volatile.

Names come from what the edge verified. A person with several sessions counts once.
"""

from collections.abc import Iterator

from commonroom.identity import Principal
from commonroom.protocol.roster import Person

__all__ = ["Member", "Roster"]


class Member:
    """A person who is here now. `since` is cluster ms."""

    __slots__ = ("person", "sessions", "since")

    def __init__(self, person: Person, since: int) -> None:
        self.person = person
        self.since = since
        self.sessions = 0

    @property
    def principal(self) -> Principal:
        """Who it is."""
        return self.person.principal


class Roster:
    """People by principal, principals by session. Every operation is O(1)."""

    __slots__ = ("_members", "_sessions")

    def __init__(self) -> None:
        self._members: dict[Principal, Member] = {}
        self._sessions: dict[str, Principal] = {}

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members.values())

    def __contains__(self, principal: Principal) -> bool:
        return principal in self._members

    def get(self, principal: Principal) -> Member | None:
        """The person, if here."""
        return self._members.get(principal)

    def attach(self, session: str, person: Person, now: int) -> Member | None:
        """A session joined; the member where the person was not here before, or has a new name."""
        former = self._sessions.get(session)
        member = self._members.get(person.principal)
        if former is None:
            self._sessions[session] = person.principal
        if member is None:
            member = self._members[person.principal] = Member(person, now)
            member.sessions = 1
            return member
        member.sessions += former is None
        if member.person == person:
            return None
        member.person = person
        return member

    def detach(self, session: str) -> Member | None:
        """A session is gone; the member if it was the person's last."""
        principal = self._sessions.pop(session, None)
        if principal is None:
            return None
        member = self._members[principal]
        member.sessions -= 1
        if member.sessions:
            return None
        return self._members.pop(principal)
