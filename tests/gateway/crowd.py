"""Users whose status is looked at, alone and in crowds, in front of real actors on virtual time.

`python -m tests.gateway.crowd` prints the figures of docs/BENCHMARKS.md: virtual seconds, real CPU.
"""

import argparse
from collections.abc import Mapping, Sequence
from time import process_time

from commonroom.engine.gateway.status import StatusPorts
from commonroom.errors import Unavailable
from commonroom.identity import Authority
from commonroom.ids import seeded
from commonroom.protocol.status import StatusUpdate, UserStatus
from commonroom.storage.repository.preference import StatusFacts
from commonroom.tasks import pause
from tests.gateway.house import House, Person, user

__all__ = ["SOON_S", "Crowd", "Table", "last", "look"]

SOON_S = 3.0
PATIENCE_S = 30.0


class Table:
    """What PostgreSQL would have. Users in `facts` exist."""

    def __init__(self, *users: str) -> None:
        self.facts = {name: StatusFacts() for name in users}
        self.seen: list[str] = []
        self.away = False
        self.house: House

    async def load(self, users: Sequence[str]) -> Mapping[str, StatusFacts]:
        if self.away:
            raise Unavailable("the table is away")
        return {name: self.facts[name] for name in users if name in self.facts}

    async def choose(self, authority: Authority, dnd: bool) -> None:
        if self.away:
            raise Unavailable("the table is away")
        await pause(0.02 if dnd else 0.0)  # the one before is still under way when the next one would be done
        self.change(authority.principal.actor_id, dnd=dnd)

    def change(self, name: str, **changes: object) -> None:
        facts = self.facts[name]
        self.facts[name] = facts._replace(revision=facts.revision + 1, **changes)  # type: ignore[arg-type]
        self.house.gateway.statuses.changed([name])

    def prefer(self, name: str, **changes: object) -> None:
        """Their preferences are changed elsewhere."""
        self.house.loop.call_soon(lambda: self.change(name, **changes))
        self.house.pass_s(SOON_S)


def look(viewer: Person, *users: str, seconds: float = SOON_S) -> None:
    viewer.do("status.watch", users=list(users))
    viewer.house.pass_s(seconds)


def last(viewer: Person) -> dict[str, UserStatus]:
    """What the viewer knows of each."""
    return {one.user: one for update in viewer.took(StatusUpdate) for one in update.users}


class Crowd:
    """Users who come and go, each at its own moments, and viewers who look at up to 200 of them each."""

    def __init__(self, house: House, table: Table, users: int, viewers: int) -> None:
        self.house = house
        self.names = [f"flapper-{number}" for number in range(users)]
        table.facts.update({name: StatusFacts() for name in self.names})
        self.here: dict[str, Person] = {}
        self.viewers = [house.person(user("ada")) for _ in range(viewers)]
        for number, viewer in enumerate(self.viewers):
            rotated = self.names[number:] + self.names[:number]
            look(viewer, *rotated[:200], seconds=0.1)
        house.pass_s(SOON_S)

    def flap(self, name: str) -> None:
        if (person := self.here.pop(name, None)) is None:
            self.here[name] = self.house.person(user(name))
        else:
            person.outbox.close()
            self.house.loop.call_soon(person.session.ended)

    def go_on(self, seconds: float, flaps_per_s: int) -> None:
        random = seeded("flaps")
        for _ in range(int(seconds * flaps_per_s)):
            self.flap(random.choice(self.names))
            self.house.pass_s(1 / flaps_per_s)

    def pushes(self) -> list[int]:
        return [len(viewer.took(StatusUpdate)) for viewer in self.viewers]

    def is_true(self, viewer: Person) -> bool:
        return all((status.status == "online") is (name in self.here) for name, status in last(viewer).items())


def main() -> None:
    """Let a crowd flap and say what it cost."""
    parser = argparse.ArgumentParser(prog="tests.gateway.crowd")
    for name, default in (("users", 500), ("viewers", 20), ("seconds", 60), ("rate", 500)):
        parser.add_argument(f"--{name}", type=int, default=default)
    wanted, table = parser.parse_args(), Table("ada")
    with House(status=StatusPorts(table.load, table.choose, table.seen.append)) as house:
        table.house = house
        crowd = Crowd(house, table, wanted.users, wanted.viewers)
        before, began_s = crowd.pushes(), process_time()
        crowd.go_on(wanted.seconds, wanted.rate)
        spent_s, quiet_s = process_time() - began_s, house.loop.time()
        pushes = [(after - earlier) / wanted.seconds for after, earlier in zip(crowd.pushes(), before, strict=True)]
        while not all(map(crowd.is_true, crowd.viewers)) and house.loop.time() < quiet_s + PATIENCE_S:
            house.pass_s(0.1)
        print(f"status pushes a viewer and second: {min(pushes):.2f} to {max(pushes):.2f}")
        print(f"true everywhere after: {house.loop.time() - quiet_s:.1f} s")
        print(f"CPU an arrival or departure, clients included: {1e6 * spent_s / (wanted.seconds * wanted.rate):.0f} µs")


if __name__ == "__main__":
    main()
