"""Somebody at an address of their own, alone in a room that they founded."""

from typing import TypeVar

from commonroom.bench.load.account import Accounts
from commonroom.bench.load.dialect import Commonroom
from commonroom.bench.load.person import Person, Site
from commonroom.bench.load.stream import StreamCheck
from commonroom.bench.load.tally import Tally
from commonroom.tasks import TaskGroup

__all__ = ["inhabitant"]

P = TypeVar("P", bound=Person)


async def inhabitant(url: str, port: int, tasks: TaskGroup, number: int, kind: type[P]) -> P:
    """One who has entered.

    Args:
        url: of the server; its sockets are at 127.0.0.1 and `port`.
        number: below 62,500; another one is another address.
    """
    source = f"127.1.{number // 250 % 250}.{1 + number % 250}"
    async with Accounts(url, source) as accounts:
        speech = Commonroom(durable=True)
        secret = await accounts.guest(f"guest {number}")
        room = await accounts.room(secret, f"room {number}")
        person = kind(Site("127.0.0.1", port, accounts, tasks, Tally()), speech, StreamCheck(speech), room, number + 1, strict=False)
        person.secret = secret
        await person.enter()
    return person
