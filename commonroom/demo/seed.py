"""Makes a server lively: rooms that are missing are founded, empty ones talked in, timers that rest started.

Whatever is there already stays as it is, so doing it again does nothing more.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import aiohttp
from msgspec import Struct

from commonroom.demo.scene import HOSTS, PEOPLE, ROOMS, Figure, Setting
from commonroom.demo.visitor import Refused, Visitor
from commonroom.errors import NotFound
from commonroom.ids import new_secret, seeded
from commonroom.protocol.chat import MessageSend
from commonroom.protocol.room import Joined, RoomArchive, RoomCreate
from commonroom.protocol.timer import TimerStart
from commonroom.protocol.typing import TypingStart
from commonroom.tasks import TaskGroup, pause

__all__ = ["Made", "seed"]

TIMEOUT_S: Final = 20.0
TYPING_S: Final = 2.0
SHORTEST_SILENCE_S: Final = 4.0
LONGEST_SILENCE_S: Final = 12.0
COMPANY: Final = 3
"""People of a room."""


class Made(Struct):
    """What was not there before; `troubles`: what could not be done, in words."""

    rooms: int = 0
    messages: int = 0
    timers: int = 0
    usernames: int = 0
    troubles: list[str] = []


async def seed(url: str, password: str, *, stay_s: float = 0.0, ready: Callable[[Made], None] | None = None) -> Made:
    """Have the people of the scene come, who have accounts already.

    Args:
        url: of the server, without a path.
        stay_s: how long they stay and go on talking.
        ready: called once all is there.

    Raises:
        Unavailable: the server does not answer, or does not know them by this password.
    """
    made, tasks = Made(), TaskGroup(lambda name, error: made.troubles.append(f"{name}: {error}"))
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as http:
        visitors = [Visitor(http, url, figure.name, tasks) for figure in PEOPLE]
        try:
            for figure, visitor in zip(PEOPLE, visitors, strict=True):
                await _arrive(figure, visitor, password, made)
            for place, setting in enumerate(ROOMS):
                await _furnish(setting, _company(visitors, place), made)
            if ready is not None:
                ready(made)
            await _stay(visitors, stay_s)
        finally:
            for visitor in visitors:
                await visitor.close()
            await tasks.close()
    return made


def _company(visitors: Sequence[Visitor], place: int) -> list[Visitor]:
    """Who is in a room: its host, and those after them."""
    host = place % HOSTS
    return [visitors[(host + step) % len(visitors)] for step in range(COMPANY)]


async def _arrive(figure: Figure, visitor: Visitor, password: str, made: Made) -> None:
    await visitor.sign_in(figure.email, password)
    me = await visitor.call("GET", "/v1/me")
    if me["username"] is None:
        await visitor.call("PUT", "/v1/me/username", {"username": figure.username})
        await visitor.call("PATCH", "/v1/me", {"statusText": figure.status})
        made.usernames += 1
    await visitor.connect()


async def _furnish(setting: Setting, company: Sequence[Visitor], made: Made) -> None:
    """A room as it should be; what hinders that is noted, and the next room is looked at."""
    host = company[0]
    try:
        if not await _is_there(host, setting):
            await host.ask(lambda ref: _creation(ref, setting))
            made.rooms += 1
        joined = await _open(host, setting)
        for visitor in company[1:]:
            await visitor.join(setting.id)
        if not joined.messages:
            await _talk(setting, company, made)
        if joined.timer is not None and joined.timer.status == "idle":
            nonce = _nonce()
            await host.ask(lambda ref: TimerStart(ref, setting.id, nonce))
            made.timers += 1
    except Refused as error:
        made.troubles.append(f"{setting.title}: {error}")


async def _is_there(host: Visitor, setting: Setting) -> bool:
    try:
        await host.call("GET", f"/v1/rooms/{setting.id}")
    except NotFound:
        return False
    return True


async def _open(host: Visitor, setting: Setting) -> Joined:
    """Joined by its host, who opens it again if it was closed meanwhile."""
    joined = await host.join(setting.id)
    if joined.info.archived_at is None:
        return joined
    nonce = _nonce()
    await host.ask(lambda ref: RoomArchive(ref, setting.id, nonce, archived=False))
    return await host.join(setting.id)


async def _talk(setting: Setting, company: Sequence[Visitor], made: Made) -> None:
    for number, line in enumerate(setting.lines):
        await _say(company[number % len(company)], setting, line)
        made.messages += 1


async def _say(visitor: Visitor, setting: Setting, line: str) -> None:
    nonce = _nonce()
    await visitor.ask(lambda ref: MessageSend(ref, setting.id, line, nonce))


async def _stay(visitors: Sequence[Visitor], stay_s: float) -> None:
    """Somebody says something now and then, each line of their room after the other; until time is up."""
    random = seeded(new_secret())
    if stay_s <= 0:
        return
    try:
        async with asyncio.timeout(stay_s):
            while True:
                await pause(random.uniform(SHORTEST_SILENCE_S, LONGEST_SILENCE_S))
                place = random.randrange(len(ROOMS))
                setting = ROOMS[place]
                await _mumble(random.choice(_company(visitors, place)), setting, random.choice(setting.lines))
    except TimeoutError:
        return


async def _mumble(visitor: Visitor, setting: Setting, line: str) -> None:
    """Type for a while, then say it; a room that will not hear it hears the next one."""
    try:
        await visitor.ask(lambda ref: TypingStart(ref, setting.id))
        await pause(TYPING_S)
        await _say(visitor, setting, line)
    except Refused:
        return


def _creation(ref: int, setting: Setting) -> RoomCreate:
    return RoomCreate(
        ref, setting.id, setting.id, "study", setting.title, setting.topic, setting.language, "public", setting.timer,
        tags=list(setting.tags), size_limit=setting.size_limit, theme=setting.theme,
    )  # fmt: skip


def _nonce() -> str:
    return new_secret()[:32]
