"""Many rooms, founded over a few sockets as fast as the server acknowledges them."""

from collections.abc import Awaitable, Callable
from itertools import cycle

from commonroom.bench.load.dialect import Decoded
from commonroom.bench.load.person import Person
from commonroom.bench.load.stream import StreamCheck
from commonroom.bench.scenario.scenario import Load
from commonroom.ids import new_id
from commonroom.protocol.room import RoomCreate, Visibility
from commonroom.protocol.timer import TimerSettings

__all__ = ["HOSTS", "enter_hosts", "found_rooms"]

HOSTS = 50
AT_ONCE = 400


async def enter_hosts(load: Load, count: int = HOSTS, user: str = "") -> list[Person]:
    """People who follow no room yet and see every message as it is; with an access token of a user they are all that one."""
    hosts = []
    for number in range(count):
        speech = Decoded(durable=False)
        hosts.append(Person(load.site, speech, StreamCheck(speech), "", 1_000_000 * (1 + load.share) + number))
        hosts[-1].secret = user
        await hosts[-1].enter()
    return hosts


async def found_rooms(load: Load, count: int, timer: TimerSettings | None = None, user: str = "") -> list[str]:
    """Rooms, public ones of that user or unlisted ones of guests; their ids, in the order asked for.

    Raises:
        Unavailable: the server refused one.
    """
    hosts = await enter_hosts(load, user=user)
    visibility: Visibility = "public" if user else "unlisted"
    settings = timer or TimerSettings()
    rooms = [new_id(number + 1, load.random.getrandbits(74)) for number in range(count)]

    def founding(host: Person, room: str) -> Callable[[], Awaitable[None]]:
        async def found() -> None:
            await host.ask(lambda ref: RoomCreate(ref, room, room, "study", f"Room {room[-6:]}", visibility=visibility, timer=settings))

        return found

    await load.each([founding(host, room) for host, room in zip(cycle(hosts), rooms, strict=False)], AT_ONCE)
    for host in hosts:
        host.leave()
    return rooms
