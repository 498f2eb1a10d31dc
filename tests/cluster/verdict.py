"""What must hold of a cluster, and of each person's view of it (DESIGN 10)."""

from collections import Counter

from commonroom.engine.address import Address
from commonroom.engine.testing.cluster.client import ClusterClient, Line
from commonroom.engine.testing.cluster.node import Node
from commonroom.engine.testing.cluster.world import ClusterWorld
from commonroom.protocol.codec import decode_event
from tests.cluster.hall import Hall

__all__ = ["Verdict"]


class Verdict:
    """Judges a world by its store and by what its people were told.

    Args:
        people: all of the world's clients.
        name: stands before every complaint; it tells how to replay.
    """

    def __init__(self, world: ClusterWorld, people: list[ClusterClient], name: object) -> None:
        self._world = world
        self._people = people
        self._name = name

    def ills(self) -> list[str]:
        """What is not as it should be yet."""
        found = [f"{person.name} lacks {line.nonce}" for person in self._people for line in person.unacked]
        for person in self._people:
            for name, room in person.rooms.items():
                if not room.joined:
                    found.append(f"{person.name} is not in {name}")
                elif room.position != self._head(name):
                    found.append(f"{person.name} is at {room.position} of {self._head(name)} in {name}")
        for name, stream in self._world.store.streams.items():
            if stream.next_due is not None:
                found.append(f"{name} still has an alarm")
        return found

    def check(self) -> None:
        """Everything that must hold once all is well.

        Raises:
            AssertionError: something does not.
        """
        world = self._world
        assert not world.failures, f"{self._name}: {world.failures[:5]}"
        assert not world.store.breaches, f"{self._name}: {world.store.breaches[:5]} (I1)"
        for person in self._people:
            assert not person.errors, f"{self._name}: {person.name}: {person.errors[:5]}"
            self._check_lines(person)
            self._check_seen(person)
        self._check_streams()
        self._check_presence()

    def _head(self, room: str) -> int:
        stream = self._world.store.streams.get(f"room/{room}")
        return 0 if stream is None else stream.head

    def _check_streams(self) -> None:
        for name, stream in self._world.store.streams.items():
            assert [event.offset for event in stream.events] == list(range(1, stream.head + 1)), f"{self._name}: {name} has gaps (I3)"
            assert stream.epochs == sorted(stream.epochs), f"{self._name}: {name} has a falling epoch (I1, I3)"
            keys = [event.dedup for event in stream.events if event.dedup is not None]
            assert len(keys) == len(set(keys)), f"{self._name}: a key twice in {name} (I4)"
            alarms = sum(b"alarm:" in event.payload for event in stream.events)
            rung = sum(key.startswith("d:") for key in keys)
            assert rung == alarms, f"{self._name}: {alarms} alarms of {name} rang {rung} times (I7)"

    def _check_lines(self, person: ClusterClient) -> None:
        """Acked means stored, once, where the answer said (I2, I4); what was sent once, in order (I5)."""
        last: dict[str, int] = {}
        for line in sorted(person.lines, key=lambda line: line.sent):
            stored = self._world.store.streams[f"room/{line.room}"].events
            places = [event.offset for event in stored if event.dedup == f"c:{person.sid}:{line.nonce}"]
            assert places == [line.offset], f"{self._name}: {line} is stored at {places}"
            self._check_author(person, line)
            if line.tries == 1 and line.offset is not None:
                assert line.offset > last.get(line.room, 0), f"{self._name}: {line} is before an earlier one (I5)"
                last[line.room] = line.offset

    def _check_author(self, person: ClusterClient, line: Line) -> None:
        """What was sent by one token only is its principal's: a guest's before signing in, the user's after (P2)."""
        if not line.token or line.offset is None:
            return
        event = decode_event(self._world.store.streams[f"room/{line.room}"].events[line.offset - 1].payload)
        kind = "guest" if line.token == person.sid else "user"
        assert event.author is not None, f"{self._name}: {line} has no author"
        assert event.author.actor_type == kind, f"{self._name}: {line} is of {event.author}"

    def _check_seen(self, person: ClusterClient) -> None:
        """What a person was shown of a room is its end, as it is stored (I6)."""
        for name, room in person.rooms.items():
            stream = self._world.store.streams.get(f"room/{name}")
            end = [event.payload for event in stream.events][-len(room.seen) :] if stream is not None and room.seen else []
            assert room.seen == end, f"{self._name}: {person.name} saw another {name} than is stored (I6)"

    def _check_presence(self) -> None:
        """Who is here: everybody's session, and nobody else's."""
        for room in sorted({room for person in self._people for room in person.rooms}):
            here = {person.session for person in self._people if room in person.rooms}
            halls = self._halls(room)
            assert len(halls) == 1, f"{self._name}: {room} lives {len(halls)} times"
            assert halls[0].sessions == here, f"{self._name}: in {room} are {halls[0].sessions}, should be {here}"
            self._check_places(room, halls[0])

    def _check_places(self, room: str, hall: Hall) -> None:
        """One place for each login session, the user's once one of its tabs here has signed in (P2)."""
        tabs = [person for person in self._people if room in person.rooms]
        users = {person.sid: person.principal for person in tabs if person.token != person.sid}
        places = Counter(users.get(person.sid, person.principal) for person in tabs)
        found = {member.principal: member.sessions for member in hall.roster}
        assert found == places, f"{self._name}: the places in {room} are {found}, should be {dict(places)} (P2)"

    def _halls(self, room: str) -> list[Hall]:
        address = Address("room", room)
        nodes: list[Node] = [node for node in self._world.nodes if node.process.alive]
        lives = [one.actor for node in nodes if (one := node.host._live.get(address)) is not None]
        return [actor for actor in lives if isinstance(actor, Hall)]
